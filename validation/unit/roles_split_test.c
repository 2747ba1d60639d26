/* Tests of src/roles/split: every feasible request gives a legal split, impossible ones say every reason.
 * SPDX-License-Identifier: Apache-2.0 */
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
	return (struct split_request){ .ranks = ranks, .trainers = -1, .groups = -1, .classifiers = -1, .readers = -1,
		                       .slots = 8, .needs_scores = true, .points = &one_point, .point_count = 1,
		                       .scoring = 1e6, .reading = 2e4 };
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_rank_count_gets_a_legal_split),
		cmocka_unit_test(four_ranks_are_two_trainers_a_classifier_and_a_reader),
		cmocka_unit_test(costly_scoring_gets_more_classifiers),
		cmocka_unit_test(nothing_to_score_means_no_classifier),
		cmocka_unit_test(impossible_requests_name_their_reasons),
		cmocka_unit_test(modes_are_obeyed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
