/* What is left of a norm where products take its rows unnormalised (kernels.h, struct row_norm): the squares of rows that no product has made, and
 * weights that take in the gain.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/norm.h"
#include "kernels/cuda/warp_group_end.h"

/* A warp has a row, whose vectors are whole. */
static __global__ void __launch_bounds__(THREADS)
	square_rows(float *squares, const bfloat16 *x, int64_t rows, int width, int parts)
{
	enum { COUNT = wide<bfloat16>::COUNT };
	int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP;
	float sum = 0.0f;

	if (row >= rows)
		return;
	for (int at = column_of(0, COUNT); at < width; at += WARP * COUNT) {
		packed<bfloat16, COUNT> values = packed_load<bfloat16, COUNT>(x + row * width + at);
		for (int j = 0; j < COUNT; j++)
			sum += packed_get(values, j) * packed_get(values, j);
	}
	sum = warp_sum(sum);
	for (int part = (int)threadIdx.x % WARP; part < parts; part += WARP)
		squares[part * rows + row] = part == 0 ? sum : 0.0f;
}

static __global__ void __launch_bounds__(THREADS)
	fold(bfloat16 *weights, const float *master, const float *gain, int64_t count, int width)
{
	int64_t step = (int64_t)gridDim.x * THREADS;

	for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step)
		weights[i] = from_float<bfloat16>(master[i] * gain[i % width]);
}

int64_t cuda_norm_parts(const struct device *device, int64_t width)
{
	return device->maps != NULL && cuda_half(device) && width > 0 && width % 8 == 0 && width <= INT32_MAX / 8
	               ? warp_group_parts(width)
	               : 0;
}

enum status cuda_row_squares(struct device *device, float *squares, const void *x, int64_t rows, int64_t width)
{
	if (rows == 0)
		return STATUS_OK;
	return CUDA_LAUNCH(device, "row_squares", square_rows, (unsigned)((rows + WARPS - 1) / WARPS), THREADS, 0,
	                   squares, (const bfloat16 *)x, rows, (int)width, (int)cuda_norm_parts(device, width));
}

enum status cuda_fold_gain(struct device *device, void *weights, const float *master, const float *gain, int64_t rows,
                           int64_t width)
{
	if (rows == 0 || width == 0)
		return STATUS_OK;
	return CUDA_LAUNCH(device, "fold_gain", fold,
	                   cuda_blocks(rows * width, THREADS, (int64_t)device->multiprocessors * 16), THREADS, 0,
	                   (bfloat16 *)weights, master, gain, rows * width, (int)width);
}
