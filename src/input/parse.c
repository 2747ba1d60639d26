/* Lines of an input file and overrides of the command line, into settings. Errors are added to a list and reading goes
 * on, so that one run of the program shows them all.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "input/sweep.h"

/* Names in messages are cut after so many bytes. */
#define SHORT "%.80s"

enum {
	NAME_LIMIT = 80,
	VALUE_LIMIT = SWEEP_LINE_LIMIT / 2, /* as written back, so that the written line is never too long to be read */
	OVERRIDE_LIMIT = SWEEP_LINE_LIMIT / 4
};

static const char blanks[] = " \t";

/* Where a value stands. */
struct place {
	const char *file; /* NULL: the command line */
	int line;
};

/* What a text has been read up to. */
struct reader {
	struct sweep *sweep;
	struct error_list *errors;
	struct place place;
	char section[NAME_LIMIT + 1];
	enum { SECTION_NONE, SECTION_KNOWN, SECTION_UNKNOWN } state;
};

/* "file:line: key: " or "command line: key: ", then the sentence. */
static void report(struct error_list *errors, const struct place *place, const char *name, const char *sentence)
{
	const char *colon = name[0] != '\0' ? ": " : "";
	if (place->file == NULL)
		error_list_add(errors, "command line: " SHORT "%s%s", name, colon, sentence);
	else
		error_list_add(errors, "%s:%d: " SHORT "%s%s", place->file, place->line, name, colon, sentence);
}

static void report_unknown(struct error_list *errors, const struct place *place, const char *name)
{
	char sentence[PROBLEM_SIZE];
	const char *nearest = keys_nearest(name);
	if (nearest != NULL)
		snprintf(sentence, sizeof sentence, "unknown key; did you mean %s?", nearest);
	else
		snprintf(sentence, sizeof sentence, "unknown key; --help keys lists the known ones");
	report(errors, place, name, sentence);
}

/* Whether the setting was given before in the same place, which is reported. */
static bool is_given_twice(struct error_list *errors, const struct place *place, const struct setting *setting)
{
	bool twice = place->file == NULL ? setting->override : setting->line != 0;
	if (twice && place->file == NULL) {
		report(errors, place, setting->key->name, "given twice; keep one");
	} else if (twice) {
		char sentence[PROBLEM_SIZE];
		snprintf(sentence, sizeof sentence, "given twice, here and in line %d; keep one", setting->line);
		report(errors, place, setting->key->name, sentence);
	}
	return twice;
}

/* Turns entries into the values of an array of `count`; every bad entry is reported. */
static bool make_values(const struct key *key, struct entries *entries, const struct place *place,
                        struct error_list *errors, struct value *values)
{
	char problem[PROBLEM_SIZE];
	bool good = true;
	if (key->type == KEY_LIST) {
		good = value_from_words(key, entries, &values[0], problem);
		if (!good)
			report(errors, place, key->name, problem);
		return good;
	}
	for (size_t i = 0; i < entries->count; i++) {
		if (!value_from_entry(key, entries->texts[i], &values[i], problem)) {
			report(errors, place, key->name, problem);
			good = false;
		}
	}
	return good;
}

/* Number of values that the entries stand for; 0 after a report. "key =" is an empty text. */
static size_t count_values(const struct key *key, struct entries *entries, const struct place *place,
                           struct error_list *errors)
{
	if (key->type == KEY_LIST)
		return 1;
	if (entries->count == 0 && key->type != KEY_TEXT && key->type != KEY_PATH) {
		report(errors, place, key->name, "has no value");
		return 0;
	}
	if (entries->count == 0) {
		char problem[PROBLEM_SIZE];
		if (!scan_entries("\"\"", false, false, entries, problem)) {
			report(errors, place, key->name, problem);
			return 0;
		}
	}
	if (entries->count > 1 && (key->flags & KEY_SINGLE) != 0) {
		report(errors, place, key->name,
		       "takes one value: it can not be an axis of the sweep (quote a value that holds a comma)");
		return 0;
	}
	return entries->count;
}

