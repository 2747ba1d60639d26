/* Owns finding the newest sound checkpoint and putting together any range of the arenas from its shards.
 * SPDX-License-Identifier: Apache-2.0 */
#include "results/checkpoint_read.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "results/checkpoint.h"
#include "results/checkpoint_files.h"
#include "results/provenance.h"

static const char *const array_names[3] = { "parameters", "moment1", "moment2" };

static enum status read_manifest(const char *folder, int64_t step, struct manifest *manifest)
{
	char *path = checkpoint_path(folder, step, "", "manifest.h5");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : manifest_read(path, manifest);
	free(path);
	return status;
}

static enum status verify_file(const char *folder, int64_t step, const struct manifest *manifest, size_t file)
{
	char hash[CONTENT_HASH_SIZE];
	int64_t size;
	char *path = checkpoint_path(folder, step, "", manifest->names[file]);
	enum status status = path == NULL ? STATUS_ENVIRONMENT : checkpoint_hash_file(path, hash, &size);
	if (status == STATUS_OK && size != manifest->sizes[file])
		status = error_raise(STATUS_DATA, "%s: has %lld bytes, not %lld", path, (long long)size,
		                     (long long)manifest->sizes[file]);
	if (status == STATUS_OK && strcmp(hash, manifest->hashes[file]) != 0)
		status = error_raise(STATUS_DATA, "%s: its content is not what was written (hash %s, not %s)", path,
		                     hash, manifest->hashes[file]);
	free(path);
	return status;
}

/* Whether the arrays of a shard have as many elements as the manifest's pieces take. */
static enum status check_shard_sizes(const char *path, int64_t elements)
{
	struct hdf5_reader *reader = NULL;
	enum status status = hdf5_open(path, &reader);
	for (int i = 0; status == STATUS_OK && i < 3; i++) {
		int rank = 0;
		int64_t sizes[4];
		status = hdf5_sizes(reader, array_names[i], &rank, sizes);
		if (status == STATUS_OK && (rank != 1 || sizes[0] != elements))
			status = error_raise(STATUS_DATA,
			                     "%s: %s has %lld elements, not the %lld that the manifest says it holds",
			                     path, array_names[i], (long long)sizes[0], (long long)elements);
	}
	hdf5_close(reader);
	return status;
}

static enum status verify_shard(const char *folder, int64_t step, const struct manifest *manifest, size_t shard)
{
	STATUS_TRY(verify_file(folder, step, manifest, shard));
	char *path = checkpoint_path(folder, step, "", manifest->names[shard]);
	enum status status =
		path == NULL ? STATUS_ENVIRONMENT : check_shard_sizes(path, manifest_shard_elements(manifest, shard));
	free(path);
	return status;
}

static enum status check_owner(const char *folder, int64_t step, const struct manifest *manifest, const char *identity,
                               int64_t arena_size)
{
	if (strcmp(manifest->identity, identity) != 0)
		return error_raise(
			STATUS_DATA,
			"%s: the checkpoint of step %lld belongs to a run with other settings (%s, not %s); use "
			"another run/output, or remove the folder to begin anew",
			folder, (long long)step, manifest->identity, identity);
	if (manifest->arena_size != arena_size)
		return error_raise(
			STATUS_DATA,
			"%s: the checkpoint of step %lld holds %lld parameters, not %lld; use another run/output, or "
			"remove the folder to begin anew",
			folder, (long long)step, (long long)manifest->arena_size, (long long)arena_size);
	return STATUS_OK;
}

enum status checkpoint_verify_part(const char *folder, int64_t step, const char *identity, int64_t arena_size, int part,
                                   int parts, bool *other)
{
	struct manifest manifest;
	*other = false;
	STATUS_TRY(read_manifest(folder, step, &manifest));
	enum status status = check_owner(folder, step, &manifest, identity, arena_size);
	*other = status != STATUS_OK;
	for (size_t i = (size_t)part; status == STATUS_OK && i < manifest.file_count; i += (size_t)parts)
		status = i < manifest.shard_count ? verify_shard(folder, step, &manifest, i)
		                                  : verify_file(folder, step, &manifest, i);
	manifest_clear(&manifest);
	return status;
}

