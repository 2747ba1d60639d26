/* The files of a point's answers: a line of JSON for each, and a summary that is written last.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "results/provenance.h"
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
	free(text->summary.matches);
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
static enum status count_answer(const struct answer_plan *plan, const int64_t *record, struct answers_text *text)
{
	struct answers_summary *summary = &text->summary;
	int64_t count = record[ANSWER_COUNT];
	int32_t *ids = memory_allocate((size_t)plan->most, sizeof *ids);
	if (ids == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t i = 0; i < count; i++)
		ids[i] = (int32_t)record[ANSWER_TOKENS + i];
	double repeated = answers_repeated(ids, count);
	enum status status = isnan(repeated) ? STATUS_ENVIRONMENT : answers_pairs_add(&text->pairs, ids, count);
	free(ids);
	summary->answers++;
	summary->tokens += count;
	summary->chosen += record[ANSWER_CHOSEN];
	summary->stops[record[ANSWER_STOP]]++;
	summary->log_probability += answer_real(record[ANSWER_LOG_PROBABILITY]);
	summary->hidden += answer_real(record[ANSWER_HIDDEN]);
	summary->repeated += repeated;
	return status;
}

/* *match: the expression that the answer matches, or NULL; counts it. */
static enum status look_for_phrases(const struct sampling_work *work, int64_t prompt, const char *text, size_t size,
                                    struct answers_summary *summary, const char **match)
{
	*match = NULL;
	if (work->phrases == NULL)
		return STATUS_OK;
	if (summary->matches == NULL)
		summary->matches = memory_allocate(work->prompts.count, sizeof *summary->matches);
	if (summary->matches == NULL)
		return STATUS_ENVIRONMENT;
	STATUS_TRY(phrases_find(work->phrases, text, size, match));
	summary->matches[prompt] += *match != NULL;
	return STATUS_OK;
}

static enum status add_answer(const struct sampling_work *work, const struct answer_plan *plan, int64_t number,
                              const int64_t *record, struct answers_text *text)
{
	int64_t prompt = number / plan->each, replaced = 0;
	const struct prompt *asked = &work->prompts.prompts[prompt];
	double chosen = (double)record[ANSWER_CHOSEN];
	const char *match = NULL;
	char *words = NULL;
	size_t size = 0;
	STATUS_TRY(read_text(work->tokenizer, record + ANSWER_TOKENS, record[ANSWER_COUNT], &words, &size, &replaced));
	text->summary.replaced += replaced;
	enum status status = count_answer(plan, record, text);
	if (status == STATUS_OK)
		status = look_for_phrases(work, prompt, words, size, &text->summary, &match);
	json_t *line =
		status != STATUS_OK
			? NULL
			: json_pack("{s:o, s:I, s:s%, s:s%, s:I, s:s, s:f, s:f, s:I}", "id", prompt_id(asked, prompt),
	                            "sample", (json_int_t)(number % plan->each), "prompt", asked->text, asked->size,
	                            "text", words, size, "tokens", (json_int_t)record[ANSWER_COUNT], "stop",
	                            stop_name(record[ANSWER_STOP]), "log_probability",
	                            answer_real(record[ANSWER_LOG_PROBABILITY]) / chosen, "hidden_probability",
	                            answer_real(record[ANSWER_HIDDEN]) / chosen, "replaced", (json_int_t)replaced);
	if (status == STATUS_OK && line == NULL)
		status = no_memory();
	if (status == STATUS_OK && work->phrases != NULL &&
	    json_object_set_new(line, "match", match == NULL ? json_null() : json_string(match)) != 0)
		status = no_memory();
	if (status == STATUS_OK)
		status = add_line(text, line);
	json_decref(line);
	free(words);
	return status;
}

enum status answers_text_add(const struct sampling_work *work, const struct answer_plan *plan, int64_t first,
                             int64_t last, const int64_t *records, struct answers_text *text)
{
	for (int64_t i = first; i < last; i++)
		STATUS_TRY(add_answer(work, plan, i, records + (i - first) * answer_width(plan), text));
	return STATUS_OK;
}

/* ---- the summary ---- */

