/* Generation with cached keys and values against the forward pass: the same bits on the reference, the same numbers elsewhere; and
 * no bit that depends on what else is generated, or on how tokens are handed over.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/decode.h"
#include "model_fixture.h"

enum { TEXTS = 7, LONGEST = 50, VOCABULARY = 128 };

struct texts {
	int32_t ids[TEXTS][LONGEST];
	int length[TEXTS];
};

static void draw_texts(struct texts *texts)
{
	for (int text = 0; text < TEXTS; text++) {
		texts->length[text] = text == 0 ? 1 : text == 1 ? LONGEST : 2 + 7 * text;
		for (int t = 0; t < LONGEST; t++)
			texts->ids[text][t] = (int32_t)(random_bits(4, RANDOM_TEST, (uint64_t)text, (uint64_t)t) % 100);
	}
}

static struct model_config config_of(enum positions positions)
{
	struct model_config config = fixture_config(2, 48, 3, VOCABULARY);
	config.base_width = 16; /* an output multiplier of 1/3 */
	config.init_deviation = 0.1;
	config.positions = positions;
	return config;
}

/* Logits after every token, as logits[text][t, V]: `together` texts go side by side, from each at most `piece` tokens in a call. */
static float *generate(const struct fixture *fixture, const struct texts *texts, int together, int piece)
{
	struct decoder *decoder = NULL;
	struct decoder_token tokens[TEXTS * LONGEST];
	float *all = calloc((size_t)TEXTS * LONGEST * VOCABULARY, sizeof *all);
	float *got = calloc((size_t)TEXTS * LONGEST * VOCABULARY, sizeof *got);
	assert_non_null(all), assert_non_null(got);
	assert_int_equal(decoder_create(fixture->model, together, LONGEST, &decoder), STATUS_OK);
	for (int begin = 0; begin < TEXTS; begin += together)
		for (int t = 0; t < LONGEST; t += piece) {
			int64_t count = 0;
			for (int step = t; step < t + piece; step++)
				for (int text = begin; text < begin + together && text < TEXTS; text++)
					if (step < texts->length[text])
						tokens[count++] =
							(struct decoder_token){ text - begin, step,
							                        texts->ids[text][step], true };
			assert_int_equal(decoder_take(decoder, tokens, count, got), STATUS_OK);
			for (int64_t i = 0; i < count; i++)
				memcpy(all + ((tokens[i].text + begin) * LONGEST + tokens[i].position) * VOCABULARY,
				       got + i * VOCABULARY, VOCABULARY * sizeof *got);
		}
	decoder_destroy(decoder);
	free(got);
	return all;
}

/* The same by a forward pass for each beginning of a text. */
static float *forward(const struct fixture *fixture, const struct texts *texts)
{
	float *all = calloc((size_t)TEXTS * LONGEST * VOCABULARY, sizeof *all);
	assert_non_null(all);
	for (int text = 0; text < TEXTS; text++)
		for (int t = 0; t < texts->length[text]; t++) {
			struct model_batch batch = { .sequences = 1, .length = t + 1, .inputs = texts->ids[text] };
			assert_int_equal(
				model_last_logits(fixture->model, &batch, all + (text * LONGEST + t) * VOCABULARY),
				STATUS_OK);
		}
	return all;
}

static double difference(const float *a, const float *b)
{
	double largest = 0, most = 0;
	for (int64_t i = 0; i < (int64_t)TEXTS * LONGEST * VOCABULARY; i++) {
		assert_true(isfinite(a[i]) && isfinite(b[i]));
		most = fmax(most, fabs((double)b[i]));
		largest = fmax(largest, fabs((double)a[i] - (double)b[i]));
	}
	assert_true(most > 0.1);
	return largest / most;
}

static void check_model(const struct kernels *kernels, enum precision precision, enum positions positions)
{
	struct model_config config = config_of(positions);
	struct fixture fixture, reference;
	struct texts texts;
	size_t bytes = (size_t)TEXTS * LONGEST * VOCABULARY * sizeof(float);
	draw_texts(&texts);
	fixture_open(&reference, kernels_reference(), &config, FIXTURE_ROWS, 3);
	fixture_open_precision(&fixture, kernels, precision, &config, FIXTURE_ROWS, 3);
	float *expected = forward(&reference, &texts);
	float *together = generate(&fixture, &texts, TEXTS, LONGEST);
	double error = difference(together, expected);
	if (kernels == kernels_reference())
		assert_memory_equal(together, expected, bytes);
	else if (!(error <= (precision == PRECISION_BFLOAT16 ? 3e-2 : 2e-6)))
		fail_msg("%s: generation is %g off the forward pass", kernels->name, error);
	static const int ways[][2] = { { TEXTS, 1 }, { 1, 1 }, { 1, LONGEST }, { 3, 1 }, { 2, 9 } };
	for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
		float *again = generate(&fixture, &texts, ways[way][0], ways[way][1]);
		assert_memory_equal(again, together, bytes);
		free(again);
	}
	free(expected), free(together);
	fixture_close(&fixture);
	fixture_close(&reference);
}

