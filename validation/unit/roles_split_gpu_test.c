/* Splits of ranks that compute on GPUs: what fits into their memory, and what taking turns on one costs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "split_fixture.h"

#include <math.h>
#include <string.h>

/* Four GPUs of 80 units; a trainer takes 100 / group + 20, and 30 more where it scores. */
static struct split_memory memory_of_four(void)
{
	struct split_memory memory = { .gpu = 80, .classifier = 30 };
	for (int k = 0; k < SPLIT_SIZES; k++) {
		memory.trainer[0][k] = 100.0 / (double)(INT64_C(1) << k) + 20;
		memory.trainer[1][k] = memory.trainer[0][k] + 30;
	}
	return memory;
}

/* A group of four that scores takes 50 of a GPU, one of two beside a classifier 70. */
static void own_ranks_are_left_for_memory(void **state)
{
	(void)state;
	struct split_memory memory = memory_of_four();
	struct split_request request = automatic(4);
	struct split split;
	for (int k = 0; k < SPLIT_SIZES; k++)
		memory.trainer[1][k] = memory.trainer[0][k] + 5;
	request.gpus = 4;
	request.memory = &memory;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_non_null(strstr(split.reason, "2 trainers, 1 classifier, 1 reader, it would take"));
	memory.gpu = 60;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_true(split.trainers == 4 && !split.too_large);
	assert_non_null(strstr(split.reason, "a GPU is too small"));
	memory.gpu = 40; /* nothing fits: the least is tried */
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_true(split.trainers == 4 && split.too_large);
}

/* Two points, whose gradients take long to add: alone each on a trainer is fastest, but does not fit. */
static void groups_fit_into_the_memory_of_a_gpu(void **state)
{
	(void)state;
	struct split_point points[4] = { { .training = 10, .exchange = 3 },
		                         { .training = 10, .exchange = 3 },
		                         { .training = 10, .exchange = 3 },
		                         { .training = 10, .exchange = 3 } };
	struct split_memory memory = memory_of_four();
	struct split_request request = automatic(4);
	struct split split;
	request.points = points;
	request.point_count = 4;
	request.needs_scores = false;
	request.scoring = request.reading = 0;
	request.gpus = 4;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_int_equal(split.groups, 4);
	request.memory = &memory;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_int_equal(split.groups, 2);
	assert_int_equal(split_group_size(&split), 2);
	assert_false(split.too_large);
	assert_true(fabs(split_fullest_gpu(&memory, &split) - 70) < 1e-9);
	memory.gpu = 0; /* unknown */
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_int_equal(split.groups, 4);
	/* Of a single rank nothing fits, nor where the groups are given. */
	memory.gpu = 80;
	request.ranks = request.gpus = 1;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_true(split.too_large);
	request.ranks = request.gpus = 4;
	request.groups = 4;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_true(split.too_large && split.groups == 4);
	assert_non_null(strstr(split.reason, "too small"));
	/* Where nothing fits, what takes least may. */
	request.groups = -1;
	memory.gpu = 10;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_true(split.too_large && split.groups == 1);
}

/* A trainer that scores holds the classifier as well. */
static void scoring_takes_memory(void **state)
{
	(void)state;
	struct split_memory memory = memory_of_four();
	struct split_request request = automatic(2);
	struct split split;
	request.shared = true;
	request.trainers = 2;
	request.memory = &memory;
	request.gpus = 2;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_true(split.too_large);
	assert_true(fabs(split_fullest_gpu(&memory, &split) - 100) < 1e-9);
	request.needs_scores = false;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_false(split.too_large);
}

/* Ranks that share a GPU take turns, hold it together, and add gradients through the hosts. */
static void ranks_take_turns_on_a_gpu(void **state)
{
	(void)state;
	struct split_point point = {
		.training = 100,
		.exchange = 6,
		.direct = { .gradient_bytes = 4, .near = 1, .far = 1, .trainers_a_node = 2, .steps = 1 }
	};
	struct split_request request = automatic(2);
	struct split own, shared;
	request.points = &point;
	request.needs_scores = false;
	request.scoring = request.reading = 0;
	request.trainers = 2;
	request.gpus = 2;
	assert_int_equal(split_choose(&request, &own), STATUS_OK);
	assert_false(split_shares_gpus(&own));
	assert_true(fabs(own.cost - (50 + 2)) < 1e-9);
	request.gpus = 1;
	assert_int_equal(split_choose(&request, &shared), STATUS_OK);
	assert_int_equal(shared.trainers_a_gpu, 2);
	assert_true(split_shares_gpus(&shared));
	assert_true(fabs(shared.cost - 2 * (50 + 1.5 * 6)) < 1e-9);
	assert_true(fabs(split_shared_cost(&shared, &point, 2) - shared.cost) < 1e-9);
	struct split_memory memory = memory_of_four();
	assert_true(fabs(split_fullest_gpu(&memory, &shared) - 140) < 1e-9);
	/* Left to itself nobody shares: it wins nothing. */
	request.trainers = -1;
	assert_int_equal(split_choose(&request, &shared), STATUS_OK);
	assert_int_equal(shared.trainers, 1);
	assert_false(split_shares_gpus(&shared));
}

/* What a classifier computes on the GPU of a trainer is added to it; one that finds a GPU free leaves trainers alone. */
static void classifiers_share_what_is_left(void **state)
{
	(void)state;
	struct split_point point = { .training = 100 };
	struct split_memory memory = memory_of_four();
	struct split_request request = automatic(5);
	struct split split;
	request.points = &point;
	request.trainers = 2;
	request.classifiers = 3;
	request.readers = 0;
	request.scoring = 30;
	request.reading = 0;
	request.gpus = 3;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_int_equal(split.classifiers_a_gpu, 3);
	assert_false(split.together);
	assert_true(fabs(split.times.classifiers - 30) < 1e-9);
	assert_true(fabs(split.cost - 50) < 1e-9);
	assert_true(fabs(split_fullest_gpu(&memory, &split) - 90) < 1e-9);
	request.gpus = 2;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_true(split.together);
	assert_int_equal(split.classifiers_a_gpu, 2);
	assert_true(fabs(split.cost - (50 + 20)) < 1e-9);
	assert_true(fabs(split_fullest_gpu(&memory, &split) - (70 + 60)) < 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_ranks_are_left_for_memory),  cmocka_unit_test(groups_fit_into_the_memory_of_a_gpu),
		cmocka_unit_test(scoring_takes_memory),           cmocka_unit_test(ranks_take_turns_on_a_gpu),
		cmocka_unit_test(classifiers_share_what_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
