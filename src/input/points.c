/* The points of a sweep: axes, zipped axes, the cartesian product, the names of the points.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* open_memstream */
#endif

#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "input/sweep.h"

enum { HASH_DIGITS = 16 };

static int compare_order(const void *a, const void *b)
{
	const struct axis *first = a, *second = b;
	unsigned first_leads = first->setting->key->flags & KEY_LEADS,
		 second_leads = second->setting->key->flags & KEY_LEADS;
	if (first_leads != second_leads)
		return first_leads > second_leads ? -1 : 1;
	return first->setting->order < second->setting->order ? -1 : first->setting->order > second->setting->order;
}

static struct axis *find_axis(struct sweep *sweep, const char *name)
{
	for (size_t i = 0; i < sweep->axis_count; i++)
		if (strcmp(sweep->axes[i].setting->key->name, name) == 0)
			return &sweep->axes[i];
	return NULL;
}

/* Reports what is wrong with a word of sweep/zip; false when there is nothing to zip. */
static bool check_zip_word(struct sweep *sweep, const struct setting *zip, size_t index, struct error_list *errors)
{
	const char *word = zip->values[0].items.texts[index];
	const struct setting *setting = sweep_find_setting(sweep, word);
	for (size_t i = 0; i < index; i++) {
		if (strcmp(zip->values[0].items.texts[i], word) == 0) {
			error_list_add(errors, "%s: sweep/zip: %.80s is named twice", zip->origin, word);
			return false;
		}
	}
	if (setting == NULL) {
		const char *nearest = keys_nearest(word);
		error_list_add(errors, "%s: sweep/zip: %.80s is not a key%s%s%s", zip->origin, word,
		               nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
		               nearest != NULL ? "?" : "");
		return false;
	}
	if (find_axis(sweep, word) != NULL)
		return true;
	if (!setting->broken)
		error_list_add(errors, "%s: sweep/zip: %s is not an axis: give it a comma-separated list of values",
		               zip->origin, word);
	return false;
}

/* Stands between the axes of one group and those of the next. */
static bool is_separator(const char *word)
{
	return strcmp(word, "and") == 0;
}

/* Puts the axes that words [begin, end) of sweep/zip name into the group of the first of them. */
static void join_group(struct sweep *sweep, const struct setting *zip, size_t begin, size_t end,
                       struct error_list *errors)
{
	const struct entries *words = &zip->values[0].items;
	struct axis *first = NULL;
	if (end - begin < 2) {
		error_list_add(errors, "%s: sweep/zip: names %s; it takes two or more to move together", zip->origin,
		               end > begin ? "one axis" : "no axis beside \"and\"");
		return;
	}
	for (size_t i = begin; i < end; i++) {
		if (!check_zip_word(sweep, zip, i, errors))
			continue;
		struct axis *axis = find_axis(sweep, words->texts[i]);
		if (first == NULL) {
			first = axis;
			continue;
		}
		if (axis->setting->value_count != first->setting->value_count)
			error_list_add(
				errors,
				"%s: sweep/zip: %s has %zu values but %s has %zu; zipped axes have equal lengths",
				zip->origin, first->setting->key->name, first->setting->value_count,
				axis->setting->key->name, axis->setting->value_count);
		size_t group = axis->group < first->group ? axis->group : first->group;
		size_t other = axis->group < first->group ? first->group : axis->group;
		for (size_t j = 0; j < sweep->axis_count; j++)
			if (sweep->axes[j].group == other)
				sweep->axes[j].group = group;
	}
}

static void join_zipped(struct sweep *sweep, struct error_list *errors)
{
	const struct setting *zip = sweep_find_setting(sweep, "sweep/zip");
	const struct entries *words = &zip->values[0].items;
	size_t begin = 0;
	for (size_t i = 0; i <= words->count && words->count > 0; i++) {
		if (i < words->count && !is_separator(words->texts[i]))
			continue;
		join_group(sweep, zip, begin, i, errors);
		begin = i + 1;
	}
}

/* The last group varies fastest: counts points from the last axis to the first. */
static void count_points(struct sweep *sweep, struct error_list *errors)
{
	size_t points = 1;
	for (size_t i = sweep->axis_count; i-- > 0;) {
		struct axis *axis = &sweep->axes[i];
		if (axis->group != i)
			continue; /* moves with an earlier one */
		for (size_t j = i; j < sweep->axis_count; j++)
			if (sweep->axes[j].group == i)
				sweep->axes[j].stride = points;
		if (__builtin_mul_overflow(points, axis->setting->value_count, &points) || points > SWEEP_POINT_LIMIT) {
			error_list_add(errors, "%s: the axes make more than %d points", sweep->file_name,
			               SWEEP_POINT_LIMIT);
			return;
		}
	}
	sweep->point_count = points;
}

