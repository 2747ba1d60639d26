/* Which trainer owns which part of the arena.
 *
 * The arena is cut into buckets, the parts whose gradients become complete together in the backward pass (the last bucket
 * first), and each bucket into one piece for every place. So a bucket can be summed while the pass goes on with the next
 * one, all trainers have the same amount of work with each, and each owns, updates and saves its pieces: the optimiser state is
 * sharded (ZeRO stage 1). Pieces are whole chunks of ARENA_CHUNK elements, on a grid from the beginning of the arena
 * whatever the number of places: what is computed chunk by chunk has the same bits for all of them.
 * Pure arithmetic: no MPI, no device.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_COMM_ARENA_LAYOUT_H
#define CAPSHAPE_COMM_ARENA_LAYOUT_H

#include <stdbool.h>

#include "base/piece.h"
#include "base/status.h"

enum { ARENA_CHUNK = 4096 };

struct arena_layout;

/* For `count` elements and `places` trainers. borders[border_count], ascending: where buckets may begin besides element 0;
 * none is smaller than `least` elements unless the arena is, and a begin is moved up to a multiple of places * ARENA_CHUNK. */
enum status arena_layout_create(int64_t count, int places, const int64_t *borders, int border_count, int64_t least,
                                struct arena_layout **layout_out);
void arena_layout_destroy(struct arena_layout *layout);

int arena_layout_buckets(const struct arena_layout *layout);
/* Bucket `bucket` in arena order. */
struct arena_piece arena_layout_bucket(const struct arena_layout *layout, int bucket);
/* What `places` places from `place` on own of a bucket; less or nothing at the end of the arena. */
struct arena_piece arena_layout_piece(const struct arena_layout *layout, int bucket, int place, int places);
/* Whether all pieces of the bucket are equally long. */
bool arena_layout_is_even(const struct arena_layout *layout, int bucket);
/* Chunks of a piece of the bucket; pieces that the end of the arena shortens have that many, too, empty ones included. */
int64_t arena_layout_piece_chunks(const struct arena_layout *layout, int bucket);
/* Chunks of the pieces of one place in all buckets. */
int64_t arena_layout_chunks(const struct arena_layout *layout);

#endif
