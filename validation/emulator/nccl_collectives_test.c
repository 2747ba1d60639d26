/* Collectives of the stand-in for NCCL, and the order of their sums.
 * SPDX-License-Identifier: Apache-2.0 */
#include "nccl_fixture.h"

enum { BLOCK = 3000, CHUNK = 1024, SCHEDULES = 5 };

/* Numbers whose sum depends on the order. */
static float uneven(int rank, size_t i)
{
	return (float)(1u << 4 * (unsigned)rank) * (1.0f + 1e-3f * (float)(i % 97)) + 1e-4f * (float)i;
}

static float ring_sum(int ranks, int block, size_t i)
{
	int first = block + 1 + (int)(i / CHUNK);
	float sum = uneven(first % ranks, (size_t)block * BLOCK + i);
	for (int j = 1; j < ranks; j++)
		sum += uneven((first + j) % ranks, (size_t)block * BLOCK + i);
	return sum;
}

static float tree_sum(int ranks, size_t i)
{
	float sums[MOST_RANKS];
	for (int j = 0; j < ranks; j++)
		sums[j] = uneven(j, i);
	for (int distance = 1; distance < ranks; distance *= 2)
		for (int j = 0; j + distance < ranks; j += 2 * distance)
			sums[j] += sums[j + distance];
	return sums[0];
}

static void rank_reduces(struct rank *rank, float *all, float *own)
{
	size_t begin = (size_t)rank->number * BLOCK, unlike_tree = 0;
	for (size_t i = 0; i < (size_t)rank->count * BLOCK; i++)
		all[i] = uneven(rank->number, i);
	REQUIRE(rank_settle(rank->comm, ncclReduceScatter(all, own, BLOCK, ncclFloat32, ncclSum, rank->comm,
	                                                  rank->stream)) == ncclSuccess);
	REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
	for (size_t i = 0; i < BLOCK; i++) {
		REQUIRE(own[i] == ring_sum(rank->count, rank->number, i));
		unlike_tree += own[i] != tree_sum(rank->count, begin + i);
	}
	/* Two numbers have one sum. */
	REQUIRE(rank->count == 2 ? unlike_tree == 0 : unlike_tree > 0);
}

static void rank_gathers(struct rank *rank, float *all, float *own)
{
	fill(rank, own, BLOCK, rank->number);
	for (int in_place = 0; in_place < 2; in_place++) {
		float *source = in_place ? all + rank->number * BLOCK : own;
		memset(all, 0, (size_t)rank->count * BLOCK * sizeof *all);
		memcpy(source, own, BLOCK * sizeof *own);
		REQUIRE(rank_settle(rank->comm, ncclAllGather(source, all, BLOCK, ncclFloat32, rank->comm,
		                                              rank->stream)) == ncclSuccess);
		REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
		for (int j = 0; j < rank->count; j++)
			for (size_t i = 0; i < BLOCK; i++)
				REQUIRE(all[j * BLOCK + (int)i] == value(j, i));
	}
}

/* The source counts at the root alone. */
static void rank_broadcasts(struct rank *rank, float *all, float *own)
{
	for (int root = 0; root < rank->count; root++) {
		fill(rank, own, BLOCK, root + 7);
		REQUIRE(rank_settle(rank->comm, ncclBroadcast(rank->number == root ? own : NULL, all, BLOCK,
		                                              ncclFloat32, root, rank->comm, rank->stream)) ==
		        ncclSuccess);
		REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
		for (size_t i = 0; i < BLOCK; i++)
			REQUIRE(all[i] == value(root + 7, i));
	}
}

static void rank_collects(struct rank *rank)
{
	rank_begin(rank, 0);
	float *all = rank_floats((size_t)rank->count * BLOCK), *own = rank_floats(BLOCK);
	rank_reduces(rank, all, own);
	rank_gathers(rank, all, own);
	rank_broadcasts(rank, all, own);
	cudaFree(all);
	cudaFree(own);
	rank_end(rank);
}

static void test_collectives(void **state)
{
	(void)state;
	for (int count = 2; count <= MOST_RANKS; count++)
		run_ranks(count, rank_collects);
	for (int schedule = 1; schedule < SCHEDULES; schedule++) {
		char text[2] = { (char)('0' + schedule) };
		setenv("CAPSHAPE_EMULATOR_SCHEDULE", text, 1);
		run_ranks(3, rank_collects);
	}
	unsetenv("CAPSHAPE_EMULATOR_SCHEDULE");
}

/* Sums of other types, in place. */
static void rank_adds_types(struct rank *rank)
{
	rank_begin(rank, 1);
	float *memory = rank_floats(64);
	double *doubles = (double *)(void *)memory;
	int32_t *whole = (int32_t *)(void *)memory;
	uint16_t *halves = (uint16_t *)(void *)memory;

	doubles[0] = doubles[1] = 0.1 * (rank->number + 1);
	REQUIRE(ncclReduceScatter(doubles, doubles + rank->number, 1, ncclFloat64, ncclSum, rank->comm, rank->stream) ==
	        ncclSuccess);
	REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
	REQUIRE(doubles[rank->number] == 0.1 + 0.2);
	whole[0] = whole[1] = 1 << 30 | rank->number;
	REQUIRE(ncclReduceScatter(whole, whole + rank->number, 1, ncclInt32, ncclSum, rank->comm, rank->stream) ==
	        ncclSuccess);
	REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
	REQUIRE(whole[rank->number] == INT32_MIN + 1);
	/* 1 + 2^-7 + (1 + 2^-8 is none: 1): rounded to 8 bits */
	halves[0] = halves[1] = rank->number == 0 ? 0x3f81 : 0x4080;
	REQUIRE(ncclReduceScatter(halves, halves + rank->number, 1, ncclBfloat16, ncclSum, rank->comm, rank->stream) ==
	        ncclSuccess);
	REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
	REQUIRE(halves[rank->number] == 0x40a0);
	cudaFree(memory);
	rank_end(rank);
}

static void test_types(void **state)
{
	(void)state;
	run_ranks(2, rank_adds_types);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_collectives),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_nothing_is_left),
	};
	return cmocka_run_group_tests_name("emulator_nccl_collectives", tests, folder_begin, folder_end);
}
