/* Runs CUDA kernels on a processor: coroutines for threads, and the runtime calls of cuda_runtime_api.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "cuda_runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

#include <map>
#include <vector>

#if defined __SANITIZE_ADDRESS__
#define EMULATOR_SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define EMULATOR_SANITIZED 1
#endif
#endif
#ifdef EMULATOR_SANITIZED
#include <sanitizer/common_interface_defs.h>
#endif

namespace
{

enum { STACK_BYTES = 128 << 10, MOST_THREADS = 1024, WARP_LANES = 32, MOST_SHARED = 227 << 10 };

const size_t MOST_MEMORY = (size_t)1 << 40;

/* A copy to shared memory that is on its way. */
struct copy {
	void *target;
	const void *source;
	size_t bytes;
	long group;
};

enum state { RUNNABLE, WAITS_FOR_BLOCK, WAITS_FOR_WARP, ENDED };

struct coroutine {
	ucontext_t context;
	void *stack;
	emulator_place place;
	state now;
	/* Exchanges in a warp: what this lane waits for, gives, and got. */
	uint32_t mask;
	uint64_t value;
	/* What it gave to emulator_gather(). */
	unsigned char room[2][32];
	int turn;
	/* Its copies that are on their way, and the number of the group that the next one is of. */
	std::vector<copy> copies;
	long group;
	void *sanitizer_stack;
};

struct machine {
	std::vector<coroutine> threads;
	ucontext_t scheduler;
	void *scheduler_stack;
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

machine emulator;

/* Device memory: sizes by address. */
std::map<const char *, size_t> allocations;

/* What failed stays until it is asked for, as on a GPU: a launch reports what a call before it has left. */
cudaError_t last_error = cudaSuccess;

cudaError_t fail(cudaError_t error)
{
	last_error = error;
	return error;
}

void give_way()
{
	coroutine &self = emulator.threads[(size_t)emulator.current];
#ifdef EMULATOR_SANITIZED
	__sanitizer_start_switch_fiber(self.now == ENDED ? nullptr : &self.sanitizer_stack, emulator.scheduler_bottom,
	                               emulator.scheduler_size);
#endif
	swapcontext(&self.context, &emulator.scheduler);
#ifdef EMULATOR_SANITIZED
	__sanitizer_finish_switch_fiber(self.sanitizer_stack, &emulator.scheduler_bottom, &emulator.scheduler_size);
#endif
}

[[noreturn]] void give_up(const char *reason)
{
	fprintf(stderr, "CUDA emulator: block (%u, %u, %u): %s\n", emulator_here.block.x, emulator_here.block.y,
	        emulator_here.block.z, reason);
	for (int i = 0; i < emulator.count; i++)
		if (emulator.threads[(size_t)i].now != ENDED)
			fprintf(stderr, "  thread %d waits for its %s\n", i,
			        emulator.threads[(size_t)i].now == WAITS_FOR_BLOCK ? "block" : "warp");
	abort();
}

void body()
{
#ifdef EMULATOR_SANITIZED
	__sanitizer_finish_switch_fiber(nullptr, &emulator.scheduler_bottom, &emulator.scheduler_size);
#endif
	(*emulator.kernel)();
	if (!emulator.threads[(size_t)emulator.current].copies.empty())
		give_up("a thread ends with copies on their way");
	emulator.threads[(size_t)emulator.current].now = ENDED;
	give_way();
}

void resume(int number)
{
	coroutine &thread = emulator.threads[(size_t)number];
	emulator.current = number;
	emulator_here = thread.place;
#ifdef EMULATOR_SANITIZED
	__sanitizer_start_switch_fiber(&emulator.scheduler_stack, thread.stack, STACK_BYTES);
#endif
	swapcontext(&emulator.scheduler, &thread.context);
#ifdef EMULATOR_SANITIZED
	__sanitizer_finish_switch_fiber(emulator.scheduler_stack, nullptr, nullptr);
#endif
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
		if (thread.stack == nullptr)
			thread.stack = malloc(STACK_BYTES);
		thread.place.thread = { number % threads.x, number / threads.x % threads.y,
			                number / threads.x / threads.y };
		thread.place.block = block;
		thread.place.threads = threads;
		thread.place.blocks = blocks;
		thread.now = RUNNABLE;
		thread.group = 0;
		getcontext(&thread.context);
		thread.context.uc_stack.ss_sp = thread.stack;
		thread.context.uc_stack.ss_size = STACK_BYTES;
		thread.context.uc_link = nullptr;
		makecontext(&thread.context, body, 0);
	}
}

} // namespace

emulator_place emulator_here;

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

void emulator_copy_begin(void *target, const void *source, size_t bytes, bool there)
{
	coroutine &self = emulator.threads[(size_t)emulator.current];
	if ((reinterpret_cast<uintptr_t>(target) | reinterpret_cast<uintptr_t>(source)) % bytes != 0)
		give_up("a copy to shared memory is not aligned");
	memset(target, 0xff, bytes);
	self.copies.push_back({ target, there ? source : nullptr, bytes, self.group });
}

void emulator_copy_end_group()
{
	emulator.threads[(size_t)emulator.current].group++;
}

void emulator_copy_wait(long left)
{
	coroutine &self = emulator.threads[(size_t)emulator.current];
	size_t done = 0;
	for (; done < self.copies.size() && self.copies[done].group < self.group - left; done++) {
		const copy &it = self.copies[done];
		if (it.source != nullptr)
			memcpy(it.target, it.source, it.bytes);
		else
			memset(it.target, 0, it.bytes);
	}
	self.copies.erase(self.copies.begin(), self.copies.begin() + (long)done);
}

