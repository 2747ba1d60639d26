/* Products by cuBLASLt, against a stand-in for the library that computes on the host: shapes, orders, types, what is asked
 * of the library, and what is kept. Without the toolkit there is nothing to test.
 * SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#ifndef HAVE_CUDA
int main(void)
{
	return 77;
}
#else

#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "cublaslt_stand_in.h"
#include "kernels/cuda/cache.h"
#include "kernels/cuda/gemm_library.h"
#include "kernels/cuda/library.h"

/* The part of the runtime that products need, on host memory, instead of the program's. */
cudaError_t cudaMalloc(void **memory, size_t bytes)
{
	*memory = malloc(bytes);
	return *memory == NULL ? cudaErrorMemoryAllocation : cudaSuccess;
}

cudaError_t cudaFree(void *memory)
{
	free(memory);
	return cudaSuccess;
}

enum status cuda_check(const struct device *device, cudaError_t code, const char *what)
{
	(void)device, (void)what;
	return code == cudaSuccess ? STATUS_OK : STATUS_ENVIRONMENT;
}

/* The kernel that takes over is tested by validation/emulator/products_test. */
static int own_products;

enum status cuda_gemm_plain(struct device *device, const struct cuda_product *product, const void *a, const void *b,
                            void *c)
{
	(void)device, (void)product, (void)a, (void)b, (void)c;
	own_products++;
	return STATUS_OK;
}

static struct cublaslt_stand_in_counts *counts(void)
{
	void *library = dlopen("libcublasLt.so.13", RTLD_NOW | RTLD_NOLOAD);
	struct cublaslt_stand_in_counts *found = library == NULL ? NULL : dlsym(library, "cublaslt_stand_in_counts");
	assert_non_null(found);
	return found;
}

static void set_up(struct device *device)
{
	*device = (struct device){ .capability = 90 };
	assert_int_equal(cuda_gemm_create(device, &device->gemm), STATUS_OK);
}

/* A matrix of one of the types, with the values in `values` as well. */
static void *make_matrix(int64_t count, enum cuda_element type, uint64_t stream, float *values)
{
	void *matrix = malloc((size_t)count * 4 + 16);
	for (int64_t i = 0; i < count; i++) {
		/* Eighths: sums of few products are exact in float32. */
		float x = (float)((int)(random_uniform(1, RANDOM_INITIALISATION, stream, (uint64_t)i) * 16) - 8) / 8;
		uint32_t bits;
		memcpy(&bits, &x, sizeof bits);
		values[i] = x;
		if (type == CUDA_FLOAT32)
			((float *)matrix)[i] = x;
		else
			((uint16_t *)matrix)[i] = (uint16_t)(bits >> 16);
	}
	return matrix;
}

static float read_result(const void *matrix, enum cuda_element type, int64_t i)
{
	float x;
	uint32_t bits;
	if (type == CUDA_FLOAT32)
		return ((const float *)matrix)[i];
	bits = (uint32_t)((const uint16_t *)matrix)[i] << 16;
	memcpy(&x, &bits, sizeof x);
	return x;
}

/* separate: what is added is not where the result comes. */
static void check_product(struct device *device, struct cuda_product *product, bool separate)
{
	int64_t m = product->m, n = product->n, k = product->k;
	float *a_values = malloc((size_t)(m * k) * 4), *b_values = malloc((size_t)(k * n) * 4);
	float *c_values = malloc((size_t)(m * n) * 4);
	void *a = make_matrix(m * k, product->factors, 1, a_values);
	void *b = make_matrix(k * n, product->factors, 2, b_values);
	void *base = make_matrix(m * n, product->result, 3, c_values);
	void *c = separate ? calloc((size_t)(m * n), 4) : base;

	assert_non_null(c);
	product->base = separate ? base : NULL;
	assert_int_equal(cuda_gemm_multiply(device, product, a, b, c), STATUS_OK);
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < n; j++) {
			double sum = product->accumulate ? c_values[i * n + j] : 0;
			for (int64_t l = 0; l < k; l++)
				sum += (double)a_values[product->a_transposed ? l * m + i : i * k + l] *
				       (double)b_values[product->b_transposed ? j * k + l : l * n + j];
			double allowed = product->result == CUDA_BFLOAT16 ? fabs(sum) / 256 : 0;
			assert_float_equal(read_result(c, product->result, i * n + j), sum, allowed);
		}
	free(a), free(b), free(c), free(separate ? base : NULL);
	free(a_values), free(b_values), free(c_values);
}

