/* The reference kernels themselves: every backward against central differences of its forward, and values that can be
 * worked out by hand.
 *
 * A forward pass stores floats, so a difference over a step h carries an error of about 6e-8 |f| / h: with h = 1/64 and
 * sums in double the directional derivatives below agree to 1e-4, which a wrong formula misses by far.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels_support.h"

enum { TENSORS_MAX = 3 };

/* A function of up to three tensors with one output tensor, for which directional derivatives are compared. */
struct operation {
	int tensors;
	int64_t sizes[TENSORS_MAX], outputs;
	/* output of the inputs */
	void (*forward)(const struct side *s, float *const inputs[TENSORS_MAX], float *output);
	/* gradients of sum(douts * output) */
	void (*backward)(const struct side *s, float *const inputs[TENSORS_MAX], const float *douts,
	                 float *const gradients[TENSORS_MAX]);
};

static double weighted_output(const struct side *s, const struct operation *o, float *const inputs[TENSORS_MAX],
                              const float *douts)
{
	float *output = calloc((size_t)o->outputs, sizeof *output);
	assert_non_null(output);
	o->forward(s, inputs, output);
	double sum = 0.0;
	for (int64_t i = 0; i < o->outputs; i++)
		sum += (double)output[i] * douts[i];
	free(output);
	return sum;
}

/* Along a random direction in one tensor: (f(x + h d) - f(x - h d)) / 2 h = gradient . d up to h^2, removed by
 * Richardson's combination of h and 2 h. */
static void compare_direction(const struct side *s, const struct operation *o, float *const inputs[TENSORS_MAX],
                              const float *douts, const float *gradient, int tensor)
{
	int64_t n = o->sizes[tensor];
	float *direction = random_floats(n, 100 + (uint64_t)tensor, 1.0), *origin = random_floats(n, 0, 0.0);
	memcpy(origin, inputs[tensor], (size_t)n * sizeof(float));
	double slopes[2], expected = 0.0, scale = 0.0;
	for (int level = 0; level < 2; level++) {
		double values[2], step = (level + 1) / 64.0;
		for (int side = 0; side < 2; side++) {
			for (int64_t i = 0; i < n; i++)
				inputs[tensor][i] = (float)(origin[i] + (side == 0 ? step : -step) * direction[i]);
			values[side] = weighted_output(s, o, inputs, douts);
		}
		slopes[level] = (values[0] - values[1]) / (2.0 * step);
	}
	memcpy(inputs[tensor], origin, (size_t)n * sizeof(float));
	double slope = (4.0 * slopes[0] - slopes[1]) / 3.0;
	for (int64_t i = 0; i < n; i++) {
		expected += (double)gradient[i] * direction[i];
		scale += (double)gradient[i] * gradient[i];
	}
	/* sqrt(scale) is the size of a directional derivative along a random direction of unit components. */
	if (!(fabs(slope - expected) <= 1e-4 * sqrt(scale)))
		fail_msg("tensor %d: slope %.9g, gradient says %.9g (typical %.3g)", tensor, slope, expected,
		         sqrt(scale));
	assert_true(scale > 0.0);
	free(direction), free(origin);
}

static void check_operation(const struct operation *o, double deviation)
{
	struct side s = side_reference();
	float *inputs[TENSORS_MAX] = { NULL }, *gradients[TENSORS_MAX] = { NULL };
	float *douts = random_floats(o->outputs, 50, 1.0);
	for (int i = 0; i < o->tensors; i++) {
		inputs[i] = random_floats(o->sizes[i], 60 + (uint64_t)i, deviation);
		gradients[i] = calloc((size_t)o->sizes[i], sizeof(float));
		assert_non_null(gradients[i]);
	}
	o->backward(&s, inputs, douts, gradients);
	for (int i = 0; i < o->tensors; i++)
		compare_direction(&s, o, inputs, douts, gradients[i], i);
	for (int i = 0; i < o->tensors; i++)
		free(inputs[i]), free(gradients[i]);
	free(douts);
	side_end(&s);
}

enum { ROWS = 6, IN = 10, OUT = 8 };

static void linear_forward(const struct side *s, float *const x[TENSORS_MAX], float *y)
{
	assert_int_equal(s->k->linear_forward(s->device, y, x[0], x[1], ROWS, IN, OUT), STATUS_OK);
}

static void linear_backward(const struct side *s, float *const x[TENSORS_MAX], const float *dy,
                            float *const dx[TENSORS_MAX])
{
	assert_int_equal(s->k->linear_backward_input(s->device, dx[0], dy, x[1], ROWS, IN, OUT, false), STATUS_OK);
	assert_int_equal(s->k->linear_backward_weight(s->device, dx[1], dy, x[0], ROWS, IN, OUT), STATUS_OK);
}

