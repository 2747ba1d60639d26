/* Inside src/storage only: the bytes of a journal.
 *
 *   head    magic "capsjrn\n" | u32 version 1 | u32 identity size | kind, 16 bytes | identity |
 *           u32 CRC32C of all before
 *   record  magic "JREC" | u32 payload size | u64 number (0, 1, ...) | u32 CRC32C of the payload |
 *           u32 CRC32C of the 20 bytes before | payload
 * Integers are little-endian. Nothing is padded.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_STORAGE_JOURNAL_FORMAT_H
#define CAPSHAPE_STORAGE_JOURNAL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { JOURNAL_KIND_SIZE = 16, JOURNAL_RECORD_HEAD = 24 };
#define JOURNAL_LARGEST_PAYLOAD 0x7fffffffu

struct journal_record {
	uint32_t size;
	uint64_t number;
	uint32_t checksum;
};

/* The head of a new journal, from malloc. */
enum status journal_head_make(const char *path, const char *kind, const char *identity, unsigned char **head,
                              size_t *size);
/* Compares the head of an open file with `head`: *fresh when the file was never begun (empty, or killed while the head
 * was written). STATUS_DATA when it is no journal, damaged, or of another kind or identity. */
enum status journal_head_check(const char *path, int file, int64_t file_size, const unsigned char *head, size_t size,
                               bool *fresh);

void journal_record_encode(const struct journal_record *record, unsigned char bytes[JOURNAL_RECORD_HEAD]);
/* False when the bytes are no sound head of a record. */
bool journal_record_decode(const unsigned char bytes[JOURNAL_RECORD_HEAD], struct journal_record *record);

/* pread() of exactly `size` bytes; false at the end of the file or on an error (errno 0 at the end). */
bool journal_read_bytes(int file, void *bytes, size_t size, int64_t offset);

#endif