enum status checkpoint_verify(const char *folder, int64_t step, const char *identity, int64_t arena_size, bool *other)
{
	return checkpoint_verify_part(folder, step, identity, arena_size, 0, 1, other);
}

enum status checkpoint_candidates(const char *folder, int64_t most, int64_t **steps, size_t *count)
{
	STATUS_TRY(checkpoint_steps(folder, steps, count));
	size_t later = 0;
	while (later < *count && (*steps)[later] > most)
		later++;
	*count -= later;
	if (later > 0)
		memmove(*steps, *steps + later, *count * sizeof **steps);
	return STATUS_OK;
}

enum status checkpoint_find(const char *folder, const char *identity, int64_t arena_size, int64_t *step)
{
	return checkpoint_find_until(folder, identity, arena_size, INT64_MAX, step);
}

enum status checkpoint_find_until(const char *folder, const char *identity, int64_t arena_size, int64_t most,
                                  int64_t *step)
{
	int64_t *steps;
	size_t count;
	STATUS_TRY(checkpoint_candidates(folder, most, &steps, &count));
	int64_t found = -1;
	enum status status = STATUS_OK;
	for (size_t i = 0; status == STATUS_OK && i < count && found < 0; i++) {
		bool other;
		status = checkpoint_verify(folder, steps[i], identity, arena_size, &other);
		if (status == STATUS_OK) {
			found = steps[i];
		} else if (!other && (status == STATUS_DATA || status == STATUS_IO)) {
			log_warning("the checkpoint of step %lld is damaged and passed over: %s", (long long)steps[i],
			            error_message());
			error_clear();
			status = STATUS_OK;
		}
	}
	free(steps);
	if (status == STATUS_OK)
		*step = found;
	return status;
}

