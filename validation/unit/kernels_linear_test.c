/* The three products of a linear layer against the reference: odd shapes, accumulation, row counts of every residue.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels_support.h"

/* Rounding of a result in bfloat16 is up to 2e-3. Of a sum of n products in float32, added in several parts, it stays below
 * 6e-7 here; cuBLASLt may add them up one by one, and the error then grows like 2e-8 sqrt(n). Tensor cores cut off what does
 * not fit instead of rounding it. */
static double tolerance(const struct side *side, bool float_result, int64_t products)
{
	if (side->half && !float_result)
		return 4e-3;
	if (!side_uses(side, "cuBLASLt"))
		return 6e-7;
	return side->half ? 5e-6 : fmax(6e-7, 4e-8 * sqrt((double)products));
}

struct result {
	float *y, *dx, *dx_added, *dw;
};

static struct result compute(const struct side *s, const float *x, const float *w, const float *dy, const float *base,
                             const float *dw_base, int64_t rows, int64_t in, int64_t out)
{
	void *dx_in = side_elements(s, x, rows * in), *dw_in = side_elements(s, w, in * out);
	void *ddy = side_elements(s, dy, rows * out), *y = side_elements(s, dy, rows * out);
	void *dx = side_elements(s, base, rows * in), *added = side_elements(s, base, rows * in);
	float *dw = side_floats(s, dw_base, in * out);
	assert_int_equal(s->k->linear_forward(s->device, y, dx_in, dw_in, rows, in, out), STATUS_OK);
	assert_int_equal(s->k->linear_backward_input(s->device, dx, ddy, dw_in, rows, in, out, false), STATUS_OK);
	assert_int_equal(s->k->linear_backward_input(s->device, added, ddy, dw_in, rows, in, out, true), STATUS_OK);
	assert_int_equal(s->k->linear_backward_weight(s->device, dw, ddy, dx_in, rows, in, out), STATUS_OK);
	struct result result = { take_elements(s, y, rows * out), take_elements(s, dx, rows * in),
		                 take_elements(s, added, rows * in), take_floats(s, dw, in * out) };
	s->k->release(s->device, dx_in);
	s->k->release(s->device, dw_in);
	s->k->release(s->device, ddy);
	return result;
}

static void check_shape(int64_t rows, int64_t in, int64_t out)
{
	float *x = random_floats(rows * in, 1, 1.0), *w = random_floats(in * out, 2, 0.1);
	float *dy = random_floats(rows * out, 3, 1.0), *base = random_floats(rows * in, 4, 1.0);
	float *dw_base = random_floats(in * out, 5, 1.0);
	struct side reference = side_reference(), sides[SIDES_MAX];
	int count = sides_open(sides, 1);
	for (int i = 0; i < count; i++) {
		struct result r = compute(&reference, x, w, dy, base, dw_base, rows, in, out);
		struct result c = compute(&sides[i], x, w, dy, base, dw_base, rows, in, out);
		assert_close(&sides[i], "y", c.y, r.y, rows * out, tolerance(&sides[i], false, in));
		assert_close(&sides[i], "dx", c.dx, r.dx, rows * in, tolerance(&sides[i], false, out));
		assert_close(&sides[i], "dx, added", c.dx_added, r.dx_added, rows * in,
		             tolerance(&sides[i], false, out));
		assert_close(&sides[i], "weight gradient", c.dw, r.dw, in * out, tolerance(&sides[i], true, rows));
		side_end(&sides[i]);
	}
	side_end(&reference);
	free(x), free(w), free(dy), free(base), free(dw_base);
}

static void test_shapes(void **state)
{
	(void)state;
	static const int64_t shapes[][3] = {
		{ 0, 32, 48 },   { 1, 64, 192 },    { 7, 33, 65 },    { 16, 128, 128 },  { 33, 56, 168 },
		{ 300, 64, 72 }, { 515, 40, 24 },   { 530, 17, 530 }, { 64, 530, 17 },   { 20, 600, 40 },
		{ 9, 24, 1100 }, { 150, 20, 2100 }, { 1, 16, 2048 },  { 150, 32, 2104 }, { 260, 112, 2560 },
	};
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
		check_shape(shapes[i][0], shapes[i][1], shapes[i][2]);
}

