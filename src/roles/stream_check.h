/* What a lane must yield, computed from the shards alone: no servers, messages, providers or lanes have a part in it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_STREAM_CHECK_H
#define CAPSHAPE_ROLES_STREAM_CHECK_H

#include "base/checksum.h"
#include "roles/lane.h"
#include "text/shard.h"

/* How the text was scored. */
enum stream_scores { STREAM_SCORES_NONE, STREAM_SCORES_NULL, STREAM_SCORES_LABELS };

/* Everything that passed through a lane, in order. */
struct stream_digest {
	char blocks[CONTENT_HASH_SIZE];  /* number, ids, labels, documents, scores of every block */
	char windows[CONTENT_HASH_SIZE]; /* inputs, targets, weights of every window */
	int64_t block_count;
};

/* Adds all of a block to the hash. */
void stream_hash_block(struct content_hash *hash, const struct block *block);
/* Adds a window of `length` to the hash. */
void stream_hash_window(struct content_hash *hash, int64_t length, const int32_t *inputs, const int32_t *targets,
                        const float *weights);

/* The digest of lane `lane` after `steps` windows, with the blocks that these need. plan->seen is not called. */
enum status stream_replay(struct shard_set *set, const struct lane_plan *plan, enum stream_scores scores, int64_t lane,
                          int64_t steps, int64_t length, struct stream_digest *digest_out);

#endif
