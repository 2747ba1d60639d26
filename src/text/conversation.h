/* Turns of a conversation as tokens: the one way in which they are written, for models that learn from conversations and for those that
 * are asked.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_CONVERSATION_H
#define CAPSHAPE_TEXT_CONVERSATION_H

#include "text/corpus.h"
#include "text/prompts.h"
#include "text/tokenizer.h"

/* Appends the turns (bytes of `text`), each between the marker of its role and that of its end, to *ids, which has *used of them and is
 * from malloc. STATUS_DATA when the vocabulary has no ids for markers. */
enum status conversation_encode(const struct tokenizer *tokenizer, const char *text, const struct text_turn *turns,
                                size_t count, int32_t **ids, size_t *capacity, size_t *used);
/* Likewise the turns of a prompt, of which a text is the user's turn, and the marker with which the assistant's begins: what a model that
 * has learned from conversations is asked. `system`: what the system says before a prompt that does not begin with the system's turn; "":
 * nothing. */
enum status conversation_encode_prompt(const struct tokenizer *tokenizer, const struct prompt *prompt,
                                       const char *system, int32_t **ids, size_t *capacity, size_t *used);

#endif
