/* What the parts of the emulator that run inside a kernel know of one another: emulator.cpp and the others.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_EMULATOR_MACHINE_H
#define CAPSHAPE_VALIDATION_EMULATOR_MACHINE_H

#include <stddef.h>
#include <stdint.h>

#include <functional>

/* ---- emulator.cpp */

/* The running thread's number in its block, threads of the block, and the order that a test has set. */
int machine_thread();
int machine_threads();
unsigned machine_order();
/* The block's shared memory. */
unsigned char *machine_shared();
size_t machine_shared_bytes();
/* The thread goes on when that is so; the program ends if that never happens. */
void machine_wait_until(std::function<bool()> condition);
[[noreturn]] void machine_give_up(const char *reason);

/* ---- copies.cpp */

void copies_begin_block();
void copies_end_thread();

/* ---- tiles.cpp */

void tiles_begin_block();
void tiles_end_thread();
void tiles_end_block();
/* A turn of all threads is over; `stuck`: none of them can go on. Whether anything was done. */
bool tiles_advance(bool stuck);
/* What a product reads: sixteen bytes at the address, or the program ends. Adds the phase of a barrier that its readers must have waited for. */
struct tile_need {
	uint32_t barrier;
	uint64_t phases;
};
const unsigned char *tiles_read(uint32_t address, tile_need *need_out);
/* Ends the program unless the running thread has waited for that phase. */
void tiles_check_need(const tile_need &need);

/* ---- group_products.cpp */

void group_products_begin_block();
void group_products_end_thread();
/* Ends the program where a product that is not done may still read these bytes. */
void group_products_check_write(uint32_t begin, uint32_t bytes);

#endif
