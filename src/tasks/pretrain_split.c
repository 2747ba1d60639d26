/* Who runs which point: from what points cost to the split and the timetable.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tasks/pretrain.h"

struct split_point point_as_split(const struct point *point)
{
	return (struct split_point){ .phase = point->phase,
		                     .training = point->seconds,
		                     .fixed = point->fixed,
		                     .exchange = point->exchange,
		                     .direct = point->direct };
}

/* Unfinished points as the split sees them; index[i]: their places in points. */
static enum status collect(const struct points *points, struct split_point **costs_out, int64_t **index_out)
{
	struct split_point *costs = memory_allocate((size_t)points->unfinished, sizeof *costs);
	int64_t *index = memory_allocate((size_t)points->unfinished, sizeof *index), count = 0;
	if (costs == NULL || index == NULL) {
		free(costs);
		free(index);
		return STATUS_ENVIRONMENT;
	}
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		if (point->finished)
			continue;
		index[count] = i;
		costs[count++] = point_as_split(point);
	}
	*costs_out = costs;
	*index_out = index;
	return STATUS_OK;
}

static enum status make_timetable(const struct split_request *request, const struct split *split, const int64_t *index,
                                  struct timetable *timetable)
{
	struct timetable_item *items = memory_allocate((size_t)request->point_count, sizeof *items);
	if (items == NULL)
		return STATUS_ENVIRONMENT;
	split_items(request, split, items);
	for (int64_t i = 0; i < request->point_count; i++)
		items[i].point = index[i];
	timetable_clear(timetable);
	enum status status = timetable_create(items, request->point_count, split->groups, timetable);
	free(items);
	return status;
}

/* What is asked for; points are those of `costs`. */
static struct split_request make_request(const struct points *points, const struct sweep *sweep, int ranks,
                                         const struct split_point *costs, const struct split *fixed)
{
	const struct parameters *first = sweep_point(sweep, 0);
	const char *mode = parameters_text(first, "roles/mode");
	struct split_request request = {
		.ranks = ranks,
		.gpus = points->gpus,
		.memory = points->gpus > 0 ? &points->memory : NULL,
		.trainers = (int)parameters_integer(first, "roles/trainers"),
		.groups = (int)parameters_integer(first, "roles/groups"),
		.classifiers = (int)parameters_integer(first, "roles/classifiers"),
		.readers = (int)parameters_integer(first, "roles/readers"),
		.shared = strcmp(mode, "shared") == 0,
		.split = strcmp(mode, "split") == 0,
		.slots = points->unfinished > 0 ? (int)points->slots : 1 << 30,
		.needs_scores = points->classified,
		.points = costs,
		.point_count = points->unfinished,
		.sweep_points = points->count,
		.scoring = points->scoring,
		.first = points->first_blocks,
		.reading = points->reading,
	};
	if (fixed != NULL) {
		request.trainers = fixed->trainers;
		request.groups = fixed->groups;
		request.classifiers = fixed->classifiers;
		request.readers = fixed->readers;
		request.idle_allowed = true;
	}
	return request;
}

int64_t point_credits(const struct point *point, const struct split *split)
{
	return point->training.sequences / split_group_size(split) *
	       parameters_integer(point->parameters, "roles/depth");
}

/* Readers and classifiers keep tables of what all trainers may have asked for: a few hundred bytes each, and at worst the blocks
 * themselves. */
static enum status check_credits(const struct points *points, const struct split *split)
{
	enum { MOST_CREDITS = 1 << 24 };
	for (int64_t i = 0; i < points->count && split->readers + split->classifiers > 0; i++) {
		const struct point *point = &points->points[i];
		int64_t credits = point_credits(point, split);
		if (point->finished || credits <= MOST_CREDITS / split->trainers)
			continue;
		return error_raise(STATUS_USAGE,
		                   "train/sequences = %lld x roles/depth = %lld x %d group%s of trainers = %.0f blocks "
		                   "that may be asked for at once, more than the %d that a reader or classifier keeps "
		                   "track of: lower roles/depth or train/sequences",
		                   (long long)point->training.sequences,
		                   (long long)parameters_integer(point->parameters, "roles/depth"), split->groups,
		                   split->groups == 1 ? "" : "s", (double)credits * split->trainers, MOST_CREDITS);
	}
	return STATUS_OK;
}

enum status points_split(struct points *points, const struct sweep *sweep, int ranks, const struct split *fixed,
                         struct split *split_out)
{
	struct split_point *costs;
	int64_t *index;
	STATUS_TRY(collect(points, &costs, &index));
	struct split_request request = make_request(points, sweep, ranks, costs, fixed);
	enum status status = split_choose(&request, split_out);
	if (status == STATUS_OK && fixed != NULL)
		memcpy(split_out->reason, fixed->reason, sizeof split_out->reason);
	if (status == STATUS_OK)
		status = make_timetable(&request, split_out, index, &points->timetable);
	free(costs);
	free(index);
	return status == STATUS_OK ? check_credits(points, split_out) : status;
}

enum status points_candidates(const struct points *points, const struct sweep *sweep, int ranks, double within,
                              int most, struct split *splits_out, int *count_out)
{
	struct split_point *costs;
	int64_t *index;
	STATUS_TRY(collect(points, &costs, &index));
	struct split_request request = make_request(points, sweep, ranks, costs, NULL);
	request.any = true;
	enum status status = split_candidates(&request, within, most, splits_out, count_out);
	free(costs);
	free(index);
	return status;
}
