/* Gradients and weights from device to device, in the stream of the peers: bucket by bucket behind the backward pass, and
 * ahead of the next forward pass.
 *
 * The marks of the peers: one for each bucket, passed when its weights are there, and one behind all gradients. Among the peers
 * a trainer has the number of its place, not its rank, as a sum that is scattered comes in the order of these numbers.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "comm/gradient_way.h"

struct gradient_direct {
	struct gradient_arena arena;
	const struct peer_table *table;
	struct peers *peers;
	float *received; /* device: of half of the largest bucket */
	int buckets;
};

/* ---- who can ---- */

struct candidate {
	char node[MPI_MAX_PROCESSOR_NAME];
	char identity[PEERS_IDENTITY];
	char reason[192];
	bool able;
};

bool gradient_sum_direct_here(const struct kernels *kernels, struct device *device, char identity[PEERS_IDENTITY],
                              char *reason, size_t size)
{
	if (kernels->peers != NULL)
		return kernels->peers->available(device, identity, reason, size);
	snprintf(reason, size, "the device is \"%s\", which cannot", kernels->name);
	return false;
}

static void introduce(const struct gradient_sum_setup *setup, struct candidate *own)
{
	int length = 0;
	*own = (struct candidate){ .able = false };
	MPI_Get_processor_name(own->node, &length);
	own->able =
		gradient_sum_direct_here(setup->kernels, setup->device, own->identity, own->reason, sizeof own->reason);
}

static void judge(const struct candidate *all, int size, bool *possible, char *reason, size_t room)
{
	*possible = false;
	for (int rank = 0; rank < size; rank++)
		if (!all[rank].able) {
			snprintf(reason, room, "devices cannot exchange directly: trainer %d on %.64s: %s", rank,
			         all[rank].node, all[rank].reason);
			return;
		}
	for (int rank = 0; rank < size; rank++)
		for (int before = 0; before < rank; before++)
			if (strcmp(all[before].node, all[rank].node) == 0 &&
			    strcmp(all[before].identity, all[rank].identity) == 0) {
				snprintf(reason, room,
				         "devices cannot exchange directly: trainers %d and %d share GPU %s of %.64s",
				         before, rank, all[rank].identity, all[rank].node);
				return;
			}
	*possible = true;
}

enum status gradient_direct_possible(const struct gradient_sum_setup *setup, bool *possible_out, char *reason,
                                     size_t size)
{
	struct world trainers = *setup->trainers;
	struct candidate own, *all = memory_allocate((size_t)trainers.size, sizeof *all);
	enum status status = world_agree(&trainers, all == NULL ? STATUS_ENVIRONMENT : STATUS_OK);
	if (status == STATUS_OK) {
		introduce(setup, &own);
		status = world_all_gather(&trainers, &own, (int)sizeof own, MPI_BYTE, all);
	}
	if (status == STATUS_OK)
		judge(all, setup->trainers->size, possible_out, reason, size);
	free(all);
	return status;
}

/* ---- life ---- */

/* NCCL waits for the others in a call when it first connects to them: what others need of this rank goes on meanwhile. */
static void take_turn(void *state)
{
	unsigned naps = 8;
	world_progress(state);
	world_nap(&naps);
}

static enum status connected(void *state, bool *done_out)
{
	struct gradient_direct *direct = state;
	return direct->table->connected(direct->peers, done_out);
}

static enum status connect(struct gradient_direct *direct)
{
	const struct gradient_sum_setup *setup = direct->arena.setup;
	const struct world *trainers = setup->trainers;
	/* The turns change nothing of the world but what its progress does. */
	const struct peer_wait wait = { take_turn, (void *)(uintptr_t)trainers, trainers->timeout };
	unsigned char id[PEERS_ID_BYTES];
	/* What fails on one trainer must not leave the others waiting for it: they hear of it at once. */
	struct world agreeing = *trainers;
	STATUS_TRY(world_agree(&agreeing, trainers->rank == 0 ? direct->table->make_id(setup->device, id) : STATUS_OK));
	STATUS_TRY(world_broadcast(trainers, id, sizeof id, 0));
	STATUS_TRY(world_agree(&agreeing, direct->table->connect(setup->device, id, direct->arena.place, trainers->size,
	                                                         direct->buckets + 1, &wait, &direct->peers)));
	return world_agree_until(&agreeing, connected, direct, "the GPUs of all trainers to connect");
}

static void destroy(void *way, bool orderly)
{
	struct gradient_direct *direct = way;
	if (direct == NULL)
		return;
	const struct gradient_sum_setup *setup = direct->arena.setup;
	if (direct->peers != NULL)
		direct->table->disconnect(direct->peers, orderly);
	if (direct->received != NULL)
		setup->kernels->release(setup->device, direct->received);
	free(direct);
}

