/* Speed of the kernels on this machine: linear products and attention in GFLOP/s, beside the ceiling of a square product;
 * element-wise kernels in GB/s of the memory they must touch.
 *
 * usage: kernels_bench [cpu|reference|cuda] [float32|bfloat16] [threads] [seconds a measurement] [cpu|gpu|tiny] [FILE]
 * Each figure is the best of the repetitions that fit into the seconds of a measurement (default 0.04). Then: for which
 * kind of device the shapes are (tiny: for a test), and a file to which every figure is appended as a line of JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/timer.h"
#include "bench.h"

struct bench {
	const struct kernels *k;
	struct device *device;
	double seconds;
	size_t element;
	const char *json, *precision;
	bool grouped; /* several calls are measured as one: the device is far away */
};

/* One call of a kernel on prepared memory. */
typedef enum status call(const struct bench *bench, void *context);

static double calls_seconds(const struct bench *bench, call *function, void *context, int64_t calls)
{
	double start = timer_seconds();
	for (int64_t i = 0; i < calls; i++)
		bench_require(function(bench, context));
	bench_require(bench->k->synchronize(bench->device));
	return (timer_seconds() - start) / (double)calls;
}

static double best_seconds(const struct bench *bench, call *function, void *context)
{
	enum { GROUPS = 8, MOST = 200 };
	calls_seconds(bench, function, context, 1); /* prepares what is prepared once */
	double begin = timer_seconds(), best = calls_seconds(bench, function, context, 1);
	int64_t group = bench->grouped ? (int64_t)fmin(MOST, ceil(bench->seconds / best / GROUPS)) : 1;
	do {
		double took = calls_seconds(bench, function, context, group);
		best = took < best ? took : best;
	} while (timer_seconds() - begin < bench->seconds);
	return best;
}

static void *room(const struct bench *bench, size_t bytes)
{
	void *memory = bench->k->allocate(bench->device, bytes);
	if (memory == NULL)
		bench_require(STATUS_ENVIRONMENT);
	return memory;
}

static void *elements(const struct bench *bench, int64_t count, double deviation)
{
	return bench_elements(bench->k, bench->device, count, deviation);
}

static void figure_store(const struct bench *b, const char *kind, const char *name, double rate, double seconds)
{
	const struct bench_field fields[] = {
		bench_field_text("name", "", "", name),
		bench_field_text("precision", "", "", b->precision),
		bench_field_number("rate", "1/s", "", "", rate, 1, 0), /* operations or bytes */
		bench_field_number("seconds", "s", "", "", seconds, 1, 0),
	};
	bench_json_append(b->json, kind, fields, sizeof fields / sizeof fields[0]);
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
	static const char *const names[3] = { "forward", "input gradient", "weight gradient" };
	call *const calls[3] = { linear_forward, linear_input, linear_weight };
	double work = 2.0 * (double)rows * (double)in * (double)out;
	printf("  %6lld x %5lld -> %6lld", (long long)rows, (long long)in, (long long)out);
	for (int i = 0; i < 3; i++) {
		double seconds = best_seconds(b, calls[i], &l);
		char name[96];
		printf("   %s %7.1f", names[i], 1e-9 * work / seconds);
		snprintf(name, sizeof name, "%lldx%lld->%lld %s", (long long)rows, (long long)in, (long long)out,
		         names[i]);
		figure_store(b, "product", name, work / seconds, seconds);
	}
	printf(" GFLOP/s\n");
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
	double product = (double)(sequences * heads) * (double)length * (double)(length + 1) * head_size;
	double forward = best_seconds(b, attention_forward, &a), backward = best_seconds(b, attention_backward, &a);
	char name[96];
	printf("  B %3lld T %4lld H %2d K %3d   forward %7.1f   backward %7.1f GFLOP/s\n", (long long)sequences,
	       (long long)length, heads, head_size, 2e-9 * product / forward, 5e-9 * product / backward);
	snprintf(name, sizeof name, "B%lld T%lld H%d K%d", (long long)sequences, (long long)length, heads, head_size);
	figure_store(b, "attention forward", name, 2 * product / forward, forward);
	figure_store(b, "attention backward", name, 5 * product / backward, backward);
	if (b->k->device_allow_any_order != NULL) {
		b->k->device_allow_any_order(b->device, true);
		double seconds = best_seconds(b, attention_backward, &a);
		b->k->device_allow_any_order(b->device, false);
		printf("  %32s added up in any order: %7.1f GFLOP/s\n", "", 5e-9 * product / seconds);
		figure_store(b, "attention backward, any order", name, 5 * product / seconds, seconds);
	}
	void *all[] = { a.qkv, a.out, a.dqkv, a.log_sum };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		b->k->release(b->device, all[i]);
}

