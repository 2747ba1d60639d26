/* The emulator's streams: what was asked for is done when something waits for it, in every order that a GPU may choose; what a
 * program forgot to wait for shows.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "kernels/cuda/cuda.h"

enum { STREAMS = 4, BUFFERS = 5, OPERATIONS = 60, SCHEDULES = 24, MISSED = -1 };

static cudaStream_t new_stream(void)
{
	cudaStream_t stream;
	assert_int_equal(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
	return stream;
}

static cudaEvent_t new_event(void)
{
	cudaEvent_t event;
	assert_int_equal(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), cudaSuccess);
	return event;
}

/* Bytes of 0xff. */
static int32_t *new_numbers(size_t count)
{
	void *memory;
	assert_int_equal(cudaMalloc(&memory, count * sizeof(int32_t)), cudaSuccess);
	return memory;
}

struct step {
	int32_t *target;
	const int32_t *first, *second;
	int32_t factor;
};

static void run_step(void *arguments)
{
	const struct step *step = arguments;
	*step->target = (int32_t)((uint32_t)*step->first * 31u + (uint32_t)*step->second * (uint32_t)step->factor + 1u);
}

static void compute(cudaStream_t stream, int32_t *target, const int32_t *first, const int32_t *second, int32_t factor)
{
	struct step step = { target, first, second, factor };
	emulator_enqueue(stream, run_step, &step, sizeof step);
}

/* One stream writes, another reads: with a wait in between or not. */
static int32_t read_after_write(unsigned schedule, bool wait)
{
	cudaStream_t writer = new_stream(), reader = new_stream();
	cudaEvent_t written = new_event();
	int32_t *numbers = new_numbers(2), result = 0;

	emulator_set_schedule(schedule);
	assert_int_equal(cudaMemsetAsync(numbers, 0, sizeof *numbers, writer), cudaSuccess);
	assert_int_equal(cudaEventRecord(written, writer), cudaSuccess);
	if (wait)
		assert_int_equal(cudaStreamWaitEvent(reader, written, 0), cudaSuccess);
	assert_int_equal(cudaMemcpyAsync(numbers + 1, numbers, sizeof *numbers, cudaMemcpyDeviceToDevice, reader),
	                 cudaSuccess);
	assert_int_equal(cudaMemcpyAsync(&result, numbers + 1, sizeof result, cudaMemcpyDeviceToHost, reader),
	                 cudaSuccess);
	assert_int_equal(cudaStreamSynchronize(reader), cudaSuccess);
	cudaFree(numbers);
	cudaEventDestroy(written);
	cudaStreamDestroy(writer);
	cudaStreamDestroy(reader);
	return result;
}

static void test_missing_wait_is_noticed(void **state)
{
	(void)state;
	assert_int_equal(read_after_write(0, false), MISSED);
	assert_int_equal(read_after_write(1, false), 0);
	int missed = 0;
	for (unsigned schedule = 2; schedule < SCHEDULES; schedule++)
		missed += read_after_write(schedule, false) == MISSED;
	assert_in_range(missed, 1, SCHEDULES - 3);
	for (unsigned schedule = 0; schedule < SCHEDULES; schedule++)
		assert_int_equal(read_after_write(schedule, true), 0);
}

/* A program of many operations in several streams; each waits for the last one before it that used any of its buffers, but
 * for number `forgotten`, which waits for none. */
static void random_program(unsigned schedule, int forgotten, int32_t results[BUFFERS])
{
	cudaStream_t streams[STREAMS];
	cudaEvent_t used[BUFFERS];
	int32_t *buffers[BUFFERS];

	emulator_set_schedule(0);
	for (int i = 0; i < STREAMS; i++)
		streams[i] = new_stream();
	for (int i = 0; i < BUFFERS; i++) {
		used[i] = new_event();
		buffers[i] = new_numbers(1);
		assert_int_equal(cudaMemsetAsync(buffers[i], i, sizeof(int32_t), streams[0]), cudaSuccess);
	}
	assert_int_equal(cudaDeviceSynchronize(), cudaSuccess);
	emulator_set_schedule(schedule);
	for (int i = 0; i < OPERATIONS; i++) {
		uint64_t bits = random_bits(3, RANDOM_TEST, 1, (uint64_t)i);
		cudaStream_t stream = streams[bits % STREAMS];
		int places[3] = { (int)(bits >> 8 & 0xff) % BUFFERS, (int)(bits >> 16 & 0xff) % BUFFERS,
			          (int)(bits >> 24 & 0xff) % BUFFERS };
		for (int j = 0; j < 3 && i != forgotten; j++)
			assert_int_equal(cudaStreamWaitEvent(stream, used[places[j]], 0), cudaSuccess);
		compute(stream, buffers[places[0]], buffers[places[1]], buffers[places[2]], i);
		for (int j = 0; j < 3; j++)
			assert_int_equal(cudaEventRecord(used[places[j]], stream), cudaSuccess);
	}
	for (int i = 0; i < BUFFERS; i++) {
		assert_int_equal(cudaEventSynchronize(used[i]), cudaSuccess);
		results[i] = *buffers[i];
	}
	assert_int_equal(cudaDeviceSynchronize(), cudaSuccess);
	for (int i = 0; i < BUFFERS; i++) {
		cudaFree(buffers[i]);
		cudaEventDestroy(used[i]);
	}
	for (int i = 0; i < STREAMS; i++)
		cudaStreamDestroy(streams[i]);
}

