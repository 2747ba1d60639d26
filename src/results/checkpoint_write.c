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

static enum status fill_shard(struct hdf5_writer *writer, int64_t begin, int64_t end, const float *const arrays[3])
{
	static const char *const names[3] = { "parameters", "moment1", "moment2" };
	static const char *const meanings[3] = { "model parameters", "first moment of the gradient",
		                                 "second moment of the gradient" };
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "begin", begin));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "end", end));
	for (int i = 0; i < 3; i++)
		STATUS_TRY(hdf5_write_vector(writer, names[i], HDF5_FLOAT32, end - begin, arrays[i], "1", meanings[i]));
	return STATUS_OK;
}

static enum status write_shard_file(const char *path, int64_t begin, int64_t end, const float *const arrays[3])
{
	struct hdf5_writer *writer;
	STATUS_TRY(hdf5_create(path, &writer));
	enum status status = fill_shard(writer, begin, end, arrays);
	if (status != STATUS_OK) {
		hdf5_abandon(writer);
		return status;
	}
	return hdf5_commit(writer);
}

/* "hash size begin end", so that the writer of the manifest need not read all shards. */
static enum status write_sum(const char *shard, const char *sum, int64_t begin, int64_t end)
{
	char hash[CONTENT_HASH_SIZE];
	int64_t size;
	STATUS_TRY(checkpoint_hash_file(shard, hash, &size));
	char *line = text_format("%s %lld %lld %lld\n", hash, (long long)size, (long long)begin, (long long)end);
	enum status status = line == NULL ? STATUS_ENVIRONMENT : atomic_file_write(sum, line, strlen(line));
	free(line);
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

enum status checkpoint_write_shard(const char *folder, int64_t step, int writer, int64_t begin, int64_t end,
                                   const float *parameters, const float *moment1, const float *moment2)
{
	const float *arrays[3] = { parameters, moment1, moment2 };
	char *shard = temporary_path(folder, step, writer, ".h5"), *sum = temporary_path(folder, step, writer, ".sum");
	enum status status = shard == NULL || sum == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = write_shard_file(shard, begin, end, arrays);
	if (status == STATUS_OK)
		status = write_sum(shard, sum, begin, end);
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

static enum status read_sum(const char *path, char hash[CONTENT_HASH_SIZE], int64_t *size, int64_t *begin, int64_t *end)
{
	char *text;
	size_t length;
	long long numbers[3];
	STATUS_TRY(file_read(path, &text, &length));
	bool good = sscanf(text, "%32s %lld %lld %lld", hash, &numbers[0], &numbers[1], &numbers[2]) == 4;
	free(text);
	if (!good)
		return error_raise(STATUS_INTERNAL, "%s: this is not what was written", path);
	*size = numbers[0];
	*begin = numbers[1];
	*end = numbers[2];
	return STATUS_OK;
}

static enum status note_shard(struct manifest *manifest, const char *folder, int64_t step, int writer)
{
	char hash[CONTENT_HASH_SIZE];
	char *sum = temporary_path(folder, step, writer, ".sum");
	enum status status = sum == NULL ? STATUS_ENVIRONMENT
	                                 : read_sum(sum, hash, &manifest->sizes[writer], &manifest->begin[writer],
	                                            &manifest->end[writer]);
	free(sum);
	if (status != STATUS_OK)
		return status;
	manifest->names[writer] = checkpoint_shard_name(writer, ".h5");
	manifest->hashes[writer] = memory_copy_text(hash);
	return manifest->names[writer] != NULL && manifest->hashes[writer] != NULL ? STATUS_OK : STATUS_ENVIRONMENT;
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
                                  const char *identity)
{
	struct manifest manifest;
	STATUS_TRY(manifest_allocate(&manifest, (size_t)writers));
	char *path = checkpoint_path(folder, step, ".tmp", "manifest.h5");
	manifest.step = step;
	manifest.arena_size = arena_size;
	manifest.identity = memory_copy_text(identity);
	enum status status = path == NULL || manifest.identity == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int writer = 0; status == STATUS_OK && writer < writers; writer++)
		status = note_shard(&manifest, folder, step, writer);
	if (status == STATUS_OK)
		status = note_state(&manifest, folder, step);
	if (status == STATUS_OK)
		status = manifest_check_ranges(path, &manifest, STATUS_INTERNAL);
	if (status == STATUS_OK)
		status = manifest_write(path, &manifest);
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
                              const struct checkpoint_kept *kept)
{
	char *temporary = checkpoint_path(folder, step, ".tmp", ""), *path = checkpoint_path(folder, step, "", "");
	enum status status = temporary == NULL || path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = write_manifest(folder, step, writers, arena_size, identity);
	if (status == STATUS_OK)
		status = publish(folder, step, identity, arena_size, temporary, path);
	if (status == STATUS_OK)
		status = remove_old(folder, step, kept);
	free(path);
	free(temporary);
	return status;
}
