/* Buckets and pieces of the arena.
 * SPDX-License-Identifier: Apache-2.0 */
#include "comm/arena_layout.h"

#include <stdlib.h>

#include "base/memory.h"

struct arena_layout {
	int64_t count; /* elements of the arena */
	int places, buckets;
	int64_t *begins; /* [buckets + 1]; the last is count */
};

static int64_t round_up(int64_t value, int64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

static void cut(struct arena_layout *layout, const int64_t *borders, int border_count, int64_t least)
{
	int64_t unit = (int64_t)layout->places * ARENA_CHUNK;
	layout->begins[0] = 0;
	layout->buckets = 1;
	for (int i = 0; i < border_count; i++) {
		int64_t begin = round_up(borders[i], unit);
		if (begin - layout->begins[layout->buckets - 1] >= least && layout->count - begin >= least &&
		    begin > layout->begins[layout->buckets - 1] && begin < layout->count)
			layout->begins[layout->buckets++] = begin;
	}
	layout->begins[layout->buckets] = layout->count;
}

enum status arena_layout_create(int64_t count, int places, const int64_t *borders, int border_count, int64_t least,
                                struct arena_layout **layout_out)
{
	struct arena_layout *layout = memory_allocate(1, sizeof *layout);
	if (layout == NULL)
		return STATUS_ENVIRONMENT;
	layout->count = count;
	layout->places = places;
	layout->begins = memory_allocate((size_t)border_count + 2, sizeof *layout->begins);
	if (layout->begins == NULL) {
		arena_layout_destroy(layout);
		return STATUS_ENVIRONMENT;
	}
	cut(layout, borders, border_count, least);
	*layout_out = layout;
	return STATUS_OK;
}

void arena_layout_destroy(struct arena_layout *layout)
{
	if (layout == NULL)
		return;
	free(layout->begins);
	free(layout);
}

int arena_layout_buckets(const struct arena_layout *layout)
{
	return layout->buckets;
}

struct arena_piece arena_layout_bucket(const struct arena_layout *layout, int bucket)
{
	return (struct arena_piece){ layout->begins[bucket], layout->begins[bucket + 1] };
}

int64_t arena_layout_piece_chunks(const struct arena_layout *layout, int bucket)
{
	int64_t count = arena_piece_count(arena_layout_bucket(layout, bucket));
	return round_up(count, (int64_t)layout->places * ARENA_CHUNK) / layout->places / ARENA_CHUNK;
}

struct arena_piece arena_layout_piece(const struct arena_layout *layout, int bucket, int place, int places)
{
	struct arena_piece all = arena_layout_bucket(layout, bucket);
	int64_t each = arena_layout_piece_chunks(layout, bucket) * ARENA_CHUNK;
	int64_t begin = all.begin + place * each, end = begin + places * each;
	return (struct arena_piece){ begin < all.end ? begin : all.end, end < all.end ? end : all.end };
}

bool arena_layout_is_even(const struct arena_layout *layout, int bucket)
{
	/* The end of the arena shortens the last piece first. */
	return arena_piece_count(arena_layout_piece(layout, bucket, 0, 1)) ==
	       arena_piece_count(arena_layout_piece(layout, bucket, layout->places - 1, 1));
}

int64_t arena_layout_chunks(const struct arena_layout *layout)
{
	int64_t chunks = 0;
	for (int bucket = 0; bucket < layout->buckets; bucket++)
		chunks += arena_layout_piece_chunks(layout, bucket);
	return chunks;
}
