/* Grouping of runs into methods and sizes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/study.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* An axis that only says how large the model is: of [model] or [train], and the same for all runs of equal size. */
static bool is_size_axis(const struct run_list *list, const char *axis)
{
	if (!starts_with(axis, "model/") && !starts_with(axis, "train/"))
		return false;
	for (size_t a = 0; a < list->count; a++)
		for (size_t b = a + 1; b < list->count; b++)
			if (list->runs[a].parameters == list->runs[b].parameters &&
			    strcmp(run_setting(&list->runs[a], axis), run_setting(&list->runs[b], axis)) != 0)
				return false;
	return true;
}

/* The axes that tell methods apart, besides filter/method. */
static enum status find_label_axes(const struct run_list *list, const char ***axes_out, size_t *count_out)
{
	const char **axes = memory_allocate(list->axis_count, sizeof(*axes));
	if (!axes)
		return STATUS_ENVIRONMENT;
	size_t count = 0;
	for (size_t i = 0; i < list->axis_count; i++)
		if (strcmp(list->axes[i], "filter/method") != 0 && !is_size_axis(list, list->axes[i]))
			axes[count++] = list->axes[i];
	*axes_out = axes;
	*count_out = count;
	return STATUS_OK;
}

static const char *filter_of(const struct run *run)
{
	const char *filter = run_setting(run, "filter/method");
	return filter[0] ? filter : "none";
}

static char *method_label(const struct run *run, const char *const *axes, size_t axis_count)
{
	char *label = memory_copy_text(filter_of(run));
	for (size_t i = 0; i < axis_count && label; i++) {
		const char *slash = strrchr(axes[i], '/');
		char *longer = text_format("%s, %s=%s", label, slash ? slash + 1 : axes[i], run_setting(run, axes[i]));
		free(label);
		label = longer;
	}
	return label;
}

static char *size_label(const struct run *run)
{
	char buffer[32];
	return memory_copy_text(run->model_name[0] ? run->model_name
	                                           : text_count((double)run->parameters, buffer, sizeof(buffer)));
}

/* ---- exclusion ---- */

static bool is_excluded(const struct study_options *options, const char *point, const char *method, const char *size)
{
	for (size_t i = 0; i < options->exclude_count; i++)
		if (fnmatch(options->exclude[i], point, 0) == 0 || fnmatch(options->exclude[i], method, 0) == 0 ||
		    fnmatch(options->exclude[i], size, 0) == 0)
			return true;
	return false;
}

static enum status drop_run(struct run_list *list, size_t index, const char *reason)
{
	STATUS_TRY(load_leave_out(list, list->runs[index].point, reason));
	run_clear(&list->runs[index]);
	memmove(&list->runs[index], &list->runs[index + 1], (list->count - index - 1) * sizeof(*list->runs));
	list->count--;
	return STATUS_OK;
}

static enum status drop_excluded(struct run_list *list, const struct study_options *options, const char *const *axes,
                                 size_t axis_count)
{
	enum status status = STATUS_OK;
	for (size_t i = list->count; i > 0 && status == STATUS_OK; i--) {
		struct run *run = &list->runs[i - 1];
		char *method = method_label(run, axes, axis_count), *size = size_label(run);
		if (!method || !size)
			status = STATUS_ENVIRONMENT;
		else if (is_excluded(options, run->point, method, size))
			status = drop_run(list, i - 1, "excluded on the command line");
		free(method);
		free(size);
	}
	if (status == STATUS_OK && list->count == 0)
		status = error_raise(STATUS_DATA, "every finished run is excluded: give other --exclude patterns");
	return status;
}

/* ---- sizes ---- */

static int compare_sizes(const void *a, const void *b)
{
	int64_t left = ((const struct model_size *)a)->parameters, right = ((const struct model_size *)b)->parameters;
	return (left > right) - (left < right);
}

static size_t find_size(const struct study *study, int64_t parameters)
{
	for (size_t i = 0; i < study->size_count; i++)
		if (study->sizes[i].parameters == parameters)
			return i;
	return STUDY_NONE;
}

