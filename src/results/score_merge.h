/* One HDF5 file for users from all score journals of a folder, of any size: it is written in pieces.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_RESULTS_SCORE_MERGE_H
#define CAPSHAPE_RESULTS_SCORE_MERGE_H

#include <stdint.h>

#include "base/status.h"

/* Where the blocks of the shard set lie in it. */
struct score_layout {
	int64_t blocks;
	const int64_t *token_begin;    /* [blocks + 1] */
	const int64_t *document_begin; /* [blocks + 1] */
	/* Best thresholds of the classifier, stored as attributes of the file for runs that read it; 0: not known. */
	uint16_t token_threshold, document_threshold;
	uint16_t token_threshold_balanced, document_threshold_balanced; /* both classes weighing the same */
};

/* Tokens whose scores are in memory at a time. */
enum { SCORE_MERGE_PIECE = 1 << 22 };

/* /scores uint16 [tokens of the set], /document_scores uint16 [documents], /blocks/present uint8, /blocks/token,
 * /blocks/document int64 (first of each block, one more at the end). Scores of blocks that are not there are 0. `identity`:
 * as in score_store_open(). `piece`: tokens whose scores are in memory at a time (a block at least). *missing: blocks
 * that are not there; *repeated: scores of blocks that were there already (both may be NULL). STATUS_DATA when a block was
 * scored with other counts. */
enum status score_merge(const char *folder, const char *identity, const struct score_layout *layout, int64_t piece,
                        const char *path, int64_t *missing, int64_t *repeated);

#endif
