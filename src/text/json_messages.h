/* The turns of a conversation in a line of JSON lines: "messages": [{"role": "user", "content": "..."}, ...].
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_JSON_MESSAGES_H
#define CAPSHAPE_TEXT_JSON_MESSAGES_H

#include <jansson.h>

#include "base/status.h"
#include "text/corpus.h"

/* Zero-initialise; json_messages_clear() frees. */
struct json_messages {
	char *text; /* what is said, a line feed behind each turn */
	size_t size, text_capacity;
	struct text_turn *turns;
	size_t count, turn_capacity;
};

/* STATUS_DATA with a sentence that names the message by its number, from 0, when it is none; also, of a conversation to learn from, when the
 * assistant says nothing, and of one that is to be answered, when it does not end with what the user says. */
enum messages_use { MESSAGES_LEARNED, MESSAGES_ASKED };
enum status json_messages_read(struct json_messages *messages, const json_t *value, enum messages_use use);
void json_messages_clear(struct json_messages *messages);

#endif