static enum status find_sizes(struct study *study)
{
	const struct run_list *list = study->list;
	study->sizes = memory_allocate(list->count, sizeof(*study->sizes));
	if (!study->sizes)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < list->count; i++) {
		if (find_size(study, list->runs[i].parameters) != STUDY_NONE)
			continue;
		char *label = size_label(&list->runs[i]);
		if (!label)
			return STATUS_ENVIRONMENT;
		study->sizes[study->size_count++] = (struct model_size){ list->runs[i].parameters, label };
	}
	qsort(study->sizes, study->size_count, sizeof(*study->sizes), compare_sizes);
	return STATUS_OK;
}

/* ---- methods ---- */

static int filter_rank(const char *filter)
{
	static const char *const order[] = { "none", "document", "mask", "remove", "weight" };
	for (int i = 0; i < 5; i++)
		if (strcmp(filter, order[i]) == 0)
			return i;
	return 5;
}

/* Baselines first, then the order of the paper, then the order of the sweep. */
static int compare_methods(const void *a, const void *b)
{
	const struct method *left = a, *right = b;
	if (left->is_baseline != right->is_baseline)
		return left->is_baseline ? -1 : 1;
	int left_rank = filter_rank(left->filter), right_rank = filter_rank(right->filter);
	if (left_rank != right_rank)
		return left_rank - right_rank;
	return (left->first_run > right->first_run) - (left->first_run < right->first_run);
}

static size_t find_method(const struct study *study, const char *label)
{
	for (size_t i = 0; i < study->method_count; i++)
		if (strcmp(study->methods[i].label, label) == 0)
			return i;
	return STUDY_NONE;
}

static enum status find_methods(struct study *study, const char *baseline, const char *const *axes, size_t axis_count)
{
	const struct run_list *list = study->list;
	study->methods = memory_allocate(list->count, sizeof(*study->methods));
	if (!study->methods)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < list->count; i++) {
		char *label = method_label(&list->runs[i], axes, axis_count);
		if (!label)
			return STATUS_ENVIRONMENT;
		if (find_method(study, label) != STUDY_NONE) {
			free(label);
			continue;
		}
		const char *filter = filter_of(&list->runs[i]);
		study->methods[study->method_count++] = (struct method){ .label = label,
			                                                 .filter = filter,
			                                                 .is_baseline = strcmp(filter, baseline) == 0,
			                                                 .baseline = STUDY_NONE,
			                                                 .first_run = i };
	}
	qsort(study->methods, study->method_count, sizeof(*study->methods), compare_methods);
	return STATUS_OK;
}

static void find_baselines(struct study *study, const char *const *axes, size_t axis_count)
{
	const struct run *runs = study->list->runs;
	for (size_t m = 0; m < study->method_count; m++) {
		struct method *method = &study->methods[m];
		size_t most = 0;
		for (size_t b = 0; b < study->method_count; b++) {
			if (!study->methods[b].is_baseline)
				continue;
			size_t equal = 1;
			for (size_t i = 0; i < axis_count; i++)
				equal += strcmp(run_setting(&runs[method->first_run], axes[i]),
				                run_setting(&runs[study->methods[b].first_run], axes[i])) == 0;
			if (equal > most) {
				most = equal;
				method->baseline = b;
			}
		}
		if (method->is_baseline)
			method->baseline = m;
	}
}

/* Places every run; the position of a run that repeats another is put into *duplicate. */
static enum status fill_cells(struct study *study, const char *const *axes, size_t axis_count, size_t *duplicate)
{
	*duplicate = STUDY_NONE;
	study->cells = memory_allocate(study->method_count * study->size_count, sizeof(*study->cells));
	if (!study->cells)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < study->method_count * study->size_count; i++)
		study->cells[i] = STUDY_NONE;
	for (size_t i = 0; i < study->list->count; i++) {
		char *label = method_label(&study->list->runs[i], axes, axis_count);
		if (!label)
			return STATUS_ENVIRONMENT;
		size_t size = find_size(study, study->list->runs[i].parameters);
		size_t *cell = &study->cells[find_method(study, label) * study->size_count + size];
		free(label);
		if (*cell != STUDY_NONE) {
			*duplicate = i;
			return STATUS_OK;
		}
		*cell = i;
	}
	return STATUS_OK;
}

/* ---- measures ---- */

static int set_rank(const char *set)
{
	static const char *const order[] = { "forget", "retain", "other", "unmarked" };
	for (int i = 0; i < 4; i++)
		if (strcmp(set, order[i]) == 0)
			return i;
	return 4;
}

