/* filter/share: counting the scores that a threshold is chosen from; and what a filter leaves of a text.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_SHARES_H
#define CAPSHAPE_TASKS_SHARES_H

#include "tasks/pretrain.h"

/* When the point gives filter/share and its method flags tokens or documents: sets threshold and spared share of
 * point->filter so that this share of the tokens is filtered, counted
 *   source classifier   on the validation text that the classifier was measured on (shares in classifier.h5)
 *   source file         on all training text that the score file holds
 *   source labels       on all training text
 * Reads files: rank 0 only. Needs point->filter.method and where the scores come from. STATUS_USAGE when a threshold is
 * given as well. */
enum status shares_resolve(struct point *point, struct shard_set *shards);
/* Sets point->dropped and point->masked, for predictions only, from the counts above (of a few blocks where they are counted
 * on training text). shards NULL: the text is not there yet, and only filter/share says something. Where nothing is known
 * nothing is filtered. Reads files: rank 0 only. */
enum status shares_expect(struct point *point, struct shard_set *shards);
/* Expected: steps of the whole point, and tokens of text that its lanes read for them. */
double shares_steps(const struct point *point);
double shares_text(const struct point *point);
/* Numbers of the blocks of a set (open with its tables) that hold a document of one of the domains (1 << domain), from malloc, of
 * all blocks for 0; *count_out of them; *share_out (or NULL): of their tokens, those of these documents. */
enum status shares_blocks(const struct shard_set *shards, uint32_t domains, int64_t **blocks_out, int64_t *count_out,
                          double *share_out);

#endif
