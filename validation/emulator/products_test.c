/* The own kernel of matrix products, which takes over where cuBLASLt has no algorithm: all orders and types, sizes that fill no
 * tile, and the same bits in any order of threads.
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
#include "kernels/cuda/gemm_library.h"

/* A matrix on the device, and its values. Eighths: sums of some hundreds of products are exact in float32. */
struct matrix {
	void *memory;
	float *values;
	int64_t count;
	enum cuda_element type;
};

static size_t element_bytes(enum cuda_element type)
{
	return type == CUDA_FLOAT32 ? 4 : 2;
}

static struct matrix make_matrix(struct device *device, int64_t count, enum cuda_element type, uint64_t stream)
{
	struct matrix matrix = { .count = count, .type = type };
	size_t bytes = (size_t)count * element_bytes(type);
	uint16_t *halves = malloc((size_t)count * sizeof *halves);

	matrix.values = malloc((size_t)count * sizeof(float));
	matrix.memory = cuda_allocate(device, bytes);
	assert_non_null(halves);
	assert_non_null(matrix.values);
	assert_non_null(matrix.memory);
	for (int64_t i = 0; i < count; i++) {
		uint32_t bits;
		matrix.values[i] = (float)((int)(random_uniform(1, RANDOM_TEST, stream, (uint64_t)i) * 16) - 8) / 8;
		memcpy(&bits, &matrix.values[i], sizeof bits);
		halves[i] = (uint16_t)(bits >> 16);
	}
	const void *source = type == CUDA_FLOAT32 ? (const void *)matrix.values : halves;
	assert_int_equal(cuda_upload(device, matrix.memory, source, bytes), STATUS_OK);
	free(halves);
	return matrix;
}

static float *take_values(struct device *device, const struct matrix *matrix)
{
	size_t bytes = (size_t)matrix->count * element_bytes(matrix->type);
	float *values = malloc((size_t)matrix->count * sizeof *values);
	char *raw = malloc(bytes);

	assert_non_null(values);
	assert_int_equal(cuda_download(device, raw, matrix->memory, bytes), STATUS_OK);
	for (int64_t i = 0; i < matrix->count; i++) {
		uint32_t bits = 0;
		if (matrix->type == CUDA_FLOAT32)
			memcpy(&bits, raw + 4 * i, 4);
		else
			memcpy((char *)&bits + 2, raw + 2 * i, 2);
		memcpy(&values[i], &bits, sizeof bits);
	}
	free(raw);
	return values;
}

static void free_matrix(struct device *device, struct matrix *matrix)
{
	cuda_release(device, matrix->memory);
	free(matrix->values);
}

static void check_product(struct device *device, const struct cuda_product *product)
{
	int64_t m = product->m, n = product->n, k = product->k;
	struct matrix a = make_matrix(device, m * k, product->factors, 1),
		      b = make_matrix(device, k * n, product->factors, 2);

	for (unsigned order = 0; order < 3; order++) {
		struct matrix c = make_matrix(device, m * n, product->result, 3);
		emulator_set_order(order);
		assert_int_equal(cuda_gemm_plain(device, product, a.memory, b.memory, c.memory), STATUS_OK);
		float *values = take_values(device, &c);
		for (int64_t i = 0; i < m; i++)
			for (int64_t j = 0; j < n; j++) {
				double sum = product->accumulate ? (double)c.values[i * n + j] : 0;
				for (int64_t l = 0; l < k; l++)
					sum += (double)a.values[product->a_transposed ? l * m + i : i * k + l] *
					       (double)b.values[product->b_transposed ? j * k + l : l * n + j];
				double allowed = product->result == CUDA_BFLOAT16 ? fabs(sum) / 256 : 0;
				assert_float_equal(values[i * n + j], sum, allowed);
			}
		free(values);
		free_matrix(device, &c);
	}
	emulator_set_order(0);
	free_matrix(device, &a);
	free_matrix(device, &b);
}

static void test_products(void **state)
{
	static const int64_t shapes[][3] = {
		{ 1, 1, 1 }, { 64, 64, 16 }, { 5, 130, 7 }, { 67, 3, 33 }, { 130, 70, 17 }
	};
	static const enum cuda_element types[] = { CUDA_FLOAT32, CUDA_BFLOAT16 };
	struct device *device;

	(void)state;
	assert_int_equal(kernels_cuda()->device_create(PRECISION_FLOAT32, 1, &device), STATUS_OK);
	for (size_t shape = 0; shape < sizeof shapes / sizeof *shapes; shape++)
		for (int flags = 0; flags < 8; flags++)
			for (int type = 0; type < 4; type++) {
				struct cuda_product product = { .m = shapes[shape][0],
					                        .n = shapes[shape][1],
					                        .k = shapes[shape][2],
					                        .a_transposed = flags & 1,
					                        .b_transposed = flags & 2,
					                        .accumulate = flags & 4,
					                        .factors = types[type % 2],
					                        .result = types[type / 2] };
				check_product(device, &product);
			}
	kernels_cuda()->device_destroy(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_products) };
	return cmocka_run_group_tests_name("products", tests, NULL, NULL);
}
