/* What all kernels share: launching, elements of both precisions and vectors of them, sums over warps and blocks.
 *
 * The files that include this are CUDA C++ of a plain kind: kernels, templates over the element type where both precisions
 * need one, and nothing of the C++ library. nvcc compiles them; with CAPSHAPE_CUDA_EMULATION a C++ compiler does, and
 * validation/emulator supplies threads, blocks and warps.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_LAUNCH_H
#define CAPSHAPE_KERNELS_CUDA_LAUNCH_H

#include <cuda_runtime.h>

#include "kernels/cuda/cuda.h"

enum { WARP = 32 };
#define FULL_WARP 0xffffffffu /* the mask of all its lanes */

/* CUDA_LAUNCH(device, "name", kernel, blocks, threads, shared bytes, arguments...): an enum status. blocks and threads
 * are dim3 or numbers. A launch of no blocks is one of nothing. */
#ifdef CAPSHAPE_CUDA_EMULATION
#define CUDA_LAUNCH(device, name, kernel, blocks, threads, shared, ...)                                                \
	cuda_check(device, emulator_launch((device)->stream, kernel, blocks, threads, shared, __VA_ARGS__), name)
/* Memory of the block whose size is given at the launch, as an array of `type` with that name. */
#define CUDA_SHARED(type, name)                      type *name = (type *)emulator_shared()
/* Lets launches of `kernel` ask for that many bytes of it, 48 KB otherwise; false where the device has less. */
#define CUDA_ALLOW_SHARED(kernel, bytes)             ((bytes) <= 227 << 10)
/* Whether `kernel` was made for blocks of so many threads that begin with at least so many registers, all threads together. */
#define CUDA_TAKES_BLOCK(kernel, threads, registers) ((threads) <= 1024 && (registers) <= 65536)
#else
template <typename... Parameters, typename... Arguments>
static inline cudaError_t cuda_launch(const struct device *device, void (*kernel)(Parameters...), dim3 blocks,
                                      dim3 threads, size_t shared, Arguments... arguments)
{
	if (blocks.x == 0 || blocks.y == 0 || blocks.z == 0)
		return cudaSuccess;
	kernel<<<blocks, threads, shared, device->stream>>>((Parameters)arguments...);
	return cudaGetLastError();
}
#define CUDA_LAUNCH(device, name, kernel, blocks, threads, shared, ...)                                                \
	cuda_check(device, cuda_launch(device, kernel, blocks, threads, shared, __VA_ARGS__), name)
#define CUDA_SHARED(type, name)                                                                                        \
	extern __shared__ __align__(16) unsigned char cuda_shared_[];                                                  \
	type *name = (type *)cuda_shared_
template <typename... Parameters> static inline bool cuda_allow_shared(void (*kernel)(Parameters...), size_t bytes)
{
	if (bytes <= INT32_MAX &&
	    cudaFuncSetAttribute((const void *)kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes) ==
	            cudaSuccess)
		return true;
	(void)cudaGetLastError();
	return false;
}
#define CUDA_ALLOW_SHARED(kernel, bytes)             cuda_allow_shared(kernel, bytes)
template <typename... Parameters>
static inline bool cuda_takes_block(void (*kernel)(Parameters...), int threads, int registers)
{
	struct cudaFuncAttributes attributes;
	if (cudaFuncGetAttributes(&attributes, (const void *)kernel) == cudaSuccess)
		return attributes.maxThreadsPerBlock >= threads && attributes.numRegs * threads >= registers;
	(void)cudaGetLastError();
	return false;
}
#define CUDA_TAKES_BLOCK(kernel, threads, registers) cuda_takes_block(kernel, threads, registers)
#endif

/* UNROLL: before a loop over registers, which have no addresses, so all of it must be written out. NO_UNROLL: before a
 * loop that takes more registers written out than it gains. */
#ifdef CAPSHAPE_CUDA_EMULATION
#define UNROLL
#define NO_UNROLL
#else
#define UNROLL    _Pragma("unroll")
#define NO_UNROLL _Pragma("unroll 1")
#endif

/* Blocks of `threads` for `items`, at most `most` of them (kernels stride over what is left). */
static inline unsigned cuda_blocks(int64_t items, int64_t threads, int64_t most)
{
	int64_t blocks = (items + threads - 1) / threads;
	return (unsigned)(blocks < most ? blocks : most);
}

/* ---- elements: float, or bfloat16 kept as its bits */

struct bfloat16 {
	uint16_t bits;
};

__device__ __forceinline__ float to_float(float x)
{
	return x;
}

__device__ __forceinline__ float to_float(bfloat16 x)
{
	return __uint_as_float((uint32_t)x.bits << 16);
}

template <typename Element> __device__ __forceinline__ Element from_float(float x);

template <> __device__ __forceinline__ float from_float<float>(float x)
{
	return x;
}

/* To nearest, ties to even; what is not a number stays that. */
template <> __device__ __forceinline__ bfloat16 from_float<bfloat16>(float x)
{
	bfloat16 result;
#if defined __CUDA_ARCH__ && __CUDA_ARCH__ >= 800
	asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.bits) : "f"(x));
#else
	uint32_t bits = __float_as_uint(x);
	if ((bits & 0x7fffffffu) > 0x7f800000u)
		result.bits = (uint16_t)(bits >> 16 | 0x40u);
	else
		result.bits = (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
#endif
	return result;
}

/* COUNT elements that lie side by side and are read and written at once, 16 bytes at most: their address must be a
 * multiple of their size. */
template <typename Element, int COUNT> struct alignas(sizeof(Element) * COUNT) vector {
	Element values[COUNT];
};

/* Elements of 16 bytes. */
template <typename Element> struct wide {
	enum { COUNT = 16 / sizeof(Element) };
};

/* Whether pointers and a row length allow 16 bytes at once. */
static inline bool cuda_aligned(const void *a, const void *b, const void *c, int64_t row_bytes)
{
	return (((uintptr_t)a | (uintptr_t)b | (uintptr_t)c | (uintptr_t)row_bytes) & 15) == 0;
}

/* ---- sums: every lane gets the result; the order is always the same */

__device__ __forceinline__ float warp_sum(float x)
{
	for (int offset = WARP / 2; offset > 0; offset /= 2)
		x += __shfl_xor_sync(FULL_WARP, x, offset);
	return x;
}

__device__ __forceinline__ double warp_sum(double x)
{
	for (int offset = WARP / 2; offset > 0; offset /= 2)
		x += __shfl_xor_sync(FULL_WARP, x, offset);
	return x;
}

__device__ __forceinline__ float warp_max(float x)
{
	for (int offset = WARP / 2; offset > 0; offset /= 2)
		x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, offset));
	return x;
}

/* Over a block of whole warps, at most 1,024 threads. `room`: shared, 33 elements, the same array only after a
 * __syncthreads(). All threads must call it. */
template <typename Number> __device__ __forceinline__ Number block_sum(Number x, Number *room)
{
	int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
	x = warp_sum(x);
	if (lane == 0)
		room[warp] = x;
	__syncthreads();
	if (warp == 0) {
		x = warp_sum(lane < warps ? room[lane] : (Number)0);
		if (lane == 0)
			room[WARP] = x;
	}
	__syncthreads();
	return room[WARP];
}

#endif
