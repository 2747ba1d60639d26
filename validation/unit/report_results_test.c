/* The contract between those who write results and the report: files of src/results, of a real input file, are read as
 * they were meant.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_fixture.h"

#include "input/parameters.h"
#include "report/load.h"
#include "report/study.h"
#include "results/run_file.h"
#include "results/sweep_file.h"

static const char input[] = "[run]\n"
			    "task = pretrain\n"
			    "output = somewhere\n"
			    "[data]\n"
			    "folder = shards\n"
			    "[model]\n"
			    "size = L2-D64-H2, L4-D128-H4\n"
			    "[filter]\n"
			    "method = none, mask\n"
			    "source = labels\n"
			    "[evaluate]\n"
			    "resamples = 321\n";

static void write_point(const char *folder, const struct sweep *sweep, size_t point)
{
	const char *name = sweep_point_name(sweep, point);
	const struct parameters *parameters = sweep_point(sweep, point);
	struct run_results results = { 0 };
	bool large = strcmp(parameters_text(parameters, "model/size"), "L4-D128-H4") == 0;
	FIXTURE_TRY(run_results_set_point(&results, (int64_t)point, name));
	snprintf(results.model.name, sizeof(results.model.name), "%s", parameters_text(parameters, "model/size"));
	results.model.parameters = large ? 4000000 : 1000000;
	results.compute = (struct run_compute){ large ? 1e15 : 1e14, large ? 9e14 : 9e13, 3.0, 1000.0 };
	for (int64_t step = 1; step <= 3; step++)
		FIXTURE_TRY(run_results_add_step(&results, &(struct run_step){ .step = step, .loss = 5.0 }));
	for (int64_t step = 1; step <= 3; step += 2) {
		const struct run_evaluation_row row = { step, 5.0 - (double)step, 6.0 - (double)step };
		FIXTURE_TRY(run_results_add_evaluation(&results, "forget", &row));
		const struct run_evaluation_row unmarked = { step, 4.5 - (double)step, NAN };
		FIXTURE_TRY(run_results_add_evaluation(&results, "unmarked", &unmarked));
	}
	const uint64_t number[3] = { 7, 3, 5 }, group[3] = { 90, 91, 90 };
	const int64_t tokens[3] = { 10, 20, 30 }, label[3] = { 1, 2, 3 };
	const double nll[3] = { 20.0, 40.0, 60.0 }, label_nll[3] = { 3.0, 6.0, 9.0 };
	FIXTURE_TRY(run_results_set_documents(&results, "forget", 3, number, group, tokens, label, nll, label_nll));
	FIXTURE_TRY(run_results_set_domain(&results, "forget", 100, 90));
	FIXTURE_TRY(run_results_set_domain(&results, "retain", 400, 4));
	const struct provenance provenance = { .command_line = "test", .ranks = 1 };
	char *points = text_format("%s/points/%s", folder, name), *path = text_format("%s/run.h5", points);
	FIXTURE_TRY(text_make_directories(points));
	FIXTURE_TRY(run_file_write(path, &results, parameters, &provenance, point != 3));
	free(points);
	free(path);
	run_results_clear(&results);
}

static void results_are_read_as_written(void **state)
{
	(void)state;
	char *folder = fixture_folder(), *path = text_format("%s/sweep.h5", folder);
	struct sweep *sweep = NULL;
	struct sweep_table table = { 0 };
	struct run_list list;
	struct study study;
	enum status parsed = sweep_parse("test.in", input, 0, NULL, &sweep);
	if (parsed != STATUS_OK)
		print_error("%s\n", error_message());
	assert_int_equal(parsed, STATUS_OK);
	assert_int_equal(sweep_point_count(sweep), 4);
	FIXTURE_TRY(sweep_table_create(sweep, &table));
	FIXTURE_TRY(sweep_file_write(path, &table));
	for (size_t i = 0; i < 4; i++)
		write_point(folder, sweep, i);

	FIXTURE_TRY(load_folder(folder, &list));
	for (size_t i = 0; i < list.left_count; i++)
		print_message("left out: %s: %s\n", list.left[i].point, list.left[i].reason);
	assert_int_equal(list.count, 3);
	assert_int_equal(list.left_count, 1);
	assert_string_equal(list.left[0].reason, "not finished (last checkpoint at step 3)");
	assert_int_equal(list.axis_count, 2);
	assert_string_equal(run_setting(&list.runs[0], "evaluate/resamples"), "321");
	const struct evaluation *forget = run_evaluation(&list.runs[1], "forget");
	assert_non_null(forget);
	assert_true(forget->loss == 2.0 && forget->label_loss == 3.0); /* of the last evaluation */
	assert_int_equal(forget->documents, 3);
	assert_int_equal(forget->number[1], 3);
	assert_true(forget->label_nll[2] == 9.0);
	const struct evaluation *unmarked = run_evaluation(&list.runs[1], "unmarked");
	assert_non_null(unmarked);
	assert_int_equal(unmarked->documents, 0);
	assert_true(isnan(unmarked->label_loss));
	assert_int_equal(list.runs[1].domain_count, 2);
	assert_int_equal(list.runs[1].domains[0].filtered, 90);

	const struct study_options options = { .baseline = "none" };
	FIXTURE_TRY(study_create(&list, &options, &study));
	assert_int_equal(study.method_count, 2);
	assert_int_equal(study.size_count, 2);
	assert_string_equal(study.sizes[1].label, "L4-D128-H4");
	assert_string_equal(study.methods[1].label, "mask");
	assert_int_equal(study.measure_count, 3);
	study_clear(&study);
	load_clear(&list);
	sweep_table_clear(&table);
	sweep_destroy(sweep);
	free(path);
	fixture_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(results_are_read_as_written) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
