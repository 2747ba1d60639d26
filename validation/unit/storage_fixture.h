/* What the tests of files share: a folder removed at the end, whole files as bytes, statuses with their message.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef VALIDATION_STORAGE_FIXTURE_H
#define VALIDATION_STORAGE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/status.h"
#include "base/text.h"
#include "storage/atomic_file.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Fails the test with the message of the error. */
#define assert_good(expression)               assert_status(expression, STATUS_OK, NULL, __FILE__, __LINE__)
/* The status, and words that its message must hold. */
#define assert_bad(expression, status, words) assert_status(expression, status, words, __FILE__, __LINE__)

static inline void assert_status(enum status found, enum status expected, const char *words, const char *file, int line)
{
	if (found != expected || (words != NULL && strstr(error_message(), words) == NULL)) {
		print_error("%s, not %s: %s\n", status_name(found), status_name(expected), error_message());
		_fail(file, line);
	}
	error_clear();
}

/* cmocka setup and teardown: *state is the path of a new folder. */
static inline int make_folder(void **state)
{
	const char *parent = getenv("TMPDIR");
	char *folder = text_format("%s/capshape-test-XXXXXX", parent != NULL ? parent : "/tmp");
	*state = folder;
	return folder != NULL && mkdtemp(folder) != NULL ? 0 : -1;
}

static inline int remove_folder(void **state)
{
	enum status status = folder_remove(*state);
	free(*state);
	return status == STATUS_OK ? 0 : -1;
}

/* A path in the folder of the test. Sixteen of them can be in use at once. */
static inline const char *in_folder(void **state, const char *name)
{
	static char paths[16][4096];
	static int next;
	next = (next + 1) % 16;
	snprintf(paths[next], sizeof paths[next], "%s/%s", (const char *)*state, name);
	return paths[next];
}

static inline char *whole_file(const char *path, size_t *size)
{
	char *bytes = NULL;
	assert_good(file_read(path, &bytes, size));
	return bytes;
}

/* Plain writing, for damage. */
static inline void put_file(const char *path, const void *bytes, size_t size)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	assert_true(file >= 0);
	assert_int_equal(write(file, bytes, size), size);
	assert_int_equal(close(file), 0);
}

static inline void flip_bit(const char *path, size_t byte, int bit)
{
	size_t size;
	char *bytes = whole_file(path, &size);
	assert_true(byte < size);
	bytes[byte] = (char)(bytes[byte] ^ 1 << bit);
	put_file(path, bytes, size);
	free(bytes);
}

/* Entries of a folder, "." and ".." left out. */
static inline int count_entries(const char *folder)
{
	int count = -2;
	DIR *list = opendir(folder);
	assert_non_null(list);
	while (readdir(list) != NULL)
		count++;
	closedir(list);
	return count;
}

#endif
