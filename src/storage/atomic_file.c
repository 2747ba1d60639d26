/* Owns the order of system calls that makes a file or folder appear whole or not at all.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* nftw */
#endif

#include "storage/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/open_files.h"
#include "base/text.h"

const char *file_reason(int error)
{
	if (error == ENOSPC)
		return "no space left on device";
	if (error == EDQUOT)
		return "disk quota exceeded";
	return strerror(error);
}

const char *file_advice(int error)
{
	bool full = error == ENOSPC || error == EDQUOT;
	return full ? "; free some and run the same line again" : open_files_advice(error);
}

enum status file_raise(int error, const char *path, const char *action)
{
	return error_raise(open_files_status(error, STATUS_IO), "%s: %s: %s%s", path, action, file_reason(error),
	                   file_advice(error));
}

static int write_whole(int file, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t written = write(file, data, size);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return written < 0 ? errno : ENOSPC;
		data += written;
		size -= (size_t)written;
	}
	return 0;
}

static enum status write_temporary(const char *path, const void *data, size_t size)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (file < 0)
		return file_raise(errno, path, "cannot be created");
	int error = write_whole(file, data, size);
	if (error == 0 && fsync(file) != 0)
		error = errno;
	if (close(file) != 0 && error == 0)
		error = errno;
	return error == 0 ? STATUS_OK : file_raise(error, path, "cannot be written");
}

enum status atomic_file_write(const char *path, const void *data, size_t size)
{
	char *temporary = text_format("%s.tmp-%ld", path, (long)getpid());
	if (temporary == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = write_temporary(temporary, data, size);
	if (status == STATUS_OK)
		status = folder_rename(temporary, path);
	if (status != STATUS_OK)
		unlink(temporary);
	free(temporary);
	return status;
}

static enum status read_open_file(int file, const char *path, char **data, size_t *size)
{
	struct stat facts;
	if (fstat(file, &facts) != 0)
		return file_raise(errno, path, "cannot be read");
	if (S_ISDIR(facts.st_mode))
		return error_raise(STATUS_DATA, "%s: is a folder, not a file", path);
	void *bytes = NULL;
	size_t capacity = 0, used = 0;
	enum status status = memory_grow(&bytes, &capacity, (size_t)facts.st_size + 1, 1);
	while (status == STATUS_OK) {
		ssize_t got = read(file, (char *)bytes + used, capacity - used - 1);
		if (got == 0)
			break;
		if (got < 0 && errno != EINTR)
			status = file_raise(errno, path, "cannot be read");
		used += got > 0 ? (size_t)got : 0;
		if (status == STATUS_OK && used + 1 == capacity)
			status = memory_grow(&bytes, &capacity, capacity + 4096, 1);
	}
	if (status != STATUS_OK) {
		free(bytes);
		return status;
	}
	((char *)bytes)[used] = '\0';
	*data = bytes;
	*size = used;
	return STATUS_OK;
}

enum status file_read(const char *path, char **data, size_t *size)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0 && errno == ENOENT)
		return error_raise(STATUS_DATA, "%s: there is no such file", path);
	if (file < 0)
		return file_raise(errno, path, "cannot be opened");
	enum status status = read_open_file(file, path, data, size);
	close(file);
	return status;
}

static enum status sync_path(const char *path, int flags)
{
	int file = open(path, flags | O_CLOEXEC);
	if (file < 0)
		return file_raise(errno, path, "cannot be opened to be made durable");
	/* Some network file systems have no fsync for folders and say so with EINVAL. */
	int error = fsync(file) != 0 && errno != EINVAL ? errno : 0;
	if (close(file) != 0 && error == 0)
		error = errno;
	return error == 0 ? STATUS_OK : file_raise(error, path, "cannot be made durable (fsync)");
}

enum status file_sync(const char *path)
{
	return sync_path(path, O_RDWR);
}

enum status folder_sync(const char *path)
{
	return sync_path(path, O_RDONLY | O_DIRECTORY);
}

enum status parent_sync(const char *path)
{
	char *copy = memory_copy_text(path);
	if (copy == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = folder_sync(dirname(copy));
	free(copy);
	return status;
}

enum status folder_rename(const char *from, const char *to)
{
	if (rename(from, to) != 0)
		return file_raise(errno, to, "the finished file cannot be renamed into place");
	return parent_sync(to);
}

static int remove_entry(const char *path, const struct stat *facts, int kind, struct FTW *place)
{
	(void)facts;
	(void)kind;
	(void)place;
	return remove(path) != 0 && errno != ENOENT ? -1 : 0;
}

enum status folder_remove(const char *path)
{
	struct stat facts;
	if (lstat(path, &facts) != 0 && errno == ENOENT)
		return STATUS_OK;
	if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
		return file_raise(errno, path, "cannot be removed");
	return STATUS_OK;
}

/* Cuts the last part off a path: "a/b" "a" "" (the working folder). False when there is nothing left to cut. */
static bool cut_last_part(char *path)
{
	if (path[0] == '\0' || strcmp(path, "/") == 0)
		return false;
	char *slash = strrchr(path, '/');
	if (slash == NULL)
		path[0] = '\0';
	else
		slash[slash == path ? 1 : 0] = '\0';
	return true;
}

enum status folder_free_bytes(const char *path, double *bytes)
{
	char *place = memory_copy_text(path);
	if (place == NULL)
		return STATUS_ENVIRONMENT;
	struct statvfs facts;
	int error;
	/* The folder may still have to be made: its parent tells. */
	do {
		error = statvfs(place[0] != '\0' ? place : ".", &facts) == 0 ? 0 : errno;
	} while (error == ENOENT && cut_last_part(place));
	free(place);
	if (error != 0)
		return file_raise(error, path, "the free space cannot be found out");
	*bytes = (double)facts.f_bavail * (double)facts.f_frsize;
	return STATUS_OK;
}
