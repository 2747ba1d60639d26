/* Cutting values into entries, and writing entries back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "input/scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static const char blanks[] = " \t";

/* Appends `length` bytes as one entry. */
static bool entries_add(struct entries *entries, const char *text, size_t length, char problem[PROBLEM_SIZE])
{
	void *array = entries->texts;
	if (memory_grow(&array, &entries->capacity, entries->count + 1, sizeof *entries->texts) == STATUS_OK) {
		entries->texts = array;
		char *copy = malloc(length + 1);
		if (copy != NULL) {
			memcpy(copy, text, length);
			copy[length] = '\0';
			entries->texts[entries->count++] = copy;
			return true;
		}
	}
	snprintf(problem, PROBLEM_SIZE, "there is no memory for the value");
	return false;
}

/* Reads "..." at *at, in which \" and \\ stand for a quote and a backslash, and moves *at past it. */
static bool scan_quoted(const char **at, struct entries *entries, char problem[PROBLEM_SIZE])
{
	const char *from = *at + 1;
	char *text = malloc(strlen(from) + 1);
	if (text == NULL) {
		snprintf(problem, PROBLEM_SIZE, "there is no memory for the value");
		return false;
	}
	size_t length = 0;
	while (*from != '\0' && *from != '"') {
		if (*from == '\\') {
			from++;
			if (*from != '"' && *from != '\\') {
				snprintf(problem, PROBLEM_SIZE,
				         "a backslash between quotes stands before a quote or another backslash");
				free(text);
				return false;
			}
		}
		text[length++] = *from++;
	}
	bool closed = *from == '"';
	if (!closed)
		snprintf(problem, PROBLEM_SIZE, "the closing quote is missing");
	bool good = closed && entries_add(entries, text, length, problem);
	free(text);
	*at = from + closed;
	return good;
}

/* Reads up to one of `ends`, blanks at the end left out. */
static bool scan_bare(const char **at, const char *ends, struct entries *entries, char problem[PROBLEM_SIZE])
{
	size_t length = strcspn(*at, ends), used = length;
	while (used > 0 && strchr(blanks, (*at)[used - 1]) != NULL)
		used--;
	const char *begin = *at;
	*at += length;
	if (**at == '"') {
		snprintf(problem, PROBLEM_SIZE, "a quote in the middle of a value: put the whole value in quotes");
		return false;
	}
	return entries_add(entries, begin, used, problem);
}

static bool scan_words(const char *at, bool comments, struct entries *out, char problem[PROBLEM_SIZE])
{
	const char *ends = comments ? " \t,#\"" : " \t,\"";
	for (;;) {
		at += strspn(at, blanks);
		if (*at == '\0' || (comments && *at == '#'))
			return true;
		if (*at == '"') {
			if (!scan_quoted(&at, out, problem))
				return false;
			if (*at != '\0' && strchr(ends, *at) == NULL) {
				snprintf(problem, PROBLEM_SIZE, "text right after a closing quote");
				return false;
			}
		} else if (*at != ',' && !scan_bare(&at, ends, out, problem)) {
			return false;
		}
		if (*at == ',') {
			snprintf(problem, PROBLEM_SIZE,
			         "the words of a list are separated by blanks, not by commas "
			         "(a word that holds a comma stands in quotes)");
			return false;
		}
	}
}

static bool scan_commas(const char *at, bool comments, struct entries *out, char problem[PROBLEM_SIZE])
{
	at += strspn(at, blanks);
	if (*at == '\0' || (comments && *at == '#'))
		return true;
	for (;;) {
		at += strspn(at, blanks);
		if (*at == ',' || *at == '\0' || (comments && *at == '#')) {
			snprintf(problem, PROBLEM_SIZE, "an entry beside a comma is missing");
			return false;
		}
		if (*at == '"' ? !scan_quoted(&at, out, problem)
		               : !scan_bare(&at, comments ? ",#\"" : ",\"", out, problem))
			return false;
		at += strspn(at, blanks);
		if (*at == '\0' || (comments && *at == '#'))
			return true;
		if (*at != ',') {
			snprintf(problem, PROBLEM_SIZE, "text right after a closing quote");
			return false;
		}
		at++;
	}
}

bool scan_entries(const char *text, bool words, bool comments, struct entries *out, char problem[PROBLEM_SIZE])
{
	struct entries entries = { 0 };
	bool good =
		words ? scan_words(text, comments, &entries, problem) : scan_commas(text, comments, &entries, problem);
	if (good)
		*out = entries;
	else
		entries_clear(&entries);
	return good;
}

void entries_clear(struct entries *entries)
{
	for (size_t i = 0; i < entries->count; i++)
		free(entries->texts[i]);
	free(entries->texts);
	*entries = (struct entries){ 0 };
}

void scan_write(FILE *stream, const char *text, bool words)
{
	size_t length = strlen(text);
	bool plain = length > 0 && text[strcspn(text, words ? " \t,#\"" : ",#\"")] == '\0' &&
	             strchr(blanks, text[0]) == NULL && strchr(blanks, text[length - 1]) == NULL;
	if (plain) {
		fputs(text, stream);
		return;
	}
	fputc('"', stream);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', stream);
		fputc(*text, stream);
	}
	fputc('"', stream);
}
