/* Inside src/results only: who scores a block, agreed among all ranks and jobs that share a folder of score journals.
 *
 * A file beside the journals holds a record a block: the journal and the place of its scores, nothing of the kind while
 * nobody has scored it. Whoever finds nothing locks the record (fcntl), looks again, scores, writes the place, and unlocks;
 * the system unlocks for those who die. While it scores it writes a new beat into the record now and then: those who wait
 * for a beat in vain, as when the job that has the lock was suspended, score the block themselves. So a block is scored
 * once even where several ask for it at the same moment. The file says nothing that the journals do not: without it, or
 * without working locks, blocks may be scored twice, to the same scores.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_RESULTS_SCORE_CLAIMS_H
#define CAPSHAPE_RESULTS_SCORE_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct score_claims;

/* `patience`: seconds without a beat after which a block is taken from whoever holds it. */
enum status score_claims_open(const char *folder, double patience, struct score_claims **claims_out);
/* Safe on NULL. */
void score_claims_close(struct score_claims *claims);
void score_claims_set_patience(struct score_claims *claims, double patience);
/* Waits until nobody else holds the block, or has said where its scores are, or whoever holds it is silent; then this process
 * may look, and score. Calls `progress` meanwhile (NULL: nothing). */
void score_claims_take(struct score_claims *claims, int64_t block, void (*progress)(void *state), void *state);
/* The same without waiting: false where somebody else holds the block. */
bool score_claims_try(struct score_claims *claims, int64_t block);
/* The block, taken before, is being scored from now on until it is dropped: at most SCORE_CLAIMS_AT_ONCE are. */
enum { SCORE_CLAIMS_AT_ONCE = 2 };
void score_claims_begin(struct score_claims *claims, int64_t block);
/* They still are: to be called often. */
void score_claims_beat(struct score_claims *claims);
void score_claims_drop(struct score_claims *claims, int64_t block);
/* Number of the journal and offset of the scores; false when nobody has said. */
bool score_claims_find(const struct score_claims *claims, int64_t block, int *journal_out, int64_t *offset_out);
/* Visits all blocks of which somebody has said it, in their order. A file that is not there says nothing. */
enum status score_claims_list(const char *folder,
                              enum status (*visit)(void *context, int64_t block, int journal, int64_t offset),
                              void *context);
enum status score_claims_publish(struct score_claims *claims, int64_t block, int journal, int64_t offset);

#endif
