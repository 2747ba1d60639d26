/* Reading an input file as a whole: defaults, text, overrides, what is missing, points; and its destruction.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* open_memstream */
#endif

#include "input/sweep.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/open_files.h"

enum {
	ERRORS_SHOWN = 50,
	ERRORS_BYTES = 10000 /* a message holds 16384 bytes */
};

void error_list_add(struct error_list *errors, const char *format, ...)
{
	errors->count++;
	if (errors->count > ERRORS_SHOWN || errors->size > ERRORS_BYTES)
		return;
	va_list arguments;
	va_start(arguments, format);
	fputs(errors->size > 0 ? "\n" : "", errors->stream);
	vfprintf(errors->stream, format, arguments);
	va_end(arguments);
	fflush(errors->stream); /* sets size */
}

/* One message from the list, which is closed. */
static enum status error_list_finish(struct error_list *errors, enum status status)
{
	bool whole = fclose(errors->stream) == 0;
	if (status == STATUS_OK && !whole)
		status = error_raise(STATUS_ENVIRONMENT, "there is no memory for the messages about the input");
	if (status == STATUS_OK && errors->count == 1)
		status = error_raise(STATUS_USAGE, "%s", errors->text);
	else if (status == STATUS_OK && errors->count > 1)
		status = error_raise(
			STATUS_USAGE, "%zu errors in the input%s:\n%s", errors->count,
			errors->count > ERRORS_SHOWN || errors->size > ERRORS_BYTES ? " (the first of them)" : "",
			errors->text);
	free(errors->text);
	return status;
}

struct setting *sweep_find_setting(const struct sweep *sweep, const char *name)
{
	size_t count;
	const struct key *key = keys_find(name), *table = keys_table(&count);
	return key != NULL ? &sweep->settings[key - table] : NULL;
}

/* The text as the default; NULL, of a required key: an empty text or list that nobody reads. */
static enum status set_default(struct setting *setting, const char *text)
{
	const struct key *key = setting->key;
	struct entries words = { 0 };
	char problem[PROBLEM_SIZE] = "it has no default";
	struct key plain = *key;
	plain.flags &= ~(unsigned)KEY_REQUIRED;
	if (text == NULL && key->type == KEY_CHOICE)
		plain.type = KEY_TEXT;
	text = text != NULL ? text : "";
	setting->values = memory_allocate(1, sizeof *setting->values);
	setting->origin = memory_copy_text("default");
	if (setting->values == NULL || setting->origin == NULL)
		return STATUS_ENVIRONMENT;
	setting->value_count = 1;
	bool good = key->type == KEY_LIST ? scan_entries(text, true, false, &words, problem) &&
	                                            value_from_words(&plain, &words, &setting->values[0], problem)
	                                  : value_from_entry(&plain, text, &setting->values[0], problem);
	entries_clear(&words);
	return good ? STATUS_OK : error_raise(STATUS_INTERNAL, "%s: default \"%s\": %s", key->name, text, problem);
}

static enum status set_defaults(struct sweep *sweep)
{
	size_t count;
	const struct key *table = keys_table(&count);
	sweep->settings = memory_allocate(count, sizeof *sweep->settings);
	if (sweep->settings == NULL)
		return STATUS_ENVIRONMENT;
	sweep->setting_count = count;
	for (size_t i = 0; i < count; i++) {
		sweep->settings[i].key = &table[i];
		STATUS_TRY(set_default(&sweep->settings[i], table[i].default_text));
	}
	return STATUS_OK;
}

/* Once the task is known: what it does otherwise where nothing was given. */
static enum status set_task_defaults(struct sweep *sweep)
{
	const struct setting *task = sweep_find_setting(sweep, "run/task");
	for (size_t i = 0; task->given && i < sweep->setting_count; i++) {
		struct setting *setting = &sweep->settings[i];
		const char *text = keys_default_text(setting->key, task->values[0].text);
		if (setting->given || text == setting->key->default_text)
			continue;
		value_clear(&setting->values[0]);
		free(setting->values);
		free(setting->origin);
		setting->values = NULL;
		setting->origin = NULL;
		setting->value_count = 0;
		STATUS_TRY(set_default(setting, text));
	}
	return STATUS_OK;
}

/* Whether one of the keys that may stand instead is given. */
static bool is_replaced(const struct sweep *sweep, const struct key *key)
{
	for (size_t i = 0; key->instead != NULL && i < sweep->setting_count; i++)
		if (sweep->settings[i].given && keys_has_word(key->instead, sweep->settings[i].key->name))
			return true;
	return false;
}

/* What the task needs and did not get; which needs a task that is known. */
static void check_required(const struct sweep *sweep, struct error_list *errors)
{
	const struct setting *task = sweep_find_setting(sweep, "run/task");
	for (size_t i = 0; i < sweep->setting_count; i++) {
		const struct setting *setting = &sweep->settings[i];
		const struct key *key = setting->key;
		bool read = task->given ? keys_is_read(key, task->values[0].text) : key->tasks[0] == '\0';
		bool replaced = is_replaced(sweep, key);
		if ((key->flags & KEY_REQUIRED) == 0 || !read || replaced || setting->given || setting->broken)
			continue;
		error_list_add(errors, "%s: %s is missing: %s%s%s%s", sweep->file_name, key->name, key->meaning,
		               key->choices != NULL ? " (" : "", key->choices != NULL ? key->choices : "",
		               key->choices != NULL ? ")" : "");
	}
}

