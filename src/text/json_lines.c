/* JSON lines with jansson.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/json_lines.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "text/json_messages.h"

struct json_record {
	json_t *root; /* of the line last read */
	struct label_span *spans;
	size_t capacity;
	char number[24];  /* an "id" that is a number, as text */
	bool characters;  /* what offsets count */
	uint32_t *places; /* characters: the byte that each begins at, and the end */
	size_t place_count, place_capacity;
	struct json_messages messages;
};

enum status json_record_create(bool characters, struct json_record **record_out)
{
	*record_out = memory_allocate(1, sizeof **record_out);
	if (*record_out == NULL)
		return STATUS_ENVIRONMENT;
	(*record_out)->characters = characters;
	return STATUS_OK;
}

void json_record_destroy(struct json_record *record)
{
	if (record == NULL)
		return;
	json_decref(record->root);
	free(record->spans);
	free(record->places);
	json_messages_clear(&record->messages);
	free(record);
}

static enum status read_domain(const json_t *value, const char *owner, enum domain *domain)
{
	if (!json_is_string(value))
		return error_raise(STATUS_DATA, "the \"domain\" of %s is not a string", owner);
	return domain_from_name(json_string_value(value), domain);
}

/* ---- offsets ---- */

/* Whether a byte goes on with the character of the one before it. */
static bool is_inside(const struct document *document, json_int_t byte)
{
	return (uint64_t)byte < document->size && ((unsigned char)document->text[byte] & 0xC0) == 0x80;
}

/* Where each character of the text begins. */
static enum status find_places(struct json_record *record, const struct document *document)
{
	STATUS_TRY(memory_grow((void **)&record->places, &record->place_capacity, document->size + 1,
	                       sizeof *record->places));
	record->place_count = 0;
	for (size_t byte = 0; byte <= document->size; byte++)
		if (!is_inside(document, (json_int_t)byte))
			record->places[record->place_count++] = (uint32_t)byte;
	return STATUS_OK;
}

/* The byte of an offset that is not beyond the text. */
static enum status read_offset(const struct json_record *record, const struct document *document, size_t index,
                               json_int_t offset, uint32_t *byte)
{
	if (record->characters) {
		*byte = record->places[offset];
		return STATUS_OK;
	}
	*byte = (uint32_t)offset;
	if (is_inside(document, offset))
		return error_raise(
			STATUS_DATA,
			"label %zu begins or ends at byte %" JSON_INTEGER_FORMAT
			", inside a character of several bytes: offsets count bytes of the text in UTF-8; where "
			"they count characters, as Python does, set corpus/label_offsets = characters",
			index, offset);
	return STATUS_OK;
}

static enum status read_span(const struct json_record *record, const json_t *value, size_t index,
                             const struct document *document, struct label_span *span)
{
	const json_t *begin = json_object_get(value, "begin"), *end = json_object_get(value, "end");
	size_t size = record->characters ? record->place_count - 1 : document->size;
	const char *unit = record->characters ? "characters" : "bytes";
	if (!json_is_integer(begin) || !json_is_integer(end))
		return error_raise(STATUS_DATA, "label %zu has no whole numbers \"begin\" and \"end\"", index);
	json_int_t from = json_integer_value(begin), to = json_integer_value(end);
	if (from < 0 || to < from || (uint64_t)to > size)
		return error_raise(STATUS_DATA,
		                   "label %zu covers %s %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT
		                   ", but the text has %zu %s",
		                   index, unit, from, to, size, unit);
	STATUS_TRY(read_offset(record, document, index, from, &span->begin));
	STATUS_TRY(read_offset(record, document, index, to, &span->end));
	STATUS_TRY(read_domain(json_object_get(value, "domain"), "a label", &span->domain));
	if (span->domain == DOMAIN_UNLABELLED)
		return error_raise(STATUS_DATA,
		                   "label %zu has the domain \"unlabelled\", which only a whole document can have",
		                   index);
	return STATUS_OK;
}

