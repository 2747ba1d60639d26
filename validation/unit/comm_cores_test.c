/* Shares of the cores of a node, for the bindings that launchers make and for some that they should not.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* sched_setaffinity */
#endif
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "comm/cores.h"
#include "comm/quota.h"

enum { MOST_RANKS = 64 };

/* Cores [first, end) */
static struct core_mask cores(int first, int end)
{
	struct core_mask mask = { 0 };
	for (int core = first; core < end; core++)
		mask.words[core / 64] |= (uint64_t)1 << core % 64;
	return mask;
}

/* What all ranks of a node take together. */
static int threads_of_all(const struct core_mask *masks, int count)
{
	int threads = 0;
	for (int rank = 0; rank < count; rank++)
		threads += cores_threads(cores_share(masks, count, rank));
	return threads;
}

/* srun -n 8 -c 16 --cpu-bind=cores; mpirun --bind-to core, --bind-to socket with a rank a socket. */
static void cores_of_its_own_are_all_for_a_rank(void **state)
{
	(void)state;
	struct core_mask masks[MOST_RANKS];
	for (int rank = 0; rank < 8; rank++)
		masks[rank] = cores(16 * rank, 16 * rank + 16);
	for (int rank = 0; rank < 8; rank++)
		assert_int_equal(cores_threads(cores_share(masks, 8, rank)), 16);
	for (int rank = 0; rank < 2; rank++)
		assert_int_equal(cores_threads(cores_share(masks, 2, rank)), 16);
	for (int rank = 0; rank < MOST_RANKS; rank++)
		masks[rank] = cores(rank, rank + 1);
	for (int rank = 0; rank < MOST_RANKS; rank++)
		assert_true(cores_share(masks, MOST_RANKS, rank) == 1);
	/* of unequal numbers of cores */
	masks[0] = cores(0, 3);
	masks[1] = cores(3, 16);
	assert_int_equal(cores_threads(cores_share(masks, 2, 0)), 3);
	assert_int_equal(cores_threads(cores_share(masks, 2, 1)), 13);
}

/* mpirun --bind-to none, and sockets with several ranks each. */
static void shared_cores_are_divided(void **state)
{
	(void)state;
	struct core_mask masks[MOST_RANKS];
	for (int count = 1; count <= MOST_RANKS; count++) {
		for (int rank = 0; rank < count; rank++)
			masks[rank] = cores(0, 48);
		for (int rank = 0; rank < count; rank++)
			assert_int_equal(cores_threads(cores_share(masks, count, rank)), count > 48 ? 1 : 48 / count);
	}
	for (int rank = 0; rank < 6; rank++)
		masks[rank] = rank % 2 ? cores(16, 32) : cores(0, 16);
	for (int rank = 0; rank < 6; rank++)
		assert_int_equal(cores_threads(cores_share(masks, 6, rank)), 5);
}

static void overlaps_never_take_more_than_there_is(void **state)
{
	(void)state;
	/* one rank may run everywhere, the other on half of it */
	struct core_mask masks[4] = { cores(0, 16), cores(0, 8) };
	assert_true(cores_share(masks, 2, 0) == 12 && cores_share(masks, 2, 1) == 4);
	/* a chain */
	masks[0] = cores(0, 8);
	masks[1] = cores(4, 12);
	masks[2] = cores(8, 16);
	assert_int_equal(cores_threads(cores_share(masks, 3, 0)), 6);
	assert_int_equal(cores_threads(cores_share(masks, 3, 1)), 4);
	assert_int_equal(cores_threads(cores_share(masks, 3, 2)), 6);
	assert_int_equal(threads_of_all(masks, 3), 16);
	/* one core, another rank's as well */
	masks[0] = cores(0, 4);
	masks[1] = cores(0, 1);
	assert_int_equal(cores_threads(cores_share(masks, 2, 0)), 3);
	assert_int_equal(cores_threads(cores_share(masks, 2, 1)), 1);
}

/* The shares of a node sum up to the cores of all its ranks, whatever the binding. */
static void shares_sum_up_to_the_cores(void **state)
{
	(void)state;
	struct core_mask masks[MOST_RANKS];
	unsigned random = 12345;
	for (int trial = 0; trial < 200; trial++) {
		int count = 1 + trial % 20, used = 0;
		double sum = 0;
		for (int rank = 0; rank < count; rank++)
			masks[rank] = (struct core_mask){ 0 };
		for (int core = 0; core < MOST_CORES; core += 7) {
			bool by_any = false;
			for (int rank = 0; rank < count; rank++) {
				random = random * 1664525 + 1013904223;
				if (random >> 31 == 0)
					continue;
				masks[rank].words[core / 64] |= (uint64_t)1 << core % 64;
				by_any = true;
			}
			used += by_any;
		}
		for (int rank = 0; rank < count; rank++)
			sum += cores_share(masks, count, rank);
		assert_true(fabs(sum - used) < 1e-9);
	}
}

static void this_process_has_cores(void **state)
{
	(void)state;
	cpu_set_t before, one;
	assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
	double granted = quota_own().cores;
	double expected = granted < CPU_COUNT(&before) ? granted : CPU_COUNT(&before);
	assert_int_equal(cores_allowed(), cores_threads(expected));
	int core = 0;
	while (!CPU_ISSET(core, &before))
		core++;
	CPU_ZERO(&one);
	CPU_SET(core, &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	assert_int_equal(cores_allowed(), 1);
	assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cores_of_its_own_are_all_for_a_rank),
		cmocka_unit_test(shared_cores_are_divided),
		cmocka_unit_test(overlaps_never_take_more_than_there_is),
		cmocka_unit_test(shares_sum_up_to_the_cores),
		cmocka_unit_test(this_process_has_cores),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
