/* Hashes of files that may be larger than memory.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage/file_hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/open_files.h"
#include "base/stop.h"
#include "storage/atomic_file.h"

enum { CHUNK = 1 << 22 };

static enum status add_open_file(struct content_hash *hash, const char *path, int file, char *chunk, const char *doing,
                                 int64_t *size)
{
	enum status status = STATUS_OK;
	for (ssize_t got = 1; status == STATUS_OK && got != 0;) {
		got = read(file, chunk, CHUNK);
		if (got < 0 && errno != EINTR)
			return file_raise(errno, path, "cannot be read");
		if (got > 0) {
			content_hash_add(hash, chunk, (size_t)got);
			*size += got;
		}
		if (doing != NULL)
			status = stop_check(doing);
	}
	return status;
}

static enum status add_file(struct content_hash *hash, const char *path, char *chunk, const char *doing, int64_t *size)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return error_raise(open_files_status(errno, STATUS_DATA), "%s: cannot be opened: %s%s", path,
		                   file_reason(errno), open_files_advice(errno));
	enum status status = add_open_file(hash, path, file, chunk, doing, size);
	close(file);
	return status;
}

enum status file_hash(const char *const *paths, size_t count, const char *doing, int64_t *size,
                      char digits[CONTENT_HASH_SIZE])
{
	struct content_hash *hash = content_hash_create();
	if (hash == NULL)
		return STATUS_ENVIRONMENT;
	char *chunk = memory_allocate(CHUNK, 1);
	enum status status = chunk == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	*size = 0;
	for (size_t i = 0; status == STATUS_OK && i < count; i++)
		status = add_file(hash, paths[i], chunk, doing, size);
	content_hash_finish(hash, digits); /* there is no other way to free it */
	free(chunk);
	return status;
}

void file_group_clear(struct file_group *group)
{
	free(group->name);
	for (size_t i = 0; i < group->count; i++)
		free(group->paths[i]);
	*group = (struct file_group){ 0 };
}

enum status file_group_look(const struct file_group *group, int64_t *size, int64_t *modified)
{
	*size = *modified = 0;
	for (size_t i = 0; i < group->count; i++) {
		struct stat facts;
		if (stat(group->paths[i], &facts) != 0)
			return error_raise(open_files_status(errno, STATUS_DATA), "%s: cannot be opened: %s%s",
			                   group->paths[i], file_reason(errno), open_files_advice(errno));
		int64_t time = (int64_t)facts.st_mtim.tv_sec * 1000000000 + facts.st_mtim.tv_nsec;
		*size += (int64_t)facts.st_size;
		*modified = time > *modified || i == 0 ? time : *modified;
	}
	return STATUS_OK;
}
