/* SPDX-License-Identifier: Apache-2.0 */
#include "own_products.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timer.h"
#include "bench.h"

enum { WAYS = 3, SEEN = 1 << 20 };

/* Products by the library and passes; own products with passes; with the passes in their ends. */
static const char *const words[WAYS] = { "library", "all", "own" };

struct work {
	const struct kernels *k;
	struct device *devices[WAYS], *device;
	bool fused;
	int64_t rows, in, out;
	void *x, *weight, *y, *dy, *dz;
	float *losses, *weights, *factors, *squares;
	void *gain;
	int32_t *targets, *positions;
};

typedef enum status call(struct work *work);

/* ---- the kinds: each leaves its result in y, or in dz */

static enum status forward(struct work *w)
{
	return w->k->linear_forward(w->device, w->y, w->x, w->weight, w->rows, w->in, w->out);
}

/* Of the down projection: its weight is [in, out] here. */
static enum status backward(struct work *w)
{
	return w->k->linear_backward_input(w->device, w->dz, w->x, w->weight, w->rows, w->out, w->in, false);
}

static enum status squares(struct work *w)
{
	bool taken = false;

	if (w->fused)
		STATUS_TRY(w->k->linear_relu_squared_forward(w->device, w->y, w->x, NULL, w->weight, w->rows, w->in,
		                                             w->out, &taken));
	if (taken)
		return STATUS_OK;
	STATUS_TRY(forward(w));
	return w->k->relu_squared_forward(w->device, w->y, w->y, w->rows * w->out);
}

static enum status slopes(struct work *w)
{
	bool taken = false;

	if (w->fused)
		STATUS_TRY(w->k->linear_relu_squared_backward(w->device, w->dz, w->x, w->weight, w->dy, w->rows, w->out,
		                                              w->in, &taken));
	if (taken)
		return STATUS_OK;
	STATUS_TRY(backward(w));
	return w->k->relu_squared_backward(w->device, w->dz, w->dz, w->dy, w->rows * w->out);
}

/* Heads of 56 or 64, two thirds of which turn. */
static enum status heads(struct work *w)
{
	int size = w->in == 896 ? 64 : 56, count = (int)(w->out / size);
	struct rope_shape rope = { w->positions, count, count / 3 * 2, size, 10000.0 };
	bool taken = false;

	if (w->fused)
		STATUS_TRY(w->k->linear_rope_forward(w->device, w->y, w->x, NULL, w->weight, &rope, w->rows, w->in,
		                                     &taken));
	if (taken)
		return STATUS_OK;
	STATUS_TRY(forward(w));
	return w->k->rope(w->device, w->y, w->positions, w->rows, count, rope.turned, size, rope.base, false);
}

/* To the stream, in dy, and its norm; by own products the squares of its rows, and no norm. */
static enum status stream(struct work *w)
{
	bool taken = false;

	STATUS_TRY(w->k->linear_add_forward(w->device, w->y, w->fused ? w->squares : NULL, w->dy, w->x, w->weight,
	                                    w->rows, w->in, w->out, &taken));
	if (w->fused)
		return taken ? STATUS_OK : error_raise(STATUS_INTERNAL, "there are no squares of rows");
	return w->k->norm_forward(w->device, w->y, w->dz, w->losses, w->y, NULL, w->gain, w->rows, w->out, 1e-6f);
}

/* With what the factors cost, as in src/model/head.c. */
static enum status head(struct work *w)
{
	bool taken = false;

	if (w->fused)
		STATUS_TRY(w->k->narrow_head(w->device, w->losses, w->y, w->factors, w->x, w->weight, w->targets,
		                             w->weights, w->rows, w->in, w->out, 1.0f, &taken));
	if (taken) {
		STATUS_TRY(w->k->scale_rows(w->device, w->dz, w->factors, w->rows, w->in));
		return w->k->scale_rows(w->device, w->dz, w->factors, w->rows, w->in);
	}
	STATUS_TRY(forward(w));
	return w->k->cross_entropy(w->device, w->losses, w->y, w->targets, w->weights, w->rows, w->out, 1.0f);
}

/* ---- measuring */

