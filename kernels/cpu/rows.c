/* Gathering, scattering and scattered addition of rows, and rows with a part cleared.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { ITEM_ROWS = 64 };

struct row_copy {
	char *target;
	const char *source;
	const int32_t *index;
	int64_t rows;
	size_t bytes;
};

static void gather(void *context, int64_t item, int thread)
{
	(void)thread;
	const struct row_copy *c = context;
	int64_t end = smaller((item + 1) * ITEM_ROWS, c->rows);
	for (int64_t row = item * ITEM_ROWS; row < end; row++)
		memcpy(c->target + (size_t)row * c->bytes, c->source + (size_t)c->index[row] * c->bytes, c->bytes);
}

static void scatter(void *context, int64_t item, int thread)
{
	(void)thread;
	const struct row_copy *c = context;
	int64_t end = smaller((item + 1) * ITEM_ROWS, c->rows);
	for (int64_t row = item * ITEM_ROWS; row < end; row++)
		memcpy(c->target + (size_t)c->index[row] * c->bytes, c->source + (size_t)row * c->bytes, c->bytes);
}

INLINE void add_rows(const struct row_copy *c, int64_t item, bool half)
{
	int64_t width = (int64_t)(c->bytes / (half ? sizeof(uint16_t) : sizeof(float)));
	int64_t end = smaller((item + 1) * ITEM_ROWS, c->rows);
	for (int64_t row = item * ITEM_ROWS; row < end; row++) {
		int64_t from = row * width, to = c->index[row] * width, i = 0;
		for (; i + LANES <= width; i += LANES) {
			vector sum = element_load(c->target, to + i, half) + element_load(c->source, from + i, half);
			element_store(c->target, to + i, sum, half);
		}
		if (i < width) {
			vector sum = element_load_part(c->target, to + i, width - i, half) +
			             element_load_part(c->source, from + i, width - i, half);
			element_store_part(c->target, to + i, sum, width - i, half);
		}
	}
}

static void add_float32(void *context, int64_t item, int thread)
{
	(void)thread;
	add_rows(context, item, false);
}

static void add_bfloat16(void *context, int64_t item, int thread)
{
	(void)thread;
	add_rows(context, item, true);
}

static enum status copy_rows(struct device *device, cpu_task *task, void *y, const void *x, const int32_t *index,
                             int64_t rows, int64_t width)
{
	struct row_copy c = { y, x, index, rows, (size_t)width * cpu_activation_bytes(device) };
	if (width > 0)
		cpu_parallel(device, (rows + ITEM_ROWS - 1) / ITEM_ROWS, task, &c);
	return STATUS_OK;
}

enum status LEVEL(gather_rows)(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                               int64_t width)
{
	return copy_rows(device, gather, y, x, index, rows, width);
}

enum status LEVEL(scatter_rows)(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                                int64_t width, bool accumulate)
{
	cpu_task *add = cpu_half(device) ? add_bfloat16 : add_float32;
	return copy_rows(device, accumulate ? add : scatter, y, x, index, rows, width);
}

struct row_clearing {
	char *target;
	const char *source;
	const uint8_t *marks;
	int64_t rows;
	size_t bytes, begin, end; /* of a row, of what is cleared in it */
	uint8_t mark;
};

static void clear_part(void *context, int64_t item, int thread)
{
	(void)thread;
	const struct row_clearing *c = context;
	int64_t end = smaller((item + 1) * ITEM_ROWS, c->rows);
	for (int64_t row = item * ITEM_ROWS; row < end; row++) {
		char *target = c->target + (size_t)row * c->bytes;
		if (c->target != c->source)
			memcpy(target, c->source + (size_t)row * c->bytes, c->bytes);
		if (c->marks[row] == c->mark)
			memset(target + c->begin, 0, c->end - c->begin);
	}
}

enum status LEVEL(clear_columns)(struct device *device, void *y, const void *x, const uint8_t *marks, uint8_t mark,
                                 int64_t rows, int64_t width, int64_t begin, int64_t end)
{
	size_t element = cpu_activation_bytes(device);
	struct row_clearing c = {
		y, x, marks, rows, (size_t)width * element, (size_t)begin * element, (size_t)end * element, mark
	};
	if (width > 0)
		cpu_parallel(device, (rows + ITEM_ROWS - 1) / ITEM_ROWS, clear_part, &c);
	return STATUS_OK;
}
