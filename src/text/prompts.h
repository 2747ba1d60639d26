/* Prompts for generation: JSON lines such as {"prompt": "...", "id": "...", "group": "..."}, or with "messages" in the place of "prompt", the
 * turns of a conversation (text/json_messages.h) that ends with the user's; plain or compressed as a corpus may be.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_PROMPTS_H
#define CAPSHAPE_TEXT_PROMPTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/checksum.h"
#include "base/status.h"
#include "text/corpus.h"

struct prompt {
	char *text; /* valid UTF-8, NUL-terminated; may be empty. Of a conversation what each turn says, a line feed behind it */
	size_t size;
	struct text_turn *turns; /* of a conversation; NULL: the prompt is a text */
	size_t turn_count;
	char *id;      /* the line's "id" as JSON, a string or a whole number; NULL: none */
	char *group;   /* the line's "group": prompts whose answers are measured together; NULL: none */
	uint64_t line; /* of the file; 0: none */
};

/* Zero-initialise; prompt_set_clear() frees. */
struct prompt_set {
	struct prompt *prompts;
	size_t count, capacity;
};

/* Every line of the file is an object that has the prompt under the key `key`, or "messages"; other keys but "id" and "group" are passed over, empty lines
 * too.
 * STATUS_DATA naming file, line and the keys that are there; also when the file holds no prompt. */
enum status prompt_set_read(const char *path, const char *key, struct prompt_set *set);
/* The number of the first prompt that is a conversation; count: none is. */
size_t prompt_set_conversation(const struct prompt_set *set);
/* One prompt. STATUS_DATA when it is not UTF-8. */
enum status prompt_set_single(const char *text, struct prompt_set *set);
/* Names the texts, turns, ids and groups, in order. */
enum status prompt_set_hash(const struct prompt_set *set, char hash[CONTENT_HASH_SIZE]);
void prompt_set_clear(struct prompt_set *set);

#endif
