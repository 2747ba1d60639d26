/* --plan: what an input file would do, before any launch.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "comm/cores.h"
#include "model/model.h"
#include "tasks/plan_after.h"
#include "tasks/plan_gpus.h"
#include "tasks/plan_table.h"
#include "tasks/rates.h"

/* ---- points */

static void add_point(struct plan_table *table, const struct points *points, const struct plan_basis *basis,
                      const struct split *split, const struct timetable_place *place)
{
	const struct point *point = &points->points[place->point];
	double time = place->end - place->begin, memory = plan_memory_trainer(&basis->memory, point, split);
	double classifier = split->together ? points->memory.classifier : 0;
	struct plan_host host = plan_memory_host(&basis->memory, point, split);
	char numbers[9][40], more[96] = "";
	if (basis->memory.gpu)
		snprintf(more, sizeof more, "\t%s\t%s", text_bytes(plan_memory_host_sum(&host), numbers[0], 40),
		         text_machine_time(split_group_size(split) * time / split->trainers_a_gpu, numbers[1], 40));
	plan_table_add(table, "%lld\t%s\t%s\t%lld\t%s\t%d\t%s\t%s\t%s\t%s%s", (long long)point->number, point->name,
	               text_count((double)model_config_parameters(&point->config), numbers[2], 40),
	               (long long)point->training.steps, text_count(point->flops, numbers[3], 40), place->group + 1,
	               text_duration(place->begin, numbers[4], 40), text_duration(time, numbers[5], 40),
	               text_duration(place->end, numbers[6], 40),
	               basis->memory.gpu
	                       ? plan_marked_bytes(basis, split_gpu_bytes(split, memory, classifier), numbers[7], 40)
	                       : text_bytes(memory, numbers[7], 40),
	               more);
}

/* In the order of the timetable; which group runs each, from when to when. */
static enum status print_points(const struct points *points, const struct plan_basis *basis, const struct split *split)
{
	struct plan_table table;
	double time = 0, flops = 0;
	char numbers[4][40], more[64] = "";
	printf("\n");
	plan_table_begin(&table,
	                 basis->memory.gpu
	                         ? "<point\t<name\tparameters\tsteps\tFLOP\tgroup\tbegin\ttime\tend\tGPU memory "
	                           "\thost memory\tGPU time"
	                         : "<point\t<name\tparameters\tsteps\tFLOP\tgroup\tbegin\ttime\tend\tmemory");
	for (int64_t i = 0; i < points->timetable.count; i++) {
		const struct timetable_place *place = &points->timetable.places[i];
		time += place->end - place->begin;
		flops += points->points[place->point].flops;
		add_point(&table, points, basis, split, place);
	}
	if (basis->memory.gpu)
		snprintf(more, sizeof more, "\t\t%s",
		         text_machine_time(split_group_size(split) * time / split->trainers_a_gpu, numbers[0], 40));
	plan_table_add(&table, "all\t\t\t\t%s\t\t\t%s\t%s\t%s", text_count(flops, numbers[1], 40),
	               text_duration(time, numbers[2], 40), text_duration(points->timetable.end, numbers[3], 40), more);
	STATUS_TRY(plan_table_end(&table));
	printf("\n");
	return STATUS_OK;
}

/* ---- times */

