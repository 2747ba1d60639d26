/* Finding the runs of a folder. One bad file must not hide the others: it is named and left out.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/load.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/open_files.h"
#include "base/text.h"
#include "input/keys.h"
#include "report/load_start.h"
#include "storage/hdf5_file.h"

/* Names of points and of axes, in the order in which runs are read. */
struct index {
	char **points, **axes;
	size_t point_count, axis_count, axis_capacity;
};

static void index_clear(struct index *index)
{
	hdf5_free_names(index->points, index->point_count);
	hdf5_free_names(index->axes, index->axis_count);
	*index = (struct index){ 0 };
}

static enum status add_axis(struct index *index, const char *section, const char *key)
{
	STATUS_TRY(
		memory_grow((void **)&index->axes, &index->axis_capacity, index->axis_count + 1, sizeof(*index->axes)));
	char *axis = text_format("%s/%s", section, key);
	if (!axis)
		return STATUS_ENVIRONMENT;
	index->axes[index->axis_count++] = axis;
	return STATUS_OK;
}

static enum status read_axes(struct hdf5_reader *reader, const char *section, struct index *index)
{
	char *group = text_format("points/%s", section), **keys = NULL;
	size_t count = 0;
	if (!group)
		return STATUS_ENVIRONMENT;
	enum status status = hdf5_list(reader, group, &keys, &count);
	free(group);
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		status = add_axis(index, section, keys[i]);
	hdf5_free_names(keys, count);
	return status;
}

