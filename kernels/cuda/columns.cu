/* Statistics of attention between the order of the table, [H, queries], and that of libraries, [B, H, T]; one thread for each
 * element.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/attention_library.h"
#include "kernels/cuda/launch.h"

enum { THREADS = 256, BLOCKS_MOST = 1024 };

/* The place in [B, H, T] of head blockIdx.y of a query. */
static __device__ __forceinline__ int64_t place_of(const int32_t *index, int64_t query, int64_t length)
{
	int64_t row = index != NULL ? index[query] : query, sequence = row / length;

	return (sequence * gridDim.y + blockIdx.y) * length + (row - sequence * length);
}

static __global__ void gather_columns(float *y, const float *x, const int32_t *index, int64_t count, int64_t length)
{
	int64_t step = (int64_t)gridDim.x * THREADS;

	for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step)
		y[blockIdx.y * count + i] = x[place_of(index, i, length)];
}

static __global__ void scatter_columns(float *y, const float *x, const int32_t *index, int64_t count, int64_t length)
{
	int64_t step = (int64_t)gridDim.x * THREADS;

	for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; i < count; i += step)
		y[place_of(index, i, length)] = x[blockIdx.y * count + i];
}

enum status cuda_gather_columns(struct device *device, float *y, const float *x, const int32_t *index, int heads,
                                int64_t count, int64_t length)
{
	return CUDA_LAUNCH(device, "gather_columns", gather_columns,
	                   dim3(cuda_blocks(count, THREADS, BLOCKS_MOST), (unsigned)heads), THREADS, 0, y, x, index,
	                   count, length);
}

enum status cuda_scatter_columns(struct device *device, float *y, const float *x, const int32_t *index, int heads,
                                 int64_t count, int64_t length)
{
	return CUDA_LAUNCH(device, "scatter_columns", scatter_columns,
	                   dim3(cuda_blocks(count, THREADS, BLOCKS_MOST), (unsigned)heads), THREADS, 0, y, x, index,
	                   count, length);
}
