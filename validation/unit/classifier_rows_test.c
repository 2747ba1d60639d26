/* Packing into rows, against a plain restatement of the rules for every small case.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "classifier/rows.h"

enum { END = 999, MAX_DOCUMENTS = 8, MAX_TOKENS = 512 };

struct collection {
	int64_t documents, count;
	int64_t begin[MAX_DOCUMENTS + 1];
	int32_t ids[MAX_TOKENS];
	int document_of[MAX_TOKENS];
};

static void add_document(struct collection *collection, int64_t tokens, bool with_end)
{
	collection->begin[collection->documents] = collection->count;
	for (int64_t i = 0; i < tokens + with_end; i++) {
		collection->document_of[collection->count] = (int)collection->documents;
		collection->ids[collection->count] = i < tokens ? (int32_t)(collection->count * 7 % 500) : END;
		collection->count++;
	}
	collection->begin[++collection->documents] = collection->count;
}

static int64_t real_tokens(const struct collection *collection, int64_t document)
{
	int64_t end = collection->begin[document + 1];
	return end - collection->begin[document] -
	       (end > collection->begin[document] && collection->ids[end - 1] == END);
}

/* Begins of the windows of a document, by stepping; returns how many. */
static int64_t list_windows(int64_t tokens, int64_t context, int64_t *begins)
{
	int64_t width = context - 1, step = (width + 1) / 2, count = 0, begin = 0;
	while (begin + width < tokens) {
		begins[count++] = begin;
		begin += step;
	}
	begins[count++] = tokens > width ? tokens - width : 0;
	return count;
}

/* The window whose nearest cut is farthest from the token. */
static int64_t owner_of(int64_t token, int64_t tokens, int64_t context, const int64_t *begins, int64_t count)
{
	int64_t best = -1, best_distance = -1;
	for (int64_t w = 0; w < count; w++) {
		int64_t end = begins[w] + context - 1, distance = 1 << 20;
		if (token < begins[w] || token >= end)
			continue;
		if (begins[w] > 0)
			distance = token - begins[w];
		if (end < tokens && end - 1 - token < distance)
			distance = end - 1 - token;
		if (distance > best_distance) {
			best_distance = distance;
			best = w;
		}
	}
	return best;
}

/* Walks pieces in the order of the rules and compares every position of the rows with what it must be. */
static void check_rows(const struct rows *rows, const struct collection *collection, int64_t context, bool reversed)
{
	int64_t at = 0, begins[MAX_TOKENS], answered = 0;
	int times[MAX_TOKENS] = { 0 }, target_times[MAX_TOKENS] = { 0 };

	for (int64_t d = 0; d < collection->documents; d++) {
		int64_t tokens = real_tokens(collection, d), first = collection->begin[d];
		if (tokens == 0)
			continue;
		int64_t width = tokens < context - 1 ? tokens : context - 1;
		int64_t windows = list_windows(tokens, context, begins);
		for (int64_t w = 0; w < windows; w++) {
			if (at % context + width + 1 > context) {
				for (; at % context != 0; at++) {
					assert_int_equal(rows->source[at], -1);
					assert_int_equal(rows->target_source[at], -1);
					assert_int_equal(rows->inputs[at], END);
					assert_int_equal(rows->targets[at], END);
					assert_int_equal(rows->starts[at], at % context);
				}
			}
			for (int64_t i = 0; i <= width; i++) {
				int64_t token = reversed ? begins[w] + width - i : begins[w] + i - 1;
				int64_t next = reversed ? token - 1 : token + 1;
				bool has_next = next >= 0 && next < tokens;
				bool owns = i > 0 && owner_of(token, tokens, context, begins, windows) == w;
				bool owns_next = i < width && owner_of(next, tokens, context, begins, windows) == w;
				assert_int_equal(rows->inputs[at + i], i == 0 ? END : collection->ids[first + token]);
				assert_int_equal(rows->starts[at + i], at % context);
				assert_int_equal(rows->source[at + i], owns ? first + token : -1);
				assert_int_equal(rows->targets[at + i], has_next ? collection->ids[first + next] : END);
				assert_int_equal(rows->target_source[at + i], owns_next ? first + next : -1);
				if (owns)
					times[first + token]++;
				if (owns_next)
					target_times[first + next]++;
			}
			at += width + 1;
		}
	}
	assert_int_equal(rows->count, (at + context - 1) / context);
	for (; at < rows->count * context; at++) {
		assert_int_equal(rows->source[at], -1);
		assert_int_equal(rows->starts[at], at % context);
	}
	for (int64_t i = 0; i < collection->count; i++) {
		assert_int_equal(times[i], collection->ids[i] != END);
		assert_int_equal(target_times[i], collection->ids[i] != END);
		answered += times[i];
	}
	assert_true(answered > 0 || collection->count <= collection->documents);
}

