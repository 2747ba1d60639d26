/* Keeping questions in questions.h5.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "storage/hdf5_file.h"
#include "text/questions.h"

enum { FACTS_VERSION = 1, OWN_VERSION = 2 };
static const char format_name[] = "capshape-questions";

/* ---- writing ---- */

struct array {
	const char *name;
	enum hdf5_type type;
	int64_t count;
	const void *values;
	const char *unit, *long_name;
};

static enum status write_arrays(struct hdf5_writer *writer, const char *set, const struct array *arrays, size_t count)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		char *name = text_format("%s/%s", set, arrays[i].name);
		status = name == NULL ? STATUS_ENVIRONMENT
		                      : hdf5_write_vector(writer, name, arrays[i].type, arrays[i].count,
		                                          arrays[i].values, arrays[i].unit, arrays[i].long_name);
		free(name);
	}
	return status;
}

static enum status write_texts(struct hdf5_writer *writer, const char *set, const char *part, int64_t count,
                               char *const *texts, const char *long_name)
{
	char *name = text_format("%s/%s", set, part);
	enum status status =
		name == NULL ? STATUS_ENVIRONMENT
			     : hdf5_write_texts(writer, name, (size_t)count, (const char *const *)texts, long_name);
	free(name);
	return status;
}

static enum status write_facts(struct hdf5_writer *writer, const char *name, const struct question_set *set)
{
	const struct array arrays[] = {
		{ "fact", HDF5_INT64, set->count, set->fact, "1", "number of the fact, frequent ones first" },
		{ "occurrences", HDF5_INT64, set->count, set->occurrences, "sentences",
		  "sentences of the training set that state the fact" },
	};
	STATUS_TRY(write_arrays(writer, name, arrays, sizeof arrays / sizeof arrays[0]));
	return write_texts(writer, name, "text", set->count, set->texts, "the prompts");
}

static bool has_passages(const struct question_set *set)
{
	bool found = false;
	for (int64_t q = 0; q < set->count && set->passages != NULL; q++)
		found = found || set->passages[2 * q] < set->passages[2 * q + 1] ||
		        set->letter_passages[2 * q] < set->letter_passages[2 * q + 1];
	return found;
}

static enum status write_own(struct hdf5_writer *writer, const char *name, const struct question_set *set)
{
	const struct token_texts *prompts = &set->letter_prompts, *letters = &set->letters, *bare = &set->bare;
	const struct array arrays[] = {
		{ "answer/first", HDF5_INT64, set->count + 1, set->first, "1",
		  "number of the first candidate of each question" },
		{ "answer/bytes", HDF5_INT32, set->first[set->count], set->answer_bytes, "bytes",
		  "length of each candidate's text" },
		{ "letter_prompt/tokens", HDF5_UINT32, prompts->begin[prompts->count], prompts->tokens, "1",
		  "tokens of all prompts that list the choices" },
		{ "letter_prompt/begin", HDF5_INT64, prompts->count + 1, prompts->begin, "tokens",
		  "first token of each of these prompts" },
		{ "letter/tokens", HDF5_UINT32, letters->begin[letters->count], letters->tokens, "1",
		  "tokens of the letters" },
		{ "letter/begin", HDF5_INT64, letters->count + 1, letters->begin, "tokens",
		  "first token of each letter" },
		{ "bare/tokens", HDF5_UINT32, bare->begin[1], bare->tokens, "1",
		  "tokens of the prompt without a question" },
		{ "bare/begin", HDF5_INT64, 2, bare->begin, "tokens", "first token of the prompt without a question" },
		{ "group", HDF5_INT32, set->count, set->group, "1", "index into groups" },
		{ "cluster", HDF5_UINT64, set->count, set->cluster, "1", "equal where questions belong together" },
	};
	const struct array passages[] = {
		{ "passage", HDF5_INT64, 2 * set->count, set->passages, "tokens",
		  "where the passage begins and ends in each prompt" },
		{ "letter_passage", HDF5_INT64, 2 * set->count, set->letter_passages, "tokens",
		  "where the passage begins and ends in each prompt that lists the choices" },
	};
	const char *domain = set->domain == DOMAIN_COUNT ? "" : domain_name(set->domain);
	STATUS_TRY(write_arrays(writer, name, arrays, sizeof arrays / sizeof arrays[0]));
	if (has_passages(set))
		STATUS_TRY(write_arrays(writer, name, passages, sizeof passages / sizeof passages[0]));
	STATUS_TRY(write_texts(writer, name, "groups", set->group_count, set->groups, "names of the groups"));
	STATUS_TRY(write_texts(writer, name, "id", set->count, set->ids, "what the questions are called"));
	return hdf5_write_text_attribute(writer, name, "domain", domain);
}

