/* Windows of multiple choice questions (text/question_documents.h): whole ones, so that a letter is learned from all of its prompt, at the
 * positions and behind the end-of-text at which scoring by letters has it (roles/recall.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_QUESTION_ROWS_H
#define CAPSHAPE_ROLES_QUESTION_ROWS_H

#include <stdint.h>

#include "base/status.h"

/* Tokens of a stream, or a window of them. */
struct token_arrays {
	int32_t *ids;
	uint16_t *scores;
	uint64_t *positions; /* in the corpus */
	uint8_t *marks;      /* of lanes: LEARNED and what a filter marks */
};

/* How many tokens of the stream must be at hand for a window of `length`, so that it does not depend on how many are. */
static inline int64_t question_row_needs(int64_t length)
{
	return 2 * length + 2;
}

/* Zero-initialise. */
struct question_row {
	struct token_arrays tokens; /* [length + 1] */
	int64_t length;
};
enum status question_row_reserve(struct question_row *row, int64_t length);
void question_row_clear(struct question_row *row);
/* Bytes for windows of `length`. */
int64_t question_row_memory(int64_t length);

/* Lays out one window: an end-of-text and a question, as often as a whole one fits; then end-of-texts, which are not learned. Of a
 * question that is longer than a window the last length - 1 tokens. stream: `count` tokens, documents with their end-of-text from the
 * first one on. Returns how many of them the window holds or passes over. */
int64_t question_row_lay(struct question_row *row, const struct token_arrays *stream, int64_t count,
                         int32_t end_of_text);

#endif
