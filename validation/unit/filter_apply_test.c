/* The filter methods against an independent statement of their table, over every pattern of forget tokens in a short
 * stream, and against hand-written sequences, among them what the loss of the released code does.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "filter/filter.h"
#include "filter/score.h"

enum { LENGTH = 7, END = 900, HIDDEN = 901, THRESHOLD = 40000 };

struct stream {
	int32_t ids[LENGTH + 1];
	uint16_t scores[LENGTH + 1];
	uint64_t positions[LENGTH + 1];
};

struct outcome {
	int32_t inputs[LENGTH], targets[LENGTH];
	float weights[LENGTH];
};

/* Bit t of `pattern`: token t is a forget token, at the threshold itself or above; else just below or far below. */
static struct stream make_stream(unsigned pattern, int end_at)
{
	struct stream stream;
	for (int t = 0; t <= LENGTH; t++) {
		bool forget = (pattern >> t & 1) != 0;
		stream.ids[t] = t == end_at ? END : 10 + t;
		stream.scores[t] = (uint16_t)(forget ? THRESHOLD + 5000 * (t % 2) : THRESHOLD - 1 - 7000 * (t % 2));
		stream.positions[t] = (uint64_t)(3 + t / 4) << 32 | (uint32_t)(100 + t);
	}
	return stream;
}

/* Naively, token by token: is it a forget token? */
static bool is_forget(const struct filter *filter, const struct stream *stream, int t)
{
	if (stream->ids[t] == END)
		return false;
	bool forget = stream->scores[t] >= filter->token_threshold;
	uint64_t block = stream->positions[t] >> 32, index = stream->positions[t] & 0xffffffff;
	if (random_uniform(filter->seed, RANDOM_LABEL_NOISE, block, index) < filter->noise)
		forget = !forget;
	return forget;
}

/* The table of filter.h, one case a method. */
static struct outcome state_table(const struct filter *filter, bool active, const struct stream *stream)
{
	struct outcome out;
	for (int t = 0; t < LENGTH; t++) {
		int32_t input = stream->ids[t], target = stream->ids[t + 1];
		bool forget_input = is_forget(filter, stream, t), forget_target = is_forget(filter, stream, t + 1);
		double weight = 1;
		if (active && filter->method == FILTER_MASK) {
			weight = (filter->compat_input_mask ? forget_input : forget_target) ? 0 : 1;
		} else if (active && filter->method == FILTER_REMOVE) {
			input = forget_input ? HIDDEN : input;
			target = forget_target ? HIDDEN : target;
			if (!filter->compat_input_mask)
				weight = forget_target ? 0 : 1;
			else if (filter->compat_hidden_target)
				weight = forget_input ? 0 : 1;
			else
				weight = forget_input || forget_target ? 0 : 1;
		} else if (active && filter->method == FILTER_WEIGHT) {
			int judged = filter->compat_input_mask ? t : t + 1;
			double p = 1 / (1 + exp((32768 - (double)stream->scores[judged]) / 2048));
			if (is_forget(filter, stream, judged) != (stream->scores[judged] >= filter->token_threshold))
				p = 1 - p;
			weight = stream->ids[judged] == END ? 1 : 1 - p;
		}
		out.inputs[t] = input;
		out.targets[t] = target;
		out.weights[t] = (float)weight;
	}
	return out;
}

static struct outcome apply(const struct filter *filter, bool active, const struct stream *stream)
{
	struct outcome out;
	filter_apply(filter, active, LENGTH, stream->ids, stream->scores, stream->positions, out.inputs, out.targets,
	             out.weights);
	return out;
}

static void expect_equal(const struct outcome *a, const struct outcome *b)
{
	assert_memory_equal(a->inputs, b->inputs, sizeof a->inputs);
	assert_memory_equal(a->targets, b->targets, sizeof a->targets);
	for (int t = 0; t < LENGTH; t++)
		assert_true(fabsf(a->weights[t] - b->weights[t]) <= 1e-6f);
}

