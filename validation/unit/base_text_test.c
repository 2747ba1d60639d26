/* Texts, paths, numbers for people, edit distance, folders; memory; the recorded error message; dates.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void expect_owned(char *text, const char *expected)
{
	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

static void test_format_and_paths(void **state)
{
	(void)state;
	expect_owned(text_format("%s-%03d", "a", 7), "a-007");
	expect_owned(text_join_path("a", "b"), "a/b");
	expect_owned(text_join_path("a/", "b"), "a/b");
	expect_owned(text_join_path("/", "b"), "/b");
	expect_owned(text_join_path("", "b"), "b");
	expect_owned(text_join_path("a", "/b"), "/b");
	expect_owned(memory_copy_text("x y"), "x y");
}

struct number_case {
	double number;
	const char *text;
};

static void expect_numbers(const struct number_case *cases, size_t count, const char *(*write)(double, char *, size_t))
{
	for (size_t i = 0; i < count; i++) {
		char buffer[32];
		assert_ptr_equal(write(cases[i].number, buffer, sizeof buffer), buffer);
		assert_string_equal(buffer, cases[i].text);
		/* A small buffer is filled, never passed. */
		char small[4] = { 'x', 'x', 'x', 'x' };
		write(cases[i].number, small, 3);
		assert_int_equal(small[3], 'x');
		assert_true(strlen(small) <= 2);
		assert_int_equal(strncmp(small, cases[i].text, strlen(small)), 0);
	}
}

static void test_counts(void **state)
{
	(void)state;
	static const struct number_case cases[] = {
		{ 0, "0" },         { 512, "512" },        { 12.5, "12.5" },   { 999, "999" },     { 1000, "1.0k" },
		{ 12345, "12.3k" }, { 61794880, "61.8M" }, { 999960, "1.0M" }, { 150000, "150k" }, { 1.816e9, "1.8G" },
		{ 2e12, "2.0T" },   { 4.47e17, "447P" },   { -1500, "-1.5k" },
	};
	expect_numbers(cases, COUNT(cases), text_count);
}

static void test_durations(void **state)
{
	(void)state;
	static const struct number_case cases[] = {
		{ 0, "0 s" },
		{ 12.34, "12.3 s" },
		{ 59.9, "59.9 s" },
		{ 60, "1:00" },
		{ 83.4, "1:23" },
		{ 5025, "1:23:45" },
		{ 360000, "100:00:00" },
		{ 3599.6, "1:00:00" },
		{ -1, "?" },
		{ NAN, "?" },
		{ 1e10, "317 years" },
		{ INFINITY, "?" },
		{ 59.96, "1:00" },
		{ 9.994, "9.99 s" },
		{ 9.996, "10.0 s" },
		{ 0.99951, "1.00 s" },
		{ 0.9994, "999 ms" },
		{ 0.01234, "12.3 ms" },
		{ 0.99951e-3, "1.00 ms" },
		{ 0.9994e-3, "999 us" },
		{ 4.567e-6, "4.57 us" },
		{ 1e-9, "0 s" },
	};
	expect_numbers(cases, COUNT(cases), text_duration);
}

static void test_machine_times(void **state)
{
	(void)state;
	static const struct number_case cases[] = {
		{ 0, "0 s" },
		{ 0.0123, "12.3 ms" },
		{ 59.9, "59.9 s" },
		{ 59.96, "1.00 min" },
		{ 754, "12.6 min" },
		{ 3598, "1.00 h" },
		{ 3600 * 1.234, "1.23 h" },
		{ 3600 * 56.78, "56.8 h" },
		{ 3600e3, "1000 h" },
		{ 3600e7, "1e+07 h" },
		{ NAN, "?" },
	};
	expect_numbers(cases, COUNT(cases), text_machine_time);
}

static void test_bytes(void **state)
{
	(void)state;
	static const struct number_case cases[] = {
		{ 0, "0 B" },          { 1000, "1000 B" },        { 1024, "1.0 KiB" },
		{ 1536, "1.5 KiB" },   { 1610612736, "1.5 GiB" }, { 1048575, "1.0 MiB" },
		{ 1e12, "931.3 GiB" },
	};
	expect_numbers(cases, COUNT(cases), text_bytes);
}

static void test_distance(void **state)
{
	(void)state;
	assert_int_equal(text_distance("", ""), 0);
	assert_int_equal(text_distance("abc", ""), 3);
	assert_int_equal(text_distance("", "abc"), 3);
	assert_int_equal(text_distance("abc", "abc"), 0);
	assert_int_equal(text_distance("abc", "abd"), 1);
	assert_int_equal(text_distance("abc", "ac"), 1);
	assert_int_equal(text_distance("ac", "abc"), 1);
	assert_int_equal(text_distance("kitten", "sitting"), 3);
	assert_int_equal(text_distance("ab", "ba"), 2);
	char longer[200];
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	assert_true(text_distance(longer, "x") > 100);
}

