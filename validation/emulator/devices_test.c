/* Which of several devices is taken: by a rank's number on its node, old ones left out, none at all; and one that has no
 * memory left.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
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

/* Addresses tell devices apart; a MIG instance has its own identity, which the driver need not say. */
static void test_identities(void **state)
{
	struct cuda_identity first, second, again;
	char name[CUDA_NAME_SIZE];

	(void)state;
	emulator_set_devices(3);
	setenv("CAPSHAPE_EMULATOR_BUS", "0000:3B:00.0,0000:3B:00.0,0000:5E:00.0", 1);
	assert_int_equal(kernels_cuda_identify(0, &first, name), STATUS_OK);
	assert_int_equal(kernels_cuda_identify(1, &second, name), STATUS_OK); /* device 2: the one between is too old */
	assert_string_equal(first.bus, "0000:3b:00.0");
	assert_string_equal(second.bus, "0000:5e:00.0");
	assert_string_equal(name, "emulated device");
	setenv("CUDA_VISIBLE_DEVICES", "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f,1", 1);
	assert_int_equal(kernels_cuda_identify(0, &again, name), STATUS_OK);
	assert_memory_not_equal(again.uuid, first.uuid, sizeof first.uuid);
	assert_int_equal(again.uuid[0], 0xc6);
	assert_int_equal(again.uuid[15], 0x3f);
	static const char *const others[] = { "0,1", "GPU-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f", "MIG-GPU-c6d4f1ef/1/0",
		                              "MIG-c6d4" };
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		setenv("CUDA_VISIBLE_DEVICES", others[i], 1);
		assert_int_equal(kernels_cuda_identify(0, &again, name), STATUS_OK);
		assert_memory_equal(&again, &first, sizeof first);
	}
	unsetenv("CUDA_VISIBLE_DEVICES");
	unsetenv("CAPSHAPE_EMULATOR_BUS");
	emulator_set_devices(1);
}

/* What the kernels take is what kernels_cuda_footprint() says, or less, and not much less where it matters. */
static void test_footprint(void **state)
{
	enum { B = 2, T = 48, H = 2, K = 16, D = H * K, R = B * T, PARAMETERS = 5 * 4096 };
	const struct kernels *kernels = kernels_cuda();
	const struct attention_shape shape = { .sequences = B,
		                               .length = T,
		                               .heads = H,
		                               .head_size = K,
		                               .scale = 0.25f,
		                               .query_count = R,
		                               .query_step = 3 * D,
		                               .key_step = 3 * D };
	struct device *device;

	(void)state;
	for (int half = 0; half < 2; half++) {
		enum precision precision = half ? PRECISION_BFLOAT16 : PRECISION_FLOAT32;
		const struct kernels_load load = { .precision = precision,
			                           .sequences = B,
			                           .length = T,
			                           .width = D,
			                           .heads = H,
			                           .parameters = PARAMETERS,
			                           .training = true };
		double sums[PARAMETERS / 4096];
		assert_int_equal(kernels->device_create(precision, 1, &device), STATUS_OK);
		size_t each = kernels->activation_bytes(device);
		char *x = kernels->allocate(device, 8 * R * 3 * D * each);
		float *f = kernels->allocate(device, PARAMETERS * sizeof *f),
		      *log_sum = kernels->allocate(device, R * H * sizeof *f);
		int32_t *ids = kernels->allocate(device, R * sizeof *ids);
		assert_true(x != NULL && f != NULL && log_sum != NULL && ids != NULL);
		assert_int_equal(kernels->embedding_backward(device, f, x, ids, R, D), STATUS_OK);
		assert_int_equal(kernels->norm_backward(device, x, f, x + R * D * each, x, log_sum, x, R, D, false),
		                 STATUS_OK);
		assert_int_equal(kernels->sum_of_squares(device, sums, f, PARAMETERS, 4096), STATUS_OK);
		assert_int_equal(kernels->attention_backward(device, x, x + D * each, x + 3 * R * D * each,
		                                             x + 4 * R * D * each, log_sum, x + 5 * R * D * each,
		                                             x + 5 * R * D * each + D * each, &shape),
		                 STATUS_OK);
		assert_int_equal(kernels->synchronize(device), STATUS_OK);
		assert_in_range(device->scratch_bytes, 1, kernels_cuda_footprint(&load).scratch);
		kernels->release(device, ids);
		kernels->release(device, log_sum);
		kernels->release(device, f);
		kernels->release(device, x);
		kernels->device_destroy(device);
	}
	/* A sequence of 8,192 with 32 heads: its matrices alone are 4 GiB, and one sequence at least is computed at once. */
	struct kernels_load large = { .precision = PRECISION_BFLOAT16,
		                      .sequences = 8,
		                      .length = 8192,
		                      .width = 2048,
		                      .heads = 32,
		                      .parameters = 1,
		                      .training = true };
	double bytes = (double)kernels_cuda_footprint(&large).attention, matrices = 4.0 * (1 << 30);
	assert_true(bytes > matrices && bytes < 1.5 * matrices);
	large.sequences = 1;
	assert_true((double)kernels_cuda_footprint(&large).attention > matrices);
	large.length = 2048;
	assert_true((double)kernels_cuda_footprint(&large).attention < matrices / 8);
	large.precision = PRECISION_FLOAT32;
	assert_int_equal(kernels_cuda_footprint(&large).attention, 0);
}

