/* Reading the runs of a finetuning.
 * SPDX-License-Identifier: Apache-2.0 */
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/recovery.h"
#include "report/table.h"
#include "results/run_file.h"
#include "results/sweep_file.h"
#include "storage/hdf5_file.h"

/* Evaluations of finetuned models are runs as any others: they have no such losses. */
static bool has_losses(const char *folder, const struct sweep_table *table)
{
	bool has = false;
	for (size_t i = 0; i < table->point_count && !has; i++) {
		struct hdf5_reader *reader = NULL;
		char *path = text_format("%s/points/%s/run.h5", folder, table->point_names[i]);
		bool there = path && hdf5_is_complete(path) && hdf5_open(path, &reader) == STATUS_OK;
		free(path);
		if (!there)
			continue;
		has = hdf5_exists(reader, "finetune");
		hdf5_close(reader);
		if (!has)
			return false;
	}
	return has;
}

bool recovery_is_folder(const char *folder)
{
	struct sweep_table table = { 0 };
	struct sweep *sweep = NULL;
	char *path = text_join_path(folder, "sweep.h5");
	bool is = path && access(path, F_OK) == 0 && sweep_file_read(path, &table) == STATUS_OK &&
	          sweep_parse(path, table.input, 0, NULL, &sweep) == STATUS_OK &&
	          strcmp(sweep_task(sweep), "finetune") == 0 && has_losses(folder, &table);
	error_clear();
	sweep_destroy(sweep);
	sweep_table_clear(&table);
	free(path);
	return is;
}

/* ---- a run ---- */

static void curve_clear(struct recovery_curve *curve)
{
	free(curve->tokens);
	free(curve->loss);
}

static void run_clear_all(struct recovery_run *run)
{
	free(run->point);
	free(run->start);
	free(run->size);
	free(run->method);
	free(run->label);
	free(run->setting);
	free(run->apart);
	curve_clear(&run->forget);
	curve_clear(&run->retain);
	free(run->known.tokens);
	free(run->known.nll);
	free(run->known.target_nll);
}

void recovery_clear(struct recovery *recovery)
{
	for (size_t i = 0; i < recovery->count; i++)
		run_clear_all(&recovery->runs[i]);
	for (size_t i = 0; i < recovery->left_count; i++)
		free(recovery->left_out[i]);
	free(recovery->runs);
	free(recovery->left_out);
	free(recovery->sizes);
	free(recovery->labels);
	*recovery = (struct recovery){ 0 };
}

static double tokens_at(const struct run_results *results, int64_t step)
{
	for (size_t i = 0; i < results->step_count; i++)
		if (results->steps[i].step == step)
			return (double)results->steps[i].tokens;
	return 0; /* before the first step */
}

static const struct run_evaluation *find_set(const struct run_results *results, const char *set)
{
	for (size_t i = 0; i < results->evaluation_count; i++)
		if (strcmp(results->evaluations[i].set, set) == 0)
			return &results->evaluations[i];
	return NULL;
}

static enum status read_curve(const struct run_results *results, const char *set, struct recovery_curve *curve)
{
	const struct run_evaluation *evaluation = find_set(results, set);
	size_t count = evaluation ? evaluation->row_count : 0;
	curve->tokens = memory_allocate(count, sizeof(double));
	curve->loss = memory_allocate(count, sizeof(double));
	if (!curve->tokens || !curve->loss)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < count; i++) {
		curve->tokens[i] = tokens_at(results, evaluation->rows[i].step);
		curve->loss[i] = evaluation->rows[i].loss;
	}
	curve->count = count;
	return STATUS_OK;
}

/* Adds up what belongs together. */
static void gather(const double *values, const size_t *group_of, size_t documents, double *out)
{
	for (size_t i = 0; i < documents; i++)
		out[group_of[i]] += values[i];
}