enum status checkpoint_other_version(const char *folder, int64_t step, char **text)
{
	struct manifest manifest;
	const char *own = provenance_version();
	STATUS_TRY(read_manifest(folder, step, &manifest));
	if (manifest.version == NULL)
		*text = text_format(", from a checkpoint of an earlier capshape (this is %s)", own);
	else if (strcmp(manifest.version, own) != 0)
		*text = text_format(", from a checkpoint of capshape %s (this is %s)", manifest.version, own);
	else
		*text = text_format("%s", "");
	manifest_clear(&manifest);
	return *text == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

/* One array of one shard: elements [begin, end) of the shard to `values`. */
static enum status load_range(struct hdf5_reader *reader, const char *name, int64_t begin, int64_t end, float *values,
                              int64_t *bytes_read)
{
	if (values == NULL)
		return STATUS_OK;
	*bytes_read += (end - begin) * (int64_t)sizeof *values;
	return hdf5_read_range(reader, name, HDF5_FLOAT32, begin, end - begin, values);
}

/* What is asked for. */
struct request {
	const struct arena_piece *pieces;
	int count;
	float *arrays[3]; /* piece after piece; or NULL */
	int64_t *bytes_read;
};

/* What a piece of a shard holds of piece `wanted`, whose first value belongs to arrays[place]. */
static enum status load_from_piece(struct hdf5_reader *reader, const struct manifest_piece *piece,
                                   struct arena_piece wanted, int64_t place, const struct request *request)
{
	int64_t from = wanted.begin > piece->begin ? wanted.begin : piece->begin;
	int64_t to = wanted.end < piece->end ? wanted.end : piece->end;
	int64_t begin = piece->place + from - piece->begin;
	float *const *arrays = request->arrays;
	enum status status = STATUS_OK;
	for (int i = 0; status == STATUS_OK && from < to && i < 3; i++)
		status = load_range(reader, array_names[i], begin, begin + to - from,
		                    arrays[i] == NULL ? NULL : arrays[i] + place + (from - wanted.begin),
		                    request->bytes_read);
	return status;
}

static bool holds_some(const struct manifest *manifest, size_t shard, const struct request *request)
{
	for (size_t i = 0; i < manifest->piece_count; i++)
		for (int k = 0; manifest->pieces[i].shard == (int64_t)shard && k < request->count; k++)
			if (manifest->pieces[i].begin < request->pieces[k].end &&
			    manifest->pieces[i].end > request->pieces[k].begin)
				return true;
	return false;
}

/* What a shard holds of all pieces. */
static enum status load_from_shard(const char *folder, int64_t step, const struct manifest *manifest, size_t shard,
                                   const struct request *request)
{
	if (!holds_some(manifest, shard, request))
		return STATUS_OK;
	struct hdf5_reader *reader = NULL;
	char *path = checkpoint_path(folder, step, "", manifest->names[shard]);
	enum status status = path == NULL ? STATUS_ENVIRONMENT : hdf5_open(path, &reader);
	for (size_t i = 0; status == STATUS_OK && i < manifest->piece_count; i++) {
		int64_t place = 0;
		for (int k = 0;
		     status == STATUS_OK && manifest->pieces[i].shard == (int64_t)shard && k < request->count; k++) {
			status = load_from_piece(reader, &manifest->pieces[i], request->pieces[k], place, request);
			place += arena_piece_count(request->pieces[k]);
		}
	}
	hdf5_close(reader);
	free(path);
	return status;
}

enum status checkpoint_load_pieces(const char *folder, int64_t step, const struct arena_piece *pieces, int piece_count,
                                   float *parameters, float *moment1, float *moment2, int64_t *bytes_read)
{
	struct manifest manifest;
	int64_t unasked = 0;
	const struct request request = { .pieces = pieces,
		                         .count = piece_count,
		                         .arrays = { parameters, moment1, moment2 },
		                         .bytes_read = bytes_read == NULL ? &unasked : bytes_read };
	STATUS_TRY(read_manifest(folder, step, &manifest));
	enum status status = STATUS_OK;
	for (int k = 0; status == STATUS_OK && k < piece_count; k++)
		if (pieces[k].begin < 0 || pieces[k].end > manifest.arena_size || pieces[k].begin > pieces[k].end)
			status = error_raise(STATUS_DATA,
			                     "%s: the checkpoint of step %lld has no elements %lld to %lld", folder,
			                     (long long)step, (long long)pieces[k].begin, (long long)pieces[k].end);
	for (size_t shard = 0; status == STATUS_OK && shard < manifest.shard_count; shard++)
		status = load_from_shard(folder, step, &manifest, shard, &request);
	manifest_clear(&manifest);
	return status;
}

enum status checkpoint_load(const char *folder, int64_t step, int64_t begin, int64_t end, float *parameters,
                            float *moment1, float *moment2)
{
	const struct arena_piece piece = { begin, end };
	return checkpoint_load_pieces(folder, step, &piece, 1, parameters, moment1, moment2, NULL);
}

enum status checkpoint_load_finished(const char *run, const char *identity, int64_t arena_size, float **parameters_out)
{
	int64_t step = -1;
	char *folder = text_join_path(run, "checkpoints");
	float *parameters = memory_allocate((size_t)arena_size, sizeof *parameters);
	enum status status = folder == NULL || parameters == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = checkpoint_find(folder, identity, arena_size, &step);
	if (status == STATUS_OK && step < 0)
		status = error_raise(
			STATUS_DATA,
			"%s: there is no usable checkpoint of the finished run: remove %s, and its own input file "
			"trains it again",
			folder, run);
	if (status == STATUS_OK)
		status = checkpoint_load(folder, step, 0, arena_size, parameters, NULL, NULL);
	free(folder);
	if (status != STATUS_OK) {
		free(parameters);
		return status;
	}
	*parameters_out = parameters;
	return STATUS_OK;
}

enum status checkpoint_open_state(const char *folder, int64_t step, struct hdf5_reader **reader_out)
{
	char *path = checkpoint_path(folder, step, "", "state.h5");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : hdf5_open(path, reader_out);
	free(path);
	return status;
}
