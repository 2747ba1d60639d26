/* Attention by cuDNN where it can (attention_cudnn.c); attention.cu computes the rest, and all of it under emulation.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_ATTENTION_LIBRARY_H
#define CAPSHAPE_KERNELS_CUDA_ATTENTION_LIBRARY_H

#include "kernels/cuda/cuda.h"

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

#endif
