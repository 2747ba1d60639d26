/* Speed of the kernels on this machine: linear products and attention in GFLOP/s, beside the ceiling of a square product;
 * element-wise kernels in GB/s of the memory they must touch.
 *
 * usage: kernels_bench [cpu|reference|cuda] [float32|bfloat16] [threads] [seconds a measurement]
 * Each figure is the best of the repetitions that fit into the seconds of a measurement (default 0.04).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/status.h"
#include "base/timer.h"
#include "kernels/kernels.h"

struct bench {
	const struct kernels *k;
	struct device *device;
	double seconds;
	size_t element;
};

/* One call of a kernel on prepared memory. */
typedef enum status call(const struct bench *bench, void *context);

static void require(enum status status)
{
	if (status == STATUS_OK)
		return;
	fprintf(stderr, "kernels_bench: %s\n", error_message());
	exit(status_exit_code(status));
}

static double best_seconds(const struct bench *bench, call *function, void *context)
{
	require(function(bench, context)); /* prepares what is prepared once */
	require(bench->k->synchronize(bench->device));
	double best = INFINITY, begin = timer_seconds();
	do {
		double start = timer_seconds();
		require(function(bench, context));
		require(bench->k->synchronize(bench->device));
		double took = timer_seconds() - start;
		best = took < best ? took : best;
	} while (timer_seconds() - begin < bench->seconds);
	return best;
}

static void *room(const struct bench *bench, size_t bytes)
{
	void *memory = bench->k->allocate(bench->device, bytes);
	if (memory == NULL)
		require(STATUS_ENVIRONMENT);
	return memory;
}

static void *elements(const struct bench *bench, int64_t count, double deviation)
{
	float *host = malloc((size_t)count * sizeof *host);
	if (host == NULL)
		exit(5);
	for (int64_t i = 0; i < count; i++) /* speed depends on no digit, so few distinct numbers do */
		host[i] = (float)(deviation * (random_uniform(1, RANDOM_TEST, 0, (uint64_t)i % 4096) - 0.5));
	void *memory = room(bench, (size_t)count * bench->element);
	require(bench->k->upload_activation(bench->device, memory, host, (size_t)count));
	free(host);
	return memory;
}

struct linear {
	void *x, *y, *weight;
	float *gradient;
	int64_t rows, in, out;
};

static enum status linear_forward(const struct bench *b, void *context)
{
	struct linear *l = context;
	return b->k->linear_forward(b->device, l->y, l->x, l->weight, l->rows, l->in, l->out);
}

static enum status linear_input(const struct bench *b, void *context)
{
	struct linear *l = context;
	return b->k->linear_backward_input(b->device, l->x, l->y, l->weight, l->rows, l->in, l->out, false);
}

static enum status linear_weight(const struct bench *b, void *context)
{
	struct linear *l = context;
	return b->k->linear_backward_weight(b->device, l->gradient, l->y, l->x, l->rows, l->in, l->out);
}

static void bench_linear(const struct bench *b, int64_t rows, int64_t in, int64_t out)
{
	struct linear l = { elements(b, rows * in, 1.0),
		            elements(b, rows * out, 1.0),
		            elements(b, in * out, 0.1),
		            room(b, (size_t)(in * out) * sizeof(float)),
		            rows,
		            in,
		            out };
	double work = 2e-9 * (double)rows * (double)in * (double)out;
	printf("  %6lld x %5lld -> %6lld   forward %7.1f   input gradient %7.1f   weight gradient %7.1f GFLOP/s\n",
	       (long long)rows, (long long)in, (long long)out, work / best_seconds(b, linear_forward, &l),
	       work / best_seconds(b, linear_input, &l), work / best_seconds(b, linear_weight, &l));
	void *all[] = { l.x, l.y, l.weight, l.gradient };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		b->k->release(b->device, all[i]);
}

struct attention {
	char *qkv, *dqkv;
	void *out;
	float *log_sum;
	size_t keys; /* bytes from q to k in qkv */
	struct attention_shape shape;
};

static enum status attention_forward(const struct bench *b, void *context)
{
	struct attention *a = context;
	return b->k->attention_forward(b->device, a->out, a->log_sum, a->qkv, a->qkv + a->keys, &a->shape);
}

static enum status attention_backward(const struct bench *b, void *context)
{
	struct attention *a = context;
	return b->k->attention_backward(b->device, a->dqkv, a->dqkv + a->keys, a->out, a->out, a->log_sum, a->qkv,
	                                a->qkv + a->keys, &a->shape);
}

