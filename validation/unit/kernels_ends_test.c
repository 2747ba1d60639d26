/* Ends of own products that rotate heads, take a norm's rows as they are and add to the residual stream (kernels.h), as a device has them: on a GPU, and
 * under emulation in every order of threads. With equal sums they give the bits of product and pass.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels_support.h"

#ifdef CAPSHAPE_TEST_EMULATED
void emulator_set_order(unsigned order);
static const unsigned orders[] = { 0, 1, 2, 5 };
#else
static const unsigned orders[] = { 0 };
static void emulator_set_order(unsigned order)
{
	(void)order;
}
#endif
enum { ORDERS = sizeof orders / sizeof *orders };

/* With own products for all; skips the test where there are none. */
static struct side open_side(const char *choice, enum precision precision)
{
	struct side side = { .k = kernels_cuda(), .half = precision == PRECISION_BFLOAT16, .name = "cuda" };

	assert_int_equal(setenv("CAPSHAPE_PRODUCT", choice, 1), 0);
	assert_int_equal(side.k->device_create(precision, 1, &side.device), STATUS_OK);
	if (side.half && strcmp(choice, "library") != 0 && !side_uses(&side, "own products")) {
		side_end(&side);
		skip();
	}
	return side;
}

static float *elements_of(const struct side *s, const void *memory, int64_t count)
{
	float *host = calloc((size_t)count + 1, sizeof *host);
	assert_non_null(host);
	assert_int_equal(s->k->download_activation(s->device, host, memory, (size_t)count), STATUS_OK);
	return host;
}

/* NaN, so that what is not written shows. */
static void *result_memory(const struct side *s, int64_t count)
{
	float *none = calloc((size_t)count + 1, sizeof *none);
	assert_non_null(none);
	for (int64_t i = 0; i < count; i++)
		none[i] = NAN;
	void *memory = side_elements(s, none, count);
	free(none);
	return memory;
}

static void assert_bits(const struct side *s, const void *memory, const float *expected, int64_t count)
{
	float *found = elements_of(s, memory, count);
	for (int64_t i = 0; i < count; i++)
		if (memcmp(&found[i], &expected[i], sizeof(float)) != 0)
			fail_msg("element %lld is %g, not %g", (long long)i, (double)found[i], (double)expected[i]);
	free(found);
}

/* ---- rotation */

struct heads {
	int size, count, turned;
	int64_t rows, in;
};

static void check_rotation(const struct side *s, const struct heads *it)
{
	int64_t out = (int64_t)it->size * it->count, count = it->rows * out;
	float *x = random_floats(it->rows * it->in, 1, 1.0), *w = random_floats(out * it->in, 2, 0.3);
	int32_t *ids = random_ids(it->rows, 3, 3000);
	void *dev_x = side_elements(s, x, it->rows * it->in), *dev_w = side_elements(s, w, out * it->in);
	int32_t *positions = side_bytes(s, ids, (size_t)it->rows * sizeof *ids);
	void *two = result_memory(s, count);
	struct rope_shape rope = { positions, it->count, it->turned, it->size, 10000.0 };

	assert_int_equal(s->k->linear_forward(s->device, two, dev_x, dev_w, it->rows, it->in, out), STATUS_OK);
	assert_int_equal(
		s->k->rope(s->device, two, positions, it->rows, it->count, it->turned, it->size, 10000.0, false),
		STATUS_OK);
	float *expected = take_elements(s, two, count);
	for (int i = 0; i < ORDERS; i++) {
		void *one = result_memory(s, count);
		bool taken = false;
		emulator_set_order(orders[i]);
		assert_int_equal(
			s->k->linear_rope_forward(s->device, one, dev_x, NULL, dev_w, &rope, it->rows, it->in, &taken),
			STATUS_OK);
		assert_true(taken);
		assert_bits(s, one, expected, count);
		s->k->release(s->device, one);
	}
	emulator_set_order(0);
	free(x), free(w), free(ids), free(expected);
	s->k->release(s->device, dev_x), s->k->release(s->device, dev_w), s->k->release(s->device, positions);
}

