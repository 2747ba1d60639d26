/* Typed values: checks of type, range and choices, canonical text.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* open_memstream, strdup */
#endif

#include "input/value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "input/number.h"

/* A text in a message is cut after so many bytes. */
#define SHORT "%.60s"

static bool set_text(struct value *out, const char *text, char problem[PROBLEM_SIZE])
{
	out->text = strdup(text);
	if (out->text == NULL)
		snprintf(problem, PROBLEM_SIZE, "there is no memory for the value");
	return out->text != NULL;
}

static bool read_boolean(const char *entry, struct value *out, char problem[PROBLEM_SIZE])
{
	out->boolean = keys_has_word("on true yes", entry);
	if (!out->boolean && !keys_has_word("off false no", entry)) {
		snprintf(problem, PROBLEM_SIZE, "\"" SHORT "\" is not on or off", entry);
		return false;
	}
	return set_text(out, out->boolean ? "on" : "off", problem);
}

/* Which of the words that a number of this key may be, apart from auto; -1: none. */
static int find_word(const struct key *key, const char *entry)
{
	int number = 0;
	if ((key->flags & KEY_AUTO) == 0 || key->choices == NULL)
		return -1;
	for (const char *at = key->choices; *at != '\0'; number++) {
		size_t length = strcspn(at, " ");
		if (strlen(entry) == length && strncmp(at, entry, length) == 0)
			return number;
		at += length;
		at += strspn(at, " ");
	}
	return -1;
}

enum { WORDS_SIZE = 64 };

/* " (or auto, balanced)", or nothing. */
static const char *other_words(const struct key *key, char words[WORDS_SIZE])
{
	const char *more = key->choices != NULL ? key->choices : "";
	words[0] = '\0';
	if ((key->flags & KEY_AUTO) != 0)
		snprintf(words, WORDS_SIZE, " (or auto%s%s)", more[0] != '\0' ? ", " : "", more);
	return words;
}

/* Says why a text is not the number that the key wants. */
static bool refuse_number(const struct key *key, const char *entry, enum number_result result,
                          char problem[PROBLEM_SIZE])
{
	char words[WORDS_SIZE];
	const char *or_auto = other_words(key, words);
	if (result == NUMBER_TOO_LARGE || result == NUMBER_TOO_SMALL)
		snprintf(problem, PROBLEM_SIZE, "\"" SHORT "\" is too %s for a number", entry,
		         result == NUMBER_TOO_LARGE ? "large" : "small");
	else if (key->type == KEY_INTEGER)
		snprintf(problem, PROBLEM_SIZE, "\"" SHORT "\" is not a whole number such as 1500, 1.5k or 64Ki%s",
		         entry, or_auto);
	else
		snprintf(problem, PROBLEM_SIZE, "\"" SHORT "\" is not a number such as 0.1 or 3e-4%s", entry, or_auto);
	return false;
}

static bool check_range(const struct key *key, double number, const char *entry, char problem[PROBLEM_SIZE])
{
	bool limited = key->minimum != 0 || key->maximum != 0;
	if (!limited || (number >= key->minimum && number <= key->maximum))
		return true;
	char range[64], words[WORDS_SIZE];
	keys_range_text(key, range, sizeof range);
	/* Not below the last exact whole number of a double: "at least" alone would not explain the refusal. */
	if (number > key->maximum && key->maximum >= 9e15)
		snprintf(range, sizeof range, "%.10g to %.10g", key->minimum, key->maximum);
	snprintf(problem, PROBLEM_SIZE, "\"" SHORT "\" is out of range: must be %s%s", entry, range,
	         other_words(key, words));
	return false;
}

static bool read_number(const struct key *key, const char *entry, struct value *out, char problem[PROBLEM_SIZE])
{
	if ((key->flags & KEY_AUTO) != 0 && strcmp(entry, "auto") == 0) {
		out->integer = -1;
		out->real = -1;
		return set_text(out, "auto", problem);
	}
	int word = find_word(key, entry);
	if (word >= 0) {
		out->integer = -2 - word;
		out->real = -2 - word;
		return set_text(out, entry, problem);
	}
	char canonical[64];
	enum number_result result =
		key->type == KEY_INTEGER ? number_integer(entry, &out->integer) : number_real(entry, &out->real);
	if (result != NUMBER_OK)
		return refuse_number(key, entry, result, problem);
	if (!check_range(key, key->type == KEY_INTEGER ? (double)out->integer : out->real, entry, problem))
		return false;
	if (key->type == KEY_INTEGER)
		snprintf(canonical, sizeof canonical, "%" PRId64, out->integer);
	else
		number_write(out->real, canonical, sizeof canonical);
	return set_text(out, canonical, problem);
}

