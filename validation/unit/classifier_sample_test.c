/* Sampling of training tokens and documents, and gold labels.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "base/text.h"
#include "classifier/fit_sample.h"
#include "classifier/sentence.h"
#include "storage/atomic_file.h"
#include "text/corpus.h"

enum { DOCUMENTS = 200, END = 99, BLOCK_TOKENS = 300 };

static char folder[256];

/* Document d: up to 39 tokens; every fifth document is mostly forget, every seventh is mixed, every third of the rest has no label. */
static bool is_unlabelled(uint64_t d)
{
	return d % 3 == 1 && d % 7 != 0;
}

static size_t make_document(uint64_t d, int32_t *ids, uint8_t *labels)
{
	size_t count = random_bits(3, RANDOM_TEST, d, 0) % 40;
	for (size_t i = 0; i < count; i++) {
		uint64_t bits = random_bits(3, RANDOM_TEST, d, i + 1);
		ids[i] = (int32_t)(bits % 90);
		labels[i] = is_unlabelled(d)              ? DOMAIN_UNLABELLED
		            : d % 7 == 0                  ? DOMAIN_MIXED
		            : d % 5 == 0 && bits % 4 != 0 ? DOMAIN_FORGET
		            : bits >> 40 & 1              ? DOMAIN_UNMARKED
		                                          : DOMAIN_HARD;
	}
	return count;
}

static void write_set(const char *name, uint64_t documents)
{
	const struct shard_facts facts = { .tokenizer_hash = "0123456789abcdef0123456789abcdef",
		                           .tokenizer = "test",
		                           .vocabulary = 100,
		                           .end_of_text = END,
		                           .hidden = 98,
		                           .block_tokens = BLOCK_TOKENS,
		                           .has_token_labels = true };
	char *path = text_format("%s/%s-00000.h5", folder, name);
	struct shard_writer *writer = NULL;
	int32_t ids[64];
	uint8_t labels[64];

	assert_int_equal(shard_writer_create(path, &facts, &writer), STATUS_OK);
	for (uint64_t d = 0; d < documents; d++) {
		size_t count = make_document(d, ids, labels);
		assert_int_equal(shard_writer_add(writer, ids, labels, count,
		                                  is_unlabelled(d) ? DOMAIN_UNLABELLED : DOMAIN_OTHER, d, d),
		                 STATUS_OK);
	}
	assert_int_equal(shard_writer_finish(writer), STATUS_OK);
	free(path);
}

static int set_up(void **state)
{
	const char *base = getenv("TMPDIR");
	(void)state;
	snprintf(folder, sizeof folder, "%s/classifier-sample-XXXXXX", base != NULL ? base : "/tmp");
	assert_non_null(mkdtemp(folder));
	write_set("train", DOCUMENTS);
	write_set("plain", 4); /* no fifth document */
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(folder_remove(folder), STATUS_OK);
	return 0;
}

static struct shard_set *open_set(const char *name)
{
	struct shard_set *set = NULL;
	assert_int_equal(shard_set_open(folder, name, &set), STATUS_OK);
	return set;
}

static void test_gold_labels(void **state)
{
	int32_t ids[] = { 1, 2, 3, END, 4, END, END, 5, 6, END, 7, 8, END };
	uint8_t labels[] = { DOMAIN_FORGET,     DOMAIN_RETAIN,     DOMAIN_UNMARKED, DOMAIN_UNMARKED, DOMAIN_MIXED,
		             DOMAIN_UNMARKED,   DOMAIN_UNMARKED,   DOMAIN_HARD,     DOMAIN_MIXED,    DOMAIN_UNMARKED,
		             DOMAIN_UNLABELLED, DOMAIN_UNLABELLED, DOMAIN_UNMARKED };
	int64_t begin[] = { 0, 4, 6, 7, 10, 13 };
	const struct block block = {
		.token_count = 13, .document_count = 5, .ids = ids, .labels = labels, .document_begin = begin
	};
	const int golds[] = { 1, 0, 0, -1, -1, -1, -1, 0, -1, -1, -1, -1, -1 };
	const int64_t tokens[] = { 3, 1, 0, 2, 2 };

	(void)state;
	for (int i = 0; i < 13; i++)
		assert_int_equal(sample_token_gold(&block, i, END), golds[i]);
	for (int d = 0; d < 5; d++)
		assert_int_equal(sample_document_tokens(&block, d, END), tokens[d]);
	assert_int_equal(sample_document_gold(&block, 0, END, 0.33), GOLD_FORGET);
	assert_int_equal(sample_document_gold(&block, 0, END, 0.34), GOLD_RETAIN);
	assert_int_equal(sample_document_gold(&block, 1, END, 0.1), GOLD_NONE);
	assert_int_equal(sample_document_gold(&block, 2, END, 0.1), GOLD_NONE);
	assert_int_equal(sample_document_gold(&block, 3, END, 0), GOLD_RETAIN);
	assert_int_equal(sample_document_gold(&block, 4, END, 0), GOLD_NONE);
}

