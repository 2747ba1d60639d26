/* Grouping of runs into methods and sizes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/study.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/load_start.h"

/* ---- exclusion ---- */

static bool is_excluded(const struct study_options *options, const char *point, const char *method, const char *size)
{
	for (size_t i = 0; i < options->exclude_count; i++)
		if (fnmatch(options->exclude[i], point, 0) == 0 || fnmatch(options->exclude[i], method, 0) == 0 ||
		    fnmatch(options->exclude[i], size, 0) == 0)
			return true;
	return false;
}

/* `reason` NULL: not named. */
static enum status drop_run(struct run_list *list, size_t index, const char *reason)
{
	if (reason) {
		STATUS_TRY(load_leave_out(list, list->runs[index].point, reason));
		list->left[list->left_count - 1].parameters = list->runs[index].parameters;
	}
	run_clear(&list->runs[index]);
	memmove(&list->runs[index], &list->runs[index + 1], (list->count - index - 1) * sizeof(*list->runs));
	list->count--;
	return STATUS_OK;
}

static enum status drop_excluded(struct run_list *list, const struct study_options *options)
{
	const char **axes = NULL;
	size_t axis_count = 0;
	enum status status = study_find_axes(list, &axes, &axis_count);
	for (size_t i = list->count; i > 0 && status == STATUS_OK; i--) {
		struct run *run = &list->runs[i - 1];
		char *method = study_method_label(run, axes, axis_count, NULL), *size = study_size_label(run);
		if (!method || !size)
			status = STATUS_ENVIRONMENT;
		else if (is_excluded(options, run->point, method, size))
			status = drop_run(list, i - 1, "excluded on the command line");
		free(method);
		free(size);
	}
	free(axes);
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
		char *label = study_size_label(&list->runs[i]);
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
	static const char *const order[] = { "none",   "document", "mask",       "remove",
		                             "weight", "route",    METHOD_WHOLE, METHOD_UNLEARNED };
	enum { KNOWN = sizeof order / sizeof *order };
	for (int i = 0; i < KNOWN; i++)
		if (strcmp(filter, order[i]) == 0)
			return i;
	return KNOWN;
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

static enum status find_methods(struct study *study, const char *baseline)
{
	const struct run_list *list = study->list;
	study->methods = memory_allocate(list->count, sizeof(*study->methods));
	if (!study->methods)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < list->count; i++) {
		char *label = study_method_label(&list->runs[i], study->axes, study->axis_count, NULL);
		if (!label)
			return STATUS_ENVIRONMENT;
		if (find_method(study, label) != STUDY_NONE) {
			free(label);
			continue;
		}
		const char *filter = study_filter(&list->runs[i]);
		study->methods[study->method_count++] = (struct method){ .label = label,
			                                                 .filter = filter,
			                                                 .is_baseline = strcmp(filter, baseline) == 0,
			                                                 .baseline = STUDY_NONE,
			                                                 .first_run = i };
	}
	qsort(study->methods, study->method_count, sizeof(*study->methods), compare_methods);
	return STATUS_OK;
}

bool study_same_text(const struct study *study, size_t a, size_t b)
{
	static const char *const sections[] = { "data/", "generate/" };
	for (size_t i = 0; i < study->axis_count; i++)
		for (size_t s = 0; s < sizeof(sections) / sizeof(sections[0]); s++)
			if (strncmp(study->axes[i], sections[s], strlen(sections[s])) == 0 &&
			    strcmp(study_value(study, a, study->axes[i]), study_value(study, b, study->axes[i])) != 0)
				return false;
	return true;
}

static void find_baselines(struct study *study)
{
	const struct run *runs = study->list->runs;
	for (size_t m = 0; m < study->method_count; m++) {
		struct method *method = &study->methods[m];
		size_t most = 0;
		for (size_t b = 0; b < study->method_count; b++) {
			if (!study->methods[b].is_baseline || !study_same_text(study, m, b))
				continue;
			size_t equal = 1;
			const struct run *base = &runs[study->methods[b].first_run];
			for (size_t i = 0; i < study->axis_count; i++)
				equal += study_axis_matters(base, study->axes[i]) &&
				         strcmp(run_setting(&runs[method->first_run], study->axes[i]),
				                run_setting(base, study->axes[i])) == 0;
			if (equal > most) {
				most = equal;
				method->baseline = b;
			}
		}
		if (method->is_baseline)
			method->baseline = m;
	}
}

/* ---- groups ---- */

static int compare_seeds(const struct run *left, const struct run *right)
{
	const char *a = run_setting(left, STUDY_SEED), *b = run_setting(right, STUDY_SEED);
	unsigned long long x = strtoull(a, NULL, 10), y = strtoull(b, NULL, 10);
	return x != y ? (x > y) - (x < y) : strcmp(a, b);
}

/* Puts a run into its group, by seed; *repeats when the group has its seed already. */
static enum status add_to_group(struct group *group, const struct run_list *list, size_t run, bool *repeats)
{
	size_t place = 0;
	while (place < group->count && compare_seeds(&list->runs[group->runs[place]], &list->runs[run]) < 0)
		place++;
	*repeats = place < group->count && compare_seeds(&list->runs[group->runs[place]], &list->runs[run]) == 0;
	if (*repeats)
		return STATUS_OK;
	STATUS_TRY(memory_grow((void **)&group->runs, &group->capacity, group->count + 1, sizeof(*group->runs)));
	memmove(&group->runs[place + 1], &group->runs[place], (group->count - place) * sizeof(*group->runs));
	group->runs[place] = run;
	group->count++;
	return STATUS_OK;
}

