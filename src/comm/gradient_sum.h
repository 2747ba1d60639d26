/* Gradients of all trainers added in one fixed order, whatever the number of trainers, and parameters shared out again.
 *
 * A step has a fixed number of slots (a power of two). Slot gradients are the leaves of a complete binary tree; inside a
 * trainer neighbouring slots are combined in its last slot's backward pass (src/roles/trainer_step.c), across trainers
 * neighbours are combined by recursive halving here: first with the trainer next to it, which is on the same node where
 * that is possible and gets the largest part, at last with the one farthest away. Addition of two floats is commutative, so 1, 2,
 * 4, ... trainers give the same bits. Each trainer ends up with its pieces of the sum (arena_layout.h), updates them, and the
 * updated parameters go the way back: the optimiser state is sharded (ZeRO stage 1).
 *
 * Two ways: through the memory of the hosts by MPI, all of the arena at once; or from device to device (kernels.h, struct
 * peer_table) in a stream of its own, bucket by bucket while the backward pass goes on, and the parameters while the next
 * forward pass begins. Both give the same bits. With `deterministic` false devices may add in the order that suits them, which
 * depends on their number and on how they are connected.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_COMM_GRADIENT_SUM_H
#define CAPSHAPE_COMM_GRADIENT_SUM_H

#include "base/piece.h"
#include "comm/world.h"
#include "kernels/kernels.h"

enum exchange_way { EXCHANGE_AUTO, EXCHANGE_HOST, EXCHANGE_DEVICE };

struct gradient_sum;

struct gradient_sum_setup {
	const struct world *trainers; /* their number is a power of two */
	const struct kernels *kernels;
	struct device *device;
	/* Device arenas of `count` elements; weights: the compute copies (weight_bytes an element), which are the masters
	 * themselves where weight_bytes is 4. Masters outside of the own pieces are not kept up to date else. */
	float *gradients;
	void *weights;
	int64_t count;
	/* See arena_layout.h. Buckets of less than some 25 MB would not use the links between devices well. */
	const int64_t *borders; /* [border_count] */
	int border_count;
	int64_t least_bucket; /* elements */
	enum exchange_way exchange;
	bool deterministic;
};

/* Whether this device could exchange directly with those of other ranks, each on one of its own, and which it is; says why not. Not
 * collective. */
bool gradient_sum_direct_here(const struct kernels *kernels, struct device *device, char identity[PEERS_IDENTITY],
                              char *reason, size_t size);
/* What a run ends with where run/exchange = device cannot be had. */
enum status gradient_sum_refuse(const char *reason);

/* Collective. With EXCHANGE_AUTO devices exchange directly where all trainers have one each that can; STATUS_ENVIRONMENT with
 * the reason where EXCHANGE_DEVICE is asked for and one has not. */
enum status gradient_sum_create(const struct gradient_sum_setup *setup, struct gradient_sum **sum_out);
/* orderly: collective, all trainers do so; else what is not done is given up without them. */
void gradient_sum_destroy(struct gradient_sum *sum, bool orderly);
/* A phrase for the log: "from GPU to GPU by NCCL 2.28.9, 26 buckets", or "through the host by MPI" with the reason where devices
 * could not; "nowhere" for one trainer. */
const char *gradient_sum_describe(const struct gradient_sum *sum);
/* This trainer's pieces of the arena, ascending; some may be empty. */
const struct arena_piece *gradient_sum_pieces(const struct gradient_sum *sum, int *count_out);
/* The order of this trainer's pieces among those of all trainers in each bucket, 0 .. trainers - 1. */
int gradient_sum_place(const struct gradient_sum *sum);

/* In the order of the device's work: from now on nothing is added to own gradients of elements from `begin` on. Starts what can
 * be started, and does not wait for others. Call it with falling begins, on all trainers with the same ones or so that
 * one of them passes over some, and at last with 0. */
enum status gradient_sum_ready(struct gradient_sum *sum, int64_t begin);
/* After gradient_sum_ready(sum, 0), where devices exchange directly: waits until this trainer's own device has computed its
 * gradients, so that what follows is the time of the exchange. */
enum status gradient_sum_await(struct gradient_sum *sum);
/* Collective, after gradient_sum_ready(sum, 0): waits until the own pieces of `gradients` hold the sum over trainers; the rest is
 * undefined. */
enum status gradient_sum_finish(struct gradient_sum *sum);
/* Collective: the sum of squares of the whole gradient after gradient_sum_finish(), added chunk by chunk in arena order, the
 * same bits for any number of trainers. Waits for the device. */
enum status gradient_sum_squares(struct gradient_sum *sum, double *squares_out);
/* Collective: the weights of every piece from its owner to all others. May go on after it returns. */
enum status gradient_sum_share(struct gradient_sum *sum);
/* Before the device is asked to read weights of elements below `end`: it will wait until they are there. */
enum status gradient_sum_need(struct gradient_sum *sum, int64_t end);
/* Collective: waits until what was begun is done, so that later waits for the device are for its own work only. */
enum status gradient_sum_settle(struct gradient_sum *sum);

#endif