/* Bytes as tokens: "|" behind the last token of each sentence. */
static void check_sentences(const struct tokenizer *tokenizer, const char *text, const char *expected)
{
	uint8_t *marks = NULL;
	int32_t ids[128];
	char shown[256];
	size_t count = strlen(text), used = 0;

	assert_int_equal(sentence_marks_create(tokenizer, &marks), STATUS_OK);
	for (size_t i = 0; i < count; i++) {
		struct token_span *found = NULL;
		size_t found_count = 0, capacity = 0;
		assert_int_equal(tokenizer_encode(tokenizer, text + i, 1, &found, &capacity, &found_count), STATUS_OK);
		assert_int_equal(found_count, 1);
		ids[i] = found[0].id;
		free(found);
	}
	for (int64_t begin = 0, end; begin < (int64_t)count; begin = end) {
		end = sentence_end(marks, ids, (int64_t)count, begin);
		used += (size_t)snprintf(shown + used, sizeof shown - used, "%.*s|", (int)(end - begin), text + begin);
	}
	assert_string_equal(shown, expected);
	free(marks);
}

static void test_sentences(void **state)
{
	struct tokenizer_trainer *trainer = NULL;
	struct tokenizer *tokenizer = NULL;

	(void)state;
	assert_int_equal(tokenizer_trainer_create("cl100k", &trainer), STATUS_OK);
	assert_int_equal(tokenizer_trainer_finish(trainer, 256, &tokenizer), STATUS_OK);
	tokenizer_trainer_destroy(trainer);
	check_sentences(tokenizer, "One. Two? Three", "One.| Two?| Three|");
	check_sentences(tokenizer, "He said \"no.\" (Yes!) 3.5 it is.", "He said \"no.\"| (Yes!)| 3.5 it is.|");
	check_sentences(tokenizer, "a line\nanother. ", "a line\n|another.| |");
	check_sentences(tokenizer, ".", ".|");
	tokenizer_destroy(tokenizer);
}

/* Tokens 0..9, where id 1 is a full stop and all others begin with a blank: sentences of 3, 4 and 3 tokens. */
static void test_coarse_labels(void **state)
{
	const uint8_t marks[] = { 4, 2 };
	const int32_t ids[] = { 0, 0, 1, 0, 0, 0, 1, 0, 0, 0 };
	const int8_t golds[] = { 1, 0, 0, 1, 1, -1, 0, -1, -1, 0 };
	static const struct {
		enum sample_labels labels;
		double share;
		int8_t expected[10];
	} cases[] = {
		{ SAMPLE_TOKENS, 0.5, { 1, 0, 0, 1, 1, -1, 0, -1, -1, 0 } },
		{ SAMPLE_SENTENCES, 0.5, { 0, 0, 0, 1, 1, -1, 1, -1, -1, 0 } },
		{ SAMPLE_SENTENCES, 0.3, { 1, 1, 1, 1, 1, -1, 1, -1, -1, 0 } },
		{ SAMPLE_SENTENCES, 0, { 1, 1, 1, 1, 1, -1, 1, -1, -1, 0 } },
		{ SAMPLE_DOCUMENTS, 0.5, { 0, 0, 0, 0, 0, -1, 0, -1, -1, 0 } },
		{ SAMPLE_DOCUMENTS, 0.4, { 1, 1, 1, 1, 1, -1, 1, -1, -1, 1 } },
	};

	(void)state;
	for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
		struct sample_options options = { .labels = cases[c].labels,
			                          .sentence_marks = marks,
			                          .forget_share = cases[c].share };
		int8_t got[10];
		memcpy(got, golds, sizeof got);
		sample_coarsen(&options, ids, 10, got);
		assert_memory_equal(got, cases[c].expected, sizeof got);
	}
}

/* Every pick is what it says, once, in order, and classes are equal. */
static void check_picks(struct shard_set *set, const struct picks *picks, bool documents, double share)
{
	struct block block = { 0 };
	int64_t forget = 0;

	for (int64_t i = 0; i < picks->count; i++) {
		const struct pick *pick = &picks->items[i], *before = i > 0 ? pick - 1 : NULL;
		if (before != NULL)
			assert_true(before->order < pick->order ||
			            (before->order == pick->order && before->index < pick->index));
		assert_int_equal(sample_block_number(set, 4, pick->order), pick->block);
		assert_int_equal(shard_set_read_block(set, pick->block, &block), STATUS_OK);
		if (documents)
			assert_int_equal(sample_document_gold(&block, pick->index, END, share), pick->forget);
		else
			assert_int_equal(sample_token_gold(&block, pick->index, END), pick->forget);
		forget += pick->forget;
	}
	assert_int_equal(2 * forget, picks->count);
	block_clear(&block);
}

