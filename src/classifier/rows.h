/* Packing documents into rows for a language model: used by the classifier (both directions), by the training of its
 * language models, and by evaluation (src/roles). Pure functions over memory.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_ROWS_H
#define CAPSHAPE_CLASSIFIER_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct rows {
	int64_t count, context; /* rows of `context` positions */
	int64_t capacity;       /* positions that the arrays have room for */
	int32_t *inputs;        /* [count, context] ids; unused positions hold end-of-text */
	int32_t *targets;       /* [count, context] next token of the document in reading direction (behind a cut too);
	                            end-of-text after the last one and at unused positions */
	int32_t *starts;        /* [count, context] first position, within the row, of the own document piece; unused:
	                            own position */
	int32_t *source;        /* [count, context] index in the token array of the token at this position; -1: <eot>
	                            prefix or unused, or a token of an overlap that another window answers for */
	int32_t *target_source; /* [count, context] index in the token array of the target; -1: end-of-text or a token
	                            that another window answers for. Every token is a target_source, and a source, of
	                            exactly one position. The last position of a document (for training on its end):
	                            targets is end-of-text and starts is before the position. */
};

/* A document longer than context - 1 tokens is cut into windows of context - 1 that overlap by half, the last one moved
 * back to end with the document; the window in which a token is farthest from a cut (the earlier one of two) answers for
 * it. Both directions cut at the same places: a reversed row is the mirror image, piece by piece, of the forward row.
 *
 * In order: a piece goes on the current row when it fits, else a new row begins (so packing is a function of
 * the document lengths only). document_begin[documents + 1] index `ids`, end-of-text excluded or included at the end
 * of each document (it is dropped); a document without tokens takes no room. `reversed`: right-to-left. Refills *rows
 * (zero-initialise it once); rows_clear() frees. STATUS_USAGE when context < 2. */
enum status rows_pack(struct rows *rows, const int32_t *ids, const int64_t *document_begin, int64_t documents,
                      int64_t context, int32_t end_of_text, bool reversed);
void rows_clear(struct rows *rows);
/* Without packing anything: the position behind a document of `tokens` tokens, end-of-text not counted, that is packed after
 * `position` others. */
int64_t rows_end(int64_t position, int64_t tokens, int64_t context);

#endif
