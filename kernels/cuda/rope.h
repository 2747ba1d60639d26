/* What the pass that rotates (rope.cu) and the ends of products that do (warp_group_rope.cu) share: angles, and a number's rotation, in which every
 * operation is said, so that both round alike.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_ROPE_H
#define CAPSHAPE_KERNELS_CUDA_ROPE_H

#include "kernels/cuda/pack.h"

enum { MOST_PAIRS = 128 /* of a head */ };

/* Turns of the circle for each position, of the pairs of a head. */
struct frequencies {
	double turns[MOST_PAIRS];
};

/* head_size <= 2 MOST_PAIRS */
struct frequencies cuda_rope_frequencies(int head_size, double base);

/* An angle is counted in turns of the circle, in double precision, and reduced to half a turn before it becomes a float: as exact at
 * position 1,000,000 as at 1. */
static __device__ __forceinline__ void angle_of(int position, double frequency, float *sine, float *cosine)
{
	double turns = position * frequency;
	sincospif((float)(2.0 * (turns - rint(turns))), sine, cosine);
}

/* Of a pair (a, b): a cos - b sin as own = a, other = b with -sin; b cos + a sin as own = b, other = a. */
static __device__ __forceinline__ float rotated(float own, float other, float cosine, float sine)
{
	return fmaf(own, cosine, other * sine);
}

#endif
