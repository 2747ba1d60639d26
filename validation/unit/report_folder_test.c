/* The whole report of a run folder: its files, what it prints, what it leaves out, many runs, equal bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report_fixture.h"

#include "report/report.h"
#include "report_near.h"

static struct report_options options_for(const char *folder)
{
	return (struct report_options){ .folder = folder,
		                        .resamples = 200,
		                        .confidence = 0.95,
		                        .seed = 1,
		                        .accuracy = NAN,
		                        .version = "test",
		                        .study = { .baseline = "none" } };
}

/* Makes the report; what it prints, from malloc. */
static char *make_report(const struct report_options *options, enum status expected)
{
	char *printed = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&printed, &size);
	assert_non_null(out);
	enum status status = report_make(options, out);
	if (status != expected)
		print_error("%s\n", error_message());
	assert_int_equal(status, expected);
	assert_int_equal(fclose(out), 0);
	return printed;
}

static char *read_output(const char *folder, const char *name, size_t *size_out)
{
	char *path = text_format("%s/report/%s", folder, name), *data = NULL;
	size_t size = 0;
	FIXTURE_TRY(file_read(path, &data, &size));
	free(path);
	if (size_out)
		*size_out = size;
	return data;
}

static bool output_exists(const char *folder, const char *name)
{
	char *path = text_format("%s/report/%s", folder, name);
	bool exists = access(path, F_OK) == 0;
	free(path);
	return exists;
}

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		print_error("\"%s\" is not in:\n%s\n", part, text);
	assert_non_null(strstr(text, part));
}

/* ---- CSV ---- */

/* Field `column` of the only row whose first fields are `start`; CSV without quotes. */
static double csv_number(const char *csv, const char *start, const char *column)
{
	size_t place = 0;
	const char *header = csv, *end = strchr(csv, '\n');
	size_t length = strlen(column);
	while (header < end &&
	       !(strncmp(header, column, length) == 0 && (header[length] == ',' || header[length] == '\n'))) {
		header = strpbrk(header, ",\n") + 1;
		place++;
	}
	assert_true(header < end);
	char *line = text_format("\n%s,", start);
	const char *row = strstr(csv, line);
	assert_non_null(row);
	assert_null(strstr(row + 1, line));
	free(line);
	for (row++; place > 0; place--)
		row = strpbrk(row, ",\n") + 1;
	return *row == ',' || *row == '\n' ? NAN : strtod(row, NULL);
}

static void tables_hold_the_numbers(void **state)
{
	(void)state;
	char *folder = fixture_folder();
	const struct report_options options = options_for(folder);
	fixture_write_study(folder, 4, 5, 0.0, 0.0, 30);
	char *printed = make_report(&options, STATUS_OK);
	char *slowdown = read_output(folder, "slowdown.csv", NULL), *table = read_output(folder, "table.csv", NULL);
	char *filtered = read_output(folder, "filtered.csv", NULL), *page = read_output(folder, "report.md", NULL);
	const struct fixture_run none = fixture_run_of(0, 4, 0.0, 0.0, 30), mask = fixture_run_of(2, 4, 0.0, 0.0, 30);

	const char *place = "mask,224M,224757120,forget,all";
	assert_near(csv_number(table, place, "loss"), fixture_loss(&mask, 0), 1e-8);
	assert_near(csv_number(table, place, "difference"), fixture_loss(&mask, 0) - fixture_loss(&none, 0), 1e-8);
	assert_near(csv_number(table, place, "nominal_flops"), 6.0 * 224757120.0 * 20.0 * 224757120.0, 1e10);
	assert_near(csv_number(table, place, "documents"), 30.0, 0.0);
	assert_near(csv_number(table, "mask,224M,224757120,forget,label", "loss"), 1.1 * fixture_loss(&mask, 0), 1e-8);
	assert_true(isnan(csv_number(table, "none,224M,224757120,forget,all", "difference")));
	assert_near(csv_number(slowdown, "mask,224M,224757120,forget,label,6ND,power", "slowdown"), 12.0, 1e-5);
	assert_near(csv_number(slowdown, "mask,224M,224757120,forget,label,spent,power", "slowdown"), 10.8, 1e-5);
	assert_near(csv_number(slowdown, "remove,13M,13230720,forget,all,6ND,power", "beyond"), 60.0, 1e-4);
	assert_near(csv_number(filtered, "document,61M,retain", "share"), 0.16, 1e-9);
	assert_contains(slowdown, ",below,");

	assert_contains(printed, "20 finished runs, 0 left out.");
	assert_contains(printed, "EXTRAPOLATED 60.0 x below the baseline's range");
	assert_contains(printed, "remove (11.90 % filtered) - none at 224M on forget label tokens = +");
	assert_contains(printed, ": worse");
	assert_contains(page, "![Loss-matched compute slowdown](slowdown.svg)");
	assert_contains(page, "### Loss on forget (tokens of that label only)");
	free(printed);
	free(slowdown);
	free(table);
	free(filtered);
	free(page);
	fixture_remove(folder);
}

