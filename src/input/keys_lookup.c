/* Finding keys: by name, nearest to a wrong name, by task; the wording of types and ranges.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "input/keys.h"

/* A suggestion farther away than this is noise. */
enum { DISTANCE_LIMIT = 3 };

static const char *key_part(const char *name)
{
	const char *slash = strchr(name, '/');
	return slash != NULL ? slash + 1 : name;
}

const struct key *keys_find(const char *name)
{
	size_t count;
	const struct key *table = keys_table(&count);
	for (size_t i = 0; i < count; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

const char *keys_nearest(const char *name)
{
	size_t count, best_distance = DISTANCE_LIMIT + 1;
	const struct key *table = keys_table(&count);
	const char *best = NULL, *part = key_part(name);
	for (size_t i = 0; i < count; i++) {
		size_t distance = text_distance(name, table[i].name);
		/* A key of another section is a slip as likely as two wrong letters. */
		if (strcmp(part, key_part(table[i].name)) == 0 && distance > 2)
			distance = 2;
		/* Replacing nearly all letters of a short name is not a likeness. */
		if (distance < best_distance && (distance < strlen(part) || distance == 0)) {
			best_distance = distance;
			best = table[i].name;
		}
	}
	return best;
}

const char *keys_nearest_section(const char *name)
{
	size_t count, best_distance = DISTANCE_LIMIT + 1;
	const struct key_section *sections = keys_sections(&count);
	const char *best = NULL;
	for (size_t i = 0; i < count; i++) {
		size_t distance = text_distance(name, sections[i].name);
		if (distance < best_distance && distance < strlen(name)) {
			best_distance = distance;
			best = sections[i].name;
		}
	}
	return best;
}

int keys_has_word(const char *words, const char *word)
{
	size_t length = strlen(word);
	while (length > 0 && *words != '\0') {
		size_t step = strcspn(words, " ");
		if (step == length && memcmp(words, word, length) == 0)
			return 1;
		words += step;
		words += strspn(words, " ");
	}
	return 0;
}

int keys_is_read(const struct key *key, const char *task)
{
	return key->tasks[0] == '\0' || keys_has_word(key->tasks, task);
}

int keys_decides(const struct key *key, const char *task)
{
	return !(key->flags & KEY_CHANGES_ON_RESUME) && keys_is_read(key, task);
}

int keys_tells(const struct key *key, const char *task, const char *value)
{
	const char *usual = keys_default_text(key, task);
	bool unsaid = (key->flags & KEY_LATER) && usual != NULL && strcmp(value, usual) == 0;
	return keys_decides(key, task) && !unsaid;
}

const char *keys_range_text(const struct key *key, char *buffer, size_t size)
{
	if (key->minimum == 0 && key->maximum == 0)
		snprintf(buffer, size, "%s", "");
	else if (key->maximum >= 9e15) /* the end of what a double counts exactly: nobody's limit */
		snprintf(buffer, size, "at least %.10g", key->minimum);
	else
		snprintf(buffer, size, "%.10g to %.10g", key->minimum, key->maximum);
	return buffer;
}

const char *keys_type_name(enum key_type type)
{
	switch (type) {
	case KEY_BOOLEAN:
		return "on or off";
	case KEY_INTEGER:
		return "whole number";
	case KEY_REAL:
		return "real number";
	case KEY_TEXT:
		return "text";
	case KEY_CHOICE:
		return "one of";
	case KEY_PATH:
		return "path";
	case KEY_LIST:
		return "list of words";
	}
	return "";
}
