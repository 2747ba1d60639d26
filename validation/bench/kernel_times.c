/* The wrapped kernel table of kernel_times.h. The table's calls carry no place for a clock, so the clocks are of this file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernel_times.h"

#include <stdio.h>
#include <string.h>

#include "base/timer.h"
#include "bench.h"

enum kind {
	HEAD_FORWARD,
	HEAD_INPUT_GRADIENT,
	HEAD_WEIGHT_GRADIENT,
	CROSS_ENTROPY,
	NARROW_HEAD,
	BODY_FORWARD,
	BODY_INPUT_GRADIENT,
	BODY_WEIGHT_GRADIENT,
	BODY_RELU_SQUARED,
	BODY_ROTATED,
	BODY_ADDED,
	BODY_SLOPE,
	ATTENTION_FORWARD,
	ATTENTION_BACKWARD,
	NORM_FORWARD,
	NORM_BACKWARD,
	ROPE,
	RELU_SQUARED_FORWARD,
	RELU_SQUARED_BACKWARD,
	EMBEDDING_FORWARD,
	EMBEDDING_BACKWARD,
	ROWS_MOVED,
	PROBE,
	CLEAR,
	SUM_OF_SQUARES,
	ADAMW,
	KINDS
};

static const char *const names[KINDS] = { "head: logits",
	                                  "head: input gradient",
	                                  "head: weight gradient",
	                                  "cross-entropy",
	                                  "head: narrow rows",
	                                  "linear: forward",
	                                  "linear: input gradient",
	                                  "linear: weight gradient",
	                                  "linear: and relu squared",
	                                  "linear: and rotation",
	                                  "linear: to the stream",
	                                  "linear: and its slope",
	                                  "attention forward",
	                                  "attention backward",
	                                  "norm forward",
	                                  "norm backward",
	                                  "rotation",
	                                  "relu squared forward",
	                                  "relu squared backward",
	                                  "embedding forward",
	                                  "embedding backward",
	                                  "gather, scatter",
	                                  "probes",
	                                  "clear",
	                                  "sum of squares",
	                                  "AdamW" };

static struct {
	const struct kernels *inner;
	struct kernels outer;
	int64_t vocabulary;
	double seconds[KINDS], operations[KINDS];
	int64_t calls[KINDS];
} times;

static enum status end(struct device *device, enum kind kind, double start, double operations, enum status status)
{
	times.inner->synchronize(device);
	times.seconds[kind] += timer_seconds() - start;
	times.operations[kind] += operations;
	times.calls[kind]++;
	return status;
}

#define TIMED(kind, operations, call)                                                                                  \
	double start = timer_seconds();                                                                                \
	return end(device, kind, start, (double)(operations), times.inner->call)

static enum status linear_forward(struct device *device, void *y, const void *x, const void *weight, int64_t rows,
                                  int64_t in, int64_t out)
{
	TIMED(out == times.vocabulary ? HEAD_FORWARD : BODY_FORWARD, 2 * rows * in * out,
	      linear_forward(device, y, x, weight, rows, in, out));
}

static enum status linear_backward_input(struct device *device, void *dx, const void *dy, const void *weight,
                                         int64_t rows, int64_t in, int64_t out, bool accumulate)
{
	TIMED(out == times.vocabulary ? HEAD_INPUT_GRADIENT : BODY_INPUT_GRADIENT, 2 * rows * in * out,
	      linear_backward_input(device, dx, dy, weight, rows, in, out, accumulate));
}

static enum status linear_backward_weight(struct device *device, float *gradient, const void *dy, const void *x,
                                          int64_t rows, int64_t in, int64_t out)
{
	TIMED(out == times.vocabulary ? HEAD_WEIGHT_GRADIENT : BODY_WEIGHT_GRADIENT, 2 * rows * in * out,
	      linear_backward_weight(device, gradient, dy, x, rows, in, out));
}

static enum status cross_entropy(struct device *device, float *losses, void *logits, const int32_t *targets,
                                 const float *weights, int64_t rows, int64_t vocabulary, float multiplier)
{
	TIMED(CROSS_ENTROPY, 0, cross_entropy(device, losses, logits, targets, weights, rows, vocabulary, multiplier));
}

static enum status narrow_head(struct device *device, float *losses, void *gradient, float *factors, const void *x,
                               const void *weight, const int32_t *targets, const float *weights, int64_t rows,
                               int64_t width, int64_t vocabulary, float multiplier, bool *taken)
{
	TIMED(NARROW_HEAD, 2 * rows * width * vocabulary,
	      narrow_head(device, losses, gradient, factors, x, weight, targets, weights, rows, width, vocabulary,
	                  multiplier, taken));
}

static enum status scale_rows(struct device *device, void *x, const float *factors, int64_t rows, int64_t width)
{
	TIMED(ROWS_MOVED, 0, scale_rows(device, x, factors, rows, width));
}

/* Of one of the products of attention, causal half counted. */
static double attention_operations(const struct attention_shape *shape)
{
	return (double)(shape->query_count * (shape->length + 1)) * shape->heads * shape->head_size;
}