static void test_linear(void **state)
{
	(void)state;
	check_operation(&(struct operation){ 2, { ROWS * IN, OUT * IN }, ROWS * OUT, linear_forward, linear_backward },
	                1.0);
}

/* Inputs: residual, branch, gain. The output is sum and normed, one after the other. */
static void norm_forward(const struct side *s, float *const x[TENSORS_MAX], float *y)
{
	float inverse[ROWS];
	assert_int_equal(s->k->norm_forward(s->device, y, y + ROWS * IN, inverse, x[0], x[1], x[2], ROWS, IN, 0.01f),
	                 STATUS_OK);
}

static void norm_backward(const struct side *s, float *const x[TENSORS_MAX], const float *dy,
                          float *const dx[TENSORS_MAX])
{
	float y[2 * ROWS * IN], inverse[ROWS];
	assert_int_equal(s->k->norm_forward(s->device, y, y + ROWS * IN, inverse, x[0], x[1], x[2], ROWS, IN, 0.01f),
	                 STATUS_OK);
	memcpy(dx[0], dy, sizeof(float) * ROWS * IN);
	assert_int_equal(s->k->norm_backward(s->device, dx[0], dx[2], dy + ROWS * IN, y, inverse, x[2], ROWS, IN, true),
	                 STATUS_OK);
	memcpy(dx[1], dx[0], sizeof(float) * ROWS * IN);
}

static void test_norm(void **state)
{
	(void)state;
	check_operation(
		&(struct operation){ 3, { ROWS * IN, ROWS * IN, IN }, 2 * ROWS * IN, norm_forward, norm_backward },
		1.0);
}

enum { SEQUENCES = 2, LENGTH = 9, HEADS = 2, SIZE = 6, PACKED = SEQUENCES * LENGTH * 3 * HEADS * SIZE };

static const int32_t document_starts[SEQUENCES * LENGTH] = { 0, 0, 0, 3, 3, 3, 3, 7, 7, 0, 1, 1, 1, 1, 1, 1, 1, 8 };

static struct attention_shape packed_shape(const int32_t *starts)
{
	return (struct attention_shape){ .sequences = SEQUENCES,
		                         .length = LENGTH,
		                         .heads = HEADS,
		                         .head_size = SIZE,
		                         .scale = 0.4f,
		                         .starts = starts,
		                         .query_count = SEQUENCES * LENGTH,
		                         .query_step = 3 * HEADS * SIZE,
		                         .key_step = 3 * HEADS * SIZE };
}

static void attention_run(const struct side *s, const float *qkv, float *out, float *log_sum, const int32_t *starts)
{
	struct attention_shape shape = packed_shape(starts);
	assert_int_equal(s->k->attention_forward(s->device, out, log_sum, qkv, qkv + HEADS * SIZE, &shape), STATUS_OK);
}

static void attention_forward(const struct side *s, float *const x[TENSORS_MAX], float *y)
{
	float log_sum[SEQUENCES * HEADS * LENGTH];
	attention_run(s, x[0], y, log_sum, document_starts);
}

static void attention_backward(const struct side *s, float *const x[TENSORS_MAX], const float *dy,
                               float *const dx[TENSORS_MAX])
{
	float out[PACKED / 3], log_sum[SEQUENCES * HEADS * LENGTH];
	attention_run(s, x[0], out, log_sum, document_starts);
	struct attention_shape shape = packed_shape(document_starts);
	assert_int_equal(s->k->attention_backward(s->device, dx[0], dx[0] + HEADS * SIZE, dy, out, log_sum, x[0],
	                                          x[0] + HEADS * SIZE, &shape),
	                 STATUS_OK);
}

static void test_attention(void **state)
{
	(void)state;
	check_operation(&(struct operation){ 1, { PACKED }, PACKED / 3, attention_forward, attention_backward }, 1.0);
}

/* Some rows are queries, one sequence has none: q[QUERIES, H K], then kv[R, 2 H K]. */
enum { QUERIES = 3, Q_ELEMENTS = QUERIES * HEADS * SIZE, KV_ELEMENTS = PACKED / 3 * 2 };
static const int32_t query_rows[QUERIES] = { 1, 5, 8 };

static struct attention_shape listed_shape(void)
{
	struct attention_shape shape = packed_shape(document_starts);
	shape.queries = query_rows;
	shape.query_count = QUERIES;
	shape.query_step = HEADS * SIZE;
	shape.key_step = 2 * HEADS * SIZE;
	return shape;
}

static void listed_forward(const struct side *s, float *const x[TENSORS_MAX], float *y)
{
	float log_sum[HEADS * QUERIES];
	struct attention_shape shape = listed_shape();
	assert_int_equal(s->k->attention_forward(s->device, y, log_sum, x[0], x[1], &shape), STATUS_OK);
}

