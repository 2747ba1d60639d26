/* Work in a thread of its own: what it leaves, and that its owner goes on meanwhile.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1 /* pthread_setattr_default_np */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/background.h"

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

/* Begins, then does not end before it is let go. */
struct gate {
	atomic_bool begun, open;
	enum status status;
	int done;
};

static enum status pass_gate(void *context)
{
	struct gate *gate = context;
	atomic_store(&gate->begun, true);
	while (!atomic_load(&gate->open))
		nap();
	gate->done++;
	return gate->status == STATUS_OK ? STATUS_OK : error_raise(gate->status, "the gate is number %d", gate->done);
}

static void test_goes_on_meanwhile(void **state)
{
	struct background *background;
	struct gate gate = { .status = STATUS_OK };
	(void)state;
	assert_int_equal(background_create(&background), STATUS_OK);
	assert_false(background_busy(background));
	assert_true(background_done(background));
	assert_int_equal(background_end(background), STATUS_OK);
	for (int i = 1; i <= 3; i++) {
		atomic_store(&gate.begun, false);
		atomic_store(&gate.open, false);
		background_start(background, pass_gate, &gate);
		/* Would not come to an end if the work were done here. */
		while (!atomic_load(&gate.begun))
			nap();
		assert_true(background_busy(background));
		assert_false(background_done(background) || background_failed(background));
		atomic_store(&gate.open, true);
		assert_int_equal(background_end(background), STATUS_OK);
		assert_int_equal(gate.done, i);
		assert_false(background_busy(background));
	}
	background_destroy(background);
}

static void test_failure(void **state)
{
	struct background *background;
	struct gate gate = { .status = STATUS_IO, .done = 6 };
	(void)state;
	assert_int_equal(background_create(&background), STATUS_OK);
	error_raise(STATUS_DATA, "an older message of this thread");
	background_start(background, pass_gate, &gate);
	assert_false(background_failed(background));
	atomic_store(&gate.open, true);
	while (!background_done(background))
		nap();
	assert_true(background_failed(background));
	/* Messages belong to threads until the end hands this one over. */
	assert_string_equal(error_message(), "an older message of this thread");
	assert_int_equal(background_end(background), STATUS_IO);
	assert_string_equal(error_message(), "the gate is number 7");
	assert_false(background_failed(background));
	/* And there can be other work after it. */
	gate.status = STATUS_OK;
	background_start(background, pass_gate, &gate);
	assert_int_equal(background_end(background), STATUS_OK);
	assert_int_equal(gate.done, 8);
	background_destroy(background);
	background_destroy(NULL);
}

static void test_destroy_waits(void **state)
{
	struct background *background;
	struct gate gate = { .status = STATUS_DATA };
	(void)state;
	assert_int_equal(background_create(&background), STATUS_OK);
	background_start(background, pass_gate, &gate);
	atomic_store(&gate.open, true);
	background_destroy(background);
	assert_int_equal(gate.done, 1);
}

static volatile sig_atomic_t handled_by_owner;
static pthread_t owner;

static void handle(int number)
{
	(void)number;
	handled_by_owner = pthread_equal(pthread_self(), owner) ? 1 : -1;
}

/* Signals for the process come to the thread that knows what to do. */
static void test_signals(void **state)
{
	struct background *background;
	struct gate gate = { .status = STATUS_OK };
	(void)state;
	owner = pthread_self();
	signal(SIGUSR1, handle);
	assert_int_equal(background_create(&background), STATUS_OK);
	background_start(background, pass_gate, &gate);
	while (!atomic_load(&gate.begun))
		nap();
	/* While this thread does not want it, the other could have it. */
	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &one, NULL);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	for (int i = 0; i < 20; i++)
		nap();
	assert_int_equal(handled_by_owner, 0);
	pthread_sigmask(SIG_UNBLOCK, &one, NULL);
	assert_int_equal(handled_by_owner, 1);
	atomic_store(&gate.open, true);
	assert_int_equal(background_end(background), STATUS_OK);
	background_destroy(background);
	signal(SIGUSR1, SIG_DFL);
}

static enum status note_thread(void *context)
{
	*(bool *)context = pthread_equal(pthread_self(), owner);
	return error_raise(STATUS_NUMERIC, "done");
}

/* No thread can be had, for a stack of terabytes: the work is done nevertheless. */
static void test_without_threads(void **state)
{
	struct background *background;
	pthread_attr_t before, vast;
	bool here = false;
	(void)state;
	owner = pthread_self();
	assert_int_equal(background_create(&background), STATUS_OK);
	assert_int_equal(pthread_getattr_default_np(&before), 0);
	assert_int_equal(pthread_getattr_default_np(&vast), 0);
	assert_int_equal(pthread_attr_setstacksize(&vast, (size_t)1 << 46), 0);
	assert_int_equal(pthread_setattr_default_np(&vast), 0);
	background_start(background, note_thread, &here);
	assert_true(here);
	assert_true(background_done(background) && background_failed(background));
	assert_int_equal(pthread_setattr_default_np(&before), 0);
	assert_int_equal(background_end(background), STATUS_NUMERIC);
	assert_string_equal(error_message(), "done");
	background_destroy(background);
	pthread_attr_destroy(&before);
	pthread_attr_destroy(&vast);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_on_meanwhile), cmocka_unit_test(test_failure),
		cmocka_unit_test(test_destroy_waits),     cmocka_unit_test(test_signals),
		cmocka_unit_test(test_without_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
