/* The files of vocabularies: our own, ranks of tiktoken, GPT-2; what is refused, and with which words.
 * The last test compares with ids that tiktoken gave, where CAPSHAPE_TOKENIZERS names a folder with
 * cl100k_base.tiktoken and r50k_base.tiktoken.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/text_fixture.h"

static void own_form_round_trips(void **state)
{
	const char *path = in_folder(state, "own.h5"), *again = in_folder(state, "again.h5");
	struct tokenizer *tokenizer = make_tokenizer("gpt2"), *read = NULL;
	assert_good(tokenizer_write(tokenizer, path));
	assert_good(tokenizer_read(path, &read));
	assert_string_equal(tokenizer_hash(read), tokenizer_hash(tokenizer));
	assert_string_equal(tokenizer_describe(read), tokenizer_describe(tokenizer));
	assert_int_equal(tokenizer_size(read), tokenizer_size(tokenizer));
	struct token_span *spans[2] = { NULL, NULL };
	size_t capacity[2] = { 0 }, count[2];
	static const char text[] = "the other weather is \xe6\xbc\xa2";
	assert_good(tokenizer_encode(tokenizer, text, sizeof text - 1, &spans[0], &capacity[0], &count[0]));
	assert_good(tokenizer_encode(read, text, sizeof text - 1, &spans[1], &capacity[1], &count[1]));
	assert_int_equal(count[0], count[1]);
	assert_memory_equal(spans[0], spans[1], count[0] * sizeof *spans[0]);
	assert_good(tokenizer_write(read, again));
	size_t sizes[2];
	char *bytes[2] = { whole_file(path, &sizes[0]), whole_file(again, &sizes[1]) };
	assert_int_equal(sizes[0], sizes[1]);
	assert_memory_equal(bytes[0], bytes[1], sizes[0]);
	for (int i = 0; i < 2; i++) {
		free(spans[i]);
		free(bytes[i]);
	}
	tokenizer_destroy(read);
	tokenizer_destroy(tokenizer);
}

static void damaged_own_form_is_refused(void **state)
{
	const char *path = in_folder(state, "own.h5");
	struct tokenizer *tokenizer = make_tokenizer("cl100k"), *read = NULL;
	size_t size;
	assert_good(tokenizer_write(tokenizer, path));
	char *bytes = whole_file(path, &size);
	put_file(path, bytes, size / 2);
	assert_bad(tokenizer_read(path, &read), STATUS_DATA, path);
	put_file(path, "text", 4);
	assert_bad(tokenizer_read(path, &read), STATUS_DATA, path);
	/* One bit of the first "t" of a run of token bytes. */
	size_t at = 0;
	while (at + 4 < size && memcmp(bytes + at, "ther", 4) != 0)
		at++;
	assert_true(at + 4 < size);
	bytes[at] ^= 1;
	put_file(path, bytes, size);
	assert_bad(tokenizer_read(path, &read), STATUS_DATA, path);
	free(bytes);
	tokenizer_destroy(tokenizer);
}

static size_t base64_encode(const unsigned char *bytes, size_t size, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t used = 0;
	for (size_t i = 0; i < size; i += 3) {
		uint32_t bits = (uint32_t)bytes[i] << 16;
		bits |= i + 1 < size ? (uint32_t)bytes[i + 1] << 8 : 0;
		bits |= i + 2 < size ? bytes[i + 2] : 0;
		for (int k = 0; k < 4; k++)
			out[used++] = i + (size_t)k <= size ? digits[bits >> (18 - 6 * k) & 63] : '=';
	}
	out[used] = '\0';
	return used;
}

/* A rank file of the bytes and "he", "hell", "hello"; `extra` is put at the end. */
static void put_ranks(const char *path, const char *extra)
{
	static const char *const tokens[] = { "he", "ll", "hell", "hello" };
	FILE *file = fopen(path, "w");
	char text[32];
	assert_non_null(file);
	for (int i = 0; i < 256; i++) {
		const unsigned char byte = (unsigned char)i;
		base64_encode(&byte, 1, text);
		fprintf(file, "%s %d\n", text, i);
	}
	for (size_t i = 0; i < COUNT(tokens); i++) {
		base64_encode((const unsigned char *)tokens[i], strlen(tokens[i]), text);
		fprintf(file, "%s %zu\n", text, 256 + i);
	}
	fprintf(file, "%s", extra);
	assert_int_equal(fclose(file), 0);
}

