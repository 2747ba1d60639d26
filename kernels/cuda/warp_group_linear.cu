/* Products of a linear layer whose ends are those of the passes that would follow: ReLU squared, its slope, the sum with the residual stream; and
 * none.
 *
 * A sum is rounded to bfloat16 before ReLU squared or its slope is computed of it, as the library would leave it in memory: with equal sums, the results
 * are those of product and pass, bit by bit. The residual stream is added before the only rounding, as the library does.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/activation.h"
#include "kernels/cuda/warp_group_end.h"

struct plain_end {
	enum { LOADS = 0, PANELS = 2, STAGES = 4 };
};
SIMPLE_END(plain_end)
ALWAYS_READY(plain_end, no_thread)

__device__ __forceinline__ uint32_t end_word(const plain_end &, no_thread &, float low, float high, int, int, uint32_t,
                                             bool)
{
	return word_of(low, high);
}

struct square_end {
	enum { LOADS = 0, PANELS = 2, STAGES = 4 };
	row_scale scale;
};

/* Of its two rows. */
struct square_thread {
	float scales[2];
};
UNSPECIAL_END(square_end, square_thread)

__device__ __forceinline__ square_thread end_begin(const square_end &, const product_shape &, int, int)
{
	return { { 1.0f, 1.0f } };
}

__device__ __forceinline__ void end_ready(const square_end &end, square_thread &thread, const product_shape &shape,
                                          int row, int)
{
	scales_of(end.scale, shape, row, thread.scales);
}

__device__ __forceinline__ uint32_t end_word(const square_end &, square_thread &thread, float low, float high, int,
                                             int half, uint32_t, bool)
{
	uint32_t word = word_of(low * thread.scales[half], high * thread.scales[half]);
	return word_of(square_of_positive(low_of(word)), square_of_positive(high_of(word)));
}

__device__ __forceinline__ void end_finish(const square_end &, const square_thread &, const product_shape &, int, int)
{
}

/* Reads what square_end left. */
struct slope_end {
	enum { LOADS = 1, PANELS = 4, STAGES = 3 };
};
SIMPLE_END(slope_end)
ALWAYS_READY(slope_end, no_thread)

__device__ __forceinline__ uint32_t end_word(const slope_end &, no_thread &, float low, float high, int, int,
                                             uint32_t squared, bool)
{
	uint32_t word = word_of(low, high);
	return word_of(slope_times(low_of(word), low_of(squared), true),
	               slope_times(high_of(word), high_of(squared), true));
}

/* Reads the residual stream. */
struct add_end {
	enum { LOADS = 1, PANELS = 4, STAGES = 3 };
	float *squares; /* [tile, rows]; may be NULL */
};

/* Of its two rows' results, the squares so far. */
struct add_thread {
	float totals[2];
};
UNSPECIAL_END(add_end, add_thread)
ALWAYS_READY(add_end, add_thread)

__device__ __forceinline__ add_thread end_begin(const add_end &, const product_shape &, int, int)
{
	return { { 0.0f, 0.0f } };
}

/* Beyond the last column sums and stream are zeros. */
__device__ __forceinline__ uint32_t end_word(const add_end &, add_thread &thread, float low, float high, int, int half,
                                             uint32_t stream, bool)
{
	uint32_t word = word_of(low_of(stream) + low, high_of(stream) + high);
	thread.totals[half] = fmaf(low_of(word), low_of(word), thread.totals[half]);
	thread.totals[half] = fmaf(high_of(word), high_of(word), thread.totals[half]);
	return word;
}

__device__ __forceinline__ void end_finish(const add_end &end, const add_thread &thread, const product_shape &shape,
                                           int row, int tile)
{
	UNROLL
	for (int half = 0; half < 2; half++) {
		int own = row + thread_row() + 8 * half;
		float total = row_total(thread.totals[half]);
		if (end.squares != NULL && threadIdx.x % 4 == 0 && own < shape.rows)
			end.squares[(int64_t)tile * shape.rows + own] = total;
	}
}

enum status cuda_own_linear_forward(struct device *device, void *y, const void *x, const void *weight, int64_t rows,
                                    int64_t in, int64_t out, bool *taken)
{
	struct product_operands operands = { x, weight, y, NULL, rows, out, in };
	return product_run<plain_end, false>(device, "linear_forward", &operands, plain_end(), taken);
}

enum status cuda_own_linear_input(struct device *device, void *dx, const void *dy, const void *weight, int64_t rows,
                                  int64_t in, int64_t out, bool *taken)
{
	struct product_operands operands = { dy, weight, dx, NULL, rows, in, out };
	return product_run<plain_end, true>(device, "linear_backward_input", &operands, plain_end(), taken);
}

enum status cuda_own_linear_add(struct device *device, void *sum, float *squares, const void *residual, const void *x,
                                const void *weight, int64_t rows, int64_t in, int64_t out, bool *taken)
{
	struct product_operands operands = { x, weight, sum, residual, rows, out, in };
	return product_run<add_end, false>(device, "linear_add_forward", &operands, add_end{ squares }, taken);
}

enum status cuda_linear_relu_squared_forward(struct device *device, void *y, const void *x, const struct row_norm *norm,
                                             const void *weight, int64_t rows, int64_t in, int64_t out, bool *taken)
{
	struct product_operands operands = { x, weight, y, NULL, rows, out, in };
	return product_run<square_end, false>(device, "linear_relu_squared_forward", &operands,
	                                      square_end{ row_scale_of(norm, in) }, taken);
}

enum status cuda_linear_relu_squared_backward(struct device *device, void *dx, const void *dy, const void *weight,
                                              const void *y, int64_t rows, int64_t in, int64_t out, bool *taken)
{
	struct product_operands operands = { dy, weight, dx, y, rows, in, out };
	return product_run<slope_end, true>(device, "linear_relu_squared_backward", &operands, slope_end(), taken);
}
