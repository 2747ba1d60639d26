/* Hashes of large files that need not be read again while the files are as they were.
 *
 * A hash is remembered with what the system says about each of its files: path, size, number (inode), and the times of its last
 * modification and of its last change of any kind (mtime and ctime), in nanoseconds. Only where all of that is the same, the
 * hash counts. A modification time that is set back after a change (touch -r, cp -p, rsync -t) hides nothing, as setting it is
 * itself a change that the system notes with its own clock. What it cannot see: bytes changed below the file system, or with the
 * clock of the file server set back to the very nanosecond. Files that were changed less than two seconds before they were read, or
 * while they were, are not remembered: a later change could have the same times.
 *
 * The memory is a file of lines, under a line with a hash of all of them: damaged, it remembers nothing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_STORAGE_HASH_MEMORY_H
#define CAPSHAPE_STORAGE_HASH_MEMORY_H

#include <stdbool.h>

#include "storage/file_hash.h"

struct hash_memory;

/* What hash_memory_write() left at `path`; nothing where there is no sound file. STATUS_IO where it cannot be read. */
enum status hash_memory_read(const char *path, struct hash_memory **memory_out);
void hash_memory_destroy(struct hash_memory *memory); /* NULL is fine */

/* The size of the files together, and whether their hash is remembered. STATUS_DATA naming a file that is not there. */
enum status hash_memory_knows(const struct hash_memory *memory, const struct file_group *group, int64_t *size,
                              bool *known);
/* As file_hash(), without reading the files where their hash is remembered. STATUS_STOPPED when asked to stop meanwhile. */
enum status hash_memory_find(struct hash_memory *memory, const struct file_group *group, int64_t *size,
                             char hash[CONTENT_HASH_SIZE]);
/* Remembers the hashes that were found since it was read, and no others. */
enum status hash_memory_write(const struct hash_memory *memory, const char *path);

#endif
