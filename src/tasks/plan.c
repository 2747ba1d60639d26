/* --plan: what an input file would do, before any launch.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "model/model.h"
#include "tasks/company.h"
#include "tasks/plan_gpus.h"
#include "tasks/plan_memory.h"
#include "tasks/pretrain.h"
#include "tasks/rates.h"

#define PROBE_SECONDS    3.0
#define SECONDS_A_LAUNCH 0.5
/* Dense bfloat16 products of an H100 (data sheet), and the share of it that training of these sizes is known to reach. */
#define ASSUMED_PEAK      989e12
#define ASSUMED_SHARE     0.35

/* What a plan reckons with. */
struct basis {
	struct plan_memory memory;
	struct kernels absent;   /* stands for the GPU that is not here: the CPU's table with a GPU's sizes */
	bool elsewhere;          /* models will run on GPUs, and there is none here */
	int ranks, threads;      /* threads of each */
	struct company *company; /* keeps the machine busy during the probe; NULL: nothing is measured */
	double probe;            /* seconds that the job will take for a probe of its own */
	double rate;             /* FLOP/s of a rank; 0: to be measured, where the device is of this machine */
};

/* Points in the order of the timetable; which group runs each, from when to when. */
static void print_points(const struct points *points, const struct basis *basis, const struct split *split)
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
		       text_bytes(plan_memory_trainer(&basis->memory, point, split), numbers[2], 32),
		       place->group + 1, text_duration(place->begin, numbers[3], 32),
		       text_duration(place->end - place->begin, numbers[4], 32), text_duration(place->end, numbers[5], 32));
	}
}

/* Where the time of one trainer would go. */
static void print_work(const struct points *points)
{
	struct point_times sum = { 0 };
	char numbers[5][32];
	for (int64_t i = 0; i < points->count; i++) {
		const struct point_times *times = &points->points[i].times;
		sum.train += times->train;
		sum.evaluate += times->evaluate;
		sum.save += times->save;
		sum.begin += times->begin;
	}
	printf("one rank trains for %s, evaluates for %s, saves for %s, sets points up for %s, reads for %s\n",
	       text_duration(sum.train, numbers[0], 32), text_duration(sum.evaluate, numbers[1], 32),
	       text_duration(sum.save, numbers[2], 32), text_duration(sum.begin, numbers[3], 32),
	       text_duration(points->reading, numbers[4], 32));
}

/* Seconds of all ranks together. */
static double work_of(const struct points *points, const struct split *split)
{
	double work = points->reading + (points->classified ? points->scoring : 0);
	int size = split_group_size(split);
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		struct split_point cost = point_as_split(point);
		work += size * split_point_cost(&cost, size);
	}
	return work;
}

/* Time at the slowest role, and what it would be with all trainers on one point after the other. */
static void print_times(const struct points *points, const struct split *split, const struct basis *basis)
{
	char numbers[3][32];
	double serial = 0, ranks = split->trainers + split->classifiers + split->readers;
	double total = split->cost + SECONDS_A_LAUNCH + basis->probe;
	int size = 1, cores = settings_cores();
	while (2 * size <= split->trainers && 2 * size <= points->slots)
		size *= 2;
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		struct split_point cost = point_as_split(point);
		serial += split_point_cost(&cost, size);
	}
	print_work(points);
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
	printf("about %s in all on %d ranks (%s rank-hours)\n", text_duration(total, numbers[0], 32), (int)ranks,
	       text_count(0.1 * ceil(10 * split->cost / 3600 * (ranks + split->idle)), numbers[1], 32));
	if (basis->company != NULL && basis->ranks * basis->threads > cores)
		printf("about %s where they have no more than the %d core%s of this machine\n",
		       text_duration(fmax(total, work_of(points, split) * basis->threads / cores + SECONDS_A_LAUNCH + basis->probe),
		                     numbers[0], 32),
		       cores, cores == 1 ? "" : "s");
}

static void print_sizes(const struct points *points, const struct basis *basis, const struct split *split)
{
	double disk = 0, largest = 0;
	char numbers[3][32];
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		disk += 12 * (double)model_config_arena_size(&point->config) * point->training.checkpoint_keep;
		largest = fmax(largest, plan_memory_trainer(&basis->memory, point, split));
	}
	double classifier = plan_memory_classifier(&basis->memory, points, split);
	double reader = plan_memory_reader(&basis->memory, points, split);
	printf("largest trainer %s", text_bytes(largest, numbers[0], 32));
	if (classifier > 0)
		printf(", classifier %s", text_bytes(classifier, numbers[0], 32));
	if (reader > 0)
		printf(", reader %s", text_bytes(reader, numbers[0], 32));
	printf("; checkpoints and results %s", text_bytes(disk, numbers[1], 32));
	if (points->classified)
		printf("; scores %s", text_bytes(2 * 2 * points->scored_tokens, numbers[2], 32));
	printf("\n");
}