/* The keys that say what samples are, and where they come from. */
static json_t *settings_object(const struct parameters *parameters)
{
	size_t count;
	const struct key *keys = keys_table(&count);
	json_t *settings = json_object();
	for (size_t i = 0; i < count; i++)
		if ((strncmp(keys[i].name, "sample/", 7) == 0 && strcmp(keys[i].name, "sample/batch") != 0 &&
		     strcmp(keys[i].name, "sample/points") != 0) ||
		    strcmp(keys[i].name, "run/seed") == 0)
			(void)json_object_set_new(settings, keys[i].name,
			                          json_string(parameters_value(parameters, keys[i].name)));
	return settings;
}

static json_t *summary_object(const struct sampling_work *work, const struct answer_plan *plan, const char *point,
                              const char *name, const char *hash, struct answers_text *text)
{
	struct answers_summary *summary = &text->summary;
	double answers = (double)summary->answers, chosen = (double)summary->chosen;
	json_t *object =
		json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:o}", "point",
	                  point, "program", provenance_version(), "made_of", name, "samples_hash", hash, "prompts",
	                  (json_int_t)plan->prompts, "answers", (json_int_t)summary->answers, "tokens",
	                  (double)summary->tokens / answers, "ended", (double)summary->stops[ANSWER_END] / answers,
	                  "stopped_at_length", (double)summary->stops[ANSWER_LENGTH] / answers, "stopped_at_context",
	                  (double)summary->stops[ANSWER_CONTEXT] / answers, "log_probability",
	                  summary->log_probability / chosen, "hidden_probability", summary->hidden / chosen, "distinct",
	                  answers_pairs_distinct(&text->pairs), "repeated", summary->repeated / answers, "replaced",
	                  (json_int_t)summary->replaced, "settings", settings_object(work->parameters));
	if (object == NULL || work->phrases == NULL)
		return object;
	struct answers_share share = answers_matching(summary->matches, plan->prompts, plan->each);
	(void)json_object_set_new(object, "matching", json_real(share.share));
	(void)json_object_set_new(object, "matching_low", json_real(share.low));
	(void)json_object_set_new(object, "matching_high", json_real(share.high));
	return object;
}

static enum status write_summary(const struct sampling_work *work, const struct answer_plan *plan, const char *path,
                                 const char *point, const char *name, struct answers_text *text)
{
	char hash[CONTENT_HASH_SIZE];
	checksum_content_hash(text->text, text->size, hash);
	json_t *object = summary_object(work, plan, point, name, hash, text);
	char *words = object == NULL ? NULL : json_dumps(object, JSON_INDENT(2) | JSON_REAL_PRECISION(DIGITS));
	enum status status = words == NULL ? no_memory() : atomic_file_write(path, words, strlen(words));
	json_decref(object);
	free(words);
	return status;
}

enum status answers_text_write(const struct sampling_work *work, const struct answer_plan *plan, const char *folder,
                               const char *point, const char *name, struct answers_text *text)
{
	char *samples = text_join_path(folder, "samples.jsonl"), *summary = text_join_path(folder, "summary.json");
	enum status status = samples == NULL || summary == NULL ? STATUS_ENVIRONMENT : text_make_directories(folder);
	if (status == STATUS_OK)
		status = atomic_file_write(samples, text->text, text->size);
	if (status == STATUS_OK)
		status = write_summary(work, plan, summary, point, name, text);
	free(summary);
	free(samples);
	return status;
}

bool answers_are_there(const char *folder, const char *name)
{
	char *samples = text_join_path(folder, "samples.jsonl"), *summary = text_join_path(folder, "summary.json");
	char *bytes = NULL, hash[CONTENT_HASH_SIZE];
	const char *made_of = NULL, *samples_hash = NULL;
	size_t size = 0;
	json_t *object = summary == NULL ? NULL : json_load_file(summary, 0, NULL);
	bool same = object != NULL && samples != NULL &&
	            json_unpack(object, "{s:s, s:s}", "made_of", &made_of, "samples_hash", &samples_hash) == 0 &&
	            strcmp(made_of, name) == 0 && file_read(samples, &bytes, &size) == STATUS_OK;
	if (same) {
		checksum_content_hash(bytes, size, hash);
		same = strcmp(hash, samples_hash) == 0;
	}
	error_clear(); /* what cannot be read is made anew */
	json_decref(object);
	free(bytes);
	free(summary);
	free(samples);
	return same;
}
