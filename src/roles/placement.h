/* Where the ranks of a split are put: a pure function of the nodes that ranks are on.
 *
 * A split numbers seats by role: trainers, group by group, then classifiers, readers, idle ranks (roles/split.h). Which rank has
 * which seat follows from the nodes. In this order of weight, because that is the order of the bytes that move:
 *   - the trainers of a group add up gradients: a group is whole on a node where one has room for it; otherwise on as few nodes
 *     as can be, in parts that are powers of two, so that trainers next to each other, who exchange the larger halves, stay
 *     together;
 *   - groups are spread evenly over the nodes, and classifiers and readers in proportion to the trainers there: they sit next to
 *     those whom they feed. A block is scored by one classifier for all groups, so trainers ask all classifiers; blocks are read
 *     for whoever asks, so a rank asks the readers of its own node where that has any.
 * Under any distribution of ranks over nodes (block, cyclic, one rank a node) the same number on each node gives the same seats to
 * the nodes. Rank 0 is the first trainer. On one node every rank has the seat of its own number. Results do not depend on any of it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_PLACEMENT_H
#define CAPSHAPE_ROLES_PLACEMENT_H

#include "roles/split.h"

struct placement {
	int ranks;
	int *seat; /* [ranks] of a rank */
	int *node; /* [ranks] of a seat */
};

/* node[ranks]: numbered 0 .. in the order of their first ranks. gpus[node]: how many GPUs the ranks of a node see, so that ranks that
 * compute are put where they have one; NULL: models run on processors. `split` is one of so many ranks. placement_clear() in any case. */
enum status placement_create(const int *node, const int *gpus, int ranks, const struct split *split,
                             struct placement *placement_out);
void placement_clear(struct placement *placement);
/* Whether every rank has the seat of its own number. */
bool placement_is_plain(const struct placement *placement);
/* The readers that the rank on this seat asks: seats *first .. *first + *count - 1. */
void placement_readers(const struct placement *placement, const struct split *split, int seat, int *first, int *count);
/* How many ranks of this role ask the reader on seat `reader`. */
int placement_askers(const struct placement *placement, const struct split *split, int reader, enum role role);

#endif
