/* Fuzzer of the journal: whatever bytes a file holds, opening it never loses a sound record, never invents one, and
 * leaves a journal that can be appended to.
 *
 * An input is a recipe, because random bytes hardly ever have a sound checksum: the first byte chooses how many records
 * a journal begins with and whether it is one at all; the others are edits (cut, change a byte, repeat a part, append
 * bytes).
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_RECORDS = 300, LARGEST_FILE = 1 << 16 };

/* The records that a scan visits: the payload begins with the number it was written as. */
struct seen {
	size_t count;
	bool original; /* whether every record must be one that make_payload() made */
	struct {
		uint64_t number;
		int64_t offset;
		size_t size;
	} record[MOST_RECORDS];
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static size_t make_payload(uint64_t number, unsigned char payload[64])
{
	size_t size = (size_t)(number * 7 % 60);
	for (size_t i = 0; i < size; i++)
		payload[i] = (unsigned char)(number * 31 + i);
	return size;
}

static enum status remember(void *context, uint64_t number, const void *payload, size_t size, int64_t offset)
{
	struct seen *seen = context;
	unsigned char expected[64];
	must(seen->count == 0 || number > seen->record[seen->count - 1].number);
	if (seen->original)
		must(size == make_payload(number, expected) && memcmp(payload, expected, size) == 0);
	if (seen->count == MOST_RECORDS)
		return error_raise(STATUS_INTERNAL, "more records than the fuzzer keeps");
	seen->record[seen->count].number = number;
	seen->record[seen->count].offset = offset;
	seen->record[seen->count++].size = size;
	return STATUS_OK;
}

static void write_records(const char *path, uint64_t count)
{
	struct journal *journal;
	unsigned char payload[64];
	int64_t offset;
	must(journal_open(path, "fuzz", "identity", NULL, NULL, &journal) == STATUS_OK);
	for (uint64_t number = 0; number < count; number++)
		must(journal_append(journal, payload, make_payload(number, payload), &offset) == STATUS_OK);
	must(journal_close(journal) == STATUS_OK);
}

static size_t file_size(int file)
{
	struct stat facts;
	must(fstat(file, &facts) == 0);
	return (size_t)facts.st_size;
}

static void repeat_part(int file, size_t begin, size_t length)
{
	unsigned char part[256];
	ssize_t got = pread(file, part, length, (off_t)begin);
	if (got > 0)
		must(pwrite(file, part, (size_t)got, (off_t)file_size(file)) == got);
}

/* One edit; returns how many bytes of the recipe it took. *foreign: bytes came in that may be a sound record. */
static size_t edit(int file, const uint8_t *data, size_t size, bool *foreign)
{
	size_t length = file_size(file);
	if (size < 4 || length == 0 || length > LARGEST_FILE)
		return size;
	size_t place = (size_t)(data[1] << 8 | data[2]) % length;
	uint8_t change = data[3];
	switch (data[0] % 4) {
	case 0:
		must(ftruncate(file, (off_t)place) == 0);
		return 4;
	case 1: {
		uint8_t byte;
		must(pread(file, &byte, 1, (off_t)place) == 1);
		byte ^= change;
		must(pwrite(file, &byte, 1, (off_t)place) == 1);
		return 4;
	}
	case 2:
		repeat_part(file, place, change);
		return 4;
	default: {
		size_t count = size - 4 < change ? size - 4 : change;
		*foreign = true;
		must(pwrite(file, data + 4, count, (off_t)length) == (ssize_t)count);
		return 4 + count;
	}
	}
}

/* Every record seen at opening is still there, followed by the new one. */
static void append_and_check(const char *path, struct journal *journal, const struct seen *before)
{
	unsigned char payload[64] = "a new record";
	int64_t offset;
	must(journal_append(journal, payload, 12, &offset) == STATUS_OK);
	must(journal_close(journal) == STATUS_OK);
	struct seen after = { .count = 0 };
	if (before->count == MOST_RECORDS)
		return;
	must(journal_scan(path, "fuzz", "identity", remember, &after) == STATUS_OK);
	must(after.count == before->count + 1);
	for (size_t i = 0; i < before->count; i++)
		must(after.record[i].number == before->record[i].number &&
		     after.record[i].offset == before->record[i].offset &&
		     after.record[i].size == before->record[i].size);
	must(after.record[before->count].offset == offset && after.record[before->count].size == 12);
}

static void open_edited(const char *path, bool original)
{
	static struct seen scanned, opened;
	struct journal *journal;
	const void *payload;
	size_t payload_size;
	scanned = opened = (struct seen){ .original = original };
	enum status status = journal_scan(path, "fuzz", "identity", remember, &scanned);
	must(journal_open_reader(path, "fuzz", "identity", &journal) == status);
	for (size_t i = 0; status == STATUS_OK && i < scanned.count; i++)
		must(journal_read(journal, scanned.record[i].offset, &payload, &payload_size) == STATUS_OK &&
		     payload_size == scanned.record[i].size);
	if (status == STATUS_OK)
		must(journal_close(journal) == STATUS_OK);
	enum status second = journal_open(path, "fuzz", "identity", remember, &opened, &journal);
	must(second == status && (status == STATUS_OK || error_message()[0] != '\0'));
	if (status != STATUS_OK)
		return;
	must(opened.count == scanned.count);
	append_and_check(path, journal, &opened);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int file = memfd_create("journal", 0);
	char path[64];
	must(file >= 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	bool foreign = size == 0 || data[0] % 8 == 0;
	if (foreign) {
		must(write(file, data, size) == (ssize_t)size);
	} else {
		write_records(path, data[0] / 8);
		for (size_t used = 1; used < size;)
			used += edit(file, data + used, size - used, &foreign);
	}
	open_edited(path, !foreign);
	close(file);
	error_clear();
	return 0;
}