static enum status attention_forward(struct device *device, void *out, float *log_sum, const void *q, const void *kv,
                                     const struct attention_shape *shape)
{
	TIMED(ATTENTION_FORWARD, 2 * attention_operations(shape),
	      attention_forward(device, out, log_sum, q, kv, shape));
}

static enum status attention_backward(struct device *device, void *dq, void *dkv, const void *dout, const void *out,
                                      const float *log_sum, const void *q, const void *kv,
                                      const struct attention_shape *shape)
{
	TIMED(ATTENTION_BACKWARD, 5 * attention_operations(shape),
	      attention_backward(device, dq, dkv, dout, out, log_sum, q, kv, shape));
}

static enum status norm_forward(struct device *device, void *sum, void *normed, float *inverse_rms,
                                const void *residual, const void *branch, const void *gain, int64_t rows, int64_t width,
                                float epsilon)
{
	TIMED(NORM_FORWARD, 0,
	      norm_forward(device, sum, normed, inverse_rms, residual, branch, gain, rows, width, epsilon));
}

static enum status norm_backward(struct device *device, void *dresidual, float *gain_gradient, const void *dnormed,
                                 const void *x, const float *inverse_rms, const void *gain, int64_t rows, int64_t width,
                                 bool accumulate)
{
	TIMED(NORM_BACKWARD, 0,
	      norm_backward(device, dresidual, gain_gradient, dnormed, x, inverse_rms, gain, rows, width, accumulate));
}

static enum status rope(struct device *device, void *x, const int32_t *positions, int64_t rows, int heads, int rotated,
                        int head_size, double base, bool inverse)
{
	TIMED(ROPE, 0, rope(device, x, positions, rows, heads, rotated, head_size, base, inverse));
}

static enum status relu_squared_forward(struct device *device, void *y, const void *x, int64_t count)
{
	TIMED(RELU_SQUARED_FORWARD, 0, relu_squared_forward(device, y, x, count));
}

static enum status relu_squared_backward(struct device *device, void *dx, const void *dy, const void *y, int64_t count)
{
	TIMED(RELU_SQUARED_BACKWARD, 0, relu_squared_backward(device, dx, dy, y, count));
}

static enum status linear_relu_squared_forward(struct device *device, void *y, const void *x,
                                               const struct row_norm *norm, const void *weight, int64_t rows,
                                               int64_t in, int64_t out, bool *taken)
{
	double start = timer_seconds();
	enum status status = times.inner->linear_relu_squared_forward(device, y, x, norm, weight, rows, in, out, taken);
	return *taken ? end(device, BODY_RELU_SQUARED, start, 2.0 * (double)rows * (double)in * (double)out, status)
	              : status;
}

static enum status linear_rope_forward(struct device *device, void *y, const void *x, const struct row_norm *norm,
                                       const void *weight, const struct rope_shape *rope, int64_t rows, int64_t in,
                                       bool *taken)
{
	double start = timer_seconds(), out = (double)rope->heads * rope->head_size;
	enum status status = times.inner->linear_rope_forward(device, y, x, norm, weight, rope, rows, in, taken);
	return *taken ? end(device, BODY_ROTATED, start, 2.0 * (double)rows * (double)in * out, status) : status;
}

static enum status linear_add_forward(struct device *device, void *sum, float *squares, const void *residual,
                                      const void *x, const void *weight, int64_t rows, int64_t in, int64_t out,
                                      bool *taken)
{
	double start = timer_seconds();
	enum status status =
		times.inner->linear_add_forward(device, sum, squares, residual, x, weight, rows, in, out, taken);
	return *taken ? end(device, BODY_ADDED, start, 2.0 * (double)rows * (double)in * (double)out, status) : status;
}

static enum status linear_relu_squared_backward(struct device *device, void *dx, const void *dy, const void *weight,
                                                const void *y, int64_t rows, int64_t in, int64_t out, bool *taken)
{
	double start = timer_seconds();
	enum status status = times.inner->linear_relu_squared_backward(device, dx, dy, weight, y, rows, in, out, taken);
	return *taken ? end(device, BODY_SLOPE, start, 2.0 * (double)rows * (double)in * (double)out, status) : status;
}

static enum status embedding_forward(struct device *device, void *y, const void *table, const int32_t *ids,
                                     int64_t rows, int64_t width)
{
	TIMED(EMBEDDING_FORWARD, 0, embedding_forward(device, y, table, ids, rows, width));
}

static enum status embedding_backward(struct device *device, float *gradient, const void *dy, const int32_t *ids,
                                      int64_t rows, int64_t width)
{
	TIMED(EMBEDDING_BACKWARD, 0, embedding_backward(device, gradient, dy, ids, rows, width));
}

