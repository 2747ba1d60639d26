/* Tests of src/roles/split: every feasible request gives a legal split, impossible ones say every reason.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "roles/split.h"

static const struct split_point one_point = { .training = 4e6 };

static struct split_request automatic(int ranks)
{
	return (struct split_request){ .ranks = ranks,
		                       .trainers = -1,
		                       .groups = -1,
		                       .classifiers = -1,
		                       .readers = -1,
		                       .slots = 8,
		                       .needs_scores = true,
		                       .points = &one_point,
		                       .point_count = 1,
		                       .scoring = 1e6,
		                       .reading = 2e4 };
}

static void every_rank_count_gets_a_legal_split(void **state)
{
	(void)state;
	for (int ranks = 1; ranks <= 300; ranks++) {
		struct split_request request = automatic(ranks);
		struct split split;
		assert_int_equal(split_choose(&request, &split), STATUS_OK);
		assert_true(split.trainers >= 1 && split.trainers <= 8);
		assert_int_equal(split.trainers & (split.trainers - 1), 0);
		assert_int_equal(split.trainers + split.classifiers + split.readers + split.idle, ranks);
		if (ranks >= 4)
			assert_true(split.classifiers >= 1 && split.readers >= 1);
		int counts[4] = { 0 };
		for (int rank = 0; rank < ranks; rank++)
			counts[split_role(&split, rank)]++;
		assert_int_equal(counts[ROLE_TRAINER], split.trainers);
		assert_int_equal(counts[ROLE_CLASSIFIER], split.classifiers);
		assert_int_equal(counts[ROLE_READER], split.readers);
		assert_int_equal(counts[ROLE_IDLE], split.idle);
	}
}

static void four_ranks_are_two_trainers_a_classifier_and_a_reader(void **state)
{
	(void)state;
	struct split_request request = automatic(4);
	struct split split;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_int_equal(split.trainers, 2);
	assert_int_equal(split.classifiers, 1);
	assert_int_equal(split.readers, 1);
}

static void costly_scoring_gets_more_classifiers(void **state)
{
	(void)state;
	struct split_request request = automatic(16);
	struct split cheap, dear;
	assert_int_equal(split_choose(&request, &cheap), STATUS_OK);
	request.scoring = 40e6;
	assert_int_equal(split_choose(&request, &dear), STATUS_OK);
	assert_true(dear.classifiers > cheap.classifiers);
}

static void nothing_to_score_means_no_classifier(void **state)
{
	(void)state;
	struct split_request request = automatic(4);
	request.needs_scores = false;
	struct split split;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_int_equal(split.classifiers, 0);
	assert_int_equal(split.trainers, 4);
}

static void impossible_requests_name_their_reasons(void **state)
{
	(void)state;
	static const struct {
		int ranks, trainers, classifiers, readers;
		const char *reason;
	} cases[] = {
		{ 3, 2, 1, 1, "need 4 ranks" },
		{ 8, 3, 1, 1, "not a power of two" },
		{ 64, 16, -1, -1, "more than train/slots" },
		{ 5, 2, 1, 1, "use only 4 ranks" },
		{ 2, -1, 1, 1, "need at least 3 ranks" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct split_request request = automatic(cases[i].ranks);
		request.trainers = cases[i].trainers;
		request.classifiers = cases[i].classifiers;
		request.readers = cases[i].readers;
		struct split split;
		assert_int_equal(split_choose(&request, &split), STATUS_ENVIRONMENT);
		assert_non_null(strstr(error_message(), cases[i].reason));
	}
}

static void modes_are_obeyed(void **state)
{
	(void)state;
	struct split_request request = automatic(4);
	struct split split;
	request.shared = true;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_int_equal(split.trainers, 4);
	request.shared = false;
	request.split = true;
	request.needs_scores = false;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_true(split.readers > 0);
	request.ranks = 1;
	assert_int_equal(split_choose(&request, &split), STATUS_ENVIRONMENT);
	assert_non_null(strstr(error_message(), "roles/mode = split"));
}

static void many_small_points_form_groups(void **state)
{
	(void)state;
	struct split_point points[12];
	for (int i = 0; i < 12; i++)
		points[i] = (struct split_point){ .training = 100, .exchange = 20 };
	struct split_request request = automatic(16);
	request.points = points;
	request.point_count = 12;
	request.scoring = 50;
	request.reading = 10;
	struct split split;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_true(split.groups > 1);
	assert_int_equal(split.trainers % split.groups, 0);
	assert_true(split.trainers + split.classifiers + split.readers + split.idle == 16);
	/* Numbers that are given are obeyed. */
	request.groups = 3;
	request.trainers = 6;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_int_equal(split.groups, 3);
	assert_int_equal(split_group_size(&split), 2);
	request.trainers = 9;
	assert_int_equal(split_choose(&request, &split), STATUS_ENVIRONMENT);
	assert_non_null(strstr(error_message(), "3 is not a power of two"));
	request.trainers = 7;
	assert_int_equal(split_choose(&request, &split), STATUS_ENVIRONMENT);
	assert_non_null(strstr(error_message(), "not a multiple of roles/groups"));
}

