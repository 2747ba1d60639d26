/* Cutting text into pieces, merging their bytes, encoding and decoding.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/text_fixture.h"

#include "base/random.h"
#include "text/pieces.h"
#include "text/tokenizer.h"
#include "text/utf8.h"
#include "text/vocabulary.h"

/* ---- pieces ---- */

/* The pieces with "|" between them. */
static void check_pieces(enum pattern kind, const char *text, const char *expected)
{
	struct piece_pattern *pattern = NULL;
	struct piece_matcher *matcher = NULL;
	char joined[256];
	size_t used = 0, size = strlen(text), end;
	assert_good(piece_pattern_create(kind, &pattern));
	assert_good(piece_matcher_create(pattern, &matcher));
	for (size_t begin = 0; begin < size; begin = end) {
		assert_good(piece_next(matcher, text, size, begin, &end));
		used += (size_t)snprintf(joined + used, sizeof joined - used, "%s%.*s", begin > 0 ? "|" : "",
		                         (int)(end - begin), text + begin);
	}
	assert_string_equal(joined, expected);
	piece_matcher_destroy(matcher);
	piece_pattern_destroy(pattern);
}

static void pieces_of_both_patterns(void **state)
{
	(void)state;
	static const struct {
		const char *text, *cl100k, *gpt2;
	} cases[] = {
		{ "Hello world's  end", "Hello| world|'s| | end", "Hello| world|'s| | end" },
		{ "I'LL we'Re x'", "I|'LL| we|'Re| x|'", "I|'|LL| we|'|Re| x|'" },
		/* The long s is an s without regard to case. */
		{ "o'ſo", "o|'ſ|o", "o|'|ſo" },
		{ "12345 a1b22", "123|45| a|1|b|22", "12345| a|1|b|22" },
		{ "a  b\n\n  c\r\n d ", "a| | b|\n\n| | c|\r\n| d| ", "a| | b|\n\n | c|\r\n| d| " },
		{ "!?...\n\nx  \n", "!?...\n\n|x|  \n", "!?...|\n|\n|x|  \n" },
		{ "漢字　か", "漢字|　か", "漢字|　|か" },
		{ "_a-b #tag", "_a|-b| #|tag", "_|a|-|b| #|tag" },
		/* U+180E is no white space, U+0085 is. */
		{ "\xe1\xa0\x8ex \x1cx", "\xe1\xa0\x8ex| \x1c|x", "\xe1\xa0\x8e|x| \x1c|x" },
		{ "a\xc2\x85\xc2\x85", "a|\xc2\x85\xc2\x85", "a|\xc2\x85\xc2\x85" },
		/* A letter of Unicode 15 (U+31350) and a number of Unicode 15 (U+1E4F0). */
		{ "a\xf0\xb1\x8d\x90"
		  "b",
		  "a\xf0\xb1\x8d\x90"
		  "b",
		  "a\xf0\xb1\x8d\x90"
		  "b" },
		{ "1\xf0\x9e\x93\xb0 ", "1\xf0\x9e\x93\xb0| ", "1\xf0\x9e\x93\xb0| " },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		check_pieces(PATTERN_CL100K, cases[i].text, cases[i].cl100k);
		check_pieces(PATTERN_GPT2, cases[i].text, cases[i].gpt2);
	}
}

/* ---- merging ---- */

/* A vocabulary of the bytes and the given tokens. */
static struct vocabulary *make_vocabulary(const char *const *tokens, size_t count)
{
	uint64_t *offset = calloc(257 + count, sizeof *offset);
	char *bytes = calloc(256 + 64 * count, 1);
	struct vocabulary *vocabulary = NULL;
	assert_non_null(offset);
	assert_non_null(bytes);
	for (int i = 0; i < 256; i++) {
		bytes[i] = (char)i;
		offset[i + 1] = (uint64_t)i + 1;
	}
	for (size_t i = 0; i < count; i++) {
		memcpy(bytes + offset[256 + i], tokens[i], strlen(tokens[i]));
		offset[257 + i] = offset[256 + i] + strlen(tokens[i]);
	}
	assert_good(vocabulary_create(bytes, offset, (int32_t)(256 + count), &vocabulary));
	return vocabulary;
}

/* The rule as it is stated: again and again join the leftmost pair with the lowest rank. */
static size_t merge_naively(const struct vocabulary *vocabulary, const char *text, size_t size, int32_t *ids)
{
	size_t begins[256], count = size;
	for (size_t i = 0; i < size; i++)
		begins[i] = i;
	for (;;) {
		int32_t best = -1;
		size_t where = 0;
		for (size_t i = 0; i + 1 < count; i++) {
			size_t end = i + 2 < count ? begins[i + 2] : size;
			int32_t rank = vocabulary_find(vocabulary, text + begins[i], end - begins[i]);
			if (rank >= 0 && (best < 0 || rank < best)) {
				best = rank;
				where = i;
			}
		}
		if (best < 0)
			break;
		memmove(begins + where + 1, begins + where + 2, (count - where - 2) * sizeof *begins);
		count--;
	}
	for (size_t i = 0; i < count; i++) {
		size_t end = i + 1 < count ? begins[i + 1] : size;
		ids[i] = vocabulary_find(vocabulary, text + begins[i], end - begins[i]);
	}
	return count;
}

