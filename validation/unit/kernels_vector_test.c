/* The vector operations of the CPU kernels, as the compiler's flags select them for this program.
 * SPDX-License-Identifier: Apache-2.0 */
#include <float.h>

#include "kernels/cpu/vector.h"
#include "kernels_support.h"

static float exp2_of(float x)
{
	float lanes[LANES];
	vector_store(lanes, vector_exp2(vector_set(x)));
	return lanes[LANES - 1];
}

static void test_exp2(void **state)
{
	(void)state;
	double worst = 0.0;
	for (double x = -125.9; x < 125.9; x += 0.000731) {
		double exact = exp2((float)x);
		worst = fmax(worst, fabs(exp2_of((float)x) - exact) / exact);
	}
	assert_true(worst < 1e-7);
	assert_true(exp2_of(0.0f) == 1.0f && exp2_of(10.0f) == 1024.0f && exp2_of(-126.0f) == 0x1p-126f);
	assert_true(exp2_of(-127.5f) == 0.0f && exp2_of(-1e30f) == 0.0f && exp2_of(-INFINITY) == 0.0f);
	assert_true(exp2_of(1e30f) == 0x1p126f && isnan(exp2_of(NAN)));
}

static uint16_t bfloat16_of(float x)
{
	uint16_t lanes[LANES];
	vector_store_bfloat16(lanes, vector_set(x));
	return lanes[0];
}

static void test_bfloat16(void **state)
{
	(void)state;
	assert_int_equal(bfloat16_of(1.0f), 0x3f80);
	assert_int_equal(bfloat16_of(0x1.01p0f), 0x3f80); /* half way: to the even neighbour below */
	assert_int_equal(bfloat16_of(0x1.03p0f), 0x3f82); /* half way: to the even neighbour above */
	assert_int_equal(bfloat16_of(0x1.010002p0f), 0x3f81);
	assert_int_equal(bfloat16_of(-0x1.fffffep0f), 0xc000); /* carries into the exponent */
	assert_int_equal(bfloat16_of(FLT_MAX), 0x7f80);
	assert_int_equal(bfloat16_of(-INFINITY), 0xff80);
	uint32_t full_nan = 0x7fffffff;
	float nan;
	memcpy(&nan, &full_nan, sizeof nan);
	uint16_t stored[LANES];
	vector_store_bfloat16(stored, vector_set(nan));
	float lanes[LANES];
	vector_store(lanes, vector_load_bfloat16(stored));
	for (int i = 0; i < LANES; i++)
		assert_true(isnan(lanes[i]));
	for (int i = 0; i < LANES; i++)
		stored[i] = (uint16_t)(0x3f80 + i);
	vector_store(lanes, vector_load_bfloat16(stored));
	for (int i = 0; i < LANES; i++)
		assert_true(lanes[i] == 1.0f + (float)i / 128.0f);
}

static void test_parts(void **state)
{
	(void)state;
	for (int half = 0; half < 2; half++)
		for (int count = 1; count < LANES; count++) {
			float ones[LANES], memory[LANES + 1], lanes[LANES];
			for (int i = 0; i < LANES; i++)
				ones[i] = 1.0f;
			memset(memory, 0, sizeof memory);
			element_store_part(memory, 0, vector_load(ones), count, half);
			vector_store(lanes, element_load(memory, 0, half));
			for (int i = 0; i < LANES; i++)
				assert_true(lanes[i] == (i < count ? 1.0f : 0.0f));
			for (int i = 0; i < LANES; i += 1)
				element_store_part(memory, i, vector_load(ones), 1, half);
			vector_store(lanes, element_load_part(memory, 0, count, half));
			for (int i = 0; i < LANES; i++)
				assert_true(lanes[i] == (i < count ? 1.0f : 0.0f));
		}
}

static void test_lanes(void **state)
{
	(void)state;
	vector rows[LANES];
	float lanes[LANES];
	for (int i = 0; i < LANES; i++) {
		for (int j = 0; j < LANES; j++)
			lanes[j] = (float)(i * LANES + j);
		rows[i] = vector_load(lanes);
	}
	assert_true(vector_sum(rows[0]) == LANES * (LANES - 1) / 2 && vector_largest(rows[1]) == 2 * LANES - 1);
	assert_true(vector_differ(rows[0], rows[1]) && !vector_differ(rows[1], rows[1]));
	vector_transpose(rows);
	int32_t low[LANES], high[LANES];
	for (int i = 0; i < LANES; i++) {
		vector_store(lanes, rows[i]);
		for (int j = 0; j < LANES; j++)
			assert_true(lanes[j] == (float)(j * LANES + i));
		low[i] = i;
		high[i] = i + 1;
	}
	vector kept = vector_keep(vector_set(1.0f), vector_int_load(low), vector_int_set(2), vector_int_load(high),
	                          vector_set(-1.0f));
	vector_store(lanes, kept);
	for (int i = 0; i < LANES; i++)
		assert_true(lanes[i] == (i == 1 || i == 2 ? 1.0f : -1.0f));
	/* A NaN in the second operand stays. */
	vector_store(lanes, vector_max(vector_set(0.0f), vector_set(NAN)));
	assert_true(isnan(lanes[0]));
	vector_store(lanes, vector_min(vector_set(0.0f), vector_set(NAN)));
	assert_true(isnan(lanes[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exp2),
		cmocka_unit_test(test_bfloat16),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_lanes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
