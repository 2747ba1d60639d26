/* Choosing tokens: frequencies against the probabilities they should have, what top_k and top_p leave, ties, what is excluded.
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

#include "base/lanes.h"
#include "base/random.h"
#include "model/sampling.h"
#include "reasons.h"

enum { VOCABULARY = 12, HIDDEN = 9, DRAWS = 200000 };

static const float logits[VOCABULARY] = { 0.5f, 2.0f, -1.0f, 2.0f, 0.0f, 1.0f, -3.0f, 0.7f, 1.5f, 4.0f, 9.0f, 9.0f };
/* Token 9 is the hidden one, 10 and 11 are rows that fill up. */
static const int32_t excluded[] = { 9, 10, 11 };

static bool is_excluded(int32_t id)
{
	return id >= 9;
}

static struct sampling sampling_of(double temperature, int64_t top_k, double top_p)
{
	return (struct sampling){ temperature, top_k, top_p, VOCABULARY, excluded, 3, HIDDEN };
}

static struct choice choose(const struct sampling *sampling, double uniform)
{
	struct sampling_scratch scratch = { 0 };
	struct choice choice;
	float copy[VOCABULARY];
	memcpy(copy, logits, sizeof copy);
	assert_int_equal(sampling_choose(sampling, copy, uniform, &scratch, &choice), STATUS_OK);
	sampling_scratch_clear(&scratch);
	return choice;
}

/* Frequencies of `kept`, in which they must come, against softmax(logits / temperature) over them. */
static void check_frequencies(double temperature, int64_t top_k, double top_p, const int32_t *kept, int count)
{
	const struct sampling sampling = sampling_of(temperature, top_k, top_p);
	struct sampling_scratch scratch = { 0 };
	int64_t seen[VOCABULARY] = { 0 };
	double total = 0, squares = 0;
	for (int i = 0; i < DRAWS; i++) {
		struct choice choice;
		float copy[VOCABULARY];
		memcpy(copy, logits, sizeof copy);
		double uniform = random_uniform(1, RANDOM_SAMPLING, 0, (uint64_t)i);
		assert_int_equal(sampling_choose(&sampling, copy, uniform, &scratch, &choice), STATUS_OK);
		assert_in_range(choice.token, 0, VOCABULARY - 1);
		seen[choice.token]++;
	}
	for (int i = 0; i < count; i++)
		total += exp((double)logits[kept[i]] / temperature);
	int64_t all = 0;
	for (int i = 0; i < count; i++) {
		double expected = DRAWS * exp((double)logits[kept[i]] / temperature) / total;
		squares += pow((double)seen[kept[i]] - expected, 2) / expected;
		all += seen[kept[i]];
	}
	assert_int_equal(all, DRAWS); /* nothing else came */
	if (!(squares < 40))          /* chi squared of at most 8 degrees of freedom: 40 is beyond 1 in 300,000 */
		fail_msg("temperature %g top_k %d top_p %g: chi squared %g", temperature, (int)top_k, top_p, squares);
	sampling_scratch_clear(&scratch);
}

static void test_frequencies(void **state)
{
	(void)state;
	static const int32_t all[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 }, three[] = { 1, 3, 8 }, four[] = { 1, 3, 8, 5 };
	check_frequencies(1.0, 0, 1.0, all, 9);
	check_frequencies(0.7, 0, 1.0, all, 9);
	check_frequencies(3.0, 100, 1.0, all, 9);
	check_frequencies(1.0, 3, 1.0, three, 3);
	/* Shares at temperature 1: 0.273 0.273 0.166 0.100 0.074 ...: three make up 0.712, four 0.812. */
	check_frequencies(1.0, 0, 0.7, three, 3);
	check_frequencies(1.0, 0, 0.8, four, 4);
	/* Of the first five, which make up 0.887: four are 0.916 of them. */
	check_frequencies(1.0, 5, 0.9, four, 4);
}

static void test_ends_of_the_draw(void **state)
{
	(void)state;
	const struct sampling all = sampling_of(1.0, 0, 1.0), one = sampling_of(1.0, 0, 1e-9);
	for (double uniform = 0; uniform < 1; uniform += 0.125)
		assert_int_equal(choose(&one, uniform).token, 1);
	assert_true(!is_excluded(choose(&all, nextafter(1, 0)).token));
	assert_true(!is_excluded(choose(&all, 0).token));
	const struct sampling cold = sampling_of(1e-6, 0, 1.0); /* all other weights are 0 */
	for (double uniform = 0; uniform < 1; uniform += 0.0625) {
		int32_t token = choose(&cold, uniform).token;
		assert_true(token == 1 || token == 3);
	}
}

/* Lengths that fill no register, exponents from 0 to where floats end. */
static void test_exponentials(void **state)
{
	(void)state;
	enum { MOST = 37 };
	float values[MOST], powers[MOST];
	for (int count = 1; count <= MOST; count++) {
		double sum = 0;
		for (int i = 0; i < count; i++)
			values[i] = (float)(3 - 2.6 * i);
		float largest = lanes_largest(values, count);
		assert_true(largest == values[0]);
		values[count / 2] = 3.5f;
		assert_true(lanes_largest(values, count) == 3.5f);
		double total = lanes_exponentials(powers, values, count, 3.5f, 0.9f);
		for (int i = 0; i < count; i++) {
			double exponent = ((double)values[i] - 3.5) * (double)0.9f, expected = exp(exponent);
			if (!(fabs((double)powers[i] - expected) <= 3e-7 * fmax(1, -exponent) * expected + 0x1p-126))
				fail_msg("exp(%g) is %g, not %g", exponent, (double)powers[i], expected);
			sum += (double)powers[i];
		}
		assert_true(fabs(total - sum) <= 1e-12 * sum);
	}
	values[0] = NAN;
	assert_true(isnan(lanes_exponentials(powers, values, 5, 3, 1)) && isnan(powers[0]));
	values[0] = -INFINITY;
	assert_true(lanes_exponentials(powers, values, 1, 3, 1) == 0);
}

static void test_greedy(void **state)
{
	(void)state;
	const struct sampling greedy = sampling_of(0, 0, 1.0);
	struct choice choice = choose(&greedy, 0.9);
	double sum = 0;
	assert_int_equal(choice.token, 1); /* as probable as 3 */
	for (int id = 0; id < VOCABULARY; id++)
		sum += exp((double)logits[id]);
	assert_true(fabs(choice.log_probability - (2 - log(sum))) < 1e-6);
	assert_true(fabs(choice.hidden_probability - exp(4) / sum) < 1e-6);
}

static void test_numbers_that_are_none(void **state)
{
	(void)state;
	const struct sampling sampling = sampling_of(1, 0, 1);
	struct sampling_scratch scratch = { 0 };
	struct choice choice;
	float bad[VOCABULARY];
	for (int i = 0; i < 2; i++) {
		memcpy(bad, logits, sizeof bad);
		bad[5] = i == 0 ? NAN : INFINITY;
		assert_int_equal(sampling_choose(&sampling, bad, 0.5, &scratch, &choice), STATUS_NUMERIC);
	}
	sampling_scratch_clear(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frequencies),           cmocka_unit_test(test_ends_of_the_draw),
		cmocka_unit_test(test_exponentials),          cmocka_unit_test(test_greedy),
		cmocka_unit_test(test_numbers_that_are_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