static int32_t *integers(const struct bench *b, const int32_t *host, int64_t count)
{
	int32_t *memory = room(b, (size_t)count * sizeof *memory);
	bench_require(b->k->upload(b->device, memory, host, (size_t)count * sizeof *memory));
	return memory;
}

struct cached {
	void *q, *cache, *out;
	struct cached_shape shape;
};

static enum status attention_cached(const struct bench *b, void *context)
{
	struct cached *c = context;
	return b->k->attention_cached(b->device, c->out, c->q, c->cache, &c->shape);
}

/* A query at the end of each text. */
static void bench_cached(const struct bench *b, int64_t texts, int64_t length, int heads, int head_size)
{
	int64_t row = (int64_t)heads * head_size;
	int32_t *numbers = bench_memory(texts, sizeof *numbers), *ends = bench_memory(texts, sizeof *ends);
	char name[96];
	for (int64_t i = 0; i < texts; i++) {
		numbers[i] = (int32_t)i;
		ends[i] = (int32_t)length - 1;
	}
	void *all[] = { elements(b, texts * row, 1.0), elements(b, texts * length * 2 * row, 1.0),
		        elements(b, texts * row, 1.0), integers(b, numbers, texts), integers(b, ends, texts) };
	struct cached c = {
		all[0], all[1], all[2], { texts, length, heads, head_size, 0.18f, all[3], all[4], length - 1 }
	};
	double bytes = (double)(texts * length * 2 * row) * (double)b->element;
	double seconds = best_seconds(b, attention_cached, &c);
	printf("  cached %4lld texts of %4lld H %2d K %3d   %7.1f GB/s\n", (long long)texts, (long long)length, heads,
	       head_size, 1e-9 * bytes / seconds);
	snprintf(name, sizeof name, "texts%lld T%lld H%d K%d", (long long)texts, (long long)length, heads, head_size);
	figure_store(b, "attention cached", name, bytes / seconds, seconds);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		b->k->release(b->device, all[i]);
	free(numbers);
	free(ends);
}

enum { PROBES = 2 };

/* Memory for the element-wise kernels: `rows` x `width` activations, logit_rows x vocabulary logits, a flat arena. */
struct rows {
	void *a, *b, *c, *gain, *logits, *table;
	float *inverse, *losses, *weights, *gain_gradient, *arena[4];
	double *probes, *probed; /* [PROBES, width], [PROBES, rows] */
	int32_t *ids, *order, *positions;
	int64_t rows, width, vocabulary, logit_rows, parameters;
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
	return b->k->rope(b->device, r->b, r->positions, r->rows, (int)(r->width / 32), (int)(r->width / 48), 32,
	                  10000.0, false);
}

static enum status embedding_forward(const struct bench *b, void *context)
{
	struct rows *r = context;
	return b->k->embedding_forward(b->device, r->b, r->table, r->ids, r->rows, r->width);
}

static enum status embedding_backward(const struct bench *b, void *context)
{
	struct rows *r = context;
	return b->k->embedding_backward(b->device, r->arena[3], r->b, r->ids, r->rows, r->width);
}

static enum status gather(const struct bench *b, void *context)
{
	struct rows *r = context;
	return b->k->gather_rows(b->device, r->c, r->b, r->order, r->rows, r->width);
}

static enum status scatter(const struct bench *b, void *context)
{
	struct rows *r = context;
	return b->k->scatter_rows(b->device, r->c, r->b, r->order, r->rows, r->width, true);
}

static enum status probe(const struct bench *b, void *context)
{
	struct rows *r = context;
	return b->k->probe(b->device, r->probed, r->a, r->b, r->probes, PROBES, r->rows, r->width);
}

static enum status cross_entropy(const struct bench *b, void *context)
{
	struct rows *r = context;
	return b->k->cross_entropy(b->device, r->losses, r->logits, r->ids, r->weights, r->logit_rows, r->vocabulary,
	                           1.0f);
}

static enum status add(const struct bench *b, void *context)
{
	struct rows *r = context;
	return b->k->add(b->device, r->arena[1], r->arena[3], (size_t)r->parameters);
}

static enum status adamw(const struct bench *b, void *context)
{
	struct rows *r = context;
	struct adamw_step step = { 1e-3, 0.9, 0.95, 1e-8, 0.1, 0.1, 0.05, 1.0 };
	void *weights = b->k->weight_bytes(b->device) == sizeof(float) ? r->arena[0] : r->table;
	return b->k->adamw(b->device, r->arena[0], r->arena[1], r->arena[2], r->arena[3], weights,
	                   (size_t)r->parameters, &step);
}

