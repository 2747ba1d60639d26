/* A crash-safe append-only record file: a head (magic, kind, identity), then records of (length, sequence number,
 * payload, CRC32C). A torn or damaged tail is dropped when the journal is opened again, never anything before it. A
 * record damaged in the middle is passed over with a warning; the sound ones after it stay.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_STORAGE_JOURNAL_H
#define CAPSHAPE_STORAGE_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct journal;

/* Called for every sound record, in order (numbers grow; after a damaged record one is missing). Returning another
 * status than STATUS_OK ends the scan with it. */
typedef enum status (*journal_visit)(void *context, uint64_t number, const void *payload, size_t size, int64_t offset);

/* Opens for appending (creating the file, truncating a torn tail after visiting the sound records; visit may be NULL).
 * `kind` (16 bytes at most, e.g. "scores") and `identity` (any text, e.g. a hash) are stored in the head: STATUS_DATA
 * naming both when an existing file has others. Takes a lock (fcntl): STATUS_IO when another process holds it. */
enum status journal_open(const char *path, const char *kind, const char *identity, journal_visit visit, void *context,
                         struct journal **journal_out);
/* Opens another process's journal for journal_read() and journal_list() without lock or change, and reads nothing of it but the
 * head; it may be growing. STATUS_DATA when it does not exist. */
enum status journal_open_reader(const char *path, const char *kind, const char *identity, struct journal **journal_out);
/* Visits what records a journal opened for reading has, by their heads alone: nothing tells whether a payload is sound but
 * journal_read(), which visit() may call. `payload` has min(size, lead) bytes. */
enum status journal_list(struct journal *journal, size_t lead, journal_visit visit, void *context);
/* Reads another process's journal without changing it. A file that does not exist has no records. */
enum status journal_scan(const char *path, const char *kind, const char *identity, journal_visit visit, void *context);
/* One write(2). *offset: where the payload lies. After a failure nothing of the record is left in the file. */
enum status journal_append(struct journal *journal, const void *payload, size_t size, int64_t *offset);
/* Payload at `offset` again, in memory of the journal until its next call; STATUS_DATA where there is no record or its checksum is
 * wrong. */
enum status journal_read(struct journal *journal, int64_t offset, const void **payload, size_t *size);
enum status journal_sync(struct journal *journal);
/* fsync and close, checked. Safe on NULL. */
enum status journal_close(struct journal *journal);

#endif
