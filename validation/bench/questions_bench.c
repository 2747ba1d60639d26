/* What only a device can answer about the design of the kernels, asked of the table's own calls:
 *  - head: how many rows of logits at a time? Product, cross-entropy and both gradients' products, chunk by chunk;
 *  - fused: a product and a pass over its elements, or both in one kernel by cuDNN (fused_products.h)?
 *  - own: products on warp-group instructions, with and without a pass in their ends, or the library's (own_products.h)?
 * (Attention's backward pass in a fixed order and in any is a matter of kernels_bench and of train_bench --any-order.)
 *
 * usage: questions_bench [cpu|reference|cuda] [float32|bfloat16] [seconds a measurement] [gpu|tiny] [FILE]
 * FILE: every figure is appended to it as a line of JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timer.h"
#include "bench.h"
#include "fused_products.h"
#include "own_products.h"

struct bench {
	const struct kernels *k;
	struct device *device;
	double seconds;
	const char *json;
};

typedef enum status call(const struct bench *bench, void *context);

/* Median over groups of calls that are queued together, after one that prepares. */
static double median_seconds(const struct bench *bench, call *function, void *context)
{
	enum { GROUPS = 7, MOST = 200 };
	double times[GROUPS];
	int64_t group = 1;

	for (int i = -2; i < GROUPS; i++) { /* the first prepares, the second tells how long a call takes */
		double start = timer_seconds();
		for (int64_t n = 0; n < group; n++)
			bench_require(function(bench, context));
		bench_require(bench->k->synchronize(bench->device));
		double took = (timer_seconds() - start) / (double)group;
		if (i == -1)
			group = (int64_t)fmax(1, fmin(MOST, ceil(bench->seconds / took / GROUPS)));
		int place = i;
		for (; place > 0 && times[place - 1] > took; place--)
			times[place] = times[place - 1];
		if (i >= 0)
			times[place] = took;
	}
	return times[GROUPS / 2];
}

static void *elements(const struct bench *bench, int64_t count, double deviation)
{
	return bench_elements(bench->k, bench->device, count, deviation);
}

/* ---- the head */

struct head {
	void *rows, *weight, *logits;
	float *gradient, *losses, *weights;
	int32_t *targets;
	int64_t count, width, vocabulary, chunk;
};

/* As src/model/head.c with all rows kept. */
static enum status head_pass(const struct bench *b, void *context)
{
	const struct head *h = context;
	int64_t bytes = h->width * (int64_t)b->k->activation_bytes(b->device);

	for (int64_t first = 0; first < h->count; first += h->chunk) {
		int64_t rows = h->count - first < h->chunk ? h->count - first : h->chunk;
		void *x = (char *)h->rows + first * bytes;
		STATUS_TRY(b->k->linear_forward(b->device, h->logits, x, h->weight, rows, h->width, h->vocabulary));
		STATUS_TRY(b->k->cross_entropy(b->device, h->losses + first, h->logits, h->targets + first,
		                               h->weights + first, rows, h->vocabulary, 1.0f));
		STATUS_TRY(b->k->linear_backward_weight(b->device, h->gradient, h->logits, x, rows, h->width,
		                                        h->vocabulary));
		STATUS_TRY(b->k->linear_backward_input(b->device, x, h->logits, h->weight, rows, h->width,
		                                       h->vocabulary, false));
	}
	return STATUS_OK;
}

