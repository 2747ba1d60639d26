/* Tests of src/roles/split: every feasible request gives a legal split, impossible ones say every reason.
 * SPDX-License-Identifier: Apache-2.0 */
#include "split_fixture.h"

#include <math.h>
#include <string.h>

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
		cmocka_unit_test(the_last_points_of_a_sweep_find_a_split),
		cmocka_unit_test(candidates_come_best_first),
		cmocka_unit_test(thousands_of_ranks_are_split),
		cmocka_unit_test(what_is_fixed_is_not_shared),
		cmocka_unit_test(trainers_wait_for_the_first_scores),
		cmocka_unit_test(times_add_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
