/* One matrix product, by cuBLASLt (gemm_cublaslt.c) or, under emulation, by loops (validation/emulator).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_GEMM_LIBRARY_H
#define CAPSHAPE_KERNELS_CUDA_GEMM_LIBRARY_H

#include "kernels/cuda/cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

enum cuda_element { CUDA_FLOAT32, CUDA_BFLOAT16 };

/* c[m, n] (+)= op(a) op(b): device memory, row-major and dense. a_transposed: a is stored [k, m], else [m, k];
 * b_transposed: b is stored [n, k], else [k, n]. accumulate: c = base + op(a) op(b), where base is like c; NULL: c itself. Sums are float32
 * whatever the elements, base included. */
struct cuda_product {
	int64_t m, n, k;
	bool a_transposed, b_transposed, accumulate;
	enum cuda_element factors, result;
	const void *base;
};

static inline const void *cuda_product_base(const struct cuda_product *product, const void *c)
{
	return product->base != NULL ? product->base : c;
}

/* Opens the library. Needs device->stream, number and capability. STATUS_ENVIRONMENT where it is not there. */
enum status cuda_gemm_create(struct device *device, struct cuda_gemm **gemm_out);
void cuda_gemm_destroy(struct cuda_gemm *gemm);
/* Such as "cuBLASLt 13.1". */
void cuda_gemm_describe(const struct cuda_gemm *gemm, char *text, size_t size);
/* Queued on device->stream. m, n, k > 0. The same product gets the same algorithm and so the same bits. */
enum status cuda_gemm_multiply(struct device *device, const struct cuda_product *product, const void *a, const void *b,
                               void *c);

/* gemm_plain.cu: the same by an own kernel, at a small part of the library's speed. */
enum status cuda_gemm_plain(struct device *device, const struct cuda_product *product, const void *a, const void *b,
                            void *c);

#ifdef __cplusplus
}
#endif

#endif
