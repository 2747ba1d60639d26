/* The CUDA implementation of kernels.h, inside view, for C (device, memory, products, attention by library) and for CUDA
 * C++ (the kernels) alike.
 *
 * Everything runs in one stream of the device, in the order of the calls; nothing waits but what returns something to the
 * host. Each .cu file holds kernels and, as functions with C linkage, the entries of the table that launch them. The
 * libraries of NVIDIA are behind gemm_library.h and attention_library.h, and are opened when a device is created, not when
 * the program starts: a program built with CUDA runs on a machine without any of it.
 *
 * Bits: no atomic additions and no order that depends on which block is first; every sum has an order that follows from
 * the shapes and the input, so equal input gives equal bits on one kind of device.
 *
 * The same files are compiled for validation/emulator, where a processor runs the kernels thread by thread: see
 * launch.h.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_CUDA_H
#define CAPSHAPE_KERNELS_CUDA_CUDA_H

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "kernels/kernels.h"

struct cuda_gemm;      /* gemm_library.h */
struct cuda_attention; /* attention_library.h */
struct cuda_maps;      /* warp_group_maps.h */
struct cuda_staging;   /* memory.c: page-locked memory that copies pass through */

/* What goes on while the host waits for the device, where the device itself may wait for those of other ranks (peers_nccl.c). */
struct cuda_watch {
	enum status (*turn)(void *state); /* naps; fails when the wait is in vain. NULL: nothing */
	void *state;
};

struct device {
	enum precision precision;
	int threads; /* of the host, for what is made there */
	int number;  /* of the CUDA device */
	int multiprocessors;
	int capability;    /* 90 for 9.0 */
	bool any_order;    /* of sums, where that is faster */
	bool library_head; /* no narrow_head() was asked for */
	cudaStream_t stream;
	struct cuda_gemm *gemm;
	struct cuda_attention *attention;
	struct cuda_maps *maps; /* NULL: no own products on warp-group instructions */
	bool plain_products;    /* they are to compute what the library can, too */
	struct cuda_staging *staging;
	void *scratch; /* of kernels, contents undefined between calls */
	size_t scratch_bytes;
	struct cuda_watch watch;
	char description[256];
};

static inline bool cuda_half(const struct device *device)
{
	return device->precision == PRECISION_BFLOAT16;
}

static inline size_t cuda_element_bytes(const struct device *device)
{
	return cuda_half(device) ? 2 : 4;
}

/* Raises STATUS_ENVIRONMENT with CUDA's reason ("CUDA device 0, WHAT: REASON") unless code is cudaSuccess. `what` is a
 * phrase such as "norm_forward". */
enum status cuda_check(const struct device *device, cudaError_t code, const char *what);

/* Why no device can be used, where cudaGetDeviceCount() said this (cudaSuccess: that there is none). Returns `text`. */
const char *cuda_missing(cudaError_t code, char *text, size_t size);

/* Waits for the event, or for all that the device was asked for where event is NULL. */
enum status cuda_wait(const struct device *device, cudaEvent_t event, const char *what);

/* At least `bytes` of device memory, 256-byte aligned, contents undefined, valid until the next call; NULL after
 * error_raise(). Grows at the first uses and then stays. */
void *cuda_scratch(struct device *device, size_t bytes);

/* device.c, memory.c */
enum status cuda_device_create(enum precision precision, int threads, struct device **device_out);
void cuda_device_destroy(struct device *device);
void cuda_device_allow_any_order(struct device *device, bool allowed);
const char *cuda_device_describe(const struct device *device);
size_t cuda_activation_bytes(const struct device *device);
size_t cuda_weight_bytes(const struct device *device);
enum status cuda_staging_create(struct device *device);
void cuda_staging_destroy(struct device *device);
void *cuda_allocate(struct device *device, size_t bytes);
void cuda_release(struct device *device, void *memory);
void *cuda_allocate_host(struct device *device, size_t bytes);
void cuda_release_host(struct device *device, void *memory);
enum status cuda_upload(struct device *device, void *target, const void *host_source, size_t bytes);
enum status cuda_download(struct device *device, void *host_target, const void *source, size_t bytes);
enum status cuda_download_later(struct device *device, void *host_target, const void *source, size_t bytes);
/* After the device was waited for: all that cuda_download_later() was asked for goes where it was wanted; or, where it did not
 * arrive, nowhere, ever. */
void cuda_staging_deliver(struct device *device, bool arrived);
enum status cuda_clear(struct device *device, void *memory, size_t bytes);
enum status cuda_fill_normal(struct device *device, float *x, size_t count, double deviation, uint64_t seed,
                             uint64_t stream);
enum status cuda_synchronize(struct device *device);
enum status cuda_mark(struct device *device, int64_t *mark_out);
enum status cuda_wait_for(struct device *device, int64_t mark);

/* peers_nccl.c or peers_absent.c */
extern const struct peer_table cuda_peers;

/* convert.cu: `count` elements of activation type and floats, both on the device; in place where the types are equal. */
enum status cuda_to_floats(struct device *device, float *target, const void *source, size_t count);
enum status cuda_from_floats(struct device *device, void *target, const float *source, size_t count);
enum status cuda_download_activation(struct device *device, float *host_target, const void *source, size_t count);
enum status cuda_upload_activation(struct device *device, void *target, const float *host_source, size_t count);
enum status cuda_convert_weights(struct device *device, void *weights, const float *master, size_t count);

