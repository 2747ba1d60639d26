/* Converting the flat files of the reference implementation.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/storage_fixture.h"

#include <math.h>

#include "text/corpus.h"
#include "text/raw.h"

enum { END = 9 };

static const struct shard_facts FACTS = { .tokenizer_hash = "hash",
	                                  .tokenizer = "ten tokens",
	                                  .vocabulary = 10,
	                                  .end_of_text = END,
	                                  .hidden = 8,
	                                  .block_tokens = 6 };

/* Three documents of 3, 4 and 2 tokens; the first two end with the end-of-text token. */
static const uint32_t TOKENS[] = { 1, 2, END, 3, 4, 5, END, 6, 7 };
static const uint32_t LENS[] = { 3, 4, 2 };
static const uint8_t LABELS[] = { 1, 0, 0, 0, 0, 1, 0, 0, 0 };
/* 0, 1, 0.5, ... in half precision */
static const uint16_t FILTER[] = { 0x3c00, 0x3800, 0x0000, 0x3400, 0x3000, 0x3c00, 0x0000, 0x2c00, 0x0001 };

static void put_all(void **state)
{
	put_file(in_folder(state, "old.bin"), TOKENS, sizeof TOKENS);
	put_file(in_folder(state, "old_lens.bin"), LENS, sizeof LENS);
	put_file(in_folder(state, "old_labels.bin"), LABELS, sizeof LABELS);
	put_file(in_folder(state, "old_filter.bin"), FILTER, sizeof FILTER);
}

static enum status convert(void **state, int64_t shard_tokens, float **scores, int64_t *count)
{
	int64_t kept = 0;
	return raw_convert(in_folder(state, "old"), in_folder(state, "new"), "train", &FACTS, shard_tokens, NULL,
	                   scores, count, &kept);
}

static void all_files_are_used(void **state)
{
	static const int32_t ids[] = { 1, 2, END, 3, 4, 5, END, 6, 7, END };
	static const uint8_t labels[] = { DOMAIN_FORGET, 0, 0, 0, 0, DOMAIN_FORGET, 0, 0, 0, 0 };
	static const float expected[] = { 1, 0.5f, 0, 0.25f, 0.125f, 1, 0, 0.0625f, 0x1p-24f, 0 };
	float *scores = NULL;
	int64_t count = 0;
	struct shard_set *set = NULL;
	put_all(state);
	assert_good(convert(state, 8, &scores, &count));
	assert_int_equal(count, COUNT(expected));
	for (size_t i = 0; i < COUNT(expected); i++)
		assert_true(scores[i] == expected[i]);
	free(scores);
	assert_good(shard_set_open(in_folder(state, "new"), "train", &set));
	/* 3 + 1 and 4 + 1 tokens at most do not fit into 8. */
	assert_int_equal(shard_set_facts(set)->shard_count, 2);
	assert_true(shard_set_facts(set)->has_token_labels);
	assert_int_equal(shard_set_documents(set), 3);
	assert_int_equal(shard_set_tokens(set), count);
	int64_t begin = 0;
	for (int64_t d = 0; d < 3; d++) {
		int32_t found[8];
		uint8_t found_labels[8];
		int64_t size = shard_set_document_tokens(set, d);
		assert_good(shard_set_read_document(set, d, found, found_labels));
		assert_memory_equal(found, ids + begin, (size_t)size * sizeof *ids);
		assert_memory_equal(found_labels, labels + begin, (size_t)size);
		begin += size;
	}
	/* One of two tokens is forget; one of three; none. */
	assert_int_equal(shard_set_document_domain(set, 0), DOMAIN_FORGET);
	assert_int_equal(shard_set_document_domain(set, 1), DOMAIN_UNMARKED);
	assert_int_equal(shard_set_document_domain(set, 2), DOMAIN_UNMARKED);
	shard_set_close(set);
}

static void companions_may_be_absent(void **state)
{
	enum { TOKENS_COUNT = 5000 };
	static uint32_t tokens[TOKENS_COUNT];
	float *scores = NULL;
	int64_t count = 0;
	struct shard_set *set = NULL;
	for (size_t i = 0; i < TOKENS_COUNT; i++)
		tokens[i] = (uint32_t)(i % 8);
	put_file(in_folder(state, "old.bin"), tokens, sizeof tokens);
	assert_good(convert(state, 1000000, &scores, &count));
	assert_null(scores);
	assert_good(shard_set_open(in_folder(state, "new"), "train", &set));
	assert_false(shard_set_facts(set)->has_token_labels);
	/* Runs of 2048, each with an end. */
	assert_int_equal(shard_set_documents(set), 3);
	assert_int_equal(shard_set_document_tokens(set, 0), 2049);
	assert_int_equal(shard_set_document_tokens(set, 2), 5000 - 4096 + 1);
	/* Nobody has said what they are. */
	static int32_t ids[2049];
	static uint8_t labels[2049];
	assert_int_equal(shard_set_document_domain(set, 0), DOMAIN_UNLABELLED);
	assert_good(shard_set_read_document(set, 0, ids, labels));
	for (size_t i = 0; i < 2048; i++)
		assert_int_equal(labels[i], DOMAIN_UNLABELLED);
	assert_int_equal(count, 5003);
	shard_set_close(set);
}

