/* Answers to recall questions: in memory and in the file.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "results/run_tables.h"

static void *copy_bytes(const void *bytes, size_t size)
{
	void *copy = memory_allocate(size, 1);
	if (copy != NULL && size > 0)
		memcpy(copy, bytes, size);
	return copy;
}

static void clear(struct run_questions *questions)
{
	free(questions->set);
	free(questions->correct);
	free(questions->margin);
	free(questions->occurrences);
	*questions = (struct run_questions){ 0 };
}

/* The place of a set, made in its place of the alphabet when it is new. */
static enum status find_place(struct run_results *results, const char *set, struct run_questions **place_out)
{
	size_t place = 0;
	while (place < results->question_count && strcmp(results->questions[place].set, set) < 0)
		place++;
	if (place == results->question_count || strcmp(results->questions[place].set, set) != 0) {
		void *array = results->questions;
		STATUS_TRY(memory_grow(&array, &results->question_capacity, results->question_count + 1,
		                       sizeof *results->questions));
		results->questions = array;
		memmove(results->questions + place + 1, results->questions + place,
		        (results->question_count - place) * sizeof *results->questions);
		results->questions[place] = (struct run_questions){ 0 };
		results->question_count++;
	}
	*place_out = &results->questions[place];
	return STATUS_OK;
}

enum status run_results_set_questions(struct run_results *results, const struct run_questions *questions)
{
	size_t count = (size_t)questions->count;
	struct run_questions *place, copy = *questions;
	copy.set = memory_copy_text(questions->set);
	copy.correct = copy_bytes(questions->correct, count * sizeof *copy.correct);
	copy.margin = copy_bytes(questions->margin, count * sizeof *copy.margin);
	copy.occurrences = copy_bytes(questions->occurrences, count * sizeof *copy.occurrences);
	enum status status = copy.set == NULL || copy.correct == NULL || copy.margin == NULL || copy.occurrences == NULL
	                             ? STATUS_ENVIRONMENT
	                             : find_place(results, questions->set, &place);
	if (status != STATUS_OK) {
		clear(&copy);
		return status;
	}
	clear(place);
	*place = copy;
	return STATUS_OK;
}

void run_results_drop_questions(struct run_results *results)
{
	for (size_t i = 0; i < results->question_count; i++)
		clear(&results->questions[i]);
	free(results->questions);
	results->questions = NULL;
	results->question_count = results->question_capacity = 0;
}

/* ---- in the file ---- */

static enum status write_array(struct hdf5_writer *writer, const char *group, const char *part, enum hdf5_type type,
                               int64_t count, const void *values, const char *unit, const char *long_name)
{
	char *name = text_format("%s/%s", group, part);
	enum status status = name == NULL ? STATUS_ENVIRONMENT
	                                  : hdf5_write_vector(writer, name, type, count, values, unit, long_name);
	free(name);
	return status;
}

static enum status write_set(struct hdf5_writer *writer, const char *group, const struct run_questions *questions)
{
	STATUS_TRY(write_array(writer, group, "correct", HDF5_UINT8, questions->count, questions->correct, "1",
	                       "the right answer was the most probable one"));
	STATUS_TRY(write_array(writer, group, "margin", HDF5_FLOAT32, questions->count, questions->margin, "nats",
	                       "log-probability of the right answer minus the best wrong one"));
	STATUS_TRY(write_array(writer, group, "occurrences", HDF5_INT64, questions->count, questions->occurrences,
	                       "sentences", "sentences of the training set that state the fact"));
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

static enum status read_set(struct hdf5_reader *reader, const char *group, struct run_questions *read)
{
	STATUS_TRY(hdf5_read_integer_attribute(reader, group, "questions", &read->count));
	STATUS_TRY(hdf5_read_real_attribute(reader, group, "accuracy", &read->accuracy));
	STATUS_TRY(hdf5_read_real_attribute(reader, group, "chance", &read->chance));
	STATUS_TRY(read_array(reader, group, "correct", HDF5_UINT8, read->count, &read->correct));
	STATUS_TRY(read_array(reader, group, "margin", HDF5_FLOAT32, read->count, &read->margin));
	return read_array(reader, group, "occurrences", HDF5_INT64, read->count, &read->occurrences);
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
		clear(&read);
		free(group);
	}
	hdf5_free_names(sets, count);
	free(all);
	return status;
}
