/* Hashes of files that may be larger than memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/file_hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/open_files.h"
#include "base/stop.h"

enum { CHUNK = 1 << 22 };

static enum status add_file(struct content_hash *hash, const char *path, char *chunk, int64_t *size)
{
	enum status status = STATUS_OK;
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return error_raise(open_files_status(errno, STATUS_DATA), "cannot open %s: %s%s", path, strerror(errno),
		                   open_files_advice(errno));
	for (size_t got = CHUNK; status == STATUS_OK && got == CHUNK;) {
		got = fread(chunk, 1, CHUNK, file);
		content_hash_add(hash, chunk, got);
		*size += (int64_t)got;
		status = stop_check("comparing the text with that of an earlier start");
	}
	if (status == STATUS_OK && ferror(file))
		status = error_raise(STATUS_IO, "cannot read %s", path);
	fclose(file);
	return status;
}

enum status file_hash(const char *const *paths, size_t count, int64_t *size, char digits[CONTENT_HASH_SIZE])
{
	struct content_hash *hash = content_hash_create();
	if (hash == NULL)
		return STATUS_ENVIRONMENT;
	char *chunk = memory_allocate(CHUNK, 1);
	enum status status = chunk == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	*size = 0;
	for (size_t i = 0; status == STATUS_OK && i < count; i++)
		status = add_file(hash, paths[i], chunk, size);
	content_hash_finish(hash, digits);
	free(chunk);
	return status;
}
