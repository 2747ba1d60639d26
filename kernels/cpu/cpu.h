/* The CPU implementation of kernels.h, inside view.
 *
 * Files that compute on elements (activation, adamw, attention, attention_backward, cross_entropy, embedding, gemm,
 * gemm_outer, gemm_plain, norm, rope, rows, table) are compiled once for every instruction set level: -DCPU_LEVEL=baseline with
 * no special flags, -DCPU_LEVEL=avx2 with -mavx2 -mfma, -DCPU_LEVEL=avx512 with -mavx512f -mavx512bw -mavx512dq
 * -mavx512vl -mfma. The name of the level becomes part of every name they export (LEVEL), so all of them fit in one
 * program, and device.c takes the best table the processor can run when the program was built with HAVE_CPU_LEVELS.
 * The other files are compiled once.
 *
 * Bits: equal input gives equal bits on one machine whatever the number of threads, because every sum has an order
 * that follows from the shapes: work is cut into items whose size does not depend on the threads, and one item is
 * computed by one thread. Machines of different levels give results that differ in the last bits.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CPU_CPU_H
#define CAPSHAPE_KERNELS_CPU_CPU_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "kernels/kernels.h"

#ifndef CPU_LEVEL
#define CPU_LEVEL baseline
#endif
#define LEVEL_JOIN_(name, level) cpu_##name##_##level
#define LEVEL_JOIN(name, level)  LEVEL_JOIN_(name, level)
/* cpu_<name>_<level>: the exported name of a function compiled for each level. */
#define LEVEL(name)              LEVEL_JOIN(name, CPU_LEVEL)

/* Tables of the levels; those but the first exist in builds with HAVE_CPU_LEVELS only and may be called only on a
 * processor that has the instructions. */
const struct kernels *cpu_table_baseline(void);
const struct kernels *cpu_table_avx2(void);
const struct kernels *cpu_table_avx512(void);

/* How bfloat16 products are computed: on bfloat16 instructions, or widened to float32 piece by piece, which gives
 * the same products and sums and is faster where the processor has no fast bfloat16 instructions. */
enum bfloat16_products { BFLOAT16_NATIVE, BFLOAT16_WIDENED };

struct gemm_library;
struct rope_table;

struct device {
	enum precision precision;
	int threads;
	enum bfloat16_products bfloat16_products;
	struct gemm_library *gemm; /* handles and cached primitives of the product library */
	struct rope_table *rope;
	void **scratch; /* [threads], scratch_bytes each */
	size_t scratch_bytes;
	float *shared_scratch;
	size_t shared_count;
	char description[128];
};

static inline bool cpu_half(const struct device *device)
{
	return device->precision == PRECISION_BFLOAT16;
}

/* Calls task(context, item, thread) for every item, on the device's threads; items must not depend on each other. */
typedef void cpu_task(void *context, int64_t item, int thread);
void cpu_parallel(struct device *device, int64_t items, cpu_task *task, void *context);

/* Makes sure that every thread has `bytes` of scratch memory; contents are undefined. Call before cpu_parallel(). */
enum status cpu_scratch_reserve(struct device *device, size_t bytes);
/* Undefined floats all threads see, valid until the next call; NULL after error_raise(). */
float *cpu_shared_scratch(struct device *device, size_t count);

/* Elements of one item of element-wise work: large enough to hide the cost of handing it out. */
enum { CPU_ITEM_ELEMENTS = 1 << 16 };

/* Device functions of every level (device.c). */
enum status cpu_device_create(enum precision precision, int threads, struct device **device_out);
void cpu_device_destroy(struct device *device);
const char *cpu_device_describe(const struct device *device);
size_t cpu_activation_bytes(const struct device *device);
size_t cpu_weight_bytes(const struct device *device);
void *cpu_allocate(struct device *device, size_t bytes);
void cpu_release(struct device *device, void *memory);
enum status cpu_copy(struct device *device, void *target, const void *source, size_t bytes);
enum status cpu_clear(struct device *device, void *memory, size_t bytes);
enum status cpu_fill_normal(struct device *device, float *x, size_t count, double deviation, uint64_t seed,
                            uint64_t stream);