/* Names the choices, and the nearest one when there is one. */
static bool check_choice(const struct key *key, const char *entry, char problem[PROBLEM_SIZE])
{
	if (keys_has_word(key->choices, entry))
		return true;
	char nearest[64] = "";
	size_t best = 3;
	for (const char *at = key->choices; *at != '\0';) {
		size_t length = strcspn(at, " ");
		char word[64];
		snprintf(word, sizeof word, "%.*s", (int)length, at);
		size_t distance = text_distance(word, entry);
		if (distance < best && distance < length) {
			best = distance;
			memcpy(nearest, word, sizeof nearest);
		}
		at += length;
		at += strspn(at, " ");
	}
	/* A letter away from "cpu", which nobody means who writes it. */
	if (strcmp(entry, "gpu") == 0 && keys_has_word(key->choices, "cuda"))
		snprintf(nearest, sizeof nearest, "cuda");
	snprintf(problem, PROBLEM_SIZE, "\"" SHORT "\" is not one of: %s%s%s%s", entry, key->choices,
	         nearest[0] != '\0' ? "; did you mean " : "", nearest, nearest[0] != '\0' ? "?" : "");
	return false;
}

static bool read_entry(const struct key *key, const char *entry, struct value *out, char problem[PROBLEM_SIZE])
{
	switch (key->type) {
	case KEY_BOOLEAN:
		return read_boolean(entry, out, problem);
	case KEY_INTEGER:
	case KEY_REAL:
		return read_number(key, entry, out, problem);
	case KEY_CHOICE:
		return check_choice(key, entry, problem) && set_text(out, entry, problem);
	case KEY_PATH:
		if (entry[0] == '\0' && (key->flags & KEY_REQUIRED) != 0) {
			snprintf(problem, PROBLEM_SIZE, "the path is empty");
			return false;
		}
		return set_text(out, entry, problem);
	case KEY_TEXT:
		return set_text(out, entry, problem);
	case KEY_LIST:
		break;
	}
	snprintf(problem, PROBLEM_SIZE, "a list is not a single value");
	return false;
}

bool value_from_entry(const struct key *key, const char *entry, struct value *out, char problem[PROBLEM_SIZE])
{
	struct value value = { 0 };
	if (!read_entry(key, entry, &value, problem)) {
		value_clear(&value);
		return false;
	}
	*out = value;
	return true;
}

/* The words as one text that scan_entries() reads back; NULL without memory. */
static char *join_words(const struct entries *words)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		return NULL;
	for (size_t i = 0; i < words->count; i++) {
		if (i > 0)
			fputc(' ', stream);
		scan_write(stream, words->texts[i], true);
	}
	if (fclose(stream) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

bool value_from_words(const struct key *key, struct entries *words, struct value *out, char problem[PROBLEM_SIZE])
{
	if (words->count == 0 && (key->flags & KEY_REQUIRED) != 0) {
		snprintf(problem, PROBLEM_SIZE, "the list is empty");
		return false;
	}
	for (size_t i = 0; i < words->count; i++) {
		if (words->texts[i][0] == '\0') {
			snprintf(problem, PROBLEM_SIZE, "the list has an empty word");
			return false;
		}
		if (key->choices != NULL && !check_choice(key, words->texts[i], problem))
			return false;
	}
	struct value value = { .text = join_words(words) };
	if (value.text == NULL) {
		snprintf(problem, PROBLEM_SIZE, "there is no memory for the value");
		return false;
	}
	value.items = *words;
	*words = (struct entries){ 0 };
	*out = value;
	return true;
}

void value_clear(struct value *value)
{
	free(value->text);
	entries_clear(&value->items);
	*value = (struct value){ 0 };
}
