/* Generated text: the same bytes always, exact labels, the ends of the entanglement dial, questions that the training text
 * answers and nothing else gives away.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/text_fixture.h"

#include "base/checksum.h"
#include "base/memory.h"
#include "text/generate_questions.h"
#include "text/generate_text.h"
#include "text/tokenize.h"

static const struct generate_options OPTIONS = { .seed = 5,
	                                         .documents = 4000,
	                                         .facts = 64,
	                                         .relations = 2,
	                                         .objects = 12,
	                                         .entanglement = 0.5,
	                                         .zipf = 1,
	                                         .filler_words = 50,
	                                         .sentences = 6,
	                                         .forget_share = 0.25,
	                                         .retain_share = 0.25,
	                                         .mixed_share = 0.3,
	                                         .mixed_forget_share = 0.5,
	                                         .filler_share = 0.3,
	                                         .questions = 1000,
	                                         .candidates = 8,
	                                         .validation_share = 0.1,
	                                         .test_share = 0.1 };

static bool is_held_out(const struct document *document)
{
	struct tokenize_plan plan = { .seed = OPTIONS.seed, .validation_share = 0.1, .test_share = 0.1 };
	return tokenize_split(&plan, document->key) != SPLIT_TRAIN;
}

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

/* ---- new sentences, and questions ---- */

struct question_text {
	struct generator *generator;
	struct tokenizer *tokenizer;
	struct question_set sets[QUESTION_SETS];
};

static void open_questions(struct question_text *text, const struct generate_options *options)
{
	assert_good(generator_create(options, &text->generator));
	text->tokenizer = make_tokenizer("cl100k");
	assert_good(generate_questions(options, text->tokenizer, text->sets));
}

static void close_questions(struct question_text *text)
{
	for (int i = 0; i < QUESTION_SETS; i++)
		question_set_clear(&text->sets[i]);
	tokenizer_destroy(text->tokenizer);
	generator_destroy(text->generator);
}

static char *decode_answer(const struct question_text *text, const struct question_set *set, int64_t question,
                           int64_t answer)
{
	char *bytes = NULL;
	size_t size;
	int64_t number = question * set->candidates + answer;
	assert_good(tokenizer_decode(text->tokenizer, set->answers + set->answer_begin[number],
	                             (size_t)(set->answer_begin[number + 1] - set->answer_begin[number]), &bytes,
	                             &size));
	return bytes;
}

/* Sentences of the text, training and held out, in one string each. */
static void join_documents(struct generator *generator, char *joined[2])
{
	size_t sizes[2] = { 0 }, capacities[2] = { 0 };
	joined[0] = joined[1] = NULL;
	for (uint64_t number = 0; number < OPTIONS.documents; number++) {
		struct document document;
		assert_good(generator_document(generator, number, &document));
		int part = is_held_out(&document);
		assert_good(memory_grow((void **)&joined[part], &capacities[part], sizes[part] + document.size + 1, 1));
		memcpy(joined[part] + sizes[part], document.text, document.size);
		sizes[part] += document.size;
		joined[part][sizes[part]] = '\0';
	}
}

static void questions_are_new_sentences_about_stated_facts(void **state)
{
	(void)state;
	struct question_text text;
	char *joined[2];
	size_t in_held_out = 0, all = 0;
	open_questions(&text, &OPTIONS);
	join_documents(text.generator, joined);
	for (int i = 0; i < QUESTION_SETS; i++) {
		const struct question_set *set = &text.sets[i];
		enum fact_domain domain = set->domain == DOMAIN_FORGET ? FACT_FORGET : FACT_RETAIN;
		assert_int_equal(set->count, OPTIONS.facts); /* all of them are stated often enough */
		for (int64_t q = 0; q < set->count; q++) {
			struct fact fact = fact_table_get(generator_facts(text.generator), domain, set->fact[q]);
			char *answer = decode_answer(&text, set, q, set->correct[q]), sentence[256], stated[3][256];
			snprintf(sentence, sizeof sentence, " %s.", fact.object);
			assert_string_equal(answer, sentence);
			snprintf(sentence, sizeof sentence, "%s%s", set->texts[q], answer);
			assert_null(strstr(joined[0], set->texts[q])); /* not even the prompt */
			in_held_out += strstr(joined[1], sentence) != NULL;
			all++;
			/* The training text says it in other words. */
			snprintf(stated[0], 256, " the %s of %s %s is %s.", fact.relation, fact.first, fact.second,
			         fact.object);
			snprintf(stated[1], 256, " %s %s has the %s %s.", fact.first, fact.second, fact.relation,
			         fact.object);
			snprintf(stated[2], 256, " for %s %s the %s is %s.", fact.first, fact.second, fact.relation,
			         fact.object);
			int forms = 0;
			for (int form = 0; form < 3; form++)
				forms += strstr(joined[0], stated[form]) != NULL;
			assert_in_range(forms, 1, 2);
			free(answer);
		}
	}
	assert_true(in_held_out > all / 2);
	free(joined[0]);
	free(joined[1]);
	close_questions(&text);
}

