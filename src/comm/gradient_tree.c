/* Recursive halving and doubling over point-to-point messages.
 * SPDX-License-Identifier: Apache-2.0 */
#include "comm/gradient_tree.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { TAG_REDUCE = 101, TAG_GATHER = 102, LARGEST_MESSAGE = 1 << 26 };

struct gradient_tree {
	struct world trainers;
	int64_t count;           /* elements of the arena */
	int64_t chunks_per_rank; /* the arena is padded to size * chunks_per_rank chunks */
	int64_t begin, end;      /* own range, padded elements */
	float *buffer, *received;
	double *chunk_sums; /* of all ranks */
};

/* Range of `rank` after all halvings: its lowest bit chose the half of the whole arena. */
static int64_t range_begin(const struct gradient_tree *tree, int rank)
{
	int64_t begin = 0, length = tree->chunks_per_rank * tree->trainers.size * GRADIENT_CHUNK;
	for (int distance = 1; distance < tree->trainers.size; distance *= 2) {
		length /= 2;
		if (rank & distance)
			begin += length;
	}
	return begin;
}

enum status gradient_tree_create(const struct world *trainers, int64_t count, struct gradient_tree **tree_out)
{
	struct gradient_tree *tree = memory_allocate(1, sizeof *tree);
	if (tree == NULL)
		return STATUS_ENVIRONMENT;
	tree->trainers = *trainers;
	tree->count = count;
	int64_t chunks = (count + GRADIENT_CHUNK - 1) / GRADIENT_CHUNK;
	tree->chunks_per_rank = (chunks + trainers->size - 1) / trainers->size;
	int64_t range = tree->chunks_per_rank * GRADIENT_CHUNK;
	int64_t padded = range * trainers->size;
	tree->begin = range_begin(tree, trainers->rank);
	tree->end = tree->begin + range;
	/* A trainer on its own adds nothing to its gradients: only the sums of squares are needed. */
	bool alone = trainers->size == 1;
	tree->buffer = memory_allocate((size_t)(alone ? 0 : padded), sizeof *tree->buffer);
	tree->received = memory_allocate((size_t)(alone ? 0 : padded / 2), sizeof *tree->received);
	tree->chunk_sums = memory_allocate((size_t)(tree->chunks_per_rank * trainers->size), sizeof *tree->chunk_sums);
	if (tree->buffer == NULL || tree->received == NULL || tree->chunk_sums == NULL) {
		gradient_tree_destroy(tree);
		return STATUS_ENVIRONMENT;
	}
	*tree_out = tree;
	return STATUS_OK;
}

void gradient_tree_destroy(struct gradient_tree *tree)
{
	if (tree == NULL)
		return;
	free(tree->buffer);
	free(tree->received);
	free(tree->chunk_sums);
	free(tree);
}

void gradient_tree_range(const struct gradient_tree *tree, int64_t *begin, int64_t *end)
{
	*begin = tree->begin < tree->count ? tree->begin : tree->count;
	*end = tree->end < tree->count ? tree->end : tree->count;
}

int gradient_tree_place(const struct gradient_tree *tree)
{
	int64_t range = tree->end - tree->begin;
	return range > 0 ? (int)(tree->begin / range) : tree->trainers.rank;
}

float *gradient_tree_buffer(struct gradient_tree *tree)
{
	return tree->buffer;
}

int64_t gradient_tree_chunks(const struct gradient_tree *tree)
{
	return tree->chunks_per_rank;
}

/* Sends one range and receives another from the same partner, in messages whose counts fit an int. */
static enum status exchange(struct gradient_tree *tree, int partner, int tag, const float *send, float *receive,
                            int64_t count)
{
	for (int64_t begin = 0; begin < count; begin += LARGEST_MESSAGE) {
		int part = (int)(count - begin < LARGEST_MESSAGE ? count - begin : LARGEST_MESSAGE);
		MPI_Request requests[2];
		MPI_Irecv(receive + begin, part, MPI_FLOAT, partner, tag, tree->trainers.comm, &requests[0]);
		MPI_Isend(send + begin, part, MPI_FLOAT, partner, tag, tree->trainers.comm, &requests[1]);
		char what[64];
		snprintf(what, sizeof what, "%s trainer %d", tag == TAG_REDUCE ? "gradients of" : "parameters of", partner);
		STATUS_TRY(world_wait_part(&tree->trainers, 2, requests, what));
	}
	return STATUS_OK;
}

enum status gradient_tree_reduce(struct gradient_tree *tree)
{
	if (tree->trainers.size == 1)
		return STATUS_OK;
	int64_t padded = tree->chunks_per_rank * tree->trainers.size * GRADIENT_CHUNK;
	memset(tree->buffer + tree->count, 0, (size_t)(padded - tree->count) * sizeof *tree->buffer);
	int64_t begin = 0, length = padded;
	for (int distance = 1; distance < tree->trainers.size; distance *= 2) {
		length /= 2;
		int64_t other = begin;
		if (tree->trainers.rank & distance)
			begin += length;
		else
			other += length;
		STATUS_TRY(exchange(tree, tree->trainers.rank ^ distance, TAG_REDUCE, tree->buffer + other,
		                    tree->received, length));
		float *own = tree->buffer + begin;
		for (int64_t i = 0; i < length; i++)
			own[i] += tree->received[i];
	}
	return STATUS_OK;
}

enum status gradient_tree_gather(struct gradient_tree *tree)
{
	int64_t begin = tree->begin, length = tree->end - tree->begin;
	for (int distance = tree->trainers.size / 2; distance >= 1; distance /= 2) {
		int64_t other = tree->trainers.rank & distance ? begin - length : begin + length;
		STATUS_TRY(exchange(tree, tree->trainers.rank ^ distance, TAG_GATHER, tree->buffer + begin,
		                    tree->buffer + other, length));
		begin = begin < other ? begin : other;
		length *= 2;
	}
	return STATUS_OK;
}

enum status gradient_tree_square_sum(struct gradient_tree *tree, const double *own_chunks, double *sum_out)
{
	STATUS_TRY(world_all_gather(&tree->trainers, own_chunks, (int)tree->chunks_per_rank, MPI_DOUBLE,
	                            tree->chunk_sums));
	double sum = 0;
	int64_t per_range = tree->chunks_per_rank * GRADIENT_CHUNK;
	/* Ranges lie in the arena in bit-reversed rank order, and reversing is its own inverse. */
	for (int range = 0; range < tree->trainers.size; range++) {
		int64_t rank = range_begin(tree, range) / per_range;
		for (int64_t chunk = 0; chunk < tree->chunks_per_rank; chunk++)
			sum += tree->chunk_sums[rank * tree->chunks_per_rank + chunk];
	}
	*sum_out = sum;
	return STATUS_OK;
}