/* A row's result must not change with the other rows: compare a full batch with the same batch whose other rows were
 * replaced. */
static void test_rows_are_independent(void **state)
{
	(void)state;
	enum { ROWS = 37, IN = 48, OUT = 80, KEPT = 20 };
	float *x = random_floats(ROWS * IN, 1, 1.0), *other = random_floats(ROWS * IN, 9, 3.0);
	float *w = random_floats(IN * OUT, 2, 0.1);
	memcpy(other + KEPT * IN, x + KEPT * IN, IN * sizeof(float));
	struct side sides[SIDES_MAX];
	int count = sides_open(sides, 1);
	for (int i = 0; i < count; i++) {
		const struct side *s = &sides[i];
		float *result[2];
		for (int run = 0; run < 2; run++) {
			void *in = side_elements(s, run == 0 ? x : other, ROWS * IN),
			     *weight = side_elements(s, w, IN * OUT);
			void *y = side_elements(s, w, ROWS * OUT);
			assert_int_equal(s->k->linear_forward(s->device, y, in, weight, ROWS, IN, OUT), STATUS_OK);
			result[run] = take_elements(s, y, ROWS * OUT);
			s->k->release(s->device, in);
			s->k->release(s->device, weight);
		}
		assert_memory_equal(result[0] + KEPT * OUT, result[1] + KEPT * OUT, OUT * sizeof(float));
		assert_memory_not_equal(result[0], result[1], OUT * sizeof(float));
		free(result[0]), free(result[1]);
		side_end(&sides[i]);
	}
	free(x), free(other), free(w);
}

/* More shapes than a device keeps prepared, and the first ones again. */
static void test_many_shapes(void **state)
{
	(void)state;
	enum { ROWS = 700, IN = 8, OUT = 16 };
	float *x = random_floats(ROWS * IN, 1, 1.0), *w = random_floats(IN * OUT, 2, 1.0);
	struct side s = { .k = table_tested(), .name = "tested" };
	assert_int_equal(s.k->device_create(PRECISION_FLOAT32, 1, &s.device), STATUS_OK);
	void *in = side_elements(&s, x, ROWS * IN), *weight = side_elements(&s, w, IN * OUT);
	for (int64_t count = 1; count < ROWS + 100; count++) {
		int64_t rows = count <= ROWS ? count : count - ROWS;
		void *y = s.k->allocate(s.device, (size_t)(rows * OUT) * sizeof(float));
		assert_int_equal(s.k->linear_forward(s.device, y, in, weight, rows, IN, OUT), STATUS_OK);
		float *result = take_elements(&s, y, rows * OUT);
		for (int64_t row = 0; row < rows; row += rows < 3 ? 1 : rows - 1)
			for (int o = 0; o < OUT; o++) {
				double sum = 0.0;
				for (int i = 0; i < IN; i++)
					sum += (double)x[row * IN + i] * w[o * IN + i];
				assert_true(fabs(result[row * OUT + o] - sum) < 1e-5);
			}
		free(result);
	}
	s.k->release(s.device, in);
	s.k->release(s.device, weight);
	side_end(&s);
	free(x), free(w);
}