/* Tiles of 128, 224 and 256 columns, partners in the same panel, in the next one, and in another lane; heads that stay. */
static void test_rotation(void **state)
{
	static const struct heads heads[] = {
		{ 32, 12, 8, 140, 72 }, { 32, 24, 16, 70, 40 }, { 56, 12, 8, 140, 72 }, { 56, 4, 4, 3, 24 },
		{ 64, 6, 4, 70, 40 },   { 64, 14, 7, 140, 72 }, { 128, 3, 2, 70, 40 },  { 128, 6, 4, 140, 72 },
		{ 48, 8, 0, 70, 40 },   { 64, 4, 4, 0, 40 },
	};
	struct side side = open_side("all", PRECISION_BFLOAT16);

	(void)state;
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		check_rotation(&side, &heads[i]);
	side_end(&side);
}

static void test_refusals(void **state)
{
	static const struct heads heads[] = { { 48, 8, 8, 5, 64 }, { 56, 3, 2, 5, 64 }, { 64, 4, 4, 5, 60 } };
	struct side sides[] = { open_side("all", PRECISION_BFLOAT16), open_side("library", PRECISION_BFLOAT16),
		                open_side("all", PRECISION_FLOAT32) };

	(void)state;
	for (int i = 0; i < 3; i++) {
		const struct side *s = &sides[i];
		void *memory = s->k->allocate(s->device, 1 << 16);
		static const struct heads fits = { 64, 4, 4, 5, 64 };
		for (size_t j = 0; j < sizeof heads / sizeof *heads; j++) {
			const struct heads *it = i == 0 ? &heads[j] : &fits;
			struct rope_shape rope = { memory, it->count, it->turned, it->size, 10000.0 };
			bool taken = true;
			assert_int_equal(s->k->linear_rope_forward(s->device, memory, memory, NULL, memory, &rope,
			                                           it->rows, it->in, &taken),
			                 STATUS_OK);
			assert_false(taken);
		}
		assert_int_equal(s->k->norm_parts(s->device, i == 0 ? 60 : 64), 0);
		s->k->release(s->device, memory);
		side_end(&sides[i]);
	}
}

/* ---- rows of a norm */

enum { NORM_ROWS = 140, NORM_WIDTH = 448, NORM_HEADS = 8 };

/* Row r is divided by 2^(r % 5 - 2): exactly, as what the product of divided rows gives. The parts add up to its squares. */
static void fill_squares(float *squares, int64_t parts)
{
	for (int64_t part = 0; part < parts; part++)
		for (int r = 0; r < NORM_ROWS; r++)
			squares[part * NORM_ROWS + r] =
				(float)NORM_WIDTH / (float)parts * powf(4.0f, (float)(r % 5 - 2));
}

enum kind { HEADS, TURNED_HEADS, SQUARED, KINDS };

static bool run(const struct side *s, enum kind kind, void *y, const void *x, const struct row_norm *norm,
                const void *weight, const int32_t *positions)
{
	struct rope_shape rope = { positions, NORM_HEADS, kind == TURNED_HEADS ? NORM_HEADS : 0,
		                   NORM_WIDTH / NORM_HEADS, 10000.0 };
	bool taken = false;

	assert_int_equal(kind == SQUARED ? s->k->linear_relu_squared_forward(s->device, y, x, norm, weight, NORM_ROWS,
	                                                                     NORM_WIDTH, NORM_WIDTH, &taken)
	                                 : s->k->linear_rope_forward(s->device, y, x, norm, weight, &rope, NORM_ROWS,
	                                                             NORM_WIDTH, &taken),
	                 STATUS_OK);
	return taken;
}

