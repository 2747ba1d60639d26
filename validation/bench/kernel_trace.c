/* The table of kernel_trace.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernel_trace.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/cuda/bounds.h"

struct device {
	enum precision precision;
	bool writing;
	uintptr_t next; /* address */
};

void kernel_trace_begin(struct device *device)
{
	device->writing = true;
}

/* A line: printf's, to which it gives its end. */
__attribute__((format(printf, 2, 3))) static enum status note(const struct device *device, const char *format, ...)
{
	va_list arguments;

	if (!device->writing)
		return STATUS_OK;
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	return STATUS_OK;
}

/* ---- life and memory */

static enum status device_create(enum precision precision, int threads, struct device **device_out)
{
	(void)threads;
	*device_out = memory_allocate(1, sizeof **device_out);
	if (*device_out == NULL)
		return STATUS_ENVIRONMENT;
	**device_out = (struct device){ .precision = precision, .next = 1 << 20 };
	return STATUS_OK;
}

static void device_destroy(struct device *device)
{
	free(device);
}

static const char *device_describe(const struct device *device)
{
	(void)device;
	return "nothing: calls are written down";
}

static size_t element_bytes(const struct device *device)
{
	return device->precision == PRECISION_BFLOAT16 ? 2 : 4;
}

static void *allocate(struct device *device, size_t bytes)
{
	uintptr_t address = device->next;

	device->next += (bytes / 256 + 1) * 256;
	return (void *)address;
}

static void release(struct device *device, void *memory)
{
	(void)device, (void)memory;
}

static void *allocate_host(struct device *device, size_t bytes)
{
	(void)device;
	return memory_allocate(bytes > 0 ? bytes : 1, 1);
}

static void release_host(struct device *device, void *memory)
{
	(void)device;
	free(memory);
}

static enum status upload(struct device *device, void *target, const void *host_source, size_t bytes)
{
	(void)target, (void)host_source;
	return note(device, "upload bytes=%zu", bytes);
}

static enum status download(struct device *device, void *host_target, const void *source, size_t bytes)
{
	(void)host_target, (void)source;
	return note(device, "download bytes=%zu", bytes);
}

static enum status clear(struct device *device, void *memory, size_t bytes)
{
	(void)memory;
	return note(device, "clear bytes=%zu", bytes);
}

static enum status download_activation(struct device *device, float *host_target, const void *source, size_t count)
{
	(void)host_target, (void)source;
	return note(device, "download bytes=%zu", count * element_bytes(device));
}

static enum status upload_activation(struct device *device, void *target, const float *host_source, size_t count)
{
	(void)target, (void)host_source;
	return note(device, "upload bytes=%zu", count * element_bytes(device));
}

static enum status fill_normal(struct device *device, float *x, size_t count, double deviation, uint64_t seed,
                               uint64_t stream)
{
	(void)x, (void)deviation, (void)seed, (void)stream;
	return note(device, "upload bytes=%zu", count * sizeof(float));
}

static enum status synchronize(struct device *device)
{
	return note(device, "synchronize");
}

static enum status mark(struct device *device, int64_t *mark_out)
{
	(void)device;
	*mark_out = 0;
	return STATUS_OK;
}

static enum status wait_for(struct device *device, int64_t mark)
{
	(void)mark;
	return note(device, "synchronize");
}

/* ---- operations */

static enum status convert_weights(struct device *device, void *weights, const float *master, size_t count)
{
	(void)weights, (void)master;
	return note(device, "convert_weights count=%zu", count);
}

static enum status embedding_forward(struct device *device, void *y, const void *table, const int32_t *ids,
                                     int64_t rows, int64_t width)
{
	(void)y, (void)table, (void)ids;
	return note(device, "embedding_forward rows=%lld width=%lld", (long long)rows, (long long)width);
}

static enum status embedding_backward(struct device *device, float *gradient, const void *dy, const int32_t *ids,
                                      int64_t rows, int64_t width)
{
	(void)gradient, (void)dy, (void)ids;
	return note(device, "embedding_backward rows=%lld width=%lld", (long long)rows, (long long)width);
}

static enum status norm_forward(struct device *device, void *sum, void *normed, float *inverse_rms,
                                const void *residual, const void *branch, const void *gain, int64_t rows, int64_t width,
                                float epsilon)
{
	(void)normed, (void)inverse_rms, (void)gain, (void)epsilon;
	return note(device, "norm_forward rows=%lld width=%lld branch=%d sum=%d", (long long)rows, (long long)width,
	            branch != NULL, branch != NULL || sum != residual);
}

