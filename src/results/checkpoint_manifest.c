/* Owns the manifest of a checkpoint: which files belong to it, what they must hash to, which shard holds which
 * piece of the arena.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "results/checkpoint_files.h"
#include "storage/hdf5_file.h"

/* 1: every shard is one piece, whose ends are in shards/begin and shards/end. */
enum { FORMAT_VERSION = 2, OLDEST_VERSION = 1 };
static const char format_name[] = "capshape-checkpoint";

static const struct piece_column {
	const char *name;
	size_t offset;
	const char *unit, *long_name;
} piece_columns[] = {
	{ "pieces/begin", offsetof(struct manifest_piece, begin), "elements",
	  "first element of the piece in the arena" },
	{ "pieces/end", offsetof(struct manifest_piece, end), "elements", "element behind the last" },
	{ "pieces/shard", offsetof(struct manifest_piece, shard), "1",
	  "row of files/name with the shard that holds it" },
	{ "pieces/place", offsetof(struct manifest_piece, place), "elements",
	  "where it begins in the arrays of the shard" },
};
enum { PIECE_COLUMNS = sizeof piece_columns / sizeof piece_columns[0] };

void manifest_clear(struct manifest *manifest)
{
	hdf5_free_names(manifest->names, manifest->file_count);
	hdf5_free_names(manifest->hashes, manifest->file_count);
	free(manifest->sizes);
	free(manifest->pieces);
	free(manifest->identity);
	free(manifest->version);
	*manifest = (struct manifest){ 0 };
}

enum status manifest_allocate(struct manifest *manifest, size_t shards)
{
	*manifest = (struct manifest){ .file_count = shards + 1, .shard_count = shards };
	manifest->names = memory_allocate(shards + 1, sizeof *manifest->names);
	manifest->hashes = memory_allocate(shards + 1, sizeof *manifest->hashes);
	manifest->sizes = memory_allocate(shards + 1, sizeof *manifest->sizes);
	if (manifest->names != NULL && manifest->hashes != NULL && manifest->sizes != NULL)
		return STATUS_OK;
	manifest_clear(manifest);
	return STATUS_ENVIRONMENT;
}

static enum status write_pieces(struct hdf5_writer *writer, const struct manifest *manifest)
{
	int64_t *values = memory_allocate(manifest->piece_count, sizeof *values);
	enum status status = values == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int i = 0; status == STATUS_OK && i < PIECE_COLUMNS; i++) {
		const struct piece_column *column = &piece_columns[i];
		for (size_t piece = 0; piece < manifest->piece_count; piece++)
			memcpy(&values[piece], (const char *)&manifest->pieces[piece] + column->offset, sizeof *values);
		status = hdf5_write_vector(writer, column->name, HDF5_INT64, (int64_t)manifest->piece_count, values,
		                           column->unit, column->long_name);
	}
	free(values);
	return status;
}

static enum status write_tables(struct hdf5_writer *writer, const struct manifest *manifest)
{
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "format", format_name));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "format_version", FORMAT_VERSION));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "step", manifest->step));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "arena_size", manifest->arena_size));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "identity", manifest->identity));
	if (manifest->version != NULL)
		STATUS_TRY(hdf5_write_text_attribute(writer, "/", "version", manifest->version));
	STATUS_TRY(hdf5_write_texts(writer, "files/name", manifest->file_count, (const char *const *)manifest->names,
	                            "name in the folder"));
	STATUS_TRY(hdf5_write_texts(writer, "files/hash", manifest->file_count, (const char *const *)manifest->hashes,
	                            "XXH3 128-bit hash of the whole file"));
	STATUS_TRY(hdf5_write_vector(writer, "files/size", HDF5_INT64, (int64_t)manifest->file_count, manifest->sizes,
	                             "B", "size of the file"));
	return write_pieces(writer, manifest);
}

