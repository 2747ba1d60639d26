/* Inside src/results only: names, listing and hashing of the files of checkpoints, and the manifest.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_RESULTS_CHECKPOINT_FILES_H
#define CAPSHAPE_RESULTS_CHECKPOINT_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/checksum.h"
#include "base/status.h"
#include "storage/hdf5_file.h"

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

/* Where elements [begin, end) of the arena are: in the arrays of a shard, from element `place` on. */
struct manifest_piece {
	int64_t shard, begin, end, place;
};

struct manifest {
	int64_t step, arena_size;
	char *identity;
	char *version;     /* of the program that wrote it, as provenance_version(); NULL: it did not say */
	size_t file_count; /* shards in the order of their writers, then state.h5 */
	char **names, **hashes;
	int64_t *sizes;
	size_t shard_count; /* file_count - 1 */
	struct manifest_piece *pieces;
	size_t piece_count, piece_capacity;
};

void manifest_clear(struct manifest *manifest);
/* Room for `shards` shards and the state file. */
enum status manifest_allocate(struct manifest *manifest, size_t shards);
/* Adds a piece behind those that were added before it, if these are of the same shard, else at its beginning. An empty one
 * is left out. */
enum status manifest_add_piece(struct manifest *manifest, int64_t shard, int64_t begin, int64_t end);
/* Elements of each array of a shard: the lengths of its pieces. */
int64_t manifest_shard_elements(const struct manifest *manifest, size_t shard);
/* note: may be NULL. */
enum status manifest_write(const char *path, const struct manifest *manifest, const struct hdf5_note *note);
/* Of this version and of version 1, in which a shard was one piece. The pieces are checked. */
enum status manifest_read(const char *path, struct manifest *manifest);
/* Sorts the pieces by `begin`. `status` is raised where they do not cover 0 .. arena_size without gap or overlap, or do not
 * lie one behind the other in their shards. */
enum status manifest_sort_pieces(const char *path, struct manifest *manifest, enum status status);

#endif