static enum status prepare(struct gradient_direct *direct, const struct gradient_arena *arena)
{
	if (direct == NULL)
		return STATUS_ENVIRONMENT;
	direct->arena = *arena;
	direct->table = arena->setup->kernels->peers;
	direct->buckets = arena_layout_buckets(arena->layout);
	const struct gradient_sum_setup *setup = direct->arena.setup;
	int64_t most = 1;
	for (int bucket = 0; bucket < direct->buckets; bucket++) {
		int64_t count = arena_piece_count(gradient_halving_at(&direct->arena, bucket, 1).own);
		most = count > most ? count : most;
	}
	direct->received = setup->kernels->allocate(setup->device, (size_t)most * sizeof *direct->received);
	return direct->received == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

enum status gradient_direct_create(const struct gradient_arena *arena, void **way_out)
{
	struct gradient_direct *direct = memory_allocate(1, sizeof *direct);
	/* A trainer without memory must not leave the others connecting. */
	struct world trainers = *arena->setup->trainers;
	enum status status = world_agree(&trainers, prepare(direct, arena));
	if (status == STATUS_OK)
		status = connect(direct);
	if (status != STATUS_OK) {
		destroy(direct, false);
		return status;
	}
	*way_out = direct;
	return STATUS_OK;
}

const char *gradient_direct_describe(const void *way)
{
	const struct gradient_direct *direct = way;
	return direct->table->describe(direct->peers);
}

/* ---- gradients ---- */

static enum status reduce_bucket(struct gradient_direct *direct, int bucket)
{
	const struct gradient_sum_setup *setup = direct->arena.setup;
	for (int distance = 1; distance < setup->trainers->size; distance *= 2) {
		struct gradient_halving halving = gradient_halving_at(&direct->arena, bucket, distance);
		size_t count = (size_t)arena_piece_count(halving.own);
		STATUS_TRY(direct->table->exchange(direct->peers, halving.partner_place,
		                                   setup->gradients + halving.other.begin,
		                                   (size_t)arena_piece_count(halving.other) * sizeof(float),
		                                   direct->received, count * sizeof(float)));
		STATUS_TRY(direct->table->add(direct->peers, setup->gradients + halving.own.begin, direct->received,
		                              count));
	}
	return STATUS_OK;
}

static enum status begin(void *way, int bucket)
{
	struct gradient_direct *direct = way;
	const struct gradient_arena *arena = &direct->arena;
	STATUS_TRY(direct->table->follow_device(direct->peers));
	if (arena->setup->deterministic || !arena_layout_is_even(arena->layout, bucket))
		return reduce_bucket(direct, bucket);
	struct arena_piece own = arena_layout_piece(arena->layout, bucket, arena->place, 1);
	struct arena_piece all = arena_layout_bucket(arena->layout, bucket);
	return direct->table->scatter_sum(direct->peers, arena->setup->gradients + own.begin,
	                                  arena->setup->gradients + all.begin, (size_t)arena_piece_count(own));
}

static enum status computed(void *state, bool *done_out)
{
	struct gradient_direct *direct = state;
	return direct->table->device_passed(direct->peers, done_out);
}

/* The last weights that were shared have come. */
static enum status provided(void *state, bool *done_out)
{
	struct gradient_direct *direct = state;
	return direct->table->passed(direct->peers, direct->buckets - 1, done_out);
}

/* Computing takes as long as it takes, once the weights are there. */
static enum status await(void *way)
{
	struct gradient_direct *direct = way;
	const struct world *trainers = direct->arena.setup->trainers;
	STATUS_TRY(world_wait_until(trainers, true, provided, direct, "parameters of all trainers"));
	return world_wait_until(trainers, false, computed, direct, "the GPU of this trainer");
}

static enum status passed(void *state, bool *done_out)
{
	struct gradient_direct *direct = state;
	return direct->table->passed(direct->peers, direct->buckets, done_out);
}

static enum status wait_for_mark(struct gradient_direct *direct, const char *what)
{
	STATUS_TRY(direct->table->mark(direct->peers, direct->buckets));
	STATUS_TRY(world_wait_until(direct->arena.setup->trainers, true, passed, direct, what));
	return direct->table->lead_device(direct->peers, direct->buckets);
}

static enum status finish(void *way)
{
	return wait_for_mark(way, "gradients of all trainers");
}

/* ---- weights ---- */

static enum status share_bucket(struct gradient_direct *direct, int bucket)
{
	const struct gradient_arena *arena = &direct->arena;
	char *weights = arena->setup->weights;
	size_t bytes = arena->weight_bytes;
	struct arena_piece all = arena_layout_bucket(arena->layout, bucket);
	struct arena_piece piece = arena_layout_piece(arena->layout, bucket, arena->place, 1);
	if (arena_layout_is_even(arena->layout, bucket))
		return direct->table->gather(direct->peers, weights + (size_t)all.begin * bytes,
		                             weights + (size_t)piece.begin * bytes,
		                             (size_t)arena_piece_count(piece) * bytes);
	for (int distance = arena->setup->trainers->size / 2; distance >= 1; distance /= 2) {
		struct gradient_halving halving = gradient_halving_at(arena, bucket, distance);
		STATUS_TRY(direct->table->exchange(
			direct->peers, halving.partner_place, weights + (size_t)halving.own.begin * bytes,
			(size_t)arena_piece_count(halving.own) * bytes, weights + (size_t)halving.other.begin * bytes,
			(size_t)arena_piece_count(halving.other) * bytes));
	}
	return STATUS_OK;
}

static enum status share(void *way)
{
	struct gradient_direct *direct = way;
	STATUS_TRY(direct->table->follow_device(direct->peers));
	for (int bucket = 0; bucket < direct->buckets; bucket++) {
		STATUS_TRY(share_bucket(direct, bucket));
		STATUS_TRY(direct->table->mark(direct->peers, bucket));
	}
	return STATUS_OK;
}

static enum status need(void *way, int bucket)
{
	struct gradient_direct *direct = way;
	return direct->table->lead_device(direct->peers, bucket);
}

static enum status settle(void *way)
{
	return wait_for_mark(way, "parameters of all trainers");
}

const struct gradient_way gradient_direct_way = { .begin = begin,
	                                          .await = await,
	                                          .finish = finish,
	                                          .share = share,
	                                          .need = need,
	                                          .settle = settle,
	                                          .destroy = destroy };