static int span_compare(const void *a, const void *b)
{
	const struct label_span *x = a, *y = b;
	return x->begin != y->begin ? (x->begin < y->begin ? -1 : 1) : (x->end > y->end) - (x->end < y->end);
}

static enum status read_spans(struct json_record *record, const json_t *labels, struct document *document)
{
	if (!json_is_array(labels))
		return error_raise(STATUS_DATA, "\"labels\" is not an array");
	size_t count = 0;
	if (record->characters && json_array_size(labels) > 0)
		STATUS_TRY(find_places(record, document));
	for (size_t i = 0; i < json_array_size(labels); i++) {
		STATUS_TRY(memory_grow((void **)&record->spans, &record->capacity, count + 1, sizeof *record->spans));
		STATUS_TRY(read_span(record, json_array_get(labels, i), i, document, &record->spans[count]));
		if (record->spans[count].begin < record->spans[count].end) /* else it covers nothing */
			count++;
	}
	if (count > 1)
		qsort(record->spans, count, sizeof *record->spans, span_compare);
	for (size_t i = 1; i < count; i++) {
		if (record->spans[i].begin < record->spans[i - 1].end)
			return error_raise(STATUS_DATA, "labels overlap at byte %" PRIu32 " of the text",
			                   record->spans[i].begin);
	}
	document->spans = record->spans;
	document->span_count = count;
	document->labels = LABELS_TOKEN;
	return STATUS_OK;
}

static enum status read_key(struct json_record *record, const json_t *id, struct document *document)
{
	if (json_is_integer(id)) {
		snprintf(record->number, sizeof record->number, "%" JSON_INTEGER_FORMAT, json_integer_value(id));
		document->key = record->number;
	} else if (json_is_string(id)) {
		document->key = json_string_value(id);
	} else if (id != NULL && !json_is_null(id)) {
		return error_raise(STATUS_DATA, "\"id\" is neither a string nor a whole number");
	}
	return STATUS_OK;
}

enum domain domain_of_spans(const struct label_span *spans, size_t count, size_t size)
{
	size_t bytes[DOMAIN_COUNT] = { 0 };
	for (size_t i = 0; i < count; i++)
		bytes[spans[i].domain] += spans[i].end - spans[i].begin;
	if (bytes[DOMAIN_FORGET] > 0 && 2 * bytes[DOMAIN_FORGET] >= size)
		return DOMAIN_FORGET;
	if (bytes[DOMAIN_RETAIN] > 0 && 2 * bytes[DOMAIN_RETAIN] >= size)
		return DOMAIN_RETAIN;
	return count > 0 ? DOMAIN_OTHER : DOMAIN_UNMARKED;
}

/* Of a document that was given spans, but no domain. Binary labels say nothing but forget: then it is forget, or of no domain
 * that has a name. */
static enum domain domain_of_labels(const struct document *document)
{
	enum domain domain = domain_of_spans(document->spans, document->span_count, document->size);
	for (size_t i = 0; i < document->span_count; i++)
		if (document->spans[i].domain != DOMAIN_FORGET && document->spans[i].domain != DOMAIN_UNMARKED)
			return domain;
	return domain == DOMAIN_FORGET ? domain : DOMAIN_UNMARKED;
}

/* Forget and mixed are said of a document for the forget spans in it: outside of them it is not forget. */
static enum domain domain_outside(enum domain given)
{
	return given == DOMAIN_FORGET || given == DOMAIN_MIXED ? DOMAIN_UNMARKED : given;
}

static enum status read_labels(struct json_record *record, const json_t *domain, const json_t *labels,
                               struct document *document)
{
	bool has_domain = domain != NULL && !json_is_null(domain), has_spans = labels != NULL && !json_is_null(labels);
	document->domain = DOMAIN_UNLABELLED;
	if (has_domain)
		STATUS_TRY(read_domain(domain, "the document", &document->domain));
	if (has_spans && has_domain && document->domain == DOMAIN_UNLABELLED)
		return error_raise(STATUS_DATA, "the document has the domain \"unlabelled\", but also \"labels\"");
	if (!has_spans) {
		document->labels = document->domain == DOMAIN_UNLABELLED ? LABELS_NONE : LABELS_DOCUMENT;
		document->outside = document->domain;
		return STATUS_OK;
	}
	STATUS_TRY(read_spans(record, labels, document));
	document->outside = has_domain ? domain_outside(document->domain) : DOMAIN_UNMARKED;
	if (!has_domain)
		document->domain = domain_of_labels(document);
	return STATUS_OK;
}

