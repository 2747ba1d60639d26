/* Norm, rotation, activation, embedding, rows, cross-entropy and the optimiser against the reference.
 *
 * Tolerances are relative norms a tensor: float32 3e-7 where a result is a few operations on its inputs, more where
 * said; bfloat16 4e-3, one rounding to 8 bits being up to 2e-3 a number.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels_support.h"

static double tolerance(const struct side *side)
{
	return side->half ? 4e-3 : 3e-7;
}

/* Runs a check on every CPU side against the reference. */
typedef void check(const struct side *reference, const struct side *side, int64_t rows, int64_t width);

static void check_these(check *function, const int64_t shapes[][2], size_t shape_count)
{
	struct side reference = side_reference(), sides[SIDES_MAX];
	int count = sides_open(sides, 1);
	for (int i = 0; i < count; i++) {
		for (size_t shape = 0; shape < shape_count; shape++)
			function(&reference, &sides[i], shapes[shape][0], shapes[shape][1]);
		side_end(&sides[i]);
	}
	side_end(&reference);
}

#define CHECK_THESE(function, shapes) check_these(function, shapes, sizeof(shapes) / sizeof *(shapes))

static void check_shapes(check *function)
{
	static const int64_t shapes[][2] = { { 0, 64 },  { 1, 16 },   { 3, 1 },   { 5, 7 },
		                             { 64, 64 }, { 65, 100 }, { 200, 33 } };
	CHECK_THESE(function, shapes);
}

struct norm_result {
	float *sum, *normed, *inverse, *dx, *dx_added, *dx_in_place, *dgain;
};

static struct norm_result norm_compute(const struct side *s, int64_t rows, int64_t width, bool branch, bool in_place)
{
	int64_t n = rows * width;
	float *residual = random_floats(n, 1, 1.0), *added = random_floats(n, 2, 1.0),
	      *gain = random_floats(width, 3, 1.0);
	float *dy = random_floats(n, 4, 1.0), *base = random_floats(n, 5, 1.0);
	void *x = side_elements(s, residual, n), *b = side_elements(s, added, n), *g = side_elements(s, gain, width);
	void *sum = in_place ? x : side_elements(s, base, n), *normed = side_elements(s, base, n);
	void *ddy = side_elements(s, dy, n), *dx = side_elements(s, dy, n), *dx_added = side_elements(s, base, n);
	float *inverse = side_floats(s, base, rows), *dgain = side_floats(s, gain, width), *unused;
	assert_int_equal(
		s->k->norm_forward(s->device, sum, normed, inverse, x, branch ? b : NULL, g, rows, width, 1e-5f),
		STATUS_OK);
	unused = side_floats(s, gain, width);
	assert_int_equal(s->k->norm_backward(s->device, dx, dgain, ddy, sum, inverse, g, rows, width, false),
	                 STATUS_OK);
	assert_int_equal(s->k->norm_backward(s->device, dx_added, dgain, ddy, sum, inverse, g, rows, width, true),
	                 STATUS_OK);
	assert_int_equal(s->k->norm_backward(s->device, ddy, unused, ddy, sum, inverse, g, rows, width, false),
	                 STATUS_OK);
	struct norm_result result = { take_elements(s, sum, n),      take_elements(s, normed, n),
		                      take_floats(s, inverse, rows), take_elements(s, dx, n),
		                      take_elements(s, dx_added, n), take_elements(s, ddy, n),
		                      take_floats(s, dgain, width) };
	if (!in_place)
		s->k->release(s->device, x);
	s->k->release(s->device, b), s->k->release(s->device, g), s->k->release(s->device, unused);
	free(residual), free(added), free(gain), free(dy), free(base);
	return result;
}

static void check_norm(const struct side *reference, const struct side *side, int64_t rows, int64_t width)
{
	for (int mode = rows > 1000 || width > 1000 ? 3 : 0; mode < 4; mode++) {
		bool branch = mode & 1, in_place = mode & 2;
		struct norm_result r = norm_compute(reference, rows, width, branch, in_place);
		struct norm_result c = norm_compute(side, rows, width, branch, in_place);
		/* Float sums of long rows, of which there are few here. */
		double allowed = !side->half && width > 1000 ? 1e-6 : tolerance(side);
		assert_close(side, "sum", c.sum, r.sum, rows * width, allowed);
		assert_close(side, "normed", c.normed, r.normed, rows * width, allowed);
		assert_close(side, "inverse rms", c.inverse, r.inverse, rows, allowed);
		assert_memory_equal(c.dx, c.dx_in_place, (size_t)(rows * width) * sizeof(float));
		free(c.dx_in_place), free(r.dx_in_place);
		/* A norm of one number has nearly no gradient: what is left after cancellation is rounding. */
		int64_t count = width > 1 ? rows * width : 0;
		assert_close(side, "dx", c.dx, r.dx, count, 2 * allowed);
		assert_close(side, "dx, added", c.dx_added, r.dx_added, count, 2 * allowed);
		assert_close(side, "gain gradient", c.dgain, r.dgain, width, 2 * allowed);
	}
}

