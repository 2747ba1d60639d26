/* Gathering, scattering and scattered addition of rows, and rows times a factor each. A row has up to a warp of lanes, which hold several vectors at once.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/pack.h"

enum { THREADS = 256, AT_ONCE = 4 };

enum motion { GATHER, SCATTER, SCATTER_ADD };

/* `lanes`, a power of two up to a warp, for each row of `vectors` times COUNT elements. */
template <typename Element, int COUNT, int MOTION>
static __global__ void __launch_bounds__(THREADS)
	move_rows(packed<Element, COUNT> *y, const packed<Element, COUNT> *x, const int32_t *index, int64_t rows,
                  int64_t vectors, int lanes)
{
	typedef packed<Element, COUNT> part;
	int64_t row = (int64_t)blockIdx.x * (THREADS / lanes) + (int)threadIdx.x / lanes;

	if (row >= rows)
		return;
	const part *source = x + (MOTION == GATHER ? index[row] : row) * vectors;
	part *target = y + (MOTION == GATHER ? row : index[row]) * vectors;
	for (int64_t i = (int)threadIdx.x % lanes; i < vectors; i += AT_ONCE * lanes) {
		part values[AT_ONCE], old[AT_ONCE];
		for (int k = 0; k < AT_ONCE; k++) {
			bool inside = i + k * lanes < vectors;
			values[k] = inside ? source[i + k * lanes] : packed_zeros<Element, COUNT>();
			if (MOTION == SCATTER_ADD)
				old[k] = inside ? target[i + k * lanes] : packed_zeros<Element, COUNT>();
		}
		for (int k = 0; k < AT_ONCE; k++) {
			if (MOTION == SCATTER_ADD)
				values[k] = packed_sum(old[k], values[k]);
			if (i + k * lanes < vectors)
				target[i + k * lanes] = values[k];
		}
	}
}

template <typename Element, int COUNT, int MOTION>
static enum status launch(struct device *device, const char *name, void *y, const void *x, const int32_t *index,
                          int64_t rows, int64_t width)
{
	int lanes = 1;

	while (lanes < WARP && lanes < width / COUNT)
		lanes *= 2;
	return CUDA_LAUNCH(device, name, (move_rows<Element, COUNT, MOTION>),
	                   cuda_blocks(rows, THREADS / lanes, INT32_MAX), THREADS, 0, (packed<Element, COUNT> *)y,
	                   (const packed<Element, COUNT> *)x, index, rows, width / COUNT, lanes);
}

template <int MOTION>
static enum status move_any(struct device *device, const char *name, void *y, const void *x, const int32_t *index,
                            int64_t rows, int64_t width)
{
	if (cuda_aligned(y, x, NULL, width * (int64_t)cuda_element_bytes(device)))
		return (cuda_half(device)
		                ? launch<bfloat16, wide<bfloat16>::COUNT, MOTION>
		                : launch<float, wide<float>::COUNT, MOTION>)(device, name, y, x, index, rows, width);
	return (cuda_half(device) ? launch<bfloat16, 1, MOTION> : launch<float, 1, MOTION>)(device, name, y, x, index,
	                                                                                    rows, width);
}

enum status cuda_gather_rows(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                             int64_t width)
{
	return move_any<GATHER>(device, "gather_rows", y, x, index, rows, width);
}

enum status cuda_scatter_rows(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                              int64_t width, bool accumulate)
{
	return accumulate ? move_any<SCATTER_ADD>(device, "scatter_rows", y, x, index, rows, width)
	                  : move_any<SCATTER>(device, "scatter_rows", y, x, index, rows, width);
}

/* COUNT elements at once, a divisor of the width. */
template <typename Element, int COUNT>
static __global__ void __launch_bounds__(THREADS)
	multiply_rows(Element *x, const float *factors, int64_t rows, int width)
{
	int lane = (int)threadIdx.x % WARP;
	int64_t row = (int64_t)blockIdx.x * (THREADS / WARP) + (int)threadIdx.x / WARP;

	if (row >= rows)
		return;
	float factor = factors[row];
	for (int i = lane * COUNT; i < width; i += WARP * COUNT) {
		packed<Element, COUNT> part = packed_load<Element, COUNT>(x + row * width + i);
		float values[COUNT];
		for (int j = 0; j < COUNT; j++)
			values[j] = packed_get(part, j) * factor;
		packed_set(part, values);
		packed_store(x + row * width + i, part);
	}
}

template <typename Element, int COUNT>
static enum status multiply(struct device *device, void *x, const float *factors, int64_t rows, int64_t width)
{
	return CUDA_LAUNCH(device, "scale_rows", (multiply_rows<Element, COUNT>),
	                   cuda_blocks(rows, THREADS / WARP, INT32_MAX), THREADS, 0, (Element *)x, factors, rows,
	                   (int)width);
}

enum status cuda_scale_rows(struct device *device, void *x, const float *factors, int64_t rows, int64_t width)
{
	if (cuda_aligned(x, NULL, NULL, width * (int64_t)cuda_element_bytes(device)))
		return (cuda_half(device) ? multiply<bfloat16, wide<bfloat16>::COUNT>
		                          : multiply<float, wide<float>::COUNT>)(device, x, factors, rows, width);
	return (cuda_half(device) ? multiply<bfloat16, 1> : multiply<float, 1>)(device, x, factors, rows, width);
}