/* Whatever is left of a sweep is run by the same command. */
static void the_last_points_of_a_sweep_find_a_split(void **state)
{
	(void)state;
	struct split_point points[12];
	for (int i = 0; i < 12; i++)
		points[i] = (struct split_point){ .training = 100 + i, .exchange = 20 };
	for (int sweep = 1; sweep <= 12; sweep++) {
		for (int trainers = 1; trainers <= 48; trainers++) {
			struct split_request request = automatic(trainers + 2);
			struct split split;
			request.points = points;
			request.trainers = trainers;
			request.point_count = request.sweep_points = sweep;
			bool legal = split_choose(&request, &split) == STATUS_OK;
			for (int left = sweep; left >= 1; left--) {
				request.point_count = left;
				assert_int_equal(split_choose(&request, &split),
				                 legal ? STATUS_OK : STATUS_ENVIRONMENT);
				if (!legal)
					continue;
				assert_int_equal(split.trainers, trainers);
				assert_int_equal(split.trainers % split.groups, 0);
				int size = split_group_size(&split);
				assert_true((size & (size - 1)) == 0 && size <= request.slots && split.groups <= sweep);
			}
		}
	}
	struct split_request request = automatic(8);
	struct split split;
	request.points = points;
	request.trainers = 6;
	request.point_count = 2;
	request.sweep_points = 3;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_int_equal(split.groups, 3);
	assert_non_null(strstr(split.reason, "6 makes 3 groups, more than the points that are left (2)"));
	request.sweep_points = 2;
	assert_int_equal(split_choose(&request, &split), STATUS_ENVIRONMENT);
	assert_non_null(
		strstr(error_message(), "roles/trainers = 6 is not the product of a number of groups (at most 2,"));
}

static void candidates_come_best_first(void **state)
{
	(void)state;
	struct split_request request = automatic(32);
	struct split splits[5];
	int count;
	assert_int_equal(split_candidates(&request, 3, 5, splits, &count), STATUS_OK);
	assert_true(count >= 2 && count <= 5);
	for (int i = 1; i < count; i++)
		assert_true(splits[i].cost >= 0.999 * splits[i - 1].cost);
	struct split best;
	assert_int_equal(split_choose(&request, &best), STATUS_OK);
	assert_int_equal(best.trainers, splits[0].trainers);
	assert_int_equal(best.readers, splits[0].readers);
}

static void longest_points_go_first_to_the_group_that_is_free(void **state)
{
	(void)state;
	static const struct timetable_item items[] = {
		{ 0, 0, 2 }, { 1, 0, 7 }, { 2, 0, 3 }, { 3, 0, 6 }, { 4, 1, 5 }
	};
	struct timetable timetable;
	assert_int_equal(timetable_create(items, 5, 2, &timetable), STATUS_OK);
	/* 7 | 6, then 3 to the second group, 2 to the first; the next phase begins when both are done */
	static const int64_t points[] = { 1, 3, 2, 0, 4 };
	static const int groups[] = { 0, 1, 1, 0, 0 };
	for (int i = 0; i < 5; i++) {
		assert_int_equal(timetable.places[i].point, points[i]);
		assert_int_equal(timetable.places[i].group, groups[i]);
	}
	assert_true(timetable.places[4].begin > 8.9 && timetable.places[4].begin < 9.1);
	assert_true(timetable.end > 13.9 && timetable.end < 14.1);
	timetable_clear(&timetable);
	/* one group keeps the order of the input file */
	assert_int_equal(timetable_create(items, 5, 1, &timetable), STATUS_OK);
	for (int i = 0; i < 5; i++)
		assert_int_equal(timetable.places[i].point, i);
	timetable_clear(&timetable);
}

static void a_timetable_is_never_far_from_the_shortest(void **state)
{
	(void)state;
	enum { COUNT = 500 };
	struct timetable_item items[COUNT];
	double sum = 0, longest = 0;
	for (int i = 0; i < COUNT; i++) {
		items[i] = (struct timetable_item){ i, 0, 1 + i * 7919 % 101 };
		sum += items[i].cost;
		longest = items[i].cost > longest ? items[i].cost : longest;
	}
	for (int groups = 1; groups <= 600; groups = groups * 3 + 1) {
		struct timetable timetable;
		assert_int_equal(timetable_create(items, COUNT, groups, &timetable), STATUS_OK);
		double bound = sum / groups > longest ? sum / groups : longest;
		assert_true(timetable.end >= 0.999 * bound && timetable.end <= 4.0 / 3 * bound + 0.001);
		timetable_clear(&timetable);
	}
}