static void merging_equals_its_definition(void **state)
{
	(void)state;
	static const char *const tokens[] = { "ab",  "aa",   "ba",  "aba", "abab", "bb",
		                              "aab", "aaaa", "cab", "abc", "bc",   "aaaaaa" };
	struct vocabulary *vocabulary = make_vocabulary(tokens, COUNT(tokens));
	struct merge_scratch scratch = { 0 };
	for (uint64_t round = 0; round < 3000; round++) {
		char text[200];
		int32_t expected[200];
		size_t count, size = 1 + random_bits(1, RANDOM_TEST, round, 0) % (sizeof text - 1);
		for (size_t i = 0; i < size; i++)
			text[i] = "aaabbc"[random_bits(1, RANDOM_TEST, round, i + 1) % 6];
		size_t expected_count = merge_naively(vocabulary, text, size, expected);
		assert_good(vocabulary_merge(vocabulary, text, size, &scratch, &count));
		assert_int_equal(count, expected_count);
		assert_memory_equal(scratch.ids, expected, count * sizeof *expected);
	}
	merge_scratch_clear(&scratch);
	vocabulary_destroy(vocabulary);
}

/* A quadratic merge would take hours here. */
static void long_runs_are_merged(void **state)
{
	(void)state;
	enum { SIZE = 3000001 };
	static const char *const tokens[] = { "aa", "aaaa", "aaaaaaaa" };
	struct vocabulary *vocabulary = make_vocabulary(tokens, COUNT(tokens));
	struct merge_scratch scratch = { 0 };
	char *text = malloc(SIZE);
	size_t count;
	assert_non_null(text);
	memset(text, 'a', SIZE);
	assert_good(vocabulary_merge(vocabulary, text, SIZE, &scratch, &count));
	assert_int_equal(count, SIZE / 8 + 1);
	assert_int_equal(scratch.ids[0], 258);
	assert_int_equal(scratch.ids[count - 1], 'a');
	free(text);
	merge_scratch_clear(&scratch);
	vocabulary_destroy(vocabulary);
}

static void bad_vocabularies_are_refused(void **state)
{
	(void)state;
	struct vocabulary *vocabulary = NULL;
	uint64_t *offset = calloc(3, sizeof *offset);
	char *bytes = calloc(2, 1);
	assert_non_null(offset);
	assert_non_null(bytes);
	bytes[0] = bytes[1] = 'x';
	offset[1] = 1;
	offset[2] = 2;
	assert_bad(vocabulary_create(bytes, offset, 2, &vocabulary), STATUS_DATA, "tokens 0 and 1");
	offset = calloc(2, sizeof *offset);
	assert_non_null(offset);
	assert_bad(vocabulary_create(calloc(1, 1), offset, 1, &vocabulary), STATUS_DATA,
	           "token 0 of the vocabulary is empty");
	offset = calloc(2, sizeof *offset);
	assert_non_null(offset);
	offset[1] = 1;
	assert_bad(vocabulary_create(calloc(1, 1), offset, 1, &vocabulary), STATUS_DATA, "single byte 0x01");
}

/* ---- encoding ---- */

static void check_round_trip(const struct tokenizer *tokenizer, const char *text, size_t size, const char *decoded,
                             size_t decoded_size)
{
	struct token_span *spans = NULL;
	size_t capacity = 0, count = 0, found_size = 0;
	char *found = NULL;
	assert_good(tokenizer_encode(tokenizer, text, size, &spans, &capacity, &count));
	int32_t *ids = calloc(count + 1, sizeof *ids);
	assert_non_null(ids);
	uint32_t end = 0;
	for (size_t i = 0; i < count; i++) {
		ids[i] = spans[i].id;
		/* No gap; tokens may share the bytes of one broken sequence. */
		assert_true(spans[i].begin <= end && spans[i].end >= end && spans[i].begin <= spans[i].end);
		end = spans[i].end;
	}
	assert_int_equal(end, size);
	assert_good(tokenizer_decode(tokenizer, ids, count, &found, &found_size));
	assert_int_equal(found_size, decoded_size);
	assert_memory_equal(found, decoded, decoded_size);
	assert_int_equal(found[found_size], '\0');
	free(ids);
	free(spans);
	free(found);
}

static void decoding_gives_the_text_back(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "x", "the weather\n\n  is there\r\n", "<|endoftext|>",
		                             "漢字 🙂 \xcc\x81" };
	static const char *const patterns[] = { "cl100k", "gpt2" };
	for (size_t p = 0; p < COUNT(patterns); p++) {
		struct tokenizer *tokenizer = make_tokenizer(patterns[p]);
		for (size_t i = 0; i < COUNT(texts); i++)
			check_round_trip(tokenizer, texts[i], strlen(texts[i]), texts[i], strlen(texts[i]));
		check_round_trip(tokenizer, "a\0b", 3, "a\0b", 3);
		tokenizer_destroy(tokenizer);
	}
}

