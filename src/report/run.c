/* Reading one run file, with every table checked against its neighbours, so that nothing after this file has to ask.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/run_questions.h"
#include "results/run_file.h"
#include "storage/hdf5_file.h"

static enum status check_format(struct hdf5_reader *reader, const char *path)
{
	char *format = NULL;
	int64_t version = 0, finished = 0;
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "format", &format));
	bool known = strcmp(format, "capshape-run") == 0;
	free(format);
	if (!known)
		return error_raise(STATUS_DATA, "%s is not a run file (its format is not capshape-run)", path);
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "format_version", &version));
	if (version != 1)
		return error_raise(STATUS_DATA, "%s has format version %lld, this program reads version 1", path,
		                   (long long)version);
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "finished", &finished));
	if (finished != 0)
		return STATUS_OK;

	int rank = 0;
	int64_t sizes[4] = { 0 }, step = 0;
	if (hdf5_exists(reader, "curves/step")) {
		STATUS_TRY(hdf5_sizes(reader, "curves/step", &rank, sizes));
		if (rank == 1 && sizes[0] > 0)
			STATUS_TRY(hdf5_read_range(reader, "curves/step", HDF5_INT64, sizes[0] - 1, 1, &step));
	}
	return error_raise(STATUS_DATA, "not finished (last checkpoint at step %lld)", (long long)step);
}

static enum status read_setting(struct hdf5_reader *reader, const char *name, struct run *run)
{
	char *value = NULL;
	STATUS_TRY(hdf5_read_text_attribute(reader, "parameters", name, &value));
	struct setting *setting = &run->settings[run->setting_count];
	setting->name = memory_copy_text(name);
	setting->value = value;
	run->setting_count++;
	return setting->name ? STATUS_OK : STATUS_ENVIRONMENT;
}

static bool name_is_listed(char **list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

static enum status read_settings(struct hdf5_reader *reader, const char *const *names, size_t name_count,
                                 struct run *run)
{
	char **present = NULL;
	size_t count = 0;
	STATUS_TRY(hdf5_list_attributes(reader, "parameters", &present, &count));
	enum status status = STATUS_OK;
	run->settings = memory_allocate(name_count > count ? name_count : count, sizeof(*run->settings));
	if (!run->settings)
		status = STATUS_ENVIRONMENT;
	if (name_count == 0) {
		for (size_t i = 0; i < count && status == STATUS_OK; i++)
			status = read_setting(reader, present[i], run);
	} else {
		for (size_t i = 0; i < name_count && status == STATUS_OK; i++)
			if (name_is_listed(present, count, names[i]))
				status = read_setting(reader, names[i], run);
	}
	hdf5_free_names(present, count);
	return status;
}

static enum status read_model(struct hdf5_reader *reader, const char *path, struct run *run)
{
	STATUS_TRY(hdf5_read_integer_attribute(reader, "model", "parameters", &run->parameters));
	STATUS_TRY(hdf5_read_text_attribute(reader, "model", "name", &run->model_name));
	STATUS_TRY(hdf5_read_real_attribute(reader, "compute", "nominal_flops", &run->nominal_flops));
	STATUS_TRY(hdf5_read_real_attribute(reader, "compute", "training_flops", &run->training_flops));
	STATUS_TRY(hdf5_read_real_attribute(reader, "compute", "seconds", &run->seconds));
	char *evaluation = NULL;
	run->reevaluated = hdf5_read_text_attribute(reader, "provenance", "evaluation", &evaluation) == STATUS_OK;
	free(evaluation);
	error_clear();
	/* only needed to name sizes not yet run */
	if (hdf5_read_integer_attribute(reader, "model", "vocabulary", &run->vocabulary) != STATUS_OK ||
	    hdf5_read_integer_attribute(reader, "model", "context", &run->context) != STATUS_OK) {
		run->vocabulary = run->context = 0;
		error_clear();
	}
	if (run->parameters <= 0 || !(run->nominal_flops > 0.0) || isinf(run->nominal_flops))
		return error_raise(STATUS_DATA,
		                   "%s: a model of %lld parameters trained with %g nominal FLOPs makes no sense", path,
		                   (long long)run->parameters, run->nominal_flops);
	return STATUS_OK;
}

/* /parameters are those of the training: what was probed say the keys of the probes. */
static enum status read_probed(struct hdf5_reader *reader, struct run *run)
{
	char *version = NULL;
	if (!hdf5_exists(reader, "probes/settings"))
		return STATUS_OK;
	enum status status = hdf5_read_text_attribute(reader, "probes/settings", "run/routed", &version);
	if (status != STATUS_OK && status != STATUS_ENVIRONMENT) { /* of a program that had no such key */
		error_clear();
		return STATUS_OK;
	}
	run->probed_whole = status == STATUS_OK && strcmp(version, "whole") == 0;
	free(version);
	return status;
}

