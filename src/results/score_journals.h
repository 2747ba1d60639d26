/* Inside src/results only: the score journals of a folder, scores-NNNNN.journal, for reading.
 *
 * There may be thousands, one for every rank that ever scored, and terabytes of scores: so they are opened when a record of theirs
 * is read, SCORE_JOURNALS_OPEN at a time stay open, and what blocks they have is found by the heads of the records.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_RESULTS_SCORE_JOURNALS_H
#define CAPSHAPE_RESULTS_SCORE_JOURNALS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "results/score_record.h"
#include "storage/journal.h"

#define SCORE_JOURNAL_KIND "scores"
enum { SCORE_JOURNALS_OPEN = 16 };

/* Where the scores of a block are: number of the journal, -1: nowhere; offset of the record. */
struct score_place {
	int journal;
	int64_t offset;
};

struct score_journals;

/* Opens no journal yet. */
enum status score_journals_create(const char *folder, const char *identity, struct score_journals **journals_out);
/* Safe on NULL. */
void score_journals_destroy(struct score_journals *journals);
/* Path of a journal, from malloc; NULL after error_raise(). */
char *score_journals_path(const char *folder, int number);

/* The record at a place and what it says it is, valid until the next call; *record NULL where no sound record of the block is there
 * (the journal was removed or is another identity's, or the machine went down before the record was on the disk). */
enum status score_journals_read(struct score_journals *journals, int64_t block, const struct score_place *place,
                                struct score_head *head, const void **record);

/* Visits the blocks of every journal whose place in the order of names is share, share + shares, ..., the journals in that order,
 * with records whose payload may be damaged among them. Numbers of blocks are about right even so: none is beyond twice that of a
 * sound record. A folder that is not there has none. STATUS_DATA where a journal has another identity. */
typedef enum status (*score_journals_visit)(void *context, int64_t block, const struct score_place *place);
enum status score_journals_list(const char *folder, const char *identity, int share, int shares,
                                score_journals_visit visit, void *context);

#endif
