/* The reference implementation of kernels.h: plain loops, floats stored, double inside. Speed is no aim here; being
 * obviously right is, because the other implementations are compared with it. One thread, float32 only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_REFERENCE_H
#define CAPSHAPE_KERNELS_REFERENCE_H

#include "kernels/kernels.h"

/* At least `count` zeroed doubles that stay valid until the next call; NULL after error_raise(). */
double *reference_scratch(struct device *device, size_t count);

enum status reference_embedding_forward(struct device *device, void *y, const void *table, const int32_t *ids,
                                        int64_t rows, int64_t width);
enum status reference_embedding_backward(struct device *device, float *gradient, const void *dy, const int32_t *ids,
                                         int64_t rows, int64_t width);
enum status reference_norm_forward(struct device *device, void *sum, void *normed, float *inverse_rms,
                                   const void *residual, const void *branch, const void *gain, int64_t rows,
                                   int64_t width, float epsilon);
enum status reference_norm_backward(struct device *device, void *dresidual, float *gain_gradient, const void *dnormed,
                                    const void *x, const float *inverse_rms, const void *gain, int64_t rows,
                                    int64_t width, bool accumulate);
enum status reference_linear_forward(struct device *device, void *y, const void *x, const void *weight, int64_t rows,
                                     int64_t in, int64_t out);
enum status reference_linear_backward_input(struct device *device, void *dx, const void *dy, const void *weight,
                                            int64_t rows, int64_t in, int64_t out, bool accumulate);
enum status reference_linear_backward_weight(struct device *device, float *gradient, const void *dy, const void *x,
                                             int64_t rows, int64_t in, int64_t out);
enum status reference_rope(struct device *device, void *x, const int32_t *positions, int64_t rows, int heads,
                           int rotated, int head_size, double base, bool inverse);
enum status reference_attention_forward(struct device *device, void *out, float *log_sum, const void *q, const void *kv,
                                        const struct attention_shape *shape);
enum status reference_attention_backward(struct device *device, void *dq, void *dkv, const void *dout, const void *out,
                                         const float *log_sum, const void *q, const void *kv,
                                         const struct attention_shape *shape);
enum status reference_attention_cached(struct device *device, void *out, const void *q, const void *cache,
                                       const struct cached_shape *shape);
enum status reference_relu_squared_forward(struct device *device, void *y, const void *x, int64_t count);
enum status reference_relu_squared_backward(struct device *device, void *dx, const void *dy, const void *y,
                                            int64_t count);
enum status reference_gather_rows(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                                  int64_t width);
enum status reference_scatter_rows(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                                   int64_t width, bool accumulate);
enum status reference_clear_columns(struct device *device, void *y, const void *x, const uint8_t *marks, uint8_t mark,
                                    int64_t rows, int64_t width, int64_t begin, int64_t end);
enum status reference_probe(struct device *device, double *out, const void *residual, const void *branch,
                            const double *probes, int64_t count, int64_t rows, int64_t width);
enum status reference_square_distance(struct device *device, float *squares, void *gradient, const void *x,
                                      const void *target, int64_t step, float factor, int64_t rows, int64_t width);
enum status reference_cross_entropy(struct device *device, float *losses, void *logits, const int32_t *targets,
                                    const float *weights, int64_t rows, int64_t vocabulary, float multiplier);
enum status reference_add(struct device *device, float *y, const float *x, size_t count);
enum status reference_sum_of_squares(struct device *device, double *host_sums, const float *x, size_t count,
                                     size_t block);
enum status reference_adamw(struct device *device, float *master, float *moment1, float *moment2, const float *gradient,
                            void *weights, size_t count, const struct adamw_step *step);

#endif
