/* vector.h in portable C (GNU vectors): 4 lanes, one SSE2 or NEON register.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CPU_VECTOR_PORTABLE_H
#define CAPSHAPE_KERNELS_CPU_VECTOR_PORTABLE_H

enum { LANES = 4, TILE_VECTORS = 2, TILE_ROWS = 4 };

typedef float vector __attribute__((vector_size(16)));
typedef int32_t vector_int __attribute__((vector_size(16)));

INLINE vector vector_set(float x)
{
	return (vector){ x, x, x, x };
}

INLINE vector vector_load(const float *memory)
{
	vector value;
	memcpy(&value, memory, sizeof value);
	return value;
}

INLINE void vector_store(float *memory, vector value)
{
	memcpy(memory, &value, sizeof value);
}

INLINE vector vector_load_part(const float *memory, int64_t count)
{
	float lanes[LANES] = { 0 };
	for (int64_t i = 0; i < count; i++)
		lanes[i] = memory[i];
	return vector_load(lanes);
}

INLINE void vector_store_part(float *memory, vector value, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		memory[i] = value[i];
}

INLINE vector vector_load_bfloat16(const uint16_t *memory)
{
	vector_int bits = { memory[0], memory[1], memory[2], memory[3] };
	return (vector)(bits << 16);
}

/* a where the lane of mask is -1, b where it is 0. */
INLINE vector vector_select(vector_int mask, vector a, vector b)
{
	return (vector)(((vector_int)a & mask) | ((vector_int)b & ~mask));
}

INLINE void vector_store_bfloat16(uint16_t *memory, vector value)
{
	typedef uint32_t bits_vector __attribute__((vector_size(16)));
	bits_vector bits = (bits_vector)value;
	bits_vector rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
	bits_vector nan = (bits_vector)(value != value);
	rounded = (rounded & ~nan) | (nan & 0x7fc0);
	for (int i = 0; i < LANES; i++)
		memory[i] = (uint16_t)rounded[i];
}

INLINE vector vector_multiply_add(vector a, vector b, vector c)
{
	return a * b + c;
}

INLINE vector vector_max(vector a, vector b)
{
	return vector_select(a > b, a, b);
}

INLINE vector vector_min(vector a, vector b)
{
	return vector_select(a < b, a, b);
}

INLINE vector vector_sqrt(vector a)
{
	return (vector){ sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3]) };
}

/* To nearest, for |a| < 2^22: adding 1.5 2^23 leaves no bits for a fraction. */
INLINE vector vector_round(vector a)
{
	volatile float large = 0x1.8p23f; /* volatile: must not be folded away where reassociation is allowed */
	vector shift = vector_set(large);
	return (a + shift) - shift;
}

/* value * 2^exponent for a whole exponent in [-127, 126]; 0 for -127. */
INLINE vector vector_scale_exponent(vector value, vector exponent)
{
	vector_int finite = exponent == exponent;
	vector_int whole = __builtin_convertvector(vector_select(finite, exponent, vector_set(0.0f)), vector_int);
	return vector_select(finite, value * (vector)((whole + 127) << 23), exponent);
}

INLINE float vector_sum(vector a)
{
	return (a[0] + a[2]) + (a[1] + a[3]);
}

INLINE float vector_largest(vector a)
{
	float even = a[0] > a[2] ? a[0] : a[2], odd = a[1] > a[3] ? a[1] : a[3];
	return even > odd ? even : odd;
}

INLINE bool vector_differ(vector a, vector b)
{
	vector_int different = a != b;
	return (different[0] | different[1] | different[2] | different[3]) != 0;
}

INLINE vector_int vector_int_set(int32_t x)
{
	return (vector_int){ x, x, x, x };
}

INLINE vector_int vector_int_load(const int32_t *memory)
{
	vector_int value;
	memcpy(&value, memory, sizeof value);
	return value;
}

/* value where low <= x <= high, `other` elsewhere. */
INLINE vector vector_keep(vector value, vector_int low, vector_int x, vector_int high, vector other)
{
	return vector_select((low <= x) & (x <= high), value, other);
}

INLINE void vector_transpose(vector rows[LANES])
{
	vector copy[LANES];
	for (int i = 0; i < LANES; i++)
		copy[i] = rows[i];
	for (int i = 0; i < LANES; i++)
		rows[i] = (vector){ copy[0][i], copy[1][i], copy[2][i], copy[3][i] };
}

#endif
