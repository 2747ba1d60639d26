/* Columns of matrices of floats by an index, one thread for each element.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/attention_library.h"
#include "kernels/cuda/launch.h"

enum { THREADS = 256, BLOCKS_MOST = 1024 };

static __global__ void gather_columns(float *y, const float *x, const int32_t *index, int64_t count, int64_t rows)
{
	int64_t head = blockIdx.y, step = (int64_t)gridDim.x * THREADS;

	for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step)
		y[head * count + i] = x[head * rows + index[i]];
}

static __global__ void scatter_columns(float *y, const float *x, const int32_t *index, int64_t count, int64_t rows)
{
	int64_t head = blockIdx.y, step = (int64_t)gridDim.x * THREADS;

	for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step)
		y[head * rows + index[i]] = x[head * count + i];
}

enum status cuda_gather_columns(struct device *device, float *y, const float *x, const int32_t *index, int heads,
                                int64_t count, int64_t rows)
{
	return CUDA_LAUNCH(device, "gather_columns", gather_columns,
	                   dim3(cuda_blocks(count, THREADS, BLOCKS_MOST), (unsigned)heads), THREADS, 0, y, x, index,
	                   count, rows);
}

enum status cuda_scatter_columns(struct device *device, float *y, const float *x, const int32_t *index, int heads,
                                 int64_t count, int64_t rows)
{
	return CUDA_LAUNCH(device, "scatter_columns", scatter_columns,
	                   dim3(cuda_blocks(count, THREADS, BLOCKS_MOST), (unsigned)heads), THREADS, 0, y, x, index,
	                   count, rows);
}
