/* The calls of cuda_runtime_api.h: devices, which are all this processor, their memory, streams and events.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <map>
#include <set>
#include <vector>

#include "cuda_runtime.h"
#include "streams.h"

/* What it was recorded at last; NULL: never. */
struct CUevent_st {
	stream_place last;
};

namespace
{

const size_t MOST_MEMORY = (size_t)1 << 40;
const int HIGHEST_PRIORITY = -5;

/* Device memory: sizes by address. These are never gone, as threads may outlive main(). */
std::map<const char *, size_t> &allocations = *new std::map<const char *, size_t>;
std::set<cudaEvent_t> &events = *new std::set<cudaEvent_t>;
std::set<const void *> &registered = *new std::set<const void *>; /* host memory */

int devices = -1; /* not yet asked for */
thread_local int current_device;
thread_local cudaError_t last_error = cudaSuccess;

/* The allocation that begins last of those that begin at or before the pointer. */
bool find_allocation(const void *pointer, const char **begin_out, size_t *bytes_out)
{
	auto next = allocations.upper_bound(static_cast<const char *>(pointer));
	if (next == allocations.begin())
		return false;
	*begin_out = std::prev(next)->first;
	*bytes_out = std::prev(next)->second;
	return true;
}

void check_device_memory(const void *memory, size_t bytes)
{
	if (!emulator_is_device_memory(memory, bytes))
		emulator_give_up("a copy or clearing of device memory is not of one allocation of it");
}

void check_host_memory(const void *memory)
{
	const char *begin;
	size_t bytes;
	if (find_allocation(memory, &begin, &bytes) && static_cast<const char *>(memory) < begin + bytes)
		emulator_give_up("a copy takes device memory for the host's");
}

CUevent_st *event_of(cudaEvent_t event)
{
	if (events.count(event) == 0)
		emulator_give_up("an event is asked for that is not there, or no longer");
	return event;
}

/* One step, if anything is left to be done. */
cudaError_t query(const stream_place &place)
{
	if (place == nullptr || place->reached)
		return cudaSuccess;
	streams_advance(place->stream);
	return place->reached ? cudaSuccess : emulator_set_error(cudaErrorNotReady);
}

} // namespace

cudaError_t emulator_set_error(cudaError_t error)
{
	last_error = error;
	return error;
}

bool emulator_is_device_memory(const void *memory, size_t bytes)
{
	const char *begin;
	size_t size;
	return find_allocation(memory, &begin, &size) && static_cast<const char *>(memory) + bytes <= begin + size;
}

void emulator_check_pointer(const void *pointer)
{
	streams_guard guard;
	/* A pointer just behind the end is one, too. */
	if (pointer != nullptr && !emulator_is_device_memory(pointer, 0))
		emulator_give_up("a kernel is given a pointer to memory of the host");
}