static enum status squares(const struct bench *b, void *context)
{
	struct rows *r = context;
	double sums[4096];
	STATUS_TRY(b->k->sum_of_squares(b->device, sums, r->arena[3], (size_t)r->parameters, 1 << 16));
	return b->k->synchronize(b->device);
}

static void report(const struct bench *b, const char *name, call *function, struct rows *r, double bytes)
{
	double seconds = best_seconds(b, function, r);
	printf("  %-20s %7.1f GB/s   %8.1f us\n", name, 1e-9 * bytes / seconds, 1e6 * seconds);
	figure_store(b, "element-wise", name, bytes / seconds, seconds);
}

/* Uploads ids below `limit`, an order of the rows, positions; returns how many of the ids are different. */
static int64_t ids_upload(const struct bench *b, struct rows *r, int64_t limit)
{
	int32_t *ids = bench_memory(r->rows, sizeof *ids), *order = bench_memory(r->rows, sizeof *order);
	int32_t *positions = bench_memory(r->rows, sizeof *positions);
	char *seen = bench_memory(limit, 1);
	int64_t different = 0;

	for (int64_t i = 0; i < r->rows; i++) {
		ids[i] = (int32_t)(random_bits(1, RANDOM_TEST, 1, (uint64_t)i) % (uint64_t)limit);
		different += !seen[ids[i]];
		seen[ids[i]] = 1;
		order[i] = (int32_t)(r->rows - 1 - i);
		positions[i] = (int32_t)(i % 2048);
	}
	r->ids = integers(b, ids, r->rows);
	r->order = integers(b, order, r->rows);
	r->positions = integers(b, positions, r->rows);
	free(positions);
	free(ids);
	free(order);
	free(seen);
	return different;
}

static void rows_report(const struct bench *b, struct rows *r, int64_t different)
{
	double matrix = (double)(r->rows * r->width) * (double)b->element, parameters = (double)r->parameters;
	double copies = b->k->weight_bytes(b->device) == sizeof(float) ? 0 : (double)b->k->weight_bytes(b->device);

	printf("  rows %lld, width %lld, vocabulary %lld (%lld rows), parameters %lld\n", (long long)r->rows,
	       (long long)r->width, (long long)r->vocabulary, (long long)r->logit_rows, (long long)r->parameters);
	report(b, "norm forward", norm_forward, r, 4 * matrix);
	report(b, "norm backward", norm_backward, r, 4 * matrix);
	report(b, "relu^2 forward", relu_forward, r, 2 * matrix);
	report(b, "relu^2 backward", relu_backward, r, 3 * matrix);
	report(b, "rope", rope, r, 2 * 32.0 * (double)(r->width / 48) / (double)r->width * matrix);
	report(b, "gather", gather, r, 2 * matrix);
	report(b, "scatter, added", scatter, r, 3 * matrix);
	report(b, "embedding forward", embedding_forward, r, 2 * matrix);
	report(b, "embedding backward", embedding_backward, r, matrix + 8.0 * (double)(different * r->width));
	report(b, "probe", probe, r, 2 * matrix + 8.0 * PROBES * (double)r->rows);
	report(b, "cross-entropy", cross_entropy, r,
	       2.0 * (double)(r->logit_rows * r->vocabulary) * (double)b->element);
	report(b, "add", add, r, 12 * parameters);
	report(b, "AdamW", adamw, r, (28 + copies) * parameters);
	report(b, "sum of squares", squares, r, 4 * parameters);
}

/* parameters: at least ids x width, at most 2^28. ids: tokens that occur. */
static void bench_rows(const struct bench *b, int64_t rows, int64_t width, int64_t vocabulary, int64_t logit_rows,
                       int64_t ids, int64_t parameters)
{
	struct rows r = { .rows = rows,
		          .width = width,
		          .vocabulary = vocabulary,
		          .logit_rows = logit_rows,
		          .parameters = parameters };
	r.a = elements(b, rows * width, 1.0);
	r.b = elements(b, rows * width, 1.0);
	r.c = elements(b, rows * width, 1.0);
	r.gain = elements(b, width, 1.0);
	r.logits = elements(b, logit_rows * vocabulary, 10.0);
	r.table = elements(b, parameters, 1.0);
	r.inverse = room(b, (size_t)rows * sizeof(float));
	r.losses = room(b, (size_t)rows * sizeof(float));
	r.weights = room(b, (size_t)rows * sizeof(float));
	r.probes = room(b, PROBES * (size_t)width * sizeof(double));
	r.probed = room(b, PROBES * (size_t)rows * sizeof(double));
	r.gain_gradient = room(b, (size_t)width * sizeof(float));
	for (int i = 0; i < 4; i++)
		r.arena[i] = room(b, (size_t)parameters * sizeof(float));
	rows_report(b, &r, ids_upload(b, &r, ids));
	void *all[] = { r.a,        r.b,        r.c,         r.gain,     r.logits,
		        r.table,    r.inverse,  r.losses,    r.weights,  r.gain_gradient,
		        r.ids,      r.order,    r.positions, r.arena[0], r.arena[1],
		        r.arena[2], r.arena[3], r.probes,    r.probed };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		b->k->release(b->device, all[i]);
}

