/* Tests of src/comm/lifeline: what rank 0 makes of those who connect to it. The file itself is included, as greeting a
 * stranger is nothing that its users could ask for.
 * SPDX-License-Identifier: Apache-2.0 */
#include "comm/lifeline_connect.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { RANKS = 3, SECRET = 77 };

/* What greet() makes of a connection on which `size` bytes of `greeting` were sent. */
static bool is_accepted(const struct greeting *greeting, size_t size, double *seconds_out)
{
	int sockets[RANKS] = { -1, -1, -1 }, pair[2];
	struct lifeline lifeline = { .rank = 0, .size = RANKS, .sockets = sockets, .wake = { -1, -1 } };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(send(pair[1], greeting, size, MSG_NOSIGNAL), (ssize_t)size);
	double begin = timer_seconds();
	greet(&lifeline, pair[0], SECRET);
	*seconds_out = timer_seconds() - begin;
	bool accepted = lifeline.count == 1;
	if (accepted) {
		assert_int_equal(lifeline.sockets[greeting->rank], pair[0]);
		close(pair[0]);
	} else {
		char byte;
		assert_int_equal(recv(pair[1], &byte, 1, 0), 0); /* it was hung up on */
	}
	close(pair[1]);
	return accepted;
}

static void ranks_of_the_job_are_accepted(void **state)
{
	(void)state;
	double seconds;
	struct greeting greeting = { SECRET, 2 };
	assert_true(is_accepted(&greeting, sizeof greeting, &seconds));
	greeting.rank = 1;
	assert_true(is_accepted(&greeting, sizeof greeting, &seconds));
}

static void strangers_are_not(void **state)
{
	(void)state;
	double seconds;
	struct greeting wrong = { SECRET + 1, 1 }, outside = { SECRET, RANKS }, first = { SECRET, 0 };
	assert_false(is_accepted(&wrong, sizeof wrong, &seconds));
	assert_false(is_accepted(&outside, sizeof outside, &seconds));
	assert_false(is_accepted(&first, sizeof first, &seconds));
}

/* Waiting for the rest of a greeting that never comes must end, or nobody's job would start. */
static void silent_strangers_hold_nobody_up(void **state)
{
	(void)state;
	double seconds;
	struct greeting greeting = { SECRET, 1 };
	assert_false(is_accepted(&greeting, 0, &seconds));
	assert_true(seconds >= CONNECT_MILLISECONDS / 1000.0);
	assert_false(is_accepted(&greeting, sizeof greeting - 5, &seconds));
	assert_true(seconds >= CONNECT_MILLISECONDS / 1000.0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks_of_the_job_are_accepted),
		cmocka_unit_test(strangers_are_not),
		cmocka_unit_test(silent_strangers_hold_nobody_up),
	};
	alarm(60); /* a wait without end is a failure */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
