/* Keeping questions in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/questions.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

const char *question_set_name(const struct question_set *set)
{
	return set->name != NULL ? set->name : domain_name(set->domain);
}

int64_t question_set_first(const struct question_set *set, int64_t question)
{
	return set->first != NULL ? set->first[question] : question * set->candidates;
}

/* The tokens that lie inside of a range of the text: *first of them to *last - 1. */
static void find_inside(const struct token_span *spans, size_t count, const struct text_range *range, int64_t *inside)
{
	size_t first = 0;
	while (first < count && spans[first].begin < range->begin)
		first++;
	size_t last = first;
	while (last < count && spans[last].end <= range->end)
		last++;
	inside[0] = (int64_t)first;
	inside[1] = range->begin < range->end ? (int64_t)last : (int64_t)first;
}

/* Appends the tokens of a text; begin[slot + 1] is where they end. `inside` (NULL: not asked for): the tokens of a range, of the text. */
static enum status add_text(const struct tokenizer *tokenizer, const char *text, int32_t **tokens, size_t *capacity,
                            int64_t **begin, size_t *begin_capacity, int64_t slot, const struct text_range *range,
                            int64_t *inside)
{
	struct token_span *spans = NULL;
	size_t span_capacity = 0, count = 0;
	enum status status = tokenizer_encode(tokenizer, text, strlen(text), &spans, &span_capacity, &count);
	if (status == STATUS_OK)
		status = memory_grow((void **)begin, begin_capacity, (size_t)slot + 2, sizeof **begin);
	if (status == STATUS_OK && slot == 0)
		(*begin)[0] = 0;
	if (status == STATUS_OK)
		status = memory_grow((void **)tokens, capacity, (size_t)(*begin)[slot] + count, sizeof **tokens);
	for (size_t i = 0; status == STATUS_OK && i < count; i++)
		(*tokens)[(size_t)(*begin)[slot] + i] = spans[i].id;
	if (status == STATUS_OK)
		(*begin)[slot + 1] = (*begin)[slot] + (int64_t)count;
	if (status == STATUS_OK && inside != NULL)
		find_inside(spans, count, range, inside);
	free(spans);
	return status;
}

static enum status add_prompt(struct question_set *set, const struct tokenizer *tokenizer, const char *text,
                              const struct text_range *passage, int64_t *inside)
{
	return add_text(tokenizer, text, &set->prompts, &set->prompt_capacity, &set->prompt_begin,
	                &set->prompt_begin_capacity, set->count, passage, inside);
}

static enum status add_answer(struct question_set *set, const struct tokenizer *tokenizer, const char *text,
                              int64_t slot)
{
	return add_text(tokenizer, text, &set->answers, &set->answer_capacity, &set->answer_begin,
	                &set->answer_begin_capacity, slot, NULL, NULL);
}

enum status question_set_add(struct question_set *set, const struct tokenizer *tokenizer,
                             const struct question *question)
{
	size_t number = (size_t)set->count;
	STATUS_TRY(memory_grow((void **)&set->correct, &set->correct_capacity, number + 1, sizeof *set->correct));
	STATUS_TRY(memory_grow((void **)&set->fact, &set->fact_capacity, number + 1, sizeof *set->fact));
	STATUS_TRY(memory_grow((void **)&set->occurrences, &set->occurrence_capacity, number + 1,
	                       sizeof *set->occurrences));
	STATUS_TRY(memory_grow((void **)&set->texts, &set->text_capacity, number + 1, sizeof *set->texts));
	STATUS_TRY(add_prompt(set, tokenizer, question->prompt, NULL, NULL));
	for (int64_t i = 0; i < set->candidates; i++)
		STATUS_TRY(add_answer(set, tokenizer, question->answers[i], set->count * set->candidates + i));
	char *text = memory_copy_text(question->prompt);
	if (text == NULL)
		return STATUS_ENVIRONMENT;
	set->texts[number] = text;
	set->correct[number] = (uint8_t)question->correct;
	set->fact[number] = question->fact;
	set->occurrences[number] = question->occurrences;
	set->count++;
	return STATUS_OK;
}

/* ---- own questions ---- */

static enum status add_token_text(struct token_texts *texts, const struct tokenizer *tokenizer, const char *text,
                                  const struct text_range *range, int64_t *inside)
{
	STATUS_TRY(add_text(tokenizer, text, &texts->tokens, &texts->token_capacity, &texts->begin,
	                    &texts->begin_capacity, texts->count, range, inside));
	texts->count++;
	return STATUS_OK;
}

static enum status find_group(struct question_set *set, const char *name, int32_t *group)
{
	for (int64_t i = 0; i < set->group_count; i++)
		if (strcmp(set->groups[i], name) == 0) {
			*group = (int32_t)i;
			return STATUS_OK;
		}
	STATUS_TRY(memory_grow((void **)&set->groups, &set->groups_capacity, (size_t)set->group_count + 1,
	                       sizeof *set->groups));
	set->groups[set->group_count] = memory_copy_text(name);
	if (set->groups[set->group_count] == NULL)
		return STATUS_ENVIRONMENT;
	*group = (int32_t)set->group_count++;
	return STATUS_OK;
}

