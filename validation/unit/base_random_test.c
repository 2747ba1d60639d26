/* Philox against the published vectors, and what is built on it: ranges, moments, permutations.
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

/* A seed under which the purpose's key is `key`. */
static uint64_t seed_for_key(uint64_t key, enum random_purpose purpose)
{
	return key - (uint64_t)purpose * 0x9E3779B97F4A7C15u;
}

/* Known-answer vectors of philox4x32-10 (Salmon et al., distribution of Random123). */
static void test_known_answers(void **state)
{
	(void)state;
	static const struct {
		uint64_t key, a, b;
		uint32_t words[4];
	} cases[] = {
		{ 0, 0, 0, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
		{ UINT64_MAX, UINT64_MAX, UINT64_MAX, { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
		{ 0x299f31d0a4093822,
		  0x85a308d3243f6a88,
		  0x0370734413198a2e,
		  { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (int purpose = RANDOM_INITIALISATION; purpose <= RANDOM_TEST; purpose++) {
			uint32_t words[4];
			uint64_t seed = seed_for_key(cases[i].key, (enum random_purpose)purpose);
			random_block(seed, (enum random_purpose)purpose, cases[i].a, cases[i].b, words);
			assert_memory_equal(words, cases[i].words, sizeof words);
		}
	}
}

static void test_streams_differ(void **state)
{
	(void)state;
	uint64_t base = random_bits(1, RANDOM_TEST, 2, 3);
	assert_true(base == random_bits(1, RANDOM_TEST, 2, 3));
	assert_true(base != random_bits(2, RANDOM_TEST, 2, 3));
	assert_true(base != random_bits(1, RANDOM_SPLIT, 2, 3));
	assert_true(base != random_bits(1, RANDOM_TEST, 3, 3));
	assert_true(base != random_bits(1, RANDOM_TEST, 2, 4));
	assert_true(base != random_bits(1, RANDOM_TEST, 3, 2));
	assert_true(base != random_bits(1, RANDOM_TEST, 2 + ((uint64_t)1 << 32), 3));
	assert_true(base != random_bits(1, RANDOM_TEST, 2, 3 + ((uint64_t)1 << 32)));
}

/* Mean, variance and equal use of 16 bins; limits are five standard deviations. */
static void test_uniform(void **state)
{
	(void)state;
	enum { COUNT = 100000, BINS = 16 };
	double sum = 0, squares = 0;
	int bins[BINS] = { 0 };
	for (uint64_t i = 0; i < COUNT; i++) {
		double x = random_uniform(3, RANDOM_TEST, 1, i);
		assert_true(x >= 0 && x < 1);
		sum += x;
		squares += (x - 0.5) * (x - 0.5);
		bins[(int)(x * BINS)]++;
	}
	assert_true(fabs(sum / COUNT - 0.5) < 5 * sqrt(1.0 / 12 / COUNT));
	assert_true(fabs(squares / COUNT - 1.0 / 12) < 5 * sqrt(1.0 / 180 / COUNT));
	for (int i = 0; i < BINS; i++)
		assert_true(abs(bins[i] - COUNT / BINS) < 5 * sqrt((double)COUNT / BINS));
}

static void test_normal(void **state)
{
	(void)state;
	enum { COUNT = 100000 };
	double sum = 0, squares = 0, fourth = 0;
	int beyond_two = 0;
	for (uint64_t i = 0; i < COUNT; i++) {
		double x = random_normal(3, RANDOM_TEST, 2, i);
		assert_true(isfinite(x) && fabs(x) < 9);
		sum += x;
		squares += x * x;
		fourth += x * x * x * x;
		beyond_two += fabs(x) > 2;
	}
	assert_true(fabs(sum / COUNT) < 5 / sqrt(COUNT));
	assert_true(fabs(squares / COUNT - 1) < 5 * sqrt(2.0 / COUNT));
	assert_true(fabs(fourth / COUNT - 3) < 5 * sqrt(96.0 / COUNT));
	assert_true(fabs(beyond_two - 0.0455003 * COUNT) < 5 * sqrt(0.0455 * COUNT));
}

static void expect_bijection(uint64_t count, uint64_t stream)
{
	unsigned char *seen = calloc(count, 1);
	assert_non_null(seen);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t image = random_permute(7, RANDOM_TEST, stream, count, i);
		assert_true(image < count);
		assert_int_equal(seen[image]++, 0);
	}
	free(seen);
}

static void test_permutation_is_a_bijection(void **state)
{
	(void)state;
	for (uint64_t count = 1; count <= 300; count++)
		expect_bijection(count, count % 3);
	/* Around powers of two and of four, where the number of bits changes. */
	static const uint64_t counts[] = { 1023, 1024, 1025, 4095, 4096, 4097, 16383, 16384, 16385, 65537, 100003 };
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
		expect_bijection(counts[i], 9);
}

/* Every order of four things appears, about equally often. */
static void test_permutation_is_fair(void **state)
{
	(void)state;
	enum { STREAMS = 24000 };
	int seen[256] = { 0 }, orders = 0;
	for (uint64_t stream = 0; stream < STREAMS; stream++) {
		unsigned code = 0;
		for (uint64_t i = 0; i < 4; i++)
			code = code << 2 | (unsigned)random_permute(7, RANDOM_TEST, stream, 4, i);
		seen[code]++;
	}
	for (int i = 0; i < 256; i++) {
		orders += seen[i] > 0;
		/* A four-element Feistel network is not exactly uniform; a factor of 1.5 would be a fault. */
		assert_true(seen[i] == 0 || (seen[i] > 1000 / 1.5 && seen[i] < 1000 * 1.5));
	}
	assert_int_equal(orders, 24);
}

static void test_permutation_of_large_ranges(void **state)
{
	(void)state;
	static const uint64_t counts[] = { 1ull << 33, (1ull << 40) + 1, 1ull << 62, (1ull << 63) + 5, UINT64_MAX };
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		uint64_t images[100];
		bool far = false;
		for (uint64_t j = 0; j < 100; j++) {
			images[j] = random_permute(7, RANDOM_TEST, 1, counts[i], j);
			assert_true(images[j] < counts[i]);
			far = far || images[j] > counts[i] / 2;
			for (uint64_t k = 0; k < j; k++)
				assert_true(images[j] != images[k]);
		}
		assert_true(far);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answers),
		cmocka_unit_test(test_streams_differ),
		cmocka_unit_test(test_uniform),
		cmocka_unit_test(test_normal),
		cmocka_unit_test(test_permutation_is_a_bijection),
		cmocka_unit_test(test_permutation_is_fair),
		cmocka_unit_test(test_permutation_of_large_ranges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
