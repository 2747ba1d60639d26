/* Sorting by the radix sort of CUB, which comes with the CUDA toolkit. Integers alone: its order of work changes no bits.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/sort.h"

#include <cub/device/device_radix_sort.cuh>

#include "kernels/cuda/launch.h"

enum { THREADS = 256, KEY_BITS = 31 };

static __global__ void number_places(int32_t *places, int count)
{
	int i = (int)(blockIdx.x * THREADS + threadIdx.x);

	if (i < count)
		places[i] = i;
}

/* The unsorted places lie before the memory of CUB. */
static size_t places_bytes(int64_t count)
{
	return ((size_t)count * sizeof(int32_t) + 255) / 256 * 256;
}

static cudaError_t sort(const struct device *device, void *room, size_t *bytes, const int32_t *keys, int32_t *sorted,
                        const int32_t *numbers, int32_t *places, int64_t count)
{
	return cub::DeviceRadixSort::SortPairs(room, *bytes, (const uint32_t *)keys, (uint32_t *)sorted, numbers,
	                                       places, (int)count, 0, KEY_BITS, device->stream);
}

enum status cuda_sort_room(struct device *device, int64_t count, size_t *bytes_out)
{
	size_t bytes = 0;

	STATUS_TRY(cuda_check(device, sort(device, NULL, &bytes, NULL, NULL, NULL, NULL, count), "sort"));
	*bytes_out = places_bytes(count) + bytes;
	return STATUS_OK;
}

enum status cuda_sort(struct device *device, int32_t *sorted, int32_t *places, const int32_t *keys, int64_t count,
                      void *room, size_t bytes)
{
	int32_t *numbers = (int32_t *)room;
	size_t rest = bytes - places_bytes(count);

	STATUS_TRY(CUDA_LAUNCH(device, "sort", number_places, cuda_blocks(count, THREADS, INT32_MAX), THREADS, 0,
	                       numbers, (int)count));
	return cuda_check(device,
	                  sort(device, (char *)room + places_bytes(count), &rest, keys, sorted, numbers, places, count),
	                  "sort");
}
