/* Sweep files: the points and axes of a parsed sweep come back from the file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage_fixture.h"

#include "results/provenance.h"
#include "results/sweep_file.h"
#include "storage/hdf5_file.h"

static const char input[] = "[run]\ntask = pretrain\noutput = out\nseed = 1, 2, 3\n[data]\nfolder = tok\n"
			    "[filter]\nmethod = none, mask\n";

static void make_table(const char *text, struct sweep_table *table)
{
	struct sweep *sweep;
	assert_good(sweep_parse("x.in", text, 0, NULL, &sweep));
	assert_good(sweep_table_create(sweep, table));
	sweep_destroy(sweep);
}

static void check_equal(const struct sweep_table *a, const struct sweep_table *b)
{
	assert_int_equal(a->point_count, b->point_count);
	assert_int_equal(a->axis_count, b->axis_count);
	assert_string_equal(a->input, b->input);
	assert_memory_equal(a->finished, b->finished, a->point_count);
	for (size_t point = 0; point < a->point_count; point++)
		assert_string_equal(a->point_names[point], b->point_names[point]);
	for (size_t axis = 0; axis < a->axis_count; axis++) {
		assert_string_equal(a->axis_names[axis], b->axis_names[axis]);
		for (size_t point = 0; point < a->point_count; point++)
			assert_string_equal(a->axis_values[axis][point], b->axis_values[axis][point]);
	}
}

static void test_round_trip(void **state)
{
	const char *path = in_folder(state, "sweep.h5");
	struct sweep_table written, read = { 0 };
	make_table(input, &written);
	assert_int_equal(written.point_count, 6);
	assert_int_equal(written.axis_count, 2);
	assert_string_equal(written.axis_names[0], "run/seed");
	assert_string_equal(written.axis_values[0][5], "3");
	assert_string_equal(written.axis_values[1][5], "mask");
	written.finished[4] = 1;
	assert_good(sweep_file_write(path, &written));
	assert_good(sweep_file_read(path, &read));
	check_equal(&read, &written);
	sweep_table_clear(&read);
	sweep_table_clear(&written);
	sweep_table_clear(&written);
}

static void test_one_point(void **state)
{
	const char *path = in_folder(state, "sweep.h5");
	struct sweep_table written, read = { 0 };
	make_table("[run]\ntask = pretrain\noutput = out\n[data]\nfolder = tok\n", &written);
	assert_int_equal(written.axis_count, 0);
	assert_good(sweep_file_write(path, &written));
	assert_good(sweep_file_read(path, &read));
	check_equal(&read, &written);
	sweep_table_clear(&read);
	sweep_table_clear(&written);
}

/* The names of docs/run-file.md. */
static void test_layout(void **state)
{
	const char *path = in_folder(state, "sweep.h5");
	struct sweep_table table;
	struct hdf5_reader *reader;
	char **names;
	size_t count;
	int64_t points;
	make_table(input, &table);
	assert_good(sweep_file_write(path, &table));
	assert_good(hdf5_open(path, &reader));
	assert_good(hdf5_read_integer_attribute(reader, "/", "points", &points));
	assert_int_equal(points, 6);
	char *version;
	assert_good(hdf5_read_text_attribute(reader, "/", "version", &version));
	assert_string_equal(version, provenance_version());
	free(version);
	assert_true(hdf5_exists(reader, "points/name") && hdf5_exists(reader, "points/finished") &&
	            hdf5_exists(reader, "points/run/seed") && hdf5_exists(reader, "points/filter/method"));
	assert_good(hdf5_list(reader, "runs", &names, &count));
	assert_int_equal(count, 6);
	for (size_t i = 0; i < count; i++) {
		bool known = false;
		for (size_t point = 0; point < table.point_count; point++)
			known = known || strcmp(names[i], table.point_names[point]) == 0;
		assert_true(known);
	}
	hdf5_free_names(names, count);
	hdf5_close(reader);
	sweep_table_clear(&table);
}

static void test_refused(void **state)
{
	const char *path = in_folder(state, "sweep.h5");
	struct sweep_table table = { 0 };
	struct hdf5_writer *writer;
	assert_bad(sweep_file_read(path, &table), STATUS_DATA, "there is no such file");
	assert_good(hdf5_create(path, &writer));
	assert_good(hdf5_write_text_attribute(writer, "/", "format", "capshape-run"));
	assert_good(hdf5_commit(writer));
	assert_bad(sweep_file_read(path, &table), STATUS_DATA, "this is not a sweep file");
	assert_null(table.point_names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_one_point, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_layout, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_refused, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
