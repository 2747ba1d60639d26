/* What the kernel tests share: the implementations this machine can run, random tensors on devices, and comparison.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_KERNELS_SUPPORT_H
#define CAPSHAPE_VALIDATION_KERNELS_SUPPORT_H

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
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/gemm_library.h"
#include "reasons.h"

#define UNUSED_OK __attribute__((unused))

/* A table with a device of it. */
struct side {
	const struct kernels *k;
	struct device *device;
	bool half;
	char name[64];
};

static UNUSED_OK struct side side_reference(void)
{
	struct side side = { .k = kernels_reference(), .name = "reference" };
	assert_int_equal(side.k->device_create(PRECISION_FLOAT32, 1, &side.device), STATUS_OK);
	return side;
}

enum { SIDES_MAX = 12 };

#ifdef CAPSHAPE_TEST_CUDA
/* The CUDA table in both precisions: of the device, or of the emulator where that is linked. */
static UNUSED_OK int sides_open(struct side sides[SIDES_MAX], int threads)
{
	for (int half = 0; half < 2; half++) {
		sides[half] = (struct side){ .k = kernels_cuda(), .half = half };
		assert_non_null(sides[half].k);
		assert_int_equal(sides[half].k->device_create(half ? PRECISION_BFLOAT16 : PRECISION_FLOAT32, threads,
		                                              &sides[half].device),
		                 STATUS_OK);
		snprintf(sides[half].name, sizeof sides[half].name, "cuda %s", half ? "bfloat16" : "float32");
	}
	return 2;
}
#else
/* Every CPU table this processor can run, in float32, bfloat16 widened and, where it can, bfloat16 native. */
static UNUSED_OK int sides_open(struct side sides[SIDES_MAX], int threads)
{
	const struct kernels *tables[3] = { cpu_table_baseline() };
	const char *levels[3] = { "baseline", "avx2", "avx512" };
	int count = 0;
#if defined HAVE_CPU_LEVELS && (defined __x86_64__ || defined __i386__)
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		tables[1] = cpu_table_avx2();
	if (kernels_cpu() == cpu_table_avx512())
		tables[2] = cpu_table_avx512();
#endif
	for (int level = 0; level < 3; level++)
		for (int mode = 0; tables[level] != NULL && mode < 3; mode++) {
			if (mode == 2 && !gemm_library_bfloat16_is_possible())
				continue;
			struct side *side = &sides[count++];
			*side = (struct side){ .k = tables[level], .half = mode > 0 };
			assert_int_equal(side->k->device_create(mode > 0 ? PRECISION_BFLOAT16 : PRECISION_FLOAT32,
			                                        threads, &side->device),
			                 STATUS_OK);
			side->device->bfloat16_products = mode == 2 ? BFLOAT16_NATIVE : BFLOAT16_WIDENED;
			snprintf(side->name, sizeof side->name, "%s %s", levels[level],
			         mode == 0   ? "float32"
			         : mode == 1 ? "bfloat16 widened"
			                     : "bfloat16 native");
		}
	return count;
}
#endif

/* The table that computes in this test. */
static UNUSED_OK const struct kernels *table_tested(void)
{
#ifdef CAPSHAPE_TEST_CUDA
	return kernels_cuda();
#else
	return kernels_cpu();
#endif
}

/* Whether the device names a library: its results have tolerances of their own. */
static UNUSED_OK bool side_uses(const struct side *side, const char *library)
{
	return strstr(side->k->device_describe(side->device), library) != NULL;
}

static UNUSED_OK void side_end(struct side *side)
{
	side->k->device_destroy(side->device);
}

/* Rounded to nearest even, so that both sides of a comparison start from the same numbers. */
static UNUSED_OK float to_bfloat16(float x)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof bits);
	bits = (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000u;
	memcpy(&x, &bits, sizeof x);
	return x;
}

/* Normal numbers times deviation, exactly representable in bfloat16. */
static UNUSED_OK float *random_floats(int64_t count, uint64_t stream, double deviation)
{
	float *x = calloc((size_t)count + 1, sizeof *x);
	assert_non_null(x);
	for (int64_t i = 0; i < count; i++)
		x[i] = to_bfloat16((float)(deviation * random_normal(1, RANDOM_TEST, stream, (uint64_t)i)));
	return x;
}