static enum status norm_backward(struct device *device, void *dresidual, float *gain_gradient, const void *dnormed,
                                 const void *x, const float *inverse_rms, const void *gain, int64_t rows, int64_t width,
                                 bool accumulate)
{
	(void)dresidual, (void)gain_gradient, (void)dnormed, (void)x, (void)inverse_rms, (void)gain;
	return note(device, "norm_backward rows=%lld width=%lld accumulate=%d", (long long)rows, (long long)width,
	            accumulate);
}

static enum status linear_forward(struct device *device, void *y, const void *x, const void *weight, int64_t rows,
                                  int64_t in, int64_t out)
{
	(void)y, (void)x, (void)weight;
	return note(device, "linear_forward rows=%lld in=%lld out=%lld", (long long)rows, (long long)in,
	            (long long)out);
}

static enum status linear_backward_input(struct device *device, void *dx, const void *dy, const void *weight,
                                         int64_t rows, int64_t in, int64_t out, bool accumulate)
{
	(void)dx, (void)dy, (void)weight;
	return note(device, "linear_backward_input rows=%lld in=%lld out=%lld accumulate=%d", (long long)rows,
	            (long long)in, (long long)out, accumulate);
}

static enum status linear_backward_weight(struct device *device, float *gradient, const void *dy, const void *x,
                                          int64_t rows, int64_t in, int64_t out)
{
	(void)gradient, (void)dy, (void)x;
	return note(device, "linear_backward_weight rows=%lld in=%lld out=%lld", (long long)rows, (long long)in,
	            (long long)out);
}

static enum status rope(struct device *device, void *x, const int32_t *positions, int64_t rows, int heads, int rotated,
                        int head_size, double base, bool inverse)
{
	(void)x, (void)positions, (void)heads, (void)base, (void)inverse;
	return note(device, "rope rows=%lld width=%d", (long long)rows, rotated * head_size);
}

static enum status note_attention(const struct device *device, const char *name, const struct attention_shape *shape)
{
	return note(device, "%s sequences=%lld length=%lld heads=%d head_size=%d listed=%d queries=%lld", name,
	            (long long)shape->sequences, (long long)shape->length, shape->heads, shape->head_size,
	            shape->queries != NULL, (long long)shape->query_count);
}

static enum status attention_forward(struct device *device, void *out, float *log_sum, const void *q, const void *kv,
                                     const struct attention_shape *shape)
{
	(void)out, (void)log_sum, (void)q, (void)kv;
	return note_attention(device, "attention_forward", shape);
}

static enum status attention_backward(struct device *device, void *dq, void *dkv, const void *dout, const void *out,
                                      const float *log_sum, const void *q, const void *kv,
                                      const struct attention_shape *shape)
{
	(void)dq, (void)dkv, (void)dout, (void)out, (void)log_sum, (void)q, (void)kv;
	return note_attention(device, "attention_backward", shape);
}

static enum status relu_squared_forward(struct device *device, void *y, const void *x, int64_t count)
{
	(void)y, (void)x;
	return note(device, "relu_squared_forward count=%lld", (long long)count);
}

static enum status relu_squared_backward(struct device *device, void *dx, const void *dy, const void *y, int64_t count)
{
	(void)dx, (void)dy, (void)y;
	return note(device, "relu_squared_backward count=%lld", (long long)count);
}

/* Whether own products are traced that would be taken on a GPU: as CAPSHAPE_PRODUCT says. */
static bool own_products(const struct device *device, int64_t inner, int64_t columns)
{
	const char *choice = getenv("CAPSHAPE_PRODUCT");

	return choice != NULL && strcmp(choice, "own") == 0 && device->precision == PRECISION_BFLOAT16 &&
	       inner % 8 == 0 && columns % 8 == 0;
}

static enum status linear_relu_squared_forward(struct device *device, void *y, const void *x,
                                               const struct row_norm *norm, const void *weight, int64_t rows,
                                               int64_t in, int64_t out, bool *taken)
{
	const char *format = "linear_relu_squared_forward rows=%lld in=%lld out=%lld norm=%d";
	(void)y, (void)x, (void)weight;
	*taken = own_products(device, in, out);
	return *taken ? note(device, format, (long long)rows, (long long)in, (long long)out, norm != NULL) : STATUS_OK;
}

