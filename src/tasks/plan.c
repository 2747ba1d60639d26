/* --plan: what an input file would do, before any launch.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "model/model.h"
#include "tasks/pretrain.h"
#include "tasks/rates.h"

#define PROBE_SECONDS 3.0

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

/* Points in the order of the timetable; which group runs each, from when to when. */
static void print_points(const struct points *points, const struct kernels *kernels, struct device *device,
                         const struct split *split)
{
	printf("\n%-5s %-40s %10s %8s %10s %10s %5s %10s %10s %10s\n", "point", "name", "parameters", "steps", "FLOP",
	       "memory", "group", "begin", "time", "end");
	for (int64_t i = 0; i < points->timetable.count; i++) {
		const struct timetable_place *place = &points->timetable.places[i];
		const struct point *point = &points->points[place->point];
		char numbers[6][32];
		printf("%-5lld %-40s %10s %8lld %10s %10s %5d %10s %10s %10s\n", (long long)point->number, point->name,
		       text_count((double)model_config_parameters(&point->config), numbers[0], 32),
		       (long long)point->training.steps, text_count(point->flops, numbers[1], 32),
		       text_bytes(trainer_memory(point, kernels, device, split_group_size(split)), numbers[2], 32),
		       place->group + 1, text_duration(place->begin, numbers[3], 32),
		       text_duration(place->end - place->begin, numbers[4], 32), text_duration(place->end, numbers[5], 32));
	}
}

/* Time at the slowest role, and what it would be with all trainers on one point after the other. */
static void print_times(const struct points *points, const struct split *split)
{
	char numbers[3][32];
	double serial = 0, ranks = split->trainers + split->classifiers + split->readers;
	int size = 1;
	while (2 * size <= split->trainers && 2 * size <= points->slots)
		size *= 2;
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		serial += split_point_cost(&(struct split_point){ .training = point->seconds, .exchange = point->exchange }, size);
	}
	printf("trainers %s", text_duration(points->timetable.end, numbers[0], 32));
	if (split->groups > 1)
		printf(" side by side; %s one after the other on %d trainer%s: %.2f times faster",
		       text_duration(serial, numbers[1], 32), size, size == 1 ? "" : "s", serial / points->timetable.end);
	printf("\n");
	if (points->classified) {
		int scorers = split->classifiers > 0 ? split->classifiers : split->trainers;
		printf("scoring %s tokens once: %s on %d %s%s\n", text_count(points->scored_tokens, numbers[0], 32),
		       text_duration(points->scoring / scorers, numbers[1], 32), scorers,
		       split->classifiers > 0 ? "classifier" : "trainer", scorers == 1 ? "" : "s");
	}
	printf("about %s in all on %d ranks (%s rank-hours)\n", text_duration(split->cost, numbers[0], 32), (int)ranks,
	       text_count(split->cost / 3600 * (ranks + split->idle), numbers[1], 32));
}

static void print_sizes(const struct points *points, const struct kernels *kernels, struct device *device,
                        const struct split *split)
{
	double disk = 0, largest = 0;
	char numbers[3][32];
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		disk += 12 * (double)model_config_arena_size(&point->config) * point->training.checkpoint_keep;
		largest = fmax(largest, trainer_memory(point, kernels, device, split_group_size(split)));
	}
	printf("largest trainer %s; checkpoints and results %s", text_bytes(largest, numbers[0], 32),
	       text_bytes(disk, numbers[1], 32));
	if (points->classified)
		printf("; scores %s", text_bytes(2 * 2 * points->scored_tokens, numbers[2], 32));
	printf("\n");
}

static enum status price(struct points *points, const struct kernels *kernels, struct device *device, double rate)
{
	struct rates rates = { 0 };
	if (rate > 0) {
		char text[96], number[32];
		snprintf(text, sizeof text, "as given: %sFLOP/s a rank", text_count(rate, number, sizeof number));
		STATUS_TRY(rates_given(points, rate, text, &rates));
	} else {
		STATUS_TRY(rates_measure(points, kernels, device, PROBE_SECONDS, &rates));
	}
	enum status status = rates_price(&rates, points);
	printf("rates %s\n", rates.source);
	rates_clear(&rates);
	return status;
}

static enum status plan_points(struct points *points, const struct sweep *sweep, int ranks, double rate,
                               const struct kernels *kernels, struct device *device)
{
	struct split split;
	STATUS_TRY(price(points, kernels, device, rate));
	STATUS_TRY(points_split(points, sweep, ranks, &split));
	char *roles = split_describe(&split);
	if (roles == NULL)
		return STATUS_ENVIRONMENT;
	printf("roles %s, %d idle (%s)\n", roles, split.idle, split.reason);
	free(roles);
	print_points(points, kernels, device, &split);
	printf("\n");
	print_times(points, &split);
	print_sizes(points, kernels, device, &split);
	return STATUS_OK;
}

static enum status plan_pretrain(const struct sweep *sweep, int ranks, double rate)
{
	struct points points = { 0 };
	const struct kernels *kernels = NULL;
	struct device *device = NULL;
	STATUS_TRY(points_create(sweep, 0, (int64_t)sweep_point_count(sweep), false, &points));
	enum status status = settings_device(sweep_point(sweep, 0), 1 << 20, &kernels, &device); /* one thread */
	if (status == STATUS_OK)
		status = plan_points(&points, sweep, ranks, rate, kernels, device);
	if (device != NULL)
		kernels->device_destroy(device);
	points_clear(&points);
	return status;
}

enum status task_plan(const struct sweep *sweep, int ranks, double rate)
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
	return plan_pretrain(sweep, ranks, rate);
}