/* Where the time of one trainer would go. */
static void print_work(const struct points *points)
{
	struct point_times sum = { 0 };
	char numbers[6][32];
	for (int64_t i = 0; i < points->count; i++) {
		const struct point_times *times = &points->points[i].times;
		sum.train += times->train;
		sum.evaluate += times->evaluate;
		sum.recall += times->recall;
		sum.save += times->save;
		sum.begin += times->begin;
	}
	printf("one rank alone would train for %s, evaluate for %s, ", text_duration(sum.train, numbers[0], 32),
	       text_duration(sum.evaluate, numbers[1], 32));
	if (sum.recall > 0)
		printf("ask recall questions for %s, ", text_duration(sum.recall, numbers[5], 32));
	printf("save for %s, set points up for %s, read for %s\n", text_duration(sum.save, numbers[2], 32),
	       text_duration(sum.begin, numbers[3], 32), text_duration(points->reading, numbers[4], 32));
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

/* The groups side by side, and what it would take with all trainers on one point after the other. */
static void print_gain(const struct points *points, const struct split *split)
{
	char numbers[2][32];
	double serial = 0;
	int size = 1;
	while (2 * size <= split->trainers && 2 * size <= points->slots)
		size *= 2;
	for (int64_t i = 0; i < points->count; i++) {
		struct split_point cost = point_as_split(&points->points[i]);
		serial += split_shared_cost(split, &cost, size);
	}
	printf("points: %s", text_duration(points->timetable.end, numbers[0], 32));
	if (split->groups > 1)
		printf(" with %d groups of %d trainer%s side by side; %s if %d trainer%s were one group, for one point "
		       "after the "
		       "other: side by side is %.2f times as fast",
		       split->groups, split_group_size(split), split_group_size(split) == 1 ? "" : "s",
		       text_duration(serial, numbers[1], 32), size, size == 1 ? "" : "s",
		       serial / points->timetable.end);
	printf("\n");
}

/* The parts of the slowest role, which add up to the whole. */
static void print_total(const struct split *split, const struct plan_basis *basis)
{
	const struct split_times *times = &split->times;
	int ranks = split->trainers + split->classifiers + split->readers + split->idle;
	double total = split->cost + basis->launch, trainers = times->points + times->scoring + times->reading;
	char numbers[7][32];
	printf("about %s in all on %d rank%s = ", text_duration(total, numbers[0], 32), ranks, ranks == 1 ? "" : "s");
	if (trainers >= times->classifiers && trainers >= times->readers) {
		printf("%s points", text_duration(times->points, numbers[1], 32));
		if (times->scoring > 0)
			printf(" + %s %s", text_duration(times->scoring, numbers[2], 32),
			       split->classifiers == 0 ? "scoring by the trainers"
			       : split->together       ? "scoring on the GPUs of the trainers"
			                               : "until the first scores come");
		if (times->reading > 0)
			printf(" + %s reading by the trainers", text_duration(times->reading, numbers[3], 32));
	} else if (times->classifiers >= times->readers) {
		printf("%s of the classifiers, which trainers wait for",
		       text_duration(times->classifiers, numbers[4], 32));
	} else {
		printf("%s of the readers, which the others wait for", text_duration(times->readers, numbers[4], 32));
	}
	printf(" + %s start; %s of all ranks together\n", text_duration(basis->launch, numbers[5], 32),
	       text_machine_time(total * ranks, numbers[6], 32));
}

static void print_times(const struct points *points, const struct split *split, const struct plan_basis *basis)
{
	char numbers[2][32];
	int cores = cores_allowed(), threads = basis->request->ranks * basis->threads;
	print_work(points);
	print_gain(points, split);
	if (points->classified) {
		int scorers = split->classifiers > 0 ? split->classifiers : split->trainers;
		int turns = split->classifiers > 0 ? split->classifiers_a_gpu : split->trainers_a_gpu;
		printf("scoring %s tokens once: %s on %d %s%s\n", text_count(points->scored_tokens, numbers[0], 32),
		       text_duration(turns * points->scoring / scorers, numbers[1], 32), scorers,
		       split->classifiers > 0 ? "classifier" : "trainer", scorers == 1 ? "" : "s");
	}
	if (split_shares_gpus(split))
		printf("ASSUMED: %d trainer%s a GPU, %d classifier%s a GPU%s, and what takes turns on a GPU adds up\n",
		       split->trainers_a_gpu, split->trainers_a_gpu == 1 ? "" : "s",
		       split->classifiers > 0 ? split->classifiers_a_gpu : 0, split->classifiers_a_gpu == 1 ? "" : "s",
		       split->together ? " on those of trainers" : "");
	print_total(split, basis);
	if (basis->company != NULL && threads > cores)
		printf("about %s where they have no more than the %d core%s of this machine\n",
		       text_duration(fmax(split->cost, work_of(points, split) * basis->threads / cores) + basis->launch,
		                     numbers[0], 32),
		       cores, cores == 1 ? "" : "s");
}

/* ---- sizes */

static void print_sizes(const struct points *points, const struct plan_basis *basis, const struct split *split)
{
	double disk = 0, largest = 0;
	char numbers[3][32];
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		disk += 12 * (double)model_config_arena_size(&point->config) * point->training.checkpoint_keep;
		largest = fmax(largest, plan_memory_trainer(&basis->memory, point, split));
	}
	double classifier = plan_memory_classifier(&basis->memory, points, split);
	double reader = basis->memory.gpu ? 0 : plan_memory_reader(&basis->memory, points, split);
	printf("%slargest trainer %s", basis->memory.gpu ? "memory of a GPU: " : "",
	       text_bytes(largest, numbers[0], 32));
	if (classifier > 0)
		printf(", classifier %s", text_bytes(classifier, numbers[0], 32));
	if (reader > 0)
		printf(", reader %s", text_bytes(reader, numbers[0], 32));
	printf("; checkpoints and results %s", text_bytes(disk, numbers[1], 32));
	if (points->classified)
		printf("; scores %s", text_bytes(2 * 2 * points->scored_tokens, numbers[2], 32));
	printf("\n");
	if (basis->memory.gpu)
		plan_print_hosts(points, basis, split);
}

