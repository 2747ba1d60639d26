/* Where a rank's time goes: one clock per activity, gathered into a table at the end of a job.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_TIMERS_H
#define CAPSHAPE_ROLES_TIMERS_H

#include "comm/world.h"
#include "roles/split.h"

enum activity {
	ACTIVITY_TRAIN, /* forward, backward, update */
	ACTIVITY_FILL,  /* waiting for the blocks of the first step: until then nobody can train, whatever the split */
	ACTIVITY_WAIT_BLOCK, /* waiting for a block from another rank */
	ACTIVITY_REDUCE,     /* adding gradients over trainers, waiting for the slowest included */
	ACTIVITY_EVALUATE,
	ACTIVITY_CHECKPOINT,
	ACTIVITY_SCORE,
	ACTIVITY_READ,
	ACTIVITY_IDLE, /* a reader or classifier with nothing asked of it */
	ACTIVITY_COUNT
};

struct timers {
	double seconds[ACTIVITY_COUNT];
	double begin; /* of the job */
	int64_t scored_tokens, scored_blocks, read_tokens, trained_tokens;
	int64_t sent_bytes, send_memory; /* of blocks; the most that was held for sending them */
};

/* Adds the time since `*since` to the activity and sets *since to now. */
void timers_add(struct timers *timers, enum activity activity, double *since);
/* Collective over all ranks: prints min / mean / max of every activity per role, and advice on the split where trainers
 * wait for blocks for 5 % of their time or more. */
enum status timers_print(const struct timers *timers, const struct world *world, const struct split *split);

#endif
