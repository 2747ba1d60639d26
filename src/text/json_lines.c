/* JSON lines with jansson.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/json_lines.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

struct json_record {
	json_t *root; /* of the line last read */
	struct label_span *spans;
	size_t capacity;
	char number[24]; /* an "id" that is a number, as text */
};

enum status json_record_create(struct json_record **record_out)
{
	*record_out = memory_allocate(1, sizeof **record_out);
	return *record_out == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

void json_record_destroy(struct json_record *record)
{
	if (record == NULL)
		return;
	json_decref(record->root);
	free(record->spans);
	free(record);
}

static enum status read_domain(const json_t *value, const char *owner, enum domain *domain)
{
	if (!json_is_string(value))
		return error_raise(STATUS_DATA, "the \"domain\" of %s is not a string", owner);
	return domain_from_name(json_string_value(value), domain);
}

static enum status read_span(const json_t *value, size_t index, size_t text_size, struct label_span *span)
{
	const json_t *begin = json_object_get(value, "begin"), *end = json_object_get(value, "end");
	if (!json_is_integer(begin) || !json_is_integer(end))
		return error_raise(STATUS_DATA, "label %zu has no whole numbers \"begin\" and \"end\"", index);
	json_int_t from = json_integer_value(begin), to = json_integer_value(end);
	if (from < 0 || to < from || (uint64_t)to > text_size)
		return error_raise(STATUS_DATA,
		                   "label %zu covers bytes %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT
		                   ", but the text has %zu bytes",
		                   index, from, to, text_size);
	span->begin = (uint32_t)from;
	span->end = (uint32_t)to;
	return read_domain(json_object_get(value, "domain"), "a label", &span->domain);
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
	for (size_t i = 0; i < json_array_size(labels); i++) {
		STATUS_TRY(memory_grow((void **)&record->spans, &record->capacity, count + 1, sizeof *record->spans));
		STATUS_TRY(read_span(json_array_get(labels, i), i, document->size, &record->spans[count]));
		/* Spans without bytes or without a domain say nothing. */
		if (record->spans[count].begin < record->spans[count].end &&
		    record->spans[count].domain != DOMAIN_UNMARKED)
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

enum status json_record_read(struct json_record *record, const char *line, size_t size, struct document *document)
{
	json_error_t error;
	json_decref(record->root);
	record->root = json_loadb(line, size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
	if (record->root == NULL)
		return error_raise(STATUS_DATA, "not JSON at byte %d: %s", error.position, error.text);
	if (!json_is_object(record->root))
		return error_raise(STATUS_DATA, "a line must be a JSON object with the key \"text\"");
	const json_t *text = json_object_get(record->root, "text"), *domain = json_object_get(record->root, "domain");
	const json_t *labels = json_object_get(record->root, "labels");
	if (!json_is_string(text))
		return error_raise(STATUS_DATA, "the key \"text\" is missing or not a string");
	*document = (struct document){ .text = json_string_value(text), .size = json_string_length(text) };
	if (document->size > UINT32_MAX)
		return error_raise(STATUS_DATA, "a text of %zu bytes is longer than 4 GiB", document->size);
	STATUS_TRY(read_key(record, json_object_get(record->root, "id"), document));
	bool has_domain = domain != NULL && !json_is_null(domain);
	if (labels != NULL && !json_is_null(labels))
		STATUS_TRY(read_spans(record, labels, document));
	if (has_domain) {
		STATUS_TRY(read_domain(domain, "the document", &document->domain));
		if (document->labels == LABELS_NONE)
			document->labels = LABELS_DOCUMENT;
	} else if (document->labels == LABELS_TOKEN) {
		document->domain = domain_of_spans(document->spans, document->span_count, document->size);
	}
	return STATUS_OK;
}
