/* Metrics against lists of tokens: every pair for AUROC, every threshold for F1.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "classifier/metrics.h"

enum { MOST = 60 };

struct token {
	uint32_t score;
	bool forget;
};

static struct score_counts *counts_of(const struct token *tokens, int count)
{
	struct score_counts *counts = calloc(1, sizeof *counts);
	assert_non_null(counts);
	for (int i = 0; i < count; i++)
		(tokens[i].forget ? counts->positive : counts->negative)[tokens[i].score]++;
	return counts;
}

static int count_forget(const struct token *tokens, int count)
{
	int forget = 0;
	for (int i = 0; i < count; i++)
		forget += tokens[i].forget;
	return forget;
}

static void check_metrics(const struct token *tokens, int count, uint32_t threshold, int balanced,
                          const struct metrics *metrics)
{
	double positives = count_forget(tokens, count), negatives = count - positives, pairs = 0;
	double weight = balanced ? positives / negatives : 1, flagged = 0, hits = 0, right = 0;

	for (int i = 0; i < count; i++) {
		double worth = tokens[i].forget ? 1 : weight;
		bool flag = tokens[i].score >= threshold;
		flagged += flag ? worth : 0;
		hits += flag && tokens[i].forget;
		right += flag == tokens[i].forget ? worth : 0;
		for (int j = 0; j < count; j++)
			if (tokens[i].forget && !tokens[j].forget)
				pairs += tokens[i].score > tokens[j].score    ? 1
				         : tokens[i].score == tokens[j].score ? 0.5
				                                              : 0;
	}
	double precision = hits / flagged, recall = hits / positives;
	assert_true(flagged == 0 ? isnan(metrics->precision) : fabs(metrics->precision - precision) < 1e-12);
	assert_true(fabs(metrics->recall - recall) < 1e-12);
	assert_true(fabs(metrics->auroc - pairs / (positives * negatives)) < 1e-12);
	assert_true(fabs(metrics->accuracy - right / (positives + weight * negatives)) < 1e-12);
	assert_true(fabs(metrics->prevalence - (balanced ? 0.5 : positives / count)) < 1e-12);
	if (hits > 0)
		assert_true(fabs(metrics->f1 - 2 * precision * recall / (precision + recall)) < 1e-12);
	else
		assert_true(metrics->f1 == 0);
}

/* Few distinct scores, so that ties are common; the lowest and the highest score occur. */
static int random_tokens(uint64_t number, struct token *tokens)
{
	int count = 2 + (int)(random_bits(1, RANDOM_TEST, number, 0) % (MOST - 2));
	uint64_t kinds = 1 + random_bits(1, RANDOM_TEST, number, 1) % 40;
	for (int i = 0; i < count; i++) {
		uint64_t bits = random_bits(1, RANDOM_TEST, number, 2 + (uint64_t)i), kind = bits % kinds;
		tokens[i].forget = (bits >> 32) % 40 < kind + 1;
		tokens[i].score = kind == 0 ? 0 : kind == 39 ? 65535 : (uint32_t)(kind * 1499);
	}
	tokens[0].forget = true;
	tokens[1].forget = false;
	return count;
}

static void test_metrics_match_lists(void **state)
{
	struct token tokens[MOST];
	struct metrics metrics;

	(void)state;
	for (uint64_t number = 0; number < 30; number++) {
		int count = random_tokens(number, tokens);
		struct score_counts *counts = counts_of(tokens, count);
		for (int balanced = 0; balanced <= 1; balanced++) {
			const uint32_t thresholds[] = { 0, 1, 1499, 20000, 65535, 65536, tokens[0].score };
			for (size_t i = 0; i < sizeof thresholds / sizeof *thresholds; i++) {
				metrics_compute(counts, thresholds[i], balanced, &metrics);
				check_metrics(tokens, count, thresholds[i], balanced, &metrics);
			}
		}
		free(counts);
	}
}

