/* Prompts from JSON lines, with jansson.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/prompts.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "text/json_messages.h"
#include "text/source.h"
#include "text/utf8.h"

void prompt_set_clear(struct prompt_set *set)
{
	for (size_t i = 0; i < set->count; i++) {
		free(set->prompts[i].text);
		free(set->prompts[i].turns);
		free(set->prompts[i].id);
		free(set->prompts[i].group);
	}
	free(set->prompts);
	*set = (struct prompt_set){ 0 };
}

static enum status add(struct prompt_set *set, const char *text, size_t size, uint64_t line)
{
	STATUS_TRY(memory_grow((void **)&set->prompts, &set->capacity, set->count + 1, sizeof *set->prompts));
	struct prompt prompt = { .text = memory_allocate(size + 1, 1), .size = size, .line = line };
	if (prompt.text == NULL)
		return STATUS_ENVIRONMENT;
	memcpy(prompt.text, text, size);
	set->prompts[set->count++] = prompt;
	return STATUS_OK;
}

/* A conversation. */
static enum status add_messages(struct prompt_set *set, const json_t *value, uint64_t line)
{
	struct json_messages messages = { 0 };
	enum status status = json_messages_read(&messages, value, MESSAGES_ASKED);
	if (status == STATUS_OK)
		status = add(set, messages.text, messages.size, line);
	if (status == STATUS_OK) {
		struct prompt *prompt = &set->prompts[set->count - 1];
		prompt->turns = messages.turns;
		prompt->turn_count = messages.count;
		messages.turns = NULL;
	}
	json_messages_clear(&messages);
	return status;
}

size_t prompt_set_conversation(const struct prompt_set *set)
{
	size_t i = 0;
	while (i < set->count && set->prompts[i].turns == NULL)
		i++;
	return i;
}

enum status prompt_set_single(const char *text, struct prompt_set *set)
{
	size_t size = strlen(text);
	if (utf8_valid_prefix(text, size) < size)
		return error_raise(STATUS_DATA, "the prompt is not UTF-8 from byte %zu on",
		                   utf8_valid_prefix(text, size));
	return add(set, text, size, 0);
}

/* "id, question, answer" of an object, as far as they fit. */
static const char *list_keys(const json_t *object, char *buffer, size_t size)
{
	size_t used = 0;
	const char *key;
	json_t *value;
	buffer[0] = '\0';
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		if (used + strlen(key) + 8 > size) {
			snprintf(buffer + used, size - used, ", ...");
			break;
		}
		used += (size_t)snprintf(buffer + used, size - used, "%s\"%s\"", used == 0 ? "" : ", ", key);
	}
	return used == 0 ? "none" : buffer;
}

/* *id: NULL, or from malloc. */
static enum status read_id(const json_t *value, char **id)
{
	*id = NULL;
	if (value == NULL || json_is_null(value))
		return STATUS_OK;
	if (!json_is_string(value) && !json_is_integer(value))
		return error_raise(STATUS_DATA, "\"id\" is neither a string nor a whole number");
	*id = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	return *id == NULL ? error_raise(STATUS_ENVIRONMENT, "no memory for a prompt") : STATUS_OK;
}

static enum status read_group(const json_t *value, char **group)
{
	*group = NULL;
	if (value == NULL || json_is_null(value))
		return STATUS_OK;
	if (!json_is_string(value) || json_string_length(value) == 0 ||
	    strlen(json_string_value(value)) != json_string_length(value))
		return error_raise(STATUS_DATA, "\"group\" is not the name of a group");
	*group = memory_copy_text(json_string_value(value));
	return *group == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

static enum status read_object(const json_t *object, const char *key, uint64_t line, struct prompt_set *set)
{
	char keys[512], *id = NULL, *group = NULL;
	const json_t *text = json_object_get(object, key), *messages = json_object_get(object, "messages");
	bool conversation = json_is_array(messages);
	if (conversation && text != NULL && text != messages)
		return error_raise(STATUS_DATA, "a line has either \"%s\" or \"messages\", not both", key);
	if (text == NULL && !conversation)
		return error_raise(
			STATUS_DATA,
			"there is no key \"%s\"; the keys are: %s; sample/prompt_key says which has the prompt", key,
			list_keys(object, keys, sizeof keys));
	if (!conversation && !json_is_string(text))
		return error_raise(STATUS_DATA, "the value of \"%s\" is not a string", key);
	STATUS_TRY(read_id(json_object_get(object, "id"), &id));
	enum status status = read_group(json_object_get(object, "group"), &group);
	if (status == STATUS_OK)
		status = conversation ? add_messages(set, messages, line)
		                      : add(set, json_string_value(text), json_string_length(text), line);
	if (status != STATUS_OK) {
		free(id);
		free(group);
		return status;
	}
	set->prompts[set->count - 1].id = id;
	set->prompts[set->count - 1].group = group;
	return STATUS_OK;
}

static enum status read_line(const char *line, size_t size, const char *key, uint64_t number, struct prompt_set *set)
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
	enum status status =
		json_is_object(object)
			? read_object(object, key, number, set)
			: error_raise(STATUS_DATA, "a line must be a JSON object such as {\"%s\": \"...\"}", key);
	json_decref(object);
	return status;
}

enum status prompt_set_read(const char *path, const char *key, struct prompt_set *set)
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
		uint64_t number = source_line_number(source);
		status = read_line(line, size, key, number, set);
		if (status != STATUS_OK)
			error_context(status, "%s:%" PRIu64, path, number);
	}
	source_close(source);
	if (status == STATUS_OK && set->count == 0)
		return error_raise(STATUS_DATA,
		                   "%s holds no prompts: a line for each is needed, such as {\"%s\": \"...\"}", path,
		                   key);
	return status;
}

enum status prompt_set_hash(const struct prompt_set *set, char out[CONTENT_HASH_SIZE])
{
	struct content_hash *hash = content_hash_create();
	if (hash == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < set->count; i++) {
		const char *id = set->prompts[i].id == NULL ? "" : set->prompts[i].id;
		uint64_t size = set->prompts[i].size;
		content_hash_add(hash, &size, sizeof size);
		content_hash_add(hash, set->prompts[i].text, size);
		for (size_t k = 0; k < set->prompts[i].turn_count; k++)
			content_hash_add(hash, &set->prompts[i].turns[k], sizeof set->prompts[i].turns[k]);
		content_hash_add(hash, id, strlen(id) + 1);
		const char *group = set->prompts[i].group == NULL ? "" : set->prompts[i].group;
		content_hash_add(hash, group, strlen(group) + 1);
	}
	content_hash_finish(hash, out);
	return STATUS_OK;
}