static void shapes_of_a_cpu(const struct bench *b)
{
	static const int64_t shapes[][3] = {
		{ 2048, 2048, 2048 }, /* the ceiling */
		{ 2048, 64, 192 },    { 2048, 128, 384 },   { 2048, 128, 128 },   { 2048, 128, 512 },
		{ 2048, 512, 128 },   { 2048, 192, 768 },   { 2048, 448, 1344 },  { 2048, 448, 1792 },
		{ 2048, 1792, 448 },  { 256, 64, 4096 },    { 256, 128, 4096 },   { 256, 128, 8192 },
		{ 229, 128, 8192 },   { 256, 128, 100288 }, { 896, 448, 100288 },
	};
	printf("products\n");
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
	bench_cached(b, 32, 256, 4, 64);
	bench_cached(b, 8, 2048, 8, 128);
	printf("element-wise\n");
	bench_rows(b, 2048, 192, 512, 2048, 128, 1 << 20);
	bench_rows(b, 256, 384, 8192, 256, 128, 1 << 21);
	bench_rows(b, 256, 448, 100288, 256, 128, 1 << 23);
}

/* Micro-batches of 65,536 tokens of the sizes 61M, 224M and 1816M, and what fills the memory's width. */
static void shapes_of_a_gpu(const struct bench *b)
{
	static const int64_t widths[] = { 448, 896, 2048 };
	enum { ROWS = 1 << 16, VOCABULARY = 100288, CHUNK = 5120 };

	printf("products\n");
	bench_linear(b, 8192, 8192, 8192); /* the ceiling */
	for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
		int64_t width = widths[i];
		bench_linear(b, ROWS, width, 3 * width);
		bench_linear(b, ROWS, width, width);
		bench_linear(b, ROWS, width, 4 * width);
		bench_linear(b, ROWS, 4 * width, width);
		bench_linear(b, CHUNK, width, VOCABULARY);
	}
	printf("attention\n");
	bench_attention(b, 32, 2048, 4, 32);
	bench_attention(b, 32, 2048, 8, 56);
	bench_attention(b, 32, 2048, 14, 64);
	bench_attention(b, 16, 2048, 16, 104);
	bench_attention(b, 16, 2048, 16, 128);
	bench_attention(b, 64, 1024, 12, 64);
	bench_cached(b, 64, 256, 16, 128);
	bench_cached(b, 256, 2048, 16, 128);
	printf("element-wise\n");
	bench_rows(b, ROWS, 896, VOCABULARY, CHUNK, VOCABULARY, 1 << 28);
}

static void shapes_of_a_test(const struct bench *b)
{
	printf("products\n");
	bench_linear(b, 32, 32, 96);
	printf("attention\n");
	bench_attention(b, 2, 32, 2, 16);
	bench_cached(b, 2, 32, 2, 16);
	printf("element-wise\n");
	bench_rows(b, 16, 96, 256, 16, 40, 1 << 13);
}

int main(int count, char **words)
{
	const char *shapes = count > 5 ? words[5] : "cpu";
	struct bench b = { .k = bench_kernels(count > 1 ? words[1] : "cpu"),
		           .precision = count > 2 ? words[2] : "float32",
		           .seconds = count > 4 ? atof(words[4]) : 0.04,
		           .json = count > 6 ? words[6] : NULL,
		           .grouped = strcmp(shapes, "cpu") != 0 };

	bench_require(b.k->device_create(bench_precision(b.precision), count > 3 ? atoi(words[3]) : 1, &b.device));
	b.element = b.k->activation_bytes(b.device);
	printf("%s\n", b.k->device_describe(b.device));
	if (strcmp(shapes, "gpu") == 0)
		shapes_of_a_gpu(&b);
	else if (strcmp(shapes, "tiny") == 0)
		shapes_of_a_test(&b);
	else
		shapes_of_a_cpu(&b);
	b.k->device_destroy(b.device);
	return 0;
}
