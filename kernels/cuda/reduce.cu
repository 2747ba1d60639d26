/* Sums of two arrays, and sums of squares that the gradient's norm is made of.
 *
 * A block of sum_of_squares() is cut into pieces of a fixed size. A thread block sums a piece: a thread some tens of squares
 * in floats, the threads' sums in double; where a block has several pieces, one more launch sums those. Which numbers meet
 * in which order follows from the sizes alone, not from the device.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/launch.h"

enum { THREADS = 256, BLOCKS_A_MULTIPROCESSOR = 16, PIECE = 8192 };

/* COUNT elements at once; what is left after the last full vector goes one by one. */
template <int COUNT> static __global__ void __launch_bounds__(THREADS) add(float *y, const float *x, int64_t count)
{
	typedef vector<float, COUNT> part;
	int64_t first = (int64_t)blockIdx.x * THREADS + threadIdx.x, step = (int64_t)gridDim.x * THREADS;

	for (int64_t i = first; i < count / COUNT; i += step) {
		part sum = ((const part *)y)[i], other = ((const part *)x)[i];
		for (int j = 0; j < COUNT; j++)
			sum.values[j] += other.values[j];
		((part *)y)[i] = sum;
	}
	int64_t last = count / COUNT * COUNT + first;
	if (last < count)
		y[last] += x[last];
}

/* Piece blockIdx.x % pieces of block blockIdx.x / pieces. COUNT divides `block` unless it is all there is. */
template <int COUNT>
static __global__ void __launch_bounds__(THREADS)
	sum_pieces(double *sums, const float *x, int64_t count, int64_t block, unsigned pieces)
{
	typedef vector<float, COUNT> part;
	__shared__ double room[WARP + 1];
	int64_t block_begin = blockIdx.x / pieces * block, begin = block_begin + (int64_t)(blockIdx.x % pieces) * PIECE;
	int64_t end = min(min(block_begin + block, count), begin + PIECE);
	int length = end > begin ? (int)(end - begin) : 0, whole = length / COUNT;
	float sum[COUNT] = {};

	for (int i = threadIdx.x; i < whole; i += THREADS) {
		part values = ((const part *)(x + begin))[i];
		for (int j = 0; j < COUNT; j++)
			sum[j] = fmaf(values.values[j], values.values[j], sum[j]);
	}
	for (int i = whole * COUNT + threadIdx.x; i < length; i += THREADS)
		sum[0] = fmaf(x[begin + i], x[begin + i], sum[0]);
	double total = 0.0;
	for (int j = 0; j < COUNT; j++)
		total += sum[j];
	total = block_sum(total, room);
	if (threadIdx.x == 0)
		sums[blockIdx.x] = total;
}

static __global__ void __launch_bounds__(THREADS) sum_blocks(double *sums, const double *parts, unsigned pieces)
{
	__shared__ double room[WARP + 1];
	double sum = 0.0;

	for (unsigned i = threadIdx.x; i < pieces; i += THREADS)
		sum += parts[(int64_t)blockIdx.x * pieces + i];
	sum = block_sum(sum, room);
	if (threadIdx.x == 0)
		sums[blockIdx.x] = sum;
}

enum status cuda_add(struct device *device, float *y, const float *x, size_t count)
{
	enum { COUNT = wide<float>::COUNT };
	int64_t n = (int64_t)count, most = (int64_t)device->multiprocessors * BLOCKS_A_MULTIPROCESSOR;

	if (cuda_aligned(y, x, NULL, 0))
		return CUDA_LAUNCH(device, "add", add<COUNT>, cuda_blocks((n + COUNT - 1) / COUNT, THREADS, most),
		                   THREADS, 0, y, x, n);
	return CUDA_LAUNCH(device, "add", add<1>, cuda_blocks(n, THREADS, most), THREADS, 0, y, x, n);
}

enum status cuda_sum_of_squares(struct device *device, double *host_sums, const float *x, size_t count, size_t block)
{
	enum { COUNT = wide<float>::COUNT };
	if (count == 0)
		return STATUS_OK;
	if (block > count)
		block = count;
	size_t blocks = (count + block - 1) / block, pieces = (block + PIECE - 1) / PIECE;
	if (blocks * pieces > INT32_MAX)
		return error_raise(STATUS_INTERNAL,
		                   "sum_of_squares: %zu blocks of %zu elements are more than one launch takes", blocks,
		                   block);
	double *sums = (double *)cuda_scratch(device, (blocks + blocks * pieces) * sizeof(double));
	if (sums == NULL)
		return STATUS_ENVIRONMENT;
	double *parts = pieces > 1 ? sums + blocks : sums;
	bool aligned = cuda_aligned(x, NULL, NULL, blocks > 1 ? (int64_t)(block * sizeof(float)) : 0);
	STATUS_TRY(CUDA_LAUNCH(device, "sum_of_squares", aligned ? sum_pieces<COUNT> : sum_pieces<1>,
	                       (unsigned)(blocks * pieces), THREADS, 0, parts, x, (int64_t)count, (int64_t)block,
	                       (unsigned)pieces));
	if (pieces > 1)
		STATUS_TRY(CUDA_LAUNCH(device, "sum_of_squares", sum_blocks, (unsigned)blocks, THREADS, 0, sums, parts,
		                       (unsigned)pieces));
	return cuda_download_later(device, host_sums, sums, blocks * sizeof(double));
}
