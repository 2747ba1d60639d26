/* Accuracy on recall questions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/questions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/columns.h"

static enum status add_set(struct question_results *results, const char *set)
{
	size_t capacity = results->set_count;
	for (size_t i = 0; i < results->set_count; i++)
		if (strcmp(results->sets[i], set) == 0)
			return STATUS_OK;
	STATUS_TRY(memory_grow((void **)&results->sets, &capacity, results->set_count + 1, sizeof(*results->sets)));
	results->sets[results->set_count] = memory_copy_text(set);
	return results->sets[results->set_count++] ? STATUS_OK : STATUS_ENVIRONMENT;
}

static enum status find_sets(struct question_results *results)
{
	const struct run_list *list = results->comparison->study->list;
	for (size_t r = 0; r < list->count; r++)
		for (size_t i = 0; i < list->runs[r].question_count; i++)
			STATUS_TRY(add_set(results, list->runs[r].questions[i].set));
	return STATUS_OK;
}

/* Questions that all seeds of a group answered; 0 when one did not, or not as many. */
static size_t count_questions(const struct study *study, size_t group, const char *set)
{
	size_t count = 0;
	for (size_t i = 0; i < study->groups[group].count; i++) {
		const struct question_set *own = run_questions(&study->list->runs[study->groups[group].runs[i]], set);
		if (!own || (i > 0 && (size_t)own->count != count))
			return 0;
		count = (size_t)own->count;
	}
	return count;
}

/* Mean over the seeds of each question. */
static void average(const struct study *study, size_t group, const char *set, double *correct, double *margin)
{
	const struct group *who = &study->groups[group];
	size_t count = count_questions(study, group, set);
	*margin = 0.0;
	memset(correct, 0, count * sizeof(*correct));
	for (size_t i = 0; i < who->count; i++) {
		const struct question_set *own = run_questions(&study->list->runs[who->runs[i]], set);
		for (size_t q = 0; q < count; q++) {
			correct[q] += own->correct[q] / (double)who->count;
			*margin += own->margin[q] / (double)(who->count * count);
		}
	}
}

static double mean(const double *values, size_t count)
{
	double sum = 0.0;
	for (size_t i = 0; i < count; i++)
		sum += values[i];
	return sum / (double)count;
}

struct drawing {
	const uint16_t *counts; /* [resamples][questions], NULL: no intervals */
	size_t questions;
	double *replicates;
};

/* Mean of `values` and its interval; values may be differences. */
static struct interval measure(const struct comparison *comparison, const struct drawing *drawing, const double *values)
{
	const struct compare_options *options = &comparison->options;
	struct interval interval = { mean(values, drawing->questions), NAN, NAN };
	if (!drawing->counts)
		return interval;
	bootstrap_sum(drawing->counts, options->resamples, drawing->questions, 1, &values, &drawing->replicates);
	for (size_t k = 0; k < options->resamples; k++)
		drawing->replicates[k] /= (double)drawing->questions;
	return bootstrap_interval(interval.value, drawing->replicates, options->resamples, options->confidence);
}

static void fill_group(struct question_results *results, size_t set, size_t group, const struct drawing *drawing,
                       double *own, double *other)
{
	const struct study *study = results->comparison->study;
	const struct group *who = &study->groups[group];
	size_t baseline = study->methods[who->method].baseline;
	struct question_result *result = &results->results[set * study->group_count + group];
	result->questions = drawing->questions;
	result->chance = run_questions(study_first(study, group), results->sets[set])->chance;
	average(study, group, results->sets[set], own, &result->margin);
	result->accuracy = measure(results->comparison, drawing, own);
	if (baseline == STUDY_NONE || baseline == who->method)
		return;
	size_t base = study_cell(study, baseline, who->size);
	double margin;
	if (base == STUDY_NONE || count_questions(study, base, results->sets[set]) != drawing->questions)
		return;
	average(study, base, results->sets[set], other, &margin);
	for (size_t q = 0; q < drawing->questions; q++)
		own[q] -= other[q];
	result->difference = measure(results->comparison, drawing, own);
}

/* The groups with `questions` answers, all with the same draws. */
static enum status fill_set(struct question_results *results, size_t set, size_t questions)
{
	const struct comparison *comparison = results->comparison;
	const struct compare_options *options = &comparison->options;
	uint16_t *counts = NULL;
	double *own = memory_allocate(questions, sizeof(*own)), *other = memory_allocate(questions, sizeof(*other));
	double *replicates = memory_allocate(options->resamples, sizeof(*replicates));
	enum status status = own && other && replicates ? STATUS_OK : STATUS_ENVIRONMENT;
	if (status == STATUS_OK && options->resamples > 0) {
		counts = bootstrap_draw(options->seed ^ bootstrap_stream("questions"), results->sets[set],
		                        options->resamples, questions);
		status = counts ? STATUS_OK : STATUS_ENVIRONMENT;
	}
	const struct drawing drawing = { counts, questions, replicates };
	for (size_t g = 0; g < comparison->study->group_count && status == STATUS_OK; g++)
		if (count_questions(comparison->study, g, results->sets[set]) == questions)
			fill_group(results, set, g, &drawing, own, other);
	free(own);
	free(other);
	free(replicates);
	free(counts);
	return status;
}