static void pack_and_check(const struct collection *collection, int64_t context)
{
	struct rows rows = { 0 };
	for (int reversed = 0; reversed <= 1; reversed++) {
		assert_int_equal(rows_pack(&rows, collection->ids, collection->begin, collection->documents, context,
		                           END, reversed),
		                 STATUS_OK);
		assert_int_equal(rows.context, context);
		check_rows(&rows, collection, context, reversed);
	}
	int64_t position = 0;
	for (int64_t document = 0; document < collection->documents; document++)
		position = rows_end(position, real_tokens(collection, document), context);
	assert_int_equal((position + context - 1) / context, rows.count);
	rows_clear(&rows);
	assert_null(rows.inputs);
}

static void test_single_document(void **state)
{
	(void)state;
	for (int64_t context = 2; context <= 9; context++) {
		for (int64_t tokens = 0; tokens <= 40; tokens++) {
			for (int with_end = 0; with_end <= 1; with_end++) {
				struct collection collection = { 0 };
				add_document(&collection, tokens, with_end);
				pack_and_check(&collection, context);
			}
		}
	}
}

static void test_two_documents(void **state)
{
	(void)state;
	for (int64_t context = 2; context <= 6; context++) {
		for (int64_t a = 0; a <= 12; a++) {
			for (int64_t b = 0; b <= 12; b++) {
				struct collection collection = { 0 };
				add_document(&collection, a, true);
				add_document(&collection, b, true);
				pack_and_check(&collection, context);
			}
		}
	}
}

static void test_random_collections(void **state)
{
	(void)state;
	for (uint64_t number = 0; number < 300; number++) {
		struct collection collection = { 0 };
		for (uint64_t d = 0; d < MAX_DOCUMENTS; d++) {
			uint64_t bits = random_bits(5, RANDOM_TEST, number, d);
			add_document(&collection, (int64_t)(bits % 60), bits >> 32 & 1);
		}
		pack_and_check(&collection, 2 + (int64_t)(random_bits(5, RANDOM_TEST, number, 100) % 40));
	}
}

/* Where a token lies and which stretch of its document its row shows do not depend on the direction. */
static void test_reversed_is_mirror_image(void **state)
{
	struct collection collection = { 0 };
	struct rows forward = { 0 }, backward = { 0 };

	(void)state;
	add_document(&collection, 23, true);
	add_document(&collection, 4, true);
	add_document(&collection, 61, true);
	assert_int_equal(rows_pack(&forward, collection.ids, collection.begin, 3, 12, END, false), STATUS_OK);
	assert_int_equal(rows_pack(&backward, collection.ids, collection.begin, 3, 12, END, true), STATUS_OK);
	assert_int_equal(forward.count, backward.count);
	for (int64_t row = 0; row < forward.count; row++) {
		for (int64_t begin = 0, end; begin < 12; begin = end) {
			const int32_t *starts = forward.starts + row * 12;
			for (end = begin + 1; end < 12 && starts[end] == begin; end++)
				continue;
			for (int64_t i = begin; i < end; i++) {
				assert_int_equal(backward.starts[row * 12 + i], begin);
				if (i == begin)
					continue;
				int64_t mirror = row * 12 + end - (i - begin);
				assert_int_equal(forward.source[row * 12 + i], backward.source[mirror]);
				assert_int_equal(forward.inputs[row * 12 + i], backward.inputs[mirror]);
			}
		}
	}
	rows_clear(&forward);
	rows_clear(&backward);
}

static void test_reuse_and_bad_context(void **state)
{
	struct collection large = { 0 }, small = { 0 };
	struct rows rows = { 0 };

	(void)state;
	add_document(&large, 200, true);
	add_document(&small, 5, true);
	assert_int_equal(rows_pack(&rows, large.ids, large.begin, 1, 16, END, false), STATUS_OK);
	assert_int_equal(rows_pack(&rows, small.ids, small.begin, 1, 16, END, false), STATUS_OK);
	check_rows(&rows, &small, 16, false);
	assert_int_equal(rows_pack(&rows, small.ids, small.begin, 0, 16, END, false), STATUS_OK);
	assert_int_equal(rows.count, 0);
	assert_int_equal(rows_pack(&rows, small.ids, small.begin, 1, 1, END, false), STATUS_USAGE);
	assert_non_null(strstr(error_message(), "context"));
	rows_clear(&rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_single_document),       cmocka_unit_test(test_two_documents),
		cmocka_unit_test(test_random_collections),    cmocka_unit_test(test_reversed_is_mirror_image),
		cmocka_unit_test(test_reuse_and_bad_context),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