static void test_norm(void **state)
{
	(void)state;
	check_shapes(check_norm);
	/* Rows of one to many vectors of a warp of a GPU, whole and not, and more rows than one strip of them has. */
	static const int64_t shapes[][2] = { { 5, 256 }, { 3, 264 },  { 21, 448 }, { 3, 640 },
		                             { 3, 301 }, { 3, 1280 }, { 2, 2056 }, { 2100, 8 } };
	CHECK_THESE(check_norm, shapes);
}

/* The first two thirds of the heads, the first half, all, or some. Positions `near` .. `near` + 1,999. */
static float *rope_compute(const struct side *s, int64_t rows, int heads, int rotated, int size, bool inverse, int near)
{
	int64_t n = rows * heads * size;
	float *qkv = random_floats(n, 1, 1.0);
	int32_t *positions = random_ids(rows, 2, 2000);
	for (int64_t r = 0; r < rows; r++)
		positions[r] += near;
	void *x = side_elements(s, qkv, n), *places = side_bytes(s, positions, (size_t)rows * sizeof *positions);
	assert_int_equal(s->k->rope(s->device, x, places, rows, heads, rotated, size, 10000.0, inverse), STATUS_OK);
	s->k->release(s->device, places);
	free(qkv), free(positions);
	return take_elements(s, x, n);
}

static void check_rope_near(const struct side *reference, const struct side *side, int64_t rows, int64_t width,
                            int near)
{
	int size = (int)(2 * width); /* even */
	static const int heads[][2] = { { 6, 4 }, { 4, 2 }, { 2, 2 }, { 9, 7 } };
	for (int kind = 0; kind < 4; kind++)
		for (int inverse = 0; inverse < 2; inverse++)
			assert_close(side, "rotated",
			             rope_compute(side, rows, heads[kind][0], heads[kind][1], size, inverse, near),
			             rope_compute(reference, rows, heads[kind][0], heads[kind][1], size, inverse, near),
			             rows * heads[kind][0] * size, tolerance(side));
}

static void check_rope(const struct side *reference, const struct side *side, int64_t rows, int64_t width)
{
	check_rope_near(reference, side, rows, width, 0);
}

/* Angles of a million radians. */
static void check_rope_far(const struct side *reference, const struct side *side, int64_t rows, int64_t width)
{
	check_rope_near(reference, side, rows, width, 1000000);
}

static void test_rope(void **state)
{
	(void)state;
	check_shapes(check_rope);
	static const int64_t shapes[][2] = { { 40, 28 }, { 5, 52 }, { 3, 50 }, { 300, 16 }, { 3, 128 } };
	CHECK_THESE(check_rope, shapes);
	static const int64_t few[][2] = { { 200, 2 } };
	CHECK_THESE(check_rope_far, few);
}

static void activation_compute(const struct side *s, int64_t n, float *result[3])
{
	float *x = random_floats(n, 1, 1.0), *dy = random_floats(n, 2, 1.0), *y = random_floats(n, 1, 1.0);
	for (int64_t i = 0; i < n; i++) /* one y for both sides, so that backward is judged by itself */
		y[i] = y[i] > 0.0f ? to_bfloat16(y[i] * y[i]) : 0.0f;
	void *dx = side_elements(s, x, n), *ddy = side_elements(s, dy, n), *dev_y = side_elements(s, y, n);
	void *forward = side_elements(s, dy, n);
	assert_int_equal(s->k->relu_squared_forward(s->device, forward, dx, n), STATUS_OK);
	assert_int_equal(s->k->relu_squared_forward(s->device, dx, dx, n), STATUS_OK);
	assert_int_equal(s->k->relu_squared_backward(s->device, ddy, ddy, dev_y, n), STATUS_OK);
	result[0] = take_elements(s, forward, n);
	result[1] = take_elements(s, dx, n);
	result[2] = take_elements(s, ddy, n);
	s->k->release(s->device, dev_y);
	free(x), free(dy), free(y);
}

