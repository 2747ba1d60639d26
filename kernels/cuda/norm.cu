/* Root-mean-square norm with the residual sum before it.
 *
 * A warp has a row, in registers, where rows are whole vectors of 16 bytes and at most MOST_VECTORS of them for each lane;
 * other rows have a block, which reads them twice.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/norm.h"

/* x factor gain, rounded. */
template <typename Element, int COUNT>
static __device__ __forceinline__ packed<Element, COUNT> scaled(const packed<Element, COUNT> &x, float factor,
                                                                const packed<Element, COUNT> &gain)
{
	packed<Element, COUNT> result;
	float values[COUNT];

	for (int j = 0; j < COUNT; j++)
		values[j] = packed_get(x, j) * factor * packed_get(gain, j);
	packed_set(result, values);
	return result;
}

template <typename Element, int NUMBER, bool BRANCH>
static __global__ void __launch_bounds__(THREADS)
	forward_warps(Element *sum, Element *normed, float *inverse_rms, const Element *residual, const Element *branch,
                      const Element *gain, int64_t rows, int width, float epsilon)
{
	enum { COUNT = wide<Element>::COUNT };
	int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP, first = row * width;
	packed<Element, COUNT> x[NUMBER], added[NUMBER];
	float squares = 0.0f;

	if (row >= rows)
		return;
	row_load<Element, NUMBER>(x, residual + first, width);
	if (BRANCH) {
		row_load<Element, NUMBER>(added, branch + first, width);
		/* Rounded: the sum as the backward pass will see it. */
		for (int n = 0; n < NUMBER; n++)
			x[n] = packed_sum(x[n], added[n]);
	}
	if (BRANCH || sum != residual)
		row_store<Element, NUMBER>(sum + first, x, width);
	for (int n = 0; n < NUMBER; n++)
		for (int j = 0; j < COUNT; j++)
			squares += packed_get(x[n], j) * packed_get(x[n], j);
	float inverse = 1.0f / sqrtf(warp_sum(squares) / (float)width + epsilon);
	if (threadIdx.x % WARP == 0)
		inverse_rms[row] = inverse;
	row_load<Element, NUMBER>(added, gain, width);
	for (int n = 0; n < NUMBER; n++)
		x[n] = scaled(x[n], inverse, added[n]);
	row_store<Element, NUMBER>(normed + first, x, width);
}

/* COUNT: elements at once, a divisor of the width. */
template <typename Element, int COUNT>
static __global__ void __launch_bounds__(THREADS)
	forward_blocks(Element *sum, Element *normed, float *inverse_rms, const Element *residual,
                       const Element *branch, const Element *gain, int64_t width, float epsilon)
{
	typedef packed<Element, COUNT> part;
	__shared__ float room[WARP + 1];
	int64_t first = (int64_t)blockIdx.x * width;
	float squares = 0.0f;

	for (int64_t i = (int64_t)threadIdx.x * COUNT; i < width; i += THREADS * COUNT) {
		part x = packed_load<Element, COUNT>(residual + first + i);
		if (branch != NULL)
			x = packed_sum(x, packed_load<Element, COUNT>(branch + first + i));
		if (branch != NULL || sum != residual)
			packed_store(sum + first + i, x);
		for (int j = 0; j < COUNT; j++)
			squares += packed_get(x, j) * packed_get(x, j);
	}
	float inverse = 1.0f / sqrtf(block_sum(squares, room) / (float)width + epsilon);
	if (threadIdx.x == 0)
		inverse_rms[blockIdx.x] = inverse;
	for (int64_t i = (int64_t)threadIdx.x * COUNT; i < width; i += THREADS * COUNT) {
		part x = packed_load<Element, COUNT>(sum + first + i);
		packed_store(normed + first + i, scaled(x, inverse, packed_load<Element, COUNT>(gain + i)));
	}
}

/* ---- launches */

/* Arguments of the entry of the table, typed. */
template <typename Element> struct forward {
	Element *sum, *normed;
	float *inverse_rms;
	const Element *residual, *branch, *gain;
	int64_t rows, width;
	float epsilon;
};

template <typename Element, int NUMBER>
static enum status forward_by_warps(struct device *device, const forward<Element> &f)
{
	return CUDA_LAUNCH(
		device, "norm_forward",
		(f.branch != NULL ? forward_warps<Element, NUMBER, true> : forward_warps<Element, NUMBER, false>),
		(unsigned)((f.rows + WARPS - 1) / WARPS), THREADS, 0, f.sum, f.normed, f.inverse_rms, f.residual,
		f.branch, f.gain, f.rows, (int)f.width, f.epsilon);
}

template <typename Element, int COUNT>
static enum status forward_by_blocks(struct device *device, const forward<Element> &f)
{
	return CUDA_LAUNCH(device, "norm_forward", (forward_blocks<Element, COUNT>), (unsigned)f.rows, THREADS, 0,
	                   f.sum, f.normed, f.inverse_rms, f.residual, f.branch, f.gain, f.width, f.epsilon);
}

template <typename Element> static enum status forward_any(struct device *device, const forward<Element> &f)
{
	int64_t vectors = vectors_of<Element>(f.width);

	if (!cuda_aligned(f.sum, f.normed, f.gain, f.width * (int64_t)sizeof(Element)) ||
	    !cuda_aligned(f.residual, f.branch, NULL, 0))
		return forward_by_blocks<Element, 1>(device, f);
	if (vectors > MOST_VECTORS)
		return forward_by_blocks<Element, wide<Element>::COUNT>(device, f);
	return vectors > 4   ? forward_by_warps<Element, 8>(device, f)
	       : vectors > 2 ? forward_by_warps<Element, 4>(device, f)
	       : vectors > 1 ? forward_by_warps<Element, 2>(device, f)
	                     : forward_by_warps<Element, 1>(device, f);
}

template <typename Element>
static enum status forward_typed(struct device *device, void *sum, void *normed, float *inverse_rms,
                                 const void *residual, const void *branch, const void *gain, int64_t rows,
                                 int64_t width, float epsilon)
{
	forward<Element> f = { (Element *)sum,
		               (Element *)normed,
		               inverse_rms,
		               (const Element *)residual,
		               (const Element *)branch,
		               (const Element *)gain,
		               rows,
		               width,
		               epsilon };
	return forward_any(device, f);
}

enum status cuda_norm_forward(struct device *device, void *sum, void *normed, float *inverse_rms, const void *residual,
                              const void *branch, const void *gain, int64_t rows, int64_t width, float epsilon)
{
	return (cuda_half(device) ? forward_typed<bfloat16> : forward_typed<float>)(device, sum, normed, inverse_rms,
	                                                                            residual, branch, gain, rows, width,
	                                                                            epsilon);
}
