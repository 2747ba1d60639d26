/* Answers to multiple choice questions: in run and state files.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "results/run_tables.h"

/* ---- writing ---- */

static enum status write_array(struct hdf5_writer *writer, const char *group, const char *part, enum hdf5_type type,
                               int64_t count, const void *values, const char *unit, const char *long_name)
{
	char *name = text_format("%s/%s", group, part);
	enum status status = name == NULL ? STATUS_ENVIRONMENT
	                                  : hdf5_write_vector(writer, name, type, count, values, unit, long_name);
	free(name);
	return status;
}

static enum status write_texts(struct hdf5_writer *writer, const char *group, const char *part, size_t count,
                               char *const *texts, const char *long_name)
{
	char *name = text_format("%s/%s", group, part);
	enum status status = name == NULL
	                             ? STATUS_ENVIRONMENT
	                             : hdf5_write_texts(writer, name, count, (const char *const *)texts, long_name);
	free(name);
	return status;
}

static const char *margin_unit(const char *rule)
{
	return strcmp(rule, "bytes") == 0 ? "nats/byte" : "nats";
}

/* Attributes of answers by letters. */
static enum status write_listed(struct hdf5_writer *writer, const char *group, double listed, double valid)
{
	if (isnan(listed))
		return STATUS_OK;
	STATUS_TRY(hdf5_write_real_attribute(writer, group, "letters_probability", listed));
	return hdf5_write_real_attribute(writer, group, "letters_valid", valid);
}

static enum status write_answers(struct hdf5_writer *writer, const char *set, int64_t count,
                                 const struct run_answers *answers)
{
	char *group = text_format("%s/%s", set, answers->rule);
	enum status status = group == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = write_array(writer, group, "correct", HDF5_UINT8, count, answers->correct, "1",
		                     "the right choice was the most probable one");
	if (status == STATUS_OK)
		status = write_array(writer, group, "margin", HDF5_FLOAT32, count, answers->margin,
		                     margin_unit(answers->rule),
		                     "score of the right choice minus the best wrong one; NaN: not asked");
	if (status == STATUS_OK)
		status = hdf5_write_integer_attribute(writer, group, "asked", answers->asked);
	if (status == STATUS_OK)
		status = hdf5_write_real_attribute(writer, group, "accuracy", answers->accuracy);
	if (status == STATUS_OK)
		status = hdf5_write_real_attribute(writer, group, "chance", answers->chance);
	if (status == STATUS_OK)
		status = write_listed(writer, group, answers->listed, answers->valid);
	free(group);
	return status;
}

/* The choice that is right most often, of equals the first: what guessing letters comes to. */
static int most_often_right(const uint8_t *right, int64_t count)
{
	int64_t counts[UINT8_MAX + 1] = { 0 };
	int best = 0;
	for (int64_t q = 0; q < count; q++)
		counts[right[q]]++;
	for (int i = 1; i <= UINT8_MAX; i++)
		best = counts[i] > counts[best] ? i : best;
	return best;
}

/* What each group of questions comes to, for readers without statistics of their own. */
static enum status write_groups(struct hdf5_writer *writer, const char *set, const struct run_questions *questions)
{
	const struct run_own *own = questions->own;
	bool letters = strcmp(own->rule, "letters") == 0;
	int letter = most_often_right(own->right, questions->count);
	int64_t *asked = memory_allocate(own->group_count, sizeof *asked);
	double *accuracy = memory_allocate(own->group_count, sizeof *accuracy);
	double *chance = memory_allocate(own->group_count, sizeof *chance);
	enum status status = asked == NULL || accuracy == NULL || chance == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int64_t q = 0; q < questions->count && status == STATUS_OK; q++) {
		if (isnan(questions->margin[q]))
			continue;
		asked[own->group[q]]++;
		accuracy[own->group[q]] += questions->correct[q];
		chance[own->group[q]] += letters ? own->right[q] == letter : 1.0 / own->choices[q];
	}
	for (size_t i = 0; i < own->group_count && status == STATUS_OK; i++) {
		accuracy[i] = asked[i] > 0 ? accuracy[i] / (double)asked[i] : NAN;
		chance[i] = asked[i] > 0 ? chance[i] / (double)asked[i] : NAN;
	}
	int64_t count = (int64_t)own->group_count;
	if (status == STATUS_OK)
		status = write_array(writer, set, "group_asked", HDF5_INT64, count, asked, "questions",
		                     "questions of each group that were asked");
	if (status == STATUS_OK)
		status = write_array(writer, set, "group_accuracy", HDF5_FLOAT64, count, accuracy, "1",
		                     "share of them that was answered rightly");
	if (status == STATUS_OK)
		status = write_array(writer, set, "group_chance", HDF5_FLOAT64, count, chance, "1",
		                     "the same of guessing");
	free(asked);
	free(accuracy);
	free(chance);
	return status;
}