static void occurrences_are_counted(void **state)
{
	(void)state;
	struct question_text text;
	int64_t counts[FACT_DOMAINS][64] = { { 0 } };
	open_questions(&text, &OPTIONS);
	for (uint64_t number = 0; number < OPTIONS.documents; number++) {
		struct document document;
		size_t count;
		assert_good(generator_document(text.generator, number, &document));
		const struct stated_fact *stated = generator_stated(text.generator, &count);
		for (size_t i = 0; i < count; i++) {
			int held_out = fact_table_held_out_form(generator_facts(text.generator), stated[i].domain,
			                                        stated[i].number);
			assert_true((stated[i].form == held_out) == is_held_out(&document));
			counts[stated[i].domain][stated[i].number] += !is_held_out(&document);
		}
	}
	for (int64_t q = 0; q < OPTIONS.facts; q++) {
		assert_int_equal(text.sets[0].occurrences[q], counts[FACT_FORGET][text.sets[0].fact[q]]);
		assert_int_equal(text.sets[1].occurrences[q], counts[FACT_RETAIN][text.sets[1].fact[q]]);
	}
	/* Both domains are equally frequent, group by group, and the first group most. */
	for (int64_t group = 0; group < 4; group++) {
		double forget = 0, retain = 0;
		for (int64_t i = group * 16; i < group * 16 + 16; i++) {
			forget += (double)counts[FACT_FORGET][i];
			retain += (double)counts[FACT_RETAIN][i];
		}
		assert_true(forget > 0.8 * retain && forget < 1.25 * retain);
		assert_true(group > 0 || forget > 0.4 * 0.8 * (forget + retain) / 2);
	}
	close_questions(&text);
}

/* Whoever does not know the facts is right by chance: the candidates of a group are the same eight, each right once. */
static void nothing_but_the_fact_gives_the_answer_away(void **state)
{
	(void)state;
	struct generate_options options = OPTIONS;
	struct fact_table *table = NULL;
	options.entanglement = 1;
	for (options.candidates = 2; options.candidates <= GROUP_SUBJECTS; options.candidates++) {
		size_t places[GROUP_SUBJECTS] = { 0 };
		assert_good(fact_table_create(&options, &table));
		for (int domain = 0; domain < FACT_DOMAINS; domain++)
			for (int64_t number = 0; number < options.facts; number++) {
				const char *candidates[GROUP_SUBJECTS];
				int correct = -1;
				int64_t offered = 0;
				struct fact fact = fact_table_get(table, (enum fact_domain)domain, number);
				fact_table_candidates(table, (enum fact_domain)domain, number, candidates, &correct);
				assert_string_equal(candidates[correct], fact.object);
				for (int64_t i = 0; i < options.candidates; i++)
					for (int64_t j = 0; j < i; j++)
						assert_string_not_equal(candidates[i], candidates[j]);
				places[correct]++;
				/* The right answer is as often a wrong one, of the others of its group. */
				int64_t first = number - number % (GROUP_SUBJECTS * options.relations);
				for (int64_t member = 0; member < GROUP_SUBJECTS; member++) {
					int64_t other = first + member * options.relations + number % options.relations;
					fact_table_candidates(table, (enum fact_domain)domain, other, candidates,
					                      &correct);
					for (int64_t i = 0; i < options.candidates; i++)
						offered += strcmp(candidates[i], fact.object) == 0;
				}
				assert_int_equal(offered, options.candidates);
			}
		for (int64_t i = 0; i < options.candidates; i++)
			assert_true(places[i] > 0);
		fact_table_destroy(table);
	}
}

/* ---- the file ---- */

static void questions_come_back_from_the_file(void **state)
{
	struct question_text text;
	struct question_set read[QUESTION_SETS];
	const char *path = in_folder(state, "questions.h5");
	struct generate_options options = OPTIONS;
	int count = 0;
	options.questions = 20;
	open_questions(&text, &options);
	assert_good(questions_write(path, text.tokenizer, text.sets));
	assert_good(questions_read(path, tokenizer_hash(text.tokenizer), read, &count));
	assert_int_equal(count, 2);
	for (int i = 0; i < count; i++) {
		const struct question_set *set = &text.sets[i];
		assert_int_equal(read[i].domain, set->domain);
		assert_int_equal(read[i].count, 20);
		assert_int_equal(read[i].candidates, 8);
		assert_memory_equal(read[i].prompts, set->prompts, (size_t)set->prompt_begin[20] * sizeof(int32_t));
		assert_memory_equal(read[i].answer_begin, set->answer_begin, 161 * sizeof(int64_t));
		assert_memory_equal(read[i].answers, set->answers, (size_t)set->answer_begin[160] * sizeof(int32_t));
		assert_memory_equal(read[i].correct, set->correct, 20);
		assert_memory_equal(read[i].occurrences, set->occurrences, 20 * sizeof(int64_t));
		for (int64_t q = 1; q < 20; q++)
			assert_true(read[i].fact[q] > read[i].fact[q - 1]);
		question_set_clear(&read[i]);
	}
	assert_bad(questions_read(path, "another", read, &count), STATUS_DATA, "tokenize again");
	size_t size;
	char *bytes = whole_file(path, &size);
	put_file(path, bytes, size / 2);
	assert_bad(questions_read(path, tokenizer_hash(text.tokenizer), read, &count), STATUS_DATA, "questions.h5");
	free(bytes);
	close_questions(&text);
}

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
		cmocka_unit_test(questions_are_new_sentences_about_stated_facts),
		cmocka_unit_test(occurrences_are_counted),
		cmocka_unit_test(nothing_but_the_fact_gives_the_answer_away),
		cmocka_unit_test_setup_teardown(questions_come_back_from_the_file, make_folder, remove_folder),
		cmocka_unit_test(bad_options_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
