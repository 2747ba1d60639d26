/* Naming files by what they hold.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_STORAGE_FILE_HASH_H
#define CAPSHAPE_STORAGE_FILE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/checksum.h"
#include "base/status.h"

/* Size of the files together and hash of their bytes, one file after the other. STATUS_DATA naming a file that cannot be
 * opened, STATUS_IO one that cannot be read. `doing`, "comparing the text" or so: STATUS_STOPPED with that when asked to stop
 * meanwhile; NULL: it goes on to its end. */
enum status file_hash(const char *const *paths, size_t count, const char *doing, int64_t *size,
                      char hash[CONTENT_HASH_SIZE]);

/* Files that go together, such as a text and its index, and share a hash. */
enum { FILE_GROUP_MOST = 4 };
struct file_group {
	char *name; /* what users call it; from malloc, as the paths are */
	char *paths[FILE_GROUP_MOST];
	size_t count;
};
void file_group_clear(struct file_group *group);
/* The size of all together, and the latest of their modification times in ns since 1970. STATUS_DATA naming a file that is not there. */
enum status file_group_look(const struct file_group *group, int64_t *size, int64_t *modified);

#endif
