/* The files of a point's answers: a line of JSON for each, and the summary, which is written last.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "storage/atomic_file.h"
#include "tasks/sample_parts.h"
#include "text/utf8.h"

enum { DIGITS = 9 };

static const char *stop_name(int64_t stop)
{
	return stop == ANSWER_END ? "end" : stop == ANSWER_LENGTH ? "length" : "context";
}

void answers_text_clear(struct answers_text *text)
{
	free(text->text);
	free(text->tallies);
	answers_pairs_clear(&text->pairs);
	*text = (struct answers_text){ 0 };
}

static enum status no_memory(void)
{
	return error_raise(STATUS_ENVIRONMENT, "no memory for generated text");
}

/* The tokens as UTF-8, from malloc; *replaced grows by the parts that were none, each now U+FFFD. */
static enum status read_text(const struct tokenizer *tokenizer, const int64_t *tokens, int64_t count, char **text_out,
                             size_t *size_out, int64_t *replaced)
{
	char *bytes = NULL;
	size_t size = 0;
	int32_t *ids = memory_allocate((size_t)count + 1, sizeof *ids);
	if (ids == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t i = 0; i < count; i++)
		ids[i] = (int32_t)tokens[i];
	enum status status = tokenizer_decode(tokenizer, ids, (size_t)count, &bytes, &size);
	free(ids);
	STATUS_TRY(status);
	for (size_t at = 0; at < size;) {
		size_t length = utf8_length(bytes + at, size - at);
		*replaced += length == 0;
		at += length > 0 ? length : utf8_broken_length(bytes + at, size - at);
	}
	char *text = memory_allocate(3 * size + 1, 1);
	if (text != NULL) {
		*size_out = utf8_replace(bytes, size, text);
		*text_out = text;
	}
	free(bytes);
	return text == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

static enum status add_line(struct answers_text *text, const json_t *object)
{
	char *line = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS));
	if (line == NULL)
		return no_memory();
	size_t size = strlen(line);
	enum status status =
		memory_grow((void **)&text->text, &text->capacity, text->size + size + 1, sizeof *text->text);
	if (status == STATUS_OK) {
		memcpy(text->text + text->size, line, size);
		text->text[text->size + size] = '\n';
		text->size += size + 1;
	}
	free(line);
	return status;
}

/* The line's "id": that of the prompt, or its number in the file, from 0. */
static json_t *prompt_id(const struct prompt *prompt, int64_t number)
{
	return prompt->id == NULL ? json_integer(number) : json_loads(prompt->id, JSON_DECODE_ANY, NULL);
}

/* What is counted of an answer besides its text. */
static enum status count_answer(const struct answer_plan *plan, const int64_t *record, struct answers_text *text,
                                struct answers_tally *tally)
{
	int64_t count = record[ANSWER_COUNT];
	int32_t *ids = memory_allocate((size_t)plan->most, sizeof *ids);
	if (ids == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t i = 0; i < count; i++)
		ids[i] = (int32_t)record[ANSWER_TOKENS + i];
	double repeated = answers_repeated(ids, count);
	enum status status = isnan(repeated) ? STATUS_ENVIRONMENT : answers_pairs_add(&text->pairs, ids, count);
	free(ids);
	tally->answers++;
	tally->tokens += count;
	tally->chosen += record[ANSWER_CHOSEN];
	tally->stops[record[ANSWER_STOP]]++;
	tally->log_probability += answer_real(record[ANSWER_LOG_PROBABILITY]);
	tally->hidden += answer_real(record[ANSWER_HIDDEN]);
	tally->repeated += repeated;
	return status;
}

/* The turns of a conversation, as its line has them. */
static json_t *messages_of(const struct prompt *prompt)
{
	json_t *messages = json_array();
	for (size_t i = 0; i < prompt->turn_count && messages != NULL; i++) {
		const struct text_turn *turn = &prompt->turns[i];
		(void)json_array_append_new(messages,
		                            json_pack("{s:s, s:s%}", "role", turn_name(turn->role), "content",
		                                      prompt->text + turn->begin, (size_t)(turn->end - turn->begin)));
	}
	return messages;
}