enum status manifest_write(const char *path, const struct manifest *manifest, const struct hdf5_note *note)
{
	struct hdf5_writer *writer;
	STATUS_TRY(hdf5_create(path, &writer));
	enum status status = write_tables(writer, manifest);
	if (status == STATUS_OK && note != NULL && note->write != NULL)
		status = note->write(writer, note->context);
	if (status != STATUS_OK) {
		hdf5_abandon(writer);
		return status;
	}
	return hdf5_commit(writer);
}

static enum status read_head(struct hdf5_reader *reader, const char *path, struct manifest *manifest, int64_t *version)
{
	char *format;
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "format", &format));
	bool ours = strcmp(format, format_name) == 0;
	free(format);
	if (!ours)
		return error_raise(STATUS_DATA, "%s: this is not the manifest of a checkpoint", path);
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "format_version", version));
	if (*version < OLDEST_VERSION || *version > FORMAT_VERSION)
		return error_raise(STATUS_DATA,
		                   "%s: the checkpoint has format version %lld, this program knows %d to %d", path,
		                   (long long)*version, OLDEST_VERSION, FORMAT_VERSION);
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "step", &manifest->step));
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "arena_size", &manifest->arena_size));
	if (hdf5_read_text_attribute(reader, "/", "version", &manifest->version) != STATUS_OK)
		error_clear(); /* of a program that did not say it yet */
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
	if (manifest->sizes == NULL)
		return STATUS_ENVIRONMENT;
	return hdf5_read(reader, "files/size", HDF5_INT64, (int64_t)manifest->file_count, manifest->sizes);
}

static enum status read_pieces(struct hdf5_reader *reader, struct manifest *manifest)
{
	enum status status = STATUS_OK;
	for (int i = 0; status == STATUS_OK && i < PIECE_COLUMNS; i++) {
		void *values = NULL;
		int64_t count = 0;
		STATUS_TRY(hdf5_read_all(reader, piece_columns[i].name, HDF5_INT64, &values, &count));
		if (i == 0) {
			manifest->piece_count = manifest->piece_capacity = (size_t)count;
			manifest->pieces = memory_allocate((size_t)count, sizeof *manifest->pieces);
			status = manifest->pieces == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
		}
		if (status == STATUS_OK && (size_t)count != manifest->piece_count)
			status = error_raise(STATUS_DATA, "%s has %lld rows, %s %zu", piece_columns[i].name,
			                     (long long)count, piece_columns[0].name, manifest->piece_count);
		for (int64_t piece = 0; status == STATUS_OK && piece < count; piece++)
			memcpy((char *)&manifest->pieces[piece] + piece_columns[i].offset, (int64_t *)values + piece,
			       sizeof(int64_t));
		free(values);
	}
	return status;
}

static enum status read_old_pieces(struct hdf5_reader *reader, struct manifest *manifest)
{
	int64_t shards = (int64_t)manifest->shard_count;
	int64_t *ends = memory_allocate((size_t)shards, 2 * sizeof *ends);
	enum status status =
		ends == NULL ? STATUS_ENVIRONMENT : hdf5_read(reader, "shards/begin", HDF5_INT64, shards, ends);
	if (status == STATUS_OK)
		status = hdf5_read(reader, "shards/end", HDF5_INT64, shards, ends + shards);
	for (int64_t shard = 0; status == STATUS_OK && shard < shards; shard++)
		status = manifest_add_piece(manifest, shard, ends[shard], ends[shards + shard]);
	free(ends);
	return status;
}

enum status manifest_read(const char *path, struct manifest *manifest)
{
	struct hdf5_reader *reader;
	int64_t version = 0;
	*manifest = (struct manifest){ 0 };
	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = read_head(reader, path, manifest, &version);
	if (status == STATUS_OK)
		status = read_files(reader, path, manifest);
	if (status == STATUS_OK)
		status = version == 1 ? read_old_pieces(reader, manifest) : read_pieces(reader, manifest);
	hdf5_close(reader);
	if (status == STATUS_OK)
		status = manifest_sort_pieces(path, manifest, STATUS_DATA);
	if (status != STATUS_OK)
		manifest_clear(manifest);
	return status;
}