static void test_folders(void **state)
{
	(void)state;
	const char *base = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
	char folder[512], path[600], file_path[600];
	struct stat facts;
	snprintf(folder, sizeof folder, "%s/base-XXXXXX", base);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/a/b", folder);
	assert_int_equal(text_make_directories(path), STATUS_OK);
	assert_int_equal(stat(path, &facts), 0);
	assert_true(S_ISDIR(facts.st_mode));
	assert_int_equal(text_make_directories(path), STATUS_OK);
	snprintf(path, sizeof path, "%s/a/b/c/", folder);
	assert_int_equal(text_make_directories(path), STATUS_OK);
	assert_int_equal(rmdir(path), 0);
	/* A file in the way. */
	snprintf(file_path, sizeof file_path, "%s/file", folder);
	FILE *file = fopen(file_path, "w");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(text_make_directories(file_path), STATUS_IO);
	assert_non_null(strstr(error_message(), file_path));
	snprintf(path, sizeof path, "%s/file/below", folder);
	assert_int_equal(text_make_directories(path), STATUS_IO);
	assert_non_null(strstr(error_message(), "/file"));
	static const char *const parts[] = { "file", "a/b", "a", "" };
	for (size_t i = 0; i < COUNT(parts); i++) {
		snprintf(path, sizeof path, "%s/%s", folder, parts[i]);
		assert_int_equal(remove(path), 0);
	}
}

static void test_memory(void **state)
{
	(void)state;
	static const size_t counts[] = { 0, 1, 63, 64, 65, 1000 };
	for (size_t i = 0; i < COUNT(counts); i++) {
		unsigned char *bytes = memory_allocate(counts[i], 3);
		assert_non_null(bytes);
		assert_int_equal((uintptr_t)bytes % 64, 0);
		for (size_t j = 0; j < 3 * counts[i]; j++)
			assert_int_equal(bytes[j], 0);
		free(bytes);
	}
	assert_null(memory_allocate(SIZE_MAX / 2, 4));
	assert_non_null(strstr(error_message(), "out of memory"));
	assert_null(memory_allocate(SIZE_MAX - 10, 1));
	void *array = NULL;
	size_t capacity = 0;
	for (size_t needed = 1; needed < 1000; needed += 13) {
		assert_int_equal(memory_grow(&array, &capacity, needed, sizeof(int)), STATUS_OK);
		assert_true(capacity >= needed);
		((int *)array)[needed - 1] = (int)needed;
		assert_int_equal(((int *)array)[0], 1);
	}
	void *before = array;
	size_t old_capacity = capacity;
	assert_int_equal(memory_grow(&array, &capacity, 5, sizeof(int)), STATUS_OK);
	assert_ptr_equal(array, before);
	assert_int_equal(memory_grow(&array, &capacity, SIZE_MAX / 2, sizeof(int)), STATUS_ENVIRONMENT);
	assert_ptr_equal(array, before);
	assert_int_equal(capacity, old_capacity);
	free(array);
}

static void test_errors(void **state)
{
	(void)state;
	static const struct {
		enum status status;
		int code;
	} codes[] = {
		{ STATUS_OK, 0 },   { STATUS_INTERNAL, 1 }, { STATUS_USAGE, 2 },
		{ STATUS_DATA, 3 }, { STATUS_IO, 4 },       { STATUS_ENVIRONMENT, 5 },
		{ STATUS_PEER, 6 }, { STATUS_NUMERIC, 7 },  { STATUS_STOPPED, 75 },
	};
	for (size_t i = 0; i < COUNT(codes); i++) {
		assert_int_equal(status_exit_code(codes[i].status), codes[i].code);
		assert_true(strlen(status_name(codes[i].status)) > 3);
	}
	assert_int_equal(status_exit_code((enum status)99), 1);
	assert_int_equal(error_raise(STATUS_DATA, "%s:%d: damaged", "x.h5", 3), STATUS_DATA);
	assert_string_equal(error_message(), "x.h5:3: damaged");
	/* A new message may quote the old one. */
	assert_int_equal(error_raise(STATUS_IO, "again: %s", error_message()), STATUS_IO);
	assert_string_equal(error_message(), "again: x.h5:3: damaged");
	assert_int_equal(error_context(STATUS_IO, "point %d", 2), STATUS_IO);
	assert_string_equal(error_message(), "point 2: again: x.h5:3: damaged");
	char *text = malloc(40000);
	assert_non_null(text);
	memset(text, 'x', 39999);
	text[39999] = '\0';
	error_raise(STATUS_DATA, "%s", text);
	size_t length = strlen(error_message());
	assert_in_range(length, 1000, 39999);
	error_context(STATUS_DATA, "in front");
	assert_int_equal(strlen(error_message()), length);
	assert_int_equal(strncmp(error_message(), "in front: xxx", 13), 0);
	free(text);
	error_clear();
	assert_string_equal(error_message(), "");
}

static enum status try_twice(enum status first, int *reached)
{
	STATUS_TRY(first);
	*reached = 1;
	return STATUS_OK;
}

static void test_try(void **state)
{
	(void)state;
	int reached = 0;
	assert_int_equal(try_twice(STATUS_PEER, &reached), STATUS_PEER);
	assert_int_equal(reached, 0);
	assert_int_equal(try_twice(STATUS_OK, &reached), STATUS_OK);
	assert_int_equal(reached, 1);
}

static void test_time(void **state)
{
	(void)state;
	char date[21];
	int year, month, day, hour, minute, second, used = 0;
	assert_ptr_equal(timer_date(date), date);
	assert_int_equal(
		sscanf(date, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &year, &month, &day, &hour, &minute, &second, &used), 6);
	assert_int_equal(used, 20);
	assert_int_equal(strlen(date), 20);
	double last = timer_seconds();
	for (int i = 0; i < 1000; i++) {
		double now = timer_seconds();
		assert_true(now >= last);
		last = now;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format_and_paths),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_machine_times),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_try),
		cmocka_unit_test(test_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
