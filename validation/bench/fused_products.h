/* ReLU squared folded into a matrix product by cuDNN's runtime compiler: for measuring what the program, which uses cuBLASLt and
 * a pass over the elements, could gain (questions_bench.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_FUSED_PRODUCTS_H
#define CAPSHAPE_FUSED_PRODUCTS_H

#include <stdbool.h>

#include "kernels/kernels.h"

/* bfloat16, rows side by side, sums in float32. D = width, R = rows.
 * Forward: y[R, 4 D] = relu(x[R, D] weight[4 D, D]^T)^2. Backward: dz[R, 4 D] = 2 sqrt(y) times elements of dx[R, D] weight[D, 4 D]. */
struct fused_problem {
	bool backward;
	int64_t rows, width;
};

enum { FUSED_REASON = 256 };

/* The library, for the device, which must outlive it. */
struct fused_products;
/* false, with the reason, where there is none. */
bool fused_products_open(struct device *device, struct fused_products **products_out, char reason[FUSED_REASON]);
void fused_products_close(struct fused_products *products);

/* Ways to compute a problem: those that the library proposes, and kernels for Hopper which it does not. */
enum { FUSED_WAYS = 13 };
struct fused_product;
/* false, with the reason, where this way (0 .. FUSED_WAYS - 1) does not compute the problem. */
bool fused_product_create(struct fused_products *products, const struct fused_problem *problem, int way,
                          struct fused_product **product_out, char reason[FUSED_REASON]);
void fused_product_destroy(struct fused_product *product);
/* Such as "engine 2, kernel 14". Owned by the product. */
const char *fused_product_describe(const struct fused_product *product);
/* Bytes of device memory, 256-byte aligned, that a run needs. */
size_t fused_product_workspace(const struct fused_product *product);
/* Queued on the device's stream. x: x or dx. y: written forward, read backward. dz: backward alone. 16-byte aligned. */
enum status fused_product_run(const struct fused_product *product, void *x, void *weight, void *y, void *dz,
                              void *workspace);

#endif