/* Its own keys say how the text was filtered that it was finetuned on. */
static enum status read_start(struct hdf5_reader *reader, struct run *run)
{
	char *task = NULL;
	if (!hdf5_exists(reader, "start"))
		return STATUS_OK;
	enum status status = hdf5_read_text_attribute(reader, "parameters", "run/task", &task);
	if (status == STATUS_OK && strcmp(task, "finetune") == 0)
		status = hdf5_read_text_attribute(reader, "start", "method", &run->start_method);
	else if (status == STATUS_OK && strcmp(task, "unlearn") == 0)
		status = hdf5_read_text_attribute(reader, "start", "method", &run->start_filter);
	free(task);
	return status;
}

/* The last element of a curve of evaluations. */
static enum status read_last(struct hdf5_reader *reader, const char *group, const char *name, double *value)
{
	char *object = text_format("%s/%s", group, name);
	if (!object)
		return STATUS_ENVIRONMENT;
	int rank = 0;
	int64_t sizes[4] = { 0 };
	enum status status = hdf5_sizes(reader, object, &rank, sizes);
	if (status == STATUS_OK && (rank != 1 || sizes[0] < 1))
		status = error_raise(STATUS_DATA, "%s is empty: the run was never evaluated", object);
	if (status == STATUS_OK)
		status = hdf5_read_range(reader, object, HDF5_FLOAT64, sizes[0] - 1, 1, value);
	free(object);
	return status;
}

static enum status read_column(struct hdf5_reader *reader, const char *group, const char *name, enum hdf5_type type,
                               int64_t expected, void **values)
{
	char *object = text_format("%s/documents/%s", group, name);
	if (!object)
		return STATUS_ENVIRONMENT;
	int64_t count = 0;
	enum status status = hdf5_read_all(reader, object, type, values, &count);
	if (status == STATUS_OK && count != expected)
		status = error_raise(STATUS_DATA, "%s has %lld rows where its neighbours have %lld", object,
		                     (long long)count, (long long)expected);
	free(object);
	return status;
}

/* Where the token files, or the program that wrote the run, knew of none there is no such column. */
static enum status read_groups(struct hdf5_reader *reader, const char *group, struct evaluation *evaluation)
{
	char *object = text_format("%s/documents/group", group);
	void *values = NULL;
	if (!object)
		return STATUS_ENVIRONMENT;
	enum status status = hdf5_exists(reader, object)
	                             ? read_column(reader, group, "group", HDF5_UINT64, evaluation->documents, &values)
	                             : STATUS_OK;
	evaluation->group = values;
	free(object);
	return status;
}

static enum status read_documents(struct hdf5_reader *reader, const char *group, struct evaluation *evaluation)
{
	char *object = text_format("%s/documents/number", group);
	if (!object)
		return STATUS_ENVIRONMENT;
	bool present = hdf5_exists(reader, object);
	enum status status = STATUS_OK;
	void *values[4] = { NULL };
	if (present)
		status = hdf5_read_all(reader, object, HDF5_UINT64, (void **)&evaluation->number,
		                       &evaluation->documents);
	free(object);
	if (!present || status != STATUS_OK)
		return status;

	static const char *const names[4] = { "tokens", "label_tokens", "nll", "label_nll" };
	for (int i = 0; i < 4 && status == STATUS_OK; i++)
		status = read_column(reader, group, names[i], i < 2 ? HDF5_INT64 : HDF5_FLOAT64, evaluation->documents,
		                     &values[i]);
	evaluation->tokens = values[0];
	evaluation->label_tokens = values[1];
	evaluation->nll = values[2];
	evaluation->label_nll = values[3];
	if (status == STATUS_OK)
		status = read_groups(reader, group, evaluation);
	for (int64_t d = 0; d < evaluation->documents && status == STATUS_OK; d++)
		if (evaluation->tokens[d] < 0 || evaluation->label_tokens[d] < 0)
			status = error_raise(STATUS_DATA, "%s: document %llu has a negative number of tokens", group,
			                     (unsigned long long)evaluation->number[d]);
	return status;
}

/* `name`: without what tells the version. */
static enum status read_evaluation(struct hdf5_reader *reader, const char *set, const char *name,
                                   struct evaluation *evaluation)
{
	evaluation->set = memory_copy_text(name);
	char *group = text_format("evaluations/%s", set);
	enum status status = evaluation->set && group ? STATUS_OK : STATUS_ENVIRONMENT;
	if (status == STATUS_OK)
		status = read_last(reader, group, "loss", &evaluation->loss);
	if (status == STATUS_OK)
		status = read_last(reader, group, "label_loss", &evaluation->label_loss);
	if (status == STATUS_OK)
		status = read_documents(reader, group, evaluation);
	free(group);
	return status;
}