static UNUSED_OK int32_t *random_ids(int64_t count, uint64_t stream, int64_t limit)
{
	int32_t *ids = calloc((size_t)count + 1, sizeof *ids);
	assert_non_null(ids);
	for (int64_t i = 0; i < count; i++)
		ids[i] = (int32_t)(random_bits(2, RANDOM_TEST, stream, (uint64_t)i) % (uint64_t)limit);
	return ids;
}

/* Device copies: of elements in the side's activation type, of floats, of ids. */
static UNUSED_OK void *side_elements(const struct side *side, const float *host, int64_t count)
{
	void *memory = side->k->allocate(side->device, (size_t)count * side->k->activation_bytes(side->device));
	assert_non_null(memory);
	assert_int_equal(side->k->upload_activation(side->device, memory, host, (size_t)count), STATUS_OK);
	return memory;
}

static UNUSED_OK void *side_bytes(const struct side *side, const void *host, size_t bytes)
{
	void *memory = side->k->allocate(side->device, bytes);
	assert_non_null(memory);
	assert_int_equal(side->k->upload(side->device, memory, host, bytes), STATUS_OK);
	return memory;
}

static UNUSED_OK float *side_floats(const struct side *side, const float *host, int64_t count)
{
	return side_bytes(side, host, (size_t)count * sizeof(float));
}

/* Host floats of device elements / floats, which are released. */
static UNUSED_OK float *take_elements(const struct side *side, void *memory, int64_t count)
{
	float *host = calloc((size_t)count + 1, sizeof *host);
	assert_non_null(host);
	assert_int_equal(side->k->download_activation(side->device, host, memory, (size_t)count), STATUS_OK);
	side->k->release(side->device, memory);
	return host;
}

static UNUSED_OK float *take_floats(const struct side *side, float *memory, int64_t count)
{
	float *host = calloc((size_t)count + 1, sizeof *host);
	assert_non_null(host);
	assert_int_equal(side->k->download(side->device, host, memory, (size_t)count * sizeof(float)), STATUS_OK);
	side->k->release(side->device, memory);
	return host;
}

/* || x - y || / || y ||; || x || where y is 0; infinite where x is not finite. */
static UNUSED_OK double relative_error(const float *x, const float *y, int64_t count)
{
	double difference = 0.0, norm = 0.0;
	for (int64_t i = 0; i < count; i++) {
		if (!isfinite(x[i]) || !isfinite(y[i]))
			return INFINITY;
		difference += ((double)x[i] - y[i]) * ((double)x[i] - y[i]);
		norm += (double)y[i] * y[i];
	}
	return norm > 0.0 ? sqrt(difference / norm) : sqrt(difference);
}

/* Relative norms a tensor: float32 3e-7 where a result is a few operations on its inputs, more where said; bfloat16 4e-3, one
 * rounding to 8 bits being up to 2e-3 a number. */
static UNUSED_OK double element_tolerance(const struct side *side)
{
	return side->half ? 4e-3 : 3e-7;
}

/* Runs a check on every tested side against the reference. */
typedef void check(const struct side *reference, const struct side *side, int64_t rows, int64_t width);

static UNUSED_OK void check_these(check *function, const int64_t shapes[][2], size_t shape_count)
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

static UNUSED_OK void check_shapes(check *function)
{
	static const int64_t shapes[][2] = { { 0, 64 },  { 1, 16 },   { 3, 1 },   { 5, 7 },
		                             { 64, 64 }, { 65, 100 }, { 200, 33 } };
	CHECK_THESE(function, shapes);
}

/* Takes both arrays. */
static UNUSED_OK void assert_close(const struct side *side, const char *what, float *x, float *y, int64_t count,
                                   double tolerance)
{
	double error = relative_error(x, y, count);
	if (!(error <= tolerance))
		fail_msg("%s: %s differs from the reference by %.3g, allowed %.3g", side->name, what, error, tolerance);
	free(x);
	free(y);
}

#endif
