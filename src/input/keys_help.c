/* The key table as pages for people: --help keys, and docs/parameters.md.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* open_memstream */
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "input/parameters.h"

/* What may be written after the equals sign: type, range, choices. */
static void write_domain(FILE *stream, const struct key *key)
{
	char range[64];
	keys_range_text(key, range, sizeof range);
	if (key->type == KEY_LIST && key->choices != NULL)
		fprintf(stream, "list of: %s", key->choices);
	else if (key->type == KEY_CHOICE)
		fputs(key->choices, stream);
	else
		fputs(keys_type_name(key->type), stream);
	if (range[0] != '\0')
		fprintf(stream, ", %s", range);
	if ((key->flags & KEY_AUTO) != 0)
		fprintf(stream, ", or auto%s%s", key->choices != NULL ? " or " : "",
		        key->choices != NULL ? key->choices : "");
}

/* Further facts, each in parentheses; `all` tasks go without saying. */
static void write_facts(FILE *stream, const struct key *key)
{
	if (key->tasks[0] != '\0')
		fprintf(stream, " (%s)", key->tasks);
	if ((key->flags & KEY_SINGLE) != 0 && (key->flags & KEY_REQUIRED) == 0)
		fputs(" (never an axis)", stream);
	if ((key->flags & KEY_CHANGES_ON_RESUME) != 0)
		fputs(" (may change on resume)", stream);
}

/* ", finetune: 0.01" for each task with another default, as words or in the quotes of a page. */
static void write_task_defaults(FILE *stream, const struct key *key, const char *quote)
{
	size_t count;
	const struct key_default *defaults = keys_defaults(&count);
	for (size_t i = 0; i < count; i++)
		if (strcmp(defaults[i].key, key->name) == 0)
			fprintf(stream, ", %s: %s%s%s", defaults[i].task, quote, defaults[i].text, quote);
}

static void write_key(FILE *stream, const struct key *key)
{
	fprintf(stream, "  %s", strchr(key->name, '/') + 1);
	if (key->default_text == NULL)
		fputs("   required", stream);
	else
		fprintf(stream, " = %s", key->default_text[0] != '\0' ? key->default_text : "\"\"");
	write_task_defaults(stream, key, "");
	fprintf(stream, "%s%s\n      %s\n      ", key->unit[0] != '\0' ? "   # " : "", key->unit, key->meaning);
	write_domain(stream, key);
	write_facts(stream, key);
	fputc('\n', stream);
}

static bool is_wanted(const struct key *key, const char *section, const char *wanted)
{
	size_t length = strlen(section);
	if (strncmp(key->name, section, length) != 0 || key->name[length] != '/')
		return false;
	return wanted[0] == '\0' || strcmp(wanted, section) == 0 || strcmp(wanted, key->name) == 0;
}

/* Number of keys that were written. */
static size_t write_help(FILE *stream, const char *wanted)
{
	size_t section_count, key_count, written = 0;
	const struct key_section *sections = keys_sections(&section_count);
	const struct key *table = keys_table(&key_count);
	for (size_t i = 0; i < section_count; i++) {
		bool headed = false;
		for (size_t j = 0; j < key_count; j++) {
			if (!is_wanted(&table[j], sections[i].name, wanted))
				continue;
			if (!headed)
				fprintf(stream, "%s[%s]   %s\n", written > 0 ? "\n" : "", sections[i].name,
				        sections[i].meaning);
			headed = true;
			write_key(stream, &table[j]);
			written++;
		}
	}
	return written;
}

static enum status refuse_section(const char *wanted)
{
	size_t count, key_count;
	const struct key_section *sections = keys_sections(&count);
	const struct key *table = keys_table(&key_count);
	char names[512] = "";
	for (size_t i = 0; i < key_count; i++)
		if (strcmp(strchr(table[i].name, '/') + 1, wanted) == 0)
			return error_raise(STATUS_USAGE, "there is no section \"%.80s\": do you mean the key %s?",
			                   wanted, table[i].name);
	for (size_t i = 0; i < count; i++)
		snprintf(names + strlen(names), sizeof names - strlen(names), " %s", sections[i].name);
	return error_raise(STATUS_USAGE, "there is no section or key \"%.80s\"; the sections are:%s", wanted, names);
}