/* Methods x every pattern of spans x place of the end-of-text token x noise x switches x active. */
static void test_every_pattern(void **state)
{
	(void)state;
	static const double noises[] = { 0, 0.3, 1 };
	for (int method = FILTER_NONE; method <= FILTER_ROUTE; method++) {
		for (int variant = 0; variant < 3 * 2 * 2 * 2; variant++) {
			struct filter filter = {
				.method = (enum filter_method)method,
				.token_threshold = THRESHOLD,
				.noise = noises[variant % 3],
				.seed = 17,
				.end_of_text = END,
				.hidden = HIDDEN,
				.compat_input_mask = variant / 3 % 2 != 0,
				.compat_hidden_target = variant / 6 % 2 != 0,
			};
			for (unsigned pattern = 0; pattern < 1U << (LENGTH + 1); pattern++) {
				/* end_at = LENGTH + 1: no end-of-text token. */
				for (int end_at = 0; end_at <= LENGTH + 1; end_at++) {
					struct stream stream = make_stream(pattern, end_at);
					struct outcome expected = state_table(&filter, variant / 12 == 0, &stream);
					struct outcome got = apply(&filter, variant / 12 == 0, &stream);
					expect_equal(&got, &expected);
				}
			}
		}
	}
}

/* What filter_route() says of the rows of a stream whose documents have these marks. */
static void expect_routes(const struct filter *filter, const struct stream *stream, const uint8_t *marks)
{
	uint8_t routes[LENGTH];
	filter_route(filter, true, LENGTH, stream->ids, stream->scores, stream->positions, marks, routes);
	for (int t = 0; t < LENGTH; t++) {
		double p = 1 / (1 + exp((32768 - (double)stream->scores[t + 1]) / 2048));
		bool certain = stream->ids[t + 1] == END || p < filter->route_certain;
		bool retain = (marks[t + 1] & FILTER_RETAIN_DOCUMENT) != 0;
		enum route expected = is_forget(filter, stream, t + 1) ? ROUTE_FORGET
		                      : retain && certain              ? ROUTE_RETAIN
		                                                       : ROUTE_ALL;
		if (filter->route_documents)
			expected = marks[t + 1] & FILTER_FORGET_DOCUMENT ? ROUTE_FORGET
			           : retain                              ? ROUTE_RETAIN
			                                                 : ROUTE_ALL;
		assert_int_equal(routes[t], expected);
	}
	filter_route(filter, false, LENGTH, stream->ids, stream->scores, stream->positions, marks, routes);
	for (int t = 0; t < LENGTH; t++)
		assert_int_equal(routes[t], ROUTE_ALL);
}

static void test_routes(void **state)
{
	(void)state;
	for (int variant = 0; variant < 2 * 2 * 3; variant++) {
		struct filter filter = { .method = FILTER_ROUTE,
			                 .token_threshold = THRESHOLD,
			                 .noise = variant % 2 ? 0.3 : 0,
			                 .seed = 17,
			                 .end_of_text = END,
			                 .hidden = HIDDEN,
			                 .route_documents = variant / 2 % 2 != 0,
			                 .route_certain = variant / 4 == 0   ? 1
			                                  : variant / 4 == 1 ? 0.6
			                                                     : 0 };
		for (unsigned pattern = 0; pattern < 1U << (LENGTH + 1); pattern++)
			for (int end_at = 0; end_at <= LENGTH + 1; end_at++) {
				struct stream stream = make_stream(pattern, end_at);
				uint8_t marks[LENGTH + 1];
				for (int t = 0; t <= LENGTH; t++)
					marks[t] = (uint8_t)(1 | (pattern + (unsigned)t / 3) % 4 << 1);
				expect_routes(&filter, &stream, marks);
			}
	}
}

