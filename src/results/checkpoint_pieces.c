/* Owns what a checkpoint's manifest says about the arena: which shard holds which piece of it, and where.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/memory.h"
#include "results/checkpoint_files.h"

int64_t manifest_shard_elements(const struct manifest *manifest, size_t shard)
{
	int64_t elements = 0;
	for (size_t i = 0; i < manifest->piece_count; i++)
		if (manifest->pieces[i].shard == (int64_t)shard)
			elements += manifest->pieces[i].end - manifest->pieces[i].begin;
	return elements;
}

enum status manifest_add_piece(struct manifest *manifest, int64_t shard, int64_t begin, int64_t end)
{
	void *array = manifest->pieces;
	if (begin == end)
		return STATUS_OK;
	STATUS_TRY(memory_grow(&array, &manifest->piece_capacity, manifest->piece_count + 1, sizeof *manifest->pieces));
	manifest->pieces = array;
	const struct manifest_piece *last =
		manifest->piece_count > 0 ? &manifest->pieces[manifest->piece_count - 1] : NULL;
	int64_t place = last != NULL && last->shard == shard ? last->place + last->end - last->begin : 0;
	manifest->pieces[manifest->piece_count++] = (struct manifest_piece){ shard, begin, end, place };
	return STATUS_OK;
}

static int by_begin(const void *a, const void *b)
{
	const struct manifest_piece *left = a, *right = b;
	return (left->begin > right->begin) - (left->begin < right->begin);
}

static int by_place(const void *a, const void *b)
{
	const struct manifest_piece *left = a, *right = b;
	if (left->shard != right->shard)
		return left->shard > right->shard ? 1 : -1;
	return (left->place > right->place) - (left->place < right->place);
}

static enum status check_each(const char *path, const struct manifest *manifest, enum status status)
{
	for (size_t i = 0; i < manifest->piece_count; i++) {
		const struct manifest_piece *piece = &manifest->pieces[i];
		if (piece->shard < 0 || piece->shard >= (int64_t)manifest->shard_count || piece->begin < 0 ||
		    piece->end <= piece->begin || piece->end > manifest->arena_size)
			return error_raise(
				status, "%s: there are no elements %lld to %lld of %lld in shard %lld of %zu", path,
				(long long)piece->begin, (long long)piece->end, (long long)manifest->arena_size,
				(long long)piece->shard, manifest->shard_count);
	}
	return STATUS_OK;
}

/* The pieces of a shard, in the order of their places, lie one behind the other. */
static enum status check_places(const char *path, struct manifest *manifest, enum status status)
{
	int64_t shard = -1, next = 0;
	qsort(manifest->pieces, manifest->piece_count, sizeof *manifest->pieces, by_place);
	for (size_t i = 0; i < manifest->piece_count; i++) {
		const struct manifest_piece *piece = &manifest->pieces[i];
		if (piece->shard != shard)
			next = 0;
		shard = piece->shard;
		if (piece->place != next)
			return error_raise(
				status,
				"%s: elements %lld to %lld are said to begin at place %lld of shard %lld, not at %lld",
				path, (long long)piece->begin, (long long)piece->end, (long long)piece->place,
				(long long)shard, (long long)next);
		next += piece->end - piece->begin;
	}
	return STATUS_OK;
}

/* The pieces, in the order of the arena, follow each other. */
static enum status check_cover(const char *path, const struct manifest *manifest, enum status status)
{
	int64_t end = 0;
	for (size_t i = 0; i < manifest->piece_count; i++) {
		const struct manifest_piece *piece = &manifest->pieces[i];
		if (piece->begin < end)
			return error_raise(status, "%s: elements %lld to %lld are in shard %lld and in shard %lld",
			                   path, (long long)piece->begin,
			                   (long long)(end < piece->end ? end : piece->end), (long long)piece[-1].shard,
			                   (long long)piece->shard);
		if (piece->begin > end)
			break;
		end = piece->end;
	}
	if (end == manifest->arena_size)
		return STATUS_OK;
	int64_t next = manifest->arena_size;
	for (size_t i = manifest->piece_count; i-- > 0 && manifest->pieces[i].begin > end;)
		next = manifest->pieces[i].begin;
	return error_raise(status, "%s: no shard holds elements %lld to %lld", path, (long long)end, (long long)next);
}

enum status manifest_sort_pieces(const char *path, struct manifest *manifest, enum status status)
{
	if (manifest->piece_count == 0)
		return check_cover(path, manifest, status);
	STATUS_TRY(check_each(path, manifest, status));
	STATUS_TRY(check_places(path, manifest, status));
	qsort(manifest->pieces, manifest->piece_count, sizeof *manifest->pieces, by_begin);
	return check_cover(path, manifest, status);
}