static void test_products(void **state)
{
	static const int64_t shapes[][3] = { { 1, 1, 1 }, { 5, 3, 7 }, { 16, 8, 24 }, { 1, 33, 9 }, { 40, 1, 2 } };
	static const enum cuda_element types[][2] = { { CUDA_FLOAT32, CUDA_FLOAT32 },
		                                      { CUDA_BFLOAT16, CUDA_BFLOAT16 },
		                                      { CUDA_BFLOAT16, CUDA_FLOAT32 } };
	struct device device;

	(void)state;
	set_up(&device);
	for (size_t shape = 0; shape < sizeof shapes / sizeof *shapes; shape++)
		for (int flags = 0; flags < 8; flags++)
			for (int type = 0; type < 3; type++) {
				struct cuda_product product = { .m = shapes[shape][0],
					                        .n = shapes[shape][1],
					                        .k = shapes[shape][2],
					                        .a_transposed = flags & 1,
					                        .b_transposed = flags & 2,
					                        .accumulate = flags & 4,
					                        .factors = types[type][0],
					                        .result = types[type][1] };
				check_product(&device, &product, false);
				check_product(&device, &product, true);
			}
	cuda_gemm_destroy(device.gemm);
	assert_int_equal(counts()->alive, 0);
}

/* Sums in an order that timing cannot change, and what the pointers allow. */
static void test_preferences(void **state)
{
	enum { IN_PLACE = 1, OUTPUT_TYPE = 4 };
	_Alignas(64) float memory[64] = { 0 };
	struct cuda_product product = { .m = 1, .n = 2, .k = 3 };
	struct device device;

	(void)state;
	set_up(&device);
	assert_int_equal(cuda_gemm_multiply(&device, &product, memory, memory + 17, memory + 34), STATUS_OK);
	assert_int_equal(counts()->schemes & (IN_PLACE | OUTPUT_TYPE), 0);
	/* The library's first factor is b. */
	assert_int_equal(counts()->alignment[0], 4);
	assert_int_equal(counts()->alignment[1], 16);
	assert_int_equal(counts()->alignment[2], 8);
	assert_int_equal(counts()->alignment[3], 8);
	cuda_gemm_destroy(device.gemm);
}

static void multiply_rows(struct device *device, int64_t rows)
{
	float x[16] = { 0 }, *y = calloc((size_t)rows, sizeof *y), *z = calloc((size_t)rows, sizeof *z);
	struct cuda_product product = { .m = rows, .n = 1, .k = 1 };
	assert_int_equal(cuda_gemm_multiply(device, &product, y, x, z), STATUS_OK);
	free(y);
	free(z);
}

/* The library is asked once for a shape, and what is kept has a limit. */
static void test_kept(void **state)
{
	enum { MANY = 5000, KEPT = 4096, EACH = 4 };
	struct device device;

	(void)state;
	set_up(&device);
	int before = counts()->heuristics;
	for (int64_t rows = 1; rows <= MANY; rows++) {
		multiply_rows(&device, rows);
		multiply_rows(&device, 1);
	}
	assert_int_equal(counts()->heuristics - before, MANY);
	assert_int_equal(counts()->alive, 1 + EACH * KEPT);
	/* The last ones and the one that was used all the time are there, the second is not. */
	multiply_rows(&device, MANY);
	multiply_rows(&device, MANY - KEPT + 2);
	assert_int_equal(counts()->heuristics - before, MANY);
	multiply_rows(&device, 2);
	assert_int_equal(counts()->heuristics - before, MANY + 1);
	cuda_gemm_destroy(device.gemm);
	assert_int_equal(counts()->alive, 0);
}

/* What the library refuses is tried in other ways, and by an own kernel in the end; what it then was is kept. */
static void test_refused(void **state)
{
	static const struct {
		enum cublaslt_stand_in_refusal refuse;
		int heuristics, runs, own; /* of two products */
	} cases[] = {
		{ REFUSE_NOTHING, 1, 2, 0 },      { REFUSE_ALL, 2, 0, 2 },        { REFUSE_WORKSPACE, 2, 2, 0 },
		{ REFUSE_FIRST_AT_RUN, 1, 3, 0 }, { REFUSE_ALL_AT_RUN, 1, 2, 2 },
	};
	_Alignas(16) float memory[64] = { 0 };
	struct device device;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct cuda_product product = { .m = 5, .n = 3, .k = 2 };
		set_up(&device);
		counts()->refuse = cases[i].refuse;
		counts()->heuristics = counts()->runs = 0;
		own_products = 0;
		for (int turn = 0; turn < 2; turn++)
			assert_int_equal(cuda_gemm_multiply(&device, &product, memory, memory, memory), STATUS_OK);
		assert_int_equal(counts()->heuristics, cases[i].heuristics);
		assert_int_equal(counts()->runs, cases[i].runs);
		assert_int_equal(own_products, cases[i].own);
		assert_string_equal(error_message(), "");
		counts()->refuse = REFUSE_NOTHING;
		cuda_gemm_destroy(device.gemm);
		assert_int_equal(counts()->alive, 0);
	}
}

