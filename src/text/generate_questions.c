/* Choosing facts and writing their questions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/generate_questions.h"

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

static enum status add_question(const struct generator *generator, const struct tokenizer *tokenizer,
                                enum fact_domain domain, int64_t number, int64_t occurrences, struct question_set *set)
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
                            struct question_set *set)
{
	*set = (struct question_set){ .domain = domain == FACT_FORGET ? DOMAIN_FORGET : DOMAIN_RETAIN,
		                      .candidates = options->candidates };
	uint8_t *chosen = memory_allocate((size_t)options->facts, sizeof *chosen);
	enum status status = chosen == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		choose_facts(options, domain, occurrences, chosen);
	for (int64_t number = 0; number < options->facts && status == STATUS_OK; number++)
		if (chosen[number])
			status = add_question(generator, tokenizer, domain, number, occurrences[number], set);
	free(chosen);
	return status;
}

enum status generate_questions(const struct generate_options *options, const struct tokenizer *tokenizer,
                               struct question_set sets[QUESTION_SETS])
{
	struct generator *generator = NULL;
	int64_t *occurrences[FACT_DOMAINS] = { NULL };
	for (int i = 0; i < QUESTION_SETS; i++)
		sets[i] = (struct question_set){ 0 };
	enum status status = generator_create(options, &generator);
	for (int domain = 0; domain < FACT_DOMAINS && status == STATUS_OK; domain++) {
		occurrences[domain] = memory_allocate((size_t)options->facts, sizeof *occurrences[domain]);
		status = occurrences[domain] == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	}
	if (status == STATUS_OK)
		status = count_occurrences(options, generator, occurrences);
	for (int domain = 0; domain < FACT_DOMAINS && status == STATUS_OK; domain++)
		status = make_set(options, generator, tokenizer, (enum fact_domain)domain, occurrences[domain],
		                  &sets[domain]);
	for (int i = 0; i < FACT_DOMAINS; i++)
		free(occurrences[i]);
	generator_destroy(generator);
	for (int i = 0; i < QUESTION_SETS && status != STATUS_OK; i++)
		question_set_clear(&sets[i]);
	return status;
}