static enum status write_set(struct hdf5_writer *writer, const struct question_set *set)
{
	const char *name = question_set_name(set);
	int64_t answers = question_set_first(set, set->count);
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
	};
	STATUS_TRY(write_arrays(writer, name, arrays, sizeof arrays / sizeof arrays[0]));
	STATUS_TRY(set->name == NULL ? write_facts(writer, name, set) : write_own(writer, name, set));
	STATUS_TRY(hdf5_write_integer_attribute(writer, name, "questions", set->count));
	return hdf5_write_integer_attribute(writer, name, "candidates", set->candidates);
}

enum status questions_write(const char *path, const struct tokenizer *tokenizer, const struct question_set *sets,
                            size_t count)
{
	struct hdf5_writer *writer = NULL;
	int64_t version = FACTS_VERSION;
	for (size_t i = 0; i < count; i++)
		if (sets[i].name != NULL)
			version = OWN_VERSION;
	STATUS_TRY(hdf5_create(path, &writer));
	enum status status = hdf5_write_text_attribute(writer, "/", "format", format_name);
	if (status == STATUS_OK)
		status = hdf5_write_integer_attribute(writer, "/", "format_version", version);
	if (status == STATUS_OK)
		status = hdf5_write_text_attribute(writer, "/", "tokenizer_hash", tokenizer_hash(tokenizer));
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		if (sets[i].count > 0)
			status = write_set(writer, &sets[i]);
	if (status == STATUS_OK)
		return hdf5_commit(writer);
	hdf5_abandon(writer);
	return status;
}

/* ---- reading ---- */

struct reading {
	struct hdf5_reader *reader;
	const char *path, *set;
	bool fits; /* so far all tables have as many rows as they should */
};

/* values_out: a pointer to an array. `expected` < 0: any; the number found is returned in *count. */
static enum status read_array(struct reading *reading, const char *part, enum hdf5_type type, int64_t expected,
                              void *values_out, int64_t *count_out)
{
	void *values = NULL;
	int64_t count = 0;
	char *name = text_format("%s/%s", reading->set, part);
	enum status status =
		name == NULL ? STATUS_ENVIRONMENT : hdf5_read_all(reading->reader, name, type, &values, &count);
	free(name);
	if (status == STATUS_OK)
		memcpy(values_out, &values, sizeof values);
	if (status == STATUS_OK && expected >= 0 && count != expected)
		reading->fits = false;
	if (count_out != NULL)
		*count_out = count;
	return error_context(status, "%s", reading->path);
}

static enum status read_texts(struct reading *reading, const char *part, char ***texts, size_t *count)
{
	char *name = text_format("%s/%s", reading->set, part);
	enum status status = name == NULL ? STATUS_ENVIRONMENT : hdf5_read_texts(reading->reader, name, texts, count);
	free(name);
	return error_context(status, "%s", reading->path);
}

/* `begin` must lead through all tokens without a step back; `least` tokens each. */
static bool is_index(const int64_t *begin, int64_t parts, int64_t tokens, int64_t least)
{
	for (int64_t i = 0; i < parts; i++)
		if (begin[i + 1] < begin[i] + least)
			return false;
	return begin[0] == 0 && begin[parts] == tokens;
}

static enum status read_token_texts(struct reading *reading, const char *part, int64_t count, int64_t least,
                                    struct token_texts *texts)
{
	int64_t tokens = 0;
	char *token_part = text_format("%s/tokens", part), *begin_part = text_format("%s/begin", part);
	enum status status = token_part == NULL || begin_part == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = read_array(reading, token_part, HDF5_UINT32, -1, &texts->tokens, &tokens);
	if (status == STATUS_OK)
		status = read_array(reading, begin_part, HDF5_INT64, count + 1, &texts->begin, NULL);
	free(token_part);
	free(begin_part);
	texts->count = count;
	if (status == STATUS_OK && reading->fits)
		reading->fits = is_index(texts->begin, count, tokens, least);
	return status;
}