/* Median of seven groups of calls that are queued together. */
static double median_seconds(struct work *w, call *function, double seconds)
{
	enum { GROUPS = 7, MOST = 200 };
	double times[GROUPS];
	int64_t group = 1;

	for (int i = -2; i < GROUPS; i++) { /* the first prepares, the second tells how long a call takes */
		double start = timer_seconds();
		for (int64_t n = 0; n < group; n++)
			bench_require(function(w));
		bench_require(w->k->synchronize(w->device));
		double took = (timer_seconds() - start) / (double)group;
		if (i == -1)
			group = (int64_t)fmax(1, fmin(MOST, ceil(seconds / took / GROUPS)));
		int place = i;
		for (; place > 0 && times[place - 1] > took; place--)
			times[place] = times[place - 1];
		if (i >= 0)
			times[place] = took;
	}
	return times[GROUPS / 2];
}

/* Of what the call leaves in y or dz, half a million numbers at the beginning and as many at the end, which multiprocessors compute first and after
 * many other tiles; of a head, the losses. */
static float *result_of(struct work *w, call *function, size_t *count_out)
{
	bool losses = function == head;
	char *memory = function == backward || function == slopes ? w->dz : w->y;
	size_t bytes = w->k->activation_bytes(w->device);
	size_t all = (size_t)(losses ? w->rows : w->rows * w->out), count = losses || all < SEEN ? all : SEEN;
	size_t half = count / 2, rest = count - half;
	float *values = bench_memory((int64_t)count, sizeof *values);

	if (!losses)
		bench_require(w->k->clear(w->device, memory, all * bytes));
	bench_require(function(w));
	if (losses) {
		bench_require(w->k->download(w->device, values, w->losses, count * sizeof *values));
	} else {
		bench_require(w->k->download_activation(w->device, values, memory, half));
		bench_require(w->k->download_activation(w->device, values + half, memory + (all - rest) * bytes, rest));
	}
	bench_require(w->k->synchronize(w->device));
	*count_out = count;
	return values;
}

static void way_choose(struct work *w, int way)
{
	w->device = w->devices[way];
	w->fused = way == WAYS - 1;
}

static double difference(struct work *w, call *function, int way)
{
	size_t count;

	way_choose(w, 0);
	float *expected = result_of(w, function, &count);
	way_choose(w, way);
	float *found = result_of(w, function, &count);
	double away = bench_difference(found, expected, count);
	free(expected);
	free(found);
	return away;
}

static void kind_measure(struct work *w, const char *kind, call *function, double seconds, const char *json)
{
	double operations = 2 * (double)w->rows * (double)w->in * (double)w->out;

	for (int way = 0; way < WAYS; way++) {
		if (way == WAYS - 1 && (function == forward || function == backward))
			continue; /* as the library's */
		double error = way > 0 ? difference(w, function, way) : NAN;
		way_choose(w, way);
		double took = median_seconds(w, function, seconds);
		const struct bench_field fields[] = {
			bench_field_text("product", "", "", kind),
			bench_field_number("width", "1", "", "", (double)w->in, 1, 0),
			bench_field_text("way", "", "", words[way]),
			bench_field_number("seconds", "s", "", "", took, 1, 0),
			bench_field_number("error", "1", "", "", error, 1, 0),
		};
		bench_json_append(json, "own", fields, sizeof fields / sizeof fields[0]);
		printf("  %-8s %6lld x %4lld -> %6lld, %-8s %10.1f us, %6.1f TFLOP/s", kind, (long long)w->rows,
		       (long long)w->in, (long long)w->out, words[way], 1e6 * took, 1e-12 * operations / took);
		if (!isnan(error))
			printf(", differs by %.1e", error);
		printf("\n");
		fflush(stdout);
	}
}

static void *room(const struct work *w, int64_t bytes)
{
	void *memory = w->k->allocate(w->devices[0], (size_t)bytes);
	if (memory == NULL)
		bench_require(STATUS_ENVIRONMENT);
	return memory;
}

