/* The three products of a linear layer, as products of row-major matrices: by the library, or by own ones
 * (warp_group_linear.cu) where all are to be that.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/bounds.h"
#include "kernels/cuda/gemm_library.h"

static enum status multiply(struct device *device, const struct cuda_product *product, const void *a, const void *b,
                            void *c)
{
	if (product->m == 0 || product->n == 0)
		return STATUS_OK;
	if (product->k > 0)
		return cuda_gemm_multiply(device, product, a, b, c);
	/* A sum of nothing. */
	return product->accumulate ? STATUS_OK
	                           : cuda_clear(device, c,
	                                        (size_t)product->m * (size_t)product->n *
	                                                (product->result == CUDA_FLOAT32 ? 4 : 2));
}

static enum cuda_element element(const struct device *device)
{
	return cuda_half(device) ? CUDA_BFLOAT16 : CUDA_FLOAT32;
}

enum status cuda_linear_forward(struct device *device, void *y, const void *x, const void *weight, int64_t rows,
                                int64_t in, int64_t out)
{
	struct cuda_product product = { .m = rows, .n = out, .k = in, .b_transposed = true };
	bool taken = false;

	if (device->plain_products)
		STATUS_TRY(cuda_own_linear_forward(device, y, x, weight, rows, in, out, &taken));
	if (taken)
		return STATUS_OK;
	product.factors = product.result = element(device);
	return multiply(device, &product, x, weight, y);
}

enum status cuda_linear_add_forward(struct device *device, void *sum, float *squares, const void *residual,
                                    const void *x, const void *weight, int64_t rows, int64_t in, int64_t out,
                                    bool *taken)
{
	struct cuda_product product = {
		.m = rows, .n = out, .k = in, .b_transposed = true, .accumulate = true, .base = residual
	};

	*taken = false;
	if ((squares != NULL && stream_end_takes(out)) || device->plain_products)
		STATUS_TRY(cuda_own_linear_add(device, sum, squares, residual, x, weight, rows, in, out, taken));
	if (*taken || in == 0 || (squares != NULL && cuda_norm_parts(device, out) == 0))
		return STATUS_OK;
	*taken = true;
	product.factors = product.result = element(device);
	STATUS_TRY(multiply(device, &product, x, weight, sum));
	return squares == NULL ? STATUS_OK : cuda_row_squares(device, squares, sum, rows, out);
}

enum status cuda_linear_backward_input(struct device *device, void *dx, const void *dy, const void *weight,
                                       int64_t rows, int64_t in, int64_t out, bool accumulate)
{
	struct cuda_product product = { .m = rows, .n = in, .k = out, .accumulate = accumulate };
	bool taken = false;

	if (device->plain_products && !accumulate)
		STATUS_TRY(cuda_own_linear_input(device, dx, dy, weight, rows, in, out, &taken));
	if (taken)
		return STATUS_OK;
	product.factors = product.result = element(device);
	return multiply(device, &product, dy, weight, dx);
}

enum status cuda_linear_backward_weight(struct device *device, float *gradient, const void *dy, const void *x,
                                        int64_t rows, int64_t in, int64_t out)
{
	struct cuda_product product = { .m = out,
		                        .n = in,
		                        .k = rows,
		                        .a_transposed = true,
		                        .accumulate = true,
		                        .factors = element(device),
		                        .result = CUDA_FLOAT32 };

	return multiply(device, &product, dy, x, gradient);
}
