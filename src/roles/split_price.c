/* What a split costs: by its slowest role.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "roles/split_parts.h"

double split_point_cost(const struct split_point *point, int group_size)
{
	double cost = point->training / group_size + point->fixed;
	if (point->direct.gradient_bytes > 0)
		return cost + point->direct.steps * exchange_step(&point->direct, group_size).waited;
	/* Halving and gathering move the arena but for the own range, and it goes to and from the device. */
	return group_size == 1 ? cost : cost + point->exchange * (2 - 1.0 / group_size);
}

void split_items(const struct split_request *request, const struct split *split, struct timetable_item *items)
{
	for (int64_t i = 0; i < request->point_count; i++)
		items[i] = (struct timetable_item){ .point = i,
			                            .phase = request->points[i].phase,
			                            .cost = split_shared_cost(split, &request->points[i],
			                                                      split_group_size(split)) };
}

enum status split_training_cost(const struct split_request *request, const struct split *split, double *cost_out)
{
	struct timetable timetable = { 0 };
	struct timetable_item *items = memory_allocate((size_t)request->point_count, sizeof *items);
	if (items == NULL)
		return STATUS_ENVIRONMENT;
	split_items(request, split, items);
	enum status status = timetable_create(items, request->point_count, split->groups, &timetable);
	*cost_out = timetable.end;
	timetable_clear(&timetable);
	free(items);
	return status;
}

void split_price(const struct split_request *request, double training, struct split *split)
{
	double scoring = request->needs_scores ? request->scoring : 0;
	struct split_times times = { .points = training };
	if (split->classifiers == 0) {
		times.scoring = split->trainers_a_gpu * scoring / split->trainers;
	} else {
		double turns = (double)split->classifiers_a_gpu / split->classifiers;
		times.classifiers = turns * scoring;
		times.scoring = turns * (split->together ? scoring : fmin(request->first, scoring));
	}
	if (split->readers > 0)
		times.readers = request->reading / split->readers;
	else if (split->classifiers > 0)
		times.classifiers += request->reading / split->classifiers;
	else
		times.reading = request->reading / split->trainers;
	split->times = times;
	split->cost = fmax(times.points + times.scoring + times.reading, fmax(times.classifiers, times.readers));
}

static int share_out(int ranks, int gpus)
{
	return ranks > gpus ? (ranks + gpus - 1) / gpus : 1;
}

void split_share_gpus(const struct split_request *request, struct split *split)
{
	split->trainers_a_gpu = split->classifiers_a_gpu = 1;
	split->together = false;
	if (request->gpus == 0)
		return;
	int left = request->gpus - split->trainers;
	split->trainers_a_gpu = share_out(split->trainers, request->gpus);
	split->together = left <= 0 && split->classifiers > 0;
	split->classifiers_a_gpu = share_out(split->classifiers, left > 0 ? left : request->gpus);
}

int64_t split_most_groups(const struct split_request *request)
{
	int64_t most = request->sweep_points > request->point_count ? request->sweep_points : request->point_count;
	return most > 1 ? most : 1;
}