static enum status read_sweep(const char *path, struct index *index)
{
	struct hdf5_reader *reader = NULL;
	char **members = NULL;
	size_t count = 0;
	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = hdf5_read_texts(reader, "points/name", &index->points, &index->point_count);
	if (status == STATUS_OK)
		status = hdf5_list(reader, "points", &members, &count);
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		if (strcmp(members[i], "name") != 0 && strcmp(members[i], "finished") != 0)
			status = read_axes(reader, members[i], index);
	hdf5_free_names(members, count);
	hdf5_close(reader);
	return status;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum status scan_points(const char *path, struct index *index)
{
	DIR *directory = opendir(path);
	if (!directory)
		return error_raise(open_files_status(errno, STATUS_DATA),
		                   "%s can not be read (%s): give the folder that a run wrote (run/output), "
		                   "which holds points/",
		                   path, strerror(errno));
	size_t capacity = 0;
	enum status status = STATUS_OK;
	for (struct dirent *entry; status == STATUS_OK && (entry = readdir(directory)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		status =
			memory_grow((void **)&index->points, &capacity, index->point_count + 1, sizeof(*index->points));
		if (status != STATUS_OK)
			break;
		char *name = memory_copy_text(entry->d_name);
		if (name)
			index->points[index->point_count++] = name;
		else
			status = STATUS_ENVIRONMENT;
	}
	closedir(directory);
	if (status == STATUS_OK && index->point_count > 1)
		qsort(index->points, index->point_count, sizeof(*index->points), compare_names);
	return status;
}

enum status load_leave_out(struct run_list *list, const char *point, const char *reason)
{
	STATUS_TRY(memory_grow((void **)&list->left, &list->left_capacity, list->left_count + 1, sizeof(*list->left)));
	struct left_out entry = { memory_copy_text(point), memory_copy_text(reason), 0 };
	list->left[list->left_count++] = entry;
	return entry.point && entry.reason ? STATUS_OK : STATUS_ENVIRONMENT;
}

/* One version of a point. */
static enum status load_version(const char *path, const char *point, const char *const *names, size_t name_count,
                                enum run_version version, struct run_list *list)
{
	STATUS_TRY(memory_grow((void **)&list->runs, &list->capacity, list->count + 1, sizeof(*list->runs)));
	STATUS_TRY(run_read(path, point, names, name_count, version, &list->runs[list->count]));
	struct run *run = &list->runs[list->count++];
	/* What began from a forget part that was cut out has none, whatever it was probed with. */
	bool whole = run->probed_whole && !run->start_method &&
	             strcmp(run_setting(run, "filter/method"), METHOD_ROUTED) == 0;
	return version == RUN_WHOLE || whole ? load_start_name_whole(run) : load_start_name_method(run);
}

/* That with the forget part, a run of its own; where there is nothing of the other, in its place. */
static enum status load_whole(const char *path, const char *point, const char *const *names, size_t name_count,
                              struct run_list *list)
{
	const struct run *meant = &list->runs[list->count - 1];
	if (!meant->has_other)
		return STATUS_OK;
	if (meant->evaluation_count == 0)
		run_clear(&list->runs[--list->count]);
	return load_version(path, point, names, name_count, RUN_WHOLE, list);
}

/* Why a point has no run file. */
static const char *reason_without(const char *folder)
{
	char *summary = text_join_path(folder, "summary.json");
	bool sampled = summary != NULL && access(summary, F_OK) == 0;
	free(summary);
	return sampled ? "text that the model wrote (task = sample): it is in samples.jsonl and summary.json there, there is "
	                 "no report of it"
	               : "no run.h5 yet: not started, or no checkpoint written";
}

/* One point: a run more, or an entry among those left out. */
static enum status load_point(const char *points_folder, const char *point, const char *const *names, size_t name_count,
                              struct run_list *list)
{
	char *folder = text_join_path(points_folder, point), *path = folder ? text_join_path(folder, "run.h5") : NULL;
	enum status status = path ? STATUS_OK : STATUS_ENVIRONMENT;
	if (status == STATUS_OK && access(path, F_OK) != 0) {
		status = load_leave_out(list, point, reason_without(folder));
	} else if (status == STATUS_OK) {
		status = load_version(path, point, names, name_count, RUN_AS_MEANT, list);
		if (status == STATUS_OK) {
			status = load_whole(path, point, names, name_count, list);
		} else if (status != STATUS_ENVIRONMENT) {
			char *reason = memory_copy_text(error_message());
			error_clear();
			status = reason ? load_leave_out(list, point, reason) : STATUS_ENVIRONMENT;
			free(reason);
		}
	}
	free(folder);
	free(path);
	return status;
}

/* Whether the runs differ in a parameter that says what was computed. */
static bool is_axis(const struct run_list *list, const char *name)
{
	const struct key *key = keys_find(name);
	if (key && (key->flags & KEY_CHANGES_ON_RESUME))
		return false;
	const char *first = run_setting(&list->runs[0], name);
	for (size_t i = 1; i < list->count; i++)
		if (strcmp(run_setting(&list->runs[i], name), first) != 0)
			return true;
	return false;
}

static enum status find_axes(const struct run_list *list, struct index *index)
{
	for (size_t r = 0; r < list->count; r++)
		for (size_t s = 0; s < list->runs[r].setting_count; s++) {
			const char *name = list->runs[r].settings[s].name;
			bool known = false;
			for (size_t a = 0; a < index->axis_count; a++)
				known = known || strcmp(index->axes[a], name) == 0;
			if (known || !is_axis(list, name))
				continue;
			STATUS_TRY(memory_grow((void **)&index->axes, &index->axis_capacity, index->axis_count + 1,
			                       sizeof(*index->axes)));
			char *copy = memory_copy_text(name);
			if (!copy)
				return STATUS_ENVIRONMENT;
			index->axes[index->axis_count++] = copy;
		}
	return STATUS_OK;
}

static bool name_is_axis(const struct index *index, const char *name)
{
	for (size_t i = 0; i < index->axis_count; i++)
		if (strcmp(index->axes[i], name) == 0)
			return true;
	return false;
}

static enum status read_runs(const char *points_folder, bool from_sweep, struct index *index, struct run_list *list)
{
	size_t name_count = 0;
	const char **names = memory_allocate(index->axis_count + 4 + LOAD_START_NAMES, sizeof(*names));
	if (!names)
		return STATUS_ENVIRONMENT;
	if (from_sweep) { /* only what the report needs: reading every parameter would double the time */
		for (size_t i = 0; i < index->axis_count; i++)
			if (strcmp(index->axes[i], "filter/method") != 0 &&
			    strcmp(index->axes[i], "filter/classifier") != 0)
				names[name_count++] = index->axes[i];
		names[name_count++] = "filter/method";
		names[name_count++] = "filter/classifier";
		names[name_count++] = "evaluate/resamples";
		if (!name_is_axis(index, "filter/source"))
			names[name_count++] = "filter/source";
		for (int i = 0; i < LOAD_START_NAMES; i++)
			if (!name_is_axis(index, load_start_names[i]))
				names[name_count++] = load_start_names[i];
	}
	enum status status = STATUS_OK;
	for (size_t i = 0; i < index->point_count && status == STATUS_OK; i++)
		status = load_point(points_folder, index->points[i], names, name_count, list);
	free(names);
	if (status == STATUS_OK && !from_sweep && list->count > 0)
		status = find_axes(list, index);
	return status;
}

enum status load_folder(const char *folder, struct run_list *list_out)
{
	struct run_list list = { 0 };
	struct index index = { 0 };
	char *sweep = text_join_path(folder, "sweep.h5"), *points = text_join_path(folder, "points");
	enum status status = sweep && points ? STATUS_OK : STATUS_ENVIRONMENT;
	bool from_sweep = false;
	if (status == STATUS_OK && access(sweep, F_OK) == 0) {
		from_sweep = read_sweep(sweep, &index) == STATUS_OK;
		if (!from_sweep) {
			index_clear(&index);
			char *reason = text_format("%s; the folder was scanned instead", error_message());
			error_clear();
			status = reason ? load_leave_out(&list, "sweep.h5", reason) : STATUS_ENVIRONMENT;
			free(reason);
		}
	}
	if (status == STATUS_OK && !from_sweep)
		status = scan_points(points, &index);
	if (status == STATUS_OK)
		status = read_runs(points, from_sweep, &index, &list);
	free(sweep);
	free(points);
	if (status == STATUS_OK) {
		list.axes = index.axes;
		list.axis_count = index.axis_count;
		index.axes = NULL;
		index.axis_count = 0;
		status = load_start_add(&list);
	}
	if (status == STATUS_OK) {
		*list_out = list;
	} else {
		load_clear(&list);
	}
	index_clear(&index);
	return status;
}

void load_clear(struct run_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		run_clear(&list->runs[i]);
	for (size_t i = 0; i < list->left_count; i++) {
		free(list->left[i].point);
		free(list->left[i].reason);
	}
	hdf5_free_names(list->axes, list->axis_count);
	free(list->runs);
	free(list->left);
	*list = (struct run_list){ 0 };
}