/* The head of wide rows by own products, which are not reckoned with unless they are asked for. */
static void test_footprint_of_own_products(void **state)
{
	enum { R = 200, D = 264, V = 1144 };
	const struct kernels_load load = { .precision = PRECISION_BFLOAT16,
		                           .sequences = 1,
		                           .length = R,
		                           .width = D,
		                           .heads = 4,
		                           .parameters = 1,
		                           .training = true };
	struct device *device;
	bool taken;

	(void)state;
	size_t without = kernels_cuda_footprint(&load).scratch;
	assert_int_equal(setenv("CAPSHAPE_PRODUCT", "own", 1), 0);
	assert_true(kernels_cuda_footprint(&load).scratch > without);
	assert_int_equal(kernels_cuda()->device_create(PRECISION_BFLOAT16, 1, &device), STATUS_OK);
	char *x = cuda_allocate(device, (R + V) * D * 2);
	float *numbers = cuda_allocate(device, 3 * R * sizeof(float));
	assert_true(x != NULL && numbers != NULL);
	assert_int_equal(cuda_narrow_head(device, numbers, NULL, NULL, x, x + R * D * 2, (int32_t *)numbers + R, NULL,
	                                  R, D, V, 1.0f, &taken),
	                 STATUS_OK);
	assert_true(taken);
	assert_int_equal(cuda_synchronize(device), STATUS_OK);
	assert_in_range(device->scratch_bytes, R * (V / 128 + 2) * sizeof(float),
	                kernels_cuda_footprint(&load).scratch);
	cuda_release(device, numbers);
	cuda_release(device, x);
	kernels_cuda()->device_destroy(device);
	unsetenv("CAPSHAPE_PRODUCT");
}

static int64_t size_of(int64_t number, int64_t most)
{
	return 2 + number * 7919 % (most - 2);
}

/* Number `number`, of which nothing has come yet, where it may not. */
static void ask_for(const struct kernels *kernels, struct device *device, int64_t *x, int64_t *target, int64_t number,
                    int64_t size)
{
	int64_t ends[] = { number, number + size };
	size_t bytes = sizeof ends[0];

	assert_int_equal(kernels->upload(device, x, &ends[0], bytes), STATUS_OK);
	assert_int_equal(kernels->upload(device, x + size - 1, &ends[1], bytes), STATUS_OK);
	target[0] = target[size - 1] = -1;
	assert_int_equal(kernels->download_later(device, target, x, (size_t)size * bytes), STATUS_OK);
}

/* Downloads that are waited for in parts come as far as they were waited for, through memory that goes round and round; more
 * than there is room for (16 MiB) are waited for sooner, and old marks may stand for later ones. */