enum status cpu_synchronize(struct device *device);
enum status cpu_mark(struct device *device, int64_t *mark_out);
enum status cpu_wait_for(struct device *device, int64_t mark);
/* probe.c: compiled once, as its bits are those of every level. */
enum status cpu_probe(struct device *device, double *out, const void *residual, const void *branch,
                      const double *probes, int64_t count, int64_t rows, int64_t width);

void cpu_rope_table_destroy(struct rope_table *table);

/* Kernels, one of each for every level. */
enum status LEVEL(download_activation)(struct device *device, float *host_target, const void *source, size_t count);
enum status LEVEL(upload_activation)(struct device *device, void *target, const float *host_source, size_t count);
enum status LEVEL(convert_weights)(struct device *device, void *weights, const float *master, size_t count);
enum status LEVEL(embedding_forward)(struct device *device, void *y, const void *table, const int32_t *ids,
                                     int64_t rows, int64_t width);
enum status LEVEL(embedding_backward)(struct device *device, float *gradient, const void *dy, const int32_t *ids,
                                      int64_t rows, int64_t width);
enum status LEVEL(norm_forward)(struct device *device, void *sum, void *normed, float *inverse_rms,
                                const void *residual, const void *branch, const void *gain, int64_t rows, int64_t width,
                                float epsilon);
enum status LEVEL(norm_backward)(struct device *device, void *dresidual, float *gain_gradient, const void *dnormed,
                                 const void *x, const float *inverse_rms, const void *gain, int64_t rows, int64_t width,
                                 bool accumulate);
enum status LEVEL(linear_forward)(struct device *device, void *y, const void *x, const void *weight, int64_t rows,
                                  int64_t in, int64_t out);
enum status LEVEL(linear_backward_input)(struct device *device, void *dx, const void *dy, const void *weight,
                                         int64_t rows, int64_t in, int64_t out, bool accumulate);
enum status LEVEL(linear_backward_weight)(struct device *device, float *gradient, const void *dy, const void *x,
                                          int64_t rows, int64_t in, int64_t out);
enum status LEVEL(rope)(struct device *device, void *x, const int32_t *positions, int64_t rows, int heads, int rotated,
                        int head_size, double base, bool inverse);
enum status LEVEL(attention_forward)(struct device *device, void *out, float *log_sum, const void *q, const void *kv,
                                     const struct attention_shape *shape);
enum status LEVEL(attention_backward)(struct device *device, void *dq, void *dkv, const void *dout, const void *out,
                                      const float *log_sum, const void *q, const void *kv,
                                      const struct attention_shape *shape);
enum status LEVEL(attention_cached)(struct device *device, void *out, const void *q, const void *cache,
                                    const struct cached_shape *shape);
enum status LEVEL(relu_squared_forward)(struct device *device, void *y, const void *x, int64_t count);
enum status LEVEL(relu_squared_backward)(struct device *device, void *dx, const void *dy, const void *y, int64_t count);
enum status LEVEL(gather_rows)(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                               int64_t width);
enum status LEVEL(scatter_rows)(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                                int64_t width, bool accumulate);
enum status LEVEL(clear_columns)(struct device *device, void *y, const void *x, const uint8_t *marks, uint8_t mark,
                                 int64_t rows, int64_t width, int64_t begin, int64_t end);
enum status LEVEL(square_distance)(struct device *device, float *squares, void *gradient, const void *x,
                                   const void *target, int64_t step, float factor, int64_t rows, int64_t width);
enum status LEVEL(cross_entropy)(struct device *device, float *losses, void *logits, const int32_t *targets,
                                 const float *weights, int64_t rows, int64_t vocabulary, float multiplier);
enum status LEVEL(add)(struct device *device, float *y, const float *x, size_t count);
enum status LEVEL(sum_of_squares)(struct device *device, double *host_sums, const float *x, size_t count, size_t block);
enum status LEVEL(adamw)(struct device *device, float *master, float *moment1, float *moment2, const float *gradient,
                         void *weights, size_t count, const struct adamw_step *step);

#endif
