/* Rotary positions, from a table of cosines and sines kept in the device.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/memory.h"
#include "kernels/cpu/rope_table.h"
#include "kernels/cpu/vector.h"

enum { ITEM_ROWS = 64 };

struct rope {
	void *x;
	const int32_t *positions;
	const struct rope_table *table;
	int64_t rows;
	int heads, rotated;
	float sign; /* of the sines: -1 rotates back */
};

INLINE void rotate_part(void *head, int64_t low, int64_t high, const float *cosines, const float *sines, float sign,
                        int64_t count, bool half)
{
	vector c = vector_load_part(cosines, count), s = vector_load_part(sines, count) * vector_set(sign);
	vector a = element_load_part(head, low, count, half), b = element_load_part(head, high, count, half);
	element_store_part(head, low, a * c - b * s, count, half);
	element_store_part(head, high, b * c + a * s, count, half);
}

INLINE void rotate_rows(const struct rope *rope, int64_t item, bool half)
{
	const struct rope_table *table = rope->table;
	int64_t pairs = table->head_size / 2, full = pairs / LANES * LANES;
	int64_t end = smaller((item + 1) * ITEM_ROWS, rope->rows);
	vector sign = vector_set(rope->sign);
	for (int64_t row = item * ITEM_ROWS; row < end; row++) {
		const float *cosines = table->values + rope->positions[row] * 2 * pairs, *sines = cosines + pairs;
		for (int64_t h = 0; h < rope->rotated; h++) {
			int64_t first = (row * rope->heads + h) * table->head_size;
			for (int64_t i = 0; i < full; i += LANES) {
				vector c = vector_load(cosines + i), s = vector_load(sines + i) * sign;
				vector a = element_load(rope->x, first + i, half);
				vector b = element_load(rope->x, first + pairs + i, half);
				element_store(rope->x, first + i, a * c - b * s, half);
				element_store(rope->x, first + pairs + i, b * c + a * s, half);
			}
			if (full < pairs)
				rotate_part(rope->x, first + full, first + pairs + full, cosines + full, sines + full,
				            rope->sign, pairs - full, half);
		}
	}
}

static void rotate_float32(void *context, int64_t item, int thread)
{
	(void)thread;
	rotate_rows(context, item, false);
}

static void rotate_bfloat16(void *context, int64_t item, int thread)
{
	(void)thread;
	rotate_rows(context, item, true);
}

enum status LEVEL(rope)(struct device *device, void *x, const int32_t *positions, int64_t rows, int heads, int rotated,
                        int head_size, double base, bool inverse)
{
	int32_t largest = 0;
	for (int64_t row = 0; row < rows; row++)
		largest = positions[row] > largest ? positions[row] : largest;
	STATUS_TRY(cpu_rope_table_reserve(&device->rope, base, head_size, largest));
	struct rope rope = { x, positions, device->rope, rows, heads, rotated, inverse ? -1.0f : 1.0f };
	cpu_parallel(device, (rows + ITEM_ROWS - 1) / ITEM_ROWS, cpu_half(device) ? rotate_bfloat16 : rotate_float32,
	             &rope);
	return STATUS_OK;
}