static int compare_measures(const void *a, const void *b)
{
	const struct measure *left = a, *right = b;
	int order = set_rank(left->set) - set_rank(right->set);
	if (order == 0)
		order = strcmp(left->set, right->set);
	return order ? order : (int)left->label - (int)right->label;
}

static enum status add_measure(struct study *study, size_t *capacity, const char *set, bool label)
{
	if (study_find_measure(study, set, label) != STUDY_NONE)
		return STATUS_OK;
	STATUS_TRY(
		memory_grow((void **)&study->measures, capacity, study->measure_count + 1, sizeof(*study->measures)));
	char *copy = memory_copy_text(set);
	if (!copy)
		return STATUS_ENVIRONMENT;
	study->measures[study->measure_count++] = (struct measure){ copy, label };
	return STATUS_OK;
}

static bool has_label_tokens(const struct evaluation *evaluation)
{
	for (int64_t d = 0; d < evaluation->documents; d++)
		if (evaluation->label_tokens[d] > 0)
			return true;
	return evaluation->documents == 0 && isfinite(evaluation->label_loss);
}

static enum status find_measures(struct study *study)
{
	size_t capacity = 0;
	for (size_t i = 0; i < study->list->count; i++) {
		const struct run *run = &study->list->runs[i];
		for (size_t e = 0; e < run->evaluation_count; e++) {
			STATUS_TRY(add_measure(study, &capacity, run->evaluations[e].set, false));
			if (has_label_tokens(&run->evaluations[e]))
				STATUS_TRY(add_measure(study, &capacity, run->evaluations[e].set, true));
		}
	}
	if (study->measure_count > 1)
		qsort(study->measures, study->measure_count, sizeof(*study->measures), compare_measures);
	return STATUS_OK;
}

/* ---- the whole ---- */

static enum status arrange(struct run_list *list, const struct study_options *options, const char *const *axes,
                           size_t axis_count, struct study *study)
{
	for (size_t duplicate = 0; duplicate != STUDY_NONE;) {
		study_clear(study);
		study->list = list;
		STATUS_TRY(find_sizes(study));
		STATUS_TRY(find_methods(study, options->baseline, axes, axis_count));
		STATUS_TRY(fill_cells(study, axes, axis_count, &duplicate));
		if (duplicate != STUDY_NONE)
			STATUS_TRY(drop_run(list, duplicate, "repeats the method and model size of another run"));
	}
	find_baselines(study, axes, axis_count);
	return find_measures(study);
}

enum status study_create(struct run_list *list, const struct study_options *options, struct study *study_out)
{
	struct study study = { .list = list };
	const char **axes = NULL;
	size_t axis_count = 0;
	enum status status = find_label_axes(list, &axes, &axis_count);
	if (status == STATUS_OK)
		status = drop_excluded(list, options, axes, axis_count);
	if (status == STATUS_OK)
		status = arrange(list, options, axes, axis_count, &study);
	free(axes);
	if (status == STATUS_OK)
		*study_out = study;
	else
		study_clear(&study);
	return status;
}

void study_clear(struct study *study)
{
	for (size_t i = 0; i < study->method_count; i++)
		free(study->methods[i].label);
	for (size_t i = 0; i < study->size_count; i++)
		free(study->sizes[i].label);
	for (size_t i = 0; i < study->measure_count; i++)
		free(study->measures[i].set);
	free(study->methods);
	free(study->sizes);
	free(study->cells);
	free(study->measures);
	*study = (struct study){ 0 };
}

size_t study_cell(const struct study *study, size_t method, size_t size)
{
	return study->cells[method * study->size_count + size];
}

const struct run *study_run(const struct study *study, size_t method, size_t size)
{
	size_t index = study_cell(study, method, size);
	return index == STUDY_NONE ? NULL : &study->list->runs[index];
}

size_t study_method_runs(const struct study *study, size_t method)
{
	size_t count = 0;
	for (size_t s = 0; s < study->size_count; s++)
		count += study_cell(study, method, s) != STUDY_NONE;
	return count;
}

size_t study_find_measure(const struct study *study, const char *set, bool label)
{
	for (size_t i = 0; i < study->measure_count; i++)
		if (study->measures[i].label == label && strcmp(study->measures[i].set, set) == 0)
			return i;
	return STUDY_NONE;
}

char *study_measure_title(const struct measure *measure)
{
	return text_format("%s, %s", measure->set, measure->label ? "label tokens" : "all tokens");
}
