/* Own products on warp-group instructions, under emulation: every end against sums in double, shapes that fill no tile, several tiles and steps, the same bits in every
 * order of threads and copies and for a row alone; what they refuse; and the emulator's word on kernels that rely on what
 * nothing guarantees.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "kernels/cuda/cuda.h"

enum { ORDERS = 4 };
static const unsigned orders[ORDERS] = { 0, 1, 2, 5 };

static float value_of(uint16_t bits)
{
	uint32_t word = (uint32_t)bits << 16;
	float x;
	memcpy(&x, &word, sizeof x);
	return x;
}

static uint16_t bits_of(float x)
{
	uint32_t word;
	memcpy(&word, &x, sizeof word);
	return (uint16_t)((word + 0x7fffu + (word >> 16 & 1u)) >> 16);
}

/* A matrix on the host, and a copy on the device. */
struct matrix {
	uint16_t *bits;
	void *memory;
	int64_t count;
};

static struct matrix make_matrix(struct device *device, int64_t count, uint64_t stream, double deviation)
{
	struct matrix matrix = { .count = count };
	size_t bytes = (size_t)count * sizeof *matrix.bits;

	matrix.bits = malloc(bytes + 1);
	matrix.memory = cuda_allocate(device, bytes);
	assert_non_null(matrix.bits);
	assert_non_null(matrix.memory);
	for (int64_t i = 0; i < count; i++)
		matrix.bits[i] = bits_of((float)(deviation * random_normal(1, RANDOM_TEST, stream, (uint64_t)i)));
	assert_int_equal(cuda_upload(device, matrix.memory, matrix.bits, bytes), STATUS_OK);
	return matrix;
}

/* NaN, so that what is not written shows. */
static struct matrix make_result(struct device *device, int64_t count)
{
	struct matrix matrix = make_matrix(device, count, 1, 1);
	memset(matrix.bits, 0xff, (size_t)count * sizeof *matrix.bits);
	assert_int_equal(cuda_upload(device, matrix.memory, matrix.bits, (size_t)count * sizeof *matrix.bits),
	                 STATUS_OK);
	return matrix;
}

static void fetch(struct device *device, struct matrix *matrix)
{
	assert_int_equal(
		cuda_download(device, matrix->bits, matrix->memory, (size_t)matrix->count * sizeof *matrix->bits),
		STATUS_OK);
}

static void free_matrix(struct device *device, struct matrix *matrix)
{
	cuda_release(device, matrix->memory);
	free(matrix->bits);
}

enum end { PLAIN, SQUARE, PLAIN_ACROSS, SLOPE, ENDS };

/* Left [rows, inner], right [columns, inner] or, of the last two, [inner, columns]. */
struct shape {
	int64_t rows, columns, inner;
};

static bool run(struct device *device, enum end end, const struct shape *shape, void *result, const void *left,
                const void *right, const void *read)
{
	bool taken = false;
	int64_t rows = shape->rows, columns = shape->columns, inner = shape->inner;
	enum status status =
		end == PLAIN    ? cuda_own_linear_forward(device, result, left, right, rows, inner, columns, &taken)
		: end == SQUARE ? cuda_linear_relu_squared_forward(device, result, left, NULL, right, rows, inner,
	                                                           columns, &taken)
		: end == PLAIN_ACROSS ? cuda_own_linear_input(device, result, left, right, rows, columns, inner, &taken)
				      : cuda_linear_relu_squared_backward(device, result, left, right, read, rows,
	                                                                  columns, inner, &taken);
	assert_int_equal(status, STATUS_OK);
	return taken;
}

static double expected_of(enum end end, double sum, uint16_t read)
{
	double rounded = (double)value_of(bits_of((float)sum));
	switch (end) {
	case SQUARE:
		return rounded > 0 ? rounded * rounded : 0;
	case SLOPE:
		return rounded * 2 * sqrt((double)value_of(read));
	default:
		return sum;
	}
}

/* Roundings, twice where an end follows, and sums that are not exact. */
static void check_result(enum end end, const struct shape *shape, const uint16_t *result, const struct matrix *left,
                         const struct matrix *right, const uint16_t *read)
{
	double difference = 0, norm = 0;
	for (int64_t i = 0; i < shape->rows; i++)
		for (int64_t j = 0; j < shape->columns; j++) {
			double sum = 0;
			int64_t at = i * shape->columns + j;
			for (int64_t k = 0; k < shape->inner; k++)
				sum += (double)value_of(left->bits[i * shape->inner + k]) *
				       (double)value_of(right->bits[end < PLAIN_ACROSS ? j * shape->inner + k
				                                                       : k * shape->columns + j]);
			double expected = expected_of(end, sum, read[at]),
			       away = (double)value_of(result[at]) - expected;
			assert_true(fabs(away) <= 0.02 * fabs(expected) + 0.02);
			difference += away * away, norm += expected * expected;
		}
	assert_true(sqrt(difference) <= 4e-3 * sqrt(norm));
}

