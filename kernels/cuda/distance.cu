/* How far rows are from their targets, and the gradient of that. A warp has a row.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/pack.h"

enum { THREADS = 256 };

/* COUNT elements at once, a divisor of the width and of the step. */
template <typename Element, int COUNT>
static __global__ void __launch_bounds__(THREADS)
	distance_rows(float *squares, Element *gradient, const Element *x, const Element *target, int64_t step,
                      float factor, int64_t rows, int width)
{
	int lane = (int)threadIdx.x % WARP;
	int64_t row = (int64_t)blockIdx.x * (THREADS / WARP) + (int)threadIdx.x / WARP;
	float sum = 0.0f;

	if (row >= rows)
		return;
	for (int i = lane * COUNT; i < width; i += WARP * COUNT) {
		packed<Element, COUNT> from = packed_load<Element, COUNT>(x + row * width + i),
				       to = packed_load<Element, COUNT>(target + row * step + i);
		float slopes[COUNT];
		for (int j = 0; j < COUNT; j++) {
			float apart = packed_get(from, j) - packed_get(to, j);
			sum = fmaf(apart, apart, sum);
			slopes[j] = factor * apart;
		}
		packed_set(from, slopes);
		packed_store(gradient + row * width + i, from);
	}
	sum = warp_sum(sum);
	if (lane == 0)
		squares[row] = sum;
}

template <typename Element, int COUNT>
static enum status launch(struct device *device, float *squares, void *gradient, const void *x, const void *target,
                          int64_t step, float factor, int64_t rows, int64_t width)
{
	return CUDA_LAUNCH(device, "square_distance", (distance_rows<Element, COUNT>),
	                   cuda_blocks(rows, THREADS / WARP, INT32_MAX), THREADS, 0, squares, (Element *)gradient,
	                   (const Element *)x, (const Element *)target, step, factor, rows, (int)width);
}

enum status cuda_square_distance(struct device *device, float *squares, void *gradient, const void *x,
                                 const void *target, int64_t step, float factor, int64_t rows, int64_t width)
{
	/* A step is 0 or the width. */
	bool aligned = cuda_aligned(gradient, x, target, width * (int64_t)cuda_element_bytes(device));

	if (cuda_half(device))
		return (aligned ? launch<bfloat16, wide<bfloat16>::COUNT>
		                : launch<bfloat16, 1>)(device, squares, gradient, x, target, step, factor, rows, width);
	return (aligned ? launch<float, wide<float>::COUNT> : launch<float, 1>)(device, squares, gradient, x, target,
	                                                                        step, factor, rows, width);
}
