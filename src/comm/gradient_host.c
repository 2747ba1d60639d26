/* Gradients and weights through the memory of the hosts: recursive halving and doubling over messages of MPI.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "comm/gradient_way.h"

enum { TAG_REDUCE = 101, TAG_GATHER = 102, LARGEST_MESSAGE = 1 << 28 };

struct gradient_host {
	struct gradient_arena arena;
	char *buffer;    /* of the whole arena, gradients or weights */
	float *received; /* of half of it */
	bool lent;       /* a wait has failed: both are MPI's until the job ends (world.h) */
};

static void destroy(void *way, bool orderly)
{
	struct gradient_host *host = way;
	(void)orderly;
	if (!host->lent) {
		free(host->buffer);
		free(host->received);
	}
	free(host);
}

/* The largest part of a bucket that arrives at once. */
static int64_t most_received(const struct gradient_arena *arena)
{
	int64_t most = 0;
	for (int bucket = 0; bucket < arena_layout_buckets(arena->layout); bucket++) {
		int64_t count = arena_piece_count(gradient_halving_at(arena, bucket, 1).own);
		most = count > most ? count : most;
	}
	return most;
}

enum status gradient_host_create(const struct gradient_arena *arena, void **way_out)
{
	struct gradient_host *host = memory_allocate(1, sizeof *host);
	if (host == NULL)
		return STATUS_ENVIRONMENT;
	host->arena = *arena;
	host->buffer = memory_allocate((size_t)arena->setup->count, sizeof(float));
	host->received = memory_allocate((size_t)most_received(arena), sizeof(float));
	if (host->buffer == NULL || host->received == NULL) {
		destroy(host, false);
		return STATUS_ENVIRONMENT;
	}
	*way_out = host;
	return STATUS_OK;
}

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* Sends bytes and receives others from the same partner, in messages whose counts fit an int. The end of the arena may leave
 * one of both nothing to send. */
static enum status exchange(struct gradient_host *host, int partner, int tag, const char *send, int64_t send_bytes,
                            char *receive, int64_t receive_bytes)
{
	const struct world *trainers = host->arena.setup->trainers;
	for (int64_t begin = 0; begin < send_bytes || begin < receive_bytes; begin += LARGEST_MESSAGE) {
		MPI_Request requests[2] = { MPI_REQUEST_NULL, MPI_REQUEST_NULL };
		char what[64];
		if (begin < receive_bytes)
			MPI_Irecv(receive + begin, (int)smaller(receive_bytes - begin, LARGEST_MESSAGE), MPI_BYTE,
			          partner, tag, trainers->comm, &requests[0]);
		if (begin < send_bytes)
			MPI_Isend(send + begin, (int)smaller(send_bytes - begin, LARGEST_MESSAGE), MPI_BYTE, partner,
			          tag, trainers->comm, &requests[1]);
		snprintf(what, sizeof what, "%s trainer %d", tag == TAG_REDUCE ? "gradients of" : "parameters of",
		         partner);
		host->lent = true;
		STATUS_TRY(world_wait_part(trainers, 2, requests, what));
		host->lent = false;
	}
	return STATUS_OK;
}

static enum status reduce_bucket(struct gradient_host *host, int bucket)
{
	const struct gradient_arena *arena = &host->arena;
	float *buffer = (float *)host->buffer;
	for (int distance = 1; distance < arena->setup->trainers->size; distance *= 2) {
		struct gradient_halving halving = gradient_halving_at(arena, bucket, distance);
		int64_t count = arena_piece_count(halving.own);
		STATUS_TRY(exchange(host, halving.partner, TAG_REDUCE, (char *)(buffer + halving.other.begin),
		                    arena_piece_count(halving.other) * (int64_t)sizeof *buffer, (char *)host->received,
		                    count * (int64_t)sizeof *buffer));
		float *own = buffer + halving.own.begin;
		for (int64_t i = 0; i < count; i++)
			own[i] += host->received[i];
	}
	return STATUS_OK;
}

/* All at once when the pass has ended: the host would only take time from it. */
static enum status begin(void *way, int bucket)
{
	(void)way;
	(void)bucket;
	return STATUS_OK;
}

static enum status await(void *way)
{
	(void)way;
	return STATUS_OK;
}

static enum status finish(void *way)
{
	struct gradient_host *host = way;
	const struct gradient_arena *arena = &host->arena;
	const struct gradient_sum_setup *setup = arena->setup;
	float *buffer = (float *)host->buffer;
	STATUS_TRY(setup->kernels->download(setup->device, buffer, setup->gradients,
	                                    (size_t)setup->count * sizeof *buffer));
	for (int bucket = 0; bucket < arena_layout_buckets(arena->layout); bucket++) {
		struct arena_piece piece = arena_layout_piece(arena->layout, bucket, arena->place, 1);
		STATUS_TRY(reduce_bucket(host, bucket));
		STATUS_TRY(setup->kernels->upload(setup->device, setup->gradients + piece.begin, buffer + piece.begin,
		                                  (size_t)arena_piece_count(piece) * sizeof *buffer));
	}
	return STATUS_OK;
}

static enum status share_bucket(struct gradient_host *host, int bucket)
{
	const struct gradient_arena *arena = &host->arena;
	int64_t bytes = (int64_t)arena->weight_bytes;
	for (int distance = arena->setup->trainers->size / 2; distance >= 1; distance /= 2) {
		struct gradient_halving halving = gradient_halving_at(arena, bucket, distance);
		STATUS_TRY(exchange(host, halving.partner, TAG_GATHER, host->buffer + halving.own.begin * bytes,
		                    arena_piece_count(halving.own) * bytes, host->buffer + halving.other.begin * bytes,
		                    arena_piece_count(halving.other) * bytes));
	}
	return STATUS_OK;
}

static enum status share(void *way)
{
	struct gradient_host *host = way;
	const struct gradient_arena *arena = &host->arena;
	const struct gradient_sum_setup *setup = arena->setup;
	char *weights = setup->weights;
	for (int bucket = 0; bucket < arena_layout_buckets(arena->layout); bucket++) {
		struct arena_piece piece = arena_layout_piece(arena->layout, bucket, arena->place, 1);
		size_t at = (size_t)piece.begin * arena->weight_bytes;
		STATUS_TRY(setup->kernels->download(setup->device, host->buffer + at, weights + at,
		                                    (size_t)arena_piece_count(piece) * arena->weight_bytes));
		STATUS_TRY(share_bucket(host, bucket));
	}
	return setup->kernels->upload(setup->device, weights, host->buffer, (size_t)setup->count * arena->weight_bytes);
}

static enum status need(void *way, int bucket)
{
	(void)way;
	(void)bucket;
	return STATUS_OK;
}

static enum status settle(void *way)
{
	(void)way;
	return STATUS_OK;
}

const struct gradient_way gradient_host_way = { .begin = begin,
	                                        .await = await,
	                                        .finish = finish,
	                                        .share = share,
	                                        .need = need,
	                                        .settle = settle,
	                                        .destroy = destroy };
