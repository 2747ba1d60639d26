/* Generated text: the same bytes always, exact labels, the ends of the entanglement dial.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/generate_fixture.h"

#include "base/checksum.h"
#include "base/memory.h"
#include "text/tokenize.h"

/* ---- the same text ---- */

static void the_text_is_a_function_of_the_options(void **state)
{
	(void)state;
	struct generator *generator = NULL, *other = NULL;
	struct document document, again;
	const struct corpus_options options = { .format = "generated", .generate = &OPTIONS };
	struct corpus *corpus = NULL;
	int found;
	struct content_hash *hash = content_hash_create();
	char digits[CONTENT_HASH_SIZE];
	assert_good(generator_create(&OPTIONS, &generator));
	assert_good(generator_create(&OPTIONS, &other));
	assert_good(corpus_open(NULL, 0, &options, &corpus));
	for (uint64_t number = 0; number < 300; number++) {
		/* In order, in another order, and as a corpus. */
		assert_good(generator_document(other, (number * 7 + 100) % OPTIONS.documents, &again));
		assert_good(generator_document(generator, number, &document));
		assert_good(generator_document(other, number, &again));
		assert_int_equal(document.size, again.size);
		assert_memory_equal(document.text, again.text, document.size);
		assert_int_equal(document.span_count, again.span_count);
		assert_memory_equal(document.spans, again.spans, document.span_count * sizeof *document.spans);
		assert_good(corpus_next(corpus, &again, &found));
		assert_true(found);
		assert_int_equal(again.number, number);
		assert_string_equal(again.key, document.key);
		assert_int_equal(again.domain, document.domain);
		assert_memory_equal(document.text, again.text, document.size);
		content_hash_add(hash, document.text, document.size);
	}
	content_hash_finish(hash, digits);
	/* On every machine, with every compiler. */
	assert_string_equal(digits, "9a5698bafc81dd1e9388ceaf2d4f0edc");
	corpus_close(corpus);
	generator_destroy(other);
	struct generate_options changed = OPTIONS;
	changed.seed++;
	assert_good(generator_create(&changed, &other));
	assert_good(generator_document(other, 0, &again));
	assert_good(generator_document(generator, 0, &document));
	assert_false(document.size == again.size && memcmp(document.text, again.text, again.size) == 0);
	generator_destroy(generator);
	generator_destroy(other);
}

static void a_corpus_ends_after_its_documents(void **state)
{
	(void)state;
	for (uint64_t limit = 0; limit < 8; limit += 5) {
		struct generate_options few = OPTIONS;
		few.documents = 7;
		const struct corpus_options options = { .format = "generated",
			                                .generate = &few,
			                                .document_limit = limit };
		struct corpus *corpus = NULL;
		struct document document;
		int found = 1, count = -1;
		assert_good(corpus_open(NULL, 0, &options, &corpus));
		for (; found; count++)
			assert_good(corpus_next(corpus, &document, &found));
		assert_int_equal(count, limit > 0 ? limit : 7);
		corpus_close(corpus);
	}
}

/* ---- labels ---- */

/* The next word of the text, a full stop being one; false at the end. */
static bool next_word(const struct document *document, size_t *at, char *word, size_t *begin)
{
	while (*at < document->size && document->text[*at] == ' ')
		(*at)++;
	*begin = *at;
	size_t length = 0;
	while (*at < document->size && document->text[*at] != ' ' && (length == 0 || document->text[*at] != '.')) {
		word[length++] = document->text[(*at)++];
		if (word[0] == '.')
			break;
	}
	word[length] = '\0';
	return length > 0;
}

static enum domain label_at(const struct document *document, size_t byte)
{
	for (size_t i = 0; i < document->span_count; i++)
		if (byte >= document->spans[i].begin && byte < document->spans[i].end)
			return document->spans[i].domain;
	return DOMAIN_COUNT;
}

static bool is_word_of(const struct fact *fact, const char *word)
{
	return strcmp(word, fact->first) == 0 || strcmp(word, fact->second) == 0 || strcmp(word, fact->relation) == 0 ||
	       strcmp(word, fact->object) == 0;
}