/* The other entries of the table; contracts in kernels.h. */
enum status cuda_embedding_forward(struct device *device, void *y, const void *table, const int32_t *ids, int64_t rows,
                                   int64_t width);
enum status cuda_embedding_backward(struct device *device, float *gradient, const void *dy, const int32_t *ids,
                                    int64_t rows, int64_t width);
enum status cuda_norm_forward(struct device *device, void *sum, void *normed, float *inverse_rms, const void *residual,
                              const void *branch, const void *gain, int64_t rows, int64_t width, float epsilon);
enum status cuda_norm_backward(struct device *device, void *dresidual, float *gain_gradient, const void *dnormed,
                               const void *x, const float *inverse_rms, const void *gain, int64_t rows, int64_t width,
                               bool accumulate);
enum status cuda_linear_forward(struct device *device, void *y, const void *x, const void *weight, int64_t rows,
                                int64_t in, int64_t out);
enum status cuda_linear_backward_input(struct device *device, void *dx, const void *dy, const void *weight,
                                       int64_t rows, int64_t in, int64_t out, bool accumulate);
enum status cuda_linear_backward_weight(struct device *device, float *gradient, const void *dy, const void *x,
                                        int64_t rows, int64_t in, int64_t out);
enum status cuda_rope(struct device *device, void *x, const int32_t *positions, int64_t rows, int heads, int rotated,
                      int head_size, double base, bool inverse);
enum status cuda_attention_forward(struct device *device, void *out, float *log_sum, const void *q, const void *kv,
                                   const struct attention_shape *shape);
enum status cuda_attention_backward(struct device *device, void *dq, void *dkv, const void *dout, const void *out,
                                    const float *log_sum, const void *q, const void *kv,
                                    const struct attention_shape *shape);
enum status cuda_attention_cached(struct device *device, void *out, const void *q, const void *cache,
                                  const struct cached_shape *shape);
enum status cuda_relu_squared_forward(struct device *device, void *y, const void *x, int64_t count);
enum status cuda_relu_squared_backward(struct device *device, void *dx, const void *dy, const void *y, int64_t count);
enum status cuda_linear_relu_squared_forward(struct device *device, void *y, const void *x, const struct row_norm *norm,
                                             const void *weight, int64_t rows, int64_t in, int64_t out, bool *taken);
enum status cuda_linear_rope_forward(struct device *device, void *y, const void *x, const struct row_norm *norm,
                                     const void *weight, const struct rope_shape *rope, int64_t rows, int64_t in,
                                     bool *taken);
enum status cuda_linear_add_forward(struct device *device, void *sum, float *squares, const void *residual,
                                    const void *x, const void *weight, int64_t rows, int64_t in, int64_t out,
                                    bool *taken);
int64_t cuda_norm_parts(const struct device *device, int64_t width);
enum status cuda_row_squares(struct device *device, float *squares, const void *x, int64_t rows, int64_t width);
enum status cuda_fold_gain(struct device *device, void *weights, const float *master, const float *gain, int64_t rows,
                           int64_t width);
enum status cuda_linear_relu_squared_backward(struct device *device, void *dx, const void *dy, const void *weight,
                                              const void *y, int64_t rows, int64_t in, int64_t out, bool *taken);
enum status cuda_gather_rows(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                             int64_t width);
enum status cuda_scatter_rows(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                              int64_t width, bool accumulate);
enum status cuda_clear_columns(struct device *device, void *y, const void *x, const uint8_t *marks, uint8_t mark,
                               int64_t rows, int64_t width, int64_t begin, int64_t end);
enum status cuda_probe(struct device *device, double *out, const void *residual, const void *branch,
                       const double *probes, int64_t count, int64_t rows, int64_t width);
enum status cuda_square_distance(struct device *device, float *squares, void *gradient, const void *x,
                                 const void *target, int64_t step, float factor, int64_t rows, int64_t width);
enum status cuda_cross_entropy(struct device *device, float *losses, void *logits, const int32_t *targets,
                               const float *weights, int64_t rows, int64_t vocabulary, float multiplier);
enum status cuda_narrow_head(struct device *device, float *losses, void *gradient, float *factors, const void *x,
                             const void *weight, const int32_t *targets, const float *weights, int64_t rows,
                             int64_t width, int64_t vocabulary, float multiplier, bool *taken);
/* warp_group_linear.cu: what the library computes, by own products on warp-group instructions. *taken: false where that is not done for the
 * shape, the alignment or the device, and nothing was done. */
enum status cuda_own_linear_forward(struct device *device, void *y, const void *x, const void *weight, int64_t rows,
                                    int64_t in, int64_t out, bool *taken);
enum status cuda_own_linear_input(struct device *device, void *dx, const void *dy, const void *weight, int64_t rows,
                                  int64_t in, int64_t out, bool *taken);
enum status cuda_own_linear_add(struct device *device, void *sum, float *squares, const void *residual, const void *x,
                                const void *weight, int64_t rows, int64_t in, int64_t out, bool *taken);
enum status cuda_scale_rows(struct device *device, void *x, const float *factors, int64_t rows, int64_t width);
enum status cuda_add(struct device *device, float *y, const float *x, size_t count);
enum status cuda_sum_of_squares(struct device *device, double *host_sums, const float *x, size_t count, size_t block);
enum status cuda_adamw(struct device *device, float *master, float *moment1, float *moment2, const float *gradient,
                       void *weights, size_t count, const struct adamw_step *step);

#ifdef __cplusplus
}
#endif

#endif