static enum status grow_own(struct question_set *set, size_t count)
{
	STATUS_TRY(memory_grow((void **)&set->correct, &set->correct_capacity, count, sizeof *set->correct));
	STATUS_TRY(memory_grow((void **)&set->group, &set->group_capacity, count, sizeof *set->group));
	STATUS_TRY(memory_grow((void **)&set->cluster, &set->cluster_capacity, count, sizeof *set->cluster));
	STATUS_TRY(memory_grow((void **)&set->first, &set->first_capacity, count + 1, sizeof *set->first));
	STATUS_TRY(memory_grow((void **)&set->ids, &set->id_capacity, count, sizeof *set->ids));
	STATUS_TRY(memory_grow((void **)&set->passages, &set->passage_capacity, 2 * count, sizeof *set->passages));
	STATUS_TRY(memory_grow((void **)&set->letter_passages, &set->letter_passage_capacity, 2 * count,
	                       sizeof *set->letter_passages));
	if (count == 1)
		set->first[0] = 0;
	return STATUS_OK;
}

static enum status add_choices(struct question_set *set, const struct tokenizer *tokenizer,
                               const struct own_question *question)
{
	int64_t first = set->first[set->count];
	STATUS_TRY(memory_grow((void **)&set->answer_bytes, &set->bytes_capacity, (size_t)(first + question->count),
	                       sizeof *set->answer_bytes));
	for (int i = 0; i < question->count; i++) {
		char *text = text_format(" %s", question->choices[i]);
		enum status status = text == NULL ? STATUS_ENVIRONMENT : add_answer(set, tokenizer, text, first + i);
		free(text);
		STATUS_TRY(status);
		set->answer_bytes[first + i] = (int32_t)strlen(question->choices[i]);
	}
	return STATUS_OK;
}

enum status question_set_add_own(struct question_set *set, const struct tokenizer *tokenizer,
                                 const struct own_question *question)
{
	size_t number = (size_t)set->count;
	STATUS_TRY(grow_own(set, number + 1));
	STATUS_TRY(find_group(set, question->group, &set->group[number]));
	STATUS_TRY(add_prompt(set, tokenizer, question->prompt, &question->passage, set->passages + 2 * number));
	STATUS_TRY(add_choices(set, tokenizer, question));
	STATUS_TRY(add_token_text(&set->letter_prompts, tokenizer, question->letter_prompt, &question->letter_passage,
	                          set->letter_passages + 2 * number));
	set->ids[number] = memory_copy_text(question->id);
	if (set->ids[number] == NULL)
		return STATUS_ENVIRONMENT;
	set->first[number + 1] = set->first[number] + question->count;
	set->correct[number] = (uint8_t)question->correct;
	set->cluster[number] = question->cluster;
	if (number == 0)
		set->domain = question->domain;
	else if (set->domain != question->domain)
		set->domain = DOMAIN_COUNT;
	if (question->count > set->candidates)
		set->candidates = question->count;
	set->count++;
	return STATUS_OK;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum status sort_groups(struct question_set *set)
{
	size_t count = (size_t)set->group_count;
	char **sorted = memory_allocate(count, sizeof *sorted);
	int32_t *place = memory_allocate(count, sizeof *place);
	enum status status = sorted == NULL || place == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && count > 0) {
		memcpy(sorted, set->groups, count * sizeof *sorted);
		qsort(sorted, count, sizeof *sorted, compare_texts);
		for (size_t i = 0; i < count; i++) {
			char **found = bsearch(&set->groups[i], sorted, count, sizeof *sorted, compare_texts);
			place[i] = (int32_t)(found - sorted);
		}
		memcpy(set->groups, sorted, count * sizeof *sorted);
		for (int64_t q = 0; q < set->count; q++)
			set->group[q] = place[set->group[q]];
	}
	free(sorted);
	free(place);
	return status;
}

enum status question_set_finish(struct question_set *set, const struct tokenizer *tokenizer, const char *bare_prompt)
{
	for (int64_t i = 0; i < set->candidates; i++)
		STATUS_TRY(
			add_token_text(&set->letters, tokenizer, (char[]){ ' ', (char)('A' + i), '\0' }, NULL, NULL));
	STATUS_TRY(add_token_text(&set->bare, tokenizer, bare_prompt, NULL, NULL));
	return sort_groups(set);
}

/* ---- end ---- */

static void free_texts(char **texts, int64_t count)
{
	for (int64_t i = 0; texts != NULL && i < count; i++)
		free(texts[i]);
	free(texts);
}

static void token_texts_clear(struct token_texts *texts)
{
	free(texts->tokens);
	free(texts->begin);
}

void question_set_clear(struct question_set *set)
{
	free_texts(set->texts, set->count);
	free_texts(set->ids, set->count);
	free_texts(set->groups, set->group_count);
	token_texts_clear(&set->letter_prompts);
	token_texts_clear(&set->letters);
	token_texts_clear(&set->bare);
	free(set->prompts);
	free(set->answers);
	free(set->prompt_begin);
	free(set->answer_begin);
	free(set->correct);
	free(set->fact);
	free(set->occurrences);
	free(set->first);
	free(set->answer_bytes);
	free(set->passages);
	free(set->letter_passages);
	free(set->group);
	free(set->cluster);
	free(set->name);
	*set = (struct question_set){ 0 };
}

void questions_free(struct question_set *sets, int count)
{
	for (int i = 0; i < count; i++)
		question_set_clear(&sets[i]);
	free(sets);
}
