/* Numbers and their limits, typed access to the values of a point, and what is an abort because it is a bug.
 * SPDX-License-Identifier: Apache-2.0 */
#include "input_fixture.h"

#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "input/number.h"

static void test_whole_numbers(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum number_result result;
		int64_t value;
	} cases[] = {
		{ "0", NUMBER_OK, 0 },
		{ "-0", NUMBER_OK, 0 },
		{ "+17", NUMBER_OK, 17 },
		{ "007", NUMBER_OK, 7 },
		{ "1k", NUMBER_OK, 1000 },
		{ "1K", NUMBER_OK, 1000 },
		{ "1.5M", NUMBER_OK, 1500000 },
		{ "2G", NUMBER_OK, 2000000000 },
		{ "3T", NUMBER_OK, 3000000000000 },
		{ "64Ki", NUMBER_OK, 65536 },
		{ "1.5Gi", NUMBER_OK, 1610612736 },
		{ "2Mi", NUMBER_OK, 2097152 },
		{ "1Ti", NUMBER_OK, 1099511627776 },
		{ "2e6", NUMBER_OK, 2000000 },
		{ "1.25e2", NUMBER_OK, 125 },
		{ "1500e-2", NUMBER_OK, 15 },
		{ "0.000000001G", NUMBER_OK, 1 },
		{ "1.000000000000000000000000000000", NUMBER_OK, 1 },
		{ "0e999999", NUMBER_OK, 0 },
		{ ".5k", NUMBER_OK, 500 },
		{ "5.", NUMBER_OK, 5 },
		{ "-2k", NUMBER_OK, -2000 },
		{ "9223372036854775807", NUMBER_OK, INT64_MAX },
		{ "-9223372036854775807", NUMBER_OK, -INT64_MAX },
		{ "9223372036854775808", NUMBER_TOO_LARGE, 0 },
		{ "18446744073709551616", NUMBER_TOO_LARGE, 0 },
		{ "9223373T", NUMBER_TOO_LARGE, 0 },
		{ "1e19", NUMBER_TOO_LARGE, 0 },
		{ "1e999999", NUMBER_TOO_LARGE, 0 },
		{ "1.5", NUMBER_NOT_WHOLE, 0 },
		{ "1.0005k", NUMBER_NOT_WHOLE, 0 },
		{ "1e-1", NUMBER_NOT_WHOLE, 0 },
		{ "0.1Ki", NUMBER_NOT_WHOLE, 0 },
		{ "", NUMBER_MALFORMED, 0 },
		{ "-", NUMBER_MALFORMED, 0 },
		{ ".", NUMBER_MALFORMED, 0 },
		{ "k", NUMBER_MALFORMED, 0 },
		{ "e5", NUMBER_MALFORMED, 0 },
		{ "1e", NUMBER_MALFORMED, 0 },
		{ "1e1000000", NUMBER_MALFORMED, 0 },
		{ "0x10", NUMBER_MALFORMED, 0 },
		{ "1 000", NUMBER_MALFORMED, 0 },
		{ "1kk", NUMBER_MALFORMED, 0 },
		{ "1kiB", NUMBER_MALFORMED, 0 },
		{ "1m", NUMBER_MALFORMED, 0 },
		{ "1i", NUMBER_MALFORMED, 0 },
		{ "--1", NUMBER_MALFORMED, 0 },
		{ " 1", NUMBER_MALFORMED, 0 },
	};
	for (int i = 0; i < COUNT(cases); i++) {
		int64_t value = -12345;
		enum number_result result = number_integer(cases[i].text, &value);
		if (result != cases[i].result)
			print_error("\"%s\": result %d\n", cases[i].text, (int)result);
		assert_int_equal(result, cases[i].result);
		assert_int_equal(value, result == NUMBER_OK ? cases[i].value : -12345);
	}
}

static void test_real_numbers(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum number_result result;
		double value;
	} cases[] = {
		{ "0", NUMBER_OK, 0 },
		{ "-0", NUMBER_OK, 0 },
		{ "3e-4", NUMBER_OK, 3e-4 },
		{ ".5", NUMBER_OK, 0.5 },
		{ "5.", NUMBER_OK, 5 },
		{ "-1.5E+2", NUMBER_OK, -150 },
		{ "1.7976931348623157e308", NUMBER_OK, 1.7976931348623157e308 },
		{ "2.2250738585072014e-308", NUMBER_OK, 2.2250738585072014e-308 },
		{ "1e309", NUMBER_TOO_LARGE, 0 },
		{ "-1e309", NUMBER_TOO_LARGE, 0 },
		{ "1e-330", NUMBER_TOO_SMALL, 0 },
		{ "inf", NUMBER_MALFORMED, 0 },
		{ "nan", NUMBER_MALFORMED, 0 },
		{ "0x1p3", NUMBER_MALFORMED, 0 },
		{ "1k", NUMBER_MALFORMED, 0 },
		{ "1,5", NUMBER_MALFORMED, 0 },
		{ "5%", NUMBER_MALFORMED, 0 },
		{ "", NUMBER_MALFORMED, 0 },
	};
	for (int i = 0; i < COUNT(cases); i++) {
		double value = -12345;
		enum number_result result = number_real(cases[i].text, &value);
		if (result != cases[i].result)
			print_error("\"%s\": result %d\n", cases[i].text, (int)result);
		assert_int_equal(result, cases[i].result);
		assert_true(value == (result == NUMBER_OK ? cases[i].value : -12345));
	}
}

