/* Products of a linear layer whose ends are those of the passes that would follow: ReLU squared, its slope; and none.
 *
 * A sum is rounded to bfloat16 before the end computes with it, as the library would leave it in memory: with equal sums, the results are those
 * of product and pass, bit by bit.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/activation.h"
#include "kernels/cuda/warp_group_product.h"

/* What an end without anything of its own for each thread has. */
struct no_thread {
	char unused;
};

#define SIMPLE_END(end)                                                                                                \
	__device__ __forceinline__ no_thread end_begin(const end &, const product_shape &, int, int)                   \
	{                                                                                                              \
		return { 0 };                                                                                          \
	}                                                                                                              \
	__device__ __forceinline__ bool end_special(const end &, const no_thread &, int)                               \
	{                                                                                                              \
		return false;                                                                                          \
	}                                                                                                              \
	__device__ __forceinline__ bool end_stores(const end &)                                                        \
	{                                                                                                              \
		return true;                                                                                           \
	}                                                                                                              \
	__device__ __forceinline__ void end_finish(const end &, const no_thread &, const product_shape &, int, int)    \
	{                                                                                                              \
	}

__device__ __forceinline__ float low_of(uint32_t word)
{
	return __uint_as_float(word << 16);
}

__device__ __forceinline__ float high_of(uint32_t word)
{
	return __uint_as_float(word & 0xffff0000u);
}

struct plain_end {
	enum { LOADS = 0, PANELS = 2, STAGES = 4 };
};
SIMPLE_END(plain_end)

__device__ __forceinline__ uint32_t end_word(const plain_end &, no_thread &, float low, float high, int, int, uint32_t,
                                             bool)
{
	return word_of(low, high);
}

struct square_end {
	enum { LOADS = 0, PANELS = 2, STAGES = 4 };
};
SIMPLE_END(square_end)

__device__ __forceinline__ uint32_t end_word(const square_end &, no_thread &, float low, float high, int, int, uint32_t,
                                             bool)
{
	uint32_t word = word_of(low, high);
	return word_of(square_of_positive(low_of(word)), square_of_positive(high_of(word)));
}

/* Reads what square_end left. */
struct slope_end {
	enum { LOADS = 1, PANELS = 4, STAGES = 3 };
};
SIMPLE_END(slope_end)

__device__ __forceinline__ uint32_t end_word(const slope_end &, no_thread &, float low, float high, int, int,
                                             uint32_t squared, bool)
{
	uint32_t word = word_of(low, high);
	return word_of(slope_times(low_of(word), low_of(squared), true),
	               slope_times(high_of(word), high_of(squared), true));
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

enum status cuda_linear_relu_squared_forward(struct device *device, void *y, const void *x, const void *weight,
                                             int64_t rows, int64_t in, int64_t out, bool *taken)
{
	struct product_operands operands = { x, weight, y, NULL, rows, out, in };
	return product_run<square_end, false>(device, "linear_relu_squared_forward", &operands, square_end(), taken);
}

enum status cuda_linear_relu_squared_backward(struct device *device, void *dx, const void *dy, const void *weight,
                                              const void *y, int64_t rows, int64_t in, int64_t out, bool *taken)
{
	struct product_operands operands = { dy, weight, dx, y, rows, in, out };
	return product_run<slope_end, true>(device, "linear_relu_squared_backward", &operands, slope_end(), taken);
}
