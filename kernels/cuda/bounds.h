/* What kernels and libraries take of a device's memory at most: numbers that the kernels keep to, and cuda_footprint.c reckons with.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_BOUNDS_H
#define CAPSHAPE_KERNELS_CUDA_BOUNDS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	PRODUCT_WORKSPACE = 32 << 20, /* of cuBLASLt */
	ATTENTION_TILE = 128,         /* sequences are rounded up to this in the workspace of cuDNN */
	/* The gradient of a norm's gain is added up in at most so many strips of rows, each by a block: 12 for each multiprocessor of an
	 * H200, which holds 2, 4, 6 or 8 of them at once, so that the last round is seldom half empty. */
	NORM_STRIPS = 12 * 132,
	EMBEDDING_CHUNK = 32,   /* rows of an id that are added up together */
	NARROW_HEAD_MOST = 256, /* width */
	STAGING_PIECES = 16,
	STAGING_BYTES = 1 << 20, /* of a piece, page-locked */
	LATER_BYTES = 16 << 20,  /* page-locked */
};

/* Of a backward pass of cuDNN that adds up in a fixed order: a T x T matrix of bfloat16 for each head and sequence. No place in it is
 * beyond a signed number of 32 bits, whatever a kernel counts with, and pieces of half that size fill a GPU as well. */
static const int64_t ATTENTION_WORKSPACE = (int64_t)2 << 30;

/* The heads, in bfloat16, that narrow_head.cu computes. With wider rows two products of the library and a pass between them are about as fast. */
static inline bool narrow_head_takes(int64_t width, int64_t vocabulary, float multiplier)
{
	return width > 0 && width <= NARROW_HEAD_MOST && width % 8 == 0 && vocabulary % 8 == 0 && multiplier > 0.0f;
}

/* Whether an own product adds to a stream of rows of `width` and squares them in its end where norms are folded. With wider rows the library's product and a
 * pass that reads the sums are calculated to be faster (docs/gpu-roofline.md). */
static inline bool stream_end_takes(int64_t width)
{
	return width <= 512;
}

/* The heads of attention, side by side in `columns` columns, that a product of warp_group_rope.cu rotates: whole ones are in a tile of 128, 224 or
 * 256 columns, and both numbers of a pair in the same four lanes. */
static inline bool rope_end_takes(int head_size, int64_t columns)
{
	return head_size == 32 || head_size == 64 || head_size == 128 || (head_size == 56 && columns % 224 == 0);
}

/* The heads, in bfloat16, that warp_group_head.cu computes where own products are wanted. */
static inline bool wide_head_takes(int64_t vocabulary, float multiplier)
{
	return vocabulary % 8 == 0 && multiplier > 0.0f;
}

#endif
