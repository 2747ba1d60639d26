/* Checked allocation.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

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

/* A line "VmRSS:   1234 kB" of /proc/self/status, in bytes. */
static double status_value(const char *name)
{
	FILE *file = fopen("/proc/self/status", "re");
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
	return status_value("VmRSS");
}

double memory_peak(void)
{
	return status_value("VmHWM");
}

char *memory_copy_text(const char *text)
{
	char *copy = strdup(text);
	if (copy == NULL)
		error_raise(STATUS_ENVIRONMENT, "out of memory: %zu bytes asked for", strlen(text) + 1);
	return copy;
}
