/* Norm, rotation, activation, embedding, rows and probes against the reference.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels_support.h"

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
		double allowed = !side->half && width > 1000 ? 1e-6 : element_tolerance(side);
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
			             rows * heads[kind][0] * size, element_tolerance(side));
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
		assert_close(side, i < 2 ? "relu squared" : "its gradient", c[i], r[i], rows * width,
		             element_tolerance(side));
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

/* Rows with parts cleared: the bits of all others stay, NaN and -0 too. Returned: the copy, then the same in place. */
static float *clear_compute(const struct side *s, int64_t rows, int64_t width, int64_t begin, int64_t end)
{
	int64_t n = rows * width;
	float *x = random_floats(n, 4, 1.0), *both = calloc((size_t)(2 * n) + 1, sizeof *both);
	uint8_t *marks = calloc((size_t)rows + 1, 1);
	assert_non_null(both);
	assert_non_null(marks);
	for (int64_t r = 0; r < rows; r++)
		marks[r] = (uint8_t)(random_bits(5, RANDOM_TEST, 1, (uint64_t)r) % 3);
	for (int64_t i = 0; i < n; i += 5)
		x[i] = i % 2 ? -0.0f : NAN;
	void *source = side_elements(s, x, n), *copy = side_elements(s, x, n),
	     *places = side_bytes(s, marks, (size_t)rows);
	assert_int_equal(s->k->clear_columns(s->device, copy, source, places, 2, rows, width, begin, end), STATUS_OK);
	assert_int_equal(s->k->clear_columns(s->device, source, source, places, 2, rows, width, begin, end), STATUS_OK);
	s->k->release(s->device, places);
	free(x), free(marks);
	float *parts[2] = { take_elements(s, copy, n), take_elements(s, source, n) };
	for (int part = 0; part < 2; part++) {
		memcpy(both + part * n, parts[part], (size_t)n * sizeof *both);
		free(parts[part]);
	}
	return both;
}

static void check_clear_columns(const struct side *reference, const struct side *side, int64_t rows, int64_t width)
{
	const int64_t parts[][2] = { { 0, width },
		                     { 0, width / 2 },
		                     { width / 3, width },
		                     { width / 2, width / 2 },
		                     { width / 8 * 8 / 2, width / 8 * 8 } };
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		float *c = clear_compute(side, rows, width, parts[i][0], parts[i][1]);
		float *r = clear_compute(reference, rows, width, parts[i][0], parts[i][1]);
		for (int64_t at = 0; at < 2 * rows * width; at++)
			if (isnan(c[at]) && isnan(r[at]))
				c[at] = r[at] = 1.0f;
			else if (signbit(c[at]) != signbit(r[at]))
				fail_msg("%s: the sign of element %lld is another", side->name, (long long)at);
		assert_close(side, "cleared columns", c, r, 2 * rows * width,
		             side->half ? element_tolerance(side) : 0.0);
	}
}

