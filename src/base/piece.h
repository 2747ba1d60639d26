/* A part of the arena, the flat array that all parameters of a model lie in one after the other.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_BASE_PIECE_H
#define CAPSHAPE_BASE_PIECE_H

#include <stdint.h>

/* Elements [begin, end). */
struct arena_piece {
	int64_t begin, end;
};

static inline int64_t arena_piece_count(struct arena_piece piece)
{
	return piece.end - piece.begin;
}

#endif