enum status sweep_find_axes(struct sweep *sweep, struct error_list *errors)
{
	sweep->axes = memory_allocate(sweep->setting_count, sizeof *sweep->axes);
	if (sweep->axes == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < sweep->setting_count; i++)
		if (sweep->settings[i].value_count > 1)
			sweep->axes[sweep->axis_count++].setting = &sweep->settings[i];
	qsort(sweep->axes, sweep->axis_count, sizeof *sweep->axes, compare_order);
	for (size_t i = 0; i < sweep->axis_count; i++)
		sweep->axes[i].group = i;
	join_zipped(sweep, errors);
	count_points(sweep, errors);
	return STATUS_OK;
}

/* Whether another axis has the same key part, so that the section is needed to tell them apart. */
static bool shares_key_part(const struct sweep *sweep, size_t axis)
{
	const char *part = strchr(sweep->axes[axis].setting->key->name, '/');
	for (size_t i = 0; i < sweep->axis_count; i++)
		if (i != axis && strcmp(strchr(sweep->axes[i].setting->key->name, '/'), part) == 0)
			return true;
	return false;
}

/* Keeps a name short enough for a folder, still different from every other. */
static void shorten_name(char *name)
{
	size_t length = strlen(name);
	if (length <= SWEEP_NAME_LIMIT)
		return;
	char hash[CONTENT_HASH_SIZE];
	checksum_content_hash(name, length, hash);
	name[SWEEP_NAME_LIMIT - HASH_DIGITS - 1] = '+';
	memcpy(name + SWEEP_NAME_LIMIT - HASH_DIGITS, hash, HASH_DIGITS);
	name[SWEEP_NAME_LIMIT] = '\0';
}

static char *make_name(const struct sweep *sweep, size_t point)
{
	if (sweep->axis_count == 0)
		return memory_copy_text("point");
	char *name = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&name, &size);
	if (stream == NULL) {
		error_raise(STATUS_ENVIRONMENT, "there is no memory for the name of a point");
		return NULL;
	}
	for (size_t i = 0; i < sweep->axis_count; i++) {
		const struct setting *setting = sweep->axes[i].setting;
		const char *key = setting->key->name;
		const struct parameters *parameters = &sweep->points[point];
		fprintf(stream, "%s%s=%s", i > 0 ? "," : "", shares_key_part(sweep, i) ? key : strchr(key, '/') + 1,
		        parameters->values[setting - sweep->settings]->text);
	}
	if (fclose(stream) != 0) {
		free(name);
		error_raise(STATUS_ENVIRONMENT, "there is no memory for the name of a point");
		return NULL;
	}
	for (char *at = name; *at != '\0'; at++)
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+=,_-", *at) == NULL)
			*at = '_';
	shorten_name(name);
	return name;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Results of two points of one name would overwrite each other. */
static enum status check_names(const struct sweep *sweep, struct error_list *errors)
{
	char **sorted = memory_allocate(sweep->point_count, sizeof *sorted);
	if (sorted == NULL)
		return STATUS_ENVIRONMENT;
	memcpy(sorted, sweep->point_names, sweep->point_count * sizeof *sorted);
	qsort(sorted, sweep->point_count, sizeof *sorted, compare_names);
	for (size_t i = 1; i < sweep->point_count; i++) {
		if (strcmp(sorted[i - 1], sorted[i]) == 0) {
			error_list_add(errors,
			               "%s: two points have the name \"%s\": an axis repeats a value, or two values "
			               "differ only in characters that the name of a folder can not hold",
			               sweep->file_name, sorted[i]);
			break;
		}
	}
	free(sorted);
	return STATUS_OK;
}

/* ---- {section/key} in paths ---- */

/* The key that a placeholder at the beginning of `text` names: *size bytes with its braces. NULL when there is none. */
static const struct setting *read_placeholder(const struct sweep *sweep, const char *text, size_t *size)
{
	char name[64];
	const char *end = text[0] == '{' ? strchr(text, '}') : NULL;
	if (end == NULL || (size_t)(end - text) > sizeof name)
		return NULL;
	memcpy(name, text + 1, (size_t)(end - text) - 1);
	name[end - text - 1] = '\0';
	*size = (size_t)(end - text) + 1;
	return sweep_find_setting(sweep, name);
}

/* The path with the values of the point in the place of {section/key}. From malloc; NULL without memory. */
static char *expand_path(const struct sweep *sweep, const struct value *const *values, const struct setting *setting,
                         const char *path, struct error_list *errors)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL) {
		error_raise(STATUS_ENVIRONMENT, "there is no memory for a path");
		return NULL;
	}
	while (*path != '\0') {
		size_t length = 1;
		const struct setting *named = read_placeholder(sweep, path, &length);
		if (named == NULL && *path == '{') {
			error_list_add(errors,
			               "%s: %s: \"%s\": {section/key} in a path stands for the value of that key, and "
			               "this names no key",
			               setting->origin, setting->key->name, path);
			path += strlen(path);
			continue;
		}
		if (named == NULL)
			fputc(*path, stream);
		else
			fputs(values[named - sweep->settings]->text, stream);
		path += length;
	}
	if (fclose(stream) != 0) {
		free(text);
		error_raise(STATUS_ENVIRONMENT, "there is no memory for a path");
		return NULL;
	}
	return text;
}

