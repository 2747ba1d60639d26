/* Whole arrays on the CPU device: allocated, copied, cleared, filled, by all threads where they are large.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "base/random.h"
#include "kernels/cpu/cpu.h"

enum { ITEM_BYTES = 1 << 20 };

struct range {
	char *target;
	const char *source; /* NULL: zeros */
	size_t bytes;
};

static void range_write(void *context, int64_t item, int thread)
{
	(void)thread;
	const struct range *range = context;
	size_t first = (size_t)item * ITEM_BYTES, left = range->bytes - first;
	size_t bytes = left < ITEM_BYTES ? left : ITEM_BYTES;
	if (range->source == NULL)
		memset(range->target + first, 0, bytes);
	else
		memcpy(range->target + first, range->source + first, bytes);
}

static enum status write_all(struct device *device, struct range range)
{
	cpu_parallel(device, (int64_t)((range.bytes + ITEM_BYTES - 1) / ITEM_BYTES), range_write, &range);
	return STATUS_OK;
}

enum status cpu_copy(struct device *device, void *target, const void *source, size_t bytes)
{
	return write_all(device, (struct range){ target, source, bytes });
}

enum status cpu_clear(struct device *device, void *memory, size_t bytes)
{
	return write_all(device, (struct range){ memory, NULL, bytes });
}

/* Products walk down columns of matrices with rows of hundreds of kilobytes, a page each: large arrays are put on huge
 * pages where the system has them. */
enum { HUGE_PAGE = 1 << 21, LARGE_BYTES = 4 * HUGE_PAGE };

void *cpu_allocate(struct device *device, size_t bytes)
{
	if (bytes < LARGE_BYTES || bytes > SIZE_MAX - HUGE_PAGE)
		return memory_allocate(bytes, 1);
	size_t rounded = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	void *memory = aligned_alloc(HUGE_PAGE, rounded);
	if (memory == NULL) {
		error_raise(STATUS_ENVIRONMENT, "out of memory: %zu bytes asked for", bytes);
		return NULL;
	}
#ifdef MADV_HUGEPAGE
	(void)madvise(memory, rounded, MADV_HUGEPAGE); /* advice: without it the pages are small */
#endif
	(void)cpu_clear(device, memory, bytes);
	return memory;
}

void cpu_release(struct device *device, void *memory)
{
	(void)device;
	free(memory);
}

struct draw {
	float *x;
	int64_t count;
	double deviation;
	uint64_t seed, stream;
};

static void draw_range(void *context, int64_t item, int thread)
{
	(void)thread;
	const struct draw *draw = context;
	int64_t end = (item + 1) * CPU_ITEM_ELEMENTS;
	for (int64_t i = item * CPU_ITEM_ELEMENTS; i < end && i < draw->count; i++)
		draw->x[i] = (float)(draw->deviation *
		                     random_normal(draw->seed, RANDOM_INITIALISATION, draw->stream, (uint64_t)i));
}

enum status cpu_fill_normal(struct device *device, float *x, size_t count, double deviation, uint64_t seed,
                            uint64_t stream)
{
	struct draw draw = { x, (int64_t)count, deviation, seed, stream };
	cpu_parallel(device, (draw.count + CPU_ITEM_ELEMENTS - 1) / CPU_ITEM_ELEMENTS, draw_range, &draw);
	return STATUS_OK;
}
