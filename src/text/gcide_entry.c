/* From the printed text of an entry to clean text with labelled stretches.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/gcide_entry.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "text/gcide_escape.h"
#include "text/gcide_parts.h"
#include "text/gcide_scope.h"
#include "text/json_lines.h"
#include "text/utf8.h"

/* ---- writing clean text ---- */

struct writer {
	struct gcide_entry *entry;
	enum domain domain; /* of what is written next */
	bool blank;         /* a blank is due before the next character */
	bool line_end;      /* a line end is due before the next character */
	bool removed;       /* something was taken out just before */
};

static enum status write_bytes(struct writer *writer, const char *bytes, size_t size, enum domain domain)
{
	struct gcide_entry *entry = writer->entry;
	STATUS_TRY(memory_grow((void **)&entry->text, &entry->text_capacity, entry->size + size + 1, 1));
	memcpy(entry->text + entry->size, bytes, size);
	entry->size += size;
	if (domain == DOMAIN_UNMARKED)
		return STATUS_OK;
	struct label_span *last = entry->span_count > 0 ? &entry->spans[entry->span_count - 1] : NULL;
	if (last != NULL && last->domain == domain && last->end == entry->size - size) {
		last->end = (uint32_t)entry->size;
		return STATUS_OK;
	}
	STATUS_TRY(memory_grow((void **)&entry->spans, &entry->span_capacity, entry->span_count + 1,
	                       sizeof *entry->spans));
	entry->spans[entry->span_count++] =
		(struct label_span){ (uint32_t)(entry->size - size), (uint32_t)entry->size, domain };
	return STATUS_OK;
}

/* The domain of the last byte written. */
static enum domain last_domain(const struct gcide_entry *entry)
{
	const struct label_span *last = entry->span_count > 0 ? &entry->spans[entry->span_count - 1] : NULL;
	return last != NULL && last->end == entry->size ? last->domain : DOMAIN_UNMARKED;
}

static enum status write_character(struct writer *writer, const char *bytes, size_t size)
{
	/* "acid (Chem.), a" must not become "acid , a". */
	bool joins = writer->removed && size == 1 && strchr(",.;:", bytes[0]) != NULL;
	if (writer->line_end && writer->entry->size > 0)
		STATUS_TRY(write_bytes(writer, "\n", 1, last_domain(writer->entry)));
	else if (writer->blank && !joins && writer->entry->size > 0)
		STATUS_TRY(write_bytes(writer, " ", 1, writer->domain));
	writer->line_end = writer->blank = writer->removed = false;
	return write_bytes(writer, bytes, size, writer->domain);
}

/* ---- what is left out ---- */

/* "PJC": contributors sign with their initials. */
static bool is_initials(const char *word, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (!isupper((unsigned char)word[i]))
			return false;
	}
	return size >= 2 && size <= 4;
}

/* Numbers of years, versions and senses, and the words that go with them. */
static bool is_number(const char *word, size_t size)
{
	if ((size == 5 && memcmp(word, "sense", 5) == 0) || (size == 4 && memcmp(word, "here", 4) == 0))
		return true;
	for (size_t i = 0; i < size; i++) {
		if (!isdigit((unsigned char)word[i]) && word[i] != '.')
			return false;
	}
	return true;
}

static bool is_source(const char *word, size_t size)
{
	static const char *const sources[] = { "Webster", "WordNet", "Suppl.", "PJC",     "PJC.",    "AS",
		                               "RP",      "RDH",     "RHUD",   "MW10",    "MI11",    "WE1",
		                               "GG",      "Dict.",   "wn1",    "Century", "Stedman", "Dictionary" };
	if (size > 3 && memcmp(word, "wns", 3) == 0)
		return true;
	for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
		if (strlen(sources[i]) == size && memcmp(sources[i], word, size) == 0)
			return true;
	}
	return false;
}

/* Length of a "[1913 Webster +PJC]" and the like: every word names a source, a contributor or a number. */
static size_t source_tag(const char *text, size_t size)
{
	enum { TAG_MAX = 80 };
	const char *close = size > 2 && text[0] == '[' ? memchr(text, ']', size < TAG_MAX ? size : TAG_MAX) : NULL;
	bool named = false;
	for (const char *word = text + 1; close != NULL && word < close;) {
		size_t length = 0;
		while (word + length < close && strchr(" +&#,", word[length]) == NULL)
			length++;
		bool source = is_source(word, length);
		if (!source && !is_initials(word, length) && !is_number(word, length))
			return 0;
		named = named || source;
		word += length + (word + length < close);
	}
	return named ? (size_t)(close - text) + 1 : 0;
}

/* "(k[=o]ld)" behind a pronunciation or an inflected form. */
static size_t spoken_form(const char *text, size_t size, bool after_pronunciation)
{
	enum { SPOKEN_MAX = 160 };
	size_t i = 0;
	while (i < size && isspace((unsigned char)text[i]))
		i++;
	struct gcide_mark mark;
	if (i == size || text[i] != '(' || gcide_mark_parse(text + i, size - i, &mark))
		return 0;
	const char *close = memchr(text + i, ')', size - i < SPOKEN_MAX ? size - i : SPOKEN_MAX);
	if (close == NULL)
		return 0;
	bool spoken = after_pronunciation || text[i + 1] == '-';
	for (const char *c = text + i; c < close; c++)
		spoken = spoken || *c == '[' || *c == '*' || *c == '`' || *c == '?';
	/* Sub-sense letters stay. */
	if (close - (text + i) == 2 && islower((unsigned char)text[i + 1]))
		return 0;
	return spoken ? (size_t)(close - text) + 1 : 0;
}

/* ---- parts ---- */

