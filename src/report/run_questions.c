/* Answers to questions, read from a run file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/run_questions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/* All rows of a part of a group, as many as `expected` unless that is negative. values_out: a pointer to an array. */
static enum status read_part(struct hdf5_reader *reader, const char *group, const char *part, enum hdf5_type type,
                             int64_t expected, void *values_out, int64_t *count_out)
{
	void *values = NULL;
	int64_t count = 0;
	char *name = text_format("%s/%s", group, part);
	enum status status = name ? hdf5_read_all(reader, name, type, &values, &count) : STATUS_ENVIRONMENT;
	if (status == STATUS_OK)
		memcpy(values_out, &values, sizeof(values));
	if (status == STATUS_OK && expected >= 0 && count != expected)
		status = error_raise(STATUS_DATA, "%s has %lld rows, not %lld", name, (long long)count,
		                     (long long)expected);
	free(name);
	if (count_out)
		*count_out = count;
	return status;
}

/* Numbers from bytes: `inverse`: 1 / the byte. */
static enum status read_bytes(struct hdf5_reader *reader, const char *group, const char *part, int64_t expected,
                              bool inverse, double **out, int64_t *count)
{
	uint8_t *bytes = NULL;
	STATUS_TRY(read_part(reader, group, part, HDF5_UINT8, expected, &bytes, count));
	*out = memory_allocate((size_t)*count, sizeof(**out));
	for (int64_t i = 0; i < *count && *out; i++)
		(*out)[i] = inverse ? 1.0 / (double)bytes[i] : bytes[i] != 0;
	free(bytes);
	return *out ? STATUS_OK : STATUS_ENVIRONMENT;
}

static bool has_part(struct hdf5_reader *reader, const char *group, const char *part)
{
	char *name = text_format("%s/%s", group, part);
	bool exists = name && hdf5_exists(reader, name);
	free(name);
	return exists;
}

static enum status read_answers(struct hdf5_reader *reader, const char *group, int64_t expected, double **correct,
                                double **margin, int64_t *count)
{
	STATUS_TRY(read_bytes(reader, group, "correct", expected, false, correct, count));
	return read_part(reader, group, "margin", HDF5_FLOAT64, *count, margin, NULL);
}

/* ---- own questions ---- */

static enum status read_others(struct hdf5_reader *reader, const char *group, struct question_set *questions)
{
	static const char *const rules[] = { "cloze", "bytes", "pmi", "letters" };
	enum { RULES = sizeof(rules) / sizeof(rules[0]) };
	questions->others = memory_allocate(RULES, sizeof(*questions->others));
	if (!questions->others)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < RULES; i++) {
		if (!has_part(reader, group, rules[i]))
			continue;
		struct question_answers *answers = &questions->others[questions->other_count++];
		int64_t count;
		char *part = text_format("%s/%s", group, rules[i]);
		answers->rule = memory_copy_text(rules[i]);
		enum status status = part && answers->rule ? read_answers(reader, part, questions->count,
		                                                          &answers->correct, &answers->margin, &count)
		                                           : STATUS_ENVIRONMENT;
		free(part);
		STATUS_TRY(status);
	}
	return STATUS_OK;
}

static enum status read_groups(struct hdf5_reader *reader, const char *group, struct question_set *questions)
{
	char *name = text_format("%s/groups", group);
	enum status status =
		name ? hdf5_read_texts(reader, name, &questions->groups, &questions->group_count) : STATUS_ENVIRONMENT;
	free(name);
	STATUS_TRY(status);
	STATUS_TRY(read_part(reader, group, "group", HDF5_INT32, questions->count, &questions->group, NULL));
	for (int64_t i = 0; i < questions->count; i++)
		if (questions->group[i] < 0 || (size_t)questions->group[i] >= questions->group_count)
			return error_raise(STATUS_DATA, "%s: question %lld has no group", group, (long long)i);
	return STATUS_OK;
}

