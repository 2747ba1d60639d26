/* Whole arrays on the CPU device: copied, cleared, filled, by all threads where they are large.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

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