extern "C" {

void emulator_enqueue(cudaStream_t stream, void (*work)(void *arguments), const void *arguments, size_t bytes)
{
	streams_guard guard;
	const unsigned char *begin = static_cast<const unsigned char *>(arguments);
	std::vector<unsigned char> copy(begin, begin + bytes);
	stream_enqueue(stream, [work, copy = std::move(copy)]() mutable {
		work(copy.data());
		return true;
	});
}

/* ---- devices */

void emulator_set_devices(int count)
{
	devices = count;
	current_device = 0;
}

cudaError_t cudaGetDeviceCount(int *count)
{
	const char *given = getenv("CAPSHAPE_EMULATOR_DEVICES");
	if (devices < 0)
		devices = given == nullptr ? 1 : atoi(given);
	*count = devices;
	return devices > 0 ? cudaSuccess : emulator_set_error(cudaErrorInvalidValue);
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
		return emulator_set_error(cudaErrorInvalidValue);
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

cudaError_t cudaDeviceGetPCIBusId(char *text, int length, int device)
{
	const char *given = getenv("CAPSHAPE_EMULATOR_BUS");
	unsigned process = (unsigned)getpid();
	int written, count;

	if (cudaGetDeviceCount(&count) != cudaSuccess || device < 0 || device >= count || length <= 0)
		return emulator_set_error(cudaErrorInvalidValue);
	for (int i = 0; given != nullptr && i < device; i++) {
		given = strchr(given, ',');
		given = given == nullptr ? nullptr : given + 1;
	}
	if (given != nullptr && *given != '\0')
		written = snprintf(text, (size_t)length, "%.*s", (int)strcspn(given, ","), given);
	else
		written = snprintf(text, (size_t)length, "%04X:%02X:%02X.0", process >> 8 & 0xffff, process & 0xff,
		                   (unsigned)device & 0x1f);
	return written < length ? cudaSuccess : emulator_set_error(cudaErrorInvalidValue);
}

cudaError_t cudaMemGetInfo(size_t *left, size_t *all)
{
	streams_guard guard;
	*left = *all = MOST_MEMORY;
	for (const auto &allocation : allocations)
		*left -= allocation.second;
	return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void)
{
	streams_guard guard;
	streams_finish_all(guard);
	return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t error)
{
	switch (error) {
	case cudaSuccess:
		return "no error";
	case cudaErrorMemoryAllocation:
		return "out of memory";
	case cudaErrorNotReady:
		return "device not ready";
	default:
		return "invalid value";
	}
}

cudaError_t cudaGetLastError(void)
{
	cudaError_t error = last_error;
	last_error = cudaSuccess;
	return error;
}

/* ---- memory */

/* Not zeroed, as on a device: 0xff bytes are no numbers. */
cudaError_t cudaMalloc(void **memory, size_t bytes)
{
	*memory = bytes > MOST_MEMORY ? nullptr : aligned_alloc(256, (bytes + 255) / 256 * 256);
	if (*memory == nullptr)
		return emulator_set_error(cudaErrorMemoryAllocation);
	memset(*memory, 0xff, (bytes + 255) / 256 * 256);
	streams_guard guard;
	allocations[static_cast<const char *>(*memory)] = bytes;
	return cudaSuccess;
}

cudaError_t cudaFree(void *memory)
{
	if (memory == nullptr)
		return cudaSuccess;
	streams_guard guard;
	streams_finish_all(guard);
	if (allocations.erase(static_cast<const char *>(memory)) == 0)
		emulator_give_up("device memory is given back that was not allocated, or twice");
	free(memory);
	return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **memory, size_t bytes, unsigned flags)
{
	(void)flags;
	*memory = malloc(bytes);
	return *memory == nullptr ? emulator_set_error(cudaErrorMemoryAllocation) : cudaSuccess;
}

cudaError_t cudaFreeHost(void *memory)
{
	if (memory == nullptr)
		return cudaSuccess;
	streams_guard guard;
	streams_finish_all(guard);
	free(memory);
	return cudaSuccess;
}

/* Nothing is locked; but only what was registered may be taken back. */
cudaError_t cudaHostRegister(void *memory, size_t bytes, unsigned flags)
{
	(void)bytes, (void)flags;
	streams_guard guard;
	return registered.insert(memory).second ? cudaSuccess : emulator_set_error(cudaErrorInvalidValue);
}

cudaError_t cudaHostUnregister(void *memory)
{
	streams_guard guard;
	streams_finish_all(guard);
	return registered.erase(memory) == 1 ? cudaSuccess : emulator_set_error(cudaErrorInvalidValue);
}

/* The host's memory is read or written when the stream comes to it, page-locked or not: no program may rely on the copy
 * that the driver makes of other memory. */
cudaError_t cudaMemcpyAsync(void *target, const void *source, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
	streams_guard guard;
	if (bytes == 0)
		return cudaSuccess;
	if (kind == cudaMemcpyHostToDevice)
		check_host_memory(source);
	else
		check_device_memory(source, bytes);
	if (kind == cudaMemcpyDeviceToHost)
		check_host_memory(target);
	else
		check_device_memory(target, bytes);
	stream_enqueue(stream, [=] {
		memcpy(target, source, bytes);
		return true;
	});
	return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream)
{
	streams_guard guard;
	if (bytes == 0)
		return cudaSuccess;
	check_device_memory(memory, bytes);
	stream_enqueue(stream, [=] {
		memset(memory, value, bytes);
		return true;
	});
	return cudaSuccess;
}

/* ---- streams and events */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
	(void)flags;
	streams_guard guard;
	*stream = stream_create();
	return cudaSuccess;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority)
{
	/* Which stream goes on is the schedule's choice. */
	if (priority > 0 || priority < HIGHEST_PRIORITY)
		return emulator_set_error(cudaErrorInvalidValue);
	return cudaStreamCreateWithFlags(stream, flags);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *lowest, int *highest)
{
	*lowest = 0;
	*highest = HIGHEST_PRIORITY;
	return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
	streams_guard guard;
	stream_check(stream);
	streams_finish(guard, stream);
	return cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream)
{
	streams_guard guard;
	stream_check(stream);
	if (!stream_is_idle(stream))
		streams_advance(stream);
	return stream_is_idle(stream) ? cudaSuccess : emulator_set_error(cudaErrorNotReady);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
	(void)flags;
	streams_guard guard;
	stream_wait_for(stream, event_of(event)->last);
	return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
	streams_guard guard;
	stream_destroy(stream);
	return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
	(void)flags;
	streams_guard guard;
	*event = new CUevent_st();
	events.insert(*event);
	return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
	streams_guard guard;
	event_of(event)->last = stream_mark_here(stream);
	return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
	streams_guard guard;
	stream_place place = event_of(event)->last;
	if (place != nullptr)
		streams_finish(guard, place);
	return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
	streams_guard guard;
	return query(event_of(event)->last);
}

/* Who waits for what it was recorded at goes on waiting. */
cudaError_t cudaEventDestroy(cudaEvent_t event)
{
	streams_guard guard;
	delete event_of(event);
	events.erase(event);
	return cudaSuccess;
}
}
