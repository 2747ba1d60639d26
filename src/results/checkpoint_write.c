/* Owns writing checkpoints: nothing counts before the manifest is there and the folder has its name.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "results/checkpoint.h"
#include "results/checkpoint_files.h"
#include "results/checkpoint_read.h"
#include "results/provenance.h"
#include "storage/atomic_file.h"

enum status checkpoint_begin(const char *folder, int64_t step)
{
	STATUS_TRY(text_make_directories(folder));
	STATUS_TRY(checkpoint_remove_leftovers(folder));
	char *path = checkpoint_path(folder, step, ".tmp", "");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : text_make_directories(path);
	/* The folder of the checkpoints may be new itself. */
	if (status == STATUS_OK)
		status = parent_sync(folder);
	free(path);
	return status;
}

/* What one writer holds. */
struct shard {
	const struct arena_piece *pieces;
	int piece_count;
	const float *arrays[3];
};

static int64_t shard_elements(const struct shard *shard)
{
	int64_t elements = 0;
	for (int i = 0; i < shard->piece_count; i++)
		elements += arena_piece_count(shard->pieces[i]);
	return elements;
}

static enum status write_piece_ends(struct hdf5_writer *writer, const struct shard *shard)
{
	int64_t count = shard->piece_count;
	int64_t *ends = memory_allocate((size_t)count, 2 * sizeof *ends);
	enum status status = ends == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int64_t i = 0; status == STATUS_OK && i < count; i++) {
		ends[i] = shard->pieces[i].begin;
		ends[count + i] = shard->pieces[i].end;
	}
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "pieces/begin", HDF5_INT64, count, ends, "elements",
		                           "first element of each piece in the arena");
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "pieces/end", HDF5_INT64, count, ends + count, "elements",
		                           "element behind the last");
	free(ends);
	return status;
}

static enum status fill_shard(struct hdf5_writer *writer, const struct shard *shard)
{
	static const char *const names[3] = { "parameters", "moment1", "moment2" };
	static const char *const meanings[3] = { "model parameters", "first moment of the gradient",
		                                 "second moment of the gradient" };
	STATUS_TRY(write_piece_ends(writer, shard));
	for (int i = 0; i < 3; i++)
		STATUS_TRY(hdf5_place_vector(writer, names[i], HDF5_FLOAT32, shard_elements(shard), shard->arrays[i],
		                             "1", meanings[i]));
	return STATUS_OK;
}

static enum status write_shard_file(const char *path, const struct shard *shard, char hash[CONTENT_HASH_SIZE],
                                    int64_t *size)
{
	struct hdf5_writer *writer;
	STATUS_TRY(hdf5_create(path, &writer));
	enum status status = fill_shard(writer, shard);
	if (status != STATUS_OK) {
		hdf5_abandon(writer);
		return status;
	}
	return hdf5_commit_hashed(writer, hash, size);
}

/* "hash size", then a line "begin end" for each piece, so that the writer of the manifest need not read all shards. */
static enum status write_sum(const char *sum, const struct shard *shard, const char *hash, int64_t size)
{
	enum { LINE = 48 };
	size_t room = LINE * ((size_t)shard->piece_count + 2), used = 0;
	char *text = memory_allocate(room, 1);
	if (text == NULL)
		return STATUS_ENVIRONMENT;
	used += (size_t)snprintf(text, room, "%s %lld\n", hash, (long long)size);
	for (int i = 0; i < shard->piece_count; i++)
		used += (size_t)snprintf(text + used, room - used, "%lld %lld\n", (long long)shard->pieces[i].begin,
		                         (long long)shard->pieces[i].end);
	enum status status = atomic_file_write(sum, text, used);
	free(text);
	return status;
}

/* Path of shard `writer` (ending ".h5") or of its sum (".sum") in the folder being written. From malloc. */
static char *temporary_path(const char *folder, int64_t step, int writer, const char *ending)
{
	char *name = checkpoint_shard_name(writer, ending);
	char *path = name == NULL ? NULL : checkpoint_path(folder, step, ".tmp", name);
	free(name);
	return path;
}