/* What kernels.h says of generation_rows: in a product of so many rows each place gives a row the same bits. */
static void test_places_of_generation_are_equal(void **state)
{
	(void)state;
	static const int64_t shapes[][2] = { { 64, 192 }, { 130, 70 }, { 256, 512 }, { 1024, 256 }, { 56, 1000 } };
	struct side sides[SIDES_MAX];
	int count = sides_open(sides, 1);
	for (int i = 0; i < count; i++) {
		const struct side *s = &sides[i];
		int64_t rows = s->k->generation_rows;
		for (size_t shape = 0; shape < sizeof shapes / sizeof *shapes; shape++) {
			int64_t in = shapes[shape][0], out = shapes[shape][1];
			float *x = random_floats(rows * in, 1, 1.0), *w = random_floats(out * in, 2, 0.1);
			for (int64_t row = 1; row < rows;
			     row += 2) /* half of them are the first one, the others are others */
				memcpy(x + row * in, x, (size_t)in * sizeof *x);
			void *dev_x = side_elements(s, x, rows * in), *dev_w = side_elements(s, w, out * in);
			void *y = s->k->allocate(s->device, (size_t)(rows * out) * s->k->activation_bytes(s->device));
			assert_non_null(y);
			assert_int_equal(s->k->linear_forward(s->device, y, dev_x, dev_w, rows, in, out), STATUS_OK);
			float *result = take_elements(s, y, rows * out);
			for (int64_t row = 1; row < rows; row += 2)
				assert_memory_equal(result + row * out, result, (size_t)out * sizeof *result);
			if (rows > 2)
				assert_memory_not_equal(result + 2 * out, result, (size_t)out * sizeof *result);
			s->k->release(s->device, dev_x);
			s->k->release(s->device, dev_w);
			free(x), free(w), free(result);
		}
		side_end(&sides[i]);
	}
}

/* With ReLU squared and its slope, at once where a device can; the other way is what the model does then. Returns whether both were taken. */
static bool activate(const struct side *s, float *results[2], const float *x, const float *w, const float *dy,
                     const float *v, int64_t rows, int64_t in, int64_t out)
{
	void *dx_in = side_elements(s, x, rows * in), *weight = side_elements(s, w, in * out);
	void *ddy = side_elements(s, dy, rows * in), *back = side_elements(s, v, in * out);
	size_t bytes = (size_t)(rows * out) * s->k->activation_bytes(s->device);
	void *y = s->k->allocate(s->device, bytes), *dx = s->k->allocate(s->device, bytes);
	bool forward = false, backward = false;

	if (s->k->linear_relu_squared_forward != NULL)
		assert_int_equal(
			s->k->linear_relu_squared_forward(s->device, y, dx_in, NULL, weight, rows, in, out, &forward),
			STATUS_OK);
	if (!forward) {
		assert_int_equal(s->k->linear_forward(s->device, y, dx_in, weight, rows, in, out), STATUS_OK);
		assert_int_equal(s->k->relu_squared_forward(s->device, y, y, rows * out), STATUS_OK);
	}
	if (s->k->linear_relu_squared_backward != NULL)
		assert_int_equal(
			s->k->linear_relu_squared_backward(s->device, dx, ddy, back, y, rows, out, in, &backward),
			STATUS_OK);
	if (!backward) {
		assert_int_equal(s->k->linear_backward_input(s->device, dx, ddy, back, rows, out, in, false),
		                 STATUS_OK);
		assert_int_equal(s->k->relu_squared_backward(s->device, dx, dx, y, rows * out), STATUS_OK);
	}
	results[0] = take_elements(s, y, rows * out), results[1] = take_elements(s, dx, rows * out);
	s->k->release(s->device, dx_in), s->k->release(s->device, weight);
	s->k->release(s->device, ddy), s->k->release(s->device, back);
	return forward && backward;
}

static void test_activation(void **state)
{
	(void)state;
	static const int64_t shapes[][3] = {
		{ 0, 16, 64 }, { 1, 8, 8 }, { 37, 20, 80 }, { 140, 72, 288 }, { 5, 15, 60 }
	};
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
		int64_t rows = shapes[i][0], in = shapes[i][1], out = shapes[i][2];
		float *x = random_floats(rows * in, 1, 1.0), *w = random_floats(in * out, 2, 0.3);
		float *dy = random_floats(rows * in, 3, 1.0), *v = random_floats(in * out, 4, 0.3);
		struct side reference = side_reference(), sides[SIDES_MAX];
		int count = sides_open(sides, 1);
		for (int j = 0; j < count; j++) {
			float *r[2], *c[2];
			bool own = sides[j].half && side_uses(&sides[j], "own products");
			activate(&reference, r, x, w, dy, v, rows, in, out);
			assert_true(activate(&sides[j], c, x, w, dy, v, rows, in, out) == (own && in % 8 == 0));
			/* Of bfloat16: a sum is rounded, its square is, the slope is of that. */
			assert_close(&sides[j], "activated", c[0], r[0], rows * out, sides[j].half ? 8e-3 : 2e-6);
			assert_close(&sides[j], "its gradient", c[1], r[1], rows * out, sides[j].half ? 2e-2 : 2e-6);
			side_end(&sides[j]);
		}
		side_end(&reference);
		free(x), free(w), free(dy), free(v);
	}
}

