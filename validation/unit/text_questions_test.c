/* Questions about generated text: the training text answers them, and nothing else gives the answers away.
 * SPDX-License-Identifier: Apache-2.0 */
#include "validation/unit/generate_fixture.h"

#include "base/memory.h"
#include "text/generate_questions.h"
#include "text/tokenize.h"

static bool is_held_out(const struct document *document)
{
	struct tokenize_plan plan = { .seed = OPTIONS.seed, .validation_share = 0.1, .test_share = 0.1 };
	return tokenize_split(&plan, document->key) != SPLIT_TRAIN;
}

struct question_text {
	struct generator *generator;
	struct tokenizer *tokenizer;
	struct question_set sets[QUESTION_SETS];
	char *lines;
};

static void open_questions(struct question_text *text, const struct generate_options *options)
{
	assert_good(generator_create(options, &text->generator));
	text->tokenizer = make_tokenizer("cl100k");
	assert_good(generate_questions(options, text->tokenizer, text->sets, &text->lines));
}

static void close_questions(struct question_text *text)
{
	for (int i = 0; i < QUESTION_SETS; i++)
		question_set_clear(&text->sets[i]);
	free(text->lines);
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
	struct question_set *read = NULL;
	const char *path = in_folder(state, "questions.h5");
	struct generate_options options = OPTIONS;
	int count = 0;
	options.questions = 20;
	open_questions(&text, &options);
	assert_good(questions_write(path, text.tokenizer, text.sets, QUESTION_SETS));
	assert_good(questions_read(path, tokenizer_hash(text.tokenizer), &read, &count));
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
	}
	questions_free(read, count);
	assert_bad(questions_read(path, "another", &read, &count), STATUS_DATA, "tokenize again");
	size_t size;
	char *bytes = whole_file(path, &size);
	put_file(path, bytes, size / 2);
	assert_bad(questions_read(path, tokenizer_hash(text.tokenizer), &read, &count), STATUS_DATA, "questions.h5");
	free(bytes);
	close_questions(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_are_new_sentences_about_stated_facts),
		cmocka_unit_test(occurrences_are_counted),
		cmocka_unit_test(nothing_but_the_fact_gives_the_answer_away),
		cmocka_unit_test_setup_teardown(questions_come_back_from_the_file, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