/* Whether the values, as they are written back, fit on a line. */
static bool fits_line(const struct value *values, size_t count)
{
	size_t size = 0;
	for (size_t i = 0; i < count; i++) {
		size += sizeof "\"\", ";
		/* Between quotes, a quote or a backslash is written as two bytes. */
		for (const char *byte = values[i].text; *byte != '\0'; byte++)
			size += *byte == '"' || *byte == '\\' ? 2 : 1;
	}
	return size <= VALUE_LIMIT;
}

static void drop_values(struct value *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		value_clear(&values[i]);
	free(values);
}

/* Gives the setting the values that `text` stands for. */
static enum status set_values(struct sweep *sweep, struct setting *setting, const char *text, const struct place *place,
                              struct error_list *errors)
{
	const struct key *key = setting->key;
	struct entries entries = { 0 };
	char problem[PROBLEM_SIZE];
	setting->broken = true; /* until the end */
	if (!scan_entries(text, key->type == KEY_LIST, place->file != NULL, &entries, problem)) {
		report(errors, place, key->name, problem);
		return STATUS_OK;
	}
	size_t count = count_values(key, &entries, place, errors);
	struct value *values = memory_allocate(count + 1, sizeof *values);
	char *origin =
		place->file == NULL ? memory_copy_text("command line") : text_format("%s:%d", place->file, place->line);
	if (values == NULL || origin == NULL) {
		entries_clear(&entries);
		free(values);
		free(origin);
		return STATUS_ENVIRONMENT;
	}
	bool good = count > 0 && make_values(key, &entries, place, errors, values);
	entries_clear(&entries);
	if (good && !fits_line(values, count)) {
		report(errors, place, key->name, "the value is too long");
		good = false;
	}
	if (!good) {
		drop_values(values, count);
		free(origin);
		return STATUS_OK;
	}
	drop_values(setting->values, setting->value_count);
	free(setting->origin);
	setting->values = values;
	setting->value_count = count;
	setting->origin = origin;
	setting->override = place->file == NULL;
	setting->broken = false;
	if (!setting->given)
		setting->order = sweep->given_count++;
	setting->given = true;
	return STATUS_OK;
}

/* The blank-trimmed text between `begin` and `end` as a name; false when it is empty or too long. */
static bool copy_name(const char *begin, const char *end, char out[NAME_LIMIT + 1])
{
	while (begin < end && strchr(blanks, *begin) != NULL)
		begin++;
	while (end > begin && strchr(blanks, end[-1]) != NULL)
		end--;
	size_t length = (size_t)(end - begin);
	if (length == 0 || length > NAME_LIMIT)
		return false;
	memcpy(out, begin, length);
	out[length] = '\0';
	return true;
}

static void read_section(struct reader *reader, const char *line)
{
	const char *end = strchr(line, ']');
	const char *rest = end != NULL ? end + 1 + strspn(end + 1, blanks) : NULL;
	reader->state = SECTION_UNKNOWN; /* keys below a bad heading are not reported one by one */
	if (end == NULL || (*rest != '\0' && *rest != '#') || !copy_name(line + 1, end, reader->section)) {
		report(reader->errors, &reader->place, "", "a section is written [name], alone on its line");
		return;
	}
	size_t count;
	const struct key_section *sections = keys_sections(&count);
	for (size_t i = 0; i < count; i++)
		if (strcmp(sections[i].name, reader->section) == 0)
			reader->state = SECTION_KNOWN;
	if (reader->state == SECTION_KNOWN)
		return;
	char name[NAME_LIMIT + 3], sentence[PROBLEM_SIZE];
	const char *nearest = keys_nearest_section(reader->section);
	snprintf(name, sizeof name, "[%s]", reader->section);
	snprintf(sentence, sizeof sentence, "unknown section, its keys are not looked at%s%s%s",
	         nearest != NULL ? "; did you mean [" : "", nearest != NULL ? nearest : "",
	         nearest != NULL ? "]?" : "");
	report(reader->errors, &reader->place, name, sentence);
}

