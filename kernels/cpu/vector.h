/* Vectors of LANES floats: the few operations the CPU kernels are written with.
 *
 * The instruction set follows from the compiler flags of the file that includes this: AVX-512, AVX2 with FMA, or
 * vectors of four floats in portable C. bfloat16 elements are widened to floats when loaded and rounded to nearest
 * even when stored. vector_max() returns its second operand where either is NaN, so that NaN is never hidden by a
 * maximum.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CPU_VECTOR_H
#define CAPSHAPE_KERNELS_CPU_VECTOR_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __FAST_MATH__
#error "-ffast-math would hide NaN and let sums take any order: compile the kernels without it"
#endif

#define INLINE static inline __attribute__((always_inline, unused))
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#if defined __AVX512F__ && defined __AVX512BW__ && defined __AVX512VL__
#include "kernels/cpu/vector_avx512.h"
#elif defined __AVX2__ && defined __FMA__
#include "kernels/cpu/vector_avx2.h"
#else
#include "kernels/cpu/vector_portable.h"
#endif

/* 2^x, relative error below 1e-7; 0 below -126, 2^126 at most; NaN stays NaN. On [-1/2, 1/2] a polynomial of least
 * largest relative error (2e-9 before rounding). */
INLINE vector vector_exp2(vector x)
{
	vector clamped = vector_min(vector_set(126.0f), vector_max(vector_set(-127.0f), x));
	vector whole = vector_round(clamped), rest = clamped - whole;
	vector power = vector_set(0x1.41fbbcp-13f);
	power = vector_multiply_add(power, rest, vector_set(0x1.5f3e52p-10f));
	power = vector_multiply_add(power, rest, vector_set(0x1.3b2d4cp-7f));
	power = vector_multiply_add(power, rest, vector_set(0x1.c6aee8p-5f));
	power = vector_multiply_add(power, rest, vector_set(0x1.ebfbdcp-3f));
	power = vector_multiply_add(power, rest, vector_set(0x1.62e430p-1f));
	power = vector_multiply_add(power, rest, vector_set(1.0f));
	return vector_scale_exponent(power, whole);
}

/* Elements that are floats or bfloat16: `half` is a constant wherever these are inlined. */
INLINE vector element_load(const void *memory, int64_t index, bool half)
{
	return half ? vector_load_bfloat16((const uint16_t *)memory + index)
	            : vector_load((const float *)memory + index);
}

INLINE void element_store(void *memory, int64_t index, vector value, bool half)
{
	if (half)
		vector_store_bfloat16((uint16_t *)memory + index, value);
	else
		vector_store((float *)memory + index, value);
}

/* The first `count` < LANES elements; the other lanes are 0. */
INLINE vector element_load_part(const void *memory, int64_t index, int64_t count, bool half)
{
	if (!half)
		return vector_load_part((const float *)memory + index, count);
	uint16_t lanes[LANES] = { 0 };
	memcpy(lanes, (const uint16_t *)memory + index, (size_t)count * sizeof lanes[0]);
	return vector_load_bfloat16(lanes);
}

INLINE void element_store_part(void *memory, int64_t index, vector value, int64_t count, bool half)
{
	if (!half) {
		vector_store_part((float *)memory + index, value, count);
		return;
	}
	uint16_t lanes[LANES];
	vector_store_bfloat16(lanes, value);
	memcpy((uint16_t *)memory + index, lanes, (size_t)count * sizeof lanes[0]);
}

INLINE int64_t round_up(int64_t count, int64_t multiple)
{
	return (count + multiple - 1) / multiple * multiple;
}

INLINE int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

INLINE int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

#endif
