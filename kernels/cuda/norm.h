/* What the norm and its gradient share: the rows that a warp has in registers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_NORM_H
#define CAPSHAPE_KERNELS_CUDA_NORM_H

#include "kernels/cuda/pack.h"

enum {
	THREADS = 128,
	WARPS = THREADS / WARP,
	MOST_VECTORS = 8 /* of 16 bytes, a lane: rows of 2,048 elements of bfloat16, 1,024 floats */
};

/* What a lane has of a row: vector n of it is of the columns from column_of(n). */
static __device__ __forceinline__ int column_of(int n, int count)
{
	return (n * WARP + (int)(threadIdx.x % WARP)) * count;
}

/* Zeros beyond the width, which add nothing to any sum. */
template <typename Element, int NUMBER>
static __device__ __forceinline__ void row_load(packed<Element, wide<Element>::COUNT> (&values)[NUMBER],
                                                const Element *row, int width)
{
	enum { COUNT = wide<Element>::COUNT };

	for (int n = 0; n < NUMBER; n++) {
		values[n] = packed_zeros<Element, COUNT>();
		if (column_of(n, COUNT) < width)
			values[n] = packed_load<Element, COUNT>(row + column_of(n, COUNT));
	}
}

template <typename Element, int NUMBER>
static __device__ __forceinline__ void
row_store(Element *row, const packed<Element, wide<Element>::COUNT> (&values)[NUMBER], int width)
{
	enum { COUNT = wide<Element>::COUNT };

	for (int n = 0; n < NUMBER; n++)
		if (column_of(n, COUNT) < width)
			packed_store(row + column_of(n, COUNT), values[n]);
}

/* Vectors that each lane has of a row. */
template <typename Element> static inline int64_t vectors_of(int64_t width)
{
	return (width + WARP * wide<Element>::COUNT - 1) / (WARP * wide<Element>::COUNT);
}

#endif