static void test_clear_columns(void **state)
{
	(void)state;
	check_shapes(check_clear_columns);
	static const int64_t shapes[][2] = { { 3, 1032 }, { 2, 2056 }, { 40, 301 }, { 7, 448 }, { 300, 16 } };
	CHECK_THESE(check_clear_columns, shapes);
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

/* out[count, rows] of rows [first, first + some) of the activations. Every fourth row is zeros. */
static double *probe_compute(const struct side *s, int64_t rows, int64_t first, int64_t some, int64_t width,
                             int64_t count, bool branch, bool summed)
{
	int64_t n = rows * width, m = count * width;
	float *base = random_floats(n, 1, 1.0), *added = random_floats(n, 2, 1.0), *gain = random_floats(width, 3, 1.0);
	double *probes = calloc((size_t)m, sizeof *probes), *out = calloc((size_t)(count * some) + 1, sizeof *out);
	assert_true(probes != NULL && out != NULL);
	for (int64_t i = 0; i < n; i++)
		if (i / width % 4 == 3)
			base[i] = added[i] = 0.0f;
	for (int64_t i = 0; i < m; i++)
		probes[i] = random_normal(1, RANDOM_TEST, 4, (uint64_t)i);
	void *x = side_elements(s, base + first * width, some * width),
	     *b = side_elements(s, added + first * width, some * width);
	double *weights = side_bytes(s, probes, (size_t)m * sizeof *probes);
	double *dev_out = s->k->allocate(s->device, (size_t)(count * some) * sizeof *out);
	assert_non_null(dev_out);
	if (summed) { /* the sum that the norm stores instead of the branch */
		void *g = side_elements(s, gain, width), *normed = side_elements(s, base, some * width);
		float *inverse = side_floats(s, base, some);
		assert_int_equal(s->k->norm_forward(s->device, x, normed, inverse, x, b, g, some, width, 1e-5f),
		                 STATUS_OK);
		s->k->release(s->device, g), s->k->release(s->device, normed), s->k->release(s->device, inverse);
	}
	assert_int_equal(s->k->probe(s->device, dev_out, x, branch ? b : NULL, weights, count, some, width), STATUS_OK);
	assert_int_equal(s->k->download(s->device, out, dev_out, (size_t)(count * some) * sizeof *out), STATUS_OK);
	s->k->release(s->device, x), s->k->release(s->device, b), s->k->release(s->device, weights);
	s->k->release(s->device, dev_out);
	free(base), free(added), free(gain), free(probes);
	return out;
}

static float *as_floats(double *values, int64_t count)
{
	float *floats = calloc((size_t)count + 1, sizeof *floats);
	assert_non_null(floats);
	for (int64_t i = 0; i < count; i++)
		floats[i] = (float)values[i];
	free(values);
	return floats;
}

static void check_probe(const struct side *reference, const struct side *side, int64_t rows, int64_t width)
{
	/* More than shared memory holds of a GPU, one, or two. */
	int64_t count = width > 2000 ? 13 : rows == 5 ? 1 : 2, n = count * rows;
	for (int branch = 0; branch < 2; branch++)
		assert_close(side, "probes",
		             as_floats(probe_compute(side, rows, 0, rows, width, count, branch, false), n),
		             as_floats(probe_compute(reference, rows, 0, rows, width, count, branch, false), n), n,
		             branch && side->half ? 2 * element_tolerance(side) : 5e-7);
	double *all = probe_compute(side, rows, 0, rows, width, count, true, false),
	       *summed = probe_compute(side, rows, 0, rows, width, count, false, true);
	assert_memory_equal(all, summed, (size_t)n * sizeof *all);
	free(summed);
	for (int64_t r = 3; r < rows; r += 4)
		for (int64_t p = 0; p < count; p++)
			assert_true(all[p * rows + r] == 0.0);
	if (rows > 4) { /* of a row alone the same bits */
		double *alone = probe_compute(side, rows, 4, 1, width, count, true, false);
		for (int64_t p = 0; p < count; p++)
			assert_true(alone[p] == all[p * rows + 4]);
		free(alone);
	}
	free(all);
}

static void test_probe(void **state)
{
	(void)state;
	check_shapes(check_probe);
	/* As for the norm; and more rows than the emulator's device has at once. */
	static const int64_t shapes[][2] = { { 21, 448 }, { 6, 896 },  { 5, 2048 }, { 5, 301 },
		                             { 3, 1280 }, { 5, 2056 }, { 9, 264 },  { 300, 8 } };
	CHECK_THESE(check_probe, shapes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_norm),
		cmocka_unit_test(test_rope),
		cmocka_unit_test(test_activation),
		cmocka_unit_test(test_activation_extremes),
		cmocka_unit_test(test_embedding_and_rows),
		cmocka_unit_test(test_clear_columns),
		cmocka_unit_test(test_embedding_segments),
		cmocka_unit_test(test_probe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