static void test_right_program_has_one_result(void **state)
{
	int32_t expected[BUFFERS], results[BUFFERS];

	(void)state;
	random_program(0, -1, expected);
	for (unsigned schedule = 1; schedule < SCHEDULES; schedule++) {
		random_program(schedule, -1, results);
		assert_memory_equal(results, expected, sizeof expected);
	}
	int noticed = 0;
	for (int forgotten = 0; forgotten < OPERATIONS; forgotten++) {
		bool equal = true;
		for (unsigned schedule = 0; schedule < SCHEDULES; schedule++) {
			random_program(schedule, forgotten, results);
			equal = equal && memcmp(results, expected, sizeof expected) == 0;
		}
		noticed += !equal;
	}
	/* Some waits are for nothing: the stream itself was the last to use the buffers, or nobody reads the result. */
	assert_in_range(noticed, OPERATIONS / 3, OPERATIONS);
}

/* A wait is for the record call before it, whatever is recorded later; and there may have been none. */
static void test_event_of_the_last_record(void **state)
{
	cudaStream_t first = new_stream(), second = new_stream();
	cudaEvent_t event = new_event(), never = new_event();
	int32_t *numbers = new_numbers(2);

	(void)state;
	emulator_set_schedule(0);
	assert_int_equal(cudaEventQuery(never), cudaSuccess);
	assert_int_equal(cudaStreamWaitEvent(second, never, 0), cudaSuccess);
	cudaMemsetAsync(numbers, 1, 4, first);
	cudaEventRecord(event, first);
	cudaStreamWaitEvent(second, event, 0);
	cudaMemsetAsync(numbers, 2, 4, first);
	cudaEventRecord(event, first);
	cudaMemcpyAsync(numbers + 1, numbers, 4, cudaMemcpyDeviceToDevice, second);
	assert_int_equal(cudaStreamSynchronize(second), cudaSuccess);
	assert_int_equal(numbers[1], 0x01010101);
	assert_int_equal(numbers[0], 0x01010101);
	assert_int_equal(cudaEventSynchronize(event), cudaSuccess);
	assert_int_equal(numbers[0], 0x02020202);
	cudaFree(numbers);
	cudaEventDestroy(event);
	cudaEventDestroy(never);
	cudaStreamDestroy(first);
	cudaStreamDestroy(second);
}

/* Page-locked memory that is written to before the copy from it was waited for. */
static int32_t upload(unsigned schedule, bool wait)
{
	cudaStream_t stream = new_stream();
	cudaEvent_t copied = new_event();
	int32_t *number = new_numbers(1), *staging, result;

	emulator_set_schedule(schedule);
	assert_int_equal(cudaHostAlloc((void **)&staging, sizeof *staging, cudaHostAllocDefault), cudaSuccess);
	*staging = 7;
	cudaMemcpyAsync(number, staging, sizeof *number, cudaMemcpyHostToDevice, stream);
	cudaEventRecord(copied, stream);
	if (wait)
		cudaEventSynchronize(copied);
	*staging = 8;
	cudaStreamSynchronize(stream);
	result = *number;
	cudaFree(number);
	cudaFreeHost(staging);
	cudaEventDestroy(copied);
	cudaStreamDestroy(stream);
	return result;
}

static void test_used_staging_memory_is_noticed(void **state)
{
	int late = 0;

	(void)state;
	assert_int_equal(upload(0, false), 8);
	for (unsigned schedule = 2; schedule < SCHEDULES; schedule++)
		late += upload(schedule, false) == 8;
	assert_in_range(late, 1, SCHEDULES - 3);
	for (unsigned schedule = 0; schedule < SCHEDULES; schedule++)
		assert_int_equal(upload(schedule, true), 7);
}

