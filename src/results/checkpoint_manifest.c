/* Owns the manifest of a checkpoint: which files belong to it, what they must hash to, which range each shard holds.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "results/checkpoint_files.h"
#include "storage/hdf5_file.h"

enum { FORMAT_VERSION = 1 };
static const char format_name[] = "capshape-checkpoint";

void manifest_clear(struct manifest *manifest)
{
	hdf5_free_names(manifest->names, manifest->file_count);
	hdf5_free_names(manifest->hashes, manifest->file_count);
	free(manifest->sizes);
	free(manifest->begin);
	free(manifest->end);
	free(manifest->identity);
	*manifest = (struct manifest){ 0 };
}

enum status manifest_allocate(struct manifest *manifest, size_t shards)
{
	*manifest = (struct manifest){ .file_count = shards + 1, .shard_count = shards };
	manifest->names = memory_allocate(shards + 1, sizeof *manifest->names);
	manifest->hashes = memory_allocate(shards + 1, sizeof *manifest->hashes);
	manifest->sizes = memory_allocate(shards + 1, sizeof *manifest->sizes);
	manifest->begin = memory_allocate(shards, sizeof *manifest->begin);
	manifest->end = memory_allocate(shards, sizeof *manifest->end);
	if (manifest->names != NULL && manifest->hashes != NULL && manifest->sizes != NULL && manifest->begin != NULL &&
	    manifest->end != NULL)
		return STATUS_OK;
	manifest_clear(manifest);
	return STATUS_ENVIRONMENT;
}

static enum status write_tables(struct hdf5_writer *writer, const struct manifest *manifest)
{
	int64_t shards = (int64_t)manifest->shard_count;
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "format", format_name));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "format_version", FORMAT_VERSION));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "step", manifest->step));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "arena_size", manifest->arena_size));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "identity", manifest->identity));
	STATUS_TRY(hdf5_write_texts(writer, "files/name", manifest->file_count, (const char *const *)manifest->names,
	                            "name in the folder"));
	STATUS_TRY(hdf5_write_texts(writer, "files/hash", manifest->file_count, (const char *const *)manifest->hashes,
	                            "XXH3 128-bit hash of the whole file"));
	STATUS_TRY(hdf5_write_vector(writer, "files/size", HDF5_INT64, shards + 1, manifest->sizes, "B",
	                             "size of the file"));
	STATUS_TRY(hdf5_write_vector(writer, "shards/begin", HDF5_INT64, shards, manifest->begin, "elements",
	                             "first element of the arena in the shard"));
	return hdf5_write_vector(writer, "shards/end", HDF5_INT64, shards, manifest->end, "elements",
	                         "element behind the last");
}

enum status manifest_write(const char *path, const struct manifest *manifest)
{
	struct hdf5_writer *writer;
	STATUS_TRY(hdf5_create(path, &writer));
	enum status status = write_tables(writer, manifest);
	if (status != STATUS_OK) {
		hdf5_abandon(writer);
		return status;
	}
	return hdf5_commit(writer);
}

static enum status read_head(struct hdf5_reader *reader, const char *path, struct manifest *manifest)
{
	char *format;
	int64_t version;
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "format", &format));
	bool ours = strcmp(format, format_name) == 0;
	free(format);
	if (!ours)
		return error_raise(STATUS_DATA, "%s: this is not the manifest of a checkpoint", path);
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "format_version", &version));
	if (version != FORMAT_VERSION)
		return error_raise(STATUS_DATA, "%s: the checkpoint has format version %lld, this program knows %d",
		                   path, (long long)version, FORMAT_VERSION);
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "step", &manifest->step));
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "arena_size", &manifest->arena_size));
	return hdf5_read_text_attribute(reader, "/", "identity", &manifest->identity);
}

static enum status read_files(struct hdf5_reader *reader, const char *path, struct manifest *manifest)
{
	size_t hash_count = 0;
	STATUS_TRY(hdf5_read_texts(reader, "files/name", &manifest->names, &manifest->file_count));
	STATUS_TRY(hdf5_read_texts(reader, "files/hash", &manifest->hashes, &hash_count));
	if (hash_count != manifest->file_count || hash_count < 1) {
		hdf5_free_names(manifest->hashes, hash_count);
		manifest->hashes = NULL;
		return error_raise(STATUS_DATA, "%s: the manifest contradicts itself", path);
	}
	manifest->shard_count = manifest->file_count - 1;
	manifest->sizes = memory_allocate(manifest->file_count, sizeof *manifest->sizes);
	manifest->begin = memory_allocate(manifest->shard_count, sizeof *manifest->begin);
	manifest->end = memory_allocate(manifest->shard_count, sizeof *manifest->end);
	if (manifest->sizes == NULL || manifest->begin == NULL || manifest->end == NULL)
		return STATUS_ENVIRONMENT;
	int64_t shards = (int64_t)manifest->shard_count;
	STATUS_TRY(hdf5_read(reader, "files/size", HDF5_INT64, shards + 1, manifest->sizes));
	STATUS_TRY(hdf5_read(reader, "shards/begin", HDF5_INT64, shards, manifest->begin));
	return hdf5_read(reader, "shards/end", HDF5_INT64, shards, manifest->end);
}

enum status manifest_read(const char *path, struct manifest *manifest)
{
	struct hdf5_reader *reader;
	*manifest = (struct manifest){ 0 };
	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = read_head(reader, path, manifest);
	if (status == STATUS_OK)
		status = read_files(reader, path, manifest);
	hdf5_close(reader);
	if (status == STATUS_OK)
		status = manifest_check_ranges(path, manifest, STATUS_DATA);
	if (status != STATUS_OK)
		manifest_clear(manifest);
	return status;
}

enum status manifest_check_ranges(const char *path, const struct manifest *manifest, enum status status)
{
	int64_t end = 0;
	/* Writers hold their ranges in the order of their numbers. */
	for (size_t i = 0; i < manifest->shard_count; i++) {
		if (manifest->begin[i] != end || manifest->end[i] < end)
			return error_raise(
				status, "%s: shard %zu holds elements %lld to %lld where %lld should be the first",
				path, i, (long long)manifest->begin[i], (long long)manifest->end[i], (long long)end);
		end = manifest->end[i];
	}
	if (end != manifest->arena_size)
		return error_raise(status, "%s: the shards hold %lld elements, not %lld", path, (long long)end,
		                   (long long)manifest->arena_size);
	return STATUS_OK;
}
