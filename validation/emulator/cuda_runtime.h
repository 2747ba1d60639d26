/* The part of CUDA C++ that the kernels use, for a C++ compiler: see cuda_runtime_api.h and emulator.cpp.
 *
 * Blocks run one after the other, the threads of a block as coroutines that give way where they wait: at __syncthreads()
 * and in the functions of a warp. A wait that not all threads reach ends the program with a message, as does a launch
 * that no GPU would take.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_EMULATOR_CUDA_RUNTIME_H
#define CAPSHAPE_VALIDATION_EMULATOR_CUDA_RUNTIME_H

#include <math.h>
#include <string.h>

#include <functional>

#include "asynchronous.h"
#include "cuda_runtime_api.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __shared__      static
#define __constant__    static
#define __launch_bounds__(...)

struct dim3 {
	unsigned x, y, z;
	dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_)
	{
	}
};
struct uint3 {
	unsigned x, y, z;
};

/* The running thread. */
struct emulator_place {
	uint3 thread, block;
	dim3 threads, blocks;
};
extern emulator_place emulator_here;
#define threadIdx (emulator_here.thread)
#define blockIdx  (emulator_here.block)
#define blockDim  (emulator_here.threads)
#define gridDim   (emulator_here.blocks)

/* Puts a launch into a stream; the error of one that no GPU would take is left for cudaGetLastError(). */
void emulator_enqueue_kernel(cudaStream_t stream, std::function<void()> kernel, dim3 blocks, dim3 threads,
                             size_t shared);
void *emulator_shared();
void emulator_wait_block();
/* Gives a value to the lanes of `mask` in this warp and takes that of `source`; a lane outside the warp or the mask, or
 * none (-1), gives one's own. */
uint64_t emulator_exchange(uint32_t mask, uint64_t value, int source);
/* Gives at most 32 bytes to the lanes of `mask` in this warp; returns where those that each gave are, until this thread next
 * waits. */
const void *const *emulator_gather(uint32_t mask, const void *value, size_t bytes);
uint32_t emulator_vote(uint32_t mask, bool vote);

/* cp.async: `bytes` that are nothing (0xff) until this thread has waited for the group of copies that they are in, then the
 * source's or, where it is not there, zeros. Waits until the `left` last groups that were ended may be on their way. Ends the
 * program where addresses are no multiples of `bytes`, and where a thread ends without having waited. */
void emulator_copy_begin(void *target, const void *source, size_t bytes, bool there);
void emulator_copy_end_group();
void emulator_copy_wait(long left);
/* Ends the program where an address of those that lanes gave to emulator_gather() is no multiple of `alignment`. */
void emulator_check_rows(const void *const *rows, size_t alignment);

/* Ends the program where a pointer that a kernel is given is not of the device's memory: a GPU could not read it. */
void emulator_check_pointer(const void *pointer);

template <typename Argument> void emulator_check(const Argument &)
{
}

template <typename Element> void emulator_check(Element *const &pointer)
{
	emulator_check_pointer(pointer);
}

template <typename... Parameters, typename... Arguments>
cudaError_t emulator_launch(cudaStream_t stream, void (*kernel)(Parameters...), dim3 blocks, dim3 threads,
                            size_t shared, Arguments... arguments)
{
	if (blocks.x == 0 || blocks.y == 0 || blocks.z == 0)
		return cudaSuccess;
	(emulator_check((Parameters)arguments), ...);
	emulator_enqueue_kernel(
		stream, [=] { kernel((Parameters)arguments...); }, blocks, threads, shared);
	return cudaGetLastError();
}

/* emulator_enqueue_kernel() checks sizes. */
template <typename Kernel> cudaError_t cudaFuncSetAttribute(Kernel *, cudaFuncAttribute, int)
{
	return cudaSuccess;
}

static inline void __syncthreads()
{
	emulator_wait_block();
}

static inline void __syncwarp(uint32_t mask = 0xffffffffu)
{
	emulator_exchange(mask, 0, -1);
}

