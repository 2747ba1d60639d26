/* Owns the results of a run in memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "results/run_tables.h"

enum status run_results_set_point(struct run_results *results, int64_t point, const char *name)
{
	char *copy = memory_copy_text(name);
	if (copy == NULL)
		return STATUS_ENVIRONMENT;
	free(results->point_name);
	results->point_name = copy;
	results->point = point;
	return STATUS_OK;
}

enum status run_results_add_step(struct run_results *results, const struct run_step *row)
{
	void *array = results->steps;
	if (results->step_count > 0 && results->steps[results->step_count - 1].step >= row->step)
		return error_raise(STATUS_INTERNAL, "step %lld is recorded after step %lld", (long long)row->step,
		                   (long long)results->steps[results->step_count - 1].step);
	STATUS_TRY(memory_grow(&array, &results->step_capacity, results->step_count + 1, sizeof *row));
	results->steps = array;
	results->steps[results->step_count++] = *row;
	return STATUS_OK;
}

/* The evaluations of a set, made in its place of the alphabet when they are new. */
static enum status find_evaluation(struct run_results *results, const char *set, struct run_evaluation **out)
{
	size_t place = 0;
	while (place < results->evaluation_count && strcmp(results->evaluations[place].set, set) < 0)
		place++;
	*out = results->evaluations + place;
	if (place < results->evaluation_count && strcmp((*out)->set, set) == 0)
		return STATUS_OK;
	if (set[0] == '\0' || strchr(set, '/') != NULL)
		return error_raise(STATUS_INTERNAL, "\"%s\" cannot be the name of an evaluation set", set);
	char *name = memory_copy_text(set);
	void *array = results->evaluations;
	enum status status = name == NULL ? STATUS_ENVIRONMENT
	                                  : memory_grow(&array, &results->evaluation_capacity,
	                                                results->evaluation_count + 1, sizeof **out);
	if (status != STATUS_OK) {
		free(name);
		return status;
	}
	results->evaluations = array;
	*out = results->evaluations + place;
	memmove(*out + 1, *out, (results->evaluation_count - place) * sizeof **out);
	**out = (struct run_evaluation){ .set = name };
	results->evaluation_count++;
	return STATUS_OK;
}

enum status run_results_add_evaluation(struct run_results *results, const char *set,
                                       const struct run_evaluation_row *row)
{
	struct run_evaluation *evaluation;
	STATUS_TRY(find_evaluation(results, set, &evaluation));
	size_t count = evaluation->row_count;
	if (count > 0 && evaluation->rows[count - 1].step == row->step) {
		evaluation->rows[count - 1] = *row;
		return STATUS_OK;
	}
	void *array = evaluation->rows;
	STATUS_TRY(memory_grow(&array, &evaluation->row_capacity, count + 1, sizeof *row));
	evaluation->rows = array;
	evaluation->rows[evaluation->row_count++] = *row;
	return STATUS_OK;
}

static void clear_documents(struct run_evaluation *evaluation)
{
	free(evaluation->document_number);
	free(evaluation->document_group);
	free(evaluation->document_tokens);
	free(evaluation->document_label_tokens);
	free(evaluation->document_nll);
	free(evaluation->document_label_nll);
	evaluation->document_number = evaluation->document_group = NULL;
	evaluation->document_tokens = evaluation->document_label_tokens = NULL;
	evaluation->document_nll = evaluation->document_label_nll = NULL;
	evaluation->document_count = 0;
}

static void *copy_array(const void *array, int64_t count)
{
	void *copy = memory_allocate((size_t)count, 8);
	if (copy != NULL && count > 0)
		memcpy(copy, array, (size_t)count * 8);
	return copy;
}

enum status run_results_set_documents(struct run_results *results, const char *set, int64_t count,
                                      const uint64_t *number, const uint64_t *group, const int64_t *tokens,
                                      const int64_t *label_tokens, const double *nll, const double *label_nll)
{
	struct run_evaluation *evaluation;
	STATUS_TRY(find_evaluation(results, set, &evaluation));
	struct run_evaluation copy = { .document_count = count,
		                       .document_number = copy_array(number, count),
		                       .document_group = group != NULL ? copy_array(group, count) : NULL,
		                       .document_tokens = copy_array(tokens, count),
		                       .document_label_tokens = copy_array(label_tokens, count),
		                       .document_nll = copy_array(nll, count),
		                       .document_label_nll = copy_array(label_nll, count) };
	if (copy.document_number == NULL || (group != NULL && copy.document_group == NULL) ||
	    copy.document_tokens == NULL || copy.document_label_tokens == NULL || copy.document_nll == NULL ||
	    copy.document_label_nll == NULL) {
		clear_documents(&copy);
		return STATUS_ENVIRONMENT;
	}
	clear_documents(evaluation);
	evaluation->document_count = count;
	evaluation->document_number = copy.document_number;
	evaluation->document_group = copy.document_group;
	evaluation->document_tokens = copy.document_tokens;
	evaluation->document_label_tokens = copy.document_label_tokens;
	evaluation->document_nll = copy.document_nll;
	evaluation->document_label_nll = copy.document_label_nll;
	return STATUS_OK;
}