/* Asking does one thing, so that who asks again and again comes to an end. */
static void test_queries(void **state)
{
	cudaStream_t stream = new_stream();
	cudaEvent_t event = new_event();
	int32_t *numbers = new_numbers(3);

	(void)state;
	emulator_set_schedule(0);
	assert_int_equal(cudaStreamQuery(stream), cudaSuccess);
	for (int i = 0; i < 3; i++) {
		cudaMemsetAsync(numbers + i, 0, 4, stream);
		if (i == 1)
			cudaEventRecord(event, stream);
	}
	assert_int_equal(numbers[0], MISSED);
	assert_int_equal(cudaGetLastError(), cudaSuccess);
	assert_int_equal(cudaEventQuery(event), cudaErrorNotReady);
	assert_int_equal(cudaGetLastError(), cudaErrorNotReady);
	assert_int_equal(numbers[0], 0);
	assert_int_equal(numbers[1], MISSED);
	assert_int_equal(cudaEventQuery(event), cudaSuccess);
	assert_int_equal(cudaEventQuery(event), cudaSuccess);
	assert_int_equal(numbers[1], 0);
	assert_int_equal(numbers[2], MISSED);
	assert_int_equal(cudaStreamQuery(stream), cudaSuccess);
	assert_int_equal(numbers[2], 0);
	cudaFree(numbers);
	cudaEventDestroy(event);
	cudaStreamDestroy(stream);
}

/* Memory is given back after everything, also what a destroyed stream has left to do. */
static void test_free_waits(void **state)
{
	cudaStream_t stream = new_stream();
	int32_t *numbers = new_numbers(1), *others = new_numbers(1);

	(void)state;
	emulator_set_schedule(0);
	cudaMemsetAsync(numbers, 0, 4, stream);
	cudaStreamDestroy(stream);
	assert_int_equal(*numbers, MISSED);
	cudaFree(others);
	assert_int_equal(*numbers, 0);
	cudaFree(numbers);
}

/* ---- what ends the program */

static void launch_with_host_memory(void)
{
	struct device *device;
	float x[4] = { 0 };
	if (kernels_cuda()->device_create(PRECISION_FLOAT32, 1, &device) == STATUS_OK)
		kernels_cuda()->add(device, x, x, 4);
}

static void copy_behind_the_end(void)
{
	int32_t *numbers = new_numbers(4), host[5];
	cudaMemcpyAsync(host, numbers, sizeof host, cudaMemcpyDeviceToHost, new_stream());
}

static void clear_host_memory(void)
{
	int32_t host[4];
	cudaMemsetAsync(host, 0, sizeof host, new_stream());
}

static void copy_from_the_wrong_side(void)
{
	int32_t *numbers = new_numbers(4);
	cudaMemcpyAsync(numbers, numbers + 1, 4, cudaMemcpyHostToDevice, new_stream());
}

static void use_default_stream(void)
{
	int32_t *numbers = new_numbers(4);
	cudaMemsetAsync(numbers, 0, 4, NULL);
}

static void use_destroyed_stream(void)
{
	cudaStream_t stream = new_stream();
	cudaStreamDestroy(stream);
	cudaStreamSynchronize(stream);
}

static void free_twice(void)
{
	int32_t *numbers = new_numbers(4);
	cudaFree(numbers);
	cudaFree(numbers);
}

static void test_mistakes_end_the_program(void **state)
{
	static void (*const mistakes[])(
		void) = { launch_with_host_memory, copy_behind_the_end,  clear_host_memory, copy_from_the_wrong_side,
		          use_default_stream,      use_destroyed_stream, free_twice };

	(void)state;
	for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
		fflush(NULL);
		pid_t child = fork();
		if (child == 0) {
			signal(SIGABRT, SIG_DFL);
			mistakes[i]();
			_exit(0);
		}
		int how;
		assert_int_equal(waitpid(child, &how, 0), child);
		if (!WIFSIGNALED(how) || WTERMSIG(how) != SIGABRT)
			fail_msg("mistake %zu was not noticed", i);
	}
}

static void test_bus_of_a_device(void **state)
{
	char first[32], second[32], given[32];

	(void)state;
	emulator_set_devices(3);
	assert_int_equal(cudaDeviceGetPCIBusId(first, sizeof first, 0), cudaSuccess);
	assert_int_equal(cudaDeviceGetPCIBusId(second, sizeof second, 2), cudaSuccess);
	assert_string_not_equal(first, second);
	assert_int_equal(cudaDeviceGetPCIBusId(second, 4, 2), cudaErrorInvalidValue);
	assert_int_equal(cudaDeviceGetPCIBusId(second, sizeof second, 3), cudaErrorInvalidValue);
	setenv("CAPSHAPE_EMULATOR_BUS", "0000:3B:00.0", 1);
	assert_int_equal(cudaDeviceGetPCIBusId(given, sizeof given, 0), cudaSuccess);
	assert_string_equal(given, "0000:3B:00.0");
	unsetenv("CAPSHAPE_EMULATOR_BUS");
	emulator_set_devices(1);
	cudaGetLastError();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing_wait_is_noticed),
		cmocka_unit_test(test_right_program_has_one_result),
		cmocka_unit_test(test_event_of_the_last_record),
		cmocka_unit_test(test_used_staging_memory_is_noticed),
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_free_waits),
		cmocka_unit_test(test_mistakes_end_the_program),
		cmocka_unit_test(test_bus_of_a_device),
	};
	return cmocka_run_group_tests_name("emulator_streams", tests, NULL, NULL);
}