static enum status write_own(struct hdf5_writer *writer, const char *set, const struct run_questions *questions)
{
	const struct run_own *own = questions->own;
	int64_t count = questions->count;
	STATUS_TRY(write_array(writer, set, "choices", HDF5_UINT8, count, own->choices, "1",
	                       "choices that the question offers"));
	STATUS_TRY(write_array(writer, set, "right", HDF5_UINT8, count, own->right, "1", "the right choice, from 0"));
	STATUS_TRY(write_array(writer, set, "cluster", HDF5_UINT64, count, own->cluster, "1",
	                       "equal where questions belong together"));
	STATUS_TRY(write_array(writer, set, "group", HDF5_INT32, count, own->group, "1", "index into groups"));
	STATUS_TRY(write_texts(writer, set, "groups", own->group_count, own->groups, "names of the groups"));
	STATUS_TRY(write_texts(writer, set, "id", (size_t)count, own->ids, "what the questions are called"));
	STATUS_TRY(write_groups(writer, set, questions));
	for (size_t i = 0; i < own->other_count; i++)
		STATUS_TRY(write_answers(writer, set, count, &own->others[i]));
	STATUS_TRY(write_listed(writer, set, own->listed, own->valid));
	STATUS_TRY(hdf5_write_text_attribute(writer, set, "scoring", own->rule));
	STATUS_TRY(hdf5_write_text_attribute(writer, set, "domain", own->domain));
	return hdf5_write_integer_attribute(writer, set, "asked", own->asked);
}

static enum status write_set(struct hdf5_writer *writer, const char *group, const struct run_questions *questions)
{
	STATUS_TRY(write_array(writer, group, "correct", HDF5_UINT8, questions->count, questions->correct, "1",
	                       "the right answer was the most probable one"));
	STATUS_TRY(write_array(writer, group, "margin", HDF5_FLOAT32, questions->count, questions->margin,
	                       questions->own != NULL ? margin_unit(questions->own->rule) : "nats",
	                       questions->own != NULL
	                               ? "score of the right choice minus the best wrong one; NaN: not asked"
	                               : "log-probability of the right answer minus the best wrong one"));
	if (questions->own != NULL)
		STATUS_TRY(write_own(writer, group, questions));
	else
		STATUS_TRY(write_array(writer, group, "occurrences", HDF5_INT64, questions->count,
		                       questions->occurrences, "sentences",
		                       "sentences of the training set that state the fact"));
	STATUS_TRY(hdf5_write_integer_attribute(writer, group, "questions", questions->count));
	STATUS_TRY(hdf5_write_real_attribute(writer, group, "accuracy", questions->accuracy));
	return hdf5_write_real_attribute(writer, group, "chance", questions->chance);
}

enum status run_questions_write(struct hdf5_writer *writer, const char *prefix, const struct run_results *results)
{
	enum status status = STATUS_OK;
	for (size_t i = 0; i < results->question_count && status == STATUS_OK; i++) {
		char *group = text_format("%squestions/%s", prefix, results->questions[i].set);
		status = group == NULL ? STATUS_ENVIRONMENT : write_set(writer, group, &results->questions[i]);
		free(group);
	}
	return status;
}

/* ---- reading ---- */

static enum status read_array(struct hdf5_reader *reader, const char *group, const char *part, enum hdf5_type type,
                              int64_t expected, void *values_out)
{
	int64_t count = 0;
	void *values = NULL;
	char *name = text_format("%s/%s", group, part);
	enum status status = name == NULL ? STATUS_ENVIRONMENT : hdf5_read_all(reader, name, type, &values, &count);
	if (status == STATUS_OK && count != expected)
		status = error_raise(STATUS_DATA, "%s has %lld rows, not the %lld of its group's attribute questions",
		                     name, (long long)count, (long long)expected);
	free(name);
	if (status == STATUS_OK)
		memcpy(values_out, &values, sizeof values);
	else
		free(values);
	return status;
}

static enum status read_texts(struct hdf5_reader *reader, const char *group, const char *part, char ***texts,
                              size_t *count)
{
	char *name = text_format("%s/%s", group, part);
	enum status status = name == NULL ? STATUS_ENVIRONMENT : hdf5_read_texts(reader, name, texts, count);
	free(name);
	return status;
}

/* NaN where the file does not say. */
static void read_listed(struct hdf5_reader *reader, const char *group, double *listed, double *valid)
{
	*listed = *valid = NAN;
	if (hdf5_read_real_attribute(reader, group, "letters_probability", listed) != STATUS_OK ||
	    hdf5_read_real_attribute(reader, group, "letters_valid", valid) != STATUS_OK)
		error_clear();
}