enum status checkpoint_write_shard(const char *folder, int64_t step, int writer, const struct arena_piece *pieces,
                                   int piece_count, const float *parameters, const float *moment1, const float *moment2)
{
	char hash[CONTENT_HASH_SIZE];
	int64_t size = 0;
	const struct shard content = { pieces, piece_count, { parameters, moment1, moment2 } };
	char *shard = temporary_path(folder, step, writer, ".h5"), *sum = temporary_path(folder, step, writer, ".sum");
	enum status status = shard == NULL || sum == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = write_shard_file(shard, &content, hash, &size);
	if (status == STATUS_OK)
		status = write_sum(sum, &content, hash, size);
	free(sum);
	free(shard);
	return status;
}

enum status checkpoint_create_state(const char *folder, int64_t step, struct hdf5_writer **writer_out)
{
	char *path = checkpoint_path(folder, step, ".tmp", "state.h5");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : hdf5_create(path, writer_out);
	free(path);
	return status;
}

/* The pieces of a sum file, whose first line is read, into the manifest. */
static bool note_pieces(struct manifest *manifest, int writer, const char *text, enum status *status)
{
	*status = STATUS_OK;
	while (*status == STATUS_OK && *text != '\0') {
		char *next;
		int64_t begin = strtoll(text, &next, 10), end = strtoll(next, &next, 10);
		if (*next != '\n')
			return false;
		*status = manifest_add_piece(manifest, writer, begin, end);
		text = next + 1;
	}
	return true;
}

static enum status read_sum(struct manifest *manifest, int writer, const char *path)
{
	char *text, hash[CONTENT_HASH_SIZE];
	size_t length;
	long long size;
	enum status status = STATUS_OK;
	STATUS_TRY(file_read(path, &text, &length));
	const char *line = strchr(text, '\n');
	bool good = line != NULL && sscanf(text, "%32s %lld", hash, &size) == 2 &&
	            note_pieces(manifest, writer, line + 1, &status);
	free(text);
	if (!good)
		return error_raise(STATUS_INTERNAL, "%s: this is not what was written", path);
	if (status != STATUS_OK)
		return status;
	manifest->sizes[writer] = size;
	manifest->hashes[writer] = memory_copy_text(hash);
	return manifest->hashes[writer] != NULL ? STATUS_OK : STATUS_ENVIRONMENT;
}

static enum status note_shard(struct manifest *manifest, const char *folder, int64_t step, int writer)
{
	char *sum = temporary_path(folder, step, writer, ".sum");
	enum status status = sum == NULL ? STATUS_ENVIRONMENT : read_sum(manifest, writer, sum);
	free(sum);
	if (status != STATUS_OK)
		return status;
	manifest->names[writer] = checkpoint_shard_name(writer, ".h5");
	return manifest->names[writer] != NULL ? STATUS_OK : STATUS_ENVIRONMENT;
}

static enum status note_state(struct manifest *manifest, const char *folder, int64_t step)
{
	size_t place = manifest->shard_count;
	char hash[CONTENT_HASH_SIZE];
	char *path = checkpoint_path(folder, step, ".tmp", "state.h5");
	enum status status =
		path == NULL ? STATUS_ENVIRONMENT : checkpoint_hash_file(path, hash, &manifest->sizes[place]);
	free(path);
	if (status != STATUS_OK)
		return status;
	manifest->names[place] = memory_copy_text("state.h5");
	manifest->hashes[place] = memory_copy_text(hash);
	return manifest->names[place] != NULL && manifest->hashes[place] != NULL ? STATUS_OK : STATUS_ENVIRONMENT;
}