static enum status read_facts(struct reading *reading, struct question_set *set)
{
	STATUS_TRY(read_array(reading, "fact", HDF5_INT64, set->count, &set->fact, NULL));
	return read_array(reading, "occurrences", HDF5_INT64, set->count, &set->occurrences, NULL);
}

static enum status read_names(struct reading *reading, struct question_set *set)
{
	size_t groups = 0, ids = 0;
	enum status status = read_texts(reading, "groups", &set->groups, &groups);
	set->group_count = (int64_t)groups;
	STATUS_TRY(status);
	status = read_texts(reading, "id", &set->ids, &ids);
	if (status == STATUS_OK && (int64_t)ids != set->count) {
		hdf5_free_names(set->ids, ids);
		set->ids = NULL;
		reading->fits = false;
	}
	return status;
}

static enum status read_domain(struct reading *reading, struct question_set *set)
{
	char *name = NULL;
	STATUS_TRY(hdf5_read_text_attribute(reading->reader, reading->set, "domain", &name));
	set->domain = DOMAIN_COUNT;
	enum status status = name[0] == '\0' ? STATUS_OK : domain_from_name(name, &set->domain);
	free(name);
	return status;
}

/* Where there are any; they must lie in their prompts, whose tables have been read. */
static enum status read_passages(struct reading *reading, const char *part, const int64_t *begin, int64_t count,
                                 int64_t **passages)
{
	char *name = text_format("%s/%s", reading->set, part);
	if (name == NULL)
		return STATUS_ENVIRONMENT;
	bool exists = hdf5_exists(reading->reader, name);
	free(name);
	if (!exists)
		return STATUS_OK;
	STATUS_TRY(read_array(reading, part, HDF5_INT64, 2 * count, passages, NULL));
	for (int64_t q = 0; q < count && reading->fits; q++)
		reading->fits = (*passages)[2 * q] >= 0 && (*passages)[2 * q] <= (*passages)[2 * q + 1] &&
		                (*passages)[2 * q + 1] <= begin[q + 1] - begin[q];
	return STATUS_OK;
}

/* `answers`: of all questions. */
static enum status read_own(struct reading *reading, struct question_set *set, int64_t answers)
{
	STATUS_TRY(read_array(reading, "answer/bytes", HDF5_INT32, answers, &set->answer_bytes, NULL));
	STATUS_TRY(read_token_texts(reading, "letter_prompt", set->count, 1, &set->letter_prompts));
	STATUS_TRY(read_token_texts(reading, "letter", set->candidates, 1, &set->letters));
	STATUS_TRY(read_token_texts(reading, "bare", 1, 0, &set->bare));
	STATUS_TRY(read_array(reading, "group", HDF5_INT32, set->count, &set->group, NULL));
	STATUS_TRY(read_array(reading, "cluster", HDF5_UINT64, set->count, &set->cluster, NULL));
	if (reading->fits)
		STATUS_TRY(read_passages(reading, "passage", set->prompt_begin, set->count, &set->passages));
	if (reading->fits)
		STATUS_TRY(read_passages(reading, "letter_passage", set->letter_prompts.begin, set->count,
		                         &set->letter_passages));
	STATUS_TRY(read_names(reading, set));
	for (int64_t q = 0; q < set->count && reading->fits; q++)
		reading->fits = set->group[q] >= 0 && set->group[q] < set->group_count;
	return read_domain(reading, set);
}

/* How many candidates there are, and where those of each question begin. */
static enum status read_first(struct reading *reading, struct question_set *set, int64_t *answers)
{
	*answers = set->count * set->candidates;
	if (set->name == NULL)
		return STATUS_OK;
	STATUS_TRY(read_array(reading, "answer/first", HDF5_INT64, set->count + 1, &set->first, NULL));
	if (reading->fits)
		*answers = set->first[set->count];
	reading->fits = reading->fits && is_index(set->first, set->count, *answers, 2);
	return STATUS_OK;
}