/* A library that fails is not one that has no algorithm. */
static void test_failure(void **state)
{
	_Alignas(16) float memory[64] = { 0 };
	struct cuda_product product = { .m = 5, .n = 3, .k = 2 };
	struct device device;

	(void)state;
	set_up(&device);
	counts()->refuse = REFUSE_WITH_A_FAILURE;
	own_products = 0;
	assert_int_equal(cuda_gemm_multiply(&device, &product, memory, memory, memory), STATUS_ENVIRONMENT);
	assert_int_equal(own_products, 0);
	assert_non_null(
		strstr(error_message(), "product of 5 x 2 and 2 x 3 (float32, result float32): another failure"));
	error_clear();
	counts()->refuse = REFUSE_NOTHING;
	cuda_gemm_destroy(device.gemm);
}

static void test_description(void **state)
{
	char text[64];
	struct device device;

	(void)state;
	set_up(&device);
	cuda_gemm_describe(device.gemm, text, sizeof text);
	assert_string_equal(text, "cuBLASLt 13.1");
	cuda_gemm_destroy(device.gemm);
}

/* ---- the cache alone, against a list that is kept in the plainest way */

struct value {
	int64_t number;
};

static void release_value(void *context, void *value)
{
	int *alive = context;
	alive[((struct value *)value)->number]--;
}

static void test_cache(void **state)
{
	enum { CAPACITY = 7, KEYS = 19, TURNS = 20000 };
	struct cuda_cache *cache;
	int alive[KEYS] = { 0 }, used[KEYS] = { 0 }, count = 0;

	(void)state;
	assert_int_equal(cuda_cache_create(CAPACITY, sizeof(struct value), release_value, alive, &cache), STATUS_OK);
	for (int turn = 1; turn <= TURNS; turn++) {
		int number = (int)(random_uniform(7, RANDOM_INITIALISATION, 0, (uint64_t)turn) * KEYS);
		struct cuda_cache_key key = { { number % 3, number, -number } };
		struct value *found = cuda_cache_get(cache, &key), value = { number };
		assert_true((found != NULL) == (alive[number] == 1));
		if (found == NULL) {
			int oldest = 0;
			for (int i = 1; i < KEYS; i++)
				if (alive[i] && (!alive[oldest] || used[i] < used[oldest]))
					oldest = i;
			found = cuda_cache_put(cache, &key, &value);
			assert_true(count < CAPACITY || alive[oldest] == 0);
			count += count < CAPACITY;
			alive[number]++;
		}
		assert_int_equal(found->number, number);
		used[number] = turn;
		assert_int_equal(cuda_cache_count(cache), count);
	}
	cuda_cache_destroy(cache);
	for (int i = 0; i < KEYS; i++)
		assert_int_equal(alive[i], 0);
}

/* A folder that the variable names comes first; else the message says what to do. */
static void test_missing(void **state)
{
	char tried[CUDA_LIBRARY_TRIED];
	static const char *const names[] = { "libcapshape_absent.so.1", "libcapshape_absent.so.0", NULL };

	(void)state;
	assert_null(cuda_library_open(names, tried));
	assert_non_null(strstr(tried, "libcapshape_absent.so.1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_products), cmocka_unit_test(test_preferences), cmocka_unit_test(test_kept),
		cmocka_unit_test(test_refused),  cmocka_unit_test(test_failure),     cmocka_unit_test(test_description),
		cmocka_unit_test(test_cache),    cmocka_unit_test(test_missing),
	};
	const char *folder = getenv("builddir");
	char path[4096];

	snprintf(path, sizeof path, "%s/validation/unit", folder == NULL ? "." : folder);
	setenv("CAPSHAPE_CUDA_LIBRARIES", path, 1);
	return cmocka_run_group_tests_name("kernels_cublaslt", tests, NULL, NULL);
}

#endif