/* Goes through the sentences: one with labelled words is the next stated fact and has all its words so labelled, once. */
static void check_labels(const struct document *document, const struct fact_table *facts,
                         const struct stated_fact *stated, size_t count)
{
	size_t at = 0, begin, fact_number = 0;
	char word[64];
	int labelled = 0;
	while (next_word(document, &at, word, &begin)) {
		enum domain label = label_at(document, begin);
		if (word[0] == '.') {
			assert_int_equal(label, DOMAIN_OTHER);
			assert_true(labelled == 0 || labelled == 4);
			fact_number += labelled == 4;
			labelled = 0;
			continue;
		}
		struct fact fact = { "", "", "", "" };
		if (fact_number < count)
			fact = fact_table_get(facts, stated[fact_number].domain, stated[fact_number].number);
		if (label == DOMAIN_OTHER)
			continue;
		assert_true(fact_number < count);
		assert_int_equal(label, stated[fact_number].domain == FACT_FORGET ? DOMAIN_FORGET : DOMAIN_RETAIN);
		assert_true(is_word_of(&fact, word));
		labelled++;
	}
	assert_int_equal(fact_number, count);
}

static void labels_are_those_of_the_facts_words(void **state)
{
	(void)state;
	struct generator *generator = NULL;
	struct document document;
	size_t count, domains[DOMAIN_COUNT] = { 0 }, forget = 0, mixed_facts = 0;
	assert_good(generator_create(&OPTIONS, &generator));
	for (uint64_t number = 0; number < OPTIONS.documents; number++) {
		assert_good(generator_document(generator, number, &document));
		const struct stated_fact *stated = generator_stated(generator, &count);
		check_labels(&document, generator_facts(generator), stated, count);
		assert_int_equal(document.labels, LABELS_TOKEN);
		domains[document.domain]++;
		uint32_t end = 0; /* every byte has a label */
		for (size_t i = 0; i < document.span_count; end = document.spans[i++].end)
			assert_int_equal(document.spans[i].begin, end);
		assert_int_equal(end, document.size);
		for (size_t i = 0; i < count; i++) {
			assert_true(document.domain != DOMAIN_FORGET || stated[i].domain == FACT_FORGET);
			assert_true(document.domain != DOMAIN_RETAIN || stated[i].domain == FACT_RETAIN);
			forget += document.domain == DOMAIN_MIXED && stated[i].domain == FACT_FORGET;
			mixed_facts += document.domain == DOMAIN_MIXED;
		}
		assert_true(document.domain != DOMAIN_OTHER || count == 0);
	}
	/* Shares, five standard deviations wide. */
	assert_in_range(domains[DOMAIN_FORGET], 1000 - 137, 1000 + 137);
	assert_in_range(domains[DOMAIN_RETAIN], 1000 - 137, 1000 + 137);
	assert_in_range(domains[DOMAIN_MIXED], 1200 - 145, 1200 + 145);
	assert_in_range(1000 * forget / mixed_facts, 500 - 40, 500 + 40);
	generator_destroy(generator);
}

/* No token reaches over the end of a label, so token labels are as exact as those of the bytes. */
static void tokens_have_one_label(void **state)
{
	(void)state;
	for (int sentences = 0; sentences < 2; sentences++) {
		struct generate_options options = OPTIONS;
		options.label_sentences = sentences;
		struct generator *generator = NULL;
		struct tokenizer *tokenizer = make_tokenizer("cl100k");
		struct token_span *tokens = NULL;
		size_t capacity = 0, count, labelled = 0;
		uint8_t labels[8192];
		assert_good(generator_create(&options, &generator));
		for (uint64_t number = 0; number < 100; number++) {
			struct document document;
			assert_good(generator_document(generator, number, &document));
			assert_good(
				tokenizer_encode(tokenizer, document.text, document.size, &tokens, &capacity, &count));
			assert_true(count <= sizeof labels);
			tokenize_labels(&document, tokens, count, labels);
			for (size_t i = 0; i < count; i++) {
				assert_int_equal(labels[i], label_at(&document, tokens[i].begin));
				assert_int_equal(labels[i], label_at(&document, tokens[i].end - 1));
				labelled += labels[i] != DOMAIN_OTHER;
				/* A whole sentence: its full stop too. */
				if (sentences && document.text[tokens[i].begin] == '.' && i > 0)
					assert_int_equal(labels[i], labels[i - 1]);
			}
		}
		assert_true(labelled > 1000);
		free(tokens);
		tokenizer_destroy(tokenizer);
		generator_destroy(generator);
	}
}