static enum status write_manifest(const char *folder, int64_t step, int writers, int64_t arena_size,
                                  const char *identity, const struct hdf5_note *note)
{
	struct manifest manifest;
	STATUS_TRY(manifest_allocate(&manifest, (size_t)writers));
	char *path = checkpoint_path(folder, step, ".tmp", "manifest.h5");
	manifest.step = step;
	manifest.arena_size = arena_size;
	manifest.identity = memory_copy_text(identity);
	manifest.version = memory_copy_text(provenance_version());
	bool ready = path != NULL && manifest.identity != NULL && manifest.version != NULL;
	enum status status = ready ? STATUS_OK : STATUS_ENVIRONMENT;
	for (int writer = 0; status == STATUS_OK && writer < writers; writer++)
		status = note_shard(&manifest, folder, step, writer);
	if (status == STATUS_OK)
		status = note_state(&manifest, folder, step);
	if (status == STATUS_OK)
		status = manifest_sort_pieces(path, &manifest, STATUS_INTERNAL);
	if (status == STATUS_OK)
		status = manifest_write(path, &manifest, note);
	free(path);
	manifest_clear(&manifest);
	return status;
}

/* Takes a finished checkpoint away: first its name, so that it never looks like a damaged one. */
static enum status remove_finished(const char *folder, int64_t step)
{
	char *path = checkpoint_path(folder, step, "", ""), *old = checkpoint_path(folder, step, ".old.tmp", "");
	enum status status = path == NULL || old == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = folder_remove(old);
	if (status == STATUS_OK)
		status = folder_rename(path, old);
	if (status == STATUS_OK)
		status = folder_remove(old);
	free(old);
	free(path);
	return status;
}

/* Gives the folder its name; a sound one that has it already stays, a damaged one goes. */
static enum status publish(const char *folder, int64_t step, const char *identity, int64_t arena_size,
                           const char *temporary, const char *path)
{
	struct stat facts;
	if (stat(path, &facts) == 0) {
		bool other;
		enum status found = checkpoint_verify(folder, step, identity, arena_size, &other);
		if (found == STATUS_OK)
			return folder_remove(temporary);
		if (other || (found != STATUS_DATA && found != STATUS_IO))
			return found;
		log_warning("%s; replaced by the one just written", error_message());
		error_clear();
		STATUS_TRY(remove_finished(folder, step));
	}
	return folder_rename(temporary, path);
}

static bool stays(const struct checkpoint_kept *kept, int64_t step)
{
	for (int i = 0; i < kept->step_count; i++)
		if (kept->steps[i] == step)
			return true;
	return false;
}

/* A checkpoint too many is a nuisance, not a failure. Newer ones than `step` are damaged (else the run would have begun
 * with them) and not counted. */
static enum status remove_old(const char *folder, int64_t step, const struct checkpoint_kept *kept)
{
	int64_t *steps;
	size_t count;
	int found = 0, newest = kept->newest > 0 ? kept->newest : 1;
	STATUS_TRY(checkpoint_steps(folder, &steps, &count));
	for (size_t i = 0; i < count; i++) {
		if (steps[i] > step || found++ < newest || stays(kept, steps[i]))
			continue;
		if (remove_finished(folder, steps[i]) != STATUS_OK) {
			log_warning("%s", error_message());
			error_clear();
		}
	}
	free(steps);
	return STATUS_OK;
}

enum status checkpoint_finish(const char *folder, int64_t step, int writers, int64_t arena_size, const char *identity,
                              const struct checkpoint_kept *kept, const struct hdf5_note *note)
{
	char *temporary = checkpoint_path(folder, step, ".tmp", ""), *path = checkpoint_path(folder, step, "", "");
	enum status status = temporary == NULL || path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = write_manifest(folder, step, writers, arena_size, identity, note);
	if (status == STATUS_OK)
		status = publish(folder, step, identity, arena_size, temporary, path);
	if (status == STATUS_OK)
		status = remove_old(folder, step, kept);
	free(path);
	free(temporary);
	return status;
}
