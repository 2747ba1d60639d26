/* vector.h for AVX2 with FMA: 8 lanes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CPU_VECTOR_AVX2_H
#define CAPSHAPE_KERNELS_CPU_VECTOR_AVX2_H

#include <immintrin.h>

enum { LANES = 8, TILE_VECTORS = 3, TILE_ROWS = 4 };

typedef __m256 vector;
typedef __m256i vector_int;

INLINE vector vector_set(float x)
{
	return _mm256_set1_ps(x);
}

INLINE vector vector_load(const float *memory)
{
	return _mm256_loadu_ps(memory);
}

INLINE void vector_store(float *memory, vector value)
{
	_mm256_storeu_ps(memory, value);
}

INLINE __m256i vector_first_lanes(int64_t count)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE vector vector_load_part(const float *memory, int64_t count)
{
	return _mm256_maskload_ps(memory, vector_first_lanes(count));
}

INLINE void vector_store_part(float *memory, vector value, int64_t count)
{
	_mm256_maskstore_ps(memory, vector_first_lanes(count), value);
}

INLINE vector vector_load_bfloat16(const uint16_t *memory)
{
	__m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)memory));
	return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

INLINE void vector_store_bfloat16(uint16_t *memory, vector value)
{
	__m256i bits = _mm256_castps_si256(value);
	__m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
	__m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
	__m256i nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
	rounded = _mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc00000), nan);
	rounded = _mm256_srli_epi32(rounded, 16);
	__m256i narrow = _mm256_permute4x64_epi64(_mm256_packus_epi32(rounded, rounded), 0x08);
	_mm_storeu_si128((__m128i *)(void *)memory, _mm256_castsi256_si128(narrow));
}

INLINE vector vector_multiply_add(vector a, vector b, vector c)
{
	return _mm256_fmadd_ps(a, b, c);
}

INLINE vector vector_max(vector a, vector b)
{
	return _mm256_max_ps(a, b);
}

INLINE vector vector_min(vector a, vector b)
{
	return _mm256_min_ps(a, b);
}

INLINE vector vector_sqrt(vector a)
{
	return _mm256_sqrt_ps(a);
}

INLINE vector vector_round(vector a)
{
	return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* value * 2^exponent for a whole exponent in [-127, 126]; 0 for -127. */
INLINE vector vector_scale_exponent(vector value, vector exponent)
{
	__m256i biased = _mm256_add_epi32(_mm256_cvtps_epi32(exponent), _mm256_set1_epi32(127));
	vector scaled = _mm256_mul_ps(value, _mm256_castsi256_ps(_mm256_slli_epi32(biased, 23)));
	return _mm256_blendv_ps(scaled, exponent, _mm256_cmp_ps(exponent, exponent, _CMP_UNORD_Q));
}

INLINE float vector_sum(vector a)
{
	__m128 half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
	half = _mm_add_ps(half, _mm_movehl_ps(half, half));
	return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

INLINE float vector_largest(vector a)
{
	__m128 half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
	half = _mm_max_ps(half, _mm_movehl_ps(half, half));
	return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

INLINE bool vector_differ(vector a, vector b)
{
	return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_NEQ_UQ)) != 0;
}

INLINE vector_int vector_int_set(int32_t x)
{
	return _mm256_set1_epi32(x);
}

INLINE vector_int vector_int_load(const int32_t *memory)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)memory);
}

/* value where low <= x <= high, `other` elsewhere. */
INLINE vector vector_keep(vector value, vector_int low, vector_int x, vector_int high, vector other)
{
	__m256i outside = _mm256_or_si256(_mm256_cmpgt_epi32(low, x), _mm256_cmpgt_epi32(x, high));
	return _mm256_blendv_ps(value, other, _mm256_castsi256_ps(outside));
}

INLINE void vector_transpose(vector rows[LANES])
{
	vector swapped[LANES];
	UNROLL
	for (int i = 0; i < LANES; i += 2) {
		swapped[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
		swapped[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
	}
	UNROLL
	for (int i = 0; i < LANES; i += 4) {
		rows[i] = _mm256_shuffle_ps(swapped[i], swapped[i + 2], 0x44);
		rows[i + 1] = _mm256_shuffle_ps(swapped[i], swapped[i + 2], 0xee);
		rows[i + 2] = _mm256_shuffle_ps(swapped[i + 1], swapped[i + 3], 0x44);
		rows[i + 3] = _mm256_shuffle_ps(swapped[i + 1], swapped[i + 3], 0xee);
	}
	UNROLL
	for (int i = 0; i < 4; i++) {
		swapped[i] = _mm256_permute2f128_ps(rows[i], rows[i + 4], 0x20);
		swapped[i + 4] = _mm256_permute2f128_ps(rows[i], rows[i + 4], 0x31);
	}
	UNROLL
	for (int i = 0; i < LANES; i++)
		rows[i] = swapped[i];
}

#endif