/* Expands the paths of one point; what they name has the values of the file, not expanded again. */
static enum status expand_paths(struct sweep *sweep, const struct value **values, struct error_list *errors)
{
	size_t first = sweep->expanded_count;
	for (size_t i = 0; i < sweep->setting_count; i++) {
		const struct setting *setting = &sweep->settings[i];
		if (setting->key->type != KEY_PATH || strchr(values[i]->text, '{') == NULL)
			continue;
		STATUS_TRY(memory_grow((void **)&sweep->expanded, &sweep->expanded_capacity, sweep->expanded_count + 1,
		                       sizeof *sweep->expanded));
		struct expanded_value *expanded = &sweep->expanded[sweep->expanded_count];
		*expanded = (struct expanded_value){ i, memory_allocate(1, sizeof *expanded->value) };
		if (expanded->value == NULL)
			return STATUS_ENVIRONMENT;
		sweep->expanded_count++;
		expanded->value->text = expand_path(sweep, values, setting, values[i]->text, errors);
		if (expanded->value->text == NULL)
			return STATUS_ENVIRONMENT;
	}
	for (size_t i = first; i < sweep->expanded_count; i++)
		values[sweep->expanded[i].setting] = sweep->expanded[i].value;
	return STATUS_OK;
}

static int compare_outputs(const void *a, const void *b)
{
	return strcmp(parameters_text(*(const struct parameters *const *)a, "run/output"),
	              parameters_text(*(const struct parameters *const *)b, "run/output"));
}

/* Points of tokenize and classifier are results of their own, each with a folder; those of the other tasks are one
 * sweep in one folder. */
static enum status check_outputs(const struct sweep *sweep, struct error_list *errors)
{
	const struct setting *output = sweep_find_setting(sweep, "run/output");
	const char *task = sweep_task(sweep);
	bool own = strcmp(task, "tokenize") == 0 || strcmp(task, "classifier") == 0;
	const struct parameters **sorted = memory_allocate(sweep->point_count, sizeof *sorted);
	if (sorted == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < sweep->point_count; i++)
		sorted[i] = &sweep->points[i];
	qsort(sorted, sweep->point_count, sizeof *sorted, compare_outputs);
	bool all_differ = true, all_equal = true;
	for (size_t i = 1; i < sweep->point_count; i++) {
		bool equal = compare_outputs(&sorted[i - 1], &sorted[i]) == 0;
		all_differ = all_differ && !equal;
		all_equal = all_equal && equal;
	}
	free(sorted);
	if (own && !all_differ)
		error_list_add(errors,
		               "%s: run/output: each of the %zu points of a %s task needs a folder of its own: put "
		               "{section/key} of the axis into it, as in data/entanglement={generate/entanglement}",
		               output->origin, sweep->point_count, task);
	if (!own && !all_equal)
		error_list_add(
			errors,
			"%s: run/output: the points of a %s task are one sweep in one folder: {section/key} of an "
			"axis cannot stand in it",
			output->origin, task);
	return STATUS_OK;
}

enum status sweep_make_points(struct sweep *sweep, struct error_list *errors)
{
	size_t count = sweep->point_count, keys = sweep->setting_count;
	sweep->points = memory_allocate(count, sizeof *sweep->points);
	sweep->point_values = memory_allocate(count, keys * sizeof *sweep->point_values);
	sweep->point_names = memory_allocate(count, sizeof *sweep->point_names);
	if (sweep->points == NULL || sweep->point_values == NULL || sweep->point_names == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t point = 0; point < count; point++) {
		const struct value **values = sweep->point_values + point * keys;
		for (size_t i = 0; i < keys; i++)
			values[i] = &sweep->settings[i].values[0];
		for (size_t i = 0; i < sweep->axis_count; i++) {
			const struct axis *axis = &sweep->axes[i];
			size_t index = point / axis->stride % axis->setting->value_count;
			values[axis->setting - sweep->settings] = &axis->setting->values[index];
		}
		sweep->points[point] = (struct parameters){ sweep, values };
		sweep->point_names[point] = make_name(sweep, point);
		if (sweep->point_names[point] == NULL)
			return STATUS_ENVIRONMENT;
		STATUS_TRY(expand_paths(sweep, values, errors));
	}
	STATUS_TRY(check_outputs(sweep, errors));
	return check_names(sweep, errors);
}
