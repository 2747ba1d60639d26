/* An input file written back with every value in place.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* open_memstream */
#endif

#include <stdlib.h>
#include <string.h>

#include "input/sweep.h"

/* Comments of defaults and overrides stand in this column when the value leaves room. */
enum { COMMENT_COLUMN = 40 };

static void write_setting(FILE *stream, const struct setting *setting)
{
	const char *part = strchr(setting->key->name, '/') + 1;
	const char *comment = !setting->given ? "# default" : setting->override ? "# command line" : NULL;
	long begin = ftell(stream);
	fprintf(stream, "%s =", part);
	for (size_t i = 0; i < setting->value_count; i++) {
		const char *text = setting->values[i].text;
		bool list = setting->key->type == KEY_LIST; /* its words have their quotes already */
		if (list && text[0] == '\0')
			continue;
		fputs(i > 0 ? ", " : " ", stream);
		if (list)
			fputs(text, stream);
		else
			scan_write(stream, text, false);
	}
	long width = ftell(stream) - begin;
	if (comment != NULL)
		fprintf(stream, "%*s%s", width < COMMENT_COLUMN ? (int)(COMMENT_COLUMN - width) : 1, "", comment);
	fputc('\n', stream);
}

/* The axes in the order in which they vary, which is the order in the file and of the points' names. */
static bool write_axes(FILE *stream, const struct sweep *sweep)
{
	const char *last = "";
	for (size_t i = 0; i < sweep->axis_count; i++) {
		const struct setting *setting = sweep->axes[i].setting;
		const char *name = setting->key->name;
		size_t length = strcspn(name, "/") + 1;
		if (strncmp(last, name, length) != 0)
			fprintf(stream, "%s[%.*s]\n", i > 0 ? "\n" : "", (int)length - 1, name);
		write_setting(stream, setting);
		last = name;
	}
	return sweep->axis_count > 0;
}

static void write_section(FILE *stream, const struct sweep *sweep, const char *section)
{
	size_t length = strlen(section);
	bool headed = false;
	for (size_t i = 0; i < sweep->setting_count; i++) {
		const struct setting *setting = &sweep->settings[i];
		const char *name = setting->key->name;
		if (strncmp(name, section, length) != 0 || name[length] != '/' || setting->value_count > 1)
			continue;
		if (!setting->given && !keys_is_read(setting->key, sweep_task(sweep)))
			continue;
		if (!setting->given && setting->key->default_text == NULL)
			continue; /* required, but replaced by another key */
		if (!headed)
			fprintf(stream, "[%s]\n", section);
		headed = true;
		write_setting(stream, setting);
	}
	if (headed)
		fputc('\n', stream);
}

char *sweep_used_text(const struct sweep *sweep)
{
	char *text = NULL;
	size_t size = 0, count;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL) {
		error_raise(STATUS_ENVIRONMENT, "there is no memory for the text of the input");
		return NULL;
	}
	fputs("# The input with every value in place.\n\n", stream);
	const struct key_section *sections = keys_sections(&count);
	write_section(stream, sweep, sections[0].name);
	if (write_axes(stream, sweep))
		fputs("\n# The same for every point:\n\n", stream);
	for (size_t i = 1; i < count; i++)
		write_section(stream, sweep, sections[i].name);
	if (fclose(stream) != 0) {
		free(text);
		error_raise(STATUS_ENVIRONMENT, "there is no memory for the text of the input");
		return NULL;
	}
	return text;
}
