/* The decisions of a classifier, kept so that a block is classified once: by whichever rank, in whichever run.
 *
 * A folder (scores/<classifier hash>) holds one journal a writer, scores-00003.journal. Identity: the classifier and
 * the data it was applied to. A record is a block: i64 number, i64 tokens, i64 documents, u16 token scores, u16 document
 * scores, little-endian. Beside the journals lies `claims`, which names the place of each block. Opening a store to append goes
 * through the own journal and takes all else from `claims`; opening it to read lists the journals. Neither reads the scores of
 * others: that and their checksums come when a block is asked for. Journals of others may be growing, and are never changed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_RESULTS_SCORE_STORE_H
#define CAPSHAPE_RESULTS_SCORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "text/shard.h"

struct score_store;

/* Makes the folder when it is missing. `identity`: any text, e.g. "<classifier hash> <content hash of the shards>";
 * STATUS_DATA when the own journal has another, or any where it is only read. `rank`: names the journal to append to (locked while open); negative:
 * only read. */
enum status score_store_open(const char *folder, const char *identity, int rank, struct score_store **store_out);
/* Before stores are opened, by each of `shares` processes, which wait for each other behind it: looks through its share of the
 * journals, the heads of the records alone, and has the file `claims` name the places that it lacks (it was removed, or the machine
 * went down before it was on the disk). STATUS_DATA where a journal has another identity. */
enum status score_store_index(const char *folder, const char *identity, int share, int shares);
/* Whether the scores of a block are said to be there: what score_store_look() finds damaged or missing is so no more. */
bool score_store_find(const struct score_store *store, int64_t block);
/* Whether they are, and sound: reads them, so that score_store_load() need not. */
enum status score_store_look(struct score_store *store, int64_t block, bool *there);
/* Number of blocks that are said to be there. */
int64_t score_store_count(const struct score_store *store);
/* Records of blocks that were there already: scored more than once. */
int64_t score_store_repeated(const struct score_store *store);
/* Fills scores and document_scores of a block that was read (its arrays have room) and sets scored. STATUS_DATA when
 * the store has it not, or with other counts. */
enum status score_store_load(struct score_store *store, struct block *block);
/* The right to score a block that was read, which nobody else has at the time: no other rank and no other job that uses the
 * folder. Waits for whoever has it and calls `progress` (NULL: nothing) meanwhile; from one that gives no sign of life, as when
 * its job is suspended, the right is taken, with a warning. *there: the scores have come, for score_store_load(), and nothing
 * is held. Else score_store_append() gives the right back. Only with a journal to append to. */
enum status score_store_claim(struct score_store *store, const struct block *block, void (*progress)(void *state),
                              void *state, bool *there);
/* The same without waiting, for a second block while one is claimed: *held tells whether this process has the right now, which
 * it has not where another is at it or the scores have come. */
enum status score_store_try_claim(struct score_store *store, const struct block *block, bool *held);
/* Tells those who wait for a block that was claimed that it is being scored: to be called from the middle of it, often. */
void score_store_beat(struct score_store *store);
/* How long whoever has a block may give no sign of life: LOCK_STALE_SECONDS (storage/lock.h) unless this is called. Signs are
 * given twelve times in that. */
void score_store_set_patience(struct score_store *store, double seconds);
/* Appends a scored block; one that is there already is not written again. */
enum status score_store_append(struct score_store *store, const struct block *block);
/* fsync of what was appended. */
enum status score_store_sync(struct score_store *store);
/* Sync and close. Safe on NULL. */
enum status score_store_close(struct score_store *store);

#endif
