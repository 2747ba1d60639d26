/* Conversations: whose turn begins, and which tokens a model is to learn to say.
 *
 * A conversation is a document of turns, one after another:
 *   <|user|> content <|end_of_turn|> <|assistant|> content <|end_of_turn|> ...
 * Each marker is one token of its own, never made by ordinary text (tokenizer_turn_markers()). The ids of the four markers follow
 * one another in the order of enum turn; "markers" below is the first of them, 0 where text has no conversations.
 * What is learned of a conversation is what the assistant says and the marker that ends it: the paper's chat training (App. A.3).
 * That follows from the ids alone, so shards hold nothing more than those. Of a multiple choice question only the letter is.
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

/* What in a set of documents tells which of their tokens are learned. All 0: all are. */
struct learned_rule {
	int32_t markers; /* the first marker of conversations; 0: there are none */
	/* Of multiple choice questions (text/question_documents.h), each a document that ends with the letter of the right choice: 1 + the
	 * id of the token of one blank; 0: there are none. The letter follows a blank, and both are one token or two; the prompt before
	 * them never ends with a blank. So it too follows from the ids alone. */
	int32_t blank;
};

/* Of one whole document, its end-of-text token `end_of_text` with it or not: learned[i] is 1 where token i is to be learned. With
 * markers a document that does not begin with that of a role is no conversation, and all of it is learned. */
void turns_find_learned(const struct learned_rule *rule, int32_t end_of_text, const int32_t *ids, int64_t count,
                        uint8_t *learned);

#endif
