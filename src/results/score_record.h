/* Inside src/results only: the bytes of a record of a score journal.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_RESULTS_SCORE_RECORD_H
#define CAPSHAPE_RESULTS_SCORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SCORE_RECORD_HEAD = 24 };
/* An index by block number is an array, so numbers have a bound. */
#define SCORE_LARGEST_BLOCK INT32_MAX

struct score_head {
	int64_t block, tokens, documents;
};

size_t score_record_size(int64_t tokens, int64_t documents);
/* False when the record can not be a block: numbers out of range, or a size that does not follow from them. */
bool score_head_decode(const void *record, size_t size, struct score_head *head);
void score_record_encode(void *record, const struct score_head *head, const uint16_t *scores,
                         const uint16_t *document_scores);
void score_record_decode(const void *record, int64_t tokens, int64_t documents, uint16_t *scores,
                         uint16_t *document_scores);

#endif