/* Keys that have no effect: an axis would make equal points, a single value is worth a warning. */
static enum status check_unread(struct sweep *sweep, struct error_list *errors)
{
	const struct setting *task = sweep_find_setting(sweep, "run/task");
	size_t size = 0;
	FILE *stream = open_memstream(&sweep->warnings, &size);
	if (stream == NULL)
		return error_raise(STATUS_ENVIRONMENT, "there is no memory to read the input");
	for (size_t i = 0; i < sweep->setting_count; i++) {
		const struct setting *setting = &sweep->settings[i];
		if (!task->given || !setting->given || keys_is_read(setting->key, task->values[0].text))
			continue;
		if (setting->value_count > 1)
			error_list_add(errors, "%s: %s can not be an axis: the task %s does not read it",
			               setting->origin, setting->key->name, task->values[0].text);
		else
			fprintf(stream, "%s%s: %s has no effect: the task %s does not read it",
			        ftell(stream) > 0 ? "\n" : "", setting->origin, setting->key->name,
			        task->values[0].text);
	}
	return fclose(stream) == 0 ? STATUS_OK
	                           : error_raise(STATUS_ENVIRONMENT, "there is no memory to read the input");
}

static enum status read_all(struct sweep *sweep, const char *text, int override_count, const char *const *overrides,
                            struct error_list *errors)
{
	STATUS_TRY(set_defaults(sweep));
	STATUS_TRY(sweep_parse_text(sweep, text, errors));
	for (int i = 0; i < override_count; i++)
		STATUS_TRY(sweep_parse_override(sweep, overrides[i], errors));
	STATUS_TRY(set_task_defaults(sweep));
	check_required(sweep, errors);
	STATUS_TRY(check_unread(sweep, errors));
	STATUS_TRY(sweep_find_axes(sweep, errors));
	return errors->count == 0 ? sweep_make_points(sweep, errors) : STATUS_OK;
}

enum status sweep_parse(const char *file_name, const char *text, int override_count, const char *const *overrides,
                        struct sweep **sweep_out)
{
	struct error_list errors = { 0 };
	struct sweep *sweep = memory_allocate(1, sizeof *sweep);
	if (sweep == NULL)
		return STATUS_ENVIRONMENT;
	sweep->file_name = memory_copy_text(file_name);
	errors.stream = open_memstream(&errors.text, &errors.size);
	enum status status = STATUS_ENVIRONMENT;
	if (errors.stream == NULL)
		error_raise(status, "%s: there is no memory to read it", file_name);
	else if (sweep->file_name != NULL)
		status = read_all(sweep, text, override_count, overrides, &errors);
	if (errors.stream != NULL)
		status = error_list_finish(&errors, status);
	if (status == STATUS_OK)
		*sweep_out = sweep;
	else
		sweep_destroy(sweep);
	return status;
}

/* The whole file, NUL-terminated, from malloc. */
static enum status read_text(const char *file_name, FILE *file, char **text_out)
{
	char *text = malloc(SWEEP_TEXT_LIMIT + 1);
	if (text == NULL)
		return error_raise(STATUS_ENVIRONMENT, "%s: there is no memory to read it", file_name);
	enum status status = STATUS_OK;
	size_t size = fread(text, 1, SWEEP_TEXT_LIMIT + 1, file);
	if (ferror(file))
		status = error_raise(STATUS_USAGE, "%s: cannot be read: %s", file_name, strerror(errno));
	else if (size > SWEEP_TEXT_LIMIT)
		status = error_raise(STATUS_USAGE, "%s: is larger than %d bytes; is it an input file?", file_name,
		                     SWEEP_TEXT_LIMIT);
	if (status == STATUS_OK) {
		text[size] = '\0';
		int line = 1;
		size_t length = strlen(text);
		for (size_t i = 0; i < length; i++)
			line += text[i] == '\n';
		if (length < size)
			status = error_raise(STATUS_USAGE, "%s:%d: the line holds a NUL byte; is it an input file?",
			                     file_name, line);
	}
	if (status == STATUS_OK)
		*text_out = text;
	else
		free(text);
	return status;
}

enum status sweep_read(const char *file_name, int override_count, const char *const *overrides,
                       struct sweep **sweep_out)
{
	FILE *file = fopen(file_name, "rb");
	if (file == NULL)
		return error_raise(open_files_status(errno, STATUS_USAGE), "%s: cannot be opened: %s%s", file_name,
		                   strerror(errno), open_files_advice(errno));
	char *text = NULL;
	enum status status = read_text(file_name, file, &text);
	fclose(file);
	STATUS_TRY(status);
	status = sweep_parse(file_name, text, override_count, overrides, sweep_out);
	free(text);
	return status;
}

void sweep_destroy(struct sweep *sweep)
{
	if (sweep == NULL)
		return;
	for (size_t i = 0; i < sweep->setting_count; i++) {
		for (size_t j = 0; j < sweep->settings[i].value_count; j++)
			value_clear(&sweep->settings[i].values[j]);
		free(sweep->settings[i].values);
		free(sweep->settings[i].origin);
	}
	for (size_t i = 0; sweep->point_names != NULL && i < sweep->point_count; i++)
		free(sweep->point_names[i]);
	for (size_t i = 0; i < sweep->expanded_count; i++) {
		value_clear(sweep->expanded[i].value);
		free(sweep->expanded[i].value);
	}
	free(sweep->expanded);
	free(sweep->point_names);
	free(sweep->point_values);
	free(sweep->points);
	free(sweep->axes);
	free(sweep->settings);
	free(sweep->warnings);
	free(sweep->file_name);
	free(sweep);
}
