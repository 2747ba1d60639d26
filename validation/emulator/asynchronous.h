/* What works beside the threads of a block on a GPU of compute capability 9.0, for kernels/cuda/warp_group.h: barriers that count bytes, copies of
 * tiles, products of warp groups. Written from the PTX ISA: "mbarrier", "cp.async.bulk.tensor", "Tensor Swizzling Modes",
 * "Asynchronous Warpgroup Level Matrix Instructions".
 *
 * Addresses of shared memory are those of the block's own, whose first byte has SHARED_BEGIN. What goes on beside the threads is done as late as
 * it may be, at once, or at some time between, by the order that a test has set (emulator_set_order()); until then the target holds what is not a
 * number. The program ends with a message where a kernel relies on what nothing guarantees: see asynchronous.cpp.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_EMULATOR_ASYNCHRONOUS_H
#define CAPSHAPE_VALIDATION_EMULATOR_ASYNCHRONOUS_H

#include <stddef.h>
#include <stdint.h>

struct CUtensorMap_st;

uint32_t emulator_shared_address(const void *memory);

void emulator_barrier_create(uint32_t barrier, uint32_t arrivals);
void emulator_barriers_created();
/* One arrival, `bytes` more to come. */
void emulator_barrier_arrive(uint32_t barrier, uint32_t bytes);
void emulator_barrier_wait(uint32_t barrier, uint32_t parity);

void emulator_tile_load(uint32_t target, const CUtensorMap_st *map, int column, int row, uint32_t barrier);
/* By maps of three dimensions. */
void emulator_panel_load(uint32_t target, const CUtensorMap_st *map, int column, int group, int row, uint32_t barrier);
void emulator_panel_store(const CUtensorMap_st *map, uint32_t source, int column, int group, int row);
void emulator_tile_store_end_group();
void emulator_tile_store_wait(long left);
void emulator_tile_written();

/* bar.sync of `count` threads. */
void emulator_group_meet(int number, int count);
void emulator_set_registers(int count);
void emulator_group_begin();
/* sums[columns / 2]: of this thread; nobody may touch them until emulator_group_wait(). */
void emulator_group_multiply(float *sums, int columns, uint64_t left, uint64_t right, bool across, bool add);
void emulator_group_end_batch();
void emulator_group_wait(long left);

#endif