static enum status read_tables(struct reading *reading, struct question_set *set)
{
	int64_t answers = 0, prompt_tokens = 0, answer_tokens = 0;
	STATUS_TRY(hdf5_read_integer_attribute(reading->reader, reading->set, "questions", &set->count));
	STATUS_TRY(hdf5_read_integer_attribute(reading->reader, reading->set, "candidates", &set->candidates));
	reading->fits = set->count > 0 && set->candidates > 1 && set->candidates <= UINT8_MAX;
	if (!reading->fits)
		return STATUS_OK;
	STATUS_TRY(read_first(reading, set, &answers));
	STATUS_TRY(read_array(reading, "prompt/tokens", HDF5_UINT32, -1, &set->prompts, &prompt_tokens));
	STATUS_TRY(read_array(reading, "prompt/begin", HDF5_INT64, set->count + 1, &set->prompt_begin, NULL));
	STATUS_TRY(read_array(reading, "answer/tokens", HDF5_UINT32, -1, &set->answers, &answer_tokens));
	STATUS_TRY(read_array(reading, "answer/begin", HDF5_INT64, answers + 1, &set->answer_begin, NULL));
	STATUS_TRY(read_array(reading, "correct", HDF5_UINT8, set->count, &set->correct, NULL));
	STATUS_TRY(set->name == NULL ? read_facts(reading, set) : read_own(reading, set, answers));
	reading->fits = reading->fits && is_index(set->prompt_begin, set->count, prompt_tokens, 1) &&
	                is_index(set->answer_begin, answers, answer_tokens, 1);
	for (int64_t q = 0; reading->fits && q < set->count; q++)
		reading->fits = set->correct[q] < question_set_first(set, q + 1) - question_set_first(set, q);
	return STATUS_OK;
}

static enum status read_set(struct hdf5_reader *reader, const char *path, const char *name, struct question_set *set)
{
	struct reading reading = { reader, path, name, true };
	char *own = text_format("%s/answer/first", name);
	if (own == NULL)
		return STATUS_ENVIRONMENT;
	bool has_name = hdf5_exists(reader, own);
	free(own);
	if (!has_name)
		STATUS_TRY(error_context(domain_from_name(name, &set->domain), "%s", path));
	set->name = has_name ? memory_copy_text(name) : NULL;
	if (has_name && set->name == NULL)
		return STATUS_ENVIRONMENT;
	STATUS_TRY(read_tables(&reading, set));
	return reading.fits ? STATUS_OK
	                    : error_raise(STATUS_DATA, "%s: the tables of the %s questions do not fit each other", path,
	                                  name);
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
	if (status == STATUS_OK &&
	    (strcmp(format, format_name) != 0 || version < FACTS_VERSION || version > OWN_VERSION))
		status = error_raise(STATUS_DATA, "%s: this is not a file of questions of version %d or %d", path,
		                     FACTS_VERSION, OWN_VERSION);
	if (status == STATUS_OK && strcmp(made_with, hash) != 0)
		status = error_raise(STATUS_DATA,
		                     "%s: the questions were made with the tokenizer %s, the text with %s: tokenize "
		                     "again",
		                     path, made_with, hash);
	free(format);
	free(made_with);
	return status;
}

static enum status read_sets(struct hdf5_reader *reader, const char *path, struct question_set **sets, int *count)
{
	char **names = NULL;
	size_t name_count = 0;
	STATUS_TRY(hdf5_list(reader, "/", &names, &name_count));
	struct question_set *all = memory_allocate(name_count, sizeof *all);
	enum status status = all == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	int found = 0;
	for (size_t i = 0; i < name_count && status == STATUS_OK; i++)
		status = read_set(reader, path, names[i], &all[found++]);
	hdf5_free_names(names, name_count);
	if (status != STATUS_OK) {
		questions_free(all, found);
		return status;
	}
	*sets = all;
	*count = found;
	return STATUS_OK;
}

enum status questions_read(const char *path, const char *tokenizer_hash, struct question_set **sets, int *count)
{
	struct hdf5_reader *reader = NULL;
	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = check_file(reader, path, tokenizer_hash);
	if (status == STATUS_OK)
		status = read_sets(reader, path, sets, count);
	hdf5_close(reader);
	return status;
}
