/* When the program is to stop: signals, the clock, the words for both.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/stop.h"
#include "base/timer.h"

static void test_clock(void **state)
{
	(void)state;
	stop_configure(false, INFINITY, -1);
	assert_false(stop_asked(1e9));
	stop_configure(false, timer_seconds() + 100, -1);
	assert_false(stop_asked(0));
	assert_false(stop_asked(99));
	assert_true(stop_asked(101)); /* what the caller needs */
	assert_true(stop_for_time());
	assert_non_null(strstr(stop_reason(), "time"));
	stop_configure(false, timer_seconds() + 25, -1);
	assert_true(stop_asked(0)); /* never less than 30 s */
	stop_configure(false, timer_seconds() + 25, 20);
	assert_false(stop_asked(1000)); /* a given margin is the only one */
	stop_configure(false, timer_seconds() + 25, 26);
	assert_int_equal(stop_check("testing"), STATUS_STOPPED);
	assert_non_null(strstr(error_message(), "while testing"));
	stop_configure(false, INFINITY, -1);
	assert_int_equal(stop_check("testing"), STATUS_OK);
}

static void test_usr1(void **state)
{
	(void)state;
	stop_install();
	stop_configure(false, INFINITY, -1);
	assert_false(stop_checkpoint_asked());
	raise(SIGUSR1);
	assert_false(stop_asked(0));
	assert_true(stop_checkpoint_asked());
	assert_false(stop_checkpoint_asked()); /* once a signal */
	stop_configure(true, INFINITY, -1);
	raise(SIGUSR1);
	assert_false(stop_checkpoint_asked());
	assert_true(stop_asked(0));
	assert_true(stop_asked(0));
	assert_false(stop_for_time());
}

/* In a child: the flag of SIGTERM stays. */
static int exit_code_after(int signals)
{
	int code = 0;
	pid_t child = fork();
	if (child == 0) {
		stop_install();
		stop_configure(false, INFINITY, -1);
		for (int i = 0; i < signals; i++)
			raise(i % 2 == 0 ? SIGTERM : SIGINT);
		_exit(stop_asked(0) && strcmp(stop_reason(), "on request") == 0 ? 17 : 18);
	}
	waitpid(child, &code, 0);
	return WEXITSTATUS(code);
}

static void test_term(void **state)
{
	(void)state;
	assert_int_equal(exit_code_after(0), 18);
	assert_int_equal(exit_code_after(1), 17);
	assert_int_equal(exit_code_after(2), status_exit_code(STATUS_STOPPED)); /* the second one is meant */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_term),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_usr1),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