static void head_measure(const struct bench *b, int64_t count, int64_t width, int64_t vocabulary, int64_t least)
{
	const struct kernels *k = b->k;
	size_t numbers = (size_t)count * sizeof(float);
	struct head h = { .rows = elements(b, count * width, 1.0),
		          .weight = elements(b, vocabulary * width, 0.1),
		          .logits = elements(b, count * vocabulary, 1.0),
		          .gradient = k->allocate(b->device, (size_t)(vocabulary * width) * sizeof(float)),
		          .losses = k->allocate(b->device, numbers),
		          .weights = k->allocate(b->device, numbers),
		          .targets = k->allocate(b->device, numbers), /* token 0 */
		          .count = count,
		          .width = width,
		          .vocabulary = vocabulary };
	void *all[] = { h.rows, h.weight, h.logits, h.gradient, h.losses, h.weights, h.targets };

	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (all[i] == NULL)
			bench_require(STATUS_ENVIRONMENT);
	printf("head: %lld rows, width %lld, vocabulary %lld\n", (long long)count, (long long)width,
	       (long long)vocabulary);
	for (h.chunk = least; h.chunk <= count; h.chunk *= 2) {
		double seconds = median_seconds(b, head_pass, &h);
		const struct bench_field fields[] = {
			bench_field_number("width", "1", "", "", (double)width, 1, 0),
			bench_field_number("vocabulary", "1", "", "", (double)vocabulary, 1, 0),
			bench_field_number("rows", "1", "", "", (double)count, 1, 0),
			bench_field_number("chunk", "1", "", "", (double)h.chunk, 1, 0),
			bench_field_number("seconds", "s", "", "", seconds, 1, 0),
		};
		bench_json_append(b->json, "head", fields, sizeof fields / sizeof fields[0]);
		printf("  %6lld rows at a time: %8.3f ms, %7.1f TFLOP/s\n", (long long)h.chunk, 1e3 * seconds,
		       6e-12 * (double)count * (double)width * (double)vocabulary / seconds);
		fflush(stdout);
	}
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		k->release(b->device, all[i]);
}

/* ---- products with ReLU squared */

struct products {
	struct fused_problem problem;
	const struct fused_product *fused;
	void *x, *weight, *y, *dz, *workspace;
};

static enum status two_steps(const struct bench *b, void *context)
{
	const struct products *p = context;
	int64_t rows = p->problem.rows, width = p->problem.width, count = 4 * rows * width;

	if (!p->problem.backward) {
		STATUS_TRY(b->k->linear_forward(b->device, p->y, p->x, p->weight, rows, width, 4 * width));
		return b->k->relu_squared_forward(b->device, p->y, p->y, count);
	}
	STATUS_TRY(b->k->linear_backward_input(b->device, p->dz, p->x, p->weight, rows, 4 * width, width, false));
	return b->k->relu_squared_backward(b->device, p->dz, p->dz, p->y, count);
}

static enum status one_step(const struct bench *b, void *context)
{
	const struct products *p = context;
	(void)b;
	return fused_product_run(p->fused, p->x, p->weight, p->y, p->dz, p->workspace);
}

/* Root mean square of the difference to two_steps() over that of its result. */
static double difference(const struct bench *b, struct products *p)
{
	enum { LOOKED_AT = 1 << 20 };
	size_t count = (size_t)(4 * p->problem.rows * p->problem.width), seen = count < LOOKED_AT ? count : LOOKED_AT;
	float *one = bench_memory((int64_t)seen, sizeof *one), *two = bench_memory((int64_t)seen, sizeof *two);
	void *result = p->problem.backward ? p->dz : p->y;

	bench_require(two_steps(b, p));
	bench_require(b->k->download_activation(b->device, two, result, seen));
	bench_require(b->k->synchronize(b->device));
	bench_require(b->k->clear(b->device, result, seen * b->k->activation_bytes(b->device)));
	bench_require(one_step(b, p));
	bench_require(b->k->download_activation(b->device, one, result, seen));
	bench_require(b->k->synchronize(b->device));
	double away = bench_difference(one, two, seen);
	free(one);
	free(two);
	return away;
}

static void products_store(const struct bench *b, const struct products *p, const char *way, double seconds,
                           double error)
{
	const struct bench_field fields[] = {
		bench_field_text("direction", "", "", p->problem.backward ? "backward" : "forward"),
		bench_field_number("width", "1", "", "", (double)p->problem.width, 1, 0),
		bench_field_number("rows", "1", "", "", (double)p->problem.rows, 1, 0),
		bench_field_text("way", "", "", way),
		bench_field_number("seconds", "s", "", "", seconds, 1, 0),
		bench_field_number("error", "1", "", "", error, 1, 0),
	};
	bench_json_append(b->json, "fused", fields, sizeof fields / sizeof fields[0]);
	printf("  %-8s %-28s %9.1f us, %6.1f TFLOP/s", p->problem.backward ? "backward" : "forward", way, 1e6 * seconds,
	       8e-12 * (double)(p->problem.rows * p->problem.width) * (double)p->problem.width / seconds);
	if (!isnan(error))
		printf(", differs by %.1e", error);
	printf("\n");
	fflush(stdout);
}