static void rank_files_are_read(void **state)
{
	const char *path = in_folder(state, "small.tiktoken");
	struct tokenizer *tokenizer = NULL;
	struct token_span *spans = NULL;
	size_t capacity = 0, count = 0;
	put_ranks(path, "");
	assert_good(tokenizer_read(path, &tokenizer));
	assert_int_equal(tokenizer_end_of_text(tokenizer), 260);
	assert_int_equal(tokenizer_hidden(tokenizer), 261);
	assert_good(tokenizer_encode(tokenizer, "hello hell", 10, &spans, &capacity, &count));
	assert_int_equal(count, 3);
	assert_int_equal(spans[0].id, 259);
	assert_int_equal(spans[1].id, ' ');
	assert_int_equal(spans[2].id, 258);
	free(spans);
	tokenizer_destroy(tokenizer);
}

static void bad_rank_files_name_the_line(void **state)
{
	static const struct {
		const char *extra, *words;
	} cases[] = {
		{ "YWI=\n", ":261: expected" },
		{ "YWI= 261\n", ":261: rank 261 follows rank 259" },
		{ "YWI= x\n", ":261: the rank \"x\"" },
		{ "YWI= \n", ":261: the rank \"\"" },
		{ "YW!= 260\n", ":261: \"YW!=\" is not base 64" },
		{ "YWI 260\n", ":261: \"YWI\" is not base 64" },
		{ "aGU= 260\n", "tokens 256 and 260" },
	};
	const char *path = in_folder(state, "bad.tiktoken");
	struct tokenizer *tokenizer = NULL;
	for (size_t i = 0; i < COUNT(cases); i++) {
		put_ranks(path, cases[i].extra);
		enum status status = tokenizer_read(path, &tokenizer);
		assert_non_null(strstr(error_message(), "bad.tiktoken"));
		assert_bad(status, STATUS_DATA, cases[i].words);
	}
	put_file(path, "", 0);
	assert_bad(tokenizer_read(path, &tokenizer), STATUS_DATA, "has no tokens");
	assert_bad(tokenizer_read(in_folder(state, "none.tiktoken"), &tokenizer), STATUS_DATA, "none.tiktoken");
	assert_bad(tokenizer_read(in_folder(state, "words.bin"), &tokenizer), STATUS_DATA, "words.bin");
}

/* The form of GPT-2: bytes as characters, ids by printable bytes first. `merged_id` is that of "he". */
static void put_gpt2(void **state, const char *merges, int merged_id)
{
	FILE *file = fopen(in_folder(state, "small_encoder.json"), "w");
	assert_non_null(file);
	fprintf(file, "{\"he\": %d, \"hell\": 258, \"ll\": 257, \"\\u0120hell\": 259, \"<|endoftext|>\": 260",
	        merged_id);
	int id = 0, other = 256;
	for (int pass = 0; pass < 2; pass++) {
		for (int byte = 0; byte < 256; byte++) {
			bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
			if (printable == (pass == 0))
				fprintf(file, ", \"\\u%04x\": %d", printable ? byte : other++, id++);
		}
	}
	fprintf(file, "}\n");
	assert_int_equal(fclose(file), 0);
	put_file(in_folder(state, "small_vocab.bpe"), merges, strlen(merges));
}

