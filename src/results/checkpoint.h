/* Checkpoints: a folder step-000000123 of shards (HDF5), the manifest last, in a layout free of rank counts.
 *
 * Layout under `folder` (points/NAME/checkpoints), see docs/checkpoints.md:
 *   step-000000123/shard-00000.h5   /parameters /moment1 /moment2 (float32, the pieces of the arena of that writer, one
 *                                   behind the other), /pieces/begin /pieces/end
 *   step-000000123/shard-00000.sum  size and content hash of that file, by its writer
 *   step-000000123/state.h5         written by the first writer: whatever the trainer adds (lanes, curves, counters)
 *   step-000000123/manifest.h5      names, sizes, content hashes of the files above, pieces of the arena, step, arena
 *                                   size, identity, version of the program, and what a note of the caller says about the tensors
 *                                   in the arena
 * A folder is written as step-...tmp, all files fsynced, then renamed, the parent fsynced: complete or absent.
 * checkpoint_find() takes the newest whose manifest and every hash hold and says why it passes over another.
 * The last `keep` are kept. Loading assembles any range from any shards.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_RESULTS_CHECKPOINT_H
#define CAPSHAPE_RESULTS_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/piece.h"
#include "base/status.h"
#include "storage/hdf5_file.h"

/* ---- writing: called by every writer; the caller does the barriers between the phases ---- */
/* Phase 1 (one writer): makes the .tmp folder anew and removes .tmp folders that a killed run left. */
enum status checkpoint_begin(const char *folder, int64_t step);
/* Phase 2 (every writer, in parallel): its pieces, in any order; there may be none. Host pointers to as many elements as
 * the pieces have together, piece after piece. Other threads can use HDF5 while the values are written. */
enum status checkpoint_write_shard(const char *folder, int64_t step, int writer, const struct arena_piece *pieces,
                                   int piece_count, const float *parameters, const float *moment1,
                                   const float *moment2);
/* Phase 2 (one writer): the state file; the caller fills and commits it with hdf5_commit(). */
enum status checkpoint_create_state(const char *folder, int64_t step, struct hdf5_writer **writer_out);
/* Which checkpoints stay: the newest so many (at least one), and those of certain steps for good. */
struct checkpoint_kept {
	int newest;
	int step_count;
	const int64_t *steps; /* [step_count] */
};
/* Phase 3 (one writer, after all): manifest, rename, removal of old ones. A sound checkpoint of the same step and
 * identity that is there already is kept instead: runs are deterministic, so it holds the same. `note` is added to the manifest;
 * NULL: none. */
enum status checkpoint_finish(const char *folder, int64_t step, int writers, int64_t arena_size, const char *identity,
                              const struct checkpoint_kept *kept, const struct hdf5_note *note);

/* ---- reading ---- */
/* Newest usable step; *step = -1 when there is none. Damaged ones are named with log_warning(). STATUS_DATA when a
 * sound one belongs to another identity (the message says to use another output folder or remove it). Reads every byte
 * of the checkpoint: call it on one rank. */
enum status checkpoint_find(const char *folder, const char *identity, int64_t arena_size, int64_t *step);
/* The same among the checkpoints of step `most` and earlier ones. */
enum status checkpoint_find_until(const char *folder, const char *identity, int64_t arena_size, int64_t most,
                                  int64_t *step);
/* What a line about going on from a checkpoint says at its end: nothing when this version of the program has written it, else
 * ", from a checkpoint of capshape VERSION (this is VERSION)". From malloc. */
enum status checkpoint_other_version(const char *folder, int64_t step, char **text);
/* For several readers that share the work: steps of finished checkpoints up to `most`, newest first, from malloc; and the proof that
 * files part, part + parts, ... of one are sound, as checkpoint_find() wants it. STATUS_DATA or STATUS_IO: damaged, or with *other =
 * true of another identity or size. */
enum status checkpoint_candidates(const char *folder, int64_t most, int64_t **steps, size_t *count);
enum status checkpoint_verify_part(const char *folder, int64_t step, const char *identity, int64_t arena_size, int part,
                                   int parts, bool *other);
/* Elements [begin, end) of the three arenas; any pointer may be NULL. */
enum status checkpoint_load(const char *folder, int64_t step, int64_t begin, int64_t end, float *parameters,
                            float *moment1, float *moment2);
/* Several pieces of them, one behind the other in host memory. The manifest and each shard are opened once.
 * *bytes_read (or NULL) grows by what was read of the shards. */
enum status checkpoint_load_pieces(const char *folder, int64_t step, const struct arena_piece *pieces, int piece_count,
                                   float *parameters, float *moment1, float *moment2, int64_t *bytes_read);
enum status checkpoint_open_state(const char *folder, int64_t step, struct hdf5_reader **reader_out);
/* All parameters, from malloc, of the newest usable checkpoint of a finished run, whose folder is `run` (with run.h5 and
 * checkpoints/). STATUS_DATA when there is none. */
enum status checkpoint_load_finished(const char *run, const char *identity, int64_t arena_size, float **parameters_out);

#endif
