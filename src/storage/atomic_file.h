/* Small whole files written atomically: temporary name, fsync, rename, fsync of the folder. And the few calls on files
 * and folders that everything durable is made of.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_STORAGE_ATOMIC_FILE_H
#define CAPSHAPE_STORAGE_ATOMIC_FILE_H

#include <stddef.h>

#include "base/status.h"

/* Writes PATH.tmp-PID, then renames it to `path`. On failure `path` is as it was and the temporary file is gone; only
 * when the very last step fails (fsync of the folder) the new file is visible, though not yet certain to stay. */
enum status atomic_file_write(const char *path, const void *data, size_t size);
/* The whole file, NUL-terminated, from malloc. STATUS_DATA when missing or a folder, as file_raise() when unreadable. */
enum status file_read(const char *path, char **data, size_t *size);
/* fsync of a file written and closed before. */
enum status file_sync(const char *path);
/* fsync of a folder. */
enum status folder_sync(const char *path);
/* fsync of the folder that holds `path`. */
enum status parent_sync(const char *path);
/* rm -r of a folder we wrote; missing is fine. */
enum status folder_remove(const char *path);
/* Renames a finished file or folder into place and fsyncs the parent. */
enum status folder_rename(const char *from, const char *to);
/* Bytes free for an ordinary user on the file system of `path` (of its nearest parent that exists). */
enum status folder_free_bytes(const char *path, double *bytes);
/* Raises STATUS_IO "PATH: ACTION: reason" for an errno, with advice where the disk or the quota is full; STATUS_ENVIRONMENT where
 * too many files are open. */
enum status file_raise(int error, const char *path, const char *action);
/* The reason alone, "no space left on device" and so on. */
const char *file_reason(int error);
/* "; free some and run the same line again" and the like, "" where there is nothing to say. */
const char *file_advice(int error);

#endif