static void disagreeing_sizes_are_named(void **state)
{
	static const struct {
		const char *name;
		size_t cut;
		const char *words[2];
	} cases[] = {
		{ "old.bin", 2, { "old.bin has 34 bytes", "multiple of 4" } },
		{ "old.bin", 4, { "old.bin has 8 tokens", "old_labels.bin has 9" } },
		{ "old_labels.bin", 1, { "old.bin has 9 tokens", "old_labels.bin has 8" } },
		{ "old_filter.bin", 2, { "old.bin has 9 tokens", "old_filter.bin has 8" } },
		{ "old_filter.bin", 1, { "old_filter.bin has 17 bytes", "multiple of 2" } },
		{ "old_lens.bin", 4, { "old_lens.bin have 7 tokens together", "old.bin has 9" } },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		float *scores = NULL;
		int64_t count;
		size_t size;
		put_all(state);
		char *bytes = whole_file(in_folder(state, cases[i].name), &size);
		put_file(in_folder(state, cases[i].name), bytes, size - cases[i].cut);
		free(bytes);
		enum status status = convert(state, 100, &scores, &count);
		assert_non_null(strstr(error_message(), cases[i].words[0]));
		assert_bad(status, STATUS_DATA, cases[i].words[1]);
	}
}

static void impossible_values_are_named(void **state)
{
	float *scores = NULL;
	int64_t count;
	put_all(state);
	uint32_t tokens[COUNT(TOKENS)];
	memcpy(tokens, TOKENS, sizeof tokens);
	tokens[4] = 0x80000000u;
	put_file(in_folder(state, "old.bin"), tokens, sizeof tokens);
	assert_bad(convert(state, 100, &scores, &count), STATUS_DATA, "token 1 of document 1 is 2147483648");
	put_all(state);
	uint8_t labels[COUNT(LABELS)] = { 2 };
	put_file(in_folder(state, "old_labels.bin"), labels, sizeof labels);
	assert_bad(convert(state, 100, &scores, &count), STATUS_DATA, "label 0 of document 0 is 2");
	assert_int_equal(unlink(in_folder(state, "old.bin")), 0);
	assert_bad(convert(state, 100, &scores, &count), STATUS_DATA, "old.bin");
	put_file(in_folder(state, "none.bin"), "", 0);
	int64_t kept = 0;
	assert_bad(raw_convert(in_folder(state, "none"), in_folder(state, "new"), "train", &FACTS, 100, NULL, &scores,
	                       &count, &kept),
	           STATUS_DATA, "none.bin has no tokens");
}

static void finished_files_are_kept(void **state)
{
	float *scores[2] = { NULL, NULL };
	int64_t count[2] = { 0 }, kept = 0;
	const char *new = in_folder(state, "new"), *kept_folder = in_folder(state, "kept");
	put_all(state);
	assert_good(text_make_directories(kept_folder));
	assert_good(raw_convert(in_folder(state, "old"), new, "train", &FACTS, 4, kept_folder, &scores[0], &count[0],
	                        &kept));
	assert_int_equal(kept, 0);
	int files = count_entries(new);
	assert_true(files > 1);
	char *path = shard_path(new, "train", 1);
	assert_int_equal(unlink(path), 0);
	assert_good(raw_convert(in_folder(state, "old"), new, "train", &FACTS, 4, kept_folder, &scores[1], &count[1],
	                        &kept));
	assert_int_equal(kept, files - 1);
	assert_int_equal(count_entries(new), files);
	assert_int_equal(count[0], count[1]);
	assert_memory_equal(scores[0], scores[1], (size_t)count[0] * sizeof(float));
	free(path);
	free(scores[0]);
	free(scores[1]);
}

static void halves(void **state)
{
	(void)state;
	assert_true(raw_half_to_float(0x3c00) == 1);
	assert_true(raw_half_to_float(0xc000) == -2);
	assert_true(raw_half_to_float(0x7bff) == 65504);
	assert_true(raw_half_to_float(0x0001) == 0x1p-24f);
	assert_true(raw_half_to_float(0x03ff) == 1023 * 0x1p-24f);
	assert_true(raw_half_to_float(0x0400) == 0x1p-14f);
	assert_true(isinf(raw_half_to_float(0x7c00)));
	assert_true(isnan(raw_half_to_float(0x7e00)));
	assert_true(signbit(raw_half_to_float(0x8000)) && raw_half_to_float(0x8000) == 0);
}

#define in_new_folder(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_new_folder(all_files_are_used),          in_new_folder(companions_may_be_absent),
		in_new_folder(disagreeing_sizes_are_named), in_new_folder(impossible_values_are_named),
		in_new_folder(finished_files_are_kept),     cmocka_unit_test(halves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
