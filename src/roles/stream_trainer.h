/* A trainer that only moves data: it takes the windows of its lanes as fast as they come and checks them all.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_STREAM_TRAINER_H
#define CAPSHAPE_ROLES_STREAM_TRAINER_H

#include "roles/lane.h"
#include "roles/stream_check.h"
#include "roles/timers.h"

struct stream_job {
	struct lane_plan plan;          /* its `seen` is set here */
	int64_t first_lane, lane_count; /* of this trainer */
	int64_t length, steps;
	struct provider *provider;
	struct timers *timers;
};

struct stream_trainer;

/* What went through. */
struct stream_facts {
	int64_t steps;                 /* done: fewer than asked for when it was to stop */
	int64_t tokens, blocks, kept;  /* windows' tokens, blocks that entered lanes, rows with a weight */
	double seconds, first_seconds; /* of all steps; until the first step had its windows */
	double lane_memory;            /* bytes held by lanes at the end */
};

enum status stream_trainer_create(const struct stream_job *job, struct stream_trainer **trainer_out);
void stream_trainer_destroy(struct stream_trainer *trainer);
/* Takes the windows of all steps, or fewer when asked to stop. STATUS_INTERNAL naming lane and block where a block comes out of order. */
enum status stream_trainer_run(struct stream_trainer *trainer, struct stream_facts *facts_out);
/* After the run: compares every lane with what the shards hold, block for block and window for window. STATUS_INTERNAL
 * naming the first lane that differs. */
enum status stream_trainer_check(struct stream_trainer *trainer, struct shard_set *set, enum stream_scores scores);

#endif
