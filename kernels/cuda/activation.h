/* ReLU squared and its slope, number by number, for the passes (activation.cu) and the ends of products (warp_group_linear.cu).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_ACTIVATION_H
#define CAPSHAPE_KERNELS_CUDA_ACTIVATION_H

#include "kernels/cuda/launch.h"

/* max(x, 0)^2; what is not a number stays that, which fmaxf() would hide. */
static __device__ __forceinline__ float square_of_positive(float x)
{
	float positive = x < 0.0f ? 0.0f : x;
	return positive * positive;
}

/* Half of all y are 0, for which the exact root takes a long way round in every warp: where the result is rounded to
 * bfloat16 anyway, the root is taken by one instruction (relative error 2^-22, 0 below 2^-126). */
static __device__ __forceinline__ float root(float y, bool half)
{
#ifdef __CUDA_ARCH__
	if (half) {
		float result;
		asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(y));
		return result;
	}
#endif
	(void)half;
	return sqrtf(y);
}

/* dy 2 max(x, 0), and max(x, 0) = sqrt(y); before it is rounded. */
static __device__ __forceinline__ float slope_times(float gradient, float y, bool half)
{
	return gradient * (2.0f * root(y, half));
}

#endif
