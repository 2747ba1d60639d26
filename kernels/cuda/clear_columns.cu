/* Rows with a part cleared. In place only what becomes zero is written, and of other rows their mark is all that is read.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/pack.h"

enum { THREADS = 256, AT_ONCE = 4 };

/* `lanes`, a power of two up to a warp, for each row of `vectors` times COUNT elements; `begin` and `end` in elements. */
template <typename Element, int COUNT>
static __global__ void __launch_bounds__(THREADS)
	copy_cleared(packed<Element, COUNT> *y, const packed<Element, COUNT> *x, const uint8_t *marks, int mark,
                     int64_t rows, int64_t vectors, int64_t begin, int64_t end, int lanes)
{
	typedef packed<Element, COUNT> part;
	int64_t row = (int64_t)blockIdx.x * (THREADS / lanes) + (int)threadIdx.x / lanes;

	if (row >= rows)
		return;
	bool marked = marks[row] == mark;
	const part *source = x + row * vectors;
	part *target = y + row * vectors;
	for (int64_t i = (int)threadIdx.x % lanes; i < vectors; i += AT_ONCE * lanes) {
		part values[AT_ONCE];
		for (int k = 0; k < AT_ONCE; k++) {
			int64_t place = i + k * lanes;
			values[k] = place < vectors ? source[place] : packed_zeros<Element, COUNT>();
		}
		for (int k = 0; k < AT_ONCE; k++) {
			int64_t place = i + k * lanes, first = place * COUNT;
			float cleared[COUNT];
			for (int j = 0; j < COUNT; j++)
				cleared[j] = first + j >= begin && first + j < end ? 0.0f : packed_get(values[k], j);
			if (marked && first < end && first + COUNT > begin)
				packed_set(values[k], cleared);
			if (place < vectors)
				target[place] = values[k];
		}
	}
}

/* In place; begin and end in vectors. */
template <typename Element, int COUNT>
static __global__ void __launch_bounds__(THREADS)
	clear_in_place(packed<Element, COUNT> *y, const uint8_t *marks, int mark, int64_t rows, int64_t vectors,
                       int64_t begin, int64_t end, int lanes)
{
	int64_t row = (int64_t)blockIdx.x * (THREADS / lanes) + (int)threadIdx.x / lanes;

	if (row >= rows || marks[row] != mark)
		return;
	for (int64_t i = begin + (int)threadIdx.x % lanes; i < end; i += lanes)
		y[row * vectors + i] = packed_zeros<Element, COUNT>();
}

static int lanes_for(int64_t vectors)
{
	int lanes = 1;

	while (lanes < WARP && lanes < vectors)
		lanes *= 2;
	return lanes;
}

template <typename Element, int COUNT>
static enum status copy(struct device *device, void *y, const void *x, const uint8_t *marks, uint8_t mark, int64_t rows,
                        int64_t width, int64_t begin, int64_t end)
{
	int lanes = lanes_for(width / COUNT);

	return CUDA_LAUNCH(device, "clear_columns", (copy_cleared<Element, COUNT>),
	                   cuda_blocks(rows, THREADS / lanes, INT32_MAX), THREADS, 0, (packed<Element, COUNT> *)y,
	                   (const packed<Element, COUNT> *)x, marks, (int)mark, rows, width / COUNT, begin, end, lanes);
}

template <typename Element, int COUNT>
static enum status clear(struct device *device, void *y, const uint8_t *marks, uint8_t mark, int64_t rows,
                         int64_t width, int64_t begin, int64_t end)
{
	int lanes = lanes_for((end - begin) / COUNT);

	return CUDA_LAUNCH(device, "clear_columns", (clear_in_place<Element, COUNT>),
	                   cuda_blocks(rows, THREADS / lanes, INT32_MAX), THREADS, 0, (packed<Element, COUNT> *)y,
	                   marks, (int)mark, rows, width / COUNT, begin / COUNT, end / COUNT, lanes);
}

enum status cuda_clear_columns(struct device *device, void *y, const void *x, const uint8_t *marks, uint8_t mark,
                               int64_t rows, int64_t width, int64_t begin, int64_t end)
{
	int64_t bytes = (int64_t)cuda_element_bytes(device);
	bool half = cuda_half(device), aligned = cuda_aligned(y, x, NULL, width * bytes);

	if (width == 0 || (y == x && begin == end))
		return STATUS_OK;
	if (y != x && aligned)
		return (half ? copy<bfloat16, wide<bfloat16>::COUNT>
		             : copy<float, wide<float>::COUNT>)(device, y, x, marks, mark, rows, width, begin, end);
	if (y != x)
		return (half ? copy<bfloat16, 1> : copy<float, 1>)(device, y, x, marks, mark, rows, width, begin, end);
	if (aligned && cuda_aligned(NULL, NULL, NULL, begin * bytes) && cuda_aligned(NULL, NULL, NULL, end * bytes))
		return (half ? clear<bfloat16, wide<bfloat16>::COUNT>
		             : clear<float, wide<float>::COUNT>)(device, y, marks, mark, rows, width, begin, end);
	return (half ? clear<bfloat16, 1> : clear<float, 1>)(device, y, marks, mark, rows, width, begin, end);
}
