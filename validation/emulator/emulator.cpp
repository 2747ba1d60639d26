/* Runs CUDA kernels on a processor: coroutines for threads. A launch is put into its stream (streams.h) and runs when that
 * comes to it; runtime.cpp has the other calls of cuda_runtime_api.h.
 * SPDX-License-Identifier: Apache-2.0 */
/* The checks of longjmp() allow no jumps between stacks. */
#undef _FORTIFY_SOURCE

#include "cuda_runtime.h"

#include <stdio.h>
#include <stdlib.h>

#include <vector>

#include "coroutine.h"
#include "machine.h"
#include "streams.h"

namespace
{

enum { STACK_BYTES = 128 << 10, MOST_THREADS = 1024, WARP_LANES = 32, MOST_SHARED = 227 << 10 };

enum state { RUNNABLE, WAITS_FOR_BLOCK, WAITS_FOR_WARP, WAITS_FOR_MORE, ENDED };

/* Its stack is kept from block to block. */
struct coroutine {
	switch_point at;
	void *stack;
	emulator_place place;
	state now;
	/* Exchanges in a warp: what this lane waits for, gives, and got. */
	uint32_t mask;
	uint64_t value;
	/* What it gave to emulator_gather(). */
	unsigned char room[2][32];
	int turn;
	/* WAITS_FOR_MORE: until that is so. */
	std::function<bool()> condition;
};

struct machine {
	std::vector<coroutine> threads;
	switch_point scheduler;
	const void *scheduler_bottom;
	size_t scheduler_size;
	const std::function<void()> *kernel;
	std::vector<unsigned char> shared;
	int count, current;
	unsigned order;
	long launches;
	/* Values of the last exchange of each warp, by lane. */
	uint64_t given[MOST_THREADS];
};

/* Never gone, as threads may outlive main(). */
machine &emulator = *new machine;

void give_way()
{
	coroutine &self = emulator.threads[(size_t)emulator.current];
	switch_announce(&self.at, emulator.scheduler_bottom, emulator.scheduler_size);
	switch_stacks(&self.at, &emulator.scheduler);
	switch_arrive(&emulator.threads[(size_t)emulator.current].at, &emulator.scheduler_bottom,
	              &emulator.scheduler_size);
}

[[noreturn]] void give_up(const char *reason)
{
	static const char *const waits[] = { "runs", "waits for its block", "waits for its warp",
		                             "waits for a barrier or products" };
	fprintf(stderr, "CUDA emulator: block (%u, %u, %u): %s\n", emulator_here.block.x, emulator_here.block.y,
	        emulator_here.block.z, reason);
	for (int i = 0; i < emulator.count; i++)
		if (emulator.threads[(size_t)i].now != ENDED)
			fprintf(stderr, "  thread %d %s\n", i, waits[emulator.threads[(size_t)i].now]);
	abort();
}

/* A thread of one block after the other. */
void body()
{
	switch_arrive(nullptr, &emulator.scheduler_bottom, &emulator.scheduler_size);
	for (;;) {
		(*emulator.kernel)();
		copies_end_thread();
		tiles_end_thread();
		group_products_end_thread();
		emulator.threads[(size_t)emulator.current].now = ENDED;
		give_way();
	}
}

void resume(int number)
{
	coroutine &thread = emulator.threads[(size_t)number];
	bool begun = thread.stack != nullptr;
	emulator.current = number;
	emulator_here = thread.place;
	if (!begun)
		thread.stack = malloc(STACK_BYTES);
	if (thread.stack == nullptr)
		emulator_give_up("there is no memory for the stacks of threads");
	switch_announce(&emulator.scheduler, thread.stack, STACK_BYTES);
	if (begun)
		switch_stacks(&emulator.scheduler, &thread.at);
	else
		switch_begin(&emulator.scheduler, thread.stack, STACK_BYTES, body);
	switch_arrive(&emulator.scheduler, nullptr, nullptr);
}

/* Threads that wait go on when all that they wait for wait for the same. */
bool release_block()
{
	bool any = false;
	for (int i = 0; i < emulator.count; i++) {
		state now = emulator.threads[(size_t)i].now;
		if (now != ENDED && now != WAITS_FOR_BLOCK)
			return false;
		any |= now == WAITS_FOR_BLOCK;
	}
	for (int i = 0; i < emulator.count; i++)
		if (emulator.threads[(size_t)i].now == WAITS_FOR_BLOCK)
			emulator.threads[(size_t)i].now = RUNNABLE;
	return any;
}

bool group_is_complete(int first, uint32_t mask)
{
	for (int lane = 0; lane < WARP_LANES; lane++) {
		if (!(mask >> lane & 1))
			continue;
		if (first + lane >= emulator.count)
			return false;
		const coroutine &thread = emulator.threads[(size_t)(first + lane)];
		if (thread.now != WAITS_FOR_WARP || thread.mask != mask)
			return false;
	}
	return true;
}

bool release_warps()
{
	bool any = false;
	for (int i = 0; i < emulator.count; i++) {
		if (emulator.threads[(size_t)i].now != WAITS_FOR_WARP)
			continue;
		int first = i / WARP_LANES * WARP_LANES;
		uint32_t mask = emulator.threads[(size_t)i].mask;
		if (!group_is_complete(first, mask))
			continue;
		for (int lane = 0; lane < WARP_LANES; lane++)
			if (mask >> lane & 1) {
				emulator.given[first + lane] = emulator.threads[(size_t)(first + lane)].value;
				emulator.threads[(size_t)(first + lane)].now = RUNNABLE;
			}
		any = true;
	}
	return any;
}

bool release_others()
{
	bool any = false;
	for (int i = 0; i < emulator.count; i++) {
		coroutine &thread = emulator.threads[(size_t)i];
		if (thread.now == WAITS_FOR_MORE && thread.condition()) {
			thread.now = RUNNABLE;
			any = true;
		}
	}
	return any;
}

/* The place of turn `turn` in the order of threads: a permutation. */
int thread_of_turn(int turn)
{
	if (emulator.order == 0)
		return turn;
	if (emulator.order == 1)
		return emulator.count - 1 - turn;
	/* An odd factor is a permutation of the powers of two up to 1,024; what lies beyond the count is left out. */
	return (int)(((unsigned)turn * (2 * emulator.order + 1) + 7 * emulator.order) % MOST_THREADS);
}

void run_block()
{
	for (;;) {
		bool ran = false;
		int turns = emulator.order < 2 ? emulator.count : MOST_THREADS;
		for (int turn = 0; turn < turns; turn++) {
			int number = thread_of_turn(turn);
			if (number >= emulator.count || emulator.threads[(size_t)number].now != RUNNABLE)
				continue;
			resume(number);
			ran = true;
		}
		bool released = release_warps();
		released |= release_block();
		released |= release_others();
		released |= tiles_advance(!ran && !released);
		if (ran || released)
			continue;
		for (int i = 0; i < emulator.count; i++)
			if (emulator.threads[(size_t)i].now != ENDED)
				give_up("threads wait for others that never come");
		return;
	}
}

void prepare_block(dim3 blocks, dim3 threads, uint3 block)
{
	for (int i = 0; i < emulator.count; i++) {
		coroutine &thread = emulator.threads[(size_t)i];
		unsigned number = (unsigned)i;
		thread.place.thread = { number % threads.x, number / threads.x % threads.y,
			                number / threads.x / threads.y };
		thread.place.block = block;
		thread.place.threads = threads;
		thread.place.blocks = blocks;
		thread.now = RUNNABLE;
	}
}

} // namespace

