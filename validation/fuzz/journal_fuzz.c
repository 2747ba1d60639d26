/* Fuzzer of the journal's reader: a file of any bytes is read to the last sound record, or refused with a message, and
 * every record that is visited reads the same again at its offset.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "storage/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	int64_t offset;
	size_t size;
	uint64_t number;
	unsigned char payload[64];
	bool any;
};

static enum status remember(void *context, uint64_t number, const void *payload, size_t size, int64_t offset)
{
	struct seen *seen = context;
	if (seen->any && number <= seen->number)
		abort();
	*seen = (struct seen){ .offset = offset, .size = size, .number = number, .any = true };
	memcpy(seen->payload, payload, size < sizeof seen->payload ? size : sizeof seen->payload);
	return STATUS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int file = memfd_create("journal", 0);
	if (file < 0 || write(file, data, size) != (ssize_t)size)
		abort();
	char path[64];
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);

	struct seen seen = { 0 };
	struct journal *journal = NULL;
	if (journal_open_reader(path, "fuzz", "identity", remember, &seen, &journal) == STATUS_OK) {
		unsigned char *payload = malloc(seen.size + 1);
		if (!payload)
			abort();
		if (seen.any && (journal_read(journal, seen.offset, payload, seen.size) != STATUS_OK ||
		                 memcmp(payload, seen.payload, seen.size < 64 ? seen.size : 64) != 0))
			abort();
		free(payload);
		journal_close(journal);
	} else if (error_message()[0] == '\0') {
		abort();
	}
	close(file);
	return 0;
}
