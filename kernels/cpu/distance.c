/* How far rows are from their targets, and the gradient of that.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { ITEM_ROWS = 64 };

struct distance {
	float *squares;
	void *gradient;
	const void *x, *target;
	int64_t step, rows, width;
	float factor;
};

INLINE void distance_rows(const struct distance *d, int64_t item, bool half)
{
	int64_t width = d->width, end = smaller((item + 1) * ITEM_ROWS, d->rows);
	vector factor = vector_set(d->factor);
	for (int64_t row = item * ITEM_ROWS; row < end; row++) {
		int64_t at = row * width, from = row * d->step, i = 0;
		vector squares = vector_set(0.0f);
		for (; i + LANES <= width; i += LANES) {
			vector apart = element_load(d->x, at + i, half) - element_load(d->target, from + i, half);
			squares = vector_multiply_add(apart, apart, squares);
			element_store(d->gradient, at + i, factor * apart, half);
		}
		if (i < width) {
			vector apart = element_load_part(d->x, at + i, width - i, half) -
			               element_load_part(d->target, from + i, width - i, half);
			squares = vector_multiply_add(apart, apart, squares);
			element_store_part(d->gradient, at + i, factor * apart, width - i, half);
		}
		d->squares[row] = vector_sum(squares);
	}
}

static void distance_float32(void *context, int64_t item, int thread)
{
	(void)thread;
	distance_rows(context, item, false);
}

static void distance_bfloat16(void *context, int64_t item, int thread)
{
	(void)thread;
	distance_rows(context, item, true);
}

enum status LEVEL(square_distance)(struct device *device, float *squares, void *gradient, const void *x,
                                   const void *target, int64_t step, float factor, int64_t rows, int64_t width)
{
	struct distance d = { squares, gradient, x, target, step, rows, width, factor };
	cpu_parallel(device, (rows + ITEM_ROWS - 1) / ITEM_ROWS,
	             cpu_half(device) ? distance_bfloat16 : distance_float32, &d);
	return STATUS_OK;
}
