/* Scores: exact steps of log-odds, monotone, symmetric, and back to probabilities.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>

#include "filter/score.h"

static void test_logits(void **state)
{
	(void)state;
	assert_int_equal(score_from_logit(0), SCORE_EVEN);
	assert_int_equal(score_from_logit(1), 32768 + 2048);
	assert_int_equal(score_from_logit(-1), 32768 - 2048);
	assert_int_equal(score_from_logit(-16), SCORE_LOWEST);
	assert_int_equal(score_from_logit(-100), SCORE_LOWEST);
	assert_int_equal(score_from_logit(16), SCORE_HIGHEST);
	assert_int_equal(score_from_logit(-INFINITY), SCORE_LOWEST);
	assert_int_equal(score_from_logit(INFINITY), SCORE_HIGHEST);
	assert_int_equal(score_from_logit(NAN), SCORE_LOWEST);
	/* Half a step goes to the even neighbour. */
	assert_int_equal(score_from_logit(0.5 / 2048), 32768);
	assert_int_equal(score_from_logit(1.5 / 2048), 32770);
	assert_int_equal(score_from_logit(-0.5 / 2048), 32768);
	assert_int_equal(score_from_logit(-1.5 / 2048), 32766);
	for (int score = 0; score <= 65535; score++)
		assert_int_equal(score_from_logit((score - 32768) / 2048.0), score);
}

static void test_probabilities(void **state)
{
	(void)state;
	assert_int_equal(score_from_probability(0.5), SCORE_EVEN);
	assert_int_equal(score_from_probability(0), SCORE_LOWEST);
	assert_int_equal(score_from_probability(-1), SCORE_LOWEST);
	assert_int_equal(score_from_probability(1), SCORE_HIGHEST);
	assert_int_equal(score_from_probability(2), SCORE_HIGHEST);
	assert_int_equal(score_from_probability(NAN), SCORE_LOWEST);
	/* log(0.18597 / 0.81403) = -1.47632: -3023.5 steps. */
	assert_int_equal(score_from_probability(0.18597), 32768 - 3024);
	assert_true(score_probability(SCORE_EVEN) == 0.5);
	assert_true(score_probability(SCORE_LOWEST) > 0 && score_probability(SCORE_LOWEST) < 1.2e-7);
	assert_true(score_probability(SCORE_HIGHEST) < 1 && score_probability(SCORE_HIGHEST) > 1 - 1.2e-7);
	double last = 0;
	for (int score = 0; score <= 65535; score++) {
		double p = score_probability((uint16_t)score);
		assert_true(p > last);
		assert_int_equal(score_from_probability(p), score);
		/* Log-odds are symmetric about a half. */
		if (score > 0)
			assert_true(fabs(p + score_probability((uint16_t)(65536 - score)) - 1) < 1e-15);
		last = p;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logits),
		cmocka_unit_test(test_probabilities),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