static void listed_backward(const struct side *s, float *const x[TENSORS_MAX], const float *dy,
                            float *const dx[TENSORS_MAX])
{
	float out[Q_ELEMENTS], log_sum[HEADS * QUERIES];
	struct attention_shape shape = listed_shape();
	assert_int_equal(s->k->attention_forward(s->device, out, log_sum, x[0], x[1], &shape), STATUS_OK);
	assert_int_equal(s->k->attention_backward(s->device, dx[0], dx[1], dy, out, log_sum, x[0], x[1], &shape),
	                 STATUS_OK);
}

static void test_attention_of_listed_queries(void **state)
{
	(void)state;
	check_operation(
		&(struct operation){ 2, { Q_ELEMENTS, KV_ELEMENTS }, Q_ELEMENTS, listed_forward, listed_backward },
		1.0);
}

/* The definition, written out for one query: the keys of its document up to itself. */
static void test_attention_by_hand(void **state)
{
	(void)state;
	struct side s = side_reference();
	float *qkv = random_floats(PACKED, 1, 1.0), out[PACKED / 3], log_sum[SEQUENCES * HEADS * LENGTH];
	attention_run(&s, qkv, out, log_sum, document_starts);
	enum { B = 0, H = 1, T = 5, START = 3 };
	double weights[T + 1], sum = 0.0;
	for (int j = START; j <= T; j++) {
		double score = 0.0;
		for (int i = 0; i < SIZE; i++)
			score += (double)qkv[((B * LENGTH + T) * 3 * HEADS + H) * SIZE + i] *
			         qkv[((B * LENGTH + j) * 3 * HEADS + HEADS + H) * SIZE + i];
		sum += weights[j] = exp(0.4f * score);
	}
	for (int i = 0; i < SIZE; i++) {
		double mean = 0.0;
		for (int j = START; j <= T; j++)
			mean += weights[j] / sum * qkv[((B * LENGTH + j) * 3 * HEADS + 2 * HEADS + H) * SIZE + i];
		assert_true(fabs(out[((B * LENGTH + T) * HEADS + H) * SIZE + i] - mean) < 1e-6);
	}
	assert_true(fabs(log_sum[H * SEQUENCES * LENGTH + B * LENGTH + T] - log(sum)) < 1e-6);
	free(qkv);
	side_end(&s);
}

static const int32_t rope_positions[SEQUENCES * LENGTH] = { 0, 1, 2, 3, 9, 5, 6, 7, 8, 0, 1, 2, 100, 4, 5, 6, 7, 8 };

static void rope_forward(const struct side *s, float *const x[TENSORS_MAX], float *y)
{
	memcpy(y, x[0], PACKED * sizeof(float));
	assert_int_equal(
		s->k->rope(s->device, y, rope_positions, SEQUENCES * LENGTH, 3 * HEADS, 2 * HEADS, SIZE, 100.0, false),
		STATUS_OK);
}

static void rope_backward(const struct side *s, float *const x[TENSORS_MAX], const float *dy,
                          float *const dx[TENSORS_MAX])
{
	(void)x;
	memcpy(dx[0], dy, PACKED * sizeof(float));
	assert_int_equal(s->k->rope(s->device, dx[0], rope_positions, SEQUENCES * LENGTH, 3 * HEADS, 2 * HEADS, SIZE,
	                            100.0, true),
	                 STATUS_OK);
}

static void test_rope(void **state)
{
	(void)state;
	check_operation(&(struct operation){ 1, { PACKED }, PACKED, rope_forward, rope_backward }, 1.0);
	struct side s = side_reference();
	/* One head of size 4 at position 1, base 100: angles 1 and 100^(-1/2) = 0.1; v is not rotated. */
	float qkv[12] = { 1, 2, 3, 4, 0, 0, 1, 0, 5, 6, 7, 8 };
	int32_t position = 1;
	assert_int_equal(s.k->rope(s.device, qkv, &position, 1, 3, 2, 4, 100.0, false), STATUS_OK);
	double expected[12] = { cos(1.0) - 3 * sin(1.0),
		                2 * cos(0.1) - 4 * sin(0.1),
		                3 * cos(1.0) + sin(1.0),
		                4 * cos(0.1) + 2 * sin(0.1),
		                -sin(1.0),
		                0,
		                cos(1.0),
		                0,
		                5,
		                6,
		                7,
		                8 };
	for (int i = 0; i < 12; i++)
		assert_true(fabs(qkv[i] - expected[i]) < 1e-6);
	side_end(&s);
}

static void relu_forward(const struct side *s, float *const x[TENSORS_MAX], float *y)
{
	assert_int_equal(s->k->relu_squared_forward(s->device, y, x[0], ROWS * IN), STATUS_OK);
}