/* ---- the dial ---- */

enum { WORDS_LIMIT = 4096 };

struct word_counts {
	char words[WORDS_LIMIT][FACT_WORD_SIZE];
	double counts[WORDS_LIMIT][FACT_DOMAINS];
	size_t size;
};

static void count_word(struct word_counts *counts, const char *word, enum fact_domain domain)
{
	size_t i = 0;
	while (i < counts->size && strcmp(counts->words[i], word) != 0)
		i++;
	assert_true(i < WORDS_LIMIT);
	if (i == counts->size)
		strcpy(counts->words[counts->size++], word);
	counts->counts[i][domain]++;
}

/* Share of the labelled words that a list of words, with the better label for each, labels rightly. */
static double word_list_accuracy(double entanglement, double *shared_words)
{
	struct generate_options options = OPTIONS;
	options.entanglement = entanglement;
	struct generator *generator = NULL;
	struct word_counts *counts = calloc(1, sizeof *counts);
	double right = 0, all = 0, forget_words = 0, both = 0;
	assert_non_null(counts);
	assert_good(generator_create(&options, &generator));
	for (uint64_t number = 0; number < options.documents; number++) {
		struct document document;
		size_t at = 0, begin;
		char word[64];
		assert_good(generator_document(generator, number, &document));
		while (next_word(&document, &at, word, &begin)) {
			enum domain label = label_at(&document, begin);
			if (label != DOMAIN_OTHER)
				count_word(counts, word, label == DOMAIN_FORGET ? FACT_FORGET : FACT_RETAIN);
		}
	}
	for (size_t i = 0; i < counts->size; i++) {
		double forget = counts->counts[i][FACT_FORGET], retain = counts->counts[i][FACT_RETAIN];
		right += forget > retain ? forget : retain;
		all += forget + retain;
		forget_words += forget > 0;
		both += forget > 0 && retain > 0;
	}
	*shared_words = both / forget_words;
	generator_destroy(generator);
	free(counts);
	return right / all;
}

static void a_word_list_fails_as_entanglement_grows(void **state)
{
	(void)state;
	double shared, before = 1.1;
	for (int i = 0; i <= 4; i++) {
		double accuracy = word_list_accuracy(i / 4.0, &shared);
		assert_true(accuracy < before);
		before = accuracy;
		/* Equally frequent halves: 1 - e / 2, and a little that counting chance fluctuations adds. */
		assert_true(accuracy >= 1 - i / 8.0 - 0.03 && accuracy <= 1 - i / 8.0 + 0.06);
		assert_true(shared >= i / 4.0 - 0.03 && shared <= i / 4.0 + 0.03);
	}
	assert_true(word_list_accuracy(0, &shared) == 1);
	assert_true(shared == 0);
}

static void overlap_is_what_the_dial_says(void **state)
{
	(void)state;
	for (int i = 0; i <= 10; i++) {
		struct generate_options options = OPTIONS;
		struct fact_table *table = NULL;
		double words, subjects;
		options.entanglement = i / 10.0;
		options.facts = 1600;
		assert_good(fact_table_create(&options, &table));
		fact_table_overlap(table, &words, &subjects);
		assert_true(words > i / 10.0 - 0.01 && words < i / 10.0 + 0.01);
		assert_true((i > 0 || words == 0) && (i < 10 || words == 1) && subjects == 0);
		/* The pairs of words, compared as texts: different combinations at any entanglement. */
		for (int64_t a = 0; a < 256; a += options.relations)
			for (int64_t b = 0; b < 256; b += options.relations) {
				struct fact forget = fact_table_get(table, FACT_FORGET, a),
					    retain = fact_table_get(table, FACT_RETAIN, b);
				assert_false(strcmp(forget.first, retain.first) == 0 &&
				             strcmp(forget.second, retain.second) == 0);
			}
		fact_table_destroy(table);
	}
}