static void check_activation(const struct side *reference, const struct side *side, int64_t rows, int64_t width)
{
	float *r[3], *c[3];
	activation_compute(reference, rows * width, r);
	activation_compute(side, rows * width, c);
	assert_memory_equal(c[0], c[1], (size_t)(rows * width) * sizeof(float));
	for (int i = 0; i < 3; i++)
		assert_close(side, i < 2 ? "relu squared" : "its gradient", c[i], r[i], rows * width, tolerance(side));
}

/* Enough for every thread of a device to take several vectors, and a rest. */
static void check_long_activation(const struct side *reference, const struct side *side, int64_t rows, int64_t width)
{
	(void)width;
	if (rows == 5)
		check_activation(reference, side, 1, 300007);
}

static void test_activation(void **state)
{
	(void)state;
	check_shapes(check_activation);
	check_shapes(check_long_activation);
}

/* NaN stays NaN, infinity infinity, and what is below zero is zero, in vectors as in the rest after the last. */
static void test_activation_extremes(void **state)
{
	(void)state;
	enum { COUNT = 67 };
	struct side sides[SIDES_MAX];
	int count = sides_open(sides, 1);
	for (int i = 0; i < count; i++) {
		const struct side *s = &sides[i];
		for (int place = 0; place < COUNT; place += place < 8 ? 1 : 11) {
			float x[COUNT], ones[COUNT];
			for (int e = 0; e < COUNT; e++)
				x[e] = e % 2 ? -2.0f : 3.0f, ones[e] = 1.0f;
			x[place] = NAN, x[(place + 1) % COUNT] = INFINITY, x[(place + 2) % COUNT] = -INFINITY;
			void *y = side_elements(s, x, COUNT), *dx = side_elements(s, ones, COUNT);
			assert_int_equal(s->k->relu_squared_forward(s->device, y, y, COUNT), STATUS_OK);
			assert_int_equal(s->k->relu_squared_backward(s->device, dx, dx, y, COUNT), STATUS_OK);
			float *forward = take_elements(s, y, COUNT), *backward = take_elements(s, dx, COUNT);
			for (int e = 0; e < COUNT; e++) {
				float positive = x[e] < 0.0f ? 0.0f : x[e];
				assert_true(isnan(x[e]) ? isnan(forward[e]) && isnan(backward[e])
				                        : forward[e] == positive * positive &&
				                                  backward[e] == 2.0f * positive);
			}
			free(forward), free(backward);
		}
		side_end(&sides[i]);
	}
}

static void embedding_compute(const struct side *s, int64_t rows, int64_t width, float *result[3])
{
	enum { VOCABULARY = 11 }; /* few, so that ids repeat */
	float *table = random_floats(VOCABULARY * width, 1, 1.0), *dy = random_floats(rows * width, 2, 1.0);
	int32_t *ids = random_ids(rows, 3, VOCABULARY), *order = calloc((size_t)rows + 1, sizeof *order);
	assert_non_null(order);
	for (int64_t r = 0; r < rows; r++)
		order[r] = (int32_t)(2 * (rows - 1 - r)); /* distinct, descending, every other row */
	void *dev_table = side_elements(s, table, VOCABULARY * width), *y = side_elements(s, dy, rows * width);
	void *ddy = side_elements(s, dy, rows * width);
	int32_t *dev_ids = side_bytes(s, ids, (size_t)rows * sizeof *ids);
	int32_t *dev_order = side_bytes(s, order, (size_t)rows * sizeof *order);
	float *zeros = calloc((size_t)(2 * rows * width) + 1, sizeof *zeros);
	assert_non_null(zeros);
	void *spread = side_elements(s, zeros, 2 * rows * width);
	float *gradient = side_floats(s, table, VOCABULARY * width);
	assert_int_equal(s->k->embedding_forward(s->device, y, dev_table, dev_ids, rows, width), STATUS_OK);
	assert_int_equal(s->k->embedding_backward(s->device, gradient, ddy, dev_ids, rows, width), STATUS_OK);
	assert_int_equal(s->k->scatter_rows(s->device, spread, ddy, dev_order, rows, width, false), STATUS_OK);
	assert_int_equal(s->k->gather_rows(s->device, ddy, spread, dev_order, rows, width), STATUS_OK);
	float *returned = take_elements(s, ddy, rows * width);
	assert_memory_equal(returned, dy, (size_t)(rows * width) * sizeof(float));
	free(returned);
	void *added = side_elements(s, dy, rows * width);
	assert_int_equal(s->k->scatter_rows(s->device, spread, added, dev_order, rows, width, true), STATUS_OK);
	s->k->release(s->device, added);
	result[0] = take_elements(s, y, rows * width);
	result[1] = take_floats(s, gradient, VOCABULARY * width);
	result[2] = take_elements(s, spread, 2 * rows * width);
	s->k->release(s->device, dev_table), s->k->release(s->device, dev_ids), s->k->release(s->device, dev_order);
	free(table), free(dy), free(ids), free(order), free(zeros);
}

