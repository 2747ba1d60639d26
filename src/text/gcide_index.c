/* Reading the index and the text of the dictionary into memory (40 MB).
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/gcide_index.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/text.h"
#include "text/source.h"

struct gcide_dictionary {
	char *text, *index;
	size_t text_size, index_size;
	struct gcide_place *places;
	size_t count, capacity;
};

/* dictd's numbers: base 64, most significant digit first. False when a character is no digit. */
static bool read_number(const char *text, size_t size, uint64_t *value)
{
	uint64_t number = 0;
	for (size_t i = 0; i < size; i++) {
		static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
		const char *digit = text[i] == '\0' ? NULL : strchr(digits, text[i]);
		if (digit == NULL || number >> 48 != 0)
			return false;
		number = number * 64 + (uint64_t)(digit - digits);
	}
	*value = number;
	return size > 0;
}

/* Reads one line of the index, which it changes: the head word gets its NUL. */
static enum status read_line(struct gcide_dictionary *dictionary, char *line, size_t size, const char *path,
                             size_t number)
{
	char *first = memchr(line, '\t', size);
	char *second = first == NULL ? NULL : memchr(first + 1, '\t', size - (size_t)(first + 1 - line));
	struct gcide_place place = { .head_word = line };
	if (second == NULL || !read_number(first + 1, (size_t)(second - first) - 1, &place.offset) ||
	    !read_number(second + 1, size - (size_t)(second + 1 - line), &place.length))
		return error_raise(STATUS_DATA,
		                   "%s:%zu: expected a head word, an offset and a length with tabs between them", path,
		                   number);
	*first = '\0';
	if (place.offset > dictionary->text_size || place.length > dictionary->text_size - place.offset)
		return error_raise(STATUS_DATA,
		                   "%s:%zu: \"%s\" points behind the end of the dictionary text (%zu bytes)", path,
		                   number, line, dictionary->text_size);
	if (strncmp(line, "00-database", 11) == 0)
		return STATUS_OK;
	STATUS_TRY(memory_grow((void **)&dictionary->places, &dictionary->capacity, dictionary->count + 1,
	                       sizeof *dictionary->places));
	dictionary->places[dictionary->count++] = place;
	return STATUS_OK;
}

/* By place; among equal ones the head words stay in the order of the index, which lies in one block of memory. */
static int place_compare(const void *a, const void *b)
{
	const struct gcide_place *x = a, *y = b;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	if (x->length != y->length)
		return x->length < y->length ? -1 : 1;
	return (x->head_word > y->head_word) - (x->head_word < y->head_word);
}

static enum status read_index(struct gcide_dictionary *dictionary, const char *path)
{
	size_t number = 1;
	for (size_t begin = 0; begin < dictionary->index_size; number++) {
		char *line = dictionary->index + begin;
		char *stop = memchr(line, '\n', dictionary->index_size - begin);
		size_t size = stop != NULL ? (size_t)(stop - line) : dictionary->index_size - begin;
		STATUS_TRY(read_line(dictionary, line, size, path, number));
		begin += size + 1;
	}
	if (dictionary->count == 0)
		return error_raise(STATUS_DATA, "%s has no entries", path);
	qsort(dictionary->places, dictionary->count, sizeof *dictionary->places, place_compare);
	size_t kept = 0;
	for (size_t i = 0; i < dictionary->count; i++) {
		const struct gcide_place *place = &dictionary->places[i];
		const struct gcide_place *last = kept > 0 ? &dictionary->places[kept - 1] : NULL;
		if (last == NULL || last->offset != place->offset || last->length != place->length)
			dictionary->places[kept++] = *place;
	}
	dictionary->count = kept;
	return STATUS_OK;
}

static bool exists(const char *path)
{
	struct stat information;
	return stat(path, &information) == 0;
}

enum status gcide_dictionary_files(const char *path, char **text_path, char **index_path)
{
	struct stat information;
	char *text = NULL;
	if (stat(path, &information) == 0 && S_ISDIR(information.st_mode)) {
		text = text_join_path(path, "gcide.dict.dz");
		if (text != NULL && !exists(text)) {
			free(text);
			text = text_join_path(path, "gcide.dict");
		}
	} else {
		text = memory_copy_text(path);
	}
	if (text == NULL)
		return STATUS_ENVIRONMENT;
	size_t size = strlen(text);
	size_t stem = size > 8 && strcmp(text + size - 8, ".dict.dz") == 0 ? size - 8
	              : size > 5 && strcmp(text + size - 5, ".dict") == 0  ? size - 5
	                                                                   : 0;
	if (stem == 0) {
		enum status status =
			error_raise(STATUS_DATA, "%s: the dictionary is named gcide.dict.dz or gcide.dict", text);
		free(text);
		return status;
	}
	*index_path = text_format("%.*s.index", (int)stem, text);
	*text_path = text;
	return *index_path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

static enum status read_whole(const char *path, char **bytes, size_t *size)
{
	struct source *source;
	STATUS_TRY(source_open(path, &source));
	enum status status = source_read_rest(source, bytes, size);
	source_close(source);
	return status;
}

enum status gcide_dictionary_open(const char *path, struct gcide_dictionary **dictionary_out)
{
	char *text_path = NULL, *index_path = NULL;
	struct gcide_dictionary *dictionary = memory_allocate(1, sizeof *dictionary);
	if (dictionary == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = gcide_dictionary_files(path, &text_path, &index_path);
	if (status == STATUS_OK)
		status = read_whole(text_path, &dictionary->text, &dictionary->text_size);
	if (status == STATUS_OK)
		status = read_whole(index_path, &dictionary->index, &dictionary->index_size);
	if (status == STATUS_OK)
		status = read_index(dictionary, index_path);
	free(text_path);
	free(index_path);
	if (status != STATUS_OK) {
		gcide_dictionary_close(dictionary);
		return status;
	}
	*dictionary_out = dictionary;
	return STATUS_OK;
}

size_t gcide_dictionary_count(const struct gcide_dictionary *dictionary)
{
	return dictionary->count;
}

const char *gcide_dictionary_entry(const struct gcide_dictionary *dictionary, size_t index, size_t *size,
                                   const char **head_word)
{
	const struct gcide_place *place = &dictionary->places[index];
	*size = place->length;
	*head_word = place->head_word;
	return dictionary->text + place->offset;
}

void gcide_dictionary_close(struct gcide_dictionary *dictionary)
{
	if (dictionary == NULL)
		return;
	free(dictionary->text);
	free(dictionary->index);
	free(dictionary->places);
	free(dictionary);
}