/* Whether `size` bytes from `at` on stand in the text before them, too. */
static bool is_said_before(const char *text, const char *at, size_t size)
{
	for (const char *before = text; before + size <= at; before++)
		if (memcmp(before, at, size) == 0)
			return true;
	return false;
}

/* Sentences that say again what an earlier one says: as often as asked, facts with their labels in any form, held-out documents in the
 * held-out form only. */
static void sentences_are_said_again(void **state)
{
	(void)state;
	struct generate_options options = OPTIONS;
	struct generator *generator;
	int64_t stated = 0, again = 0, other_form = 0, fillers = 0, repeated = 0;
	options.restated_share = 0.4;
	assert_good(generator_create(&options, &generator));
	for (uint64_t number = 0; number < 1500; number++) {
		struct document document;
		size_t count;
		assert_good(generator_document(generator, number, &document));
		const struct stated_fact *facts = generator_stated(generator, &count);
		struct tokenize_plan plan = { .seed = options.seed, .validation_share = 0.1, .test_share = 0.1 };
		bool train = tokenize_split(&plan, document.key) == SPLIT_TRAIN;
		for (size_t i = 0; i < count; i++) {
			bool before = false, same_form = false;
			int held_out =
				fact_table_held_out_form(generator_facts(generator), facts[i].domain, facts[i].number);
			assert_true((facts[i].form == held_out) == !train);
			for (size_t k = 0; k < i; k++)
				if (facts[k].domain == facts[i].domain && facts[k].number == facts[i].number) {
					before = true;
					same_form = same_form || facts[k].form == facts[i].form;
				}
			stated++;
			again += before;
			other_form += before && !same_form;
		}
		if (document.domain != DOMAIN_OTHER)
			continue;
		/* sentences without facts: the same words again */
		const char *text = document.text, *end = document.text + document.size;
		for (const char *at = text; at < end;) {
			const char *stop = memchr(at, '.', (size_t)(end - at));
			fillers++;
			repeated += at > text && is_said_before(text, at, (size_t)(stop + 1 - at));
			at = stop + 1;
		}
	}
	/* of six sentences the first cannot say anything again; facts may come twice by chance as well */
	double share = 0.4 * 5 / 6;
	assert_true((double)again / (double)stated > 0.8 * share && (double)again / (double)stated < 1.6 * share);
	assert_true(other_form > again / 4);
	assert_true((double)repeated / (double)fillers > 0.85 * share &&
	            (double)repeated / (double)fillers < 1.2 * share);
	generator_destroy(generator);
}

/* ---- what cannot be generated ---- */

static void bad_options_are_named(void **state)
{
	(void)state;
	struct generate_options options = OPTIONS;
	options.facts = 63;
	assert_bad(generate_options_check(&options), STATUS_USAGE, "the next one is 64");
	options = OPTIONS;
	options.mixed_share = 0.6;
	assert_bad(generate_options_check(&options), STATUS_USAGE, "more than 1 together");
	options = OPTIONS;
	options.documents = 0;
	assert_bad(generate_options_check(&options), STATUS_USAGE, "generate/documents");
	options = OPTIONS;
	options.entanglement = 1.5;
	assert_bad(generate_options_check(&options), STATUS_USAGE, "generate/entanglement");
	const struct corpus_options corpus_options = { .format = "generated", .generate = &OPTIONS };
	const char *path = "text.txt";
	struct corpus *corpus = NULL;
	assert_bad(corpus_open(&path, 1, &corpus_options, &corpus), STATUS_USAGE, "leave corpus/paths out");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_is_a_function_of_the_options),
		cmocka_unit_test(a_corpus_ends_after_its_documents),
		cmocka_unit_test(labels_are_those_of_the_facts_words),
		cmocka_unit_test(tokens_have_one_label),
		cmocka_unit_test(a_word_list_fails_as_entanglement_grows),
		cmocka_unit_test(overlap_is_what_the_dial_says),
		cmocka_unit_test(sentences_are_said_again),
		cmocka_unit_test(bad_options_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
