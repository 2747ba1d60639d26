/* vector.h for AVX-512 (F, BW, DQ, VL): 16 lanes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CPU_VECTOR_AVX512_H
#define CAPSHAPE_KERNELS_CPU_VECTOR_AVX512_H

#include <immintrin.h>

enum { LANES = 16, TILE_VECTORS = 3, TILE_ROWS = 8 };

typedef __m512 vector;
typedef __m512i vector_int;

INLINE vector vector_set(float x)
{
	return _mm512_set1_ps(x);
}

INLINE vector vector_load(const float *memory)
{
	return _mm512_loadu_ps(memory);
}

INLINE void vector_store(float *memory, vector value)
{
	_mm512_storeu_ps(memory, value);
}

INLINE vector vector_load_part(const float *memory, int64_t count)
{
	return _mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), memory);
}

INLINE void vector_store_part(float *memory, vector value, int64_t count)
{
	_mm512_mask_storeu_ps(memory, (__mmask16)((1u << count) - 1), value);
}

INLINE vector vector_load_bfloat16(const uint16_t *memory)
{
	__m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)memory));
	return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

INLINE void vector_store_bfloat16(uint16_t *memory, vector value)
{
	__m512i bits = _mm512_castps_si512(value);
	__m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
	__m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
	__mmask16 nan = _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
	rounded = _mm512_mask_set1_epi32(rounded, nan, 0x7fc00000);
	__m256i narrow = _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
	_mm256_storeu_si256((__m256i *)(void *)memory, narrow);
}

INLINE vector vector_multiply_add(vector a, vector b, vector c)
{
	return _mm512_fmadd_ps(a, b, c);
}

INLINE vector vector_max(vector a, vector b)
{
	return _mm512_max_ps(a, b);
}

INLINE vector vector_min(vector a, vector b)
{
	return _mm512_min_ps(a, b);
}

INLINE vector vector_sqrt(vector a)
{
	return _mm512_sqrt_ps(a);
}

INLINE vector vector_round(vector a)
{
	return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* value * 2^exponent for a whole exponent in [-127, 126]; 0 for -127. */
INLINE vector vector_scale_exponent(vector value, vector exponent)
{
	__mmask16 normal = _mm512_cmp_ps_mask(exponent, _mm512_set1_ps(-127.0f), _CMP_NEQ_UQ);
	return _mm512_maskz_scalef_ps(normal, value, exponent);
}

INLINE float vector_sum(vector a)
{
	return _mm512_reduce_add_ps(a);
}

INLINE float vector_largest(vector a)
{
	return _mm512_reduce_max_ps(a);
}

INLINE bool vector_differ(vector a, vector b)
{
	return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ) != 0;
}

INLINE vector_int vector_int_set(int32_t x)
{
	return _mm512_set1_epi32(x);
}

INLINE vector_int vector_int_load(const int32_t *memory)
{
	return _mm512_loadu_si512(memory);
}

/* value where low <= x <= high, `other` elsewhere. */
INLINE vector vector_keep(vector value, vector_int low, vector_int x, vector_int high, vector other)
{
	__mmask16 inside = _mm512_cmple_epi32_mask(low, x) & _mm512_cmple_epi32_mask(x, high);
	return _mm512_mask_blend_ps(inside, other, value);
}

INLINE void vector_transpose(vector rows[LANES])
{
	vector swapped[LANES];
	UNROLL
	for (int i = 0; i < LANES; i += 2) {
		swapped[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
		swapped[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
	}
	UNROLL
	for (int i = 0; i < LANES; i += 4) {
		rows[i] = _mm512_shuffle_ps(swapped[i], swapped[i + 2], 0x44);
		rows[i + 1] = _mm512_shuffle_ps(swapped[i], swapped[i + 2], 0xee);
		rows[i + 2] = _mm512_shuffle_ps(swapped[i + 1], swapped[i + 3], 0x44);
		rows[i + 3] = _mm512_shuffle_ps(swapped[i + 1], swapped[i + 3], 0xee);
	}
	UNROLL
	for (int i = 0; i < 4; i++) {
		swapped[i] = _mm512_shuffle_f32x4(rows[i], rows[i + 4], 0x88);
		swapped[i + 4] = _mm512_shuffle_f32x4(rows[i], rows[i + 4], 0xdd);
		swapped[i + 8] = _mm512_shuffle_f32x4(rows[i + 8], rows[i + 12], 0x88);
		swapped[i + 12] = _mm512_shuffle_f32x4(rows[i + 8], rows[i + 12], 0xdd);
	}
	UNROLL
	for (int i = 0; i < 8; i++) {
		rows[i] = _mm512_shuffle_f32x4(swapped[i], swapped[i + 8], 0x88);
		rows[i + 8] = _mm512_shuffle_f32x4(swapped[i], swapped[i + 8], 0xdd);
	}
}

#endif
