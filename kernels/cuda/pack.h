/* Vectors of elements that stay packed while they are in registers: two numbers of bfloat16 are one word. An array of
 * 16-bit members would take a register for each.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_PACK_H
#define CAPSHAPE_KERNELS_CUDA_PACK_H

#include "kernels/cuda/launch.h"

/* COUNT elements (a power of two), 16 bytes at most, read and written at once: their address must be a multiple of their
 * size. May lie over an array of elements. */
template <typename Element, int COUNT> struct packed;

template <int COUNT> struct __attribute__((may_alias, aligned(4 * COUNT))) packed<float, COUNT> {
	float values[COUNT];
};

template <int COUNT> struct __attribute__((may_alias, aligned(2 * COUNT))) packed<bfloat16, COUNT> {
	uint32_t words[COUNT / 2]; /* element 2 i in the low half of word i */
};

template <> struct __attribute__((may_alias, aligned(2))) packed<bfloat16, 1> {
	bfloat16 value;
};

template <typename Element, int COUNT>
__device__ __forceinline__ packed<Element, COUNT> packed_load(const Element *address)
{
	return *(const packed<Element, COUNT> *)address;
}

template <typename Element, int COUNT>
__device__ __forceinline__ void packed_store(Element *address, packed<Element, COUNT> values)
{
	*(packed<Element, COUNT> *)address = values;
}

template <typename Element, int COUNT> __device__ __forceinline__ packed<Element, COUNT> packed_zeros()
{
	return {};
}

/* Element i as a float. */
template <int COUNT> __device__ __forceinline__ float packed_get(const packed<float, COUNT> &from, int i)
{
	return from.values[i];
}

template <int COUNT> __device__ __forceinline__ float packed_get(const packed<bfloat16, COUNT> &from, int i)
{
	uint32_t word = from.words[i / 2];
	return __uint_as_float(i % 2 == 0 ? word << 16 : word & 0xffff0000u);
}

__device__ __forceinline__ float packed_get(const packed<bfloat16, 1> &from, int i)
{
	(void)i;
	return to_float(from.value);
}

/* Makes the compiler unpack anew after this instead of keeping what it unpacked before, in more registers. */
template <int COUNT> __device__ __forceinline__ void packed_forget(packed<float, COUNT> &from)
{
	(void)from;
}

template <int COUNT> __device__ __forceinline__ void packed_forget(packed<bfloat16, COUNT> &from)
{
#ifdef __CUDA_ARCH__
	for (int i = 0; i < COUNT / 2; i++)
		asm volatile("" : "+r"(from.words[i]));
#else
	(void)from;
#endif
}

/* Two floats rounded, the first in the low half. */
__device__ __forceinline__ uint32_t word_of(float low, float high)
{
#if defined __CUDA_ARCH__ && __CUDA_ARCH__ >= 800
	uint32_t word;
	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
	return word;
#else
	return (uint32_t)from_float<bfloat16>(high).bits << 16 | from_float<bfloat16>(low).bits;
#endif
}

/* COUNT floats, rounded to elements. */
template <int COUNT> __device__ __forceinline__ void packed_set(packed<float, COUNT> &to, const float (&values)[COUNT])
{
	for (int i = 0; i < COUNT; i++)
		to.values[i] = values[i];
}

template <int COUNT>
__device__ __forceinline__ void packed_set(packed<bfloat16, COUNT> &to, const float (&values)[COUNT])
{
	for (int i = 0; i < COUNT / 2; i++)
		to.words[i] = word_of(values[2 * i], values[2 * i + 1]);
}

__device__ __forceinline__ void packed_set(packed<bfloat16, 1> &to, const float (&values)[1])
{
	to.value = from_float<bfloat16>(values[0]);
}

/* x + y, rounded. */
template <typename Element, int COUNT>
__device__ __forceinline__ packed<Element, COUNT> packed_sum(const packed<Element, COUNT> &x,
                                                             const packed<Element, COUNT> &y)
{
	packed<Element, COUNT> result;
	float values[COUNT];

	for (int i = 0; i < COUNT; i++)
		values[i] = packed_get(x, i) + packed_get(y, i);
	packed_set(result, values);
	return result;
}

#endif
