/* Inside src/results only: names, listing and hashing of the files of checkpoints, and the manifest.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_RESULTS_CHECKPOINT_FILES_H
#define CAPSHAPE_RESULTS_CHECKPOINT_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/checksum.h"
#include "base/status.h"

/* "FOLDER/step-000000123", with `suffix` (".tmp" while it is written) and `name` of a file in it ("" for none).
 * From malloc. */
char *checkpoint_path(const char *folder, int64_t step, const char *suffix, const char *name);
/* "shard-00003" with an ending. From malloc. */
char *checkpoint_shard_name(int writer, const char *ending);

/* Steps of the finished checkpoints of a folder, newest first. From malloc. A missing folder has none. */
enum status checkpoint_steps(const char *folder, int64_t **steps, size_t *count);
/* Removes what killed runs left: everything named step-*.tmp. */
enum status checkpoint_remove_leftovers(const char *folder);

/* Content hash and size of a whole file. */
enum status checkpoint_hash_file(const char *path, char hash[CONTENT_HASH_SIZE], int64_t *size);

struct manifest {
	int64_t step, arena_size;
	char *identity;
	size_t file_count; /* shards in the order of their writers, then state.h5 */
	char **names, **hashes;
	int64_t *sizes;
	size_t shard_count;   /* file_count - 1 */
	int64_t *begin, *end; /* [shard_count] arena ranges */
};

void manifest_clear(struct manifest *manifest);
/* Room for `shards` shards and the state file. */
enum status manifest_allocate(struct manifest *manifest, size_t shards);
enum status manifest_write(const char *path, const struct manifest *manifest);
enum status manifest_read(const char *path, struct manifest *manifest);
/* Whether the shards cover 0 .. arena_size without gap or overlap; `status` is raised where they do not. */
enum status manifest_check_ranges(const char *path, const struct manifest *manifest, enum status status);

#endif