/* "text", or "messages" in its place. */
static enum status read_text(struct json_record *record, struct document *document)
{
	const json_t *text = json_object_get(record->root, "text"),
		     *messages = json_object_get(record->root, "messages");
	bool conversation = messages != NULL && !json_is_null(messages);
	if (!conversation) {
		if (!json_is_string(text))
			return error_raise(
				STATUS_DATA,
				"the key \"text\" is missing or not a string, and there are no \"messages\"");
		*document = (struct document){ .text = json_string_value(text), .size = json_string_length(text) };
		return STATUS_OK;
	}
	if (text != NULL && !json_is_null(text))
		return error_raise(STATUS_DATA, "a line has either \"text\" or \"messages\", not both");
	if (json_is_array(json_object_get(record->root, "labels")))
		return error_raise(STATUS_DATA,
		                   "\"labels\" are offsets into \"text\": a conversation has a \"domain\" only");
	STATUS_TRY(json_messages_read(&record->messages, messages, MESSAGES_LEARNED));
	*document = (struct document){ .text = record->messages.text,
		                       .size = record->messages.size,
		                       .turns = record->messages.turns,
		                       .turn_count = record->messages.count };
	return STATUS_OK;
}

enum status json_record_read(struct json_record *record, const char *line, size_t size, struct document *document)
{
	json_error_t error;
	json_decref(record->root);
	record->root = json_loadb(line, size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
	if (record->root == NULL)
		return error_raise(STATUS_DATA, "not JSON at byte %d: %s", error.position, error.text);
	if (!json_is_object(record->root))
		return error_raise(STATUS_DATA, "a line must be a JSON object with the key \"text\"");
	const json_t *domain = json_object_get(record->root, "domain"),
		     *labels = json_object_get(record->root, "labels");
	STATUS_TRY(read_text(record, document));
	if (document->size > UINT32_MAX)
		return error_raise(STATUS_DATA, "a text of %zu bytes is longer than 4 GiB", document->size);
	STATUS_TRY(read_key(record, json_object_get(record->root, "id"), document));
	return read_labels(record, domain, labels, document);
}

/* ---- misspelt keys ---- */

static bool is_given(const json_t *root, const char *key)
{
	const json_t *value = json_object_get(root, key);
	return value != NULL && !json_is_null(value);
}

/* "Labels", "label", "lables", "token_labels"; a letter or two away, or with the word in it. */
static bool looks_like(const char *key, const char *name, const char *stem)
{
	char small[32];
	size_t size = strlen(key);
	if (size < 4 || size >= sizeof small)
		return false;
	for (size_t i = 0; i <= size; i++)
		small[i] = key[i] >= 'A' && key[i] <= 'Z' ? (char)(key[i] - 'A' + 'a') : key[i];
	return strstr(small, stem) != NULL || (small[0] == name[0] && text_distance(small, name) <= 2);
}

const char *json_record_misspelt(const struct json_record *record)
{
	bool domain = is_given(record->root, "domain"), labels = is_given(record->root, "labels");
	const char *key;
	json_t *value;
	json_object_foreach(record->root, key, value)
	{
		if (strcmp(key, "domain") == 0 || strcmp(key, "labels") == 0 || strcmp(key, "text") == 0 ||
		    strcmp(key, "messages") == 0 || strcmp(key, "id") == 0)
			continue;
		if ((!domain && looks_like(key, "domain", "domain")) || (!labels && looks_like(key, "labels", "label")))
			return key;
	}
	return NULL;
}
