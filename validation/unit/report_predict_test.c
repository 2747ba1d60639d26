/* Predictions: stored with their date, shown beside what came of them, read back whatever their names.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_findings.h"

#include <gsl/gsl_errno.h>

#include "report/predict.h"
#include "report_near.h"

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
		cmocka_unit_test(prediction_is_kept_and_compared),
		cmocka_unit_test(predictions_without_misfit_have_no_interval),
		cmocka_unit_test(predictions_are_read_back),
	};
	gsl_set_error_handler_off();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
