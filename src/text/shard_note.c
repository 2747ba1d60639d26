/* Writing and reading the notes: a line with the hash, then a line for each count.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/shard_note.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "storage/atomic_file.h"
#include "storage/file_hash.h"
#include "storage/hdf5_file.h"
#include "text/shard.h"

char *shard_kept_path(const struct shard_place *place, const char *ending)
{
	return text_format("%s/%s-%05" PRId64 ".%s", place->kept_folder, place->name, place->number, ending);
}

/* Of all bytes of the shard; "" when there is no complete file. */
static enum status read_hash(const struct shard_place *place, char hash[CONTENT_HASH_SIZE])
{
	int64_t size;
	char *path = shard_path(place->folder, place->name, place->number);
	enum status status = path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	hash[0] = '\0';
	if (status == STATUS_OK && hdf5_is_complete(path))
		status = file_hash((const char *const[]){ path }, 1, "comparing the text with that of an earlier start",
		                   &size, hash);
	free(path);
	return status;
}

enum status shard_note_write(const struct shard_place *place, const int64_t *counts, size_t count)
{
	char hash[CONTENT_HASH_SIZE];
	STATUS_TRY(read_hash(place, hash));
	char *text = text_format("%s\n", hash), *path = shard_kept_path(place, "done");
	for (size_t i = 0; text != NULL && i < count; i++) {
		char *longer = text_format("%s%" PRId64 "\n", text, counts[i]);
		free(text);
		text = longer;
	}
	enum status status =
		text == NULL || path == NULL ? STATUS_ENVIRONMENT : atomic_file_write(path, text, strlen(text));
	free(text);
	free(path);
	return status;
}

/* False when the text does not hold all counts. */
static bool parse_counts(const char *text, int64_t *counts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *end;
		counts[i] = strtoll(text, &end, 10);
		if (end == text)
			return false;
		text = end;
	}
	return true;
}

enum status shard_note_find(const struct shard_place *place, int64_t *counts, size_t count, bool *finished)
{
	char *path = shard_kept_path(place, "done"), *text = NULL, hash[CONTENT_HASH_SIZE];
	size_t size;
	*finished = false;
	enum status status = path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && access(path, F_OK) == 0)
		status = file_read(path, &text, &size);
	free(path);
	if (status != STATUS_OK || text == NULL)
		return status;
	status = read_hash(place, hash);
	size_t length = strlen(hash);
	*finished = status == STATUS_OK && length > 0 && strncmp(text, hash, length) == 0 && text[length] == '\n' &&
	            parse_counts(text + length, counts, count);
	free(text);
	return status;
}
