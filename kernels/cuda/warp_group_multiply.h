/* One product of the tensor cores' largest instruction: 64 x COLUMNS x 16, the sums of a warp group's 128 threads in their registers, both
 * factors read from shared memory through descriptors.
 *
 * Thread t of the group has of row 16 (t / 32) + t % 32 / 4, and of the one 8 below, the columns 8 n + 2 (t % 4) and the next: sums[4 n] and
 * sums[4 n + 1], sums[4 n + 2] and sums[4 n + 3]. (PTX ISA, "Register Fragments for wgmma.mma_async.m64nNk16".)
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_WARP_GROUP_MULTIPLY_H
#define CAPSHAPE_KERNELS_CUDA_WARP_GROUP_MULTIPLY_H

#include "kernels/cuda/warp_group.h"

#ifdef CAPSHAPE_CUDA_EMULATION

/* add: 0 to begin new sums. ACROSS: the right factor lies with its columns side by side, else with its inner dimension. */
template <int COLUMNS, bool ACROSS>
static inline void group_multiply(float (&sums)[COLUMNS / 2], uint64_t left, uint64_t right, int add)
{
	emulator_group_multiply(sums, COLUMNS, left, right, ACROSS, add != 0);
}

template <int COUNT> static inline void group_take_sums(float (&sums)[COUNT])
{
	(void)sums;
}

#else

#define SUMS_4(i)  "+f"(sums[i]), "+f"(sums[i + 1]), "+f"(sums[i + 2]), "+f"(sums[i + 3])
#define SUMS_16(i) SUMS_4(i), SUMS_4(i + 4), SUMS_4(i + 8), SUMS_4(i + 12)
#define SUMS_64(i) SUMS_16(i), SUMS_16(i + 16), SUMS_16(i + 32), SUMS_16(i + 48)

#define GROUP_MULTIPLY_128(across)                                                                                     \
	asm volatile("{\n.reg .pred more;\nsetp.ne.b32 more, %66, 0;\n"                                                \
	             "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 "                                          \
	             "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                         \
	             "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "                \
	             "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "                \
	             "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "               \
	             "%64, %65, more, 1, 1, 0, " across ";\n}"                                                         \
	             : SUMS_64(0)                                                                                      \
	             : "l"(left), "l"(right), "r"(add))

#define GROUP_MULTIPLY_224(across)                                                                                     \
	asm volatile("{\n.reg .pred more;\nsetp.ne.b32 more, %114, 0;\n"                                               \
	             "wgmma.mma_async.sync.aligned.m64n224k16.f32.bf16.bf16 "                                          \
	             "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                         \
	             "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "                \
	             "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "                \
	             "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "                \
	             "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "                \
	             "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "                \
	             "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111}, "   \
	             "%112, %113, more, 1, 1, 0, " across ";\n}"                                                       \
	             : SUMS_64(0), SUMS_16(64), SUMS_16(80), SUMS_16(96)                                               \
	             : "l"(left), "l"(right), "r"(add))

#define GROUP_MULTIPLY_256(across)                                                                                     \
	asm volatile(                                                                                                  \
		"{\n.reg .pred more;\nsetp.ne.b32 more, %130, 0;\n"                                                    \
		"wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 "                                               \
		"{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                              \
		"%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "                     \
		"%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "                     \
		"%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "                     \
		"%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "                     \
		"%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "                     \
		"%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "         \
		"%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "    \
		"%128, %129, more, 1, 1, 0, " across ";\n}"                                                            \
		: SUMS_64(0), SUMS_64(64)                                                                              \
		: "l"(left), "l"(right), "r"(add))

/* add: 0 to begin new sums. ACROSS: the right factor lies with its columns side by side, else with its inner dimension. */
template <int COLUMNS, bool ACROSS>
__device__ __forceinline__ void group_multiply(float (&sums)[COLUMNS / 2], uint64_t left, uint64_t right, int add);

template <>
__device__ __forceinline__ void group_multiply<128, false>(float (&sums)[64], uint64_t left, uint64_t right, int add)
{
	GROUP_MULTIPLY_128("0");
}

template <>
__device__ __forceinline__ void group_multiply<128, true>(float (&sums)[64], uint64_t left, uint64_t right, int add)
{
	GROUP_MULTIPLY_128("1");
}

template <>
__device__ __forceinline__ void group_multiply<224, false>(float (&sums)[112], uint64_t left, uint64_t right, int add)
{
	GROUP_MULTIPLY_224("0");
}

template <>
__device__ __forceinline__ void group_multiply<224, true>(float (&sums)[112], uint64_t left, uint64_t right, int add)
{
	GROUP_MULTIPLY_224("1");
}

template <>
__device__ __forceinline__ void group_multiply<256, false>(float (&sums)[128], uint64_t left, uint64_t right, int add)
{
	GROUP_MULTIPLY_256("0");
}

template <>
__device__ __forceinline__ void group_multiply<256, true>(float (&sums)[128], uint64_t left, uint64_t right, int add)
{
	GROUP_MULTIPLY_256("1");
}

/* After group_wait<0>(): for the compiler, sums get their values here. It knows nothing of products that go on after their instruction, and might
 * compute with sums before they are waited for. */
template <int COUNT> __device__ __forceinline__ void group_take_sums(float (&sums)[COUNT])
{
	UNROLL
	for (int i = 0; i < COUNT; i++)
		asm volatile("" : "+f"(sums[i])::"memory");
}

#endif

#endif
