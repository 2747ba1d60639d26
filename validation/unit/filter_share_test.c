/* The threshold of a share against the rank in a sorted list, and the share that the filter then really takes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/random.h"
#include "filter/filter.h"
#include "filter/share.h"

enum { TOKENS = 40000, END = 7, OTHER = 8 };

static int descending(const void *left, const void *right)
{
	return (int)*(const uint16_t *)right - (int)*(const uint16_t *)left;
}

static struct share_counts *count(const uint16_t *scores, int tokens, int extra)
{
	struct share_counts *counts = calloc(1, sizeof *counts);
	assert_non_null(counts);
	for (int i = 0; i < tokens; i++)
		counts->tokens[scores[i]]++;
	counts->total = tokens + extra;
	return counts;
}

/* Scores over `levels` values: few levels make long ties. */
static void draw(uint16_t *scores, int levels)
{
	for (int i = 0; i < TOKENS; i++) {
		double u = random_uniform(5, RANDOM_TEST, (uint64_t)levels, (uint64_t)i);
		scores[i] = (uint16_t)(20000 + (int)(u * u * levels) * (40000 / levels));
	}
}

static void test_threshold_is_the_rank(void **state)
{
	static const int levels[] = { 2, 17, 40000 };
	static const double shares[] = { 0.01, 0.031, 0.1, 0.25, 0.5, 0.97 };
	static uint16_t scores[TOKENS], sorted[TOKENS];
	(void)state;
	for (size_t l = 0; l < 3; l++) {
		draw(scores, levels[l]);
		struct share_counts *counts = count(scores, TOKENS, 0);
		for (int i = 0; i < TOKENS; i++)
			sorted[i] = scores[i];
		qsort(sorted, TOKENS, sizeof *sorted, descending);
		for (size_t s = 0; s < 6; s++) {
			struct filter filter = { .method = FILTER_MASK, .seed = 3, .end_of_text = END };
			int rank = (int)lround(shares[s] * TOKENS), above = 0, at = 0, taken = 0;
			share_threshold(counts, shares[s], &filter.token_threshold, &filter.token_spared);
			assert_int_equal(filter.token_threshold, sorted[rank - 1]);
			for (int i = 0; i < TOKENS; i++) {
				above += scores[i] > filter.token_threshold;
				at += scores[i] == filter.token_threshold;
				taken += filter_flags_token(&filter, OTHER, scores[i], (uint64_t)i);
			}
			/* exact in the mean over the ties ... */
			assert_true(fabs(above + (1 - filter.token_spared) * at - shares[s] * TOKENS) < 1e-6 * TOKENS);
			assert_true(fabs(share_filtered(counts, filter.token_threshold, filter.token_spared) -
			                 shares[s]) < 1e-6);
			/* ... and this choice of ties within five standard deviations of it */
			double deviation = sqrt(at * filter.token_spared * (1 - filter.token_spared));
			assert_true(fabs(taken - shares[s] * TOKENS) <= 5 * deviation + 1e-6);
		}
		free(counts);
	}
}

static void test_ends(void **state)
{
	static const uint16_t scores[] = { 0, 0, 500, 65535 };
	struct filter filter = { .method = FILTER_MASK, .seed = 3, .end_of_text = END };
	struct share_counts *counts = count(scores, 4, 4); /* as many end-of-text tokens, that can not be filtered */
	(void)state;
	share_threshold(counts, 0, &filter.token_threshold, &filter.token_spared);
	for (uint64_t position = 0; position < 100; position++)
		assert_false(filter_flags_token(&filter, OTHER, 65535, position));
	share_threshold(counts, 0.125, &filter.token_threshold, &filter.token_spared);
	assert_int_equal(filter.token_threshold, 65535);
	assert_true(filter.token_spared == 0);
	share_threshold(counts, 0.25, &filter.token_threshold, &filter.token_spared);
	assert_int_equal(filter.token_threshold, 500);
	assert_true(fabs(share_filtered(counts, 500, 0) - 0.25) < 1e-12 &&
	            fabs(share_filtered(counts, 500, 0.5) - 0.1875) < 1e-12);
	share_threshold(counts, 0.9, &filter.token_threshold, &filter.token_spared); /* more than there is: all */
	for (uint64_t position = 0; position < 100; position++) {
		assert_true(filter_flags_token(&filter, OTHER, 0, position));
		assert_false(filter_flags_token(&filter, END, 0, position));
	}
	free(counts);
}

/* Documents have chances of their own, and another seed takes others. */
static void test_ties_of_documents(void **state)
{
	struct filter filter = {
		.method = FILTER_DOCUMENT, .seed = 3, .document_threshold = 900, .document_spared = 0.75
	};
	struct filter other = filter;
	int kept = 0, same = 0;
	(void)state;
	other.seed = 4;
	for (uint64_t d = 0; d < 4000; d++) {
		uint64_t position = d << 32 | 5;
		bool keeps = filter_keeps_document(&filter, 900, position);
		kept += keeps;
		same += keeps == filter_keeps_document(&other, 900, position);
		assert_true(keeps == filter_keeps_document(&filter, 900, position));
		assert_true(filter_keeps_document(&filter, 899, position));
		assert_false(filter_keeps_document(&filter, 901, position));
	}
	assert_true(kept > 2850 && kept < 3150);
	assert_true(same > 2300 && same < 2700); /* 0.75^2 + 0.25^2 of them */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threshold_is_the_rank),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_ties_of_documents),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