static void test_rows_of_a_norm(void **state)
{
	enum { COUNT = NORM_ROWS * NORM_WIDTH };
	struct side side = open_side("own", PRECISION_BFLOAT16);
	const struct side *s = &side;
	int64_t parts = s->k->norm_parts(s->device, NORM_WIDTH);
	float *x = random_floats(COUNT, 1, 1.0), *w = random_floats(NORM_WIDTH * NORM_WIDTH, 2, 0.1),
	      sums[4 * NORM_ROWS];
	int32_t *ids = random_ids(NORM_ROWS, 3, 3000);
	void *dev_x = side_elements(s, x, COUNT), *dev_w = side_elements(s, w, NORM_WIDTH * NORM_WIDTH);
	int32_t *positions = side_bytes(s, ids, sizeof(int32_t) * NORM_ROWS);

	(void)state;
	assert_in_range(parts, 1, 4);
	fill_squares(sums, parts);
	float *squares = side_floats(s, sums, parts * NORM_ROWS);
	struct row_norm norm = { squares, 0.0f };
	for (int i = 0; i < COUNT; i++)
		x[i] *= powf(2.0f, (float)(2 - i / NORM_WIDTH % 5));
	void *divided = side_elements(s, x, COUNT);
	for (enum kind kind = 0; kind < KINDS; kind++) {
		void *plain = result_memory(s, COUNT);
		assert_true(run(s, kind, plain, divided, NULL, dev_w, positions));
		float *expected = take_elements(s, plain, COUNT);
		for (int i = 0; i < ORDERS; i++) {
			void *normed = result_memory(s, COUNT);
			emulator_set_order(orders[i]);
			assert_true(run(s, kind, normed, dev_x, &norm, dev_w, positions));
			assert_bits(s, normed, expected, COUNT);
			s->k->release(s->device, normed);
		}
		emulator_set_order(0);
		free(expected);
	}
	void *all[] = { dev_x, dev_w, positions, squares, divided };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		s->k->release(s->device, all[i]);
	free(x), free(w), free(ids);
	side_end(&side);
}

/* ---- the stream */

struct stream {
	int64_t rows, in, out;
	float *x, *w, *residual;
	void *dev_x, *dev_w, *dev_residual;
};

/* sum in double, rounded once. */
static void check_sums(const struct stream *it, const float *sum)
{
	for (int64_t r = 0; r < it->rows; r++)
		for (int64_t c = 0; c < it->out; c++) {
			double expected = it->residual[r * it->out + c];
			for (int64_t k = 0; k < it->in; k++)
				expected += (double)it->x[r * it->in + k] * it->w[c * it->in + k];
			assert_true(fabs(sum[r * it->out + c] - expected) <= fabs(expected) / 250 + 1e-4);
		}
}

/* Of the stored rows, added up in double. */
static void check_squares(const struct stream *it, const float *sum, const float *squares, int64_t parts)
{
	for (int64_t r = 0; r < it->rows; r++) {
		double expected = 0, found = 0;
		for (int64_t c = 0; c < it->out; c++)
			expected += (double)sum[r * it->out + c] * sum[r * it->out + c];
		for (int64_t part = 0; part < parts; part++)
			found += squares[part * it->rows + r];
		assert_true(fabs(found - expected) <= 1e-6 * expected);
	}
}

static void check_stream(const struct side *s, struct stream *it, bool squared)
{
	int64_t count = it->rows * it->out, parts = s->k->norm_parts(s->device, it->out);
	float *first = NULL;

	assert_true(parts >= 1);
	for (int i = 0; i < 2 * ORDERS; i++) { /* in another place, and in the stream's own */
		void *sum = i % 2 == 0 ? result_memory(s, count) : side_elements(s, it->residual, count);
		float *squares = s->k->allocate(s->device, (size_t)(parts * it->rows + 1) * sizeof *squares);
		bool taken = false;
		emulator_set_order(orders[i / 2]);
		assert_int_equal(s->k->linear_add_forward(s->device, sum, squared ? squares : NULL,
		                                          i % 2 == 0 ? it->dev_residual : sum, it->dev_x, it->dev_w,
		                                          it->rows, it->in, it->out, &taken),
		                 STATUS_OK);
		assert_true(taken);
		if (first == NULL) {
			first = elements_of(s, sum, count);
			check_sums(it, first);
		}
		assert_bits(s, sum, first, count);
		float *sums = take_floats(s, squares, parts * it->rows);
		if (squared)
			check_squares(it, first, sums, parts);
		free(sums);
		s->k->release(s->device, sum);
	}
	emulator_set_order(0);
	free(first);
}

