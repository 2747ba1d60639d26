/* Choosing facts and writing their questions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/generate_questions.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "text/generate_text.h"
#include "text/tokenize.h"

/* Sentences of the training documents that state each fact. */
static enum status count_occurrences(const struct generate_options *options, struct generator *generator,
                                     int64_t *occurrences[FACT_DOMAINS])
{
	struct tokenize_plan split = { .seed = options->seed,
		                       .validation_share = options->validation_share,
		                       .test_share = options->test_share };
	for (uint64_t number = 0; number < options->documents; number++) {
		struct document document;
		size_t count;
		STATUS_TRY(generator_document(generator, number, &document));
		if (tokenize_split(&split, document.key) != SPLIT_TRAIN)
			continue;
		const struct stated_fact *stated = generator_stated(generator, &count);
		for (size_t i = 0; i < count; i++)
			occurrences[stated[i].domain][stated[i].number]++;
	}
	return STATUS_OK;
}

/* A line of the file; `question` is about fact `number` of the domain. */
static enum status write_line(FILE *lines, const struct generator *generator, enum fact_domain domain,
                              const struct question *question, int64_t count)
{
	const char *name = domain == FACT_FORGET ? "forget" : "retain";
	char *passage = generator_passage(generator, domain, question->fact);
	char id[48], set[32];
	snprintf(id, sizeof id, "%s %" PRId64, name, question->fact);
	snprintf(set, sizeof set, "facts-%s", name);
	json_t *choices = json_array();
	for (int64_t i = 0; i < count && choices != NULL; i++) /* without the blank before it */
		(void)json_array_append_new(choices, json_string(question->answers[i] + 1));
	json_t *line = passage == NULL ? NULL
	                               : json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:i}", "set", set, "domain", name,
	                                           "id", id, "context", passage, "question", question->prompt + 1,
	                                           "choices", choices, "answer", question->correct);
	bool written = line != NULL && json_dumpf(line, lines, 0) == 0 && fputc('\n', lines) != EOF;
	if (line == NULL)
		json_decref(choices);
	json_decref(line);
	free(passage);
	return written ? STATUS_OK : error_raise(STATUS_ENVIRONMENT, "there is no memory for the lines of questions");
}

static enum status add_question(const struct generator *generator, const struct tokenizer *tokenizer,
                                enum fact_domain domain, int64_t number, int64_t occurrences, struct question_set *set,
                                FILE *lines)
{
	const char *words[GROUP_SUBJECTS];
	char *answers[GROUP_SUBJECTS] = { NULL };
	struct question question = { .answers = (const char *const *)answers,
		                     .fact = number,
		                     .occurrences = occurrences };
	fact_table_candidates(generator_facts(generator), domain, number, words, &question.correct);
	char *prompt = generator_prompt(generator, domain, number);
	enum status status = prompt == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int64_t i = 0; i < set->candidates && status == STATUS_OK; i++) {
		/* With the full stop, so that no candidate is the beginning of another. */
		answers[i] = text_format(" %s.", words[i]);
		status = answers[i] == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	}
	question.prompt = prompt;
	if (status == STATUS_OK)
		status = question_set_add(set, tokenizer, &question);
	if (status == STATUS_OK)
		status = write_line(lines, generator, domain, &question, set->candidates);
	for (int i = 0; i < GROUP_SUBJECTS; i++)
		free(answers[i]);
	free(prompt);
	return status;
}

/* Marks up to `most` of the facts that occur: those that come first in a random order. */
static void choose_facts(const struct generate_options *options, enum fact_domain domain, const int64_t *occurrences,
                         uint8_t *chosen)
{
	int64_t left = options->questions;
	for (int64_t i = 0; i < options->facts && left > 0; i++) {
		uint64_t number = random_permute(options->seed, RANDOM_TEXT, UINT64_MAX - (uint64_t)domain,
		                                 (uint64_t)options->facts, (uint64_t)i);
		chosen[number] = occurrences[number] > 0;
		left -= chosen[number];
	}
}

static enum status make_set(const struct generate_options *options, const struct generator *generator,
                            const struct tokenizer *tokenizer, enum fact_domain domain, const int64_t *occurrences,
                            struct question_set *set, FILE *lines)
{
	*set = (struct question_set){ .domain = domain == FACT_FORGET ? DOMAIN_FORGET : DOMAIN_RETAIN,
		                      .candidates = options->candidates };
	uint8_t *chosen = memory_allocate((size_t)options->facts, sizeof *chosen);
	enum status status = chosen == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		choose_facts(options, domain, occurrences, chosen);
	for (int64_t number = 0; number < options->facts && status == STATUS_OK; number++)
		if (chosen[number])
			status = add_question(generator, tokenizer, domain, number, occurrences[number], set, lines);
	free(chosen);
	return status;
}

static enum status make_sets(const struct generate_options *options, const struct tokenizer *tokenizer,
                             struct question_set sets[QUESTION_SETS], FILE *lines)
{
	struct generator *generator = NULL;
	int64_t *occurrences[FACT_DOMAINS] = { NULL };
	enum status status = generator_create(options, &generator);
	for (int domain = 0; domain < FACT_DOMAINS && status == STATUS_OK; domain++) {
		occurrences[domain] = memory_allocate((size_t)options->facts, sizeof *occurrences[domain]);
		status = occurrences[domain] == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	}
	if (status == STATUS_OK)
		status = count_occurrences(options, generator, occurrences);
	for (int domain = 0; domain < FACT_DOMAINS && status == STATUS_OK; domain++)
		status = make_set(options, generator, tokenizer, (enum fact_domain)domain, occurrences[domain],
		                  &sets[domain], lines);
	for (int i = 0; i < FACT_DOMAINS; i++)
		free(occurrences[i]);
	generator_destroy(generator);
	return status;
}

enum status generate_questions(const struct generate_options *options, const struct tokenizer *tokenizer,
                               struct question_set sets[QUESTION_SETS], char **lines)
{
	size_t size = 0;
	*lines = NULL;
	for (int i = 0; i < QUESTION_SETS; i++)
		sets[i] = (struct question_set){ 0 };
	FILE *stream = open_memstream(lines, &size);
	if (stream == NULL)
		return error_raise(STATUS_ENVIRONMENT, "there is no memory for the lines of questions");
	enum status status = make_sets(options, tokenizer, sets, stream);
	if (fclose(stream) != 0 && status == STATUS_OK)
		status = error_raise(STATUS_ENVIRONMENT, "there is no memory for the lines of questions");
	if (status == STATUS_OK)
		return STATUS_OK;
	for (int i = 0; i < QUESTION_SETS; i++)
		question_set_clear(&sets[i]);
	free(*lines);
	*lines = NULL;
	return status;
}