static enum status gather_all(const struct run_results *results, const struct run_evaluation *set,
                              const size_t *group_of, struct recovery_documents *known)
{
	const struct run_recovery *recovery = &results->recovery;
	size_t documents = known->documents, groups = known->groups;
	known->tokens = memory_allocate(groups, sizeof(double));
	known->nll = memory_allocate(recovery->rows * groups, sizeof(double));
	if (recovery->target_nll)
		known->target_nll = memory_allocate(groups, sizeof(double));
	if (!known->tokens || !known->nll || (recovery->target_nll && !known->target_nll))
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < documents; i++)
		known->tokens[group_of[i]] += (double)set->document_tokens[i];
	for (size_t row = 0; row < recovery->rows; row++)
		gather(recovery->nll + row * documents, group_of, documents, known->nll + row * groups);
	if (recovery->target_nll)
		gather(recovery->target_nll, group_of, documents, known->target_nll);
	return STATUS_OK;
}

/* Where the losses of documents and those of the set are of the same evaluations. */
static enum status read_documents(const struct run_results *results, struct recovery_documents *known)
{
	const struct run_evaluation *set = find_set(results, "forget");
	const struct run_recovery *recovery = &results->recovery;
	if (!set || set->document_count != recovery->documents || set->row_count != recovery->rows)
		return STATUS_OK;
	known->documents = known->groups = (size_t)set->document_count;
	size_t *group_of = memory_allocate(known->documents, sizeof(*group_of));
	if (!group_of)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < known->documents; i++)
		group_of[i] = i;
	enum status status = STATUS_OK;
	if (set->document_group)
		status = bootstrap_number_groups(set->document_group, known->documents, group_of, &known->groups);
	if (status == STATUS_OK)
		status = gather_all(results, set, group_of, known);
	free(group_of);
	return status;
}

static double read_parameter(struct hdf5_reader *reader, const char *name)
{
	char *text = NULL, *end = NULL;
	double value = NAN;
	if (hdf5_read_text_attribute(reader, "parameters", name, &text) == STATUS_OK) {
		value = strtod(text, &end);
		value = end == text ? NAN : value;
	}
	error_clear();
	free(text);
	return value;
}

static enum status read_facts(const char *path, struct recovery_run *run, long *resamples)
{
	struct hdf5_reader *reader = NULL;
	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = hdf5_read_text_attribute(reader, "start", "point", &run->start);
	if (status == STATUS_OK)
		status = hdf5_read_text_attribute(reader, "start", "size", &run->size);
	if (status == STATUS_OK)
		status = hdf5_read_text_attribute(reader, "start", "method", &run->method);
	if (status == STATUS_OK)
		status = hdf5_read_real_attribute(reader, "start", "tokens", &run->pretraining);
	run->learning_rate = read_parameter(reader, "train/learning_rate");
	run->weight_decay = read_parameter(reader, "train/weight_decay");
	double given = read_parameter(reader, "evaluate/resamples");
	*resamples = isnan(given) ? *resamples : (long)given;
	hdf5_close(reader);
	return status;
}

static enum status read_run(const char *path, struct recovery_run *run, long *resamples)
{
	struct run_results results = { 0 };
	STATUS_TRY(run_file_read(path, &results));
	enum status status = STATUS_OK;
	if (!results.finished)
		status = error_raise(STATUS_DATA, "not finished: run the same input file again");
	else if (!results.recovery.present)
		status = error_raise(STATUS_DATA, "%s: no losses of a finetuning", path);
	if (status == STATUS_OK)
		status = read_facts(path, run, resamples);
	run->parameters = (double)results.model.parameters;
	run->target = results.recovery.target;
	if (status == STATUS_OK)
		status = read_curve(&results, "forget", &run->forget);
	if (status == STATUS_OK)
		status = read_curve(&results, "retain", &run->retain);
	if (status == STATUS_OK)
		status = read_documents(&results, &run->known);
	run_results_clear(&results);
	return status;
}

/* ---- all of them ---- */