static void test_draw(void **state)
{
	struct shard_set *set = open_set("train");
	struct sample_options options = {
		.seed = 4, .tokens = 100, .documents = 10, .forget_share = 0.3, .end_of_text = END
	};
	struct picks tokens = { 0 }, documents = { 0 }, again = { 0 }, more = { 0 };

	(void)state;
	assert_true(shard_set_blocks(set) > 5);
	assert_int_equal(sample_draw(set, &options, NULL, &tokens, &documents), STATUS_OK);
	assert_int_equal(tokens.count, 100);
	assert_int_equal(documents.count, 10);
	check_picks(set, &tokens, false, 0.3);
	check_picks(set, &documents, true, 0.3);
	picks_clear(&documents);
	assert_int_equal(sample_draw(set, &options, NULL, &again, &documents), STATUS_OK);
	assert_memory_equal(tokens.items, again.items, 100 * sizeof *again.items);
	picks_clear(&again);
	picks_clear(&documents);
	/* More than there is of the scarcer class: everything of it is taken, and the odds are those of the whole set. */
	options.tokens = options.documents = 1000000;
	assert_int_equal(sample_draw(set, &options, NULL, &more, &documents), STATUS_OK);
	int64_t counts[2] = { 0 };
	for (uint64_t d = 0; d < DOCUMENTS; d++) {
		int32_t ids[64];
		uint8_t labels[64];
		size_t count = make_document(d, ids, labels);
		for (size_t i = 0; i < count && d % 7 != 0 && !is_unlabelled(d); i++)
			counts[labels[i] == DOMAIN_FORGET]++;
	}
	assert_int_equal(more.count, 2 * counts[1]);
	assert_true(fabs(more.natural_logit - log((double)counts[1] / (double)counts[0])) < 1e-12);
	check_picks(set, &more, false, 0.3);
	check_picks(set, &documents, true, 0.3);
	picks_clear(&tokens);
	picks_clear(&more);
	picks_clear(&documents);
	shard_set_close(set);
}

/* No place of the training set is preferred: picks of many seeds spread evenly over the forget tokens. */
static void test_draw_is_even(void **state)
{
	struct shard_set *set = open_set("train");
	int64_t halves[2] = { 0 };

	(void)state;
	for (uint64_t seed = 0; seed < 60; seed++) {
		const struct sample_options options = {
			.seed = seed, .tokens = 40, .documents = 4, .forget_share = 0.3, .end_of_text = END
		};
		struct picks tokens = { 0 }, documents = { 0 };
		assert_int_equal(sample_draw(set, &options, NULL, &tokens, &documents), STATUS_OK);
		for (int64_t i = 0; i < tokens.count; i++)
			halves[2 * tokens.items[i].block >= shard_set_blocks(set)]++;
		picks_clear(&tokens);
		picks_clear(&documents);
	}
	double share = (double)halves[0] / (double)(halves[0] + halves[1]);
	assert_true(share > 0.35 && share < 0.65);
	shard_set_close(set);
}

static void test_missing_class(void **state)
{
	struct shard_set *set = open_set("plain");
	const struct sample_options options = {
		.seed = 4, .tokens = 10, .documents = 4, .forget_share = 0.3, .end_of_text = END
	};
	struct picks tokens = { 0 }, documents = { 0 };

	(void)state;
	assert_int_equal(sample_draw(set, &options, NULL, &tokens, &documents), STATUS_DATA);
	assert_non_null(strstr(error_message(), "0 forget"));
	shard_set_close(set);
}

static void test_count_blocks(void **state)
{
	struct shard_set *set = open_set("train");
	const int64_t limits[] = { 1, BLOCK_TOKENS, 1000, 1000000 };

	(void)state;
	for (int k = 0; k < 4; k++) {
		struct block block = { 0 };
		int64_t blocks = sample_count_blocks(set, 4, limits[k]), total = 0;
		assert_true(blocks >= 1);
		for (int64_t order = 0; order < shard_set_blocks(set) && order <= blocks; order++) {
			if (order == blocks) /* one more would be too many */
				assert_true(total > 0 && (total <= limits[k] || limits[k] == 1));
			assert_int_equal(shard_set_read_block(set, sample_block_number(set, 4, order), &block),
			                 STATUS_OK);
			for (int64_t d = 0; d < block.document_count; d++)
				if (block.document_domain[d] != DOMAIN_UNLABELLED)
					total += block.document_begin[d + 1] - block.document_begin[d];
		}
		assert_true(blocks == shard_set_blocks(set) ? total <= limits[k] : total > limits[k]);
		block_clear(&block);
	}
	shard_set_close(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gold_labels),   cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_coarse_labels), cmocka_unit_test(test_draw),
		cmocka_unit_test(test_draw_is_even),  cmocka_unit_test(test_missing_class),
		cmocka_unit_test(test_count_blocks),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
