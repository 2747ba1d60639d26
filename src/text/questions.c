/* Keeping questions in memory and in questions.h5.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/questions.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "storage/hdf5_file.h"

enum { FORMAT_VERSION = 1 };
static const char format_name[] = "capshape-questions";

/* ---- in memory ---- */

/* Appends the tokens of a text; begin[slot + 1] is where they end. */
static enum status add_text(const struct tokenizer *tokenizer, const char *text, int32_t **tokens, size_t *capacity,
                            int64_t **begin, size_t *begin_capacity, int64_t slot)
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
	free(spans);
	return status;
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
	STATUS_TRY(add_text(tokenizer, question->prompt, &set->prompts, &set->prompt_capacity, &set->prompt_begin,
	                    &set->prompt_begin_capacity, set->count));
	for (int64_t i = 0; i < set->candidates; i++)
		STATUS_TRY(add_text(tokenizer, question->answers[i], &set->answers, &set->answer_capacity,
		                    &set->answer_begin, &set->answer_begin_capacity, set->count * set->candidates + i));
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

void question_set_clear(struct question_set *set)
{
	for (int64_t i = 0; set->texts != NULL && i < set->count; i++)
		free(set->texts[i]);
	free(set->texts);
	free(set->prompts);
	free(set->answers);
	free(set->prompt_begin);
	free(set->answer_begin);
	free(set->correct);
	free(set->fact);
	free(set->occurrences);
	*set = (struct question_set){ 0 };
}

/* ---- writing ---- */

struct array {
	const char *name;
	enum hdf5_type type;
	int64_t count;
	const void *values;
	const char *unit, *long_name;
};

static enum status write_set(struct hdf5_writer *writer, const struct question_set *set)
{
	int64_t answers = set->count * set->candidates;
	const struct array arrays[] = {
		{ "prompt/tokens", HDF5_UINT32, set->prompt_begin[set->count], set->prompts, "1",
		  "tokens of all prompts" },
		{ "prompt/begin", HDF5_INT64, set->count + 1, set->prompt_begin, "tokens",
		  "first token of each prompt" },
		{ "answer/tokens", HDF5_UINT32, set->answer_begin[answers], set->answers, "1",
		  "tokens of all candidates" },
		{ "answer/begin", HDF5_INT64, answers + 1, set->answer_begin, "tokens",
		  "first token of each candidate, those of a question in a row" },
		{ "correct", HDF5_UINT8, set->count, set->correct, "1", "the right candidate" },
		{ "fact", HDF5_INT64, set->count, set->fact, "1", "number of the fact, frequent ones first" },
		{ "occurrences", HDF5_INT64, set->count, set->occurrences, "sentences",
		  "sentences of the training set that state the fact" },
	};
	enum status status = STATUS_OK;
	for (size_t i = 0; i < sizeof arrays / sizeof arrays[0] && status == STATUS_OK; i++) {
		const struct array *array = &arrays[i];
		char *name = text_format("%s/%s", domain_name(set->domain), array->name);
		status = name == NULL ? STATUS_ENVIRONMENT
		                      : hdf5_write_vector(writer, name, array->type, array->count, array->values,
		                                          array->unit, array->long_name);
		free(name);
	}
	char *name = status == STATUS_OK ? text_format("%s/text", domain_name(set->domain)) : NULL;
	if (status == STATUS_OK)
		status = name == NULL ? STATUS_ENVIRONMENT
		                      : hdf5_write_texts(writer, name, (size_t)set->count,
		                                         (const char *const *)set->texts, "the prompts");
	free(name);
	if (status == STATUS_OK)
		status = hdf5_write_integer_attribute(writer, domain_name(set->domain), "questions", set->count);
	if (status == STATUS_OK)
		status = hdf5_write_integer_attribute(writer, domain_name(set->domain), "candidates", set->candidates);
	return status;
}

enum status questions_write(const char *path, const struct tokenizer *tokenizer,
                            const struct question_set sets[QUESTION_SETS])
{
	struct hdf5_writer *writer = NULL;
	STATUS_TRY(hdf5_create(path, &writer));
	enum status status = hdf5_write_text_attribute(writer, "/", "format", format_name);
	if (status == STATUS_OK)
		status = hdf5_write_integer_attribute(writer, "/", "format_version", FORMAT_VERSION);
	if (status == STATUS_OK)
		status = hdf5_write_text_attribute(writer, "/", "tokenizer_hash", tokenizer_hash(tokenizer));
	for (int i = 0; i < QUESTION_SETS && status == STATUS_OK; i++)
		if (sets[i].count > 0)
			status = write_set(writer, &sets[i]);
	if (status == STATUS_OK)
		return hdf5_commit(writer);
	hdf5_abandon(writer);
	return status;
}