static void test_reals_are_written_exactly(void **state)
{
	(void)state;
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{ 0.1, "0.1" },
		{ 3e-3, "0.003" },
		{ 0.30000000000000004, "0.30000000000000004" },
		{ 20, "20" },
		{ 1e-7, "1e-07" },
		{ 0, "0" },
		{ 1.0 / 3, "0.3333333333333333" },
		{ 1e22, "1e+22" },
		{ 5e-324, "4.94065645841247e-324" },
		{ 1.1920929e-07, "1.1920929e-07" },
	};
	for (int i = 0; i < COUNT(cases); i++) {
		char text[64];
		number_write(cases[i].value, text, sizeof text);
		assert_string_equal(text, cases[i].text);
		assert_true(strtod(text, NULL) == cases[i].value);
	}
}

static void test_typed_access(void **state)
{
	(void)state;
	struct sweep *sweep =
		parse_good(MINIMAL "[run]\nafter = a.in \"b c.in\"\nseed = 2k\n[train]\ndocument_attention = yes\n"
	                           "tokens = auto\nbeta1 = .5\n[filter]\ntoken_threshold = auto\n"
	                           "document_threshold = 0.25\n[model]\nsize = \"L2-D128-H4\"\n",
	                   0, NULL);
	const struct parameters *point = sweep_point(sweep, 0);
	assert_true(parameters_boolean(point, "train/document_attention"));
	assert_string_equal(parameters_value(point, "train/document_attention"), "on");
	assert_false(parameters_boolean(point, "compat/input_mask"));
	assert_int_equal(parameters_integer(point, "run/seed"), 2000);
	assert_string_equal(parameters_value(point, "run/seed"), "2000");
	assert_int_equal(parameters_integer(point, "train/tokens"), -1);
	assert_string_equal(parameters_value(point, "train/tokens"), "auto");
	assert_true(parameters_real(point, "filter/token_threshold") == -1);
	assert_true(parameters_real(point, "filter/document_threshold") == 0.25);
	assert_true(parameters_real(point, "train/beta1") == 0.5);
	assert_string_equal(parameters_text(point, "model/size"), "L2-D128-H4");
	assert_string_equal(parameters_text(point, "run/task"), "pretrain");
	assert_string_equal(parameters_text(point, "data/folder"), "tok");
	assert_int_equal(parameters_list_count(point, "run/after"), 2);
	assert_string_equal(parameters_list_item(point, "run/after", 0), "a.in");
	assert_string_equal(parameters_list_item(point, "run/after", 1), "b c.in");
	assert_string_equal(parameters_value(point, "run/after"), "a.in \"b c.in\"");
	assert_int_equal(parameters_list_count(point, "evaluate/domains"), 4);
	assert_string_equal(parameters_origin(point, "run/after"), "test.in:7");
	/* Required keys of other tasks. */
	assert_string_equal(parameters_text(point, "evaluate/run"), "");
	assert_int_equal(parameters_list_count(point, "corpus/paths"), 0);
	assert_false(parameters_given(point, "corpus/paths"));
	sweep_destroy(sweep);
}

/* A number that may be other words than auto. */
static void test_words_of_a_number(void **state)
{
	(void)state;
	struct sweep *sweep = parse_good(MINIMAL "[filter]\ntoken_threshold = balanced\n", 0, NULL);
	const struct parameters *point = sweep_point(sweep, 0);
	assert_true(parameters_real(point, "filter/token_threshold") == -2);
	assert_string_equal(parameters_value(point, "filter/token_threshold"), "balanced");
	assert_true(parameters_real(point, "filter/document_threshold") == -1);
	sweep_destroy(sweep);
}

/* Runs `call` in a child and tells whether it aborted. */
static bool aborts(void (*call)(const struct parameters *), const struct parameters *parameters)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(2);
		call(parameters);
		_exit(0);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void call_unknown(const struct parameters *parameters)
{
	parameters_integer(parameters, "run/nothing");
}

static void call_other_type(const struct parameters *parameters)
{
	parameters_real(parameters, "run/seed");
}

static void call_past_end(const struct parameters *parameters)
{
	parameters_list_item(parameters, "run/after", 0);
}

static void call_right(const struct parameters *parameters)
{
	parameters_integer(parameters, "run/seed");
}

static void test_bugs_abort(void **state)
{
	(void)state;
	struct sweep *sweep = parse_good(MINIMAL, 0, NULL);
	assert_true(aborts(call_unknown, sweep_point(sweep, 0)));
	assert_true(aborts(call_other_type, sweep_point(sweep, 0)));
	assert_true(aborts(call_past_end, sweep_point(sweep, 0)));
	assert_false(aborts(call_right, sweep_point(sweep, 0)));
	sweep_destroy(sweep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_numbers),
		cmocka_unit_test(test_real_numbers),
		cmocka_unit_test(test_reals_are_written_exactly),
		cmocka_unit_test(test_typed_access),
		cmocka_unit_test(test_words_of_a_number),
		cmocka_unit_test(test_bugs_abort),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
