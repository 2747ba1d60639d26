/* What was swept besides method and size: curves, noise, delay, fronts, areas, recall questions, predictions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_fixture.h"

#include <gsl/gsl_errno.h>

#include "report/frontier.h"
#include "report/predict.h"
#include "report/questions.h"
#include "report_near.h"

struct findings {
	char *folder;
	struct run_list list;
	struct study study;
	struct comparison comparison;
	struct curves curves;
};

static void find(struct findings *findings, char *folder, size_t resamples, double accuracy)
{
	static const struct study_options study = { .baseline = "none" };
	const struct compare_options options = { .resamples = resamples, .confidence = 0.95, .seed = 1 };
	*findings = (struct findings){ .folder = folder };
	FIXTURE_TRY(load_folder(folder, &findings->list));
	FIXTURE_TRY(study_create(&findings->list, &study, &findings->study));
	FIXTURE_TRY(compare_create(&findings->study, &options, &findings->comparison));
	FIXTURE_TRY(curves_create(&findings->comparison, accuracy, &findings->curves));
}

static void forget(struct findings *findings)
{
	curves_clear(&findings->curves);
	compare_clear(&findings->comparison);
	study_clear(&findings->study);
	load_clear(&findings->list);
	fixture_remove(findings->folder);
}

/* none and mask x `values` of a key x three sizes; the forget slowdown of mask at value i is slowdowns[i]. */
static void write_sweep(const char *folder, const char *key, size_t count, const char *const *values,
                        const double *slowdowns, double noise)
{
	for (size_t s = 0; s < 3; s++)
		for (size_t i = 0; i <= count; i++) {
			struct fixture_run run = fixture_run_of(i ? 2 : 0, s, 0.0, noise, 30);
			char point[96];
			snprintf(point, sizeof(point), "%s-%zu-%s", run.method, i, run.size);
			run.point = point;
			run.parameter = key;
			run.value = i ? values[i - 1] : "0";
			run.slowdown[0] = i ? slowdowns[i - 1] : 1.0;
			run.slowdown[1] = i ? 1.0 + 0.3 * (double)(count - i) / (double)count : 1.0;
			run.recall = i ? 0.5 : 0.8;
			fixture_write_run(folder, &run);
		}
}

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

/* ---- fronts and areas ---- */

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

/* ---- predictions ---- */