static void test_stream(void **state)
{
	static const int64_t shapes[][3] = {
		{ 140, 72, 448 }, { 70, 328, 264 }, { 5, 40, 128 }, { 0, 64, 64 }, { 9, 40, 520 }
	};

	(void)state;
	for (int way = 0; way < 2; way++) { /* by the library, and by own products */
		struct side side = open_side(way == 0 ? "own" : "all", PRECISION_BFLOAT16);
		for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
			struct stream it = { .rows = shapes[i][0], .in = shapes[i][1], .out = shapes[i][2] };
			it.x = random_floats(it.rows * it.in, 1, 1.0), it.w = random_floats(it.in * it.out, 2, 0.2);
			it.residual = random_floats(it.rows * it.out, 3, 1.0);
			it.dev_x = side_elements(&side, it.x, it.rows * it.in);
			it.dev_w = side_elements(&side, it.w, it.in * it.out);
			it.dev_residual = side_elements(&side, it.residual, it.rows * it.out);
			check_stream(&side, &it, false);
			check_stream(&side, &it, true);
			free(it.x), free(it.w), free(it.residual);
			side.k->release(side.device, it.dev_x), side.k->release(side.device, it.dev_w);
			side.k->release(side.device, it.dev_residual);
		}
		side_end(&side);
	}
}

/* What begins a stream, and what ends a norm's gain. */
static void test_squares_and_gains(void **state)
{
	enum { ROWS = 37, WIDTH = 328 };
	struct side side = open_side("own", PRECISION_BFLOAT16);
	const struct side *s = &side;
	struct stream it = { .rows = ROWS, .out = WIDTH };
	int64_t parts = s->k->norm_parts(s->device, WIDTH);
	float *x = random_floats(ROWS * WIDTH, 1, 1.0), *gain = random_floats(WIDTH, 2, 1.0);
	void *dev_x = side_elements(s, x, ROWS * WIDTH), *weights = result_memory(s, ROWS * WIDTH);
	float *squares = s->k->allocate(s->device, (size_t)(parts * ROWS) * sizeof *squares);
	float *master = side_floats(s, x, ROWS * WIDTH), *dev_gain = side_floats(s, gain, WIDTH);

	(void)state;
	assert_int_equal(s->k->row_squares(s->device, squares, dev_x, ROWS, WIDTH), STATUS_OK);
	float *sums = take_floats(s, squares, parts * ROWS);
	check_squares(&it, x, sums, parts);
	assert_int_equal(s->k->fold_gain(s->device, weights, master, dev_gain, ROWS, WIDTH), STATUS_OK);
	for (int i = 0; i < ROWS * WIDTH; i++)
		x[i] = to_bfloat16(x[i] * gain[i % WIDTH]);
	assert_bits(s, weights, x, ROWS * WIDTH);
	void *all[] = { dev_x, weights, master, dev_gain };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		s->k->release(s->device, all[i]);
	free(x), free(gain), free(sums);
	side_end(&side);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rotation), cmocka_unit_test(test_refusals),
		                            cmocka_unit_test(test_rows_of_a_norm), cmocka_unit_test(test_stream),
		                            cmocka_unit_test(test_squares_and_gains) };
	return cmocka_run_group_tests_name("ends", tests, NULL, NULL);
}