static void test_best_threshold_matches_search(void **state)
{
	struct token tokens[MOST];
	struct metrics best, other;

	(void)state;
	for (uint64_t number = 100; number < 125; number++) {
		int count = random_tokens(number, tokens);
		struct score_counts *counts = counts_of(tokens, count);
		for (int balanced = 0; balanced <= 1; balanced++) {
			uint32_t threshold = metrics_best_threshold(counts, balanced);
			metrics_compute(counts, threshold, balanced, &best);
			/* F1 can only change just above a score that occurs: these are all thresholds there are. */
			for (int i = 0; i < count; i++) {
				for (uint32_t above = 0; above <= 1; above++) {
					metrics_compute(counts, tokens[i].score + above, balanced, &other);
					assert_true(other.f1 <= best.f1);
					assert_true(other.f1 < best.f1 || tokens[i].score + above >= threshold);
				}
			}
			if (threshold > 0) {
				metrics_compute(counts, threshold - 1, balanced, &other);
				assert_true(other.f1 < best.f1);
			}
		}
		free(counts);
	}
}

/* Perfect, reversed and useless scores; numbers far beyond 32 bits. */
static void test_known_values(void **state)
{
	struct score_counts *counts = calloc(1, sizeof *counts);
	struct metrics metrics;
	const int64_t many = 3000000000000;

	(void)state;
	assert_non_null(counts);
	counts->positive[50000] = many;
	counts->negative[10000] = 9 * many;
	assert_int_equal(metrics_best_threshold(counts, 0), 10001);
	metrics_compute(counts, 10001, 0, &metrics);
	assert_true(metrics.f1 == 1 && metrics.auroc == 1 && metrics.precision == 1 && metrics.accuracy == 1);
	assert_true(fabs(metrics.prevalence - 0.1) < 1e-15);
	metrics_compute(counts, 0, 1, &metrics);
	assert_true(fabs(metrics.precision - 0.5) < 1e-15 && fabs(metrics.f1 - 2.0 / 3) < 1e-15);
	counts->negative[50000] = 9 * many;
	counts->negative[10000] = 0;
	metrics_compute(counts, 50000, 0, &metrics);
	assert_true(metrics.auroc == 0.5);
	counts->negative[50000] = 0;
	counts->negative[60000] = 9 * many;
	metrics_compute(counts, 50000, 0, &metrics);
	assert_true(metrics.auroc == 0);
	free(counts);
}

static void test_undefined_values(void **state)
{
	struct score_counts *counts = calloc(1, sizeof *counts);
	struct metrics metrics;

	(void)state;
	assert_non_null(counts);
	counts->negative[7] = 5;
	assert_int_equal(metrics_best_threshold(counts, 0), 65536);
	assert_int_equal(metrics_best_threshold(counts, 1), 65536);
	metrics_compute(counts, 3, 0, &metrics);
	assert_true(isnan(metrics.recall) && isnan(metrics.auroc) && metrics.precision == 0 && metrics.f1 == 0);
	counts->negative[7] = 0;
	counts->positive[7] = 5;
	assert_int_equal(metrics_best_threshold(counts, 0), 0);
	metrics_compute(counts, 7, 1, &metrics);
	assert_true(isnan(metrics.auroc) && metrics.precision == 1 && metrics.recall == 1 && metrics.f1 == 1);
	free(counts);
}

/* By hand: at 90 two of three are positive, at 50 none of one, at 10 one of two. */
static void test_average_precision(void **state)
{
	struct score_counts *counts = calloc(1, sizeof *counts);

	(void)state;
	assert_non_null(counts);
	assert_true(isnan(metrics_average_precision(counts)));
	counts->positive[90] = 2;
	counts->negative[90] = 1;
	counts->negative[50] = 1;
	counts->positive[10] = 1;
	counts->negative[10] = 1;
	assert_true(fabs(metrics_average_precision(counts) - (2.0 / 3 * 2 / 3 + 1.0 / 3 * 3 / 6)) < 1e-15);
	counts->negative[90] = 0;
	counts->positive[10] = 0;
	assert_true(metrics_average_precision(counts) == 1);
	free(counts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metrics_match_lists), cmocka_unit_test(test_best_threshold_matches_search),
		cmocka_unit_test(test_known_values),        cmocka_unit_test(test_undefined_values),
		cmocka_unit_test(test_average_precision),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