static void gpt2_files_are_read(void **state)
{
	struct tokenizer *tokenizer = NULL;
	struct token_span *spans = NULL;
	size_t capacity = 0, count = 0;
	put_gpt2(state, "#version: 0.2\nh e\nl l\nhe ll\n\xc4\xa0 hell\n", 256);
	assert_good(tokenizer_read(in_folder(state, "small_encoder.json"), &tokenizer));
	assert_int_equal(tokenizer_end_of_text(tokenizer), 260);
	assert_good(tokenizer_encode(tokenizer, "hello hell!", 11, &spans, &capacity, &count));
	assert_int_equal(count, 4);
	assert_int_equal(spans[0].id, 258);
	assert_int_equal(spans[1].id, 'o' - '!');
	assert_int_equal(spans[2].id, 259);
	assert_int_equal(spans[3].id, 0);
	free(spans);
	tokenizer_destroy(tokenizer);

	put_gpt2(state, "#version: 0.2\nh e\n", 999);
	assert_bad(tokenizer_read(in_folder(state, "small_encoder.json"), &tokenizer), STATUS_DATA,
	           "small_vocab.bpe:2: the token \"he\" has the id 999");
	put_gpt2(state, "h e\nl l\nhe lo\n", 256);
	assert_bad(tokenizer_read(in_folder(state, "small_encoder.json"), &tokenizer), STATUS_DATA,
	           "small_vocab.bpe:3: the token \"helo\" is missing");
	put_gpt2(state, "hello\n", 256);
	assert_bad(tokenizer_read(in_folder(state, "small_encoder.json"), &tokenizer), STATUS_DATA,
	           "small_vocab.bpe:1");
	assert_int_equal(unlink(in_folder(state, "small_vocab.bpe")), 0);
	assert_bad(tokenizer_read(in_folder(state, "small_encoder.json"), &tokenizer), STATUS_DATA, "small_vocab.bpe");
	put_file(in_folder(state, "words.json"), "{}", 2);
	assert_bad(tokenizer_read(in_folder(state, "words.json"), &tokenizer), STATUS_DATA, "encoder.json");
	put_file(in_folder(state, "small_encoder.json"), "{", 1);
	put_file(in_folder(state, "small_vocab.bpe"), "", 0);
	assert_bad(tokenizer_read(in_folder(state, "small_encoder.json"), &tokenizer), STATUS_DATA,
	           "small_encoder.json:1");
}

/* ---- the real vocabularies ---- */

static void check_real(const char *folder, const char *name, int32_t size, int32_t end, int32_t hidden,
                       const int32_t *const *expected)
{
	static const char *const texts[] = { "Hello world, it's 2024!\n",
		                             "The antidisestablishmentarianism of naïve cafés…",
		                             "<|endoftext|> 😀 漢字" };
	char *path = text_join_path(folder, name);
	struct tokenizer *tokenizer = NULL;
	struct token_span *spans = NULL;
	size_t capacity = 0, count = 0;
	assert_good(tokenizer_read(path, &tokenizer));
	assert_int_equal(tokenizer_size(tokenizer), size);
	assert_int_equal(tokenizer_end_of_text(tokenizer), end);
	assert_int_equal(tokenizer_hidden(tokenizer), hidden);
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_good(tokenizer_encode(tokenizer, texts[i], strlen(texts[i]), &spans, &capacity, &count));
		for (size_t k = 0; k < count; k++)
			assert_int_equal(spans[k].id, expected[i][k]);
		assert_int_equal(expected[i][count], -1);
	}
	free(spans);
	free(path);
	tokenizer_destroy(tokenizer);
}

static void real_vocabularies_give_known_ids(void **state)
{
	(void)state;
	const char *folder = getenv("CAPSHAPE_TOKENIZERS");
	if (folder == NULL || folder[0] == '\0')
		skip();
	const int32_t *const cl100k[] = {
		(const int32_t[]){ 9906, 1917, 11, 433, 596, 220, 2366, 19, 4999, -1 },
		(const int32_t[]){ 791, 3276, 85342, 34500, 479, 8997, 2191, 315, 95980, 588, 30203, 5512, 1981, -1 },
		(const int32_t[]){ 27, 91, 8862, 728, 428, 91, 29, 91416, 6704, 120, 95, 19113, -1 },
	};
	const int32_t *const r50k[] = {
		(const int32_t[]){ 15496, 995, 11, 340, 338, 48609, 0, 198, -1 },
		(const int32_t[]){ 464, 1885, 29207, 44390, 3699, 1042, 286, 41492, 19945, 20954, 1399, -1 },
		(const int32_t[]){ 27, 91, 437, 1659, 5239, 91, 29, 30325, 222, 10545, 120, 95, 27764, 245, -1 },
	};
	check_real(folder, "cl100k_base.tiktoken", 100279, 100257, 100277, cl100k);
	check_real(folder, "r50k_base.tiktoken", 50258, 50256, 50257, r50k);
}

#define in_new_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_new_folder(own_form_round_trips), in_new_folder(damaged_own_form_is_refused),
		in_new_folder(rank_files_are_read),  in_new_folder(bad_rank_files_name_the_line),
		in_new_folder(gpt2_files_are_read),  cmocka_unit_test(real_vocabularies_give_known_ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
