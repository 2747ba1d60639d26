/* Instructions of compute capability 9.0 that work beside the threads: copies of tiles by tensor maps, barriers in shared memory that count
 * bytes, products of warp groups (warp_group_multiply.h). One inline function each; under emulation, validation/emulator/asynchronous.h.
 *
 * Shared memory is named by its 32-bit addresses here. A tile has rows of 128 bytes and begins at a multiple of 1,024: of the address of a
 * byte, the copies and the products exchange the three bits from 16 on by those bits exclusive-or the three from 128 on ("128-byte swizzle"),
 * so that eight rows of 16 bytes in a column lie in different banks. (PTX ISA, "Tensor Swizzling Modes", "Shared Memory Matrix Layout".)
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_WARP_GROUP_H
#define CAPSHAPE_KERNELS_CUDA_WARP_GROUP_H

#include <cuda.h>

#include "kernels/cuda/launch.h"

enum { GROUP_THREADS = 128, TILE_ROW_BYTES = 128, TILE_ALIGNMENT = 1024 };

/* Other targets than 90a have none of this: kernels are empty there, and made for so few threads that a host can tell. */
#if defined CAPSHAPE_CUDA_EMULATION || defined __CUDA_ARCH_FEAT_SM90_ALL
#define WARP_GROUPS 1
#else
#define WARP_GROUPS 0
#endif

#ifdef CAPSHAPE_CUDA_EMULATION

#define __grid_constant__

static inline uint32_t shared_place(const void *memory)
{
	return emulator_shared_address(memory);
}

static inline void barrier_create(uint32_t barrier, uint32_t arrivals)
{
	emulator_barrier_create(barrier, arrivals);
}

static inline void barriers_created()
{
	emulator_barriers_created();
}

static inline void barrier_arrive(uint32_t barrier)
{
	emulator_barrier_arrive(barrier, 0);
}

static inline void barrier_arrive_expecting(uint32_t barrier, uint32_t bytes)
{
	emulator_barrier_arrive(barrier, bytes);
}

static inline void barrier_wait(uint32_t barrier, uint32_t parity)
{
	emulator_barrier_wait(barrier, parity);
}

static inline void tile_load(uint32_t target, const CUtensorMap *map, int column, int row, uint32_t barrier)
{
	emulator_tile_load(target, map, column, row, barrier);
}

static inline void panel_load(uint32_t target, const CUtensorMap *map, int column, int group, int row, uint32_t barrier)
{
	emulator_panel_load(target, map, column, group, row, barrier);
}

static inline void panel_store(const CUtensorMap *map, uint32_t source, int column, int group, int row)
{
	emulator_panel_store(map, source, column, group, row);
}

static inline void tile_store_end_group()
{
	emulator_tile_store_end_group();
}

template <int LEFT> static inline void tile_store_wait()
{
	emulator_tile_store_wait(LEFT);
}

static inline void tile_written()
{
	emulator_tile_written();
}

static inline void map_expect(const CUtensorMap *map)
{
	(void)map;
}

static inline void group_meet(int number)
{
	emulator_group_meet(number, GROUP_THREADS);
}

template <int REGISTERS> static inline void registers_give_up()
{
	emulator_set_registers(REGISTERS);
}

template <int REGISTERS> static inline void registers_take()
{
	emulator_set_registers(REGISTERS);
}

static inline void group_begin()
{
	emulator_group_begin();
}

static inline void group_end_batch()
{
	emulator_group_end_batch();
}

template <int LEFT> static inline void group_wait()
{
	emulator_group_wait(LEFT);
}

#else

__device__ __forceinline__ uint32_t shared_place(const void *memory)
{
	return (uint32_t)__cvta_generic_to_shared(memory);
}

/* ---- barriers: 8 bytes each. A phase ends when as many have arrived and as many bytes came as are expected. */