static void check_embedding(const struct side *reference, const struct side *side, int64_t rows, int64_t width)
{
	float *r[3], *c[3];
	embedding_compute(reference, rows, width, r);
	embedding_compute(side, rows, width, c);
	assert_close(side, "embedding", c[0], r[0], rows * width, 0.0);
	assert_close(side, "embedding gradient", c[1], r[1], 11 * width,
	             0.0); /* the same sums in the same order: ids of few rows */
	assert_close(side, "scattered rows", c[2], r[2], 2 * rows * width, 0.0);
}

static void test_embedding_and_rows(void **state)
{
	(void)state;
	check_shapes(check_embedding);
	static const int64_t shapes[][2] = { { 3, 1032 }, { 2, 2056 }, { 40, 301 }, { 7, 448 } };
	CHECK_THESE(check_embedding, shapes);
}

enum { SEGMENT_IDS = 400 };

/* Ids whose rows are cut in many ways: a third of all rows, all rows, each its own, 31, 32, 33, 64, 65 and 96 rows. */
static int32_t *segment_ids(int64_t rows, int kind)
{
	int32_t *ids = random_ids(rows, 3, SEGMENT_IDS);
	static const int32_t lengths[] = { 31, 32, 33, 64, 65, 96 };
	for (int64_t r = 0; r < rows; r++)
		if (kind == 0 && r % 3 == 1)
			ids[r] = 77;
		else if (kind == 1)
			ids[r] = 5;
		else if (kind == 2)
			ids[r] = (int32_t)((rows - 1 - r) % SEGMENT_IDS);
	for (int64_t r = 0, id = 0; kind == 3 && r < rows; id++)
		for (int32_t i = 0; i < lengths[id % 6] && r < rows; i++)
			ids[r++] = (int32_t)(id * 7 % SEGMENT_IDS);
	return ids;
}

/* The gradient of a table that is `base`, by `rows` rows of dy. */
static float *segment_compute(const struct side *s, const float *base, const float *dy, const int32_t *ids,
                              int64_t rows, int64_t width)
{
	float *gradient = side_floats(s, base, SEGMENT_IDS * width);
	void *ddy = side_elements(s, dy, rows * width), *dev_ids = side_bytes(s, ids, (size_t)rows * sizeof *ids);
	assert_int_equal(s->k->embedding_backward(s->device, gradient, ddy, dev_ids, rows, width), STATUS_OK);
	s->k->release(s->device, ddy), s->k->release(s->device, dev_ids);
	return take_floats(s, gradient, SEGMENT_IDS * width);
}

/* Against sums in double precision; and the rows of one id alone give the same bits as among others. */
static void check_segments(const struct side *reference, const struct side *side, int64_t rows, int64_t width)
{
	(void)reference;
	float *base = random_floats(SEGMENT_IDS * width, 4, 1.0), *dy = random_floats(rows * width, 5, 1.0);
	for (int kind = rows > 1000 ? 1 : 0; kind < (rows > 1000 ? 2 : 4); kind++) {
		int32_t *ids = segment_ids(rows, kind);
		float *all = segment_compute(side, base, dy, ids, rows, width),
		      *expected = random_floats(SEGMENT_IDS * width, 4, 1.0);
		double *sums = calloc((size_t)(SEGMENT_IDS * width), sizeof *sums);
		assert_non_null(sums);
		for (int64_t i = 0; i < rows * width; i++)
			sums[ids[i / width] * width + i % width] += (double)dy[i];
		for (int64_t i = 0; i < SEGMENT_IDS * width; i++)
			expected[i] = (float)(base[i] + sums[i]);
		int32_t one = kind == 0 ? 77 : ids[0];
		int64_t kept = 0;
		float *some = random_floats(rows * width, 5, 1.0);
		for (int64_t r = 0; r < rows; r++)
			if (ids[r] == one)
				memmove(some + kept++ * width, some + r * width, (size_t)width * sizeof *some);
		for (int64_t r = 0; r < kept; r++)
			ids[r] = one;
		float *alone = segment_compute(side, base, some, ids, kept, width);
		assert_memory_equal(alone + one * width, all + one * width, (size_t)width * sizeof *all);
		assert_close(side, "embedding gradient of long segments", all, expected, SEGMENT_IDS * width, 3e-6);
		free(alone), free(some), free(sums), free(ids);
	}
	free(base), free(dy);
}

