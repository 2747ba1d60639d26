/* Cross-entropy, the optimiser, sums of squares, and numbers on their way between host and device, against the reference.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels_support.h"

/* cross_entropy() with targets and weights (NULL: none) of the host. */
static void entropy_run(const struct side *s, float *losses, void *logits, const int32_t *targets, const float *weights,
                        int64_t rows, int64_t vocabulary, float multiplier)
{
	int32_t *device_targets = side_bytes(s, targets, (size_t)rows * sizeof *targets);
	float *device_weights = weights ? side_floats(s, weights, rows) : NULL;
	assert_int_equal(s->k->cross_entropy(s->device, losses, logits, device_targets, device_weights, rows,
	                                     vocabulary, multiplier),
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
	assert_int_equal(side->k->synchronize(side->device), STATUS_OK);
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
		/* Host memory for downloads, more than once, of any size. */
		float *host[3];
		for (size_t i = 0; i < 3; i++) {
			size_t bytes = i == 0 ? 0 : i == 1 ? 12 : LARGE * sizeof(float);
			host[i] = s->k->allocate_host(s->device, bytes);
			assert_non_null(host[i]);
			assert_int_equal(s->k->download(s->device, host[i], source, bytes), STATUS_OK);
		}
		for (int64_t i = 0; i < LARGE; i++)
			assert_true(host[2][i] == (i < 3 ? (float)(1 + COUNT) : 1.0f));
		assert_memory_equal(host[1], host[2], 12);
		for (size_t i = 0; i < 3; i++)
			s->k->release_host(s->device, host[i]);
		s->k->release(s->device, source);
		side_end(s);
	}
	free(ones);
	free(large);
}

/* squares[rows] and, behind them, the gradient; a step of 0: one target. In place: the gradient over x. */
static void distance_compute(const struct side *s, int64_t rows, int64_t width, int64_t step, bool in_place,
                             float *result[2])
{
	int64_t n = rows * width;
	float *from = random_floats(n, 1, 1.0), *to = random_floats(n + width, 2, 2.0);
	void *x = side_elements(s, from, n), *target = side_elements(s, to, n + width);
	void *gradient = in_place ? x : side_elements(s, to, n);
	float *squares = side_floats(s, to, rows);
	assert_int_equal(s->k->square_distance(s->device, squares, gradient, x, target, step, 0.375f, rows, width),
	                 STATUS_OK);
	result[0] = take_floats(s, squares, rows);
	result[1] = take_elements(s, gradient, n);
	if (!in_place)
		s->k->release(s->device, x);
	s->k->release(s->device, target);
	free(from), free(to);
}

static void check_distance(const struct side *reference, const struct side *side, int64_t rows, int64_t width)
{
	for (int mode = 0; mode < 4; mode++) {
		float *c[2], *r[2];
		distance_compute(side, rows, width, mode & 1 ? width : 0, mode & 2, c);
		distance_compute(reference, rows, width, mode & 1 ? width : 0, mode & 2, r);
		assert_close(side, "square of distance", c[0], r[0], rows, 1e-6);
		assert_close(side, "gradient of distance", c[1], r[1], rows * width, element_tolerance(side));
	}
}

static void test_distance(void **state)
{
	(void)state;
	check_shapes(check_distance);
	static const int64_t shapes[][2] = { { 21, 448 }, { 5, 2048 }, { 5, 301 }, { 3, 2056 }, { 300, 8 } };
	CHECK_THESE(check_distance, shapes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cross_entropy),          cmocka_unit_test(test_cross_entropy_rows),
		cmocka_unit_test(test_cross_entropy_extremes), cmocka_unit_test(test_optimiser),
		cmocka_unit_test(test_sum_of_squares),         cmocka_unit_test(test_fill_normal),
		cmocka_unit_test(test_late_downloads),         cmocka_unit_test(test_distance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