enum status keys_help_text(const char *section_or_empty, char **text_out)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		return error_raise(STATUS_ENVIRONMENT, "there is no memory for the help");
	size_t written = write_help(stream, section_or_empty);
	bool whole = fclose(stream) == 0;
	if (written > 0 && whole) {
		*text_out = text;
		return STATUS_OK;
	}
	free(text);
	return whole ? refuse_section(section_or_empty)
	             : error_raise(STATUS_ENVIRONMENT, "there is no memory for the help");
}

/* A cell of a table, in which bars, stars and underscores have meanings of their own. */
static void write_cell(FILE *stream, const char *text)
{
	for (; *text != '\0'; text++)
		fprintf(stream, strchr("|<*_", *text) != NULL ? "\\%c" : "%c", *text);
}

static void write_markdown_key(FILE *stream, const struct key *key)
{
	fprintf(stream, "| `%s` | ", strchr(key->name, '/') + 1);
	if (key->default_text == NULL)
		fputs("required", stream);
	else if (key->default_text[0] == '\0')
		fputs("empty", stream);
	else
		fprintf(stream, "`%s`", key->default_text);
	write_task_defaults(stream, key, "`");
	fprintf(stream, " | %s | ", key->unit);
	write_domain(stream, key);
	fprintf(stream, " | %s | ", key->tasks[0] != '\0' ? key->tasks : "all");
	write_cell(stream, key->meaning);
	if ((key->flags & KEY_CHANGES_ON_RESUME) != 0)
		fputs(" \\*", stream);
	fputs(" |\n", stream);
}

static const char introduction[] =
	"# Input parameters\n\n"
	"This page is made from the table in the program (`capshape --help markdown`); do not edit it.\n\n"
	"    [section]\n"
	"    key = value            # comment\n"
	"    key = a, b, c          # a comma-separated list makes the key an axis of the sweep\n"
	"    key = \"a, b\"           # quotes keep commas, # and blanks; \\\" and \\\\ give a quote, a backslash\n\n"
	"* Axes multiply; the first axis of the file varies slowest. `zip` in `[sweep]` names axes that move\n"
	"  together. Some keys are one for all points and never an axis. The words of a list are separated by blanks\n"
	"  and belong together: a list is never an axis.\n"
	"* Any key can be given on the command line as `section/key=value`, which replaces the value of the file, in\n"
	"  its place.\n"
	"* Whole numbers may be written 1500, 1.5k or 2e6; suffixes k M G T (powers of 1000), Ki Mi Gi Ti (of 1024).\n"
	"* `auto` lets the program decide; what it decided is printed and recorded.\n"
	"* A run that is continued must have the same values, except of the keys marked \\*.\n"
	"* All errors are reported at once, each with file, line, key and the nearest known name; the exit code is 2.\n"
	"  A key that the task does not read is reported as a warning.\n";

char *keys_markdown(void)
{
	char *text = NULL;
	size_t size = 0, section_count, key_count;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL) {
		error_raise(STATUS_ENVIRONMENT, "there is no memory for the page");
		return NULL;
	}
	const struct key_section *sections = keys_sections(&section_count);
	const struct key *table = keys_table(&key_count);
	fputs(introduction, stream);
	for (size_t i = 0; i < section_count; i++) {
		fprintf(stream, "\n## [%s]\n\n%s\n\n", sections[i].name, sections[i].meaning);
		fputs("| key | default | unit | value | tasks | meaning |\n|---|---|---|---|---|---|\n", stream);
		for (size_t j = 0; j < key_count; j++)
			if (is_wanted(&table[j], sections[i].name, sections[i].name))
				write_markdown_key(stream, &table[j]);
	}
	if (fclose(stream) != 0) {
		free(text);
		error_raise(STATUS_ENVIRONMENT, "there is no memory for the page");
		return NULL;
	}
	return text;
}