emulator_place emulator_here;

int machine_thread()
{
	return emulator.current;
}

int machine_threads()
{
	return emulator.count;
}

unsigned machine_order()
{
	return emulator.order;
}

unsigned char *machine_shared()
{
	return emulator.shared.data();
}

size_t machine_shared_bytes()
{
	return emulator.shared.size();
}

void machine_wait_until(std::function<bool()> condition)
{
	coroutine &self = emulator.threads[(size_t)emulator.current];
	if (condition())
		return;
	self.condition = std::move(condition);
	self.now = WAITS_FOR_MORE;
	give_way();
}

void machine_give_up(const char *reason)
{
	give_up(reason);
}

void *emulator_shared()
{
	return emulator.shared.data();
}

void emulator_wait_block()
{
	emulator.threads[(size_t)emulator.current].now = WAITS_FOR_BLOCK;
	give_way();
}

static void wait_warp(uint32_t mask, uint64_t value)
{
	coroutine &self = emulator.threads[(size_t)emulator.current];
	if (!(mask >> emulator.current % WARP_LANES & 1))
		give_up("a thread is not in the mask that it passes");
	/* The last warp of a block may be short; a full mask is then of all its lanes. */
	int rest = emulator.count - emulator.current / WARP_LANES * WARP_LANES;
	if (rest < WARP_LANES)
		mask &= (1u << rest) - 1;
	self.mask = mask;
	self.value = value;
	self.now = WAITS_FOR_WARP;
	give_way();
}