static enum status read_evaluations(struct hdf5_reader *reader, enum run_version version, struct run *run)
{
	const size_t prefix = strlen(RUN_WHOLE_VERSION);
	char **sets = NULL;
	size_t count = 0;
	if (!hdf5_exists(reader, "evaluations"))
		return STATUS_OK;
	STATUS_TRY(hdf5_list(reader, "evaluations", &sets, &count));
	enum status status = STATUS_OK;
	run->evaluations = memory_allocate(count, sizeof(*run->evaluations));
	if (!run->evaluations)
		status = STATUS_ENVIRONMENT;
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		bool whole = strncmp(sets[i], RUN_WHOLE_VERSION, prefix) == 0;
		if (whole != (version == RUN_WHOLE)) {
			run->has_other = true;
			continue;
		}
		status = read_evaluation(reader, sets[i], sets[i] + (whole ? prefix : 0),
		                         &run->evaluations[run->evaluation_count++]);
	}
	hdf5_free_names(sets, count);
	return status;
}

static enum status read_filter(struct hdf5_reader *reader, struct run *run)
{
	char **names = NULL;
	size_t count = 0;
	if (!hdf5_exists(reader, "filter/domain"))
		return STATUS_OK;
	STATUS_TRY(hdf5_read_texts(reader, "filter/domain", &names, &count));
	int64_t *tokens = memory_allocate(count, sizeof(*tokens)),
		*filtered = memory_allocate(count, sizeof(*filtered));
	run->domains = memory_allocate(count, sizeof(*run->domains));
	enum status status = tokens && filtered && run->domains ? STATUS_OK : STATUS_ENVIRONMENT;
	if (status == STATUS_OK)
		status = hdf5_read(reader, "filter/tokens", HDF5_INT64, (int64_t)count, tokens);
	if (status == STATUS_OK)
		status = hdf5_read(reader, "filter/filtered", HDF5_INT64, (int64_t)count, filtered);
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		run->domain_count = i + 1;
		run->domains[i] = (struct domain_count){ memory_copy_text(names[i]), tokens[i], filtered[i] };
		if (!run->domains[i].name)
			status = STATUS_ENVIRONMENT;
		else if (filtered[i] < 0 || filtered[i] > tokens[i])
			status = error_raise(STATUS_DATA, "filter: %lld of %lld tokens of domain %s filtered",
			                     (long long)filtered[i], (long long)tokens[i], names[i]);
	}
	free(tokens);
	free(filtered);
	hdf5_free_names(names, count);
	return status;
}

enum status run_read(const char *path, const char *point, const char *const *names, size_t name_count,
                     enum run_version version, struct run *run_out)
{
	struct run run = { 0 };
	struct hdf5_reader *reader = NULL;
	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = check_format(reader, path);
	if (status == STATUS_OK) {
		run.point = memory_copy_text(point);
		status = run.point ? STATUS_OK : STATUS_ENVIRONMENT;
	}
	if (status == STATUS_OK)
		status = read_settings(reader, names, name_count, &run);
	if (status == STATUS_OK)
		status = read_model(reader, path, &run);
	if (status == STATUS_OK)
		status = read_start(reader, &run);
	if (status == STATUS_OK)
		status = read_probed(reader, &run);
	if (status == STATUS_OK)
		status = read_evaluations(reader, version, &run);
	if (status == STATUS_OK)
		status = read_filter(reader, &run);
	if (status == STATUS_OK && version == RUN_AS_MEANT)
		status = run_read_questions(reader, &run); /* they are asked of that version alone */
	hdf5_close(reader);
	if (status != STATUS_OK) {
		run_clear(&run);
		return status;
	}
	*run_out = run;
	return STATUS_OK;
}

void run_clear(struct run *run)
{
	for (size_t i = 0; i < run->setting_count; i++) {
		free(run->settings[i].name);
		free(run->settings[i].value);
	}
	for (size_t i = 0; i < run->evaluation_count; i++) {
		struct evaluation *evaluation = &run->evaluations[i];
		free(evaluation->set);
		free(evaluation->number);
		free(evaluation->group);
		free(evaluation->tokens);
		free(evaluation->label_tokens);
		free(evaluation->nll);
		free(evaluation->label_nll);
	}
	for (size_t i = 0; i < run->domain_count; i++)
		free(run->domains[i].name);
	run_clear_questions(run);
	free(run->settings);
	free(run->evaluations);
	free(run->domains);
	free(run->model_name);
	free(run->start_method);
	free(run->start_filter);
	free(run->point);
	*run = (struct run){ 0 };
}

const char *run_setting(const struct run *run, const char *name)
{
	for (size_t i = 0; i < run->setting_count; i++)
		if (strcmp(run->settings[i].name, name) == 0)
			return run->settings[i].value;
	return "";
}

const struct evaluation *run_evaluation(const struct run *run, const char *set)
{
	for (size_t i = 0; i < run->evaluation_count; i++)
		if (strcmp(run->evaluations[i].set, set) == 0)
			return &run->evaluations[i];
	return NULL;
}