/* A way that fails when it runs is left out. */
static void way_measure(const struct bench *b, struct fused_products *library, struct products *p, int way)
{
	char reason[FUSED_REASON];
	struct fused_product *fused;

	if (!fused_product_create(library, &p->problem, way, &fused, reason))
		return;
	p->fused = fused;
	p->workspace = b->k->allocate(b->device, fused_product_workspace(fused) + 256);
	if (p->workspace == NULL || one_step(b, p) != STATUS_OK || b->k->synchronize(b->device) != STATUS_OK) {
		printf("  %s: %s\n", fused_product_describe(fused), error_message());
		error_clear();
	} else {
		double error = difference(b, p);
		products_store(b, p, fused_product_describe(fused), median_seconds(b, one_step, p), error);
	}
	b->k->release(b->device, p->workspace);
	fused_product_destroy(fused);
}

static void products_measure(const struct bench *b, struct fused_products *library, int64_t rows, int64_t width)
{
	struct products p = { .problem = { .rows = rows, .width = width },
		              .x = elements(b, rows * width, 1.0),
		              .weight = elements(b, 4 * width * width, 0.1),
		              .y = elements(b, 4 * rows * width, 1.0),
		              .dz = elements(b, 4 * rows * width, 1.0) };

	printf("products with ReLU squared: %lld rows, width %lld\n", (long long)rows, (long long)width);
	for (int backward = 0; backward < 2; backward++) {
		p.problem.backward = backward != 0;
		products_store(b, &p, "two steps", median_seconds(b, two_steps, &p), NAN);
		for (int way = 0; library != NULL && way < FUSED_WAYS; way++)
			way_measure(b, library, &p, way);
	}
	void *all[] = { p.x, p.weight, p.y, p.dz };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		b->k->release(b->device, all[i]);
}

/* ---- from beginning to end */

int main(int count, char **words)
{
	const char *precision = count > 2 ? words[2] : "bfloat16";
	bool tiny = count > 4 && strcmp(words[4], "tiny") == 0;
	struct bench b = { .k = bench_kernels(count > 1 ? words[1] : "cuda"),
		           .seconds = count > 3 ? bench_number("seconds", words[3], 0, 100) : 0.1,
		           .json = count > 5 ? words[5] : NULL };
	struct fused_products *library = NULL;
	char reason[FUSED_REASON];

	bench_require(b.k->device_create(bench_precision(precision), 1, &b.device));
	printf("%s\n", b.k->device_describe(b.device));
	if (tiny || bench_precision(precision) != PRECISION_BFLOAT16) {
		printf("nothing fused: shapes of a test, or not bfloat16\n");
	} else if (!fused_products_open(b.device, &library, reason)) {
		printf("nothing fused: %s\n", reason);
		library = NULL;
	}
	if (tiny) {
		head_measure(&b, 32, 32, 256, 8);
		products_measure(&b, library, 32, 32);
	} else {
		/* 13M, 61M and 224M. */
		static const int64_t widths[] = { 128, 448, 896 };
		for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
			head_measure(&b, 1 << 15, widths[i], 100288, 1 << 11);
		static const int64_t products[] = { 448, 896, 2048 };
		for (size_t i = 0; i < sizeof products / sizeof products[0]; i++)
			products_measure(&b, library, 1 << 16, products[i]);
	}
	fused_products_close(library);
	own_products_measure(b.k, bench_precision(precision), b.seconds, tiny, b.json);
	b.k->device_destroy(b.device);
	return 0;
}