static void bench_attention(const struct bench *b, int64_t sequences, int64_t length, int heads, int head_size)
{
	int64_t count = sequences * length * heads * head_size;
	struct attention a = { .qkv = elements(b, 3 * count, 2.0),
		               .dqkv = elements(b, 3 * count, 1.0),
		               .out = elements(b, count, 1.0),
		               .log_sum = room(b, (size_t)(sequences * heads * length) * sizeof(float)),
		               .keys = (size_t)heads * (size_t)head_size * b->element,
		               .shape = { .sequences = sequences,
		                          .length = length,
		                          .heads = heads,
		                          .head_size = head_size,
		                          .scale = 0.18f,
		                          .query_count = sequences * length,
		                          .query_step = 3 * (int64_t)heads * head_size,
		                          .key_step = 3 * (int64_t)heads * head_size } };
	/* 2 products forward, 5 backward, each 2 T (T + 1) / 2 K operations a head. */
	double product = 1e-9 * (double)(sequences * heads) * (double)length * (double)(length + 1) * head_size;
	printf("  B %3lld T %4lld H %2d K %3d   forward %7.1f   backward %7.1f GFLOP/s\n", (long long)sequences,
	       (long long)length, heads, head_size, 2.0 * product / best_seconds(b, attention_forward, &a),
	       5.0 * product / best_seconds(b, attention_backward, &a));
	void *all[] = { a.qkv, a.out, a.dqkv, a.log_sum };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		b->k->release(b->device, all[i]);
}

/* Memory for the element-wise kernels: `rows` x `width` activations, a vocabulary, a flat arena. */
struct rows {
	void *a, *b, *c, *gain, *logits;
	float *inverse, *losses, *weights, *gain_gradient, *arena[4];
	int32_t *ids;
	int64_t rows, width, vocabulary, parameters;
};

static enum status norm_forward(const struct bench *b, void *context)
{
	struct rows *r = context;
	return b->k->norm_forward(b->device, r->a, r->c, r->inverse, r->a, r->b, r->gain, r->rows, r->width, 1e-7f);
}

static enum status norm_backward(const struct bench *b, void *context)
{
	struct rows *r = context;
	return b->k->norm_backward(b->device, r->c, r->gain_gradient, r->b, r->a, r->inverse, r->gain, r->rows,
	                           r->width, true);
}

static enum status relu_forward(const struct bench *b, void *context)
{
	struct rows *r = context;
	return b->k->relu_squared_forward(b->device, r->c, r->b, r->rows * r->width);
}

static enum status relu_backward(const struct bench *b, void *context)
{
	struct rows *r = context;
	return b->k->relu_squared_backward(b->device, r->a, r->b, r->c, r->rows * r->width);
}

/* Seen as qkv of rows / 3, one head of 32 for each 96 columns. */
static enum status rope(const struct bench *b, void *context)
{
	struct rows *r = context;
	return b->k->rope(b->device, r->b, r->ids, r->rows, (int)(r->width / 32), (int)(r->width / 48), 32, 10000.0,
	                  false);
}

static enum status embedding_backward(const struct bench *b, void *context)
{
	struct rows *r = context;
	return b->k->embedding_backward(b->device, r->arena[3], r->b, r->ids, r->rows, r->width);
}

static enum status cross_entropy(const struct bench *b, void *context)
{
	struct rows *r = context;
	return b->k->cross_entropy(b->device, r->losses, r->logits, r->ids, r->weights, r->rows, r->vocabulary, 1.0f);
}

static enum status adamw(const struct bench *b, void *context)
{
	struct rows *r = context;
	struct adamw_step step = { 1e-3, 0.9, 0.95, 1e-8, 0.1, 0.1, 0.05, 1.0 };
	return b->k->adamw(b->device, r->arena[0], r->arena[1], r->arena[2], r->arena[3], NULL, (size_t)r->parameters,
	                   &step);
}

static enum status squares(const struct bench *b, void *context)
{
	struct rows *r = context;
	double sums[4096];
	return b->k->sum_of_squares(b->device, sums, r->arena[3], (size_t)r->parameters, 1 << 16);
}

static void report(const struct bench *b, const char *name, call *function, struct rows *r, double bytes)
{
	double seconds = best_seconds(b, function, r);
	printf("  %-20s %7.1f GB/s   %8.1f us\n", name, 1e-9 * bytes / seconds, 1e6 * seconds);
}