static enum status read_letters(struct hdf5_reader *reader, const char *group, struct question_set *questions)
{
	int64_t counts[UINT8_MAX + 1] = { 0 };
	int best = 0;
	uint8_t *right = NULL;
	enum status status = read_part(reader, group, "right", HDF5_UINT8, questions->count, &right, NULL);
	if (status == STATUS_OK) {
		questions->one_letter = memory_allocate((size_t)questions->count, sizeof(double));
		status = questions->one_letter ? STATUS_OK : STATUS_ENVIRONMENT;
	}
	for (int64_t q = 0; q < questions->count && status == STATUS_OK; q++)
		counts[right[q]]++;
	for (int i = 1; i <= UINT8_MAX; i++)
		best = counts[i] > counts[best] ? i : best;
	for (int64_t q = 0; q < questions->count && status == STATUS_OK; q++)
		questions->one_letter[q] = right[q] == best;
	free(right);
	return status;
}

static enum status read_own(struct hdf5_reader *reader, const char *group, struct question_set *questions)
{
	int64_t count;
	free(questions->rule);
	questions->rule = NULL;
	STATUS_TRY(hdf5_read_text_attribute(reader, group, "scoring", &questions->rule));
	STATUS_TRY(hdf5_read_text_attribute(reader, group, "domain", &questions->domain));
	STATUS_TRY(read_bytes(reader, group, "choices", questions->count, true, &questions->guessing, &count));
	STATUS_TRY(read_letters(reader, group, questions));
	STATUS_TRY(read_part(reader, group, "cluster", HDF5_UINT64, questions->count, &questions->cluster, NULL));
	STATUS_TRY(read_groups(reader, group, questions));
	return read_others(reader, group, questions);
}

/* ---- sets ---- */

static enum status read_set(struct hdf5_reader *reader, const char *set, struct question_set *questions)
{
	char *group = text_format("questions/%s", set);
	questions->set = memory_copy_text(set);
	questions->rule = memory_copy_text("cloze");
	enum status status = group && questions->set && questions->rule ? STATUS_OK : STATUS_ENVIRONMENT;
	if (status == STATUS_OK)
		status = read_answers(reader, group, -1, &questions->correct, &questions->margin, &questions->count);
	if (status == STATUS_OK && hdf5_read_real_attribute(reader, group, "chance", &questions->chance) != STATUS_OK) {
		questions->chance = NAN;
		error_clear();
	}
	if (status == STATUS_OK && has_part(reader, group, "choices"))
		status = read_own(reader, group, questions);
	free(group);
	return status;
}

enum status run_read_questions(struct hdf5_reader *reader, struct run *run)
{
	char **sets = NULL;
	size_t count = 0;
	if (!hdf5_exists(reader, "questions"))
		return STATUS_OK;
	STATUS_TRY(hdf5_list(reader, "questions", &sets, &count));
	run->questions = memory_allocate(count, sizeof(*run->questions));
	enum status status = run->questions ? STATUS_OK : STATUS_ENVIRONMENT;
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		run->question_count = i + 1;
		status = read_set(reader, sets[i], &run->questions[i]);
	}
	hdf5_free_names(sets, count);
	return status;
}

static void clear_set(struct question_set *questions)
{
	for (size_t i = 0; i < questions->other_count; i++) {
		free(questions->others[i].rule);
		free(questions->others[i].correct);
		free(questions->others[i].margin);
	}
	for (size_t i = 0; i < questions->group_count; i++)
		free(questions->groups[i]);
	free(questions->others);
	free(questions->groups);
	free(questions->set);
	free(questions->correct);
	free(questions->margin);
	free(questions->rule);
	free(questions->domain);
	free(questions->guessing);
	free(questions->one_letter);
	free(questions->cluster);
	free(questions->group);
}

void run_clear_questions(struct run *run)
{
	for (size_t i = 0; i < run->question_count; i++)
		clear_set(&run->questions[i]);
	free(run->questions);
	run->questions = NULL;
	run->question_count = 0;
}

const struct question_set *run_questions(const struct run *run, const char *set)
{
	for (size_t i = 0; i < run->question_count; i++)
		if (strcmp(run->questions[i].set, set) == 0)
			return &run->questions[i];
	return NULL;
}