static void test_embedding_segments(void **state)
{
	(void)state;
	static const int64_t shapes[][2] = {
		{ 32, 4 }, { 33, 9 }, { 500, 20 }, { 100, 301 }, { 100, 1032 }, { 2200, 4 }
	};
	CHECK_THESE(check_segments, shapes);
}

/* cross_entropy() with targets and weights (NULL: none) of the host. */
static void entropy_run(const struct side *s, float *losses, void *logits, const int32_t *targets, const float *weights,
                        int64_t rows, int64_t vocabulary, float multiplier)
{
	int32_t *device_targets = side_bytes(s, targets, (size_t)rows * sizeof *targets);
	float *device_weights = weights ? side_floats(s, weights, rows) : NULL;
	assert_int_equal(s->k->cross_entropy(s->device, losses, logits, device_targets, device_weights, rows, vocabulary,
	                                     multiplier),
	                 STATUS_OK);
	s->k->release(s->device, device_targets);
	if (device_weights)
		s->k->release(s->device, device_weights);
}

static void entropy_compute(const struct side *s, int64_t rows, int64_t vocabulary, bool gradient, float multiplier,
                            float *result[2])
{
	float *logits = random_floats(rows * vocabulary, 1, 8.0), *weights = random_floats(rows, 2, 1.0);
	int32_t *targets = random_ids(rows, 3, vocabulary);
	for (int64_t r = 0; r < rows; r++)
		weights[r] = r % 3 == 0 ? 0.0f : fabsf(weights[r]);
	void *x = side_elements(s, logits, rows * vocabulary);
	float *losses = side_floats(s, weights, rows);
	entropy_run(s, losses, x, targets, gradient ? weights : NULL, rows, vocabulary, multiplier);
	result[0] = take_floats(s, losses, rows);
	result[1] = take_elements(s, x, rows * vocabulary);
	if (!gradient)
		assert_memory_equal(result[1], logits, (size_t)(rows * vocabulary) * sizeof(float));
	for (int64_t i = 0; gradient && i < rows * vocabulary; i++)
		assert_true(weights[i / vocabulary] != 0.0f || result[1][i] == 0.0f);
	free(logits), free(weights), free(targets);
}

static void compare_entropy(const struct side *reference, const struct side *side, int64_t rows, int64_t vocabulary,
                            float multiplier)
{
	for (int gradient = 0; gradient < 2; gradient++) {
		float *r[2], *c[2];
		entropy_compute(reference, rows, vocabulary, gradient, multiplier, r);
		entropy_compute(side, rows, vocabulary, gradient, multiplier, c);
		/* Losses stay floats. An exponent of 30 with its rounding makes a share wrong by 1e-6. */
		assert_close(side, "losses", c[0], r[0], rows, 3e-7);
		assert_close(side, "gradient of logits", c[1], r[1], rows * vocabulary, side->half ? 4e-3 : 1e-6);
	}
}

static void check_entropy(const struct side *reference, const struct side *side, int64_t rows, int64_t vocabulary)
{
	compare_entropy(reference, side, rows, vocabulary, 0.7f);
}

/* Rows that a device may hold near its processors, rows that are too long for that, rows that allow no vectors, more rows
 * than a device takes at once; a negative multiplier. */
static void check_long_entropy(const struct side *reference, const struct side *side, int64_t rows, int64_t width)
{
	(void)width;
	if (rows == 5) {
		check_entropy(reference, side, 3, 200003);
		check_entropy(reference, side, 2, 200008);
		check_entropy(reference, side, 5, 100288);
	}
	if (rows == 64) {
		check_entropy(reference, side, 9, 5000);
		check_entropy(reference, side, 20, 16384);
		compare_entropy(reference, side, 4, 1000, -0.7f);
		compare_entropy(reference, side, 4, 999, -0.7f);
	}
}

