/* Checked allocation.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

void *memory_allocate(size_t count, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - ALIGNMENT) {
		error_raise(STATUS_ENVIRONMENT, "out of memory: %zu elements of %zu bytes cannot be addressed", count,
		            size);
		return NULL;
	}
	size_t rounded = bytes == 0 ? ALIGNMENT : (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	void *memory = aligned_alloc(ALIGNMENT, rounded);
	if (memory == NULL) {
		error_raise(STATUS_ENVIRONMENT, "out of memory: %zu bytes asked for", bytes);
		return NULL;
	}
	memset(memory, 0, rounded);
	return memory;
}

enum status memory_grow(void **array, size_t *capacity, size_t needed, size_t size)
{
	if (needed <= *capacity)
		return STATUS_OK;
	size_t grown = *capacity + *capacity / 2;
	if (grown < needed)
		grown = needed;
	if (grown < 16)
		grown = 16;
	size_t bytes;
	void *moved = NULL;
	if (!__builtin_mul_overflow(grown, size, &bytes))
		moved = realloc(*array, bytes);
	if (moved == NULL)
		return error_raise(STATUS_ENVIRONMENT, "out of memory: %zu elements of %zu bytes asked for", grown,
		                   size);
	*array = moved;
	*capacity = grown;
	return STATUS_OK;
}

/* A line "VmRSS:   1234 kB" of a file, in bytes. */
static double value_of(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	char line[256];
	double value = 0;
	size_t length = strlen(name);
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof line, file) != NULL)
		if (strncmp(line, name, length) == 0 && line[length] == ':')
			value = 1024 * strtod(line + length + 1, NULL);
	fclose(file);
	return value;
}

double memory_resident(void)
{
	return value_of("/proc/self/status", "VmRSS");
}

double memory_peak(void)
{
	return value_of("/proc/self/status", "VmHWM");
}

/* The number in a file; HUGE_VAL where there is none: "max", or no file. */
static double number_in(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[64] = "", *end = line;
	if (file == NULL)
		return HUGE_VAL;
	double value = fgets(line, sizeof line, file) == NULL ? 0 : strtod(line, &end);
	fclose(file);
	return end == line ? HUGE_VAL : value;
}

/* Of the group of this process and those above it. */
static double group_limit(void)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[512] = "", path[640];
	double limit = HUGE_VAL;
	if (file == NULL)
		return limit;
	while (fgets(line, sizeof line, file) != NULL && strncmp(line, "0::/", 4) != 0)
		line[0] = '\0';
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	for (char *last = line; last != NULL && strlen(line) > 3;) {
		snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", line + 3);
		limit = fmin(limit, number_in(path));
		last = strrchr(line + 3, '/');
		if (last != NULL)
			*last = '\0';
	}
	return limit;
}

double memory_free(void)
{
	return fmin(value_of("/proc/meminfo", "MemAvailable"), group_limit());
}

char *memory_copy_text(const char *text)
{
	char *copy = strdup(text);
	if (copy == NULL)
		error_raise(STATUS_ENVIRONMENT, "out of memory: %zu bytes asked for", strlen(text) + 1);
	return copy;
}