/* Every number of questions that occurs, once. */
static enum status fill_sets(struct question_results *results, size_t set)
{
	const struct study *study = results->comparison->study;
	for (size_t g = 0; g < study->group_count; g++) {
		size_t questions = count_questions(study, g, results->sets[set]);
		if (questions > 0 && results->results[set * study->group_count + g].questions == 0)
			STATUS_TRY(fill_set(results, set, questions));
	}
	return STATUS_OK;
}

enum status questions_create(const struct comparison *comparison, struct question_results *results_out)
{
	struct question_results results = { .comparison = comparison };
	size_t groups = comparison->study->group_count;
	const struct interval unknown = { NAN, NAN, NAN };
	enum status status = find_sets(&results);
	if (status == STATUS_OK) {
		results.results = memory_allocate(results.set_count * groups, sizeof(*results.results));
		status = results.results ? STATUS_OK : STATUS_ENVIRONMENT;
	}
	for (size_t i = 0; i < results.set_count * groups && status == STATUS_OK; i++)
		results.results[i] = (struct question_result){ 0, unknown, unknown, NAN, NAN };
	for (size_t s = 0; s < results.set_count && status == STATUS_OK; s++)
		status = fill_sets(&results, s);
	if (status == STATUS_OK)
		*results_out = results;
	else
		questions_clear(&results);
	return status;
}

void questions_clear(struct question_results *results)
{
	for (size_t i = 0; i < results->set_count; i++)
		free(results->sets[i]);
	free(results->sets);
	free(results->results);
	*results = (struct question_results){ 0 };
}

const struct question_result *questions_at(const struct question_results *results, size_t set, size_t group)
{
	return &results->results[set * results->comparison->study->group_count + group];
}

static void add_row(const struct question_results *results, size_t set, size_t group, struct table *table)
{
	const struct study *study = results->comparison->study;
	const struct group *who = &study->groups[group];
	const struct question_result *result = questions_at(results, set, group);
	table_add_text(table, "%s", study->methods[who->method].label);
	table_add_text(table, "%s", study->sizes[who->size].label);
	table_add_integer(table, study->sizes[who->size].parameters);
	table_add_text(table, "%s", results->sets[set]);
	table_add_real(table, compare_group_flops(study, group, COMPUTE_NOMINAL));
	table_add_real(table, compare_group_flops(study, group, COMPUTE_SPENT));
	columns_add_interval(table, &result->accuracy);
	columns_add_interval(table, &result->difference);
	table_add_real(table, result->chance);
	table_add_real(table, result->margin);
	table_add_integer(table, (int64_t)result->questions);
	table_add_integer(table, (int64_t)who->count);
}

void questions_table(const struct question_results *results, struct table *table)
{
	static const struct column columns[] = {
		{ "method", COLUMN_TEXT, NULL, "filter method and other axes" },
		{ "size", COLUMN_TEXT, NULL, "name of the model size" },
		{ "parameters", COLUMN_INTEGER, "1", "model parameters N, embedding included" },
		{ "set", COLUMN_TEXT, NULL, "what the questions are about" },
		{ "nominal_flops", COLUMN_REAL, "FLOP", "6 N D" },
		{ "training_flops", COLUMN_REAL, "FLOP", "floating-point operations really spent in training" },
		{ "accuracy", COLUMN_REAL, "1", "share of questions answered rightly, mean over seeds" },
		{ "accuracy_low", COLUMN_REAL, "1", "lower end of the interval over questions" },
		{ "accuracy_high", COLUMN_REAL, "1", "upper end of the interval over questions" },
		{ "difference", COLUMN_REAL, "1", "accuracy minus that of the baseline of the same size" },
		{ "difference_low", COLUMN_REAL, "1", "lower end of the paired interval" },
		{ "difference_high", COLUMN_REAL, "1", "upper end of the paired interval" },
		{ "chance", COLUMN_REAL, "1", "accuracy of guessing" },
		{ "margin", COLUMN_REAL, "nats", "mean log-probability of the right answer minus the best wrong one" },
		{ "questions", COLUMN_INTEGER, "1", "questions asked" },
		{ "seeds", COLUMN_INTEGER, "1", "runs that the accuracy is the mean of" },
	};
	const struct study *study = results->comparison->study;
	table_create(table, "questions", "", columns, sizeof(columns) / sizeof(columns[0]));
	for (size_t s = 0; s < results->set_count; s++)
		for (size_t g = 0; g < study->group_count; g++)
			if (questions_at(results, s, g)->questions > 0)
				add_row(results, s, g, table);
}
