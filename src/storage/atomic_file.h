/* Small whole files written atomically: temporary name, fsync, rename, fsync of the folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_STORAGE_ATOMIC_FILE_H
#define CAPSHAPE_STORAGE_ATOMIC_FILE_H

#include <stddef.h>

#include "base/status.h"

enum status atomic_file_write(const char *path, const void *data, size_t size);
/* The whole file, NUL-terminated, from malloc. STATUS_DATA when missing, STATUS_IO when unreadable. */
enum status file_read(const char *path, char **data, size_t *size);
/* fsync of a folder. */
enum status folder_sync(const char *path);
/* rm -r of a folder we wrote; missing is fine. */
enum status folder_remove(const char *path);
/* Renames a finished folder into place and fsyncs the parent. */
enum status folder_rename(const char *from, const char *to);
/* Bytes free for an ordinary user on the file system of `path`. */
enum status folder_free_bytes(const char *path, double *bytes);

#endif