static void bench_rows(const struct bench *b, int64_t rows, int64_t width, int64_t vocabulary, int64_t parameters)
{
	struct rows r = { .rows = rows, .width = width, .vocabulary = vocabulary, .parameters = parameters };
	r.a = elements(b, rows * width, 1.0);
	r.b = elements(b, rows * width, 1.0);
	r.c = elements(b, rows * width, 1.0);
	r.gain = elements(b, width, 1.0);
	r.logits = elements(b, rows * vocabulary, 10.0);
	r.inverse = room(b, (size_t)rows * sizeof(float));
	r.losses = room(b, (size_t)rows * sizeof(float));
	r.weights = room(b, (size_t)rows * sizeof(float));
	r.gain_gradient = room(b, (size_t)width * sizeof(float));
	r.ids = room(b, (size_t)rows * sizeof(int32_t));
	for (int i = 0; i < 4; i++)
		r.arena[i] = room(b, (size_t)parameters * sizeof(float));
	int32_t *ids = malloc((size_t)rows * sizeof *ids);
	if (ids == NULL)
		exit(5);
	for (int64_t i = 0; i < rows; i++)
		ids[i] = (int32_t)(random_bits(1, RANDOM_TEST, 1, (uint64_t)i) % 128);
	require(b->k->upload(b->device, r.ids, ids, (size_t)rows * sizeof *ids));
	free(ids);

	double matrix = (double)(rows * width) * (double)b->element;
	printf("  rows %lld, width %lld, vocabulary %lld, parameters %lld\n", (long long)rows, (long long)width,
	       (long long)vocabulary, (long long)parameters);
	report(b, "norm forward", norm_forward, &r, 4 * matrix);
	report(b, "norm backward", norm_backward, &r, 4 * matrix);
	report(b, "relu^2 forward", relu_forward, &r, 2 * matrix);
	report(b, "relu^2 backward", relu_backward, &r, 3 * matrix);
	report(b, "rope", rope, &r, 4.0 / 3.0 * matrix);
	report(b, "embedding backward", embedding_backward, &r, matrix + 8.0 * (double)(rows * width));
	report(b, "cross-entropy", cross_entropy, &r, 2.0 * (double)(rows * vocabulary) * (double)b->element);
	report(b, "AdamW", adamw, &r, 28.0 * (double)parameters);
	report(b, "sum of squares", squares, &r, 4.0 * (double)parameters);
	void *all[] = { r.a,        r.b,        r.c,        r.gain,          r.logits,
		        r.inverse,  r.losses,   r.weights,  r.gain_gradient, r.ids,
		        r.arena[0], r.arena[1], r.arena[2], r.arena[3] };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		b->k->release(b->device, all[i]);
}

static void bench_all(const struct bench *b)
{
	printf("products\n");
	bench_linear(b, 2048, 2048, 2048); /* the ceiling */
	static const int64_t shapes[][3] = {
		{ 2048, 64, 192 },   { 2048, 128, 384 },   { 2048, 128, 128 },   { 2048, 128, 512 },
		{ 2048, 512, 128 },  { 2048, 192, 768 },   { 2048, 448, 1344 },  { 2048, 448, 1792 },
		{ 2048, 1792, 448 }, { 256, 64, 4096 },    { 256, 128, 4096 },   { 256, 128, 8192 },
		{ 229, 128, 8192 },  { 256, 128, 100288 }, { 896, 448, 100288 },
	};
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
		bench_linear(b, shapes[i][0], shapes[i][1], shapes[i][2]);
	printf("attention\n");
	bench_attention(b, 16, 128, 4, 32);
	bench_attention(b, 8, 256, 4, 32);
	bench_attention(b, 4, 512, 4, 32);
	bench_attention(b, 4, 512, 8, 56);
	bench_attention(b, 4, 512, 4, 64);
	bench_attention(b, 1, 2048, 4, 32);
	bench_attention(b, 1, 2048, 4, 128);
	printf("element-wise\n");
	bench_rows(b, 2048, 192, 512, 1 << 20);
	bench_rows(b, 256, 384, 8192, 1 << 21);
	bench_rows(b, 256, 448, 100288, 1 << 23);
}

int main(int count, char **words)
{
	const char *name = count > 1 ? words[1] : "cpu", *precision = count > 2 ? words[2] : "float32";
	struct bench b = { .k = strcmp(name, "reference") == 0 ? kernels_reference()
		                : strcmp(name, "cuda") == 0    ? kernels_cuda()
		                                               : kernels_cpu(),
		           .seconds = count > 4 ? atof(words[4]) : 0.04 };
	if (b.k == NULL) {
		fprintf(stderr, "kernels_bench: this build has no %s kernels\n", name);
		return 5;
	}
	require(b.k->device_create(strcmp(precision, "bfloat16") == 0 ? PRECISION_BFLOAT16 : PRECISION_FLOAT32,
	                           count > 3 ? atoi(words[3]) : 1, &b.device));
	b.element = b.k->activation_bytes(b.device);
	printf("%s\n", b.k->device_describe(b.device));
	bench_all(&b);
	b.k->device_destroy(b.device);
	return 0;
}
