/* All points of a pretrain input file: resolved one after the other, their phases, and on every rank what one has read.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "tasks/pretrain_point.h"

/* Unfinished points that read through the same classifier make a phase; those without one join a phase of their text. */
static int find_phase(const struct points *points, const struct point **first, const struct point *point)
{
	const char *folder = parameters_text(point->parameters, "data/folder");
	for (int phase = 0; phase < points->phases; phase++) {
		const struct point *other = first[phase];
		if (strcmp(parameters_text(other->parameters, "data/folder"), folder) != 0)
			continue;
		if (!point->classified ||
		    (other->classified && strcmp(other->classifier_path, point->classifier_path) == 0))
			return phase;
	}
	return points->phases;
}

static enum status find_phases(struct points *points)
{
	const struct point **first = memory_allocate((size_t)points->count, sizeof *first);
	if (first == NULL)
		return STATUS_ENVIRONMENT;
	for (int classified = 1; classified >= 0; classified--)
		for (int64_t i = 0; i < points->count; i++) {
			struct point *point = &points->points[i];
			if (point->finished || point->classified != classified)
				continue;
			point->phase = find_phase(points, first, point);
			if (point->phase == points->phases)
				first[points->phases++] = point;
		}
	free(first);
	return STATUS_OK;
}

static enum status sum_up(struct points *points)
{
	points->slots = INT64_MAX;
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		points->busy += point->busy;
		if (point->finished)
			continue;
		points->unfinished++;
		points->slots = point->training.slots < points->slots ? point->training.slots : points->slots;
		points->classified |= point->classified;
	}
	return find_phases(points);
}

enum status points_create(const struct sweep *sweep, int64_t first, int64_t count, enum points_look look,
                          struct points *points_out)
{
	struct points points = { .count = count };
	struct point_reading reading = { .sweep = sweep, .look = look };
	points.points = memory_allocate((size_t)count, sizeof *points.points);
	enum status status = points.points == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int64_t i = 0; i < count && status == STATUS_OK; i++)
		status = point_create(&reading, first + i, &points.points[i]);
	point_reading_close(&reading);
	if (status == STATUS_OK)
		status = sum_up(&points);
	if (status != STATUS_OK) {
		points_clear(&points);
		return status;
	}
	*points_out = points;
	return STATUS_OK;
}

void points_clear(struct points *points)
{
	for (int64_t i = 0; points->points != NULL && i < points->count; i++) {
		lock_release(points->points[i].lock);
		free(points->points[i].classifier_path);
		free(points->points[i].folder);
	}
	free(points->points);
	timetable_clear(&points->timetable);
	*points = (struct points){ 0 };
}

/* ---- on every rank ---- */

/* The part of a point that only reading files tells. */
struct found {
	struct classifier_facts classifier;
	struct model_config config;
	struct training_settings training;
	struct filter filter;
	char identity[160];
	char trunk_name[SWEEP_NAME_LIMIT + 1], trunk_identity[160];
	struct start start, baseline;
	double flops, dropped, masked;
	bool classified, from_file, finished, busy;
};

static enum status share_point(const struct world *world, const struct sweep *sweep, struct point *point)
{
	struct found found = { 0 };
	if (world->rank == 0)
		found = (struct found){ .classifier = point->classifier,
			                .config = point->config,
			                .training = point->training,
			                .filter = point->filter,
			                .start = point->start,
			                .baseline = point->baseline,
			                .flops = point->flops,
			                .classified = point->classified,
			                .from_file = point->from_file,
			                .finished = point->finished,
			                .busy = point->busy,
			                .dropped = point->dropped,
			                .masked = point->masked };
	if (world->rank == 0) {
		memcpy(found.identity, point->identity, sizeof found.identity);
		memcpy(found.trunk_name, point->trunk_name, sizeof found.trunk_name);
		memcpy(found.trunk_identity, point->trunk_identity, sizeof found.trunk_identity);
	}
	int64_t number = point->number;
	STATUS_TRY(world_broadcast(world, &found, sizeof found, 0));
	STATUS_TRY(world_broadcast(world, &number, sizeof number, 0));
	if (world->rank == 0)
		return STATUS_OK;
	*point = (struct point){ .number = number,
		                 .name = sweep_point_name(sweep, (size_t)number),
		                 .parameters = sweep_point(sweep, (size_t)number),
		                 .config = found.config,
		                 .training = found.training,
		                 .filter = found.filter,
		                 .start = found.start,
		                 .baseline = found.baseline,
		                 .classified = found.classified,
		                 .from_file = found.from_file,
		                 .classifier = found.classifier,
		                 .finished = found.finished,
		                 .busy = found.busy,
		                 .dropped = found.dropped,
		                 .masked = found.masked,
		                 .flops = found.flops };
	memcpy(point->identity, found.identity, sizeof point->identity);
	memcpy(point->trunk_name, found.trunk_name, sizeof point->trunk_name);
	memcpy(point->trunk_identity, found.trunk_identity, sizeof point->trunk_identity);
	char *folder = text_join_path(parameters_text(point->parameters, "run/output"), "points");
	point->folder = folder == NULL ? NULL : text_join_path(folder, point->name);
	free(folder);
	point->classifier_path = settings_classifier_path(point->parameters);
	return point->folder == NULL || point->classifier_path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

enum status points_create_shared(struct world *world, const struct sweep *sweep, int64_t first, int64_t count,
                                 enum points_look look, struct points *points_out)
{
	struct points points = { .count = count };
	enum status status = STATUS_OK;
	if (world->rank == 0)
		status = points_create(sweep, first, count, look, &points);
	else if ((points.points = memory_allocate((size_t)count, sizeof *points.points)) == NULL)
		status = STATUS_ENVIRONMENT;
	status = world_agree(world, status);
	for (int64_t i = 0; i < count && status == STATUS_OK; i++)
		status = share_point(world, sweep, &points.points[i]);
	if (status != STATUS_OK) {
		points_clear(&points);
		return status;
	}
	if (world->rank != 0)
		status = sum_up(&points);
	if (status != STATUS_OK) {
		points_clear(&points);
		return status;
	}
	*points_out = points;
	return STATUS_OK;
}