static void test_cross_entropy(void **state)
{
	(void)state;
	check_shapes(check_entropy);
	check_shapes(check_long_entropy);
}

/* A row alone gives the bits that it gives among others. */
static void test_cross_entropy_rows(void **state)
{
	(void)state;
	enum { ROWS = 40 };
	static const int64_t vocabularies[] = { 24, 37, 8192, 4099 };
	struct side sides[SIDES_MAX];
	int count = sides_open(sides, 1);
	for (int i = 0; i < count; i++)
		for (size_t v = 0; v < sizeof vocabularies / sizeof vocabularies[0]; v++) {
			const struct side *s = &sides[i];
			int64_t vocabulary = vocabularies[v];
			float *logits = random_floats(ROWS * vocabulary, 1, 8.0),
			      *weights = random_floats(ROWS, 2, 1.0);
			int32_t *targets = random_ids(ROWS, 3, vocabulary);
			void *x = side_elements(s, logits, ROWS * vocabulary);
			float *losses = side_floats(s, weights, ROWS);
			entropy_run(s, losses, x, targets, weights, ROWS, vocabulary, 1.3f);
			losses = take_floats(s, losses, ROWS);
			float *gradient = take_elements(s, x, ROWS * vocabulary);
			for (int row = 0; row < ROWS; row += 13) {
				float *loss = side_floats(s, weights, 1);
				x = side_elements(s, logits + row * vocabulary, vocabulary);
				entropy_run(s, loss, x, targets + row, weights + row, 1, vocabulary, 1.3f);
				loss = take_floats(s, loss, 1);
				float *alone = take_elements(s, x, vocabulary);
				assert_memory_equal(loss, losses + row, sizeof *loss);
				assert_memory_equal(alone, gradient + row * vocabulary,
				                    (size_t)vocabulary * sizeof *alone);
				free(loss), free(alone);
			}
			free(losses), free(gradient), free(logits), free(weights), free(targets);
		}
	for (int i = 0; i < count; i++)
		side_end(&sides[i]);
}

/* Overflow and NaN: huge logits give a finite loss, a NaN logit a NaN loss and never a quiet number, logits of -infinity
 * a share of 0. */
static void check_extremes(const struct side *s, int vocabulary)
{
	float *logits = calloc(3 * (size_t)vocabulary, sizeof *logits), weights[3] = { 1.0f, 1.0f, 1.0f };
	int32_t targets[3] = { 3, 4, 5 };
	assert_non_null(logits);
	logits[3] = 1e30f, logits[7] = -1e30f;
	logits[vocabulary + 20] = NAN;
	for (int v = 0; v < vocabulary; v++)
		logits[2 * vocabulary + v] = v == 5 || v == vocabulary - 1 ? 2.0f : -INFINITY;
	void *x = side_elements(s, logits, 3 * vocabulary);
	float *losses = side_floats(s, weights, 3);
	entropy_run(s, losses, x, targets, weights, 3, vocabulary, 1.0f);
	losses = take_floats(s, losses, 3);
	assert_true(losses[0] == 0.0f && isnan(losses[1]) && fabsf(losses[2] - 0.6931472f) < 1e-6f);
	float *gradient = take_elements(s, x, 3 * vocabulary);
	for (int v = 0; v < vocabulary; v++) {
		float expected = v == 5 ? -0.5f : v == vocabulary - 1 ? 0.5f : 0.0f;
		assert_true(gradient[v] == 0.0f && isnan(gradient[vocabulary + v]));
		assert_true(gradient[2 * vocabulary + v] == expected);
	}
	free(losses), free(gradient), free(logits);
}

static void test_cross_entropy_extremes(void **state)
{
	(void)state;
	struct side sides[SIDES_MAX];
	int count = sides_open(sides, 1);
	for (int i = 0; i < count; i++) {
		check_extremes(&sides[i], 40);
		check_extremes(&sides[i], 41);
		check_extremes(&sides[i], 12000);
		side_end(&sides[i]);
	}
}

