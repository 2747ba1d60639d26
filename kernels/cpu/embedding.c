/* Embedding lookup and its gradient.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

/* Threads share the columns, not the rows: each column then adds its rows in ascending order whatever the threads. */
enum { ITEM_COLUMNS = 64 };

struct lookup_gradient {
	float *gradient;
	const void *dy;
	const int32_t *ids;
	int64_t rows, width, item_columns;
};

INLINE void add_columns(const struct lookup_gradient *g, int64_t item, bool half)
{
	int64_t begin = item * g->item_columns, end = smaller(begin + g->item_columns, g->width);
	for (int64_t row = 0; row < g->rows; row++) {
		float *target = g->gradient + (int64_t)g->ids[row] * g->width;
		int64_t first = row * g->width, i = begin;
		for (; i + LANES <= end; i += LANES)
			vector_store(target + i, vector_load(target + i) + element_load(g->dy, first + i, half));
		if (i < end) {
			vector sum = vector_load_part(target + i, end - i) +
			             element_load_part(g->dy, first + i, end - i, half);
			vector_store_part(target + i, sum, end - i);
		}
	}
}

static void add_float32(void *context, int64_t item, int thread)
{
	(void)thread;
	add_columns(context, item, false);
}

static void add_bfloat16(void *context, int64_t item, int thread)
{
	(void)thread;
	add_columns(context, item, true);
}

enum status LEVEL(embedding_forward)(struct device *device, void *y, const void *table, const int32_t *ids,
                                     int64_t rows, int64_t width)
{
	return LEVEL(gather_rows)(device, y, table, ids, rows, width);
}

enum status LEVEL(embedding_backward)(struct device *device, float *gradient, const void *dy, const int32_t *ids,
                                      int64_t rows, int64_t width)
{
	/* One item is best on one thread: whole rows are contiguous. No sum depends on the cut. */
	int64_t columns = device->threads == 1 ? larger(width, 1) : ITEM_COLUMNS;
	struct lookup_gradient g = { gradient, dy, ids, rows, width, columns };
	cpu_parallel(device, (width + columns - 1) / columns, cpu_half(device) ? add_bfloat16 : add_float32, &g);
	return STATUS_OK;
}
