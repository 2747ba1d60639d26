/* Work that is timed in pieces: what disturbs some of them does not count.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tasks/rates.h"

/* Calls of these seconds, from 100 s on. */
static double best_of(const double *calls, int count, double length)
{
	struct pieces pieces = { .length = length, .begin = 100 };
	double now = 100;
	for (int i = 0; i < count; i++) {
		now += calls[i];
		pieces_add(&pieces, now, 1);
	}
	return pieces_best(&pieces, now);
}

static void the_fastest_piece_counts(void **state)
{
	(void)state;
	/* pieces of two calls; somebody else is at work in all but one of them */
	const double calls[] = { 0.25, 0.75, 0.25, 0.25, 2, 3, 0.5, 0.25 };
	assert_true(fabs(best_of(calls, 8, 0.5) - 0.25) < 1e-12);
	/* a call that is longer than a piece is one */
	const double slow[] = { 3, 2, 4 };
	assert_true(fabs(best_of(slow, 3, 0.5) - 2) < 1e-12);
}

static void what_is_left_counts_alone(void **state)
{
	(void)state;
	const double calls[] = { 0.25, 0.125 };
	assert_true(fabs(best_of(calls, 2, 10) - 0.1875) < 1e-12);
	/* and not beside a whole piece: one short call is no measure */
	const double more[] = { 1, 1, 0.001 };
	assert_true(fabs(best_of(more, 3, 1) - 1) < 1e-12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fastest_piece_counts),
		cmocka_unit_test(what_is_left_counts_alone),
	};
	return cmocka_run_group_tests_name("tasks_rates", tests, NULL, NULL);
}
