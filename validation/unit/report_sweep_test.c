/* What was swept besides method and size: curves, noise, delay, switches, recall questions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_findings.h"

#include <gsl/gsl_errno.h>

#include "report/questions.h"
#include "report_near.h"

/* ---- noise and delay ---- */

static void error_rate_is_the_formula(void **state)
{
	(void)state;
	assert_near(curves_error_rate(0.89, 0.0), 0.11, 1e-12);
	assert_near(curves_error_rate(0.89, 1.0), 0.89, 1e-12);
	assert_near(curves_error_rate(0.89, 0.5), 0.5, 1e-12);
	assert_near(curves_error_rate(0.89, 0.3), 1.0 - 0.89 * 0.7 - 0.3 * 0.11, 1e-12);
	assert_near(curves_error_rate(1.0, 0.25), 0.25, 1e-12);
	/* accuracy = 1 - (0.89 + r (1 - 2 x 0.89)) of the reference, the other way round */
	assert_near(1.0 - curves_error_rate(0.89, 0.15), 0.15 + 0.89 * (1.0 - 0.3), 1e-12);
}

static void noise_gives_a_curve_over_error_rates(void **state)
{
	(void)state;
	static const char *const values[] = { "0.3", "0", "0.15", "0.6" }; /* sorted by the report */
	double slowdowns[4];
	for (int i = 0; i < 4; i++)
		slowdowns[i] = pow(curves_error_rate(0.89, strtod(values[i], NULL)), -1.5);
	struct findings findings;
	char *folder = fixture_folder();
	write_sweep(folder, "filter/noise", 4, values, slowdowns, 0.0);
	find(&findings, folder, 50, 0.89);
	assert_int_equal(findings.curves.axis_count, 1);
	assert_string_equal(findings.curves.axes[0].name, "filter/noise");
	assert_int_equal(findings.curves.curve_count, 3); /* one a size */
	const struct curve *curve = &findings.curves.curves[2];
	assert_string_equal(curve->family, "mask");
	assert_int_equal(curve->count, 4);
	assert_near(curve->x[0], 0.11, 1e-12);
	assert_near(curve->x[3], curves_error_rate(0.89, 0.6), 1e-12);

	struct table table;
	curves_decay_table(&findings.curves, &table);
	assert_int_equal(table.status, STATUS_OK);
	size_t rows = 0;
	for (size_t row = 0; row < table_rows(&table); row++) {
		if (strcmp(table_cell(&table, row, "set")->text, "forget") != 0)
			continue;
		assert_near(table_cell(&table, row, "exponent")->real, 1.5, 1e-4);
		rows++;
	}
	assert_int_equal(rows, 3 * 2); /* sizes, label and all */
	table_clear(&table);
	forget(&findings);
}

static void delay_is_relative_to_none(void **state)
{
	(void)state;
	static const char *const values[] = { "0", "0.2", "0.4", "0.8" };
	static const double slowdowns[] = { 40.0, 12.0, 4.0, 1.5 };
	struct findings findings;
	struct table table;
	char *folder = fixture_folder();
	write_sweep(folder, "filter/begin_share", 4, values, slowdowns, 0.003);
	find(&findings, folder, 200, NAN);
	curves_table(&findings.curves, &table);
	int seen = 0;
	for (size_t row = 0; row < table_rows(&table); row++) {
		if (strcmp(table_cell(&table, row, "set")->text, "forget") != 0 ||
		    strcmp(table_cell(&table, row, "value")->text, "0.4") != 0 ||
		    strcmp(table_cell(&table, row, "tokens")->text, "all") != 0)
			continue;
		double low = table_cell(&table, row, "relative_low")->real;
		double high = table_cell(&table, row, "relative_high")->real;
		assert_near(table_cell(&table, row, "x")->real, 0.4, 1e-12);
		assert_near(table_cell(&table, row, "relative")->real, 0.1, 0.01);
		assert_true(low < 0.1 && 0.1 < high && high < 1.3 * low);
		seen++;
	}
	assert_int_equal(seen, 3);
	table_clear(&table);
	forget(&findings);
}