static enum status read_key(struct reader *reader, const char *line)
{
	const char *equals = strchr(line, '=');
	char part[NAME_LIMIT + 1], name[2 * NAME_LIMIT + 2];
	if (equals == NULL || !copy_name(line, equals, part)) {
		report(reader->errors, &reader->place, "", "neither [section] nor key = value nor # comment");
		return STATUS_OK;
	}
	if (reader->state == SECTION_UNKNOWN)
		return STATUS_OK;
	if (reader->state == SECTION_NONE) {
		report(reader->errors, &reader->place, part, "a key before the first [section]");
		return STATUS_OK;
	}
	if (strchr(part, '/') != NULL && keys_find(part) != NULL) {
		report(reader->errors, &reader->place, part,
		       "in a file the section stands above, in brackets, not before the key");
		return STATUS_OK;
	}
	snprintf(name, sizeof name, "%s/%s", reader->section, part);
	struct setting *setting = sweep_find_setting(reader->sweep, name);
	if (setting == NULL) {
		report_unknown(reader->errors, &reader->place, name);
		return STATUS_OK;
	}
	if (is_given_twice(reader->errors, &reader->place, setting))
		return STATUS_OK;
	setting->line = reader->place.line;
	return set_values(reader->sweep, setting, equals + 1, &reader->place, reader->errors);
}

/* A byte below 32 other than a tab, or 127; 0 when there is none. */
static unsigned find_control_character(const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned byte = (unsigned char)*text;
		if ((byte < 32 && byte != '\t') || byte == 127)
			return byte;
	}
	return 0;
}

/* One line without its end; `line` is NUL-terminated. */
static enum status read_line(struct reader *reader, char *line, size_t length)
{
	if (length > 0 && line[length - 1] == '\r')
		line[length - 1] = '\0';
	unsigned control = find_control_character(line);
	if (control != 0) {
		char sentence[PROBLEM_SIZE];
		snprintf(sentence, sizeof sentence, "the line holds a control character (byte 0x%02x)", control);
		report(reader->errors, &reader->place, "", sentence);
		return STATUS_OK;
	}
	line += strspn(line, blanks);
	if (*line == '\0' || *line == '#')
		return STATUS_OK;
	if (*line != '[')
		return read_key(reader, line);
	read_section(reader, line);
	return STATUS_OK;
}

enum status sweep_parse_text(struct sweep *sweep, const char *text, struct error_list *errors)
{
	struct reader reader = { .sweep = sweep, .errors = errors, .place = { sweep->file_name, 0 } };
	char *line = malloc(SWEEP_LINE_LIMIT + 1);
	if (line == NULL)
		return error_raise(STATUS_ENVIRONMENT, "%s: there is no memory to read it", sweep->file_name);
	enum status status = STATUS_OK;
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	while (*text != '\0' && status == STATUS_OK) {
		size_t length = strcspn(text, "\n");
		reader.place.line++;
		if (length > SWEEP_LINE_LIMIT) {
			char sentence[PROBLEM_SIZE];
			snprintf(sentence, sizeof sentence, "the line is longer than %d bytes", SWEEP_LINE_LIMIT);
			report(errors, &reader.place, "", sentence);
		} else {
			memcpy(line, text, length);
			line[length] = '\0';
			status = read_line(&reader, line, length);
		}
		text += length;
		text += *text == '\n';
	}
	free(line);
	return status;
}

enum status sweep_parse_override(struct sweep *sweep, const char *override, struct error_list *errors)
{
	struct place place = { NULL, 0 };
	const char *equals = strchr(override, '=');
	char name[NAME_LIMIT + 1];
	if (equals == NULL || !copy_name(override, equals, name)) {
		report(errors, &place, override, "not of the form section/key=value");
		return STATUS_OK;
	}
	if (find_control_character(override) != 0 || strlen(override) > OVERRIDE_LIMIT) {
		report(errors, &place, name, "the value holds a control character or is too long");
		return STATUS_OK;
	}
	struct setting *setting = sweep_find_setting(sweep, name);
	if (setting == NULL) {
		report_unknown(errors, &place, name);
		return STATUS_OK;
	}
	if (is_given_twice(errors, &place, setting))
		return STATUS_OK;
	return set_values(sweep, setting, equals + 1, &place, errors);
}