static void hdf5_holds_the_tables(void **state)
{
	(void)state;
	char *folder = fixture_folder(), *path = text_format("%s/report/report.h5", folder);
	const struct report_options options = options_for(folder);
	struct hdf5_reader *reader = NULL;
	char **names = NULL, *text = NULL, **methods = NULL;
	size_t count = 0;
	double values[40 * 8];
	fixture_write_study(folder, 2, 5, 0.0, 0.01, 30);
	free(make_report(&options, STATUS_OK));
	FIXTURE_TRY(hdf5_open(path, &reader));
	FIXTURE_TRY(hdf5_read_text_attribute(reader, "/", "format", &text));
	assert_string_equal(text, "capshape-report");
	free(text);
	FIXTURE_TRY(hdf5_list(reader, "/", &names, &count));
	assert_int_equal(count, 7); /* areas filtered frontier laws losses runs slowdown: empty tables are not there */
	hdf5_free_names(names, count);
	FIXTURE_TRY(hdf5_read_texts(reader, "slowdown/method", &methods, &count));
	assert_int_equal(count, 7 * 5 * 8); /* measures, sizes, two computes x four laws */
	assert_string_equal(methods[0], "document");
	hdf5_free_names(methods, count);
	FIXTURE_TRY(hdf5_read(reader, "slowdown/slowdown", HDF5_FLOAT64, 7 * 5 * 8, values));
	assert_true(values[0] > 2.5 && values[0] < 3.5);
	FIXTURE_TRY(hdf5_list(reader, "losses", &names, &count));
	for (size_t i = 0; i < count; i++) {
		char *object = text_format("losses/%s", names[i]);
		FIXTURE_TRY(hdf5_read_text_attribute(reader, object, "long_name", &text));
		assert_true(text[0] != '\0');
		free(text);
		free(object);
	}
	hdf5_free_names(names, count);
	FIXTURE_TRY(hdf5_read_text_attribute(reader, "losses/loss", "unit", &text));
	assert_string_equal(text, "nats/token");
	free(text);
	hdf5_close(reader);
	free(path);
	fixture_remove(folder);
}

/* ---- figures ---- */