static void prediction_is_kept_and_compared(void **state)
{
	(void)state;
	struct findings findings;
	struct table table;
	struct predict_counts counts;
	char *folder = fixture_folder();
	for (size_t m = 0; m < 3; m += 2)
		for (size_t s = 0; s < 4; s++) {
			struct fixture_run run = fixture_run_of(m, s, 0.0, 0.004, 60);
			char point[64];
			snprintf(point, sizeof(point), "%s-%s", run.method, run.size);
			run.point = point;
			fixture_write_run(folder, &run);
		}
	find(&findings, folder, 200, NAN);
	assert_int_equal(predict_size(&findings.comparison, folder, "seven", "2030-01-02", "1", &counts), STATUS_USAGE);
	assert_int_equal(predict_size(&findings.comparison, folder, "13230720", "2030-01-02", "1", &counts),
	                 STATUS_DATA);
	FIXTURE_TRY(predict_size(&findings.comparison, folder, "224.757M", "2030-01-02", "1.2 (abc)", &counts));
	assert_int_equal(counts.rows, 2 * 7);
	assert_int_equal(counts.without_misfit, 0);
	FIXTURE_TRY(predict_table(&findings.comparison, folder, &table));
	assert_int_equal(table_rows(&table), 14);
	assert_string_equal(table_cell(&table, 0, "date")->text, "2030-01-02");
	assert_string_equal(table_cell(&table, 0, "outcome")->text, "not run yet");
	assert_string_equal(table_cell(&table, 0, "version")->text, "1.2 (abc)");
	assert_string_equal(table_cell(&table, 0, "remark")->text, "");
	assert_true(isnan(table_cell(&table, 0, "loss")->real));
	table_clear(&table);

	/* the size is run */
	char *kept = findings.folder;
	curves_clear(&findings.curves);
	compare_clear(&findings.comparison);
	study_clear(&findings.study);
	load_clear(&findings.list);
	for (size_t m = 0; m < 3; m += 2) {
		struct fixture_run run = fixture_run_of(m, 4, 0.0, 0.004, 60);
		run.point = m ? "mask-224M" : "none-224M";
		fixture_write_run(kept, &run);
	}
	find(&findings, kept, 200, NAN);
	FIXTURE_TRY(predict_table(&findings.comparison, kept, &table));
	int inside = 0;
	for (size_t row = 0; row < 14; row++) {
		inside += strcmp(table_cell(&table, row, "outcome")->text, "inside") == 0;
		double predicted = table_cell(&table, row, "predicted_loss")->real;
		assert_near(table_cell(&table, row, "loss")->real / predicted, 1.0, 0.02);
		assert_true(table_cell(&table, row, "predicted_loss_low")->real < predicted);
	}
	assert_in_range(inside, 11, 14); /* 95 % intervals of two times three sets that are nearly the same */
	for (size_t row = 0; row < 14; row++)
		if (strcmp(table_cell(&table, row, "method")->text, "mask") == 0 &&
		    strcmp(table_cell(&table, row, "set")->text, "forget") == 0) {
			assert_near(table_cell(&table, row, "predicted_slowdown")->real, 12.0, 2.0);
			assert_near(table_cell(&table, row, "slowdown")->real, 12.0, 2.0);
		}
	table_clear(&table);
	/* what is there is not predicted, nor what is near enough to be compared with */
	assert_int_equal(predict_size(&findings.comparison, kept, "224M", "2030-01-02", "1", &counts), STATUS_DATA);
	assert_non_null(strstr(error_message(), "has been run already (224M)"));
	/* a damaged line is named */
	char *path = text_format("%s/%s", kept, PREDICT_FILE);
	FILE *file = fopen(path, "a");
	fputs("2030-02-02,1,half a line\n", file);
	fclose(file);
	assert_int_equal(predict_table(&findings.comparison, kept, &table), STATUS_DATA);
	assert_non_null(strstr(error_message(), "line 16"));
	table_clear(&table);
	/* and so is a file of other columns */
	FIXTURE_TRY(atomic_file_write(path, "date,size,loss\n", 15));
	assert_int_equal(predict_table(&findings.comparison, kept, &table), STATUS_DATA);
	assert_non_null(strstr(error_message(), "line 1 does not name the columns"));
	table_clear(&table);
	free(path);
	forget(&findings);
}

/* Unfiltered models of `baselines` sizes, masked ones of `masked`, named with a quote. */
static void write_few(const char *folder, size_t baselines, size_t masked)
{
	for (size_t m = 0; m < 3; m += 2)
		for (size_t s = 0; s < (m ? masked : baselines); s++) {
			struct fixture_run run = fixture_run_of(m, s, 0.0, 0.004, 60);
			char point[64];
			snprintf(point, sizeof(point), "%s-%s", run.method, run.size);
			run.point = point;
			run.parameter = "filter/delay";
			run.value = m ? "a \"b\", c" : "none";
			fixture_write_run(folder, &run);
		}
}

/* Whether rows of the method have intervals of their loss and slowdown, and the remark of the first. */
static const char *check_rows(const struct table *table, const char *method, bool loss, bool slowdown)
{
	const char *remark = NULL;
	for (size_t row = 0; row < table_rows(table); row++) {
		if (strncmp(table_cell(table, row, "method")->text, method, strlen(method)) != 0)
			continue;
		assert_false(isnan(table_cell(table, row, "predicted_loss")->real));
		assert_int_equal(!isnan(table_cell(table, row, "predicted_loss_low")->real), loss);
		assert_int_equal(!isnan(table_cell(table, row, "predicted_loss_high")->real), loss);
		assert_int_equal(!isnan(table_cell(table, row, "predicted_slowdown_low")->real), slowdown);
		remark = remark ? remark : table_cell(table, row, "remark")->text;
	}
	assert_non_null(remark);
	return remark;
}

