/* Names of methods and sizes, and which axes make them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/study.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/load_start.h"

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

/* An axis that only says how large the model is: of [model] or [train], and the same for all runs of equal size. */
static bool is_size_axis(const struct run_list *list, const char *axis)
{
	if (!starts_with(axis, "model/") && !starts_with(axis, "train/"))
		return false;
	for (size_t i = 0; i < list->count; i++) {
		size_t first = 0;
		while (list->runs[first].parameters != list->runs[i].parameters)
			first++;
		if (strcmp(run_setting(&list->runs[first], axis), run_setting(&list->runs[i], axis)) != 0)
			return false;
	}
	return true;
}

enum status study_find_axes(const struct run_list *list, const char ***axes_out, size_t *count_out)
{
	const char **axes = memory_allocate(list->axis_count, sizeof(*axes));
	if (!axes)
		return STATUS_ENVIRONMENT;
	size_t count = 0;
	for (size_t i = 0; i < list->axis_count; i++)
		if (strcmp(list->axes[i], "filter/method") != 0 && strcmp(list->axes[i], STUDY_SEED) != 0 &&
		    !is_size_axis(list, list->axes[i]))
			axes[count++] = list->axes[i];
	*axes_out = axes;
	*count_out = count;
	return STATUS_OK;
}

const char *study_filter(const struct run *run)
{
	const char *filter = run_setting(run, "filter/method");
	return filter[0] ? filter : "none";
}

const char *study_axis_key(const char *axis)
{
	const char *slash = strrchr(axis, '/');
	return slash ? slash + 1 : axis;
}

bool study_axis_matters(const struct run *run, const char *axis)
{
	if (starts_with(axis, "unlearn/"))
		return load_start_is_unlearned(study_filter(run));
	if (starts_with(axis, "filter/route_"))
		return starts_with(study_filter(run), "route");
	/* Unlearned models were not filtered. */
	return (strcmp(study_filter(run), "none") != 0 && strcmp(study_filter(run), METHOD_UNLEARNED) != 0) ||
	       !starts_with(axis, "filter/");
}

char *study_method_label(const struct run *run, const char *const *axes, size_t axis_count, const bool *without)
{
	char *label = memory_copy_text(study_filter(run));
	for (size_t i = 0; i < axis_count && label; i++) {
		if ((without && without[i]) || !study_axis_matters(run, axes[i]))
			continue;
		const char *key = study_axis_key(axes[i]), *value = run_setting(run, axes[i]);
		/* A switch is named where it is on; an axis of runs of another kind is not this one's. */
		if (strcmp(value, "off") == 0 || value[0] == '\0')
			continue;
		char *longer = strcmp(value, "on") == 0 ? text_format("%s, %s", label, key)
		                                        : text_format("%s, %s=%s", label, key, value);
		free(label);
		label = longer;
	}
	return label;
}

char *study_size_label(const struct run *run)
{
	char buffer[32];
	return memory_copy_text(run->model_name[0] ? run->model_name
	                                           : text_count((double)run->parameters, buffer, sizeof(buffer)));
}