/* Updates `count` elements; `first` before them and one after them must stay as they are. */
static void optimiser_compute(const struct side *s, int64_t count, int64_t first, float *result[5])
{
	int64_t n = first + count + 1;
	float *p = random_floats(n, 1, 1.0), *m = random_floats(n, 2, 0.1), *v = random_floats(n, 3, 0.1);
	float *g = random_floats(n, 4, 1.0);
	for (int64_t i = 0; i < n; i++)
		v[i] = i % 5 == 0 ? 0.0f : v[i] * v[i];
	float *master = side_floats(s, p, n), *m1 = side_floats(s, m, n), *m2 = side_floats(s, v, n),
	      *dg = side_floats(s, g, n);
	size_t bytes = s->k->weight_bytes(s->device);
	bool own_weights = bytes != sizeof(float);
	char *weights = own_weights ? side_elements(s, g, n) : (char *)master;
	const struct adamw_step step = { 0.01, 0.9, 0.95, 1e-8, 0.1, 1 - 0.9 * 0.9, 1 - 0.95 * 0.95, 0.37 };
	assert_int_equal(s->k->adamw(s->device, master + first, m1 + first, m2 + first, dg + first,
	                             weights + (size_t)first * bytes, (size_t)count, &step),
	                 STATUS_OK);
	result[4] = NULL;
	if (own_weights) {
		char *converted = side_elements(s, g, n);
		assert_int_equal(s->k->convert_weights(s->device, converted + (size_t)first * bytes, master + first,
		                                       (size_t)count),
		                 STATUS_OK);
		float *a = take_elements(s, weights, n), *b = take_elements(s, converted, n);
		assert_memory_equal(a, b, (size_t)n * sizeof(float));
		free(b);
		result[4] = a;
	}
	assert_int_equal(s->k->add(s->device, dg + first, m1 + first, (size_t)count), STATUS_OK);
	result[0] = take_floats(s, master, n);
	result[1] = take_floats(s, m1, n);
	result[2] = take_floats(s, m2, n);
	result[3] = take_floats(s, dg, n);
	for (int64_t i = 0; i < n; i++)
		if (i < first || i >= first + count)
			assert_true(result[0][i] == p[i] && result[1][i] == m[i] && result[2][i] == v[i] &&
			            result[3][i] == g[i] && (!own_weights || result[4][i] == g[i]));
	free(p), free(m), free(v), free(g);
}

static void compare_optimiser(const struct side *reference, const struct side *side, int64_t count, int64_t first)
{
	float *r[5], *c[5];
	optimiser_compute(reference, count, first, r);
	optimiser_compute(side, count, first, c);
	for (int64_t i = first; c[4] != NULL && i < first + count; i++)
		assert_true(c[4][i] == to_bfloat16(c[0][i]));
	free(c[4]);
	static const char *const names[] = { "parameters", "first moment", "second moment", "sum" };
	for (int i = 0; i < 4; i++)
		assert_close(side, names[i], c[i], r[i], first + count + 1, 2e-7);
}

/* Ranges need not begin or end where vectors do; a long one goes more than once through all threads of a device. */
static void check_optimiser(const struct side *reference, const struct side *side, int64_t rows, int64_t width)
{
	compare_optimiser(reference, side, rows * width, 0);
	compare_optimiser(reference, side, rows * width, 1);
	if (rows == 5) {
		compare_optimiser(reference, side, 150003, 0);
		compare_optimiser(reference, side, 40001, 3);
	}
}

static void test_optimiser(void **state)
{
	(void)state;
	check_shapes(check_optimiser);
}

static void compare_squares(const struct side *reference, const struct side *side, int64_t n, size_t block,
                            int64_t first)
{
	float *x = random_floats(first + n, 1, 3.0);
	float *a = side_floats(reference, x, first + n), *b = side_floats(side, x, first + n);
	double expected[64], sums[64];
	size_t blocks = ((size_t)n + block - 1) / block;
	assert_true(blocks <= 64);
	assert_int_equal(reference->k->sum_of_squares(reference->device, expected, a + first, (size_t)n, block),
	                 STATUS_OK);
	assert_int_equal(side->k->sum_of_squares(side->device, sums, b + first, (size_t)n, block), STATUS_OK);
	for (size_t i = 0; i < blocks; i++)
		assert_true(fabs(sums[i] - expected[i]) <= 3e-7 * expected[i]);
	reference->k->release(reference->device, a);
	side->k->release(side->device, b);
	free(x);
}

static void check_squares(const struct side *reference, const struct side *side, int64_t rows, int64_t width)
{
	for (size_t block = 1000; block < 8000; block += 1777)
		compare_squares(reference, side, rows * width * 7, block, 0);
}

