/* Lanes: the order in which a run sees the corpus.
 *
 * Sequence b of every global batch is cut from lane b. Lane b of B reads blocks b, b + B, b + 2 B, ... of an endless
 * sequence in which every epoch is a random permutation (by the seed) of all blocks; document filtering drops documents
 * as their block enters the lane, and the tokens that stay are cut into windows of length + 1 that overlap by one token.
 * Conversations are documents as any others, so a long one goes on in the next window; multiple choice questions are not cut, and
 * windows filled up (roles/question_rows.h). The weight of a target that is not to be learned (text/turns.h) is 0, whatever the filter
 * says.
 * So what a lane yields is a function of the seed, the blocks and the filter: not of ranks, timing or other lanes.
 * Position of a lane for checkpoints: the block its first unread token came from and that token's index in the filtered
 * block. Statistics count a token once, when its block enters the lane.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_LANE_H
#define CAPSHAPE_ROLES_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "filter/filter.h"
#include "roles/provider.h"
#include "text/corpus.h"

/* Counts over the tokens that entered lanes; plain sums, so trainers' counts add up. */
struct lane_statistics {
	int64_t tokens[DOMAIN_COUNT];   /* by token label */
	int64_t filtered[DOMAIN_COUNT]; /* dropped with the document, flagged, or routed to the forget part */
	int64_t histogram[64];          /* scores >> 10 */
	int64_t scored;
};

struct lane_plan {
	uint64_t seed;
	int64_t blocks;        /* of the shard set, or those that are chosen of it */
	const int64_t *chosen; /* [blocks] their numbers, for `domains`; NULL: all blocks */
	int64_t lanes;         /* B */
	int depth;             /* blocks asked for ahead */
	uint32_t domains;      /* 1 << domain of the documents that enter; others pass by, uncounted; 0: all */
	bool reversed;         /* documents are read from right to left (the classifier's second language model) */
	struct filter filter;
	/* Shown every block as it enters a lane; NULL: nobody. */
	void (*seen)(void *state, int64_t lane, const struct block *block);
	void *seen_state;
};

/* What a checkpoint keeps of a lane. */
struct lane_position {
	int64_t block_index;        /* in the lane's sequence */
	int64_t token;              /* index in the filtered block */
	int64_t counted;            /* blocks before this index are in the statistics */
	int64_t first_active_index; /* from this block on the filter was active when the block entered; -1: not yet */
};

struct lane;

/* Number of the block at place `index` of lane `lane`. */
int64_t lane_block_number(const struct lane_plan *plan, int64_t lane, int64_t index);

/* `plan` must outlive the lane. */
enum status lane_create(const struct lane_plan *plan, int64_t number, const struct lane_position *position,
                        struct lane **lane_out);
void lane_destroy(struct lane *lane);
/* Asks the provider for the blocks that come next: `most` of them, at most depth. At the start every lane should have asked for
 * its first block before any asks for a second one, as requests are answered in their order. */
enum status lane_request(struct lane *lane, struct provider *provider, int most);
/* The next window: inputs, targets, weights [length]; starts [length] where each position's document begins in the window
 * (for attention inside documents); routes [length] of method route (filter/filter.h), NULL: not wanted. `active`: whether the filter acts at this step. */
enum status lane_next(struct lane *lane, struct provider *provider, bool active, int64_t length, int32_t *inputs,
                      int32_t *targets, float *weights, int32_t *starts, uint8_t *routes,
                      struct lane_statistics *statistics);
struct lane_position lane_get_position(const struct lane *lane);
/* Bytes that a lane holds at most, for blocks of at most `block_tokens` tokens and windows of `length`. */
int64_t lane_largest_memory(int64_t block_tokens, int64_t length);
/* Bytes that it holds now. */
int64_t lane_memory(const struct lane *lane);

#endif