static enum status leave_out(struct recovery *recovery, const char *point, const char *reason)
{
	void *array = recovery->left_out;
	STATUS_TRY(memory_grow(&array, &recovery->left_capacity, recovery->left_count + 1, sizeof(char *)));
	recovery->left_out = array;
	char *line = text_format("%s: %s", point, reason);
	if (!line)
		return STATUS_ENVIRONMENT;
	recovery->left_out[recovery->left_count++] = line;
	return STATUS_OK;
}

/* "learning_rate=0.001,weight_decay=0.1" of the axes of [train], or of all others but the start. */
static char *name_setting(const struct sweep_table *table, size_t point, bool of_train)
{
	struct buffer text = { 0 };
	buffer_add(&text, "%s", "");
	for (size_t axis = 0; axis < table->axis_count; axis++) {
		const char *name = table->axis_names[axis], *key = strchr(name, '/');
		if (strcmp(name, "start/point") == 0 || (strncmp(name, "train/", 6) == 0) != of_train)
			continue;
		buffer_add(&text, "%s%s=%s", text.size > 0 ? "," : "", key ? key + 1 : name,
		           table->axis_values[axis][point]);
	}
	if (text.status == STATUS_OK)
		return text.text;
	buffer_clear(&text);
	return NULL;
}

static bool is_excluded(const struct report_options *options, const struct recovery_run *run)
{
	const struct study_options *study = &options->study;
	for (size_t i = 0; i < study->exclude_count; i++)
		if (fnmatch(study->exclude[i], run->point, 0) == 0 || fnmatch(study->exclude[i], run->method, 0) == 0 ||
		    fnmatch(study->exclude[i], run->size, 0) == 0)
			return true;
	return false;
}

static enum status add_point(const struct report_options *options, const struct sweep_table *table, size_t point,
                             struct recovery *recovery, long *resamples)
{
	struct recovery_run run = { 0 };
	void *array = recovery->runs;
	char *path = text_format("%s/points/%s/run.h5", options->folder, table->point_names[point]);
	enum status status =
		path ? memory_grow(&array, &recovery->capacity, recovery->count + 1, sizeof(*recovery->runs))
		     : STATUS_ENVIRONMENT;
	recovery->runs = array;
	run.point = memory_copy_text(table->point_names[point]);
	run.setting = name_setting(table, point, true);
	run.apart = name_setting(table, point, false);
	if (!run.point || !run.setting || !run.apart)
		status = STATUS_ENVIRONMENT;
	if (status == STATUS_OK && access(path, F_OK) != 0)
		status = error_raise(STATUS_DATA, "no run.h5 yet: not started, or no checkpoint written");
	else if (status == STATUS_OK)
		status = read_run(path, &run, resamples);
	free(path);
	if (status == STATUS_OK && !is_excluded(options, &run)) {
		recovery->runs[recovery->count++] = run;
		return STATUS_OK;
	}
	if (status != STATUS_OK && status != STATUS_ENVIRONMENT) {
		char *reason = memory_copy_text(error_message());
		error_clear();
		status = reason ? leave_out(recovery, run.point, reason) : STATUS_ENVIRONMENT;
		free(reason);
	} else if (status == STATUS_OK) {
		status = leave_out(recovery, run.point, "excluded on the command line");
	}
	run_clear_all(&run);
	return status;
}

enum status recovery_read(const struct report_options *options, struct recovery *recovery, long *resamples_out)
{
	struct sweep_table table = { 0 };
	*recovery = (struct recovery){ 0 };
	*resamples_out = -1;
	char *path = text_join_path(options->folder, "sweep.h5");
	enum status status = path ? sweep_file_read(path, &table) : STATUS_ENVIRONMENT;
	for (size_t i = 0; i < table.point_count && status == STATUS_OK; i++)
		status = add_point(options, &table, i, recovery, resamples_out);
	sweep_table_clear(&table);
	free(path);
	if (status != STATUS_OK)
		recovery_clear(recovery);
	return status;
}
