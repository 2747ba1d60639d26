/* Conversations: whose turn begins, and which tokens a model is to learn to say.
 *
 * A conversation is a document of turns, one after another:
 *   <|user|> content <|end_of_turn|> <|assistant|> content <|end_of_turn|> ...
 * Each marker is one token of its own, never made by ordinary text (tokenizer_turn_markers()). The ids of the four markers follow
 * one another in the order of enum turn; "markers" below is the first of them, 0 where text has no conversations.
 * What is learned of a conversation is what the assistant says and the marker that ends it: the paper's chat training (App. A.3).
 * That follows from the ids alone, so shards hold nothing more than those.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_TURNS_H
#define CAPSHAPE_TEXT_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum turn { TURN_SYSTEM, TURN_USER, TURN_ASSISTANT, TURN_ROLES, TURN_END = TURN_ROLES, TURN_MARKERS };

/* "system", "user", "assistant"; "end_of_turn". */
const char *turn_name(enum turn turn);
/* Of a role's name; false when there is none. */
bool turn_from_name(const char *name, enum turn *turn_out);

static inline bool turns_is_marker(int32_t markers, int32_t id)
{
	return markers > 0 && id >= markers && id < markers + TURN_MARKERS;
}

/* Of one whole document, its end-of-text token with it or not: learned[i] is 1 where token i is to be learned. A document that does
 * not begin with the marker of a role is no conversation, and all of it is learned. */
void turns_find_learned(const int32_t *ids, int64_t count, int32_t markers, uint8_t *learned);

#endif