/* Two of four ranks that feed the others cost half the time; of nine they cost nothing, as eight are the most that train. */
static void own_ranks_have_a_price(void **state)
{
	(void)state;
	struct split split;
	struct split_request request = automatic(4);
	request.scoring = 1e5;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_int_equal(split.trainers, 2);
	assert_non_null(strstr(split.reason, "4 trainers, 0 classifiers, 0 readers, it would take"));
	request.gpus = 4;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_int_equal(split.trainers, 4);
	assert_non_null(strstr(split.reason, "2 trainers, 1 classifier, 1 reader, it would take"));

	request.ranks = request.gpus = 10;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_true(split.trainers == 8 && split.classifiers == 1 && split.readers == 1);
	assert_null(strstr(split.reason, "would take"));
	/* What is asked for is had. */
	request.ranks = request.gpus = 4;
	request.trainers = 4;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_int_equal(split.trainers, 4);
	request.trainers = -1;
	request.classifiers = 1;
	request.readers = 1;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_true(split.trainers == 2 && split.classifiers == 1 && split.readers == 1);
}

/* A plan for many ranks is a matter of moments: the search tries no more splits than there are numbers of trainers. */
static void thousands_of_ranks_are_split(void **state)
{
	(void)state;
	struct split_point points[32];
	for (int i = 0; i < 32; i++)
		points[i] = (struct split_point){ .training = 1e3 * (i + 1), .exchange = i };
	struct split_request request = automatic(4096);
	request.points = points;
	request.point_count = 32;
	request.scoring = 5e3;
	request.reading = 100;
	struct split split;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_int_equal(split.trainers + split.classifiers + split.readers + split.idle, 4096);
}

/* Files and set-up take as long on many trainers as on one. */
static void what_is_fixed_is_not_shared(void **state)
{
	(void)state;
	struct split_point point = { .training = 80, .fixed = 5 };
	assert_true(fabs(split_point_cost(&point, 1) - 85) < 1e-9);
	assert_true(fabs(split_point_cost(&point, 4) - 25) < 1e-9);
	/* and so speaks for groups of their own */
	struct split_point points[2] = { { .training = 10, .fixed = 5 }, { .training = 10, .fixed = 5 } };
	struct split_request request = automatic(2);
	request.points = points;
	request.point_count = 2;
	request.scoring = request.reading = 0;
	request.needs_scores = false;
	struct split split;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_int_equal(split.groups, 2);
	assert_true(fabs(split.cost - 15) < 1e-9);
}

/* Behind classifiers of their own, trainers begin when the first blocks are scored. */
static void trainers_wait_for_the_first_scores(void **state)
{
	(void)state;
	struct split_point point = { .training = 100 };
	struct split_request request = automatic(3);
	request.points = &point;
	request.trainers = request.classifiers = request.readers = 1;
	request.scoring = 60;
	request.reading = 1;
	struct split split;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_true(fabs(split.cost - 100) < 1e-9);
	request.first = 7;
	assert_int_equal(split_choose(&request, &split), STATUS_OK);
	assert_true(fabs(split.cost - 107) < 1e-9);
}

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

/* The time of a split is that of its slowest role, which its times add up to. */
static void times_add_up(void **state)
{
	(void)state;
	for (int ranks = 1; ranks <= 40; ranks++) {
		struct split_request request = automatic(ranks);
		struct split split;
		request.first = 1e3;
		assert_int_equal(split_choose(&request, &split), STATUS_OK);
		const struct split_times *times = &split.times;
		double trainers = times->points + times->scoring + times->reading;
		assert_true(fabs(split.cost - fmax(trainers, fmax(times->classifiers, times->readers))) < 1e-6);
		assert_true((split.classifiers > 0) == (times->classifiers > 0));
		assert_true((split.readers > 0) == (times->readers > 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rank_count_gets_a_legal_split),
		cmocka_unit_test(four_ranks_are_two_trainers_a_classifier_and_a_reader),
		cmocka_unit_test(costly_scoring_gets_more_classifiers),
		cmocka_unit_test(nothing_to_score_means_no_classifier),
		cmocka_unit_test(impossible_requests_name_their_reasons),
		cmocka_unit_test(modes_are_obeyed),
		cmocka_unit_test(many_small_points_form_groups),
		cmocka_unit_test(own_ranks_have_a_price),
		cmocka_unit_test(own_ranks_are_left_for_memory),
		cmocka_unit_test(the_last_points_of_a_sweep_find_a_split),
		cmocka_unit_test(candidates_come_best_first),
		cmocka_unit_test(longest_points_go_first_to_the_group_that_is_free),
		cmocka_unit_test(a_timetable_is_never_far_from_the_shortest),
		cmocka_unit_test(thousands_of_ranks_are_split),
		cmocka_unit_test(what_is_fixed_is_not_shared),
		cmocka_unit_test(trainers_wait_for_the_first_scores),
		cmocka_unit_test(groups_fit_into_the_memory_of_a_gpu),
		cmocka_unit_test(scoring_takes_memory),
		cmocka_unit_test(ranks_take_turns_on_a_gpu),
		cmocka_unit_test(classifiers_share_what_is_left),
		cmocka_unit_test(times_add_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