static enum status gather_rows(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                               int64_t width)
{
	TIMED(ROWS_MOVED, 0, gather_rows(device, y, x, index, rows, width));
}

static enum status scatter_rows(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                                int64_t width, bool accumulate)
{
	TIMED(ROWS_MOVED, 0, scatter_rows(device, y, x, index, rows, width, accumulate));
}

static enum status probe(struct device *device, double *out, const void *residual, const void *branch,
                         const double *probes, int64_t count, int64_t rows, int64_t width)
{
	TIMED(PROBE, 0, probe(device, out, residual, branch, probes, count, rows, width));
}

static enum status clear(struct device *device, void *memory, size_t bytes)
{
	TIMED(CLEAR, 0, clear(device, memory, bytes));
}

static enum status sum_of_squares(struct device *device, double *host_sums, const float *x, size_t count, size_t block)
{
	TIMED(SUM_OF_SQUARES, 0, sum_of_squares(device, host_sums, x, count, block));
}

static enum status adamw(struct device *device, float *master, float *moment1, float *moment2, const float *gradient,
                         void *weights, size_t count, const struct adamw_step *step)
{
	TIMED(ADAMW, 0, adamw(device, master, moment1, moment2, gradient, weights, count, step));
}

const struct kernels *kernel_times_wrap(const struct kernels *kernels, int64_t vocabulary)
{
	times.inner = kernels;
	times.vocabulary = vocabulary;
	times.outer = *kernels;
	times.outer.linear_forward = linear_forward;
	times.outer.linear_backward_input = linear_backward_input;
	times.outer.linear_backward_weight = linear_backward_weight;
	times.outer.cross_entropy = cross_entropy;
	if (kernels->narrow_head != NULL) {
		times.outer.narrow_head = narrow_head;
		times.outer.scale_rows = scale_rows;
	}
	if (kernels->linear_relu_squared_forward != NULL) {
		times.outer.linear_relu_squared_forward = linear_relu_squared_forward;
		times.outer.linear_relu_squared_backward = linear_relu_squared_backward;
	}
	if (kernels->linear_rope_forward != NULL)
		times.outer.linear_rope_forward = linear_rope_forward;
	if (kernels->linear_add_forward != NULL)
		times.outer.linear_add_forward = linear_add_forward;
	times.outer.attention_forward = attention_forward;
	times.outer.attention_backward = attention_backward;
	times.outer.norm_forward = norm_forward;
	times.outer.norm_backward = norm_backward;
	times.outer.rope = rope;
	times.outer.relu_squared_forward = relu_squared_forward;
	times.outer.relu_squared_backward = relu_squared_backward;
	times.outer.embedding_forward = embedding_forward;
	times.outer.embedding_backward = embedding_backward;
	times.outer.gather_rows = gather_rows;
	times.outer.scatter_rows = scatter_rows;
	times.outer.probe = probe;
	times.outer.clear = clear;
	times.outer.sum_of_squares = sum_of_squares;
	times.outer.adamw = adamw;
	return &times.outer;
}

void kernel_times_reset(void)
{
	memset(times.seconds, 0, sizeof times.seconds);
	memset(times.operations, 0, sizeof times.operations);
	memset(times.calls, 0, sizeof times.calls);
}

void kernel_times_print(double seconds, int64_t steps)
{
	double rest = seconds;

	for (int kind = 0; kind < KINDS; kind++) {
		double own = times.seconds[kind] / (double)steps;
		if (times.calls[kind] == 0)
			continue;
		printf("  %-24s %6lld calls %9.2f ms %5.1f %%", names[kind], (long long)(times.calls[kind] / steps),
		       1e3 * own, 100 * own / seconds);
		if (times.operations[kind] > 0)
			printf(" %8.1f GFLOP/s", times.operations[kind] / times.seconds[kind] / 1e9);
		printf("\n");
		rest -= own;
	}
	printf("  %-24s %12s %9.2f ms %5.1f %%\n", "the rest", "", 1e3 * rest, 100 * rest / seconds);
}

void kernel_times_append(const char *path, const char *size, int64_t steps)
{
	for (int kind = 0; kind < KINDS; kind++) {
		const struct bench_field fields[] = {
			bench_field_text("size", "size of the model", "size", size),
			bench_field_text("what", "kind of call", "what", names[kind]),
			bench_field_number("calls", "1", "calls of a step", "calls",
			                   (double)times.calls[kind] / (double)steps, 1, 0),
			bench_field_number("seconds", "s", "time of a step", "s", times.seconds[kind] / (double)steps,
			                   1, 6),
		};
		if (times.calls[kind] > 0)
			bench_json_append(path, "profile", fields, sizeof fields / sizeof fields[0]);
	}
}