/* A share of the documents is known to be retain text, the same at every look; forget documents are those at the threshold or above. */
static void test_marks_of_documents(void **state)
{
	(void)state;
	enum { DOCUMENTS = 4000 };
	for (int variant = 0; variant < 4; variant++) {
		struct filter filter = { .method = FILTER_ROUTE,
			                 .document_threshold = THRESHOLD,
			                 .seed = 3,
			                 .route_documents = variant % 2 != 0,
			                 .route_retain = variant / 2 ? 1 : 0.25,
			                 .route_certain = 0.5 };
		int known = 0;
		for (uint64_t d = 0; d < DOCUMENTS; d++) {
			uint16_t score = (uint16_t)(d % 4 == 0 ? THRESHOLD : d % 4 == 1 ? SCORE_EVEN + 2048 : 9000);
			uint8_t marks = filter_mark_document(&filter, score, d << 32 | 7);
			assert_int_equal(marks, filter_mark_document(&filter, score, d << 32 | 7));
			assert_int_equal((marks & FILTER_FORGET_DOCUMENT) != 0, d % 4 == 0);
			bool retain = (marks & FILTER_RETAIN_DOCUMENT) != 0;
			assert_true(!(retain && filter.route_documents && d % 4 < 2));
			known += retain;
		}
		double expected = DOCUMENTS * filter.route_retain * (filter.route_documents ? 0.5 : 1);
		assert_true(fabs(known - expected) <= (filter.route_retain < 1 ? 5 * sqrt(expected) : 0));
	}
}

/* retain retain FORGET FORGET FORGET retain FORGET retain, written out by hand. */
static const unsigned toy_pattern = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 6;

static void expect_toy(const struct filter *filter, const struct outcome *expected)
{
	struct stream stream = make_stream(toy_pattern, LENGTH + 1);
	struct outcome got = apply(filter, true, &stream);
	expect_equal(&got, expected);
}

static void test_by_hand(void **state)
{
	(void)state;
	struct filter filter = {
		.method = FILTER_MASK, .token_threshold = THRESHOLD, .end_of_text = END, .hidden = HIDDEN
	};
	expect_toy(&filter, &(struct outcome){ { 10, 11, 12, 13, 14, 15, 16 },
	                                       { 11, 12, 13, 14, 15, 16, 17 },
	                                       { 1, 0, 0, 0, 1, 0, 1 } });
	filter.method = FILTER_REMOVE;
	expect_toy(&filter, &(struct outcome){ { 10, 11, HIDDEN, HIDDEN, HIDDEN, 15, HIDDEN },
	                                       { 11, HIDDEN, HIDDEN, HIDDEN, 15, HIDDEN, 17 },
	                                       { 1, 0, 0, 0, 1, 0, 1 } });
}

/* The released loss: the first token of a span is still trained (12 and 16 are targets of weight 1, so the one-token
 * span 16 is not masked at all), the first retain token after a span never is (15, 17). */
static void test_released_code_by_hand(void **state)
{
	(void)state;
	struct filter filter = { .method = FILTER_MASK,
		                 .token_threshold = THRESHOLD,
		                 .end_of_text = END,
		                 .hidden = HIDDEN,
		                 .compat_input_mask = true,
		                 .compat_hidden_target = true };
	expect_toy(&filter, &(struct outcome){ { 10, 11, 12, 13, 14, 15, 16 },
	                                       { 11, 12, 13, 14, 15, 16, 17 },
	                                       { 1, 1, 0, 0, 0, 1, 0 } });
	/* Removal: the hidden id is trained as a target where a span begins. */
	filter.method = FILTER_REMOVE;
	expect_toy(&filter, &(struct outcome){ { 10, 11, HIDDEN, HIDDEN, HIDDEN, 15, HIDDEN },
	                                       { 11, HIDDEN, HIDDEN, HIDDEN, 15, HIDDEN, 17 },
	                                       { 1, 1, 0, 0, 0, 1, 0 } });
	/* Only the mask's place is the released one: hidden targets are not trained. */
	filter.compat_hidden_target = false;
	expect_toy(&filter, &(struct outcome){ { 10, 11, HIDDEN, HIDDEN, HIDDEN, 15, HIDDEN },
	                                       { 11, HIDDEN, HIDDEN, HIDDEN, 15, HIDDEN, 17 },
	                                       { 1, 0, 0, 0, 0, 0, 0 } });
}

