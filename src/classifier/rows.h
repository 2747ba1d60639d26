/* Packing documents into rows for a language model: used by the classifier (both directions), by the training of its
 * language models, and by evaluation (src/roles). Pure functions over memory.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_ROWS_H
#define CAPSHAPE_CLASSIFIER_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct rows {
	int64_t count, context;  /* rows of `context` positions */
	int64_t capacity;
	int32_t *inputs;         /* [count, context] ids; unused positions hold end-of-text */
	int32_t *targets;        /* [count, context] next token in reading direction; end-of-text where there is none */
	int32_t *starts;         /* [count, context] first position of the own document piece; unused: own position */
	int32_t *source;         /* [count, context] index in the token array of the token at this position; -1: <eot>
	                            prefix or unused, or a token of an overlap that another window answers for */
	int32_t *target_source;  /* [count, context] index in the token array of the target, -1: none */
};

/* First-fit in order: a piece goes on the current row when it fits, else a new row begins (so packing is a function of
 * the document lengths only). document_begin[documents + 1] index `ids`, end-of-text excluded or included at the end
 * of each document (it is dropped). `reversed`: right-to-left. Clears and refills *rows; rows_clear() frees. */
enum status rows_pack(struct rows *rows, const int32_t *ids, const int64_t *document_begin, int64_t documents,
                      int64_t context, int32_t end_of_text, bool reversed);
void rows_clear(struct rows *rows);

#endif
