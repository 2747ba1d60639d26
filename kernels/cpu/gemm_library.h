/* One single-threaded matrix product of the best library in the build: oneDNN, else CBLAS, else own loops.
 *
 * Each thread has its own slot, so that threads can compute different products at the same time.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CPU_GEMM_LIBRARY_H
#define CAPSHAPE_KERNELS_CPU_GEMM_LIBRARY_H

#include "kernels/cpu/cpu.h"

enum element { ELEMENT_FLOAT32, ELEMENT_BFLOAT16 };

/* c[m, n] (+)= op(a) op(b), row-major with row strides in elements. a_transposed: a is stored [k, m]; b_transposed:
 * b is stored [n, k]. */
struct product {
	int64_t m, n, k;
	int64_t a_stride, b_stride, c_stride;
	bool a_transposed, b_transposed, accumulate;
	enum element factors, result;
};

enum status gemm_library_create(int slots, struct gemm_library **library_out);
void gemm_library_destroy(struct gemm_library *library);
/* Such as "oneDNN 2.6.3". */
void gemm_library_describe(char *text, size_t size);
/* Whether products of bfloat16 run on instructions that are faster than float32 on this processor / run at all. */
bool gemm_library_bfloat16_is_fast(void);
bool gemm_library_bfloat16_is_possible(void);

/* False when the library failed; gemm_library_error() then raises the reason (to be called by the owning thread). */
bool gemm_library_multiply(struct gemm_library *library, int slot, const struct product *product, const void *a,
                           const void *b, void *c);
enum status gemm_library_error(const struct gemm_library *library);

/* gradient[out, in] += dy[rows, out]^T x[rows, in] by own loops, and the shapes for which they are faster than a library. */
bool LEVEL(gemm_outer_fits)(const struct device *device, int64_t in, int64_t out);
enum status LEVEL(gemm_outer)(struct device *device, float *gradient, const void *dy, const void *x, int64_t rows,
                              int64_t in, int64_t out);

/* Own product for builds without a library: c as in struct product, float32 only. */
void LEVEL(gemm_plain)(const struct product *product, const float *a, const float *b, float *c, float *scratch);
/* Floats of scratch it needs. */
enum { GEMM_PLAIN_SCRATCH = 256 * 64 + 8 * 64 };

#endif