static void test_without_scores(void **state)
{
	(void)state;
	static const int32_t ids[] = { 1, 2, 3 };
	int32_t inputs[2], targets[2];
	float weights[2];
	for (int method = FILTER_NONE; method <= FILTER_DOCUMENT; method++) {
		struct filter filter = { .method = (enum filter_method)method, .end_of_text = END, .hidden = HIDDEN };
		filter_apply(&filter, true, 2, ids, NULL, NULL, inputs, targets, weights);
		assert_true(inputs[0] == 1 && inputs[1] == 2 && targets[0] == 2 && targets[1] == 3);
		assert_true(weights[0] == 1 && weights[1] == 1);
	}
	/* Nothing is touched when there is nothing to do. */
	struct filter filter = { .method = FILTER_REMOVE, .end_of_text = END, .hidden = HIDDEN };
	filter_apply(&filter, true, 0, ids, NULL, NULL, inputs, targets, weights);
	filter_apply(&filter, false, 2, ids, NULL, NULL, inputs, targets, weights);
	assert_true(inputs[1] == 2 && weights[1] == 1);
}

static void test_documents(void **state)
{
	(void)state;
	struct filter filter = { .method = FILTER_DOCUMENT, .document_threshold = 500 };
	assert_true(filter_keeps_document(&filter, 499, 0));
	assert_false(filter_keeps_document(&filter, 500, 0));
	assert_false(filter_keeps_document(&filter, 65535, 0));
	filter.method = FILTER_MASK;
	assert_true(filter_keeps_document(&filter, 65535, 0));
}

/* The share of flipped decisions, that a flip belongs to a position and seed, and that end-of-text is left alone. */
static void test_noise(void **state)
{
	(void)state;
	struct filter filter = { .method = FILTER_MASK,
		                 .token_threshold = THRESHOLD,
		                 .noise = 0.25,
		                 .seed = 5,
		                 .end_of_text = END,
		                 .hidden = HIDDEN };
	enum { TOKENS = 40000 };
	int flipped = 0, same_as_other_seed = 0;
	for (uint64_t i = 0; i < TOKENS; i++) {
		uint64_t position = i % 7 << 32 | i;
		bool below = filter_flags_token(&filter, 1, THRESHOLD - 1, position);
		assert_int_equal(below, !filter_flags_token(&filter, 2, THRESHOLD, position));
		assert_int_equal(below, filter_flags_token(&filter, 3, 0, position));
		assert_false(filter_flags_token(&filter, END, 65535, position));
		flipped += below;
		struct filter other = filter;
		other.seed = 6;
		same_as_other_seed += below == filter_flags_token(&other, 1, THRESHOLD - 1, position);
	}
	/* Five standard deviations of a binomial: 433; of agreement, whose share is 0.625: 485. */
	assert_in_range(flipped, TOKENS / 4 - 433, TOKENS / 4 + 433);
	assert_in_range(same_as_other_seed, TOKENS * 5 / 8 - 485, TOKENS * 5 / 8 + 485);
}

static void test_names(void **state)
{
	(void)state;
	static const char *const names[] = { "none", "document", "mask", "remove", "weight" };
	for (int i = 0; i < 5; i++) {
		enum filter_method method = FILTER_NONE;
		assert_int_equal(filter_method_from_name(names[i], &method), STATUS_OK);
		assert_int_equal(method, i);
		assert_string_equal(filter_method_name(method), names[i]);
		struct filter filter = { .method = method };
		assert_int_equal(filter_needs_scores(&filter), i > 0);
	}
	enum filter_method method = FILTER_WEIGHT;
	assert_int_equal(filter_method_from_name("Mask", &method), STATUS_USAGE);
	assert_int_equal(method, FILTER_WEIGHT);
	assert_non_null(strstr(error_message(), "\"Mask\" is not a filter method"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_marks_of_documents),
		cmocka_unit_test(test_every_pattern),
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_released_code_by_hand),
		cmocka_unit_test(test_without_scores),
		cmocka_unit_test(test_documents),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