static enum status linear_rope_forward(struct device *device, void *y, const void *x, const struct row_norm *norm,
                                       const void *weight, const struct rope_shape *rope, int64_t rows, int64_t in,
                                       bool *taken)
{
	const char *format = "linear_rope_forward rows=%lld in=%lld out=%lld turned=%d head_size=%d norm=%d";
	int64_t out = (int64_t)rope->heads * rope->head_size;
	(void)y, (void)x, (void)weight;
	*taken = own_products(device, in, out) && (rope->turned == 0 || rope_end_takes(rope->head_size, out));
	return *taken ? note(device, format, (long long)rows, (long long)in, (long long)out, rope->turned,
	                     rope->head_size, norm != NULL)
	              : STATUS_OK;
}

static enum status linear_add_forward(struct device *device, void *sum, float *squares, const void *residual,
                                      const void *x, const void *weight, int64_t rows, int64_t in, int64_t out,
                                      bool *taken)
{
	bool own = squares != NULL && stream_end_takes(out);
	(void)sum, (void)residual, (void)x, (void)weight;
	*taken = squares == NULL || own_products(device, in, out);
	if (!*taken)
		return STATUS_OK;
	note(device, "linear_add_forward rows=%lld in=%lld out=%lld squares=%d", (long long)rows, (long long)in,
	     (long long)out, own);
	return squares == NULL || own
	               ? STATUS_OK
	               : note(device, "row_squares rows=%lld width=%lld", (long long)rows, (long long)out);
}

static int64_t norm_parts(const struct device *device, int64_t width)
{
	return own_products(device, width, width) ? 1 : 0;
}

static enum status row_squares(struct device *device, float *squares, const void *x, int64_t rows, int64_t width)
{
	(void)squares, (void)x;
	return note(device, "row_squares rows=%lld width=%lld", (long long)rows, (long long)width);
}

static enum status fold_gain(struct device *device, void *weights, const float *master, const float *gain, int64_t rows,
                             int64_t width)
{
	(void)weights, (void)master, (void)gain;
	return note(device, "convert_weights count=%lld", (long long)(rows * width));
}

static enum status linear_relu_squared_backward(struct device *device, void *dx, const void *dy, const void *weight,
                                                const void *y, int64_t rows, int64_t in, int64_t out, bool *taken)
{
	const char *format = "linear_relu_squared_backward rows=%lld in=%lld out=%lld";
	(void)dx, (void)dy, (void)weight, (void)y;
	*taken = own_products(device, out, in);
	return *taken ? note(device, format, (long long)rows, (long long)in, (long long)out) : STATUS_OK;
}

static enum status gather_rows(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                               int64_t width)
{
	(void)y, (void)x, (void)index;
	return note(device, "gather_rows rows=%lld width=%lld", (long long)rows, (long long)width);
}

static enum status scatter_rows(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                                int64_t width, bool accumulate)
{
	(void)y, (void)x, (void)index;
	return note(device, "scatter_rows rows=%lld width=%lld accumulate=%d", (long long)rows, (long long)width,
	            accumulate);
}

static enum status clear_columns(struct device *device, void *y, const void *x, const uint8_t *marks, uint8_t mark,
                                 int64_t rows, int64_t width, int64_t begin, int64_t end)
{
	(void)y, (void)x, (void)marks, (void)mark;
	return note(device, "clear_columns rows=%lld width=%lld columns=%lld", (long long)rows, (long long)width,
	            (long long)(end - begin));
}

static enum status probe(struct device *device, double *out, const void *residual, const void *branch,
                         const double *probes, int64_t count, int64_t rows, int64_t width)
{
	(void)out, (void)residual, (void)branch, (void)probes;
	return note(device, "probe rows=%lld width=%lld count=%lld", (long long)rows, (long long)width,
	            (long long)count);
}

static enum status cross_entropy(struct device *device, float *losses, void *logits, const int32_t *targets,
                                 const float *weights, int64_t rows, int64_t vocabulary, float multiplier)
{
	(void)losses, (void)logits, (void)targets, (void)multiplier;
	return note(device, "cross_entropy rows=%lld vocabulary=%lld gradient=%d", (long long)rows,
	            (long long)vocabulary, weights != NULL);
}