static void shape_measure(struct work *w, int64_t rows, int64_t in, int64_t out, bool is_head, double seconds,
                          const char *json)
{
	w->rows = rows, w->in = in, w->out = out;
	w->x = bench_elements(w->k, w->devices[0], rows * in, 1.0);
	w->weight = bench_elements(w->k, w->devices[0], in * out, 0.1);
	w->y = room(w, rows * out * 2);
	w->dy = is_head ? NULL : room(w, rows * out * 2); /* squares, of which some are 0 */
	w->dz = room(w, rows * (is_head ? in : out) * 2);
	w->losses = room(w, rows * 4), w->weights = room(w, rows * 4);
	w->factors = room(w, rows * 4), w->targets = room(w, rows * 4); /* token 0 */
	way_choose(w, 0);
	if (is_head) {
		kind_measure(w, "head", head, seconds, json);
	} else {
		kind_measure(w, "forward", forward, seconds, json);
		kind_measure(w, "squares", squares, seconds, json);
		bench_require(squares(w));
		bench_require(w->k->synchronize(w->device)); /* the devices have a stream each */
		void *squared = w->y;
		w->y = w->dy, w->dy = squared;
		kind_measure(w, "backward", backward, seconds, json);
		kind_measure(w, "slopes", slopes, seconds, json);
	}
	void *all[] = { w->x, w->weight, w->y, w->dy, w->dz, w->losses, w->weights, w->factors, w->targets };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (all[i] != NULL)
			w->k->release(w->devices[0], all[i]);
}

/* Of the projection of attention and of QKV. */
static void body_measure(struct work *w, int64_t rows, int64_t width, double seconds, const char *json)
{
	w->rows = rows, w->in = width, w->out = 3 * width;
	w->x = bench_elements(w->k, w->devices[0], rows * width, 1.0);
	w->weight = bench_elements(w->k, w->devices[0], 3 * width * width, 0.1);
	w->dy = bench_elements(w->k, w->devices[0], rows * width, 1.0);
	w->gain = bench_elements(w->k, w->devices[0], width, 1.0);
	w->y = room(w, 3 * rows * width * 2), w->dz = room(w, rows * width * 2);
	w->losses = room(w, rows * 4), w->positions = room(w, rows * 4);
	w->squares = room(w, rows * 4 * (2 + width / 128));
	kind_measure(w, "heads", heads, seconds, json);
	w->out = width;
	kind_measure(w, "stream", stream, seconds, json);
	void *all[] = { w->x, w->weight, w->y, w->dy, w->dz, w->gain, w->losses, w->positions, w->squares };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		w->k->release(w->devices[0], all[i]);
}

void own_products_measure(const struct kernels *kernels, enum precision precision, double seconds, bool tiny,
                          const char *json)
{
	struct work w = { .k = kernels };
	const char *given = getenv("CAPSHAPE_PRODUCT");
	char *before = given == NULL ? NULL : strdup(given);

	for (int way = 0; way < WAYS; way++) {
		setenv("CAPSHAPE_PRODUCT", words[way], 1);
		bench_require(kernels->device_create(precision, 1, &w.devices[way]));
	}
	if (strstr(kernels->device_describe(w.devices[WAYS - 1]), "own products") == NULL) {
		printf("no own products: not on this device, or not in this precision\n");
	} else if (tiny) {
		printf("own products\n");
		shape_measure(&w, 32, 32, 128, false, seconds, json);
		shape_measure(&w, 32, 264, 256, true, seconds, json);
		body_measure(&w, 32, 224, seconds, json);
	} else {
		/* 61M and 224M. */
		static const int64_t widths[] = { 448, 896 };
		printf("own products\n");
		for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
			shape_measure(&w, 1 << 16, widths[i], 4 * widths[i], false, seconds, json);
			shape_measure(&w, 1 << 14, widths[i], 100288, true, seconds, json);
			body_measure(&w, 1 << 16, widths[i], seconds, json);
		}
	}
	for (int way = 0; way < WAYS; way++)
		kernels->device_destroy(w.devices[way]);
	if (before == NULL)
		unsetenv("CAPSHAPE_PRODUCT");
	else
		setenv("CAPSHAPE_PRODUCT", before, 1);
	free(before);
}
