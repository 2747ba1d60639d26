/* Fronts of forget and retain losses, and the areas under them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_findings.h"

#include <gsl/gsl_errno.h>

#include "report/frontier.h"
#include "report_near.h"

static void area_is_the_trapezoid_rule(void **state)
{
	(void)state;
	const double x[4] = { 3.0, 1.0, 2.0, 5.0 }, y[4] = { 4.0, 2.0, 3.0, 4.0 };
	assert_near(frontier_area(x, y, 4), 2.5 + 3.5 + 8.0, 1e-12);
	assert_near(frontier_height(x, y, 4, 1.0, 5.0), 14.0 / 4.0, 1e-12);
	assert_near(frontier_height(x, y, 4, 1.5, 2.5), 3.0, 1e-12);
	assert_near(frontier_height(x, y, 4, 3.5, 4.5), 4.0, 1e-12);
	assert_true(isnan(frontier_height(x, y, 4, 0.5, 2.0))); /* not covered */
	assert_true(isnan(frontier_area(x, y, 1)));
	const double bad[4] = { 3.0, NAN, 2.0, 5.0 };
	assert_true(isnan(frontier_area(bad, y, 4)));
}

static void front_holds_what_nothing_beats(void **state)
{
	(void)state;
	struct findings findings;
	char *folder = fixture_folder();
	fixture_write_study(folder, 4, 4, 0.0, 0.005, 60);
	find(&findings, folder, 200, NAN);
	size_t count = 0;
	struct frontier_point *points = frontier_points(&findings.comparison, 2, true, &count);
	assert_int_equal(count, 4);
	/* none retains most; document costs more (1.3) than mask (1.1) and forgets less (3 against 12); remove forgets most */
	const bool front[4] = { true, false, true, true };
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(points[i].front, front[i]);
		assert_near(points[i].share, front[i] ? 1.0 : 0.0, 0.1);
	}
	free(points);
	/* a method that forgets more at each retain loss has a positive area over that of the baseline */
	struct table table;
	frontier_area_table(&findings.comparison, &findings.curves, &table);
	int seen = 0;
	for (size_t row = 0; row < table_rows(&table); row++) {
		bool baseline = strcmp(table_cell(&table, row, "method")->text, "none") == 0;
		double height = table_cell(&table, row, "height_normalised")->real;
		double low = table_cell(&table, row, "height_normalised_low")->real;
		assert_int_equal(table_cell(&table, row, "points")->integer, 4);
		assert_true(baseline ? isnan(height) : height > 0.01 && low > 0.0 && low < height);
		seen++;
	}
	assert_int_equal(seen, 4 * 2);
	table_clear(&table);
	forget(&findings);
}

/* Two texts: each has a front of its own, and where one has no baseline that of the other is none. */
static void losses_on_other_texts_are_not_compared(void **state)
{
	(void)state;
	struct findings findings;
	char *folder = fixture_folder();
	for (size_t text = 0; text < 3; text++)
		for (size_t m = text == 2 ? 2 : 0; m < 3; m += 2) {
			struct fixture_run run = fixture_run_of(m, 1, 0.0, 0.004, 30);
			char point[64];
			snprintf(point, sizeof(point), "%s-%zu", run.method, text);
			run.point = point;
			run.parameter = "generate/entanglement";
			run.value = (const char *const[]){ "0", "0.5", "1" }[text];
			run.shift =
				1.0 +
				(double)text; /* the second text has higher losses, so it would beat and be beaten */
			fixture_write_run(folder, &run);
		}
	find(&findings, folder, 50, NAN);
	assert_int_equal(findings.study.method_count, 5);
	for (size_t m = 0; m < 5; m++) {
		const struct method *method = &findings.study.methods[m];
		const char *text = study_value(&findings.study, m, "generate/entanglement");
		if (strcmp(text, "1") == 0)
			assert_true(method->baseline == STUDY_NONE);
		else
			assert_string_equal(study_value(&findings.study, method->baseline, "generate/entanglement"),
			                    text);
	}
	size_t count = 0;
	struct frontier_point *points = frontier_points(&findings.comparison, 0, true, &count);
	assert_int_equal(count, 5);
	for (size_t i = 0; i < count; i++) { /* none retains more and mask forgets more, on every text */
		assert_true(points[i].front);
		assert_true(points[i].share > 0.9);
	}
	free(points);
	forget(&findings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(area_is_the_trapezoid_rule),
		cmocka_unit_test(front_holds_what_nothing_beats),
		cmocka_unit_test(losses_on_other_texts_are_not_compared),
	};
	gsl_set_error_handler_off();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