static inline int emulator_lane()
{
	dim3 &size = emulator_here.threads;
	uint3 &at = emulator_here.thread;
	return (int)((at.x + size.x * (at.y + size.y * at.z)) % 32);
}

template <typename Number> Number emulator_shuffle(uint32_t mask, Number value, int source)
{
	uint64_t bits = 0;
	static_assert(sizeof value <= sizeof bits, "at most 8 bytes");
	memcpy(&bits, &value, sizeof value);
	bits = emulator_exchange(mask, bits, source);
	memcpy(&value, &bits, sizeof value);
	return value;
}

template <typename Number> Number __shfl_sync(uint32_t mask, Number value, int source, int width = 32)
{
	return emulator_shuffle(mask, value, emulator_lane() / width * width + source % width);
}

template <typename Number> Number __shfl_xor_sync(uint32_t mask, Number value, int flip, int width = 32)
{
	int source = emulator_lane() ^ flip;
	return emulator_shuffle(mask, value, source / width == emulator_lane() / width ? source : -1);
}

template <typename Number> Number __shfl_down_sync(uint32_t mask, Number value, unsigned delta, int width = 32)
{
	int source = emulator_lane() + (int)delta;
	return emulator_shuffle(mask, value, source / width == emulator_lane() / width ? source : -1);
}

template <typename Number> Number __shfl_up_sync(uint32_t mask, Number value, unsigned delta, int width = 32)
{
	int source = emulator_lane() - (int)delta;
	return emulator_shuffle(mask, value, source >= 0 && source / width == emulator_lane() / width ? source : -1);
}

static inline uint32_t __ballot_sync(uint32_t mask, int vote)
{
	return emulator_vote(mask, vote != 0);
}

static inline int __any_sync(uint32_t mask, int vote)
{
	return emulator_vote(mask, vote != 0) != 0;
}

static inline int __all_sync(uint32_t mask, int vote)
{
	return emulator_vote(mask, vote == 0) == 0;
}

static inline float __uint_as_float(uint32_t bits)
{
	float x;
	memcpy(&x, &bits, sizeof x);
	return x;
}

static inline uint32_t __float_as_uint(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	return bits;
}

/* The C library has these names, too. */
static inline float emulator_expf(float x)
{
	return expf(x);
}

static inline float emulator_logf(float x)
{
	return logf(x);
}
#define __expf emulator_expf
#define __logf emulator_logf

static inline float __fdividef(float x, float y)
{
	return x / y;
}

/* ex2.approx.ftz.f32 at its worst: off by up to 2 of the last places (2^-22), without numbers below 2^-126; 2^0 is exact. By how
 * much follows from x. */
static inline float emulator_power_of_two(float x)
{
	float y = exp2f(x);
	uint32_t bits, result;

	if (x == 0.0f || !isnormal(y))
		return isfinite(y) && x != 0.0f ? 0.0f : y;
	memcpy(&bits, &x, sizeof bits);
	memcpy(&result, &y, sizeof result);
	result += (bits * 0x9e3779b9u >> 16) % 5;
	result -= 2;
	memcpy(&y, &result, sizeof y);
	return isnormal(y) ? y : 0.0f;
}

static inline float rsqrtf(float x)
{
	return 1.0f / sqrtf(x);
}

/* Of pi x. */
static inline void sincospif(float x, float *sine, float *cosine)
{
	*sine = (float)sin(M_PI * (double)x);
	*cosine = (float)cos(M_PI * (double)x);
}

static inline int __popc(uint32_t x)
{
	return __builtin_popcount(x);
}

static inline int __clz(int x)
{
	return x == 0 ? 32 : __builtin_clz((unsigned)x);
}

static inline int __ffs(int x)
{
	return __builtin_ffs(x);
}

template <typename Value> Value __ldg(const Value *address)
{
	return *address;
}

static inline int min(int a, int b)
{
	return a < b ? a : b;
}

static inline int max(int a, int b)
{
	return a > b ? a : b;
}

static inline int64_t min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t max(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

#endif
