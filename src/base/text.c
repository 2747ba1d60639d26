/* Strings, paths and numbers for people.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* vasprintf */
#endif

#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"

char *text_format(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	char *text = NULL;
	int length = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (length < 0) {
		error_raise(STATUS_ENVIRONMENT, "out of memory while formatting a text");
		return NULL;
	}
	return text;
}

char *text_join_path(const char *directory, const char *name)
{
	if (name[0] == '/' || directory[0] == '\0')
		return memory_copy_text(name);
	size_t length = strlen(directory);
	return text_format(directory[length - 1] == '/' ? "%s%s" : "%s/%s", directory, name);
}

const char *text_count(double count, char *buffer, size_t size)
{
	static const char suffixes[] = { '\0', 'k', 'M', 'G', 'T', 'P', 'E', 'Z' };
	size_t step = 0;
	/* 999.95 would be printed as 1000. */
	while (fabs(count) >= 999.95 && step + 1 < sizeof suffixes) {
		count /= 1000;
		step++;
	}
	if (step == 0)
		snprintf(buffer, size, "%.6g", count);
	else
		snprintf(buffer, size, fabs(count) < 99.95 ? "%.1f%c" : "%.0f%c", count, suffixes[step]);
	return buffer;
}

/* Three significant digits, as 1.23, 12.3, 123; of more before the point all. */
static void print_three(double value, const char *unit, char *buffer, size_t size)
{
	int digits = fabs(value) < 9.995 ? 2 : fabs(value) < 99.95 ? 1 : 0;
	snprintf(buffer, size, "%.*f %s", digits, value, unit);
}

/* Less than a minute. Nanoseconds are nothing. */
static void print_seconds(double seconds, char *buffer, size_t size)
{
	if (seconds < 5e-9)
		snprintf(buffer, size, "0 s");
	else if (seconds < 0.9995e-3)
		print_three(1e6 * seconds, "us", buffer, size);
	else if (seconds < 0.9995)
		print_three(1e3 * seconds, "ms", buffer, size);
	else
		print_three(seconds, "s", buffer, size);
}

const char *text_duration(double seconds, char *buffer, size_t size)
{
	if (!(seconds >= 0) || isinf(seconds)) {
		snprintf(buffer, size, "?");
	} else if (seconds >= 1e9) {
		snprintf(buffer, size, "%.3g years", seconds / (365.25 * 86400));
	} else if (seconds < 59.95) {
		print_seconds(seconds, buffer, size);
	} else {
		long whole = lround(seconds);
		if (whole < 3600)
			snprintf(buffer, size, "%ld:%02ld", whole / 60, whole % 60);
		else
			snprintf(buffer, size, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
	}
	return buffer;
}

const char *text_machine_time(double seconds, char *buffer, size_t size)
{
	if (!(seconds >= 0) || isinf(seconds))
		snprintf(buffer, size, "?");
	else if (seconds < 59.95)
		print_seconds(seconds, buffer, size);
	else if (seconds < 60 * 59.95)
		print_three(seconds / 60, "min", buffer, size);
	else if (seconds < 3600e6)
		print_three(seconds / 3600, "h", buffer, size);
	else
		snprintf(buffer, size, "%.3g h", seconds / 3600);
	return buffer;
}

const char *text_bytes(double bytes, char *buffer, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	size_t step = 0;
	while (bytes >= 1023.95 && step + 1 < sizeof units / sizeof units[0]) {
		bytes /= 1024;
		step++;
	}
	snprintf(buffer, size, step == 0 ? "%.0f %s" : "%.1f %s", bytes, units[step]);
	return buffer;
}

size_t text_distance(const char *a, const char *b)
{
	enum { LONGEST = 128 };
	size_t row[LONGEST + 1];
	size_t a_length = strlen(a), b_length = strlen(b);
	if (a_length > LONGEST || b_length > LONGEST)
		return a_length > b_length ? a_length : b_length;
	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t above = row[j];
			size_t best = diagonal + (a[i - 1] != b[j - 1]);
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[b_length];
}

enum status text_make_directories(const char *path)
{
	char *copy = memory_copy_text(path);
	if (copy == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = STATUS_OK;
	for (char *end = copy + 1; status == STATUS_OK && copy[0] != '\0'; end++) {
		if (*end != '/' && *end != '\0')
			continue;
		char last = *end;
		*end = '\0';
		if (mkdir(copy, 0777) != 0 && errno != EEXIST)
			status = error_raise(STATUS_IO, "%s: cannot make the folder: %s", copy, strerror(errno));
		*end = last;
		if (last == '\0')
			break;
	}
	struct stat facts;
	if (status == STATUS_OK && copy[0] != '\0' && (stat(path, &facts) != 0 || !S_ISDIR(facts.st_mode)))
		status = error_raise(STATUS_IO, "%s: cannot make the folder: a file of that name is in the way", path);
	free(copy);
	return status;
}