static enum status read_answers(struct hdf5_reader *reader, const char *set, int64_t count, const char *rule,
                                struct run_answers *answers)
{
	char *group = text_format("%s/%s", set, rule);
	answers->rule = memory_copy_text(rule);
	enum status status = group == NULL || answers->rule == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = read_array(reader, group, "correct", HDF5_UINT8, count, &answers->correct);
	if (status == STATUS_OK)
		status = read_array(reader, group, "margin", HDF5_FLOAT32, count, &answers->margin);
	if (status == STATUS_OK)
		status = hdf5_read_integer_attribute(reader, group, "asked", &answers->asked);
	if (status == STATUS_OK)
		status = hdf5_read_real_attribute(reader, group, "accuracy", &answers->accuracy);
	if (status == STATUS_OK)
		status = hdf5_read_real_attribute(reader, group, "chance", &answers->chance);
	if (status == STATUS_OK)
		read_listed(reader, group, &answers->listed, &answers->valid);
	free(group);
	return status;
}

/* The rules that have a group of answers. */
static enum status read_others(struct hdf5_reader *reader, const char *set, int64_t count, struct run_own *own)
{
	static const char *const rules[] = { "cloze", "bytes", "pmi", "letters" };
	enum { RULES = sizeof rules / sizeof rules[0] };
	own->others = memory_allocate(RULES, sizeof *own->others);
	if (own->others == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < RULES; i++) {
		char *group = text_format("%s/%s", set, rules[i]);
		if (group == NULL)
			return STATUS_ENVIRONMENT;
		bool exists = hdf5_exists(reader, group);
		free(group);
		if (exists)
			STATUS_TRY(read_answers(reader, set, count, rules[i], &own->others[own->other_count++]));
	}
	return STATUS_OK;
}

static enum status read_own(struct hdf5_reader *reader, const char *set, int64_t count, struct run_own *own)
{
	size_t ids = 0;
	STATUS_TRY(hdf5_read_text_attribute(reader, set, "scoring", &own->rule));
	STATUS_TRY(hdf5_read_text_attribute(reader, set, "domain", &own->domain));
	STATUS_TRY(hdf5_read_integer_attribute(reader, set, "asked", &own->asked));
	read_listed(reader, set, &own->listed, &own->valid);
	STATUS_TRY(read_array(reader, set, "choices", HDF5_UINT8, count, &own->choices));
	STATUS_TRY(read_array(reader, set, "right", HDF5_UINT8, count, &own->right));
	STATUS_TRY(read_array(reader, set, "cluster", HDF5_UINT64, count, &own->cluster));
	STATUS_TRY(read_array(reader, set, "group", HDF5_INT32, count, &own->group));
	STATUS_TRY(read_texts(reader, set, "groups", &own->groups, &own->group_count));
	STATUS_TRY(read_texts(reader, set, "id", &own->ids, &ids));
	if ((int64_t)ids != count) {
		hdf5_free_names(own->ids, ids);
		own->ids = NULL;
		return error_raise(STATUS_DATA, "%s/id has %zu rows, not the %lld of its group's attribute questions",
		                   set, ids, (long long)count);
	}
	for (int64_t q = 0; q < count; q++)
		if (own->group[q] < 0 || (size_t)own->group[q] >= own->group_count || own->choices[q] < 2)
			return error_raise(STATUS_DATA, "%s: question %lld has no group or no choices", set,
			                   (long long)q);
	return read_others(reader, set, count, own);
}

static enum status read_set(struct hdf5_reader *reader, const char *group, struct run_questions *read)
{
	char *mark = text_format("%s/choices", group);
	if (mark == NULL)
		return STATUS_ENVIRONMENT;
	bool is_own = hdf5_exists(reader, mark);
	free(mark);
	STATUS_TRY(hdf5_read_integer_attribute(reader, group, "questions", &read->count));
	STATUS_TRY(hdf5_read_real_attribute(reader, group, "accuracy", &read->accuracy));
	STATUS_TRY(hdf5_read_real_attribute(reader, group, "chance", &read->chance));
	STATUS_TRY(read_array(reader, group, "correct", HDF5_UINT8, read->count, &read->correct));
	STATUS_TRY(read_array(reader, group, "margin", HDF5_FLOAT32, read->count, &read->margin));
	if (!is_own)
		return read_array(reader, group, "occurrences", HDF5_INT64, read->count, &read->occurrences);
	read->own = memory_allocate(1, sizeof *read->own);
	return read->own == NULL ? STATUS_ENVIRONMENT : read_own(reader, group, read->count, read->own);
}

enum status run_questions_read(struct hdf5_reader *reader, const char *prefix, struct run_results *results)
{
	char *all = text_format("%squestions", prefix), **sets = NULL;
	size_t count = 0;
	/* Without any question there is no group. */
	enum status status = all == NULL                ? STATUS_ENVIRONMENT
	                     : hdf5_exists(reader, all) ? hdf5_list(reader, all, &sets, &count)
	                                                : STATUS_OK;
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		struct run_questions read = { 0 };
		char *group = text_format("%s/%s", all, sets[i]);
		status = group == NULL ? STATUS_ENVIRONMENT : read_set(reader, group, &read);
		read.set = sets[i];
		if (status == STATUS_OK)
			status = run_results_set_questions(results, &read);
		read.set = NULL;
		run_questions_clear(&read);
		free(group);
	}
	hdf5_free_names(sets, count);
	free(all);
	return status;
}
