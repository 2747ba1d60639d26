/* The register-blocked product all own matrix work is made of: 8 rows times a few vectors.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CPU_TILE_H
#define CAPSHAPE_KERNELS_CPU_TILE_H

#include "kernels/cpu/vector.h"

enum { BLOCK_ROWS = 8 };

/* Left factor: element (row, k) is first[row * row_step + k * depth_step]. */
struct tile_left {
	const float *first;
	int64_t row_step, depth_step;
};

/* c[TILE_ROWS, vectors] (+)= left * right, right[k] = row k of `vectors` vectors; sums run over k ascending. */
INLINE void tile_multiply(int vectors, struct tile_left left, const float *right, int64_t right_step, int64_t depth,
                          float *c, int64_t c_step, bool add)
{
	vector sums[TILE_ROWS][TILE_VECTORS];
	UNROLL
	for (int r = 0; r < TILE_ROWS; r++)
		UNROLL
	for (int v = 0; v < vectors; v++)
		sums[r][v] = vector_set(0.0f);
	const float *a = left.first;
	for (int64_t k = 0; k < depth; k++, a += left.depth_step, right += right_step) {
		vector b[TILE_VECTORS];
		UNROLL
		for (int v = 0; v < vectors; v++)
			b[v] = vector_load(right + v * LANES);
		UNROLL
		for (int r = 0; r < TILE_ROWS; r++) {
			vector factor = vector_set(a[r * left.row_step]);
			UNROLL
			for (int v = 0; v < vectors; v++)
				sums[r][v] = vector_multiply_add(factor, b[v], sums[r][v]);
		}
	}
	UNROLL
	for (int r = 0; r < TILE_ROWS; r++)
		UNROLL
	for (int v = 0; v < vectors; v++) {
		float *target = c + r * c_step + v * LANES;
		if (add)
			sums[r][v] += vector_load(target);
		vector_store(target, sums[r][v]);
	}
}

/* c[BLOCK_ROWS, columns] (+)= left * right; columns is a multiple of LANES. Not inlined: three loops in one place. */
static __attribute__((noinline, unused)) void block_multiply(int64_t columns, struct tile_left left, const float *right,
                                                             int64_t right_step, int64_t depth, float *c,
                                                             int64_t c_step, bool add)
{
	for (int row = 0; row < BLOCK_ROWS; row += TILE_ROWS, left.first += TILE_ROWS * left.row_step)
		for (int64_t column = 0, count; column < columns; column += count * LANES) {
			int64_t rest = (columns - column) / LANES;
			/* 4 vectors as 2 + 2: 3 + 1 would leave the last product short of independent sums. */
			count = rest == 4 ? 2 : smaller(rest, TILE_VECTORS);
			float *target = c + row * c_step + column;
			if (count == 1)
				tile_multiply(1, left, right + column, right_step, depth, target, c_step, add);
			else if (count == 2)
				tile_multiply(2, left, right + column, right_step, depth, target, c_step, add);
			else
				tile_multiply(TILE_VECTORS, left, right + column, right_step, depth, target, c_step,
				              add);
		}
}

#endif
