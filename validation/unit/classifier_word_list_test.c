/* The word-list control against counting words in the plain text.
 * SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
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
#include "classifier/word_list.h"

enum { MOST_WORDS = 64, MOST_TOKENS = 4096 };

static const char *const vocabulary[] = { "Fever", "fever,", "(fever)",      "river", "RIVER.",
	                                  "don't", "x-ray",  "na\xc3\xafve", "--",    "\xe2\x80\x9cpoem\xe2\x80\x9d",
	                                  "42",    "the",    "lesions",      "a",     "unseen" };

/* One token of a text, with the word that it belongs to in normal form. */
struct token {
	int32_t id;
	char word[64];
	int8_t gold;
};

static struct tokenizer *make_tokenizer(void)
{
	struct tokenizer_trainer *trainer = NULL;
	struct tokenizer *tokenizer = NULL;
	static const char text[] = "the fever the river a fever poem don't x-ray Fever lesions the the fever river";

	assert_int_equal(tokenizer_trainer_create("cl100k", &trainer), STATUS_OK);
	assert_int_equal(tokenizer_trainer_add(trainer, text, sizeof text - 1), STATUS_OK);
	assert_int_equal(tokenizer_trainer_finish(trainer, 270, &tokenizer), STATUS_OK);
	tokenizer_trainer_destroy(trainer);
	return tokenizer;
}

/* The word of the text that bytes [begin, last) belong to: cut at white space, lower case, no punctuation at its ends. */
static void word_at(const char *text, size_t size, size_t begin, size_t last, char *word)
{
	size_t end, length = 0;

	while (begin < last && isspace((unsigned char)text[begin]))
		begin++;
	while (begin < last && begin > 0 && !isspace((unsigned char)text[begin - 1]))
		begin--;
	if (begin == last)
		size = begin; /* white space only */
	for (end = begin; end < size && !isspace((unsigned char)text[end]); end++)
		continue;
	while (begin < end && (unsigned char)text[begin] < 0x80 && !isalnum((unsigned char)text[begin]))
		begin++;
	while (end > begin && (unsigned char)text[end - 1] < 0x80 && !isalnum((unsigned char)text[end - 1]))
		end--;
	for (; begin < end; begin++)
		word[length++] =
			(char)((unsigned char)text[begin] < 0x80 ? tolower((unsigned char)text[begin]) : text[begin]);
	word[length] = '\0';
}

/* A text of `words` random words of the first `kinds` of the vocabulary, as tokens with gold labels. */
static size_t make_text(const struct tokenizer *tokenizer, uint64_t number, int words, uint64_t kinds,
                        struct token *tokens)
{
	static struct token_span *spans;
	static size_t capacity;
	char text[2048] = "";
	size_t count = 0;

	for (int i = 0; i < words; i++) {
		if (i > 0)
			strcat(text, random_bits(1, RANDOM_TEST, number, (uint64_t)(1000 + i)) % 5 == 0 ? "\n" : " ");
		strcat(text, vocabulary[random_bits(1, RANDOM_TEST, number, (uint64_t)i) % kinds]);
	}
	assert_int_equal(tokenizer_encode(tokenizer, text, strlen(text), &spans, &capacity, &count), STATUS_OK);
	assert_true(count < MOST_TOKENS);
	for (size_t i = 0; i < count; i++) {
		tokens[i].id = spans[i].id;
		tokens[i].gold = (int8_t)((int)(random_bits(1, RANDOM_TEST, number, 2000 + i) % 3) - 1);
		word_at(text, strlen(text), spans[i].begin, spans[i].end, tokens[i].word);
	}
	free(spans);
	spans = NULL;
	capacity = 0;
	return count;
}

static void copy_columns(const struct token *tokens, size_t count, int32_t *ids, int8_t *golds)
{
	for (size_t i = 0; i < count; i++) {
		ids[i] = tokens[i].id;
		golds[i] = tokens[i].gold;
	}
}

