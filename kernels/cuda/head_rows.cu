/* The beginning and the end of each row of an own head: head_rows.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/head_rows.h"

#include <float.h>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/pack.h"

enum { THREADS = 256, DOTS = THREADS / WARP };

#define MOST_POWERS 1.2676506e30f /* 2^100 */

/* Sums of many parts are read several at once. */
#ifdef CAPSHAPE_CUDA_EMULATION
#define UNROLL_SOME
#else
#define UNROLL_SOME _Pragma("unroll 8")
#endif

/* shifts[r] = steep times the target's logit. A warp for each row. */
static __global__ void __launch_bounds__(THREADS) target_logits(float *shifts, const head head)
{
	enum { COUNT = wide<bfloat16>::COUNT };
	int64_t row = (int64_t)blockIdx.x * DOTS + threadIdx.x / WARP;
	float sum = 0.0f;

	if (row >= head.rows)
		return;
	const bfloat16 *x = head.x + row * head.width, *weight = head.weight + (int64_t)head.targets[row] * head.width;
	for (int i = (int)(threadIdx.x % WARP) * COUNT; i < head.width; i += WARP * COUNT) {
		packed<bfloat16, COUNT> a = packed_load<bfloat16, COUNT>(x + i),
					b = packed_load<bfloat16, COUNT>(weight + i);
		for (int j = 0; j < COUNT; j++)
			sum = fmaf(packed_get(a, j), packed_get(b, j), sum);
	}
	sum = warp_sum(sum);
	if (threadIdx.x % WARP == 0)
		shifts[row] = sum * head.steep;
}

/* ---- the end of a row */

/* By one thread: the logit of a column, times steep. */
static __device__ __forceinline__ float logit_of(const head &head, int64_t row, int64_t column)
{
	enum { COUNT = wide<bfloat16>::COUNT };
	float sum = 0.0f;

	for (int i = 0; i < head.width; i += COUNT) {
		packed<bfloat16, COUNT> x = packed_load<bfloat16, COUNT>(head.x + row * head.width + i),
					part = packed_load<bfloat16, COUNT>(head.weight + column * head.width + i);
		for (int j = 0; j < COUNT; j++)
			sum = fmaf(packed_get(x, j), packed_get(part, j), sum);
	}
	return sum * head.steep;
}

/* By a block: relative to the largest logit. What is not a number spreads over the row. */
static __device__ void row_anew(int64_t row, float *room, const head &head, const ends &ends)
{
	float largest = -FLT_MAX, sum = 0.0f;
	int32_t target = head.targets[row];

	for (int64_t v = threadIdx.x; v < head.vocabulary; v += THREADS)
		largest = fmaxf(largest, logit_of(head, row, v));
	largest = warp_max(largest);
	if (threadIdx.x % WARP == 0)
		room[threadIdx.x / WARP] = largest;
	__syncthreads();
	for (int i = 0; i < THREADS / WARP; i++)
		largest = fmaxf(largest, room[i]);
	__syncthreads();
	for (int64_t v = threadIdx.x; v < head.vocabulary; v += THREADS)
		sum += power_of_two(logit_of(head, row, v) - largest);
	sum = block_sum(sum, room);
	for (int64_t v = threadIdx.x; v < head.vocabulary && ends.weights != NULL; v += THREADS) {
		float power = power_of_two(logit_of(head, row, v) - largest);
		ends.gradient[row * head.vocabulary + v] = from_float<bfloat16>(v == target ? power - sum : power);
	}
	if (threadIdx.x == 0) {
		ends.losses[row] = fmaf(largest - logit_of(head, row, target), LN_2, logf(sum));
		if (ends.weights != NULL)
			ends.factors[row] = ends.weights[row] * ends.multiplier / sum;
	}
	__syncthreads();
}

/* A thread for each row; the block for those that have to be computed anew. */
static __global__ void __launch_bounds__(THREADS)
	end_rows(const float *sums, int parts, const head head, const ends ends)
{
	__shared__ float room[WARP + 1];
	__shared__ int32_t anew[THREADS];
	int64_t first = (int64_t)blockIdx.x * THREADS, row = first + threadIdx.x;
	float others = 0.0f; /* the target's own power is 1 */
	bool fine = true;

	if (row < head.rows) {
		UNROLL_SOME
		for (int i = 0; i < parts; i++)
			others += sums[i * head.rows + row];
		fine = others < MOST_POWERS;
		if (fine) {
			ends.losses[row] = log1pf(others);
			if (ends.weights != NULL) {
				ends.factors[row] = ends.weights[row] * ends.multiplier / (1.0f + others);
				ends.gradient[row * head.vocabulary + head.targets[row]] =
					from_float<bfloat16>(-others);
			}
		}
	}
	anew[threadIdx.x] = !fine;
	__syncthreads();
	for (int i = 0; i < THREADS; i++)
		if (anew[i])
			row_anew(first + i, room, head, ends);
}

enum status head_target_logits(struct device *device, float *shifts, const struct head *head)
{
	return CUDA_LAUNCH(device, "head, target logits", target_logits, cuda_blocks(head->rows, DOTS, INT32_MAX),
	                   THREADS, 0, shifts, *head);
}

enum status head_end_rows(struct device *device, const float *sums, int parts, const struct head *head,
                          const struct ends *ends)
{
	return CUDA_LAUNCH(device, "head, end of rows", end_rows, cuda_blocks(head->rows, THREADS, INT32_MAX), THREADS,
	                   0, sums, parts, *head, *ends);
}
