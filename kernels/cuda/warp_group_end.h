/* What ends of own products share (warp_group_product.h): where a thread's results are, a norm of the left factor's rows, and the functions of an
 * end that has nothing to do there.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_WARP_GROUP_END_H
#define CAPSHAPE_KERNELS_CUDA_WARP_GROUP_END_H

#include "kernels/cuda/warp_group_product.h"

/* Of a group's 64 rows, the first of the two that a thread has results of; the other is 8 below. */
static __device__ __forceinline__ int thread_row()
{
	return (int)threadIdx.x % GROUP_THREADS / WARP * 16 + (int)threadIdx.x % WARP / 4;
}

static __device__ __forceinline__ float low_of(uint32_t word)
{
	return __uint_as_float(word << 16);
}

static __device__ __forceinline__ float high_of(uint32_t word)
{
	return __uint_as_float(word & 0xffff0000u);
}

/* Of a row, from what the four lanes side by side have of it. */
static __device__ __forceinline__ float row_total(float total)
{
	total += __shfl_xor_sync(FULL_WARP, total, 1);
	return total + __shfl_xor_sync(FULL_WARP, total, 2);
}

/* Rows of the left factor that are to be divided by the roots of their mean squares: so are the results. squares: [parts, rows], which add up to a row's
 * sum of squares; NULL: rows stay as they are. */
struct row_scale {
	const float *squares;
	int parts, width;
	float epsilon;
};

/* For both rows of a thread; rows that there are not repeat the last one. */
static __device__ __forceinline__ void scales_of(const row_scale &scale, const product_shape &shape, int row,
                                                 float (&scales)[2])
{
	UNROLL
	for (int half = 0; half < 2; half++) {
		int own = min(row + thread_row() + 8 * half, shape.rows - 1);
		float total = 0.0f;
		for (int part = 0; part < scale.parts; part++)
			total += scale.squares[(int64_t)part * shape.rows + own];
		scales[half] = scale.squares == NULL ? 1.0f : 1.0f / sqrtf(total / (float)scale.width + scale.epsilon);
	}
}

/* What an end without anything of its own for each thread has. */
struct no_thread {
	char unused;
};

#define UNSPECIAL_END(end, thread)                                                                                     \
	__device__ __forceinline__ bool end_special(const end &, const thread &, int)                                  \
	{                                                                                                              \
		return false;                                                                                          \
	}                                                                                                              \
	__device__ __forceinline__ bool end_stores(const end &)                                                        \
	{                                                                                                              \
		return true;                                                                                           \
	}

#define ALWAYS_READY(end, thread)                                                                                      \
	__device__ __forceinline__ void end_ready(const end &, thread &, const product_shape &, int, int)              \
	{                                                                                                              \
	}

#define SIMPLE_END(end)                                                                                                \
	__device__ __forceinline__ no_thread end_begin(const end &, const product_shape &, int, int)                   \
	{                                                                                                              \
		return { 0 };                                                                                          \
	}                                                                                                              \
	__device__ __forceinline__ void end_finish(const end &, const no_thread &, const product_shape &, int, int)    \
	{                                                                                                              \
	}                                                                                                              \
	UNSPECIAL_END(end, no_thread)

/* Tiles of a row of so many columns. */
static inline int64_t warp_group_parts(int64_t columns)
{
	int tile = warp_group_tiles(columns);
	return (columns + tile - 1) / tile;
}

/* Of rows of `width`; norm may be NULL. */
static inline row_scale row_scale_of(const struct row_norm *norm, int64_t width)
{
	row_scale none = { NULL, 0, 1, 0.0f };
	if (norm == NULL)
		return none;
	return { norm->squares, (int)warp_group_parts(width), (int)width, norm->epsilon };
}

#endif