static enum status price(struct points *points, const struct basis *basis)
{
	struct rates rates = { 0 };
	char text[160], number[32];
	if (basis->rate > 0) {
		snprintf(text, sizeof text, "as given: %sFLOP/s a rank", text_count(basis->rate, number, sizeof number));
		STATUS_TRY(rates_given(points, basis->rate, text, &rates));
	} else if (basis->elsewhere) {
		snprintf(text, sizeof text,
		         "ASSUMED, not measured: %d %% of %sFLOP/s, the bfloat16 peak of an H100, on every rank; --rate gives "
		         "another",
		         (int)(100 * ASSUMED_SHARE), text_count(ASSUMED_PEAK, number, sizeof number));
		STATUS_TRY(rates_given(points, ASSUMED_SHARE * ASSUMED_PEAK, text, &rates));
	} else {
		STATUS_TRY(rates_measure(points, basis->memory.kernels, basis->memory.device, PROBE_SECONDS, &rates));
		rates_measure_disk(parameters_text(points->points[0].parameters, "run/output"), &rates);
		int at_once = 1 + company_size(basis->company);
		size_t used = strlen(rates.source);
		snprintf(rates.source + used, sizeof rates.source - used, "; %d rank%s of %d thread%s at once", at_once,
		         at_once == 1 ? "" : "s", basis->threads, basis->threads == 1 ? "" : "s");
	}
	if (basis->memory.gpu)
		rates_link(&rates, plan_gpus_a_node());
	enum status status = rates_price(&rates, points);
	printf("rates %s\n", rates.source);
	rates_clear(&rates);
	return status;
}

static void print_notes(const struct points *points)
{
	bool ahead = false, blind = false;
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		ahead |= point->ahead;
		blind |= point->classified && point->classifier.parameters == 0;
	}
	if (ahead)
		printf("note: the tokens of data/folder are not made yet: vocabulary and blocks are those of their input file, "
		       "repeated text and evaluations are not counted\n");
	if (blind)
		printf("note: the classifier is not fitted yet and no file of run/after fits it: scoring is not counted\n");
}

static enum status plan_points(struct points *points, const struct sweep *sweep, const struct basis *basis)
{
	struct split split;
	STATUS_TRY(price(points, basis));
	print_notes(points);
	if (basis->memory.gpu)
		STATUS_TRY(
			plan_print_gpus(points, sweep, &basis->memory, basis->ranks, basis->probe + SECONDS_A_LAUNCH));
	STATUS_TRY(points_split(points, sweep, basis->ranks, NULL, &split));
	char *roles = split_describe(&split);
	if (roles == NULL)
		return STATUS_ENVIRONMENT;
	printf("roles %s, %d idle (%s)\n", roles, split.idle, split.reason);
	free(roles);
	print_points(points, basis, &split);
	printf("\n");
	print_times(points, &split, basis);
	print_sizes(points, basis, &split);
	return STATUS_OK;
}

/* The processor of this machine, or nothing but the sizes of a GPU that is not here. */
static enum status open_basis(const struct parameters *first, struct basis *basis)
{
	bool half = strcmp(parameters_text(first, "run/precision"), "bfloat16") == 0;
	if (!basis->elsewhere) {
		STATUS_TRY(settings_kernels(first, settings_takes_gpu(first), &basis->memory.kernels));
		return settings_device(first, basis->memory.kernels, basis->ranks, 0, &basis->memory.device);
	}
	basis->absent = *kernels_cpu();
	basis->absent.logits_bytes = GPU_LOGITS_BYTES;
	basis->absent.logits_rows = GPU_LOGITS_ROWS;
	basis->absent.forward_rows = GPU_FORWARD_ROWS;
	basis->memory.kernels = &basis->absent;
	return basis->memory.kernels->device_create(half ? PRECISION_BFLOAT16 : PRECISION_FLOAT32, 1, &basis->memory.device);
}

/* As many others as ranks will be at work on the cores of this machine. A GPU is taken to have one rank. */
static enum status invite_company(const struct points *points, struct basis *basis)
{
	bool gpu = basis->memory.gpu;
	int room = settings_cores() / basis->threads, count = basis->ranks < room ? basis->ranks : room;
	if (basis->elsewhere || basis->rate > 0)
		return STATUS_OK;
	basis->company = company_start(points, basis->ranks, gpu || count < 1 ? 0 : count - 1, PROBE_SECONDS);
	return basis->company == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

static enum status plan_pretrain(const struct sweep *sweep, int64_t first_point, int64_t count, int ranks, double rate)
{
	const struct parameters *first = sweep_point(sweep, 0);
	struct points points = { 0 };
	bool elsewhere = strcmp(parameters_text(first, "run/device"), "cuda") == 0 && kernels_cuda_devices() == 0;
	struct basis basis = { .elsewhere = elsewhere,
		               .memory = { .gpu = settings_takes_gpu(first),
		                           .probed = cast_is_open(sweep, ranks),
		                           .process = memory_resident() },
		               .rate = rate,
		               .ranks = ranks,
		               .threads = settings_threads(first, ranks) };
	STATUS_TRY(points_create(sweep, first_point, count, false, &points));
	basis.probe = basis.memory.probed ? rates_worth(&points, ranks) : 0;
	enum status status = invite_company(&points, &basis);
	if (status == STATUS_OK)
		status = open_basis(first, &basis);
	if (status == STATUS_OK)
		status = plan_points(&points, sweep, &basis);
	company_end(basis.company);
	if (basis.memory.device != NULL)
		basis.memory.kernels->device_destroy(basis.memory.device);
	points_clear(&points);
	return status;
}

enum status task_plan(const struct sweep *sweep, int64_t first, int64_t count, int ranks, double rate)
{
	const struct parameters *parameters = sweep_point(sweep, 0);
	size_t all = sweep_point_count(sweep);
	printf("task %s, ", sweep_task(sweep));
	if ((size_t)count < all)
		printf("%lld of ", (long long)count);
	printf("%zu point%s, output %s\n", all, all == 1 ? "" : "s", parameters_text(parameters, "run/output"));
	for (size_t i = 0; i < parameters_list_count(parameters, "run/after"); i++)
		printf("after %s\n", parameters_list_item(parameters, "run/after", i));
	if (strcmp(sweep_task(sweep), "pretrain") != 0) {
		printf("this task has no sweep to plan\n");
		return STATUS_OK;
	}
	return plan_pretrain(sweep, first, count, ranks, rate);
}