enum status run_results_set_domain(struct run_results *results, const char *name, int64_t tokens, int64_t filtered)
{
	size_t place = 0;
	while (place < results->domain_count && strcmp(results->domains[place].name, name) != 0)
		place++;
	if (place == results->domain_count) {
		char *copy = memory_copy_text(name);
		void *array = results->domains;
		if (copy == NULL ||
		    memory_grow(&array, &results->domain_capacity, place + 1, sizeof *results->domains) != STATUS_OK) {
			free(copy);
			return STATUS_ENVIRONMENT;
		}
		results->domains = array;
		results->domains[results->domain_count++].name = copy;
	}
	results->domains[place].tokens = tokens;
	results->domains[place].filtered = filtered;
	return STATUS_OK;
}

static enum status copy_evaluation(const struct run_evaluation *from, struct run_results *to)
{
	for (size_t row = 0; row < from->row_count; row++)
		STATUS_TRY(run_results_add_evaluation(to, from->set, &from->rows[row]));
	return run_results_set_documents(to, from->set, from->document_count, from->document_number,
	                                 from->document_group, from->document_tokens, from->document_label_tokens,
	                                 from->document_nll, from->document_label_nll);
}

static enum status copy_lists(const struct run_results *from, struct run_results *to)
{
	void *steps = NULL;
	if (from->point_name != NULL)
		STATUS_TRY(run_results_set_point(to, from->point, from->point_name));
	STATUS_TRY(memory_grow(&steps, &to->step_capacity, from->step_count, sizeof *to->steps));
	to->steps = steps;
	to->step_count = from->step_count;
	if (from->step_count > 0)
		memcpy(to->steps, from->steps, from->step_count * sizeof *to->steps);
	for (size_t i = 0; i < from->evaluation_count; i++)
		STATUS_TRY(copy_evaluation(&from->evaluations[i], to));
	for (size_t i = 0; i < from->domain_count; i++)
		STATUS_TRY(run_results_set_domain(to, from->domains[i].name, from->domains[i].tokens,
		                                  from->domains[i].filtered));
	for (size_t i = 0; i < from->question_count; i++)
		STATUS_TRY(run_results_set_questions(to, &from->questions[i]));
	return run_recovery_copy(&from->recovery, to);
}

enum status run_results_copy(const struct run_results *from, struct run_results *to)
{
	struct run_results copy = { .point = from->point,
		                    .finished = from->finished,
		                    .model = from->model,
		                    .compute = from->compute,
		                    .filter = from->filter,
		                    .fork = from->fork,
		                    .origin = from->origin,
		                    .steering = from->steering,
		                    .has_histogram = from->has_histogram };
	memcpy(copy.identity, from->identity, sizeof copy.identity);
	memcpy(copy.histogram, from->histogram, sizeof copy.histogram);
	enum status status = copy_lists(from, &copy);
	if (status != STATUS_OK)
		run_results_clear(&copy);
	else
		*to = copy;
	return status;
}

void run_results_drop_evaluations(struct run_results *results)
{
	for (size_t i = 0; i < results->evaluation_count; i++) {
		clear_documents(&results->evaluations[i]);
		free(results->evaluations[i].rows);
		free(results->evaluations[i].set);
	}
	free(results->evaluations);
	results->evaluations = NULL;
	results->evaluation_count = results->evaluation_capacity = 0;
}

void run_results_clear(struct run_results *results)
{
	run_results_drop_evaluations(results);
	for (size_t i = 0; i < results->domain_count; i++)
		free(results->domains[i].name);
	run_results_drop_questions(results);
	run_recovery_clear(&results->recovery);
	free(results->domains);
	free(results->steps);
	free(results->point_name);
	*results = (struct run_results){ 0 };
}
