/* Gathering and scattering of rows.
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
                                int64_t width)
{
	return copy_rows(device, scatter, y, x, index, rows, width);
}