static void test_logits_are_those_of_the_forward_pass(void **state)
{
	(void)state;
	for (int table = 0; table < FIXTURE_TABLES; table++) {
		check_model(fixture_table(table), PRECISION_FLOAT32, POSITIONS_ROTARY);
		check_model(fixture_table(table), PRECISION_FLOAT32, POSITIONS_NONE);
	}
	check_model(fixture_tested(), PRECISION_BFLOAT16, POSITIONS_ROTARY);
}

#ifndef CAPSHAPE_TEST_CUDA
/* In products of so many columns the bits of a row follow from the number of rows, if that is not always the same. */
static void test_company_changes_no_bit_of_a_wide_model(void **state)
{
	(void)state;
	struct model_config config = fixture_config(1, 384, 3, VOCABULARY);
	struct fixture fixture;
	struct texts texts;
	size_t bytes = (size_t)TEXTS * LONGEST * VOCABULARY * sizeof(float);
	draw_texts(&texts);
	for (int text = 0; text < TEXTS; text++)
		texts.length[text] = 1 + text;
	fixture_open(&fixture, fixture_tested(), &config, FIXTURE_ROWS, 3);
	float *together = generate(&fixture, &texts, TEXTS, LONGEST);
	static const int ways[][2] = { { TEXTS, 1 }, { 1, 1 }, { 3, 2 } };
	for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
		float *again = generate(&fixture, &texts, ways[way][0], ways[way][1]);
		assert_memory_equal(again, together, bytes);
		free(again);
	}
	free(together);
	fixture_close(&fixture);
}
#endif

/* The place of a text that is over is taken by another one. */
static void test_a_place_is_used_again(void **state)
{
	(void)state;
	for (int table = 0; table < FIXTURE_TABLES; table++) {
		struct model_config config = config_of(POSITIONS_ROTARY);
		struct fixture fixture;
		struct decoder *decoder = NULL;
		float first[VOCABULARY], again[VOCABULARY], other[VOCABULARY];
		fixture_open(&fixture, fixture_table(table), &config, FIXTURE_ROWS, 3);
		assert_int_equal(decoder_create(fixture.model, 2, 8, &decoder), STATUS_OK);
		const struct decoder_token begin[] = { { 1, 0, 5, false }, { 1, 1, 6, true } },
					   long_one[] = { { 1, 0, 9, false }, { 1, 1, 9, false }, { 1, 2, 6, true } };
		assert_int_equal(decoder_take(decoder, begin, 2, first), STATUS_OK);
		assert_int_equal(decoder_take(decoder, long_one, 3, other), STATUS_OK);
		assert_int_equal(decoder_take(decoder, begin, 2, again), STATUS_OK);
		assert_memory_equal(first, again, sizeof first);
		assert_memory_not_equal(first, other, sizeof first);
		decoder_destroy(decoder);
		fixture_close(&fixture);
	}
}

static void test_what_is_refused(void **state)
{
	(void)state;
	struct model_config config = config_of(POSITIONS_ROTARY);
	struct fixture fixture;
	struct decoder *decoder = NULL;
	float logits[VOCABULARY];
	const struct decoder_token gap[] = { { 0, 0, 1, false }, { 0, 2, 1, true } }, far = { 0, 8, 1, true },
				   foreign = { 2, 0, 1, true }, unknown = { 0, 0, VOCABULARY, true };
	fixture_open(&fixture, fixture_tested(), &config, FIXTURE_ROWS, 3);
	assert_int_equal(decoder_create(fixture.model, 0, 8, &decoder), STATUS_USAGE);
	assert_int_equal(decoder_create(fixture.model, INT32_MAX, 8, &decoder), STATUS_USAGE);
	assert_int_equal(decoder_create(fixture.model, 2, 8, &decoder), STATUS_OK);
	assert_int_equal(decoder_take(decoder, gap, 2, logits), STATUS_INTERNAL);
	assert_int_equal(decoder_take(decoder, &far, 1, logits), STATUS_INTERNAL);
	assert_int_equal(decoder_take(decoder, &foreign, 1, logits), STATUS_INTERNAL);
	assert_int_equal(decoder_take(decoder, &unknown, 1, logits), STATUS_DATA);
	assert_non_null(strstr(error_message(), "128"));
	decoder_destroy(decoder);
	fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logits_are_those_of_the_forward_pass),
#ifndef CAPSHAPE_TEST_CUDA
		cmocka_unit_test(test_company_changes_no_bit_of_a_wide_model),
#endif
		cmocka_unit_test(test_a_place_is_used_again),
		cmocka_unit_test(test_what_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