static void check_shape(struct device *device, enum end end, const struct shape *shape)
{
	int64_t results = shape->rows * shape->columns;
	struct matrix left = make_matrix(device, shape->rows * shape->inner, 2, 1),
		      right = make_matrix(device, shape->columns * shape->inner, 3, 1 / sqrt((double)shape->inner)),
		      read = make_matrix(device, results, 4, 1), first = { 0 };

	for (int64_t i = 0; i < results; i++)
		read.bits[i] &= 0x7fff; /* squares */
	assert_int_equal(cuda_upload(device, read.memory, read.bits, (size_t)results * 2), STATUS_OK);
	for (int i = 0; i < ORDERS; i++) {
		struct matrix result = make_result(device, results);
		emulator_set_order(orders[i]);
		assert_true(run(device, end, shape, result.memory, left.memory, right.memory, read.memory));
		fetch(device, &result);
		if (i == 0) {
			first = result;
			check_result(end, shape, first.bits, &left, &right, read.bits);
		} else {
			assert_memory_equal(result.bits, first.bits, (size_t)results * 2);
			free_matrix(device, &result);
		}
	}
	emulator_set_order(0);
	free_matrix(device, &first), free_matrix(device, &left), free_matrix(device, &right),
		free_matrix(device, &read);
}

static struct device *open_device(const char *choice, enum precision precision)
{
	struct device *device;
	assert_int_equal(choice == NULL ? unsetenv("CAPSHAPE_PRODUCT") : setenv("CAPSHAPE_PRODUCT", choice, 1), 0);
	assert_int_equal(kernels_cuda()->device_create(precision, 1, &device), STATUS_OK);
	return device;
}

static void test_ends(void **state)
{
	/* A part of a tile; its edges in every direction; whole tiles of 256; more tiles than multiprocessors and than a ring has stages. */
	static const struct shape shapes[] = {
		{ 1, 8, 8 }, { 130, 136, 72 }, { 64, 256, 64 }, { 300, 264, 328 }, { 70, 520, 136 }, { 140, 448, 200 },
	};
	struct device *device = open_device("own", PRECISION_BFLOAT16);

	(void)state;
	for (enum end end = PLAIN; end < ENDS; end++)
		for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
			check_shape(device, end, &shapes[i]);
	kernels_cuda()->device_destroy(device);
}

/* A row has the bits that it has among others, wherever it lies in its tile. */
static void test_rows_alone(void **state)
{
	static const struct shape shape = { 200, 264, 136 };
	struct device *device = open_device("own", PRECISION_BFLOAT16);
	struct matrix left = make_matrix(device, shape.rows * shape.inner, 2, 1),
		      right = make_matrix(device, shape.columns * shape.inner, 3, 1),
		      read = make_matrix(device, shape.rows * shape.columns, 4, 1);

	(void)state;
	for (enum end end = PLAIN; end < ENDS; end++) {
		struct matrix all = make_result(device, shape.rows * shape.columns),
			      one = make_result(device, 3 * shape.columns);
		assert_true(run(device, end, &shape, all.memory, left.memory, right.memory, read.memory));
		fetch(device, &all);
		for (int64_t row = 0; row < shape.rows; row += 66) {
			struct shape few = { shape.rows - row < 3 ? shape.rows - row : 3, shape.columns, shape.inner };
			assert_true(run(device, end, &few, one.memory, (uint16_t *)left.memory + row * shape.inner,
			                right.memory, (uint16_t *)read.memory + row * shape.columns));
			fetch(device, &one);
			assert_memory_equal(one.bits, all.bits + row * shape.columns,
			                    (size_t)(few.rows * few.columns) * 2);
		}
		free_matrix(device, &all), free_matrix(device, &one);
	}
	free_matrix(device, &left), free_matrix(device, &right), free_matrix(device, &read);
	kernels_cuda()->device_destroy(device);
}

