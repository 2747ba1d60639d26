/* Regular expressions from a file, on PCRE2.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/phrases.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <inttypes.h>
#include <pcre2.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "text/source.h"
#include "text/utf8.h"

struct phrase {
	char *text;
	pcre2_code *code;
};

struct phrases {
	char *path;
	struct phrase *list;
	size_t count, capacity;
	pcre2_match_data *data;
	char hash[CONTENT_HASH_SIZE];
};

void phrases_destroy(struct phrases *phrases)
{
	if (phrases == NULL)
		return;
	for (size_t i = 0; i < phrases->count; i++) {
		free(phrases->list[i].text);
		pcre2_code_free(phrases->list[i].code);
	}
	pcre2_match_data_free(phrases->data);
	free(phrases->list);
	free(phrases->path);
	free(phrases);
}

const char *phrases_hash(const struct phrases *phrases)
{
	return phrases->hash;
}

static enum status add(struct phrases *phrases, const char *line, size_t size)
{
	static const uint32_t options = PCRE2_UTF | PCRE2_CASELESS | PCRE2_UCP;
	int error;
	PCRE2_SIZE place;
	PCRE2_UCHAR reason[256];
	if (utf8_valid_prefix(line, size) < size)
		return error_raise(STATUS_DATA, "not UTF-8");
	STATUS_TRY(memory_grow((void **)&phrases->list, &phrases->capacity, phrases->count + 1, sizeof *phrases->list));
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)line, size, options, &error, &place, NULL);
	if (code == NULL) {
		pcre2_get_error_message(error, reason, sizeof reason);
		return error_raise(STATUS_DATA, "not a regular expression at character %zu: %s", (size_t)place + 1,
		                   (char *)reason);
	}
	struct phrase phrase = { memory_allocate(size + 1, 1), code };
	if (phrase.text == NULL) {
		pcre2_code_free(code);
		return STATUS_ENVIRONMENT;
	}
	memcpy(phrase.text, line, size);
	phrases->list[phrases->count++] = phrase;
	return STATUS_OK;
}

/* Without the blanks at both ends. */
static enum status add_line(struct phrases *phrases, const char *line, size_t size)
{
	if (memchr(line, '\0', size) != NULL)
		return error_raise(STATUS_DATA, "a zero byte: write \\x00 where one is meant");
	while (size > 0 && strchr(" \t\r", line[size - 1]) != NULL)
		size--;
	while (size > 0 && (*line == ' ' || *line == '\t'))
		line++, size--;
	return size == 0 || *line == '#' ? STATUS_OK : add(phrases, line, size);
}

static enum status read_lines(struct phrases *phrases)
{
	struct source *source = NULL;
	const char *line;
	size_t size;
	bool found = true;
	STATUS_TRY(source_open(phrases->path, &source));
	enum status status = STATUS_OK;
	while (status == STATUS_OK && found) {
		status = source_read_line(source, &line, &size, &found);
		if (status != STATUS_OK || !found)
			break;
		status = add_line(phrases, line, size);
		if (status != STATUS_OK)
			error_context(status, "%s:%" PRIu64, phrases->path, source_line_number(source));
	}
	source_close(source);
	if (status == STATUS_OK && phrases->count == 0)
		return error_raise(STATUS_DATA, "%s holds no regular expressions: one a line is needed", phrases->path);
	return status;
}

static enum status finish(struct phrases *phrases)
{
	struct content_hash *hash = content_hash_create();
	if (hash == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < phrases->count; i++)
		content_hash_add(hash, phrases->list[i].text, strlen(phrases->list[i].text) + 1);
	content_hash_finish(hash, phrases->hash);
	phrases->data = pcre2_match_data_create(1, NULL);
	return phrases->data == NULL ? error_raise(STATUS_ENVIRONMENT, "no memory for regular expressions") : STATUS_OK;
}

enum status phrases_read(const char *path, struct phrases **phrases_out)
{
	struct phrases *phrases = memory_allocate(1, sizeof *phrases);
	if (phrases == NULL)
		return STATUS_ENVIRONMENT;
	phrases->path = memory_copy_text(path);
	enum status status = phrases->path == NULL ? STATUS_ENVIRONMENT : read_lines(phrases);
	if (status == STATUS_OK)
		status = finish(phrases);
	if (status != STATUS_OK) {
		phrases_destroy(phrases);
		return status;
	}
	*phrases_out = phrases;
	return STATUS_OK;
}

enum status phrases_find(const struct phrases *phrases, const char *text, size_t size, const char **expression_out)
{
	*expression_out = NULL;
	for (size_t i = 0; i < phrases->count; i++) {
		int found = pcre2_match(phrases->list[i].code, (PCRE2_SPTR)text, size, 0, PCRE2_NO_UTF_CHECK,
		                        phrases->data, NULL);
		if (found >= 0) {
			*expression_out = phrases->list[i].text;
			return STATUS_OK;
		}
		if (found != PCRE2_ERROR_NOMATCH)
			return error_raise(STATUS_DATA,
			                   "%s: \"%s\" takes too many steps (PCRE2 error %d): make it simpler",
			                   phrases->path, phrases->list[i].text, found);
	}
	return STATUS_OK;
}
