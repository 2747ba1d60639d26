/* Attention by cuDNN where it can (attention_library.c); attention.cu computes the rest, and all of it under emulation.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_ATTENTION_LIBRARY_H
#define CAPSHAPE_KERNELS_CUDA_ATTENTION_LIBRARY_H

#include "kernels/cuda/cuda.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Opens the library. Where it is not there *attention_out is a state that takes nothing: not an error. */
enum status cuda_attention_create(struct device *device, struct cuda_attention **attention_out);
void cuda_attention_destroy(struct cuda_attention *attention);
/* Such as "cuDNN 9.19", or "own attention". */
void cuda_attention_describe(const struct cuda_attention *attention, char *text, size_t size);
/* As in the table. *taken: whether the library has this shape; otherwise nothing was done. */
enum status cuda_attention_library_forward(struct device *device, void *out, float *log_sum, const void *q,
                                           const void *kv, const struct attention_shape *shape, bool *taken);
enum status cuda_attention_library_backward(struct device *device, void *dq, void *dkv, const void *dout,
                                            const void *out, const float *log_sum, const void *q, const void *kv,
                                            const struct attention_shape *shape, bool *taken);

/* columns.cu, between statistics [H, count] of queries and those [B, H, T] of all rows: query i is row index[i] = b T + t, or
 * row i where index is NULL. gather: y[h, i] = x[b, h, t]; scatter: y[b, h, t] = x[h, i]. Indices are distinct. */
enum status cuda_gather_columns(struct device *device, float *y, const float *x, const int32_t *index, int heads,
                                int64_t count, int64_t length);
enum status cuda_scatter_columns(struct device *device, float *y, const float *x, const int32_t *index, int heads,
                                 int64_t count, int64_t length);

#ifdef __cplusplus
}
#endif

#endif