static void test_scores_match_counts(void **state)
{
	enum { TEXTS = 20 };
	static struct token tokens[TEXTS][MOST_TOKENS], probe[MOST_TOKENS];
	static int32_t ids[MOST_TOKENS];
	static int8_t golds[MOST_TOKENS];
	static double logits[MOST_TOKENS];
	size_t counts[TEXTS];
	struct tokenizer *tokenizer = make_tokenizer();
	struct word_list *list = NULL;
	double all[2] = { 0 };

	(void)state;
	assert_int_equal(word_list_create(tokenizer, &list), STATUS_OK);
	for (int t = 0; t < TEXTS; t++) {
		counts[t] = make_text(tokenizer, (uint64_t)t, 40, 14, tokens[t]);
		copy_columns(tokens[t], counts[t], ids, golds);
		assert_int_equal(word_list_add(list, ids, golds, (int64_t)counts[t]), STATUS_OK);
		for (size_t i = 0; i < counts[t]; i++)
			if (tokens[t][i].gold >= 0)
				all[tokens[t][i].gold]++;
	}
	double base = (all[1] + 1) / (all[0] + all[1] + 2);
	size_t count = make_text(tokenizer, 99, MOST_WORDS, 15, probe);
	copy_columns(probe, count, ids, golds);
	assert_int_equal(word_list_score(list, ids, (int64_t)count, logits), STATUS_OK);
	int unseen = 0;
	for (size_t i = 0; i < count; i++) {
		double own[2] = { 0 };
		for (int t = 0; t < TEXTS; t++)
			for (size_t j = 0; j < counts[t]; j++)
				if (tokens[t][j].gold >= 0 && strcmp(tokens[t][j].word, probe[i].word) == 0)
					own[tokens[t][j].gold]++;
		assert_true(fabs(logits[i] - log((own[1] + base) / (own[0] + 1 - base))) < 1e-12);
		if (strcmp(probe[i].word, "unseen") == 0) {
			assert_true(fabs(logits[i] - log(base / (1 - base))) < 1e-12);
			unseen++;
		}
	}
	assert_true(unseen > 0);
	/* fever, river, don't, x-ray, naive, "", poem, 42, the, lesions, a */
	assert_int_equal(word_list_size(list), 11);
	word_list_destroy(list);
	tokenizer_destroy(tokenizer);
}

/* Many distinct words: the table grows and forgets nothing. */
static void test_many_words(void **state)
{
	enum { WORDS = 9000 };
	struct tokenizer *tokenizer = make_tokenizer();
	struct word_list *list = NULL;
	struct token_span *spans = NULL;
	size_t capacity = 0, count = 0;
	char text[16];
	int32_t ids[16];
	int8_t golds[16];
	double logits[16];

	(void)state;
	assert_int_equal(word_list_create(tokenizer, &list), STATUS_OK);
	for (int pass = 0; pass < 2; pass++) {
		for (int i = 0; i < WORDS; i++) {
			int size = snprintf(text, sizeof text, "w%dq", i);
			assert_int_equal(tokenizer_encode(tokenizer, text, (size_t)size, &spans, &capacity, &count),
			                 STATUS_OK);
			for (size_t j = 0; j < count; j++) {
				ids[j] = spans[j].id;
				golds[j] = i % 2;
			}
			if (pass == 0) {
				assert_int_equal(word_list_add(list, ids, golds, (int64_t)count), STATUS_OK);
			} else {
				assert_int_equal(word_list_score(list, ids, (int64_t)count, logits), STATUS_OK);
				assert_true(i % 2 ? logits[0] > 0 : logits[0] < 0);
			}
		}
	}
	assert_int_equal(word_list_size(list), WORDS);
	free(spans);
	word_list_destroy(list);
	tokenizer_destroy(tokenizer);
}

static void test_unknown_id(void **state)
{
	struct tokenizer *tokenizer = make_tokenizer();
	struct word_list *list = NULL;
	int32_t ids[] = { 1, tokenizer_size(tokenizer) };
	double logits[2];

	(void)state;
	assert_int_equal(word_list_create(tokenizer, &list), STATUS_OK);
	assert_int_equal(word_list_score(list, ids, 2, logits), STATUS_DATA);
	word_list_destroy(list);
	tokenizer_destroy(tokenizer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scores_match_counts),
		cmocka_unit_test(test_many_words),
		cmocka_unit_test(test_unknown_id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