/* The methods of the runs, by position in the list. */
static enum status find_places(const struct study *study, size_t *places)
{
	for (size_t i = 0; i < study->list->count; i++) {
		char *label = study_method_label(&study->list->runs[i], study->axes, study->axis_count, NULL);
		if (!label)
			return STATUS_ENVIRONMENT;
		places[i] = find_method(study, label) * study->size_count +
		            find_size(study, study->list->runs[i].parameters);
		free(label);
	}
	return STATUS_OK;
}

static enum status place_runs(struct study *study, const size_t *places, bool *repeats, size_t *repeated)
{
	size_t cells = study->method_count * study->size_count;
	study->cells = memory_allocate(cells, sizeof(*study->cells));
	study->groups =
		memory_allocate(cells < study->list->count ? cells : study->list->count, sizeof(*study->groups));
	if (!study->cells || !study->groups)
		return STATUS_ENVIRONMENT;
	for (size_t c = 0; c < cells; c++)
		study->cells[c] = STUDY_NONE;
	for (size_t i = 0; i < study->list->count; i++)
		study->cells[places[i]] = 0;
	for (size_t c = 0; c < cells; c++) {
		if (study->cells[c] == STUDY_NONE)
			continue;
		study->cells[c] = study->group_count;
		study->groups[study->group_count++] =
			(struct group){ .method = c / study->size_count, .size = c % study->size_count };
	}
	for (size_t i = 0; i < study->list->count; i++) {
		STATUS_TRY(add_to_group(&study->groups[study->cells[places[i]]], study->list, i, &repeats[i]));
		*repeated += repeats[i];
	}
	return STATUS_OK;
}

/* Groups of the runs; repeats[run]: it repeats method, size and seed of an earlier one. */
static enum status find_groups(struct study *study, bool *repeats, size_t *repeated)
{
	*repeated = 0;
	size_t *places = memory_allocate(study->list->count, sizeof(*places));
	enum status status = places ? find_places(study, places) : STATUS_ENVIRONMENT;
	if (status == STATUS_OK)
		status = place_runs(study, places, repeats, repeated);
	free(places);
	return status;
}

/* ---- the whole ---- */

static enum status drop_repeated(struct run_list *list, const bool *repeats, size_t count, size_t *merged)
{
	for (size_t i = count; i > 0; i--) {
		bool unfiltered = strcmp(study_filter(&list->runs[i - 1]), "none") == 0;
		if (!repeats[i - 1])
			continue;
		*merged += unfiltered;
		STATUS_TRY(drop_run(list, i - 1,
		                    unfiltered ? NULL : "repeats method, model size and seed of another run"));
	}
	return STATUS_OK;
}

/* Once more without the repeated runs when there are any: positions in the list have moved. */
static enum status arrange(struct run_list *list, const struct study_options *options, struct study *study)
{
	size_t repeated = 1, merged = 0;
	bool *repeats = memory_allocate(list->count, sizeof(*repeats));
	enum status status = repeats ? STATUS_OK : STATUS_ENVIRONMENT;
	while (status == STATUS_OK && repeated > 0) {
		size_t count = list->count;
		study_clear(study);
		study->list = list;
		memset(repeats, 0, count * sizeof(*repeats));
		status = study_find_axes(list, &study->axes, &study->axis_count);
		if (status == STATUS_OK)
			status = find_sizes(study);
		if (status == STATUS_OK)
			status = find_methods(study, options->baseline);
		if (status == STATUS_OK)
			status = find_groups(study, repeats, &repeated);
		if (status == STATUS_OK)
			status = drop_repeated(list, repeats, count, &merged);
	}
	free(repeats);
	STATUS_TRY(status);
	study->merged = merged;
	find_baselines(study);
	return study_find_measures(study);
}

enum status study_create(struct run_list *list, const struct study_options *options, struct study *study_out)
{
	struct study study = { .list = list };
	enum status status = drop_excluded(list, options);
	if (status == STATUS_OK)
		status = arrange(list, options, &study);
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
	for (size_t i = 0; i < study->group_count; i++)
		free(study->groups[i].runs);
	free(study->methods);
	free(study->sizes);
	free(study->axes);
	free(study->groups);
	free(study->cells);
	free(study->measures);
	*study = (struct study){ 0 };
}

size_t study_cell(const struct study *study, size_t method, size_t size)
{
	return study->cells[method * study->size_count + size];
}

const struct run *study_first(const struct study *study, size_t group)
{
	return &study->list->runs[study->groups[group].runs[0]];
}

const struct run *study_run(const struct study *study, size_t method, size_t size)
{
	size_t group = study_cell(study, method, size);
	return group == STUDY_NONE ? NULL : study_first(study, group);
}

size_t study_method_sizes(const struct study *study, size_t method)
{
	size_t count = 0;
	for (size_t s = 0; s < study->size_count; s++)
		count += study_cell(study, method, s) != STUDY_NONE;
	return count;
}

size_t study_most_seeds(const struct study *study)
{
	size_t most = 0;
	for (size_t g = 0; g < study->group_count; g++)
		most = study->groups[g].count > most ? study->groups[g].count : most;
	return most;
}

const char *study_value(const struct study *study, size_t method, const char *axis)
{
	return run_setting(&study->list->runs[study->methods[method].first_run], axis);
}
