/* Inside of the points of a pretrain task: one of them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_PRETRAIN_POINT_H
#define CAPSHAPE_TASKS_PRETRAIN_POINT_H

#include "tasks/pretrain.h"

/* What points that are resolved one after the other share. Zero but for the first two to begin with. */
struct point_reading {
	const struct sweep *sweep;
	enum points_look look;
	struct shard_set *shards; /* of shards_folder: the text of the point before */
	char *shards_folder;
	const struct point *before;   /* the last one with a classifier */
	const struct point *previous; /* the last one */
	struct lock_memory memory;
};

/* Resolves point `number` of the sweep: settings, classifier, identity, what is finished. Reads shard and classifier facts; a plan
 * of a point whose text is not there yet makes do with its input file. `point` is to be cleared after an error too. */
enum status point_create(struct point_reading *reading, int64_t number, struct point *point);
void point_reading_close(struct point_reading *reading);

#endif