/* Nothing is done, and said so, where rows or memory are no multiples of 16 bytes, in float32, and where own products are not asked for. */
static void test_refusals(void **state)
{
	static const struct shape fits = { 5, 64, 64 }, shapes[] = { { 5, 60, 64 }, { 5, 64, 60 }, { 5, 64, 4 } };
	struct device *device = open_device("own", PRECISION_BFLOAT16);
	struct matrix a = make_matrix(device, 65 * 65, 2, 1), b = make_matrix(device, 65 * 65, 3, 1),
		      c = make_result(device, 65 * 65);

	(void)state;
	for (enum end end = PLAIN; end < ENDS; end++) {
		for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
			assert_false(run(device, end, &shapes[i], c.memory, a.memory, b.memory, a.memory));
		assert_false(run(device, end, &fits, c.memory, (uint16_t *)a.memory + 4, b.memory, a.memory));
		assert_false(run(device, end, &fits, c.memory, a.memory, (uint16_t *)b.memory + 4, a.memory));
		assert_false(run(device, end, &fits, (uint16_t *)c.memory + 4, a.memory, b.memory, a.memory));
	}
	assert_true(run(device, PLAIN, &fits, c.memory, a.memory, b.memory, a.memory));
	assert_non_null(strstr(kernels_cuda()->device_describe(device), "own products"));
	static const char *const without[] = { NULL, "", "library" };
	for (size_t i = 0; i < sizeof without / sizeof *without + 1; i++) {
		bool half = i < sizeof without / sizeof *without;
		struct device *other =
			open_device(half ? without[i] : "all", half ? PRECISION_BFLOAT16 : PRECISION_FLOAT32);
		for (enum end end = PLAIN; end < ENDS; end++)
			assert_false(run(other, end, &fits, c.memory, a.memory, b.memory, a.memory));
		assert_null(strstr(kernels_cuda()->device_describe(other), "own products"));
		kernels_cuda()->device_destroy(other);
	}
	free_matrix(device, &a), free_matrix(device, &b), free_matrix(device, &c);
	kernels_cuda()->device_destroy(device);
}

static void test_other_words(void **state)
{
	struct device *device;

	(void)state;
	assert_int_equal(setenv("CAPSHAPE_PRODUCT", "mine", 1), 0);
	assert_int_equal(kernels_cuda()->device_create(PRECISION_BFLOAT16, 1, &device), STATUS_USAGE);
	assert_non_null(strstr(error_message(), "CAPSHAPE_PRODUCT is \"mine\""));
	error_clear();
}

/* Losses, factors and powers of a wide head, in every order: the numbers themselves are narrow_head_test's concern. */
static void test_head_in_every_order(void **state)
{
	enum { ROWS = 140, WIDTH = 328, VOCABULARY = 520 };
	struct device *device = open_device("own", PRECISION_BFLOAT16);
	struct matrix x = make_matrix(device, ROWS * WIDTH, 2, 1),
		      weight = make_matrix(device, VOCABULARY * WIDTH, 3, 0.1);
	float first[2 * ROWS], weights[ROWS];
	int32_t targets[ROWS];
	uint16_t *powers = NULL;
	float *numbers = cuda_allocate(device, sizeof first), *weights_memory = cuda_allocate(device, sizeof weights);
	int32_t *targets_memory = cuda_allocate(device, sizeof targets);

	(void)state;
	for (int i = 0; i < ROWS; i++)
		weights[i] = 1, targets[i] = i * 37 % VOCABULARY;
	assert_int_equal(cuda_upload(device, weights_memory, weights, sizeof weights), STATUS_OK);
	assert_int_equal(cuda_upload(device, targets_memory, targets, sizeof targets), STATUS_OK);
	for (int i = 0; i < ORDERS; i++) {
		struct matrix gradient = make_result(device, ROWS * VOCABULARY);
		float found[2 * ROWS];
		bool taken;
		emulator_set_order(orders[i]);
		assert_int_equal(cuda_narrow_head(device, numbers, gradient.memory, numbers + ROWS, x.memory,
		                                  weight.memory, targets_memory, weights_memory, ROWS, WIDTH,
		                                  VOCABULARY, 0.5f, &taken),
		                 STATUS_OK);
		assert_true(taken);
		fetch(device, &gradient);
		assert_int_equal(cuda_download(device, found, numbers, sizeof found), STATUS_OK);
		if (i == 0) {
			memcpy(first, found, sizeof first);
			powers = malloc((size_t)gradient.count * sizeof *powers);
			assert_non_null(powers);
			memcpy(powers, gradient.bits, (size_t)gradient.count * sizeof *powers);
		}
		assert_memory_equal(found, first, sizeof first);
		assert_memory_equal(gradient.bits, powers, (size_t)gradient.count * sizeof *powers);
		free_matrix(device, &gradient);
	}
	emulator_set_order(0);
	free(powers);
	free_matrix(device, &x), free_matrix(device, &weight);
	cuda_release(device, numbers), cuda_release(device, weights_memory), cuda_release(device, targets_memory);
	kernels_cuda()->device_destroy(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_ends), cmocka_unit_test(test_rows_alone),
		                            cmocka_unit_test(test_refusals), cmocka_unit_test(test_other_words),
		                            cmocka_unit_test(test_head_in_every_order) };
	return cmocka_run_group_tests_name("warp_group", tests, NULL, NULL);
}
