/* Timetables: the points of a sweep over the groups that train them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "roles/timetable.h"

static void longest_points_go_first_to_the_group_that_is_free(void **state)
{
	(void)state;
	static const struct timetable_item items[] = {
		{ 0, 0, 2 }, { 1, 0, 7 }, { 2, 0, 3 }, { 3, 0, 6 }, { 4, 1, 5 }
	};
	struct timetable timetable;
	assert_int_equal(timetable_create(items, 5, 2, &timetable), STATUS_OK);
	/* 7 | 6, then 3 to the second group, 2 to the first; the next phase begins when both are done */
	static const int64_t points[] = { 1, 3, 2, 0, 4 };
	static const int groups[] = { 0, 1, 1, 0, 0 };
	for (int i = 0; i < 5; i++) {
		assert_int_equal(timetable.places[i].point, points[i]);
		assert_int_equal(timetable.places[i].group, groups[i]);
	}
	assert_true(timetable.places[4].begin > 8.9 && timetable.places[4].begin < 9.1);
	assert_true(timetable.end > 13.9 && timetable.end < 14.1);
	timetable_clear(&timetable);
	/* one group keeps the order of the input file */
	assert_int_equal(timetable_create(items, 5, 1, &timetable), STATUS_OK);
	for (int i = 0; i < 5; i++)
		assert_int_equal(timetable.places[i].point, i);
	timetable_clear(&timetable);
}

static void a_timetable_is_never_far_from_the_shortest(void **state)
{
	(void)state;
	enum { COUNT = 500 };
	struct timetable_item items[COUNT];
	double sum = 0, longest = 0;
	for (int i = 0; i < COUNT; i++) {
		items[i] = (struct timetable_item){ i, 0, 1 + i * 7919 % 101 };
		sum += items[i].cost;
		longest = items[i].cost > longest ? items[i].cost : longest;
	}
	for (int groups = 1; groups <= 600; groups = groups * 3 + 1) {
		struct timetable timetable;
		assert_int_equal(timetable_create(items, COUNT, groups, &timetable), STATUS_OK);
		double bound = sum / groups > longest ? sum / groups : longest;
		assert_true(timetable.end >= 0.999 * bound && timetable.end <= 4.0 / 3 * bound + 0.001);
		timetable_clear(&timetable);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longest_points_go_first_to_the_group_that_is_free),
		cmocka_unit_test(a_timetable_is_never_far_from_the_shortest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