/* ---- all of it */

static void print_notes(const struct points *points)
{
	bool ahead = false, blind = false, early = false;
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		ahead |= point->ahead;
		early |= point->training.finetune.interval > 0 && point->training.finetune.patience > 0;
		blind |= point->classified && point->classifier.parameters == 0;
	}
	if (ahead)
		printf("note: the tokens of data/folder are not made yet: vocabulary and blocks are those of their "
		       "input file, "
		       "repeated text, evaluations and recall questions are not counted\n");
	if (early)
		printf("note: finetuning ends when it has reached its target (finetune/patience): these are its longest "
		       "times\n");
	if (blind)
		printf("note: the classifier is not fitted yet and no file of run/after fits it: scoring is not counted\n");
}

static enum status plan_points(struct points *points, const struct sweep *sweep, struct plan_basis *basis)
{
	struct split split;
	STATUS_TRY(plan_price(points, basis));
	print_notes(points);
	if (basis->memory.gpu)
		STATUS_TRY(plan_print_gpus(points, sweep, basis));
	points->gpus = plan_gpus_of(basis, basis->request->ranks);
	STATUS_TRY(points_split(points, sweep, basis->request->ranks, NULL, &split));
	STATUS_TRY(plan_check_exchange(points, basis, &split));
	char *roles = split_describe(&split);
	if (roles == NULL)
		return STATUS_ENVIRONMENT;
	printf("roles %s, %d idle (%s)\n", roles, split.idle, split.reason);
	free(roles);
	STATUS_TRY(print_points(points, basis, &split));
	print_times(points, &split, basis);
	STATUS_TRY(plan_after_print(sweep_point(sweep, 0), basis, split.cost + basis->launch));
	print_sizes(points, basis, &split);
	return STATUS_OK;
}

static enum status plan_pretrain(const struct sweep *sweep, const struct plan_request *request)
{
	struct points points = { 0 };
	struct plan_basis basis;
	double process = memory_resident();
	STATUS_TRY(points_create(sweep, request->first, request->count, LOOK_NOT, &points));
	enum status status = plan_basis_open(&points, sweep, request, process, &basis);
	if (status == STATUS_OK)
		status = plan_points(&points, sweep, &basis);
	plan_basis_close(&basis);
	points_clear(&points);
	return status;
}

enum status task_plan(const struct sweep *sweep, const struct plan_request *request)
{
	const struct parameters *parameters = sweep_point(sweep, 0);
	size_t all = sweep_point_count(sweep);
	printf("task %s, ", sweep_task(sweep));
	if ((size_t)request->count < all)
		printf("%lld of ", (long long)request->count);
	printf("%zu point%s, output %s\n", all, all == 1 ? "" : "s", parameters_text(parameters, "run/output"));
	for (size_t i = 0; i < parameters_list_count(parameters, "run/after"); i++)
		printf("after %s\n", parameters_list_item(parameters, "run/after", i));
	if (!keys_is_read(keys_find("roles/mode"), sweep_task(sweep))) { /* of tasks that train with roles */
		printf("this task has no sweep to plan\n");
		return STATUS_OK;
	}
	return plan_pretrain(sweep, request);
}