/* The line of an answer whose text is `words`. */
static json_t *answer_object(const struct sampling_work *work, const struct answer_plan *plan, int64_t number,
                             const int64_t *record, const char *words, size_t size, int64_t replaced, const char *match)
{
	int64_t prompt = number / plan->each;
	const struct prompt *asked = &work->prompts.prompts[prompt];
	double chosen = (double)record[ANSWER_CHOSEN];
	/* Of a conversation what is answered: the last turn. */
	const struct text_turn *last = asked->turns != NULL ? &asked->turns[asked->turn_count - 1] : NULL;
	const char *said = last != NULL ? asked->text + last->begin : asked->text;
	size_t said_size = last != NULL ? last->end - last->begin : asked->size;
	json_t *line =
		json_pack("{s:o, s:I, s:s%, s:s%, s:I, s:s, s:f, s:f, s:I}", "id", prompt_id(asked, prompt), "sample",
	                  (json_int_t)(number % plan->each), "prompt", said, said_size, "text", words, size, "tokens",
	                  (json_int_t)record[ANSWER_COUNT], "stop", stop_name(record[ANSWER_STOP]), "log_probability",
	                  answer_real(record[ANSWER_LOG_PROBABILITY]) / chosen, "hidden_probability",
	                  answer_real(record[ANSWER_HIDDEN]) / chosen, "replaced", (json_int_t)replaced);
	if (line != NULL && asked->turns != NULL)
		(void)json_object_set_new(line, "messages", messages_of(asked));
	if (line != NULL && asked->group != NULL)
		(void)json_object_set_new(line, "group", json_string(asked->group));
	if (line != NULL && work->phrases != NULL)
		(void)json_object_set_new(line, "match", match == NULL ? json_null() : json_string(match));
	return line;
}

static enum status add_answer(const struct sampling_work *work, const struct answer_plan *plan, int64_t number,
                              const int64_t *record, struct answers_text *text)
{
	struct answers_tally *tally = &text->tallies[number / plan->each];
	const char *match = NULL;
	char *words = NULL;
	size_t size = 0;
	int64_t replaced = 0;
	STATUS_TRY(read_text(work->tokenizer, record + ANSWER_TOKENS, record[ANSWER_COUNT], &words, &size, &replaced));
	tally->replaced += replaced;
	enum status status = count_answer(plan, record, text, tally);
	if (status == STATUS_OK && work->phrases != NULL)
		status = phrases_find(work->phrases, words, size, &match);
	tally->matches += match != NULL;
	if (status == STATUS_OK) {
		json_t *line = answer_object(work, plan, number, record, words, size, replaced, match);
		status = line == NULL ? no_memory() : add_line(text, line);
		json_decref(line);
	}
	free(words);
	return status;
}

enum status answers_text_add(const struct sampling_work *work, const struct answer_plan *plan, int64_t first,
                             int64_t last, const int64_t *records, struct answers_text *text)
{
	if (text->tallies == NULL)
		text->tallies = memory_allocate(work->prompts.count, sizeof *text->tallies);
	if (text->tallies == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t i = first; i < last; i++)
		STATUS_TRY(add_answer(work, plan, i, records + (i - first) * answer_width(plan), text));
	return STATUS_OK;
}

int64_t answers_text_chosen(const struct sampling_work *work, const struct answers_text *text)
{
	int64_t sum = 0;
	for (size_t i = 0; i < work->prompts.count; i++)
		sum += text->tallies[i].chosen;
	return sum;
}

enum status answers_text_write(const struct sampling_work *work, const struct answer_plan *plan, const char *folder,
                               const char *point, const char *name, struct answers_text *text)
{
	char *samples = text_join_path(folder, "samples.jsonl"), *summary = text_join_path(folder, "summary.json");
	char hash[CONTENT_HASH_SIZE], *words = NULL;
	checksum_content_hash(text->text, text->size, hash);
	enum status status = samples == NULL || summary == NULL ? STATUS_ENVIRONMENT : text_make_directories(folder);
	if (status == STATUS_OK)
		status = answers_summary_make(work, plan, point, name, hash, text, &words);
	if (status == STATUS_OK)
		status = atomic_file_write(samples, text->text, text->size);
	if (status == STATUS_OK)
		status = atomic_file_write(summary, words, strlen(words));
	free(words);
	free(summary);
	free(samples);
	return status;
}
