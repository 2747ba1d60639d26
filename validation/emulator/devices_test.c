/* Which of several devices is taken: by a rank's number on its node, old ones left out, none at all; and one that has no
 * memory left.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/cuda/cuda.h"

static int opened(int number)
{
	struct device *device;
	assert_int_equal(kernels_cuda_choose(number), STATUS_OK);
	assert_int_equal(kernels_cuda()->device_create(PRECISION_FLOAT32, 1, &device), STATUS_OK);
	int result = device->number;
	kernels_cuda()->device_destroy(device);
	return result;
}

static void test_ranks_share_the_devices(void **state)
{
	(void)state;
	emulator_set_devices(4);
	assert_int_equal(kernels_cuda_devices(), 3);
	/* Number 1 is too old. */
	static const int expected[] = { 0, 2, 3, 0, 2, 3, 0 };
	for (int rank = 0; rank < 7; rank++)
		assert_int_equal(opened(rank), expected[rank]);
	emulator_set_devices(1);
	assert_int_equal(kernels_cuda_devices(), 1);
	assert_int_equal(opened(5), 0);
}

static void test_no_device(void **state)
{
	struct device *device;

	(void)state;
	emulator_set_devices(0);
	error_clear();
	assert_int_equal(kernels_cuda_devices(), 0);
	assert_int_equal(kernels_cuda_choose(3), STATUS_OK);
	assert_string_equal(error_message(), "");
	assert_int_equal(kernels_cuda()->device_create(PRECISION_FLOAT32, 1, &device), STATUS_ENVIRONMENT);
	assert_non_null(strstr(error_message(), "there is no CUDA device that can be used here"));
	emulator_set_devices(1);
}

/* A failure is reported where it happens, and not again by the next kernel. */
static void test_goes_on_without_memory(void **state)
{
	const struct kernels *kernels = kernels_cuda();
	struct device *device;

	(void)state;
	assert_int_equal(kernels->device_create(PRECISION_FLOAT32, 1, &device), STATUS_OK);
	float *x = kernels->allocate(device, 16 * sizeof *x);
	assert_non_null(x);
	error_clear();
	assert_null(kernels->allocate(device, (size_t)1 << 50));
	assert_non_null(strstr(error_message(), "GiB of memory left"));
	assert_int_equal(kernels->add(device, x, x, 16), STATUS_OK);
	assert_null(cuda_scratch(device, (size_t)1 << 50));
	assert_non_null(strstr(error_message(), "memory for kernels"));
	assert_int_equal(kernels->add(device, x, x, 16), STATUS_OK);
	kernels->release(device, x);
	kernels->device_destroy(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranks_share_the_devices),
		cmocka_unit_test(test_no_device),
		cmocka_unit_test(test_goes_on_without_memory),
	};
	return cmocka_run_group_tests_name("emulator_devices", tests, NULL, NULL);
}
