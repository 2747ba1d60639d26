/* Owns the names of checkpoint folders and files, finding them, and their hashes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "results/checkpoint_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/open_files.h"
#include "base/text.h"
#include "storage/atomic_file.h"

char *checkpoint_path(const char *folder, int64_t step, const char *suffix, const char *name)
{
	return text_format("%s/step-%09lld%s%s%s", folder, (long long)step, suffix, name[0] != '\0' ? "/" : "", name);
}

char *checkpoint_shard_name(int writer, const char *ending)
{
	return text_format("shard-%05d%s", writer, ending);
}

/* The step of "step-000000123"; -1 for any other name. */
static int64_t step_of_name(const char *name)
{
	if (strncmp(name, "step-", 5) != 0 || strlen(name) < 14 || strlen(name) > 23 ||
	    strspn(name + 5, "0123456789") != strlen(name + 5))
		return -1;
	return strtoll(name + 5, NULL, 10);
}

static bool is_leftover(const char *name)
{
	size_t length = strlen(name);
	return strncmp(name, "step-", 5) == 0 && length > 4 && strcmp(name + length - 4, ".tmp") == 0;
}

static int newest_first(const void *a, const void *b)
{
	const int64_t *left = a, *right = b;
	return (*left < *right) - (*left > *right);
}

/* NULL with STATUS_OK when there is no such folder. */
static enum status open_folder(const char *folder, DIR **list)
{
	*list = opendir(folder);
	if (*list == NULL && errno != ENOENT)
		return file_raise(errno, folder, "the folder cannot be read");
	return STATUS_OK;
}

enum status checkpoint_steps(const char *folder, int64_t **steps, size_t *count)
{
	DIR *list;
	void *found = NULL;
	size_t capacity = 0, used = 0;
	enum status status = open_folder(folder, &list);
	for (struct dirent *entry; status == STATUS_OK && list != NULL && (entry = readdir(list)) != NULL;) {
		if (step_of_name(entry->d_name) < 0)
			continue;
		status = memory_grow(&found, &capacity, used + 1, sizeof(int64_t));
		if (status == STATUS_OK)
			((int64_t *)found)[used++] = step_of_name(entry->d_name);
	}
	if (list != NULL)
		closedir(list);
	if (status != STATUS_OK) {
		free(found);
		return status;
	}
	if (used > 0)
		qsort(found, used, sizeof(int64_t), newest_first);
	*steps = found;
	*count = used;
	return STATUS_OK;
}

enum status checkpoint_remove_leftovers(const char *folder)
{
	DIR *list;
	enum status status = open_folder(folder, &list);
	for (struct dirent *entry; status == STATUS_OK && list != NULL && (entry = readdir(list)) != NULL;) {
		if (!is_leftover(entry->d_name))
			continue;
		char *path = text_join_path(folder, entry->d_name);
		status = path == NULL ? STATUS_ENVIRONMENT : folder_remove(path);
		free(path);
	}
	if (list != NULL)
		closedir(list);
	return status;
}

static enum status hash_open_file(const char *path, int file, struct content_hash *hash, int64_t *size)
{
	enum { PIECE = 1 << 20 };
	char *piece = memory_allocate(PIECE, 1);
	ssize_t got = piece == NULL ? 0 : 1;
	enum status status = piece == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	*size = 0;
	while (status == STATUS_OK && got != 0) {
		got = read(file, piece, PIECE);
		if (got < 0 && errno != EINTR)
			status = file_raise(errno, path, "cannot be read");
		if (got <= 0)
			continue;
		content_hash_add(hash, piece, (size_t)got);
		*size += got;
	}
	free(piece);
	return status;
}

enum status checkpoint_hash_file(const char *path, char hash_text[CONTENT_HASH_SIZE], int64_t *size)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return error_raise(open_files_status(errno, STATUS_DATA), "%s: cannot be opened: %s%s", path,
		                   file_reason(errno), open_files_advice(errno));
	struct content_hash *hash = content_hash_create();
	if (hash == NULL) {
		close(file);
		return STATUS_ENVIRONMENT;
	}
	enum status status = hash_open_file(path, file, hash, size);
	/* There is no other way to free it. */
	content_hash_finish(hash, hash_text);
	close(file);
	return status;
}
