/* Answers to multiple choice questions: in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "results/run_tables.h"

static void *copy_bytes(const void *bytes, size_t size)
{
	void *copy = memory_allocate(size, 1);
	if (copy != NULL && size > 0)
		memcpy(copy, bytes, size);
	return copy;
}

/* ---- own questions ---- */

static void free_texts(char **texts, size_t count)
{
	for (size_t i = 0; texts != NULL && i < count; i++)
		free(texts[i]);
	free(texts);
}

static void destroy_own(struct run_own *own, int64_t count)
{
	if (own == NULL)
		return;
	for (size_t i = 0; own->others != NULL && i < own->other_count; i++) {
		free(own->others[i].rule);
		free(own->others[i].correct);
		free(own->others[i].margin);
	}
	free(own->others);
	free_texts(own->groups, own->group_count);
	free_texts(own->ids, (size_t)count);
	free(own->rule);
	free(own->domain);
	free(own->choices);
	free(own->right);
	free(own->cluster);
	free(own->group);
	free(own);
}

/* NULL without memory. */
static char **copy_texts(char *const *texts, size_t count)
{
	char **copy = memory_allocate(count, sizeof *copy);
	for (size_t i = 0; copy != NULL && i < count; i++) {
		copy[i] = memory_copy_text(texts[i]);
		if (copy[i] == NULL) {
			free_texts(copy, count);
			return NULL;
		}
	}
	return copy;
}

static enum status copy_answers(const struct run_own *from, size_t count, struct run_own *to)
{
	to->others = memory_allocate(from->other_count, sizeof *to->others);
	if (to->others == NULL)
		return STATUS_ENVIRONMENT;
	to->other_count = from->other_count;
	for (size_t i = 0; i < from->other_count; i++) {
		struct run_answers *answers = &to->others[i];
		*answers = from->others[i];
		answers->rule = memory_copy_text(from->others[i].rule);
		answers->correct = copy_bytes(from->others[i].correct, count * sizeof *answers->correct);
		answers->margin = copy_bytes(from->others[i].margin, count * sizeof *answers->margin);
		if (answers->rule == NULL || answers->correct == NULL || answers->margin == NULL) {
			to->other_count = i + 1;
			return STATUS_ENVIRONMENT;
		}
	}
	return STATUS_OK;
}

/* NULL without memory. */
static struct run_own *copy_own(const struct run_own *from, int64_t questions)
{
	size_t count = (size_t)questions;
	struct run_own *to = memory_allocate(1, sizeof *to);
	if (to == NULL)
		return NULL;
	to->asked = from->asked;
	to->listed = from->listed;
	to->valid = from->valid;
	to->rule = memory_copy_text(from->rule);
	to->domain = memory_copy_text(from->domain);
	to->choices = copy_bytes(from->choices, count * sizeof *to->choices);
	to->right = copy_bytes(from->right, count * sizeof *to->right);
	to->cluster = copy_bytes(from->cluster, count * sizeof *to->cluster);
	to->group = copy_bytes(from->group, count * sizeof *to->group);
	to->groups = copy_texts(from->groups, from->group_count);
	to->group_count = to->groups != NULL ? from->group_count : 0;
	to->ids = copy_texts(from->ids, count);
	if (to->rule == NULL || to->domain == NULL || to->choices == NULL || to->right == NULL || to->cluster == NULL ||
	    to->group == NULL || to->groups == NULL || to->ids == NULL || copy_answers(from, count, to) != STATUS_OK) {
		destroy_own(to, questions);
		return NULL;
	}
	return to;
}

/* ---- sets ---- */

void run_questions_clear(struct run_questions *questions)
{
	destroy_own(questions->own, questions->count);
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
	bool good = copy.set != NULL && copy.correct != NULL && copy.margin != NULL;
	if (questions->occurrences != NULL) {
		copy.occurrences = copy_bytes(questions->occurrences, count * sizeof *copy.occurrences);
		good = good && copy.occurrences != NULL;
	}
	if (questions->own != NULL) {
		copy.own = copy_own(questions->own, questions->count);
		good = good && copy.own != NULL;
	}
	enum status status = good ? find_place(results, questions->set, &place) : STATUS_ENVIRONMENT;
	if (status != STATUS_OK) {
		run_questions_clear(&copy);
		return status;
	}
	run_questions_clear(place);
	*place = copy;
	return STATUS_OK;
}

void run_results_drop_questions(struct run_results *results)
{
	for (size_t i = 0; i < results->question_count; i++)
		run_questions_clear(&results->questions[i]);
	free(results->questions);
	results->questions = NULL;
	results->question_count = results->question_capacity = 0;
}
