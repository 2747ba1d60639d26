/* --plan: what an input file would do, before any launch.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "classifier/classifier.h"
#include "model/model.h"
#include "storage/atomic_file.h"
#include "tasks/pretrain.h"

/* Operations a second that products of the model's own width reach on one core here: half a second of measuring. */
static enum status measure_speed(const struct kernels *kernels, struct device *device, int64_t width, double *flops_out)
{
	enum { ROWS = 1024 };
	size_t activation = kernels->activation_bytes(device), weight = kernels->weight_bytes(device);
	void *x = kernels->allocate(device, ROWS * (size_t)width * activation);
	void *y = kernels->allocate(device, ROWS * 4 * (size_t)width * activation);
	void *w = kernels->allocate(device, 4 * (size_t)(width * width) * weight);
	enum status status = x == NULL || y == NULL || w == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	double begin = 0, elapsed = 0;
	int64_t calls = 0;
	for (int warm = 1; status == STATUS_OK && elapsed < 0.5; warm = 0) {
		status = kernels->linear_forward(device, y, x, w, ROWS, width, 4 * width);
		if (status == STATUS_OK)
			status = kernels->synchronize(device);
		if (warm)
			begin = timer_seconds();
		else
			calls++;
		elapsed = timer_seconds() - begin;
	}
	if (status == STATUS_OK)
		*flops_out = 2.0 * ROWS * 4 * (double)(width * width) * (double)calls / elapsed;
	kernels->release(device, x);
	kernels->release(device, y);
	kernels->release(device, w);
	return status;
}

/* Bytes of a trainer: model, optimiser range, gradient exchange, partial sums of slots, lanes. */
static double trainer_memory(const struct point *point, const struct kernels *kernels, struct device *device, int trainers)
{
	const struct training_settings *training = &point->training;
	int64_t rows = training->sequences / training->slots * training->length;
	int64_t arena = model_config_arena_size(&point->config), slots = training->slots / trainers;
	double bytes = (double)model_memory(kernels, device, &point->config, rows, true);
	bytes += 8.0 * (double)arena / trainers;                                /* moments */
	bytes += (trainers > 1 ? 6.0 : 0.0) * (double)arena;                    /* exchange */
	for (int64_t part = 1; part < slots; part *= 2)
		bytes += 4.0 * (double)arena;                                   /* partial sums */
	return bytes + (double)(training->sequences / trainers * training->length) * 16 * 4;
}

static enum status print_points(const struct points *points, const struct kernels *kernels, struct device *device,
                                const struct split *split)
{
	double hours = 0, disk = 0, largest = 0;
	printf("%-5s %-40s %10s %10s %8s %10s %10s %10s\n", "point", "name", "parameters", "tokens", "steps", "FLOP",
	       "memory", "time");
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		const struct training_settings *training = &point->training;
		double speed = 0, parameters = (double)model_config_parameters(&point->config);
		char numbers[6][32];
		STATUS_TRY(measure_speed(kernels, device, point->config.width, &speed));
		/* Attention, norms and the optimiser run below the speed of the products. */
		double seconds = point->flops / (0.6 * speed * split->trainers);
		double memory = trainer_memory(point, kernels, device, split->trainers);
		hours += seconds / 3600;
		disk += 12 * parameters * training->checkpoint_keep;
		largest = memory > largest ? memory : largest;
		printf("%-5lld %-40s %10s %10s %8lld %10s %10s %10s\n", (long long)point->number, point->name,
		       text_count(parameters, numbers[0], 32),
		       text_count((double)(training->steps * training->sequences * training->length), numbers[1], 32),
		       (long long)training->steps, text_count(point->flops, numbers[2], 32),
		       text_bytes(memory, numbers[3], 32), text_duration(seconds, numbers[4], 32));
	}
	char memory[32], space[32], time[32];
	for (int64_t i = 0; i < points->count; i++)
		if (points->points[i].classified && points->points[i].classifier.parameters == 0) {
			printf("\nnote: the classifier of run/after is not fitted yet: scoring is in neither the split nor the time\n");
			break;
		}
	printf("\nroles: %d trainers, %d classifiers, %d readers, %d idle (%s)\n", split->trainers, split->classifiers,
	       split->readers, split->idle, split->reason);
	printf("largest trainer %s; checkpoints and results %s; about %s in all, each rank on a core of its own like this "
	       "machine's\n",
	       text_bytes(largest, memory, sizeof memory), text_bytes(disk, space, sizeof space),
	       text_duration(hours * 3600, time, sizeof time));
	return STATUS_OK;
}

static enum status plan_pretrain(const struct sweep *sweep, int ranks)
{
	struct points points = { 0 };
	struct split split;
	const struct kernels *kernels = NULL;
	struct device *device = NULL;
	STATUS_TRY(points_create(sweep, 0, (int64_t)sweep_point_count(sweep), false, &points));
	enum status status = points_split(&points, sweep, ranks, &split);
	if (status == STATUS_OK)
		status = settings_device(sweep_point(sweep, 0), 1 << 20, &kernels, &device); /* one thread */
	if (status == STATUS_OK)
		status = print_points(&points, kernels, device, &split);
	if (device != NULL)
		kernels->device_destroy(device);
	points_clear(&points);
	return status;
}

enum status task_plan(const struct sweep *sweep, int ranks)
{
	const struct parameters *first = sweep_point(sweep, 0);
	printf("task %s, %zu point%s, output %s\n", sweep_task(sweep), sweep_point_count(sweep),
	       sweep_point_count(sweep) == 1 ? "" : "s", parameters_text(first, "run/output"));
	for (size_t i = 0; i < parameters_list_count(first, "run/after"); i++)
		printf("after %s\n", parameters_list_item(first, "run/after", i));
	if (strcmp(sweep_task(sweep), "pretrain") != 0) {
		printf("this task has no sweep to plan\n");
		return STATUS_OK;
	}
	return plan_pretrain(sweep, ranks);
}
