/* Owns the bytes of a journal's head and of the heads of its records.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/journal_format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "storage/atomic_file.h"

enum { HEAD_FIXED = 8 + 4 + 4 + JOURNAL_KIND_SIZE, VERSION = 1, LONGEST_IDENTITY = 4096 };

static const char head_magic[8] = { 'c', 'a', 'p', 's', 'j', 'r', 'n', '\n' };
static const char record_magic[4] = { 'J', 'R', 'E', 'C' };

static void put(unsigned char *bytes, uint64_t value, int size)
{
	for (int i = 0; i < size; i++)
		bytes[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get(const unsigned char *bytes, int size)
{
	uint64_t value = 0;
	for (int i = 0; i < size; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

bool journal_read_bytes(int file, void *bytes, size_t size, int64_t offset)
{
	char *place = bytes;
	while (size > 0) {
		ssize_t got = pread(file, place, size, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			errno = got == 0 ? 0 : errno;
			return false;
		}
		place += got;
		offset += got;
		size -= (size_t)got;
	}
	return true;
}

enum status journal_head_make(const char *path, const char *kind, const char *identity, unsigned char **head,
                              size_t *size)
{
	size_t length = strlen(identity);
	if (strlen(kind) > JOURNAL_KIND_SIZE || length > LONGEST_IDENTITY)
		return error_raise(STATUS_INTERNAL, "%s: kind or identity of the journal is too long", path);
	unsigned char *bytes = memory_allocate(HEAD_FIXED + length + 4, 1);
	if (bytes == NULL)
		return STATUS_ENVIRONMENT;
	memcpy(bytes, head_magic, sizeof head_magic);
	put(bytes + 8, VERSION, 4);
	put(bytes + 12, length, 4);
	memcpy(bytes + 16, kind, strlen(kind));
	memcpy(bytes + HEAD_FIXED, identity, length);
	put(bytes + HEAD_FIXED + length, checksum_crc32c(0, bytes, HEAD_FIXED + length), 4);
	*head = bytes;
	*size = HEAD_FIXED + length + 4;
	return STATUS_OK;
}

/* Killed while the head was written: some first part of it, or, after a power failure, zeros in its place. */
static bool is_fresh(const unsigned char *found, size_t found_size, const unsigned char *head, size_t size)
{
	bool zeros = true;
	for (size_t i = 0; i < found_size; i++)
		zeros = zeros && found[i] == 0;
	return zeros || (found_size < size && memcmp(found, head, found_size) == 0);
}

static enum status check_found(const char *path, const unsigned char *found, size_t found_size,
                               const unsigned char *head)
{
	size_t length = found_size >= HEAD_FIXED ? get(found + 12, 4) : 0;
	if (found_size < HEAD_FIXED + 4 || memcmp(found, head_magic, sizeof head_magic) != 0)
		return error_raise(STATUS_DATA,
		                   "%s: this is not a journal of capshape; remove it or use another folder", path);
	if (get(found + 8, 4) != VERSION)
		return error_raise(STATUS_DATA, "%s: the journal has format version %u, this program knows %d", path,
		                   (unsigned)get(found + 8, 4), VERSION);
	if (length > found_size - HEAD_FIXED - 4 ||
	    checksum_crc32c(0, found, HEAD_FIXED + length) != get(found + HEAD_FIXED + length, 4))
		return error_raise(STATUS_DATA, "%s: the head of the journal is damaged; remove the file", path);
	if (memcmp(found + 16, head + 16, JOURNAL_KIND_SIZE) != 0 || length != get(head + 12, 4) ||
	    memcmp(found + HEAD_FIXED, head + HEAD_FIXED, length) != 0)
		return error_raise(
			STATUS_DATA,
			"%s: the journal holds %.16s of %.*s, not %.16s of %.*s; remove it or use another folder", path,
			(const char *)found + 16, (int)length, (const char *)found + HEAD_FIXED,
			(const char *)head + 16, (int)get(head + 12, 4), (const char *)head + HEAD_FIXED);
	return STATUS_OK;
}

enum status journal_head_check(const char *path, int file, int64_t file_size, const unsigned char *head, size_t size,
                               bool *fresh)
{
	/* The head found may be longer than ours, when its identity is. */
	size_t most = HEAD_FIXED + LONGEST_IDENTITY + 4;
	size_t found_size = file_size < (int64_t)most ? (size_t)file_size : most;
	unsigned char *found = memory_allocate(found_size, 1);
	if (found == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = STATUS_OK;
	if (!journal_read_bytes(file, found, found_size, 0))
		status = file_raise(errno, path, "cannot be read");
	*fresh = status == STATUS_OK && file_size <= (int64_t)size && is_fresh(found, found_size, head, size);
	if (status == STATUS_OK && !*fresh)
		status = check_found(path, found, found_size, head);
	free(found);
	return status;
}

void journal_record_encode(const struct journal_record *record, unsigned char bytes[JOURNAL_RECORD_HEAD])
{
	memcpy(bytes, record_magic, sizeof record_magic);
	put(bytes + 4, record->size, 4);
	put(bytes + 8, record->number, 8);
	put(bytes + 16, record->checksum, 4);
	put(bytes + 20, checksum_crc32c(0, bytes, 20), 4);
}

bool journal_record_decode(const unsigned char bytes[JOURNAL_RECORD_HEAD], struct journal_record *record)
{
	if (memcmp(bytes, record_magic, sizeof record_magic) != 0 ||
	    get(bytes + 20, 4) != checksum_crc32c(0, bytes, 20))
		return false;
	*record = (struct journal_record){ .size = (uint32_t)get(bytes + 4, 4),
		                           .number = get(bytes + 8, 8),
		                           .checksum = (uint32_t)get(bytes + 16, 4) };
	return record->size <= JOURNAL_LARGEST_PAYLOAD;
}
