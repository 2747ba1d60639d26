/* Gradients of all trainers added in one fixed order, whatever the number of trainers.
 *
 * A step has a fixed number of slots (a power of two). Slot gradients are the leaves of a complete binary tree; inside a
 * trainer neighbouring slots are combined by slot_stack (src/roles/trainer), across trainers neighbours are combined by
 * recursive halving here. Addition of two floats is commutative, so 1, 2, 4, ... trainers give the same bits. Each
 * trainer ends up with one range of the sum (whole chunks of CHUNK elements), updates it, and the updated ranges are
 * gathered again: the optimiser state is sharded. reference: design of sharded optimiser state (ZeRO stage 1).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_COMM_GRADIENT_TREE_H
#define CAPSHAPE_COMM_GRADIENT_TREE_H

#include "comm/world.h"

enum { GRADIENT_CHUNK = 4096 };

struct gradient_tree;

/* `trainers`: its size is a power of two. `count`: elements of the arena. */
enum status gradient_tree_create(const struct world *trainers, int64_t count, struct gradient_tree **tree_out);
void gradient_tree_destroy(struct gradient_tree *tree);
/* This trainer's range of the arena; may be empty when there are more trainers than chunks. */
void gradient_tree_range(const struct gradient_tree *tree, int64_t *begin, int64_t *end);
/* Place of that range among the ranges in arena order, 0 .. trainers - 1. */
int gradient_tree_place(const struct gradient_tree *tree);
/* Host buffer of `count` elements (and padding): put the own sum here before reducing. Empty with one trainer, for whom
 * reducing and gathering have nothing to do. */
float *gradient_tree_buffer(struct gradient_tree *tree);
/* Collective: afterwards the own range of the buffer holds the sum over trainers; the rest is undefined. */
enum status gradient_tree_reduce(struct gradient_tree *tree);
/* Collective: every range of the buffer from its owner, so that all buffers are equal. */
enum status gradient_tree_gather(struct gradient_tree *tree);
/* Collective: per-chunk sums of squares of the own range (chunks of range, in order) become one number: the sum over
 * all chunks of the arena in arena order, the same bits for any number of trainers. */
enum status gradient_tree_square_sum(struct gradient_tree *tree, const double *own_chunks, double *sum_out);
/* Chunks in the own range, for the array above. */
int64_t gradient_tree_chunks(const struct gradient_tree *tree);

#endif
