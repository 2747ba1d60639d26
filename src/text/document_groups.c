/* Groups of documents from JSON lines, with jansson.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/document_groups.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/memory.h"
#include "text/source.h"

void document_groups_clear(struct document_groups *groups)
{
	for (size_t i = 0; i < groups->name_count; i++)
		free(groups->names[i]);
	free(groups->names);
	free(groups->ids);
	*groups = (struct document_groups){ 0 };
}

int document_groups_find_name(const struct document_groups *groups, const char *name)
{
	for (size_t i = 0; i < groups->name_count; i++)
		if (strcmp(groups->names[i], name) == 0)
			return (int)i;
	return -1;
}

int document_groups_find(const struct document_groups *groups, uint64_t hash)
{
	size_t low = 0, high = groups->id_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (groups->ids[middle].hash < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low < groups->id_count && groups->ids[low].hash == hash ? (int)groups->ids[low].name : -1;
}

static enum status number_name(struct document_groups *groups, const char *name, uint32_t *number)
{
	int known = document_groups_find_name(groups, name);
	if (known < 0) {
		STATUS_TRY(memory_grow((void **)&groups->names, &groups->name_capacity, groups->name_count + 1,
		                       sizeof *groups->names));
		char *copy = memory_copy_text(name);
		if (copy == NULL)
			return STATUS_ENVIRONMENT;
		known = (int)groups->name_count;
		groups->names[groups->name_count++] = copy;
	}
	*number = (uint32_t)known;
	return STATUS_OK;
}

/* "id" as the corpus takes it: a string or a whole number. */
static const char *id_text(const json_t *id, char number[24])
{
	if (json_is_string(id))
		return json_string_value(id);
	if (!json_is_integer(id))
		return NULL;
	snprintf(number, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(id));
	return number;
}

static enum status read_object(const json_t *object, const char *key, struct document_groups *groups)
{
	const json_t *id = json_object_get(object, "id"), *name = json_object_get(object, key);
	char number[24];
	struct grouped_id entry = { 0 };
	if (id == NULL || name == NULL || json_is_null(id) || json_is_null(name))
		return STATUS_OK;
	const char *text = id_text(id, number);
	if (text == NULL)
		return error_raise(STATUS_DATA, "\"id\" is neither a string nor a whole number");
	if (!json_is_string(name) || json_string_length(name) == 0)
		return error_raise(STATUS_DATA, "\"%s\" is not the name of a group", key);
	STATUS_TRY(number_name(groups, json_string_value(name), &entry.name));
	entry.hash = XXH3_64bits_withSeed(text, strlen(text), 0);
	STATUS_TRY(memory_grow((void **)&groups->ids, &groups->id_capacity, groups->id_count + 1, sizeof *groups->ids));
	groups->ids[groups->id_count++] = entry;
	return STATUS_OK;
}

static enum status read_line(const char *line, size_t size, const char *key, struct document_groups *groups)
{
	json_error_t error;
	size_t blanks = 0;
	while (blanks < size && (line[blanks] == ' ' || line[blanks] == '\t' || line[blanks] == '\r'))
		blanks++;
	if (blanks == size)
		return STATUS_OK;
	json_t *object = json_loadb(line, size, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
	if (object == NULL)
		return error_raise(STATUS_DATA, "not JSON at byte %d: %s", error.position, error.text);
	enum status status = json_is_object(object)
	                             ? read_object(object, key, groups)
	                             : error_raise(STATUS_DATA,
	                                           "a line must be a JSON object such as {\"id\": \"...\", "
	                                           "\"%s\": \"...\"}",
	                                           key);
	json_decref(object);
	return status;
}

static int compare_ids(const void *left, const void *right)
{
	const struct grouped_id *a = left, *b = right;
	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return a->name < b->name ? -1 : a->name > b->name;
}

/* By hash, each once. */
static enum status finish(const char *path, const char *key, struct document_groups *groups)
{
	size_t kept = 0;
	if (groups->id_count == 0)
		return error_raise(STATUS_DATA, "%s has no line with both \"id\" and \"%s\" (probe/group_key)", path,
		                   key);
	qsort(groups->ids, groups->id_count, sizeof *groups->ids, compare_ids);
	for (size_t i = 0; i < groups->id_count; i++) {
		if (kept > 0 && groups->ids[kept - 1].hash == groups->ids[i].hash) {
			if (groups->ids[kept - 1].name != groups->ids[i].name)
				return error_raise(STATUS_DATA, "%s gives an id two groups, %s and %s", path,
				                   groups->names[groups->ids[kept - 1].name],
				                   groups->names[groups->ids[i].name]);
			continue;
		}
		groups->ids[kept++] = groups->ids[i];
	}
	groups->id_count = kept;
	struct content_hash *hash = content_hash_create();
	if (hash == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < groups->name_count; i++)
		content_hash_add(hash, groups->names[i], strlen(groups->names[i]) + 1);
	content_hash_add(hash, groups->ids, kept * sizeof *groups->ids);
	content_hash_finish(hash, groups->hash);
	return STATUS_OK;
}

enum status document_groups_read(const char *path, const char *key, struct document_groups *groups)
{
	struct source *source = NULL;
	const char *line;
	size_t size;
	bool found = true;
	STATUS_TRY(source_open(path, &source));
	enum status status = STATUS_OK;
	while (status == STATUS_OK && found) {
		status = source_read_line(source, &line, &size, &found);
		if (status != STATUS_OK || !found)
			break;
		status = read_line(line, size, key, groups);
		if (status != STATUS_OK)
			error_context(status, "%s:%" PRIu64, path, source_line_number(source));
	}
	source_close(source);
	return status == STATUS_OK ? finish(path, key, groups) : status;
}