/* More tiles than a GPU computes at once, so that each of its multiprocessors goes through several with what it has in shared memory: a row
 * gets the bits that it gets among so few that nothing is used twice. */
static void test_many_tiles(void **state)
{
	(void)state;
	enum { IN = 136, OUT = 264 };
	struct side sides[SIDES_MAX];
	int count = sides_open(sides, 1);
	for (int i = 0; i < count; i++) {
		const struct side *s = &sides[i];
		bool few = side_uses(s, "emulated"); /* multiprocessors */
		int64_t rows = few ? 330 : 40000, part = few ? 100 : 2000;
		if (s->half && side_uses(s, "own products")) {
			float *x = random_floats(rows * IN, 1, 1.0), *w = random_floats(IN * OUT, 2, 0.3);
			float *dy = random_floats(rows * IN, 3, 1.0), *v = random_floats(IN * OUT, 4, 0.3);
			float *all[2], *some[2];
			assert_true(activate(s, all, x, w, dy, v, rows, IN, OUT));
			for (int64_t row = 0; row < rows; row += part) {
				int64_t here = rows - row < part ? rows - row : part;
				size_t bytes = (size_t)(here * OUT) * sizeof(float);
				assert_true(activate(s, some, x + row * IN, w, dy + row * IN, v, here, IN, OUT));
				assert_memory_equal(some[0], all[0] + row * OUT, bytes);
				assert_memory_equal(some[1], all[1] + row * OUT, bytes);
				free(some[0]), free(some[1]);
			}
			free(x), free(w), free(dy), free(v), free(all[0]), free(all[1]);
		}
		side_end(&sides[i]);
	}
}

#ifndef CAPSHAPE_TEST_CUDA
/* The own product is reached through no table where a library is built in: check it directly. */
static void test_own_product(void **state)
{
	(void)state;
	float scratch[GEMM_PLAIN_SCRATCH];
	for (int mode = 0; mode < 8; mode++) {
		enum { M = 21, N = 70, K = 300 };
		bool a_transposed = mode & 1, b_transposed = mode & 2, accumulate = mode & 4;
		struct product p = { .m = M,
			             .n = N,
			             .k = K,
			             .a_stride = a_transposed ? M : K,
			             .b_stride = b_transposed ? K : N,
			             .c_stride = N,
			             .a_transposed = a_transposed,
			             .b_transposed = b_transposed,
			             .accumulate = accumulate };
		float *a = random_floats(M * K, 1, 1.0), *b = random_floats(N * K, 2, 1.0),
		      *c = random_floats(M * N, 3, 1.0);
		float *expected = calloc(M * N, sizeof *expected);
		assert_non_null(expected);
		for (int i = 0; i < M; i++)
			for (int j = 0; j < N; j++) {
				double sum = accumulate ? c[i * N + j] : 0.0;
				for (int k = 0; k < K; k++)
					sum += (double)a[a_transposed ? k * M + i : i * K + k] *
					       b[b_transposed ? j * K + k : k * N + j];
				expected[i * N + j] = (float)sum;
			}
		cpu_gemm_plain_baseline(&p, a, b, c, scratch);
		assert_true(relative_error(c, expected, M * N) <= 6e-7);
		free(a), free(b), free(c), free(expected);
	}
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),      cmocka_unit_test(test_rows_are_independent),
		cmocka_unit_test(test_many_shapes), cmocka_unit_test(test_places_of_generation_are_equal),
		cmocka_unit_test(test_activation),  cmocka_unit_test(test_many_tiles),
#ifndef CAPSHAPE_TEST_CUDA
		cmocka_unit_test(test_own_product),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