static enum status square_distance(struct device *device, float *squares, void *gradient, const void *x,
                                   const void *target, int64_t step, float factor, int64_t rows, int64_t width)
{
	(void)squares, (void)gradient, (void)x, (void)target, (void)step, (void)factor;
	return note(device, "square_distance rows=%lld width=%lld", (long long)rows, (long long)width);
}

static enum status narrow_head(struct device *device, float *losses, void *gradient, float *factors, const void *x,
                               const void *weight, const int32_t *targets, const float *weights, int64_t rows,
                               int64_t width, int64_t vocabulary, float multiplier, bool *taken)
{
	(void)losses, (void)gradient, (void)factors, (void)x, (void)weight, (void)targets;
	bool narrow = narrow_head_takes(width, vocabulary, multiplier);

	*taken = device->precision == PRECISION_BFLOAT16 &&
	         (narrow || (own_products(device, width, vocabulary) && wide_head_takes(vocabulary, multiplier)));
	if (!*taken)
		return STATUS_OK;
	return note(device, "%s_head rows=%lld width=%lld vocabulary=%lld gradient=%d", narrow ? "narrow" : "wide",
	            (long long)rows, (long long)width, (long long)vocabulary, weights != NULL);
}

static enum status scale_rows(struct device *device, void *x, const float *factors, int64_t rows, int64_t width)
{
	(void)x, (void)factors;
	return note(device, "scale_rows rows=%lld width=%lld", (long long)rows, (long long)width);
}

static enum status add(struct device *device, float *y, const float *x, size_t count)
{
	(void)y, (void)x;
	return note(device, "add count=%zu", count);
}

static enum status sum_of_squares(struct device *device, double *host_sums, const float *x, size_t count, size_t block)
{
	(void)x;
	for (size_t i = 0; i * block < count; i++)
		host_sums[i] = 0;
	return note(device, "sum_of_squares count=%zu", count);
}

static enum status adamw(struct device *device, float *master, float *moment1, float *moment2, const float *gradient,
                         void *weights, size_t count, const struct adamw_step *step)
{
	(void)master, (void)moment1, (void)moment2, (void)gradient, (void)weights, (void)step;
	return note(device, "adamw count=%zu", count);
}

const struct kernels *kernel_trace(void)
{
	static const struct kernels table = {
		.name = "trace",
		.asynchronous = true,
		.logits_bytes = (size_t)GPU_LOGITS_MIB << 20,
		.logits_rows = GPU_LOGITS_ROWS,
		.forward_rows = GPU_FORWARD_ROWS,
		.device_create = device_create,
		.device_destroy = device_destroy,
		.device_describe = device_describe,
		.activation_bytes = element_bytes,
		.weight_bytes = element_bytes,
		.allocate = allocate,
		.release = release,
		.allocate_host = allocate_host,
		.release_host = release_host,
		.upload = upload,
		.download = download,
		.download_later = download,
		.clear = clear,
		.fill_normal = fill_normal,
		.download_activation = download_activation,
		.upload_activation = upload_activation,
		.synchronize = synchronize,
		.mark = mark,
		.wait_for = wait_for,
		.convert_weights = convert_weights,
		.embedding_forward = embedding_forward,
		.embedding_backward = embedding_backward,
		.norm_forward = norm_forward,
		.norm_backward = norm_backward,
		.linear_forward = linear_forward,
		.linear_backward_input = linear_backward_input,
		.linear_backward_weight = linear_backward_weight,
		.rope = rope,
		.attention_forward = attention_forward,
		.attention_backward = attention_backward,
		.relu_squared_forward = relu_squared_forward,
		.relu_squared_backward = relu_squared_backward,
		.linear_relu_squared_forward = linear_relu_squared_forward,
		.linear_rope_forward = linear_rope_forward,
		.linear_add_forward = linear_add_forward,
		.norm_parts = norm_parts,
		.row_squares = row_squares,
		.fold_gain = fold_gain,
		.linear_relu_squared_backward = linear_relu_squared_backward,
		.gather_rows = gather_rows,
		.scatter_rows = scatter_rows,
		.clear_columns = clear_columns,
		.probe = probe,
		.square_distance = square_distance,
		.cross_entropy = cross_entropy,
		.narrow_head = narrow_head,
		.scale_rows = scale_rows,
		.add = add,
		.sum_of_squares = sum_of_squares,
		.adamw = adamw,
	};
	return &table;
}
