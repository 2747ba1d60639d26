/* Joining two run folders.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/load_start.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

#define METHOD "filter/method"
#define POINT  "start/point"
#define FOLDER "start/run"
#define TASK   "run/task"

enum { FIRST_OF_TEXT = 3 };

const char *const load_start_names[] = { TASK, FOLDER, POINT, "data/folder", "evaluate/set" };

static bool is_unlearned(const struct run *run)
{
	return strcmp(run_setting(run, TASK), "unlearn") == 0;
}

/* Replaces a value, or adds it. */
static enum status set(struct run *run, const char *name, const char *value)
{
	char *copy = memory_copy_text(value);
	if (!copy)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < run->setting_count; i++)
		if (strcmp(run->settings[i].name, name) == 0) {
			free(run->settings[i].value);
			run->settings[i].value = copy;
			return STATUS_OK;
		}
	size_t capacity = run->setting_count;
	char *own_name = memory_copy_text(name);
	if (!own_name || memory_grow((void **)&run->settings, &capacity, run->setting_count + 1,
	                             sizeof(*run->settings)) != STATUS_OK) {
		free(own_name);
		free(copy);
		return STATUS_ENVIRONMENT;
	}
	run->settings[run->setting_count++] = (struct setting){ own_name, copy };
	return STATUS_OK;
}

bool load_start_is_unlearned(const char *method)
{
	return strncmp(method, METHOD_UNLEARNED, strlen(METHOD_UNLEARNED)) == 0;
}

bool load_start_is_routed(const char *method)
{
	return strncmp(method, METHOD_ROUTED, strlen(METHOD_ROUTED)) == 0;
}

/* A model that was filtered before it unlearned is another than one that was not. */
static enum status name_unlearned(struct run *run, const char *filter)
{
	if (!filter || filter[0] == '\0' || strcmp(filter, "none") == 0)
		return set(run, METHOD, METHOD_UNLEARNED);
	char *method = text_format("%s of %s", METHOD_UNLEARNED, filter);
	enum status status = method ? set(run, METHOD, method) : STATUS_ENVIRONMENT;
	free(method);
	return status;
}

enum status load_start_name_method(struct run *run)
{
	const char *own = run_setting(run, METHOD);
	if (!run->start_method)
		return is_unlearned(run) ? name_unlearned(run, run->start_filter) : STATUS_OK;
	if (strcmp(own, "none") == 0 || own[0] == '\0')
		return set(run, METHOD, run->start_method);
	char *both = text_format("%s+%s", run->start_method, own);
	enum status status = both ? set(run, METHOD, both) : STATUS_ENVIRONMENT;
	free(both);
	return status;
}

enum status load_start_name_whole(struct run *run)
{
	return set(run, METHOD, METHOD_WHOLE);
}

static bool has_axis(const struct run_list *list, const char *name)
{
	for (size_t i = 0; i < list->axis_count; i++)
		if (strcmp(list->axes[i], name) == 0)
			return true;
	return false;
}

/* What the start was on the axes of its own folder, unless that varies among the unlearned runs themselves. */
static enum status adopt(struct run *run, const struct run_list *list, const struct run_list *started)
{
	const struct run *start = NULL;
	for (size_t i = 0; i < started->count && !start; i++)
		if (strcmp(started->runs[i].point, run_setting(run, POINT)) == 0)
			start = &started->runs[i];
	if (start && is_unlearned(run) && !run->start_filter) /* a file that does not say it itself */
		STATUS_TRY(name_unlearned(run, run_setting(start, METHOD)));
	for (size_t a = 0; start && a < started->axis_count; a++)
		if (strcmp(started->axes[a], METHOD) != 0 && !has_axis(list, started->axes[a]))
			STATUS_TRY(set(run, started->axes[a], run_setting(start, started->axes[a])));
	return STATUS_OK;
}

/* The axes of both, without the one that the program made of the points begun from. */
static enum status join_axes(struct run_list *list, struct run_list *started)
{
	size_t count = 0, capacity = 0;
	char **axes = NULL;
	STATUS_TRY(memory_grow((void **)&axes, &capacity, started->axis_count + list->axis_count + 1, sizeof(*axes)));
	for (size_t i = 0; i < started->axis_count; i++) {
		if (has_axis(list, started->axes[i]))
			continue;
		axes[count++] = started->axes[i];
		started->axes[i] = NULL;
	}
	for (size_t i = 0; i < list->axis_count; i++) {
		if (strcmp(list->axes[i], POINT) == 0)
			free(list->axes[i]);
		else
			axes[count++] = list->axes[i];
	}
	free(list->axes);
	list->axes = axes;
	list->axis_count = count;
	return STATUS_OK;
}

/* The runs of `started` in front. */
static enum status join_runs(struct run_list *list, struct run_list *started)
{
	STATUS_TRY(
		memory_grow((void **)&list->runs, &list->capacity, list->count + started->count, sizeof(*list->runs)));
	memmove(list->runs + started->count, list->runs, list->count * sizeof(*list->runs));
	memcpy(list->runs, started->runs, started->count * sizeof(*list->runs));
	list->count += started->count;
	started->count = 0; /* they are the other's now */
	for (size_t i = 0; i < started->left_count; i++)
		STATUS_TRY(load_leave_out(list, started->left[i].point, started->left[i].reason));
	return STATUS_OK;
}

/* Whether two runs were evaluated on the same text; numbers of documents of other text would be others'. */
static bool same_text(const struct run *a, const struct run *b)
{
	for (int i = FIRST_OF_TEXT; i < LOAD_START_NAMES; i++)
		if (strcmp(run_setting(a, load_start_names[i]), run_setting(b, load_start_names[i])) != 0)
			return false;
	return true;
}

/* Finetuned models stand by themselves, on the axes of what they began from. */
static enum status join_finetuned(struct run_list *list, struct run_list *started)
{
	for (size_t i = 0; i < list->count; i++)
		STATUS_TRY(adopt(&list->runs[i], list, started));
	return join_axes(list, started);
}

static enum status join(struct run_list *list, struct run_list *started, const struct run *first)
{
	if (first->start_method)
		return join_finetuned(list, started);
	if (started->count > 0 && !same_text(first, &started->runs[0]))
		return load_leave_out(list, run_setting(first, FOLDER),
		                      "the runs that these began from were evaluated on other text (data/folder, "
		                      "evaluate/set)");
	for (size_t i = 0; i < list->count; i++)
		if (is_unlearned(&list->runs[i]))
			STATUS_TRY(adopt(&list->runs[i], list, started));
	STATUS_TRY(join_axes(list, started));
	return join_runs(list, started);
}

enum status load_start_add(struct run_list *list)
{
	const struct run *first = NULL;
	struct run_list started = { 0 };
	for (size_t i = 0; i < list->count && !first; i++)
		first = is_unlearned(&list->runs[i]) || list->runs[i].start_method ? &list->runs[i] : NULL;
	if (!first || (first->reevaluated && !first->start_method))
		return STATUS_OK;
	enum status status = load_folder(run_setting(first, FOLDER), &started);
	if (status == STATUS_DATA || status == STATUS_IO) {
		char *reason =
			text_format("the runs that these began from (start/run) are not here: %s; a path that does not "
		                    "begin with / counts from where capshape-report is started",
		                    error_message());
		error_clear();
		status = reason ? load_leave_out(list, run_setting(first, FOLDER), reason) : STATUS_ENVIRONMENT;
		free(reason);
		return status;
	}
	if (status == STATUS_OK)
		status = join(list, &started, first);
	load_clear(&started);
	return status;
}