void emulator_check_rows(const void *const *rows, size_t alignment)
{
	for (int lane = 0; lane < WARP_LANES; lane++)
		if (*static_cast<const uintptr_t *>(rows[lane]) % alignment != 0)
			give_up("a row of a matrix is not aligned");
}

void emulator_check_pointer(const void *pointer)
{
	const char *address = static_cast<const char *>(pointer);
	auto next = allocations.upper_bound(address);
	if (address == nullptr)
		return;
	/* A pointer just behind the end is one, too. */
	if (next == allocations.begin() || address > std::prev(next)->first + std::prev(next)->second)
		give_up("a kernel is given a pointer to memory of the host");
}

void emulator_run(const std::function<void()> &kernel, dim3 blocks, dim3 threads, size_t shared)
{
	unsigned count = threads.x * threads.y * threads.z;

	if (count == 0 || count > MOST_THREADS || threads.z > 64 || blocks.y > 65535 || blocks.z > 65535 ||
	    shared > MOST_SHARED) {
		fprintf(stderr,
		        "CUDA emulator: no GPU takes a launch of %u x %u x %u blocks of %u threads with %zu bytes\n",
		        blocks.x, blocks.y, blocks.z, count, shared);
		fail(cudaErrorInvalidValue);
		return;
	}
	emulator.launches++;
	emulator.kernel = &kernel;
	emulator.count = (int)count;
	emulator.shared.assign(shared, 0xa5);
	if (emulator.threads.size() < count)
		emulator.threads.resize(MOST_THREADS);
	for (unsigned z = 0; z < blocks.z; z++)
		for (unsigned y = 0; y < blocks.y; y++)
			for (unsigned x = 0; x < blocks.x; x++) {
				prepare_block(blocks, threads, { x, y, z });
				run_block();
			}
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

/* Of the devices, which all are this processor: as many as the environment variable CAPSHAPE_EMULATOR_DEVICES says, else one. */
static int devices = -1, current_device;

void emulator_set_devices(int count)
{
	devices = count;
	current_device = 0;
}

cudaError_t cudaGetDeviceCount(int *count)
{
	const char *said = getenv("CAPSHAPE_EMULATOR_DEVICES");
	if (devices < 0)
		devices = said == nullptr ? 1 : atoi(said);
	*count = devices;
	return devices > 0 ? cudaSuccess : fail(cudaErrorInvalidValue);
}

cudaError_t cudaGetDevice(int *device)
{
	*device = current_device;
	return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
	int count;
	if (cudaGetDeviceCount(&count) != cudaSuccess || device < 0 || device >= count)
		return fail(cudaErrorInvalidValue);
	current_device = device;
	return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device)
{
	int major = device == 1 ? 7 : 9;
	*value = attribute == cudaDevAttrMultiProcessorCount      ? 4
	         : attribute == cudaDevAttrComputeCapabilityMajor ? major
	                                                          : 0;
	return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device)
{
	(void)device;
	memset(properties, 0, sizeof *properties);
	snprintf(properties->name, sizeof properties->name, "emulated device");
	return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char *bus, int size, int device)
{
	const char *list = getenv("CAPSHAPE_EMULATOR_BUS");
	unsigned process = (unsigned)getpid();
	for (int i = 0; list != nullptr && i < device; i++) {
		list = strchr(list, ',');
		list = list == nullptr ? nullptr : list + 1;
	}
	if (list != nullptr && *list != '\0')
		snprintf(bus, (size_t)size, "%.*s", (int)strcspn(list, ","), list);
	else
		snprintf(bus, (size_t)size, "%04X:%02X:%02X.0", process >> 8 & 0xffff, process & 0xff,
		         (unsigned)device & 0x1f);
	return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t error)
{
	return error == cudaSuccess                 ? "no error"
	       : error == cudaErrorMemoryAllocation ? "out of memory"
	                                            : "invalid value";
}

cudaError_t cudaGetLastError(void)
{
	cudaError_t error = last_error;
	last_error = cudaSuccess;
	return error;
}

cudaError_t cudaMemGetInfo(size_t *left, size_t *all)
{
	*left = *all = MOST_MEMORY;
	for (const auto &allocation : allocations)
		*left -= allocation.second;
	return cudaSuccess;
}

/* Not zeroed, as on a device: 0xff bytes are no numbers. */
cudaError_t cudaMalloc(void **memory, size_t bytes)
{
	*memory = bytes > MOST_MEMORY ? nullptr : aligned_alloc(256, (bytes + 255) / 256 * 256);
	if (*memory == nullptr)
		return fail(cudaErrorMemoryAllocation);
	memset(*memory, 0xff, (bytes + 255) / 256 * 256);
	allocations[static_cast<const char *>(*memory)] = bytes;
	return cudaSuccess;
}

cudaError_t cudaFree(void *memory)
{
	allocations.erase(static_cast<const char *>(memory));
	free(memory);
	return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned flags)
{
	(void)flags;
	*memory = malloc(bytes);
	return *memory == nullptr ? fail(cudaErrorMemoryAllocation) : cudaSuccess;
}

cudaError_t cudaFreeHost(void *memory)
{
	free(memory);
	return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *target, const void *source, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
	(void)kind, (void)stream;
	memcpy(target, source, bytes);
	return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream)
{
	(void)stream;
	memset(memory, value, bytes);
	return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
	(void)flags;
	*stream = reinterpret_cast<cudaStream_t>(&emulator);
	return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
	(void)stream;
	return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
	(void)stream;
	return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
	(void)flags;
	*event = reinterpret_cast<cudaEvent_t>(&emulator);
	return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
	(void)event, (void)stream;
	return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
	(void)event;
	return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
	(void)event;
	return cudaSuccess;
}
}
