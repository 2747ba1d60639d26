/* Conversations of JSON lines.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/json_messages.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void json_messages_clear(struct json_messages *messages)
{
	free(messages->text);
	free(messages->turns);
	*messages = (struct json_messages){ 0 };
}

static enum status add(struct json_messages *messages, enum turn role, const char *content, size_t size)
{
	if (size > UINT32_MAX - 1 - messages->size)
		return error_raise(STATUS_DATA, "a conversation is longer than 4 GiB");
	STATUS_TRY(memory_grow((void **)&messages->text, &messages->text_capacity, messages->size + size + 1, 1));
	STATUS_TRY(memory_grow((void **)&messages->turns, &messages->turn_capacity, messages->count + 1,
	                       sizeof *messages->turns));
	memcpy(messages->text + messages->size, content, size);
	messages->turns[messages->count++] = (struct text_turn){ .begin = (uint32_t)messages->size,
		                                                 .end = (uint32_t)(messages->size + size),
		                                                 .role = role };
	messages->size += size;
	messages->text[messages->size++] = '\n';
	return STATUS_OK;
}

static enum status read_message(struct json_messages *messages, const json_t *message, size_t number)
{
	const json_t *role = json_object_get(message, "role"), *content = json_object_get(message, "content");
	enum turn turn;
	if (!json_is_string(role) || !json_is_string(content))
		return error_raise(STATUS_DATA,
		                   "message %zu must be an object with two strings: {\"role\": \"user\", \"content\": "
		                   "\"...\"}",
		                   number);
	if (!turn_from_name(json_string_value(role), &turn))
		return error_raise(STATUS_DATA, "message %zu has the role \"%.40s\": one of system, user, assistant",
		                   number, json_string_value(role));
	return add(messages, turn, json_string_value(content), json_string_length(content));
}

enum status json_messages_read(struct json_messages *messages, const json_t *value, enum messages_use use)
{
	bool answered = false;
	messages->size = messages->count = 0;
	if (!json_is_array(value))
		return error_raise(STATUS_DATA, "\"messages\" is not an array");
	for (size_t i = 0; i < json_array_size(value); i++) {
		STATUS_TRY(read_message(messages, json_array_get(value, i), i));
		answered = answered || messages->turns[i].role == TURN_ASSISTANT;
	}
	if (use == MESSAGES_LEARNED && !answered)
		return error_raise(STATUS_DATA,
		                   "\"messages\" has none of the role assistant: there is nothing to learn from it");
	if (use == MESSAGES_ASKED && (messages->count == 0 || messages->turns[messages->count - 1].role != TURN_USER))
		return error_raise(STATUS_DATA,
		                   "\"messages\" does not end with one of the role user: there is nothing to answer");
	return STATUS_OK;
}
