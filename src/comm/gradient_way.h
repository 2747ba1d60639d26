/* Inside of gradient_sum: the two ways that gradients and weights can go.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_COMM_GRADIENT_WAY_H
#define CAPSHAPE_COMM_GRADIENT_WAY_H

#include "comm/arena_layout.h"
#include "comm/gradient_sum.h"

/* What both ways know. */
struct gradient_arena {
	const struct gradient_sum_setup *setup; /* of gradient_sum, for its life */
	const struct arena_layout *layout;
	int place;
	size_t weight_bytes;
};

/* Operations of a way on its own state; see gradient_sum.h. Buckets begin in falling order, each once a step. */
struct gradient_way {
	enum status (*begin)(void *way, int bucket);
	enum status (*await)(void *way);
	enum status (*finish)(void *way);
	enum status (*share)(void *way);
	enum status (*need)(void *way, int bucket);
	enum status (*settle)(void *way);
	void (*destroy)(void *way, bool orderly);
};

/* One halving of a bucket: with which trainer, which places' pieces are kept, which are given away. */
struct gradient_halving {
	int partner, partner_place; /* its rank, and the place that it has */
	struct arena_piece own, other;
};
/* The halving between ranks that are `distance` (1, 2, 4, ...) apart. The pieces shrink as the distance grows. */
struct gradient_halving gradient_halving_at(const struct gradient_arena *arena, int bucket, int distance);

/* gradient_host.c */
extern const struct gradient_way gradient_host_way;
enum status gradient_host_create(const struct gradient_arena *arena, void **way_out);
/* gradient_direct.c. Collective, where it is possible. */
extern const struct gradient_way gradient_direct_way;
enum status gradient_direct_create(const struct gradient_arena *arena, void **way_out);
/* Whether all trainers have a device of their own that can reach those of the others; says why not. Collective. */
enum status gradient_direct_possible(const struct gradient_sum_setup *setup, bool *possible_out, char *reason,
                                     size_t size);
const char *gradient_direct_describe(const void *way);

#endif