/* A line through two points says nothing about how wrong it is. */
static void predictions_without_misfit_have_no_interval(void **state)
{
	(void)state;
	static const struct {
		size_t baselines, masked, without_misfit;
		bool base_loss, loss, slowdown;
		const char *base_remark, *remark;
	} cases[] = {
		{ 2, 2, 14, false, false, false, "law through 2 sizes: no interval; 3 sizes are needed",
		  "law through 2 sizes: no interval; 3 sizes are needed" },
		{ 2, 3, 7, false, true, false, "law through 2 sizes: no interval; 3 sizes are needed",
		  "slowdown without interval: too few baseline sizes" },
		{ 3, 2, 7, true, false, false, "", "law through 2 sizes: no interval; 3 sizes are needed" },
		{ 3, 3, 0, true, true, true, "", "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct findings findings;
		struct table table;
		struct predict_counts counts;
		char *folder = fixture_folder();
		write_few(folder, cases[i].baselines, cases[i].masked);
		find(&findings, folder, 200, NAN);
		FIXTURE_TRY(predict_size(&findings.comparison, folder, "113M", "2030-01-02", "1", &counts));
		assert_int_equal(counts.rows, 14);
		assert_int_equal(counts.without_misfit, cases[i].without_misfit);
		FIXTURE_TRY(predict_table(&findings.comparison, folder, &table));
		assert_int_equal(table_rows(&table), 14);
		const char *base_remark = check_rows(&table, "none", cases[i].base_loss, false);
		const char *remark = check_rows(&table, "mask", cases[i].loss, cases[i].slowdown);
		assert_int_equal(strncmp(base_remark, cases[i].base_remark, strlen(cases[i].base_remark)), 0);
		assert_int_equal(strncmp(remark, cases[i].remark, strlen(cases[i].remark)), 0);
		table_clear(&table);
		forget(&findings);
	}
}

/* Names with quotes and commas come back; a last line without an end stays one line; a run that is left out was run. */
static void predictions_are_read_back(void **state)
{
	(void)state;
	static const char *const excluded[] = { "*-61M" };
	struct findings findings;
	struct table table;
	struct predict_counts counts;
	char *folder = fixture_folder(), *text = NULL;
	size_t size = 0;
	write_few(folder, 3, 3);
	find(&findings, folder, 0, NAN);
	FIXTURE_TRY(predict_size(&findings.comparison, folder, "113M", "2030-01-02", "1", &counts));
	char *path = text_format("%s/%s", folder, PREDICT_FILE);
	FIXTURE_TRY(file_read(path, &text, &size));
	FIXTURE_TRY(atomic_file_write(path, text, size - 1));
	free(text);
	FIXTURE_TRY(predict_size(&findings.comparison, folder, "224M", "2030-01-03", "1", &counts));
	FIXTURE_TRY(predict_table(&findings.comparison, folder, &table));
	assert_int_equal(table_rows(&table), 28);
	assert_string_equal(table_cell(&table, 13, "method")->text, "mask, delay=a \"b\", c");
	assert_string_equal(table_cell(&table, 13, "date")->text, "2030-01-02");
	assert_string_equal(table_cell(&table, 14, "date")->text, "2030-01-03");
	table_clear(&table);
	free(path);
	forget(&findings);

	folder = fixture_folder();
	write_few(folder, 3, 3);
	struct run_list list;
	struct study study;
	struct comparison comparison;
	const struct study_options options = { .baseline = "none", .exclude = excluded, .exclude_count = 1 };
	const struct compare_options without = { .confidence = 0.95, .seed = 1 };
	FIXTURE_TRY(load_folder(folder, &list));
	FIXTURE_TRY(study_create(&list, &options, &study));
	FIXTURE_TRY(compare_create(&study, &without, &comparison));
	assert_int_equal(predict_size(&comparison, folder, "61M", "2030-01-02", "1", &counts), STATUS_DATA);
	assert_non_null(strstr(error_message(), "-61M, excluded on the command line"));
	FIXTURE_TRY(predict_size(&comparison, folder, "113M", "2030-01-02", "1", &counts));
	compare_clear(&comparison);
	study_clear(&study);
	load_clear(&list);
	fixture_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_rate_is_the_formula),
		cmocka_unit_test(noise_gives_a_curve_over_error_rates),
		cmocka_unit_test(delay_is_relative_to_none),
		cmocka_unit_test(axes_that_move_together_are_one),
		cmocka_unit_test(switches_are_names),
		cmocka_unit_test(area_is_the_trapezoid_rule),
		cmocka_unit_test(front_holds_what_nothing_beats),
		cmocka_unit_test(losses_on_other_texts_are_not_compared),
		cmocka_unit_test(questions_are_compared),
		cmocka_unit_test(prediction_is_kept_and_compared),
		cmocka_unit_test(predictions_without_misfit_have_no_interval),
		cmocka_unit_test(predictions_are_read_back),
	};
	gsl_set_error_handler_off();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