static uint32_t big_endian(const char *bytes)
{
	const unsigned char *b = (const unsigned char *)bytes;
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void figures_are_pictures(void **state)
{
	(void)state;
	static const char *const names[] = { "loss-against-compute", "forget-against-retain", "slowdown", "filtered" };
	char *folder = fixture_folder();
	struct report_options options = options_for(folder);
	fixture_write_study(folder, 3, 3, 0.0, 0.01, 20);
	free(make_report(&options, STATUS_OK));
	for (int i = 0; i < 4; i++) {
		char name[64];
		size_t size = 0;
		snprintf(name, sizeof(name), "%s.png", names[i]);
		char *png = read_output(folder, name, &size);
		assert_true(size > 5000);
		assert_memory_equal(png, "\x89PNG\r\n\x1a\n", 8);
		assert_memory_equal(png + 12, "IHDR", 4);
		assert_in_range(big_endian(png + 16), 900, 4000);
		assert_in_range(big_endian(png + 20), 500, 3000);
		assert_memory_equal(png + size - 8, "IEND", 4);
		free(png);
		snprintf(name, sizeof(name), "%s.svg", names[i]);
		char *svg = read_output(folder, name, &size);
		assert_contains(svg, "<svg");
		assert_contains(svg, "</svg>");
		free(svg);
	}
	/* with the baseline alone there is no slowdown, and the figure of before goes away */
	static const char *const both[] = { "document", "mask" };
	options.study.exclude = both;
	options.study.exclude_count = 2;
	free(make_report(&options, STATUS_OK));
	assert_false(output_exists(folder, "slowdown.svg"));
	assert_false(output_exists(folder, "filtered.png"));
	assert_true(output_exists(folder, "loss-against-compute.svg"));
	fixture_remove(folder);
}

/* Labels of every length, so that each is cut somewhere; characters of several bytes; bytes that are no text; markup. */
static void figures_and_pages_take_any_name(void **state)
{
	(void)state;
	enum { METHODS = 12 };
	char *folder = fixture_folder();
	struct report_options options = options_for(folder);
	options.resamples = 20;
	for (int i = 0; i <= METHODS; i++)
		for (size_t s = 0; s < 2; s++) {
			struct fixture_run run = fixture_run_of(i ? 2 : 0, s, 0.0, 0.01, 10);
			char point[80], value[160] = "<b>&\"'\xff/";
			for (int k = 0; k < 4 + 3 * i; k++)
				strcat(value, k % 3 == 0 ? "\u00e9" : k % 3 == 1 ? "x" : "\u00d7");
			snprintf(point, sizeof(point), "%d-%s", i, run.size);
			run.point = point;
			run.parameter = "filter/classifier_name";
			run.value = value;
			run.slowdown[0] = 1e7; /* a long factor in the legend */
			fixture_write_run(folder, &run);
		}
	free(make_report(&options, STATUS_OK));
	assert_true(output_exists(folder, "slowdown-read-off.png"));
	assert_true(output_exists(folder, "curve-classifier_name.png"));
	char *page = read_output(folder, "report.html", NULL);
	assert_contains(page, "&lt;b&gt;&amp;&quot;");
	assert_null(strstr(page, "<b>&"));
	free(page);
	char *figure = read_output(folder, "slowdown-read-off.svg", NULL);
	assert_contains(figure, "<svg");
	free(figure);
	fixture_remove(folder);
}

static void equal_input_gives_equal_bytes(void **state)
{
	(void)state;
	static const char *const files[] = { "report.md",
		                             "report.h5",
		                             "table.csv",
		                             "slowdown.csv",
		                             "filtered.csv",
		                             "loss-against-compute.svg",
		                             "loss-against-compute.png",
		                             "slowdown.svg",
		                             "forget-against-retain.svg",
		                             "filtered.svg" };
	enum { FILES = sizeof(files) / sizeof(files[0]) };
	char *folder = fixture_folder(), *first[FILES], *printed[2];
	size_t sizes[FILES];
	struct report_options options = options_for(folder);
	fixture_write_study(folder, 3, 4, 1.0, 0.01, 25);
	printed[0] = make_report(&options, STATUS_OK);
	for (int i = 0; i < FILES; i++)
		first[i] = read_output(folder, files[i], &sizes[i]);
	printed[1] = make_report(&options, STATUS_OK);
	assert_string_equal(printed[0], printed[1]);
	for (int i = 0; i < FILES; i++) {
		size_t size = 0;
		char *again = read_output(folder, files[i], &size);
		assert_int_equal(size, sizes[i]);
		assert_memory_equal(again, first[i], size);
		free(again);
		free(first[i]);
	}
	/* another seed resamples other documents */
	options.seed = 2;
	char *other = make_report(&options, STATUS_OK);
	assert_string_not_equal(other, printed[0]);
	free(other);
	free(printed[0]);
	free(printed[1]);
	fixture_remove(folder);
}

/* ---- runs that can not be used ---- */

static void bad_runs_are_named_and_left_out(void **state)
{
	(void)state;
	char *folder = fixture_folder();
	const struct report_options options = options_for(folder);
	fixture_write_study(folder, 2, 4, 0.0, 0.0, 20);
	char *cut = text_format("%s/points/method=document,size=13M/run.h5", folder);
	char *gone = text_format("%s/points/method=document,size=28M/run.h5", folder);
	struct fixture_run unfinished = fixture_run_of(1, 2, 0.0, 0.0, 20);
	unfinished.point = "method=document,size=61M";
	unfinished.unfinished = true;
	fixture_write_run(folder, &unfinished);
	assert_int_equal(truncate(cut, 2000), 0);
	assert_int_equal(unlink(gone), 0);
	char *printed = make_report(&options, STATUS_OK), *page = read_output(folder, "report.md", NULL);
	char *slowdown = read_output(folder, "slowdown.csv", NULL);
	assert_contains(printed, "5 finished runs, 3 left out.");
	assert_contains(printed, "left out: method=document,size=13M: ");
	assert_contains(printed, "left out: method=document,size=28M: no run.h5 yet");
	assert_contains(printed, "left out: method=document,size=61M: not finished (last checkpoint at step 20)");
	assert_contains(page, "- `method=document,size=61M`: not finished");
	assert_near(csv_number(slowdown, "document,113M,113349760,forget,all,6ND,power", "slowdown"), 3.0, 1e-5);
	free(printed);
	free(page);
	free(slowdown);
	free(cut);
	free(gone);
	fixture_remove(folder);
}

/* A flipped byte anywhere may cost the run that it hit, and never gives other document losses. */
static void flipped_byte_costs_the_run_or_nothing(void **state)
{
	(void)state;
	enum { FLIPS = 150 };
	char *folder = fixture_folder(), *path = text_format("%s/points/only/run.h5", folder), *data = NULL;
	size_t size = 0;
	int left_out = 0;
	struct fixture_run run = fixture_run_of(1, 1, 0.0, 0.01, 400);
	run.point = "only";
	fixture_write_run(folder, &run);
	struct run_list sound, list;
	FIXTURE_TRY(load_folder(folder, &sound));
	FIXTURE_TRY(file_read(path, &data, &size));
	for (size_t i = 0; i < FLIPS; i++) {
		size_t place = (size_t)((double)size * random_uniform(1, RANDOM_TEST, 0, i));
		data[place] ^= 0x55;
		FILE *file = fopen(path, "wb");
		assert_non_null(file);
		assert_int_equal(fwrite(data, 1, size, file), size);
		assert_int_equal(fclose(file), 0);
		data[place] ^= 0x55;
		FIXTURE_TRY(load_folder(folder, &list));
		assert_int_equal(list.count + list.left_count, 1);
		left_out += (int)list.left_count;
		const struct evaluation *now = list.count ? run_evaluation(&list.runs[0], "forget") : NULL;
		const struct evaluation *then = run_evaluation(&sound.runs[0], "forget");
		if (now && now->documents > 0) {
			assert_int_equal(now->documents, then->documents);
			assert_memory_equal(now->nll, then->nll, 400 * sizeof(double));
			assert_memory_equal(now->tokens, then->tokens, 400 * sizeof(int64_t));
		}
		load_clear(&list);
	}
	assert_in_range(left_out, FLIPS / 4,
	                FLIPS); /* the data sets under Fletcher32; much of so small a file is free space */
	load_clear(&sound);
	free(data);
	free(path);
	fixture_remove(folder);
}

static void without_a_finished_run_there_is_no_report(void **state)
{
	(void)state;
	char *folder = fixture_folder();
	const struct report_options options = options_for(folder);
	free(make_report(&options, STATUS_DATA)); /* no points/ at all */
	assert_non_null(strstr(error_message(), "points"));
	struct fixture_run run = fixture_run_of(0, 0, 0.0, 0.0, 20);
	run.point = "only";
	run.unfinished = true;
	fixture_write_run(folder, &run);
	char *printed = make_report(&options, STATUS_DATA);
	assert_contains(printed, "left out: only: not finished");
	assert_contains(error_message(), "holds no finished run");
	assert_false(output_exists(folder, "report.h5"));
	free(printed);
	fixture_remove(folder);
}

static void damaged_sweep_file_is_passed_over(void **state)
{
	(void)state;
	char *folder = fixture_folder(), *sweep = text_format("%s/sweep.h5", folder);
	const struct report_options options = options_for(folder);
	fixture_write_study(folder, 2, 2, 0.0, 0.0, 20);
	assert_int_equal(truncate(sweep, 100), 0);
	char *printed = make_report(&options, STATUS_OK);
	assert_contains(printed, "4 finished runs, 1 left out.");
	assert_contains(printed, "left out: sweep.h5: ");
	assert_contains(printed, "document (13.00 % filtered) - none at 28M on forget tokens = +");
	free(printed);
	free(sweep);
	fixture_remove(folder);
}

/* ---- size, classifier ---- */

static void two_hundred_runs_are_read(void **state)
{
	(void)state;
	enum { THRESHOLDS = 49 };
	char *folder = fixture_folder();
	struct report_options options = options_for(folder);
	options.resamples = 50;
	for (int t = 0; t <= THRESHOLDS; t++)
		for (size_t s = 0; s < 4; s++) {
			struct fixture_run run = fixture_run_of(t ? 2 : 0, s, 0.0, 0.01, 25);
			char point[80], value[16];
			snprintf(value, sizeof(value), "0.%02d", t);
			snprintf(point, sizeof(point), "method=%s,token_threshold=%s,size=%s", run.method, value,
			         run.size);
			run.point = point;
			run.parameter = "filter/token_threshold";
			run.value = value;
			run.seed = (uint64_t)t;
			fixture_write_run(folder, &run);
		}
	char *printed = make_report(&options, STATUS_OK);
	assert_contains(printed, "200 finished runs, 0 left out.");
	assert_contains(printed, "mask, token_threshold=0.49");
	char *table = read_output(folder, "table.csv", NULL);
	size_t lines = 0;
	for (const char *at = table; *at; at++)
		lines += *at == '\n';
	assert_int_equal(lines, 1 + 200 * 7);
	assert_contains(table, "\n\"mask, token_threshold=0.07\",28M,");
	free(table);
	free(printed);
	fixture_remove(folder);
}

static void classifier_is_shown(void **state)
{
	(void)state;
	char *folder = fixture_folder(), *model = text_format("%s/classifier", folder);
	char *path = text_format("%s/classifier.h5", model);
	struct report_options options = options_for(folder);
	struct hdf5_writer *writer = NULL;
	FIXTURE_TRY(text_make_directories(model));
	FIXTURE_TRY(hdf5_create(path, &writer));
	const char *group = "metrics/classifier/test/natural";
	static const char *const names[] = { "precision", "recall", "f1", "auroc", "threshold", "prevalence" };
	for (int i = 0; i < 6; i++)
		FIXTURE_TRY(hdf5_write_real_attribute(writer, group, names[i], 0.1 * (i + 1) + 0.0123));
	FIXTURE_TRY(hdf5_write_integer_attribute(writer, group, "tokens", 123456));
	FIXTURE_TRY(hdf5_commit(writer));
	for (int i = 0; i < 2; i++) {
		struct fixture_run run = fixture_run_of(2, (size_t)i, 0.0, 0.0, 20);
		run.point = i ? "b" : "a";
		run.classifier = i ? "nowhere.h5" : model;
		fixture_write_run(folder, &run);
	}
	char *printed = make_report(&options, STATUS_OK);
	assert_contains(printed, "Classifier ");
	assert_contains(printed, "0.3123");
	assert_contains(printed, "0.4123");
	assert_contains(printed, "The classifier nowhere.h5 of the runs is not there");
	assert_contains(printed, "No run has filter/method = none");
	free(printed);
	free(path);
	free(model);
	fixture_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_hold_the_numbers),
		cmocka_unit_test(hdf5_holds_the_tables),
		cmocka_unit_test(figures_are_pictures),
		cmocka_unit_test(figures_and_pages_take_any_name),
		cmocka_unit_test(equal_input_gives_equal_bytes),
		cmocka_unit_test(bad_runs_are_named_and_left_out),
		cmocka_unit_test(flipped_byte_costs_the_run_or_nothing),
		cmocka_unit_test(without_a_finished_run_there_is_no_report),
		cmocka_unit_test(damaged_sweep_file_is_passed_over),
		cmocka_unit_test(two_hundred_runs_are_read),
		cmocka_unit_test(classifier_is_shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