static void test_downloads_in_parts(void **state)
{
	enum { COUNT = 500, MOST = 140000, AHEAD = 60 };
	static const struct {
		int64_t ahead, most;
		bool fits;
	} cases[] = { { 1, MOST, true }, { 8, 20000, true }, { 30, MOST, false }, { AHEAD, 300, false } };
	const struct kernels *kernels = kernels_cuda();
	static int64_t targets[AHEAD][MOST];
	int64_t marks[AHEAD];
	struct device *device;

	(void)state;
	assert_int_equal(kernels->device_create(PRECISION_FLOAT32, 1, &device), STATUS_OK);
	int64_t *x = kernels->allocate(device, MOST * sizeof *x);
	assert_non_null(x);
	for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
		int64_t ahead = cases[k].ahead, most = cases[k].most;
		for (int64_t i = 0; i < COUNT; i++) {
			int64_t *target = targets[i % ahead], old = i - ahead + 1;
			ask_for(kernels, device, x, target, i, size_of(i, most));
			assert_int_equal(kernels->mark(device, &marks[i % ahead]), STATUS_OK);
			assert_true(!cases[k].fits || target[0] == -1);
			if (old < 0)
				continue;
			assert_int_equal(kernels->wait_for(device, marks[old % ahead]), STATUS_OK);
			assert_int_equal(targets[old % ahead][0], old);
			assert_int_equal(targets[old % ahead][size_of(old, most) - 1], old + size_of(old, most));
			assert_true(!cases[k].fits || ahead == 1 || target[0] == -1);
		}
		assert_int_equal(kernels->synchronize(device), STATUS_OK);
		assert_int_equal(targets[(COUNT - 1) % ahead][0], COUNT - 1);
	}
	kernels->release(device, x);
	kernels->device_destroy(device);
}

/* A wait that its watch ends: who is told of it frees its memory, so nothing may be written there later. */
static enum status refuse(void *state)
{
	(void)state;
	return error_raise(STATUS_PEER, "in vain");
}

static void test_lost_downloads(void **state)
{
	const struct kernels *kernels = kernels_cuda();
	struct device *device;
	int64_t mark;
	float value = 7;

	(void)state;
	assert_int_equal(kernels->device_create(PRECISION_FLOAT32, 1, &device), STATUS_OK);
	float *memory = kernels->allocate(device, sizeof value);
	assert_int_equal(kernels->synchronize(device), STATUS_OK);
	for (int way = 0; way < 2; way++) {
		assert_int_equal(kernels->download_later(device, &value, memory, sizeof value), STATUS_OK);
		/* A look at an emulated device lets it do one thing: it is to have more to do than that. */
		for (int i = 0; i < 4; i++)
			assert_int_equal(kernels->clear(device, memory, sizeof value), STATUS_OK);
		assert_int_equal(kernels->mark(device, &mark), STATUS_OK);
		device->watch = (struct cuda_watch){ refuse, NULL };
		assert_int_equal(way == 0 ? kernels->wait_for(device, mark) : kernels->synchronize(device),
		                 STATUS_PEER);
		device->watch = (struct cuda_watch){ 0 };
		assert_int_equal(kernels->synchronize(device), STATUS_OK);
		assert_float_equal(value, 7, 0);
		/* It is not taken for what was computed; the message stays that of the failure. */
		assert_int_equal(kernels->wait_for(device, mark), STATUS_ENVIRONMENT);
		assert_string_equal(error_message(), "in vain");
	}
	error_clear();
	assert_int_equal(kernels->wait_for(device, mark), STATUS_ENVIRONMENT);
	assert_non_null(strstr(error_message(), "earlier failure"));
	/* Others go on. */
	assert_int_equal(kernels->download_later(device, &value, memory, sizeof value), STATUS_OK);
	assert_int_equal(kernels->synchronize(device), STATUS_OK);
	assert_float_equal(value, 0, 0);
	kernels->release(device, memory);
	kernels->device_destroy(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranks_share_the_devices),
		cmocka_unit_test(test_no_device),
		cmocka_unit_test(test_goes_on_without_memory),
		cmocka_unit_test(test_identities),
		cmocka_unit_test(test_footprint),
		cmocka_unit_test(test_footprint_of_own_products),
		cmocka_unit_test(test_downloads_in_parts),
		cmocka_unit_test(test_lost_downloads),
	};
	return cmocka_run_group_tests_name("emulator_devices", tests, NULL, NULL);
}