static void broken_bytes_become_replacement_characters(void **state)
{
	(void)state;
	/* As Python's bytes.decode("utf-8", "replace"). */
	static const struct {
		const char *text;
		size_t size;
		const char *repaired;
	} cases[] = {
		{ "a\xff", 2, "a\xef\xbf\xbd" },
		{ "\xe2\x82z", 3, "\xef\xbf\xbdz" },
		{ "\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf0\x9f\x98", 3, "\xef\xbf\xbd" },
		{ "\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\xf4\x90\x80\x80", 4, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
		{ "\x80\xc3\xa9\xc3", 4, "\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd" },
	};
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	for (size_t i = 0; i < COUNT(cases); i++) {
		check_round_trip(tokenizer, cases[i].text, cases[i].size, cases[i].repaired, strlen(cases[i].repaired));
		char out[16];
		size_t size = utf8_replace(cases[i].text, cases[i].size, out);
		assert_int_equal(size, strlen(cases[i].repaired));
		assert_memory_equal(out, cases[i].repaired, size);
	}
	tokenizer_destroy(tokenizer);
}

static void offsets_point_into_the_original_text(void **state)
{
	(void)state;
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	struct token_span *spans = NULL;
	size_t capacity = 0, count = 0;
	/* U+FFFD is three tokens here: all of them stand for the two broken bytes. */
	assert_good(tokenizer_encode(tokenizer, "x\xe2\x82y", 4, &spans, &capacity, &count));
	assert_int_equal(count, 5);
	static const uint32_t expected[][2] = { { 0, 1 }, { 1, 3 }, { 1, 3 }, { 1, 3 }, { 3, 4 } };
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(spans[i].begin, expected[i][0]);
		assert_int_equal(spans[i].end, expected[i][1]);
	}
	free(spans);
	tokenizer_destroy(tokenizer);
}

/* The second time a piece comes from the cache; many pieces push each other out of it. */
static void cached_pieces_are_the_same(void **state)
{
	(void)state;
	enum { WORDS = 60000 };
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	char *text = malloc(WORDS * 8);
	size_t size = 0, capacity[2] = { 0 }, count[2];
	struct token_span *spans[2] = { NULL, NULL };
	assert_non_null(text);
	for (uint64_t i = 0; i < WORDS; i++) {
		uint64_t bits = random_bits(5, RANDOM_TEST, 0, i);
		text[size++] = ' ';
		for (int k = 0; k < 6; k++, bits >>= 4)
			text[size++] = "thereofasiwhgdnp"[bits & 15];
	}
	for (int pass = 0; pass < 2; pass++)
		assert_good(tokenizer_encode(tokenizer, text, size, &spans[pass], &capacity[pass], &count[pass]));
	assert_int_equal(count[0], count[1]);
	assert_memory_equal(spans[0], spans[1], count[0] * sizeof *spans[0]);
	for (size_t i = 0; i < 1000; i++) {
		size_t alone_count;
		assert_good(tokenizer_encode(tokenizer, text + 7 * i, 7, &spans[1], &capacity[1], &alone_count));
		size_t at = 0;
		while (spans[0][at].begin < 7 * i)
			at++;
		for (size_t k = 0; k < alone_count; k++)
			assert_int_equal(spans[0][at + k].id, spans[1][k].id);
	}
	free(spans[0]);
	free(spans[1]);
	free(text);
	tokenizer_destroy(tokenizer);
}

static void special_tokens_have_names(void **state)
{
	(void)state;
	struct tokenizer *tokenizer = make_tokenizer("cl100k");
	char *text = NULL;
	size_t size;
	assert_int_equal(tokenizer_size(tokenizer), 302);
	assert_int_equal(tokenizer_end_of_text(tokenizer), 300);
	assert_int_equal(tokenizer_hidden(tokenizer), 301);
	assert_true(tokenizer_is_special(tokenizer, 300));
	assert_false(tokenizer_is_special(tokenizer, 299));
	assert_false(tokenizer_is_special(tokenizer, 302));
	assert_good(tokenizer_decode(tokenizer, (const int32_t[]){ 'a', 300, 301 }, 3, &text, &size));
	assert_string_equal(text, "a<|endoftext|><|hidden|>");
	free(text);
	assert_bad(tokenizer_decode(tokenizer, (const int32_t[]){ 306 }, 1, &text, &size), STATUS_DATA, "306");
	assert_bad(tokenizer_decode(tokenizer, (const int32_t[]){ -1 }, 1, &text, &size), STATUS_DATA, "-1");
	tokenizer_destroy(tokenizer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_of_both_patterns),
		cmocka_unit_test(merging_equals_its_definition),
		cmocka_unit_test(long_runs_are_merged),
		cmocka_unit_test(bad_vocabularies_are_refused),
		cmocka_unit_test(decoding_gives_the_text_back),
		cmocka_unit_test(broken_bytes_become_replacement_characters),
		cmocka_unit_test(offsets_point_into_the_original_text),
		cmocka_unit_test(cached_pieces_are_the_same),
		cmocka_unit_test(special_tokens_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