uint64_t emulator_exchange(uint32_t mask, uint64_t value, int source)
{
	int first = emulator.current / WARP_LANES * WARP_LANES;
	wait_warp(mask, value);
	bool there = source >= 0 && source < WARP_LANES && (mask >> source & 1) && first + source < emulator.count;
	uint64_t result = there ? emulator.given[first + source] : value;
	return result;
}

/* Two rooms in turn: who fills one for the second time has waited for all lanes since the first. */
const void *const *emulator_gather(uint32_t mask, const void *value, size_t bytes)
{
	coroutine &self = emulator.threads[(size_t)emulator.current];
	int first = emulator.current / WARP_LANES * WARP_LANES;
	if (bytes > sizeof self.room[0])
		give_up("a thread gathers more than there is room for");
	self.turn ^= 1;
	memcpy(self.room[self.turn], value, bytes);
	wait_warp(mask, reinterpret_cast<uint64_t>(self.room[self.turn]));
	return reinterpret_cast<const void *const *>(emulator.given + first);
}

uint32_t emulator_vote(uint32_t mask, bool vote)
{
	int first = emulator.current / WARP_LANES * WARP_LANES;
	uint32_t votes = 0;
	wait_warp(mask, vote);
	for (int lane = 0; lane < WARP_LANES; lane++)
		if ((mask >> lane & 1) && first + lane < emulator.count && emulator.given[first + lane])
			votes |= 1u << lane;
	return votes;
}

void emulator_check_rows(const void *const *rows, size_t alignment)
{
	for (int lane = 0; lane < WARP_LANES; lane++)
		if (*static_cast<const uintptr_t *>(rows[lane]) % alignment != 0)
			give_up("a row of a matrix is not aligned");
}

static void run_kernel(const std::function<void()> &kernel, dim3 blocks, dim3 threads, size_t shared)
{
	emulator.kernel = &kernel;
	emulator.count = (int)(threads.x * threads.y * threads.z);
	emulator.shared.assign(shared, 0xa5);
	if ((int)emulator.threads.size() < emulator.count)
		emulator.threads.resize(MOST_THREADS);
	for (unsigned z = 0; z < blocks.z; z++)
		for (unsigned y = 0; y < blocks.y; y++)
			for (unsigned x = 0; x < blocks.x; x++) {
				prepare_block(blocks, threads, { x, y, z });
				copies_begin_block();
				tiles_begin_block();
				group_products_begin_block();
				run_block();
				tiles_end_block();
			}
}

void emulator_enqueue_kernel(cudaStream_t stream, std::function<void()> kernel, dim3 blocks, dim3 threads,
                             size_t shared)
{
	unsigned count = threads.x * threads.y * threads.z;

	if (count == 0 || count > MOST_THREADS || threads.z > 64 || blocks.y > 65535 || blocks.z > 65535 ||
	    shared > MOST_SHARED) {
		fprintf(stderr,
		        "CUDA emulator: no GPU takes a launch of %u x %u x %u blocks of %u threads with %zu bytes\n",
		        blocks.x, blocks.y, blocks.z, count, shared);
		emulator_set_error(cudaErrorInvalidValue);
		return;
	}
	streams_guard guard;
	emulator.launches++;
	stream_enqueue(stream, [kernel = std::move(kernel), blocks, threads, shared] {
		run_kernel(kernel, blocks, threads, shared);
		return true;
	});
}

extern "C" {

void emulator_set_order(unsigned order)
{
	emulator.order = order;
}

long emulator_launches(void)
{
	return emulator.launches;
}
}