/* Two keys that move together are one axis; a switch is an axis of names. */
static void axes_that_move_together_are_one(void **state)
{
	(void)state;
	static const char *const token[] = { "0.1", "0.3", "0.6" }, *const document[] = { "0.2", "0.4", "0.7" };
	struct findings findings;
	char *folder = fixture_folder();
	for (size_t m = 0; m < 3; m++)
		for (size_t i = 0; i < (m ? 3 : 1); i++) {
			struct fixture_run run = fixture_run_of(m, 1, 0.0, 0.0, 20);
			char point[64];
			snprintf(point, sizeof(point), "%zu-%zu", m, i);
			run.point = point;
			run.parameter = "filter/token_threshold";
			run.value = token[i];
			run.second = "filter/document_threshold";
			run.second_value = document[i];
			fixture_write_run(folder, &run);
		}
	find(&findings, folder, 0, NAN);
	assert_int_equal(findings.curves.axis_count, 1);
	assert_int_equal(findings.curves.curve_count, 2);
	assert_string_equal(findings.curves.curves[0].family, "document");
	assert_int_equal(findings.curves.curves[1].count, 3);
	assert_true(findings.curves.axes[0].numeric);
	forget(&findings);
}

static void switches_are_names(void **state)
{
	(void)state;
	static const char *const values[] = { "off", "on" };
	static const double slowdowns[] = { 12.0, 30.0 };
	struct findings findings;
	char *folder = fixture_folder();
	write_sweep(folder, "compat/input_mask", 2, values, slowdowns, 0.0);
	find(&findings, folder, 0, NAN);
	assert_int_equal(findings.curves.axis_count, 1);
	assert_false(findings.curves.axes[0].numeric);
	assert_int_equal(findings.curves.curve_count, 3);
	assert_int_equal(findings.curves.curves[0].count, 2);
	assert_true(findings.curves.curves[0].x[0] < findings.curves.curves[0].x[1]);
	forget(&findings);
}

/* ---- recall questions ---- */

static void questions_are_compared(void **state)
{
	(void)state;
	static const char *const values[] = { "0.1", "0.2" };
	static const double slowdowns[] = { 12.0, 30.0 };
	struct findings findings;
	struct question_results results;
	char *folder = fixture_folder();
	write_sweep(folder, "filter/token_threshold", 2, values, slowdowns, 0.0);
	find(&findings, folder, 200, NAN);
	FIXTURE_TRY(questions_create(&findings.comparison, &results));
	assert_int_equal(results.set_count, 2);
	assert_string_equal(results.sets[0], "forget");
	const struct question_result *none = questions_at(&results, 0, study_cell(&findings.study, 0, 1));
	const struct question_result *mask = questions_at(&results, 0, study_cell(&findings.study, 1, 1));
	assert_int_equal(mask->questions, 40);
	assert_near(none->accuracy.value, 0.8, 1e-12);
	assert_near(mask->accuracy.value, 0.5, 1e-12);
	assert_near(mask->difference.value, -0.3, 1e-12);
	assert_near(mask->chance, 0.25, 1e-12);
	assert_near(mask->margin, 0.5, 1e-6);
	/* the width of a share of 40: about 1.96 sqrt(0.25 / 40) */
	assert_near(mask->accuracy.high - mask->accuracy.low, 0.31, 0.06);
	assert_true(mask->difference.high < 0.0);
	const struct question_result *retain = questions_at(&results, 1, study_cell(&findings.study, 1, 1));
	assert_near(retain->difference.value, 0.0, 1e-12);
	questions_clear(&results);
	forget(&findings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_rate_is_the_formula), cmocka_unit_test(noise_gives_a_curve_over_error_rates),
		cmocka_unit_test(delay_is_relative_to_none), cmocka_unit_test(axes_that_move_together_are_one),
		cmocka_unit_test(switches_are_names),        cmocka_unit_test(questions_are_compared),
	};
	gsl_set_error_handler_off();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