/* ---- reading ---- */

static enum status read_array(struct hdf5_reader *reader, const char *path, const char *set, const char *part,
                              enum hdf5_type type, void *values_out, int64_t *count)
{
	void *values = NULL;
	char *name = text_format("%s/%s", set, part);
	enum status status = name == NULL ? STATUS_ENVIRONMENT : hdf5_read_all(reader, name, type, &values, count);
	free(name);
	if (status == STATUS_OK)
		memcpy(values_out, &values, sizeof values);
	return error_context(status, "%s", path);
}

/* `begin` must lead through all tokens without a step back. */
static bool is_index(const int64_t *begin, int64_t parts, int64_t tokens)
{
	for (int64_t i = 0; i < parts; i++)
		if (begin[i + 1] <= begin[i])
			return false;
	return begin[0] == 0 && begin[parts] == tokens;
}

static enum status read_set(struct hdf5_reader *reader, const char *path, struct question_set *set)
{
	const char *name = domain_name(set->domain);
	int64_t counts[7] = { 0 };
	STATUS_TRY(hdf5_read_integer_attribute(reader, name, "questions", &set->count));
	STATUS_TRY(hdf5_read_integer_attribute(reader, name, "candidates", &set->candidates));
	STATUS_TRY(read_array(reader, path, name, "prompt/tokens", HDF5_UINT32, &set->prompts, &counts[0]));
	STATUS_TRY(read_array(reader, path, name, "prompt/begin", HDF5_INT64, &set->prompt_begin, &counts[1]));
	STATUS_TRY(read_array(reader, path, name, "answer/tokens", HDF5_UINT32, &set->answers, &counts[2]));
	STATUS_TRY(read_array(reader, path, name, "answer/begin", HDF5_INT64, &set->answer_begin, &counts[3]));
	STATUS_TRY(read_array(reader, path, name, "correct", HDF5_UINT8, &set->correct, &counts[4]));
	STATUS_TRY(read_array(reader, path, name, "fact", HDF5_INT64, &set->fact, &counts[5]));
	STATUS_TRY(read_array(reader, path, name, "occurrences", HDF5_INT64, &set->occurrences, &counts[6]));
	int64_t questions = set->count, candidates = set->candidates;
	bool good = questions > 0 && candidates > 1 && candidates <= UINT8_MAX && counts[1] == questions + 1 &&
	            counts[3] == questions * candidates + 1 && counts[4] == questions && counts[5] == questions &&
	            counts[6] == questions && is_index(set->prompt_begin, questions, counts[0]) &&
	            is_index(set->answer_begin, questions * candidates, counts[2]);
	for (int64_t i = 0; good && i < questions; i++)
		good = set->correct[i] < candidates;
	return good ? STATUS_OK
	            : error_raise(STATUS_DATA, "%s: the tables of the %s questions do not fit each other", path, name);
}

static enum status check_file(struct hdf5_reader *reader, const char *path, const char *hash)
{
	char *format = NULL, *made_with = NULL;
	int64_t version = 0;
	enum status status = hdf5_read_text_attribute(reader, "/", "format", &format);
	if (status == STATUS_OK)
		status = hdf5_read_integer_attribute(reader, "/", "format_version", &version);
	if (status == STATUS_OK)
		status = hdf5_read_text_attribute(reader, "/", "tokenizer_hash", &made_with);
	if (status == STATUS_OK && (strcmp(format, format_name) != 0 || version != FORMAT_VERSION))
		status = error_raise(STATUS_DATA, "%s: this is not a file of questions of version %d", path,
		                     FORMAT_VERSION);
	if (status == STATUS_OK && strcmp(made_with, hash) != 0)
		status = error_raise(STATUS_DATA,
		                     "%s: the questions were made with the tokenizer %s, the text with %s: tokenize "
		                     "again",
		                     path, made_with, hash);
	free(format);
	free(made_with);
	return status;
}

enum status questions_read(const char *path, const char *tokenizer_hash, struct question_set sets[QUESTION_SETS],
                           int *count)
{
	static const enum domain domains[QUESTION_SETS] = { DOMAIN_FORGET, DOMAIN_RETAIN };
	struct hdf5_reader *reader = NULL;
	int found = 0;
	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = check_file(reader, path, tokenizer_hash);
	for (int i = 0; i < QUESTION_SETS && status == STATUS_OK; i++) {
		if (!hdf5_exists(reader, domain_name(domains[i])))
			continue;
		sets[found] = (struct question_set){ .domain = domains[i] };
		status = read_set(reader, path, &sets[found++]);
	}
	hdf5_close(reader);
	for (int i = 0; i < found && status != STATUS_OK; i++)
		question_set_clear(&sets[i]);
	if (status == STATUS_OK)
		*count = found;
	return status;
}