__device__ __forceinline__ void barrier_create(uint32_t barrier, uint32_t arrivals)
{
	asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

/* By the thread that created them, before copies may know them; other threads: __syncthreads(). */
__device__ __forceinline__ void barriers_created()
{
	asm volatile("fence.mbarrier_init.release.cluster;\n\tfence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void barrier_arrive(uint32_t barrier)
{
	asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

__device__ __forceinline__ void barrier_arrive_expecting(uint32_t barrier, uint32_t bytes)
{
	asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}

/* Until the phase of that parity has ended; the first phase has parity 0, the one before it counts as ended. */
__device__ __forceinline__ void barrier_wait(uint32_t barrier, uint32_t parity)
{
	uint32_t ended;
	do {
		asm volatile("{\n\t.reg .pred ended;\n\t"
		             "mbarrier.try_wait.parity.shared::cta.b64 ended, [%1], %2;\n\t"
		             "selp.u32 %0, 1, 0, ended;\n\t}"
		             : "=r"(ended)
		             : "r"(barrier), "r"(parity)
		             : "memory");
	} while (ended == 0);
}

/* ---- copies of tiles, by one thread */

/* The tile at that column and row of the matrix; zeros where there is none of it. All its bytes count at the barrier. */
__device__ __forceinline__ void tile_load(uint32_t target, const CUtensorMap *map, int column, int row,
                                          uint32_t barrier)
{
	asm volatile(
		"cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::
			"r"(target),
		"l"(map), "r"(barrier), "r"(column), "r"(row)
		: "memory");
}

/* The same of a matrix whose columns are in groups (cuda_map_groups()): the tile's column is counted within its group, and zeros are where there
 * is none of the group. */
__device__ __forceinline__ void panel_load(uint32_t target, const CUtensorMap *map, int column, int group, int row,
                                           uint32_t barrier)
{
	asm volatile(
		"cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];" ::
			"r"(target),
		"l"(map), "r"(barrier), "r"(column), "r"(group), "r"(row)
		: "memory");
}

/* What is not of the group or not of the matrix is left out. */
__device__ __forceinline__ void panel_store(const CUtensorMap *map, uint32_t source, int column, int group, int row)
{
	asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%2, %3, %4}], [%1];" ::"l"(map),
	             "r"(source), "r"(column), "r"(group), "r"(row)
	             : "memory");
}

__device__ __forceinline__ void tile_store_end_group()
{
	asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}

/* Until shared memory was read for all groups of this thread's stores but the LEFT last. */
template <int LEFT> __device__ __forceinline__ void tile_store_wait()
{
	asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(LEFT) : "memory");
}

/* By every thread that wrote to a tile, before the threads meet and one of them stores it. */
__device__ __forceinline__ void tile_written()
{
	asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

__device__ __forceinline__ void map_expect(const CUtensorMap *map)
{
	asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}

/* ---- warp groups: all their threads */

/* A barrier of one warp group; numbers 1 to 15. */
__device__ __forceinline__ void group_meet(int number)
{
	asm volatile("bar.sync %0, %1;" ::"r"(number), "n"((int)GROUP_THREADS) : "memory");
}

template <int REGISTERS> __device__ __forceinline__ void registers_give_up()
{
	asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

template <int REGISTERS> __device__ __forceinline__ void registers_take()
{
	asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(REGISTERS));
}

/* Before products whose sums threads may have touched. */
__device__ __forceinline__ void group_begin()
{
	asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

__device__ __forceinline__ void group_end_batch()
{
	asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}

/* Until all batches but the LEFT last are done: tiles may then be overwritten and, with LEFT 0, sums be read. */
template <int LEFT> __device__ __forceinline__ void group_wait()
{
	asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory");
}

#endif

/* ---- descriptors of factors in shared memory (PTX ISA, "Matrix Descriptor Format"): sixteenths of the address in bits 0 to 13, of the
 * leading offset in 16 to 29, of the stride in 32 to 45; 1 in bits 62 and 63 is the 128-byte swizzle. */

/* Rows of 128 bytes of the inner dimension, eight of them 1,024 bytes after the eight before. The 16 numbers after these: 32 bytes on. */
static __device__ __forceinline__ uint64_t factor_along(uint32_t tile)
{
	return (uint64_t)1 << 62 | (uint64_t)(TILE_ALIGNMENT >> 4) << 32 | (uint64_t)1 << 16 | (tile & 0x3ffff) >> 4;
}

/* Rows of 64 columns (128 bytes) for each number of the inner dimension, eight of them 1,024 bytes after the eight before; the next 64 columns are
 * a tile of their own, `leading` bytes on. The 16 rows after these: 2,048 bytes on. */
static __device__ __forceinline__ uint64_t factor_across(uint32_t tile, uint32_t leading)
{
	return (uint64_t)1 << 62 | (uint64_t)(TILE_ALIGNMENT >> 4) << 32 | (uint64_t)(leading >> 4) << 16 |
	       (tile & 0x3ffff) >> 4;
}

#endif