struct reader {
	const char *text;
	size_t position, end;
	bool braces, head;
};

static size_t left_out(struct reader *reader)
{
	const char *here = reader->text + reader->position;
	size_t left = reader->end - reader->position;
	if (*here == '[')
		return source_tag(here, left);
	size_t length = *here == '\\' ? gcide_pronunciation(here, left) : 0;
	return length == 0 ? 0 : length + spoken_form(here + length, left - length, true);
}

/* Syllable and stress marks of a name in braces: {Bub"bling*ly}. */
static bool is_stress(const struct reader *reader, size_t begin)
{
	char c = reader->text[reader->position];
	bool after_letter = reader->position > begin && isalpha((unsigned char)reader->text[reader->position - 1]);
	return reader->braces && (c == '*' || (after_letter && (c == '"' || c == '`')));
}

static enum status write_next(struct writer *writer, struct reader *reader)
{
	const char *here = reader->text + reader->position;
	size_t left = reader->end - reader->position, length = 0;
	const char *escape = gcide_escape(here, left, &length);
	if (escape != NULL) {
		reader->position += length;
		return write_character(writer, escape, strlen(escape));
	}
	if ((unsigned char)*here < 0x80) {
		reader->position++;
		return write_character(writer, here, 1);
	}
	length = utf8_length(here, left);
	reader->position += length > 0 ? length : 1;
	if (length > 0)
		return write_character(writer, here, length);
	/* A stray byte of the Windows code page: the only one in use is the apostrophe. */
	return write_character(writer, (unsigned char)*here == 0x92 ? "\xe2\x80\x99" : "\xef\xbf\xbd", 3);
}

static enum status write_part(struct writer *writer, const struct gcide_part *part)
{
	const struct gcide_entry *entry = writer->entry;
	struct reader reader = { entry->joined, part->begin, part->end, false, part->kind == PART_HEAD };
	size_t next = part->scope_begin, scope_end = next + part->scope_count;
	writer->line_end = true;
	writer->removed = writer->blank = false;
	while (reader.position < reader.end) {
		char c = reader.text[reader.position];
		size_t skip = 0;
		if (next < scope_end && entry->scopes[next].position == reader.position) {
			const struct gcide_scope *scope = &entry->scopes[next++];
			skip = scope->length;
			if (!scope->opening && !scope->bracketed)
				writer->domain = scope->domain;
		} else {
			skip = left_out(&reader);
		}
		if (skip > 0) {
			reader.position += skip;
			writer->removed = true;
		} else if (isspace((unsigned char)c) || (unsigned char)c < 0x20) {
			writer->blank = true;
			reader.position++;
		} else if (c == '{' || c == '}') {
			reader.braces = c == '{';
			reader.position++;
			skip = c == '}' && reader.head
			               ? spoken_form(reader.text + reader.position, reader.end - reader.position, false)
			               : 0;
			reader.position += skip;
			writer->removed = writer->removed || skip > 0;
		} else if (is_stress(&reader, part->begin)) {
			reader.position++;
		} else {
			STATUS_TRY(write_next(writer, &reader));
		}
	}
	return STATUS_OK;
}

/* ---- the entry ---- */

/* As any spans, but a mark whose scope has no text makes the entry a marked one too. */
static enum domain document_domain(const struct gcide_entry *entry)
{
	enum domain domain = domain_of_spans(entry->spans, entry->span_count, entry->size);
	return domain == DOMAIN_UNMARKED && entry->scope_count > 0 ? DOMAIN_OTHER : domain;
}

/* The head word: what stands before the pronunciation, an etymology or a comma. */
static enum status find_key(struct gcide_entry *entry)
{
	size_t size = 0, count = 0;
	if (entry->part_count > 0 && entry->parts[0].kind == PART_HEAD)
		size = entry->parts[0].end;
	STATUS_TRY(memory_grow((void **)&entry->key, &entry->key_capacity, 3 * size + 1, 1));
	for (size_t i = 0; i < size;) {
		size_t length = 0;
		const char *escape = gcide_escape(entry->joined + i, size - i, &length);
		if (escape != NULL) {
			memcpy(entry->key + count, escape, strlen(escape));
			count += strlen(escape);
			i += length;
			continue;
		}
		char c = entry->joined[i++];
		if (strchr("\\[(,", c) != NULL)
			break;
		entry->key[count++] = (char)tolower((unsigned char)c);
	}
	while (count > 0 && isspace((unsigned char)entry->key[count - 1]))
		count--;
	entry->key[count] = '\0';
	return STATUS_OK;
}

enum status gcide_entry_parse(const char *text, size_t size, const struct gcide_mark_lists *lists,
                              struct gcide_entry *entry)
{
	entry->size = entry->span_count = 0;
	STATUS_TRY(gcide_parts_find(text, size, entry));
	STATUS_TRY(gcide_scopes_find(entry, lists));
	STATUS_TRY(find_key(entry));
	STATUS_TRY(memory_grow((void **)&entry->text, &entry->text_capacity, 1, 1));
	struct writer writer = { .entry = entry };
	struct gcide_scope_state state = { 0 };
	for (size_t i = 0; i < entry->part_count; i++) {
		writer.domain = gcide_scope_of_part(entry, &entry->parts[i], &state);
		STATUS_TRY(write_part(&writer, &entry->parts[i]));
	}
	entry->text[entry->size] = '\0';
	entry->domain = document_domain(entry);
	return STATUS_OK;
}

void gcide_entry_clear(struct gcide_entry *entry)
{
	free(entry->text);
	free(entry->spans);
	free(entry->key);
	free(entry->parts);
	free(entry->scopes);
	free(entry->joined);
	*entry = (struct gcide_entry){ 0 };
}