/* Blocks of several pieces: whole ones, and with a rest that is or is not of whole vectors. */
static void check_long_squares(const struct side *reference, const struct side *side, int64_t rows, int64_t width)
{
	static const size_t blocks[] = { 4096, 8192, 16384, 20000, 50001, 1000000 };
	(void)width;
	for (size_t i = 0; rows == 5 && i < sizeof blocks / sizeof blocks[0]; i++)
		for (int64_t first = 0; first < 2; first++)
			compare_squares(reference, side, 130005, blocks[i], first);
}

static void test_sum_of_squares(void **state)
{
	(void)state;
	check_shapes(check_squares);
	check_shapes(check_long_squares);
}

/* Initial weights are the same bits on every device, and those of the random number's definition. */
static void test_fill_normal(void **state)
{
	(void)state;
	enum { COUNT = 2 * CPU_ITEM_ELEMENTS + 77 };
	struct side sides[SIDES_MAX + 1];
	int count = sides_open(sides, 3);
	sides[count++] = side_reference();
	for (int i = 0; i < count; i++) {
		const struct side *s = &sides[i];
		float *x = s->k->allocate(s->device, (COUNT + 1) * sizeof(float));
		assert_non_null(x);
		assert_int_equal(s->k->fill_normal(s->device, x, COUNT, 0.25, 9, 4), STATUS_OK);
		x = take_floats(s, x, COUNT + 1);
		for (int e = 0; e < COUNT; e += e < 5 ? 1 : 977)
			assert_true(x[e] == (float)(0.25 * random_normal(9, RANDOM_INITIALISATION, 4, (uint64_t)e)));
		assert_true(x[COUNT - 1] != 0.0f && x[COUNT] == 0.0f);
		free(x);
		side_end(&sides[i]);
	}
}

/* More downloads than a device remembers, of sizes up to more than it has room for: each brings what the source held when
 * it was asked for. */
static void test_late_downloads(void **state)
{
	(void)state;
	enum { COUNT = 600, LARGE = 3 << 20 };
	struct side sides[SIDES_MAX];
	int sides_count = sides_open(sides, 2);
	float *ones = calloc(LARGE, sizeof *ones), *large = calloc(LARGE, sizeof *large), small[COUNT][3];
	assert_non_null(ones);
	assert_non_null(large);
	for (int64_t i = 0; i < LARGE; i++)
		ones[i] = 1;
	for (int number = 0; number < sides_count; number++) {
		struct side *s = &sides[number];
		float *source = side_floats(s, ones, LARGE);
		memset(small, 0, sizeof small);
		memset(large, 0, LARGE * sizeof *large);
		for (int i = 0; i < COUNT; i++) {
			/* Some that just fit beside others, one that never does, one of nothing. */
			size_t bytes = i % 100 == 50 ? (size_t)1 << 20
			               : i == 400    ? LARGE * sizeof(float)
			               : i == 10     ? 0
			                             : 12;
			float *target = bytes > 12 ? large : small[i];
			float next[3] = { (float)(2 + i), (float)(2 + i), (float)(2 + i) };
			assert_int_equal(s->k->download_later(s->device, target, source, bytes), STATUS_OK);
			assert_int_equal(s->k->upload(s->device, source, next, sizeof next), STATUS_OK);
		}
		assert_int_equal(s->k->synchronize(s->device), STATUS_OK);
		for (int i = 0; i < COUNT; i++)
			for (int j = 0; j < 3; j++)
				assert_true(small[i][j] ==
				            (i % 100 == 50 || i == 400 || i == 10 ? 0.0f : (float)(1 + i)));
		assert_true(large[0] == 551.0f && large[LARGE - 1] == 1.0f);
		s->k->release(s->device, source);
		side_end(s);
	}
	free(ones);
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_norm),
		cmocka_unit_test(test_rope),
		cmocka_unit_test(test_activation),
		cmocka_unit_test(test_activation_extremes),
		cmocka_unit_test(test_embedding_and_rows),
		cmocka_unit_test(test_embedding_segments),
		cmocka_unit_test(test_cross_entropy),
		cmocka_unit_test(test_cross_entropy_rows),
		cmocka_unit_test(test_cross_entropy_extremes),
		cmocka_unit_test(test_optimiser),
		cmocka_unit_test(test_sum_of_squares),
		cmocka_unit_test(test_fill_normal),
		cmocka_unit_test(test_late_downloads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