static void relu_backward(const struct side *s, float *const x[TENSORS_MAX], const float *dy,
                          float *const dx[TENSORS_MAX])
{
	float y[ROWS * IN];
	relu_forward(s, x, y);
	assert_int_equal(s->k->relu_squared_backward(s->device, dx[0], dy, y, ROWS * IN), STATUS_OK);
}

static void test_relu_squared(void **state)
{
	(void)state;
	check_operation(&(struct operation){ 1, { ROWS * IN }, ROWS * IN, relu_forward, relu_backward }, 30.0);
	struct side s = side_reference();
	float x[3] = { -2.0f, 3.0f, NAN };
	assert_int_equal(s.k->relu_squared_forward(s.device, x, x, 3), STATUS_OK);
	assert_true(x[0] == 0.0f && x[1] == 9.0f && isnan(x[2]));
	side_end(&s);
}

static const int32_t targets[ROWS] = { 0, 9, 3, 3, 5, 1 };

static void entropy_forward(const struct side *s, float *const x[TENSORS_MAX], float *y)
{
	assert_int_equal(s->k->cross_entropy(s->device, y, x[0], targets, NULL, ROWS, IN, 1.7f), STATUS_OK);
}

/* The row weights stand for the gradients of the losses. */
static void entropy_backward(const struct side *s, float *const x[TENSORS_MAX], const float *dy,
                             float *const dx[TENSORS_MAX])
{
	float losses[ROWS];
	memcpy(dx[0], x[0], ROWS * IN * sizeof(float));
	assert_int_equal(s->k->cross_entropy(s->device, losses, dx[0], targets, dy, ROWS, IN, 1.7f), STATUS_OK);
}

static void test_cross_entropy(void **state)
{
	(void)state;
	check_operation(&(struct operation){ 1, { ROWS * IN }, ROWS, entropy_forward, entropy_backward }, 1.0);
}

static const int32_t ids[ROWS] = { 4, 0, 4, 4, 7, 1 };

static void embedding_forward(const struct side *s, float *const x[TENSORS_MAX], float *y)
{
	assert_int_equal(s->k->embedding_forward(s->device, y, x[0], ids, ROWS, IN), STATUS_OK);
}

static void embedding_backward(const struct side *s, float *const x[TENSORS_MAX], const float *dy,
                               float *const dx[TENSORS_MAX])
{
	(void)x;
	assert_int_equal(s->k->embedding_backward(s->device, dx[0], dy, ids, ROWS, IN), STATUS_OK);
}

static void test_embedding(void **state)
{
	(void)state;
	check_operation(&(struct operation){ 1, { OUT * IN }, ROWS * IN, embedding_forward, embedding_backward }, 1.0);
}

/* Two steps from zero moments by hand: the first moves by the learning rate against the sign of the gradient. */
static void test_adamw(void **state)
{
	(void)state;
	struct side s = side_reference();
	float p[2] = { 1.0f, -1.0f }, m[2] = { 0 }, v[2] = { 0 }, g[2] = { 0.5f, -4.0f };
	struct adamw_step step = { 0.1, 0.9, 0.99, 0.0, 0.0, 1 - 0.9, 1 - 0.99, 2.0 };
	assert_int_equal(s.k->adamw(s.device, p, m, v, g, p, 2, &step), STATUS_OK);
	assert_true(fabs(p[0] - 0.9) < 1e-6 && fabs(p[1] + 0.9) < 1e-6);
	assert_true(fabs(m[0] - 0.1) < 1e-7 && fabs(v[1] - 0.64) < 1e-6);
	float zero[2] = { 0 };
	step = (struct adamw_step){ 0.1, 0.9, 0.99, 0.0, 0.5, 1 - 0.9 * 0.9, 1 - 0.99 * 0.99, 2.0 };
	assert_int_equal(s.k->adamw(s.device, p, m, v, zero, p, 2, &step), STATUS_OK);
	double direction = (0.09 / 0.19) / sqrt(0.0099 / 0.0199);
	assert_true(fabs(p[0] - (0.9 - 0.1 * (0.5 * 0.9 + direction))) < 1e-6);
	side_end(&s);
}

static void test_precision(void **state)
{
	(void)state;
	struct device *device = NULL;
	assert_int_equal(kernels_reference()->device_create(PRECISION_BFLOAT16, 1, &device), STATUS_ENVIRONMENT);
	assert_null(device);
	assert_non_null(strstr(error_message(), "float32"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linear),
		cmocka_unit_test(test_norm),
		cmocka_unit_test(test_attention),
		cmocka_unit_test(test_attention_of_listed_queries),
		cmocka_unit_test(test_attention_by_hand),
		cmocka_unit_test(test_rope),
		cmocka_unit_test(test_relu_squared),
		cmocka_unit_test(test_cross_entropy),
		cmocka_unit_test(test_embedding),
		cmocka_unit_test(test_adamw),
		cmocka_unit_test(test_precision),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
