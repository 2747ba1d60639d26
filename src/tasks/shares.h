/* filter/share: counting the scores that a threshold is chosen from.
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

#endif
