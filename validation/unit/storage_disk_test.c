/* A full disk, at every size: the file is the old one or the right new one, and the message says what is wrong. Once
 * with a limit of the size of files, and, where one may be mounted, with a small file system.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1

#include "storage_fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "storage/hdf5_file.h"
#include "storage/journal.h"

enum { VALUES = 30000 };

static enum status write_values(const char *path, int64_t first)
{
	struct hdf5_writer *writer;
	int64_t *values = memory_allocate(VALUES, sizeof *values);
	for (int64_t i = 0; i < VALUES; i++)
		values[i] = first + i;
	enum status status = hdf5_create(path, &writer);
	if (status == STATUS_OK) {
		for (int i = 0; status == STATUS_OK && i < 100; i++) {
			char name[32];
			snprintf(name, sizeof name, "section/key%d", i);
			status = hdf5_write_text_attribute(writer, "parameters", name, "a value");
		}
		if (status == STATUS_OK)
			status = hdf5_write_vector(writer, "values", HDF5_INT64, VALUES, values, "1", "values");
		if (status == STATUS_OK)
			status = hdf5_commit(writer);
		else
			hdf5_abandon(writer);
	}
	free(values);
	return status;
}

/* The first value, after a look at the others; -1 when there is no such file. */
static int64_t read_values(const char *path)
{
	struct hdf5_reader *reader;
	if (access(path, F_OK) != 0)
		return -1;
	int64_t *values = memory_allocate(VALUES, sizeof *values);
	assert_good(hdf5_open(path, &reader));
	assert_good(hdf5_read(reader, "values", HDF5_INT64, VALUES, values));
	hdf5_close(reader);
	for (int64_t i = 0; i < VALUES; i++)
		assert_true(values[i] == values[0] + i);
	int64_t first = values[0];
	free(values);
	return first;
}

/* Runs `body` in a child, so that limits and mounts end with it. 0: it went well; 9: it could not be tried. */
static int in_child(int (*body)(const char *folder), const char *folder)
{
	int result = 0;
	pid_t child = fork();
	if (child == 0)
		_exit(body(folder));
	assert_true(child > 0 && waitpid(child, &result, 0) == child);
	return WIFEXITED(result) ? WEXITSTATUS(result) : 100 + WTERMSIG(result);
}

static void set_limit(rlim_t size)
{
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = size;
	setrlimit(RLIMIT_FSIZE, &limit);
}

/* Exit code: 0 all well, else the number of what was not. */
static int try_limits(const char *folder)
{
	char path[4096];
	struct stat facts;
	int failures = 0, successes = 0;
	signal(SIGXFSZ, SIG_IGN);
	snprintf(path, sizeof path, "%s/values.h5", folder);
	if (write_values(path, 1) != STATUS_OK || stat(path, &facts) != 0)
		return 1;
	for (off_t limit = 0; limit < facts.st_size + 3000; limit += limit < 3000 ? 331 : 1777) {
		set_limit((rlim_t)limit);
		enum status status = write_values(path, 2);
		set_limit(RLIM_INFINITY);
		failures += status != STATUS_OK;
		successes += status == STATUS_OK;
		if (status != STATUS_OK && (status != STATUS_IO || strstr(error_message(), "File too large") == NULL))
			return 2;
		if (read_values(path) != (status == STATUS_OK ? 2 : 1) || count_entries(folder) != 1)
			return 3;
		if ((status == STATUS_OK) != (limit >= facts.st_size))
			return 4;
	}
	return failures > 20 && successes > 0 ? 0 : 5;
}

static void test_limit_of_file_size(void **state)
{
	assert_int_equal(in_child(try_limits, *state), 0);
}

/* Leaves about `free_bytes` free on the small file system. */
static bool fill_disk(const char *folder, double free_bytes)
{
	char path[4096], block[4096] = { 1 };
	double free_now;
	snprintf(path, sizeof path, "%s/filler", folder);
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	bool good = file >= 0 && folder_free_bytes(folder, &free_now) == STATUS_OK;
	while (good && free_now > free_bytes)
		good = write(file, block, sizeof block) == (ssize_t)sizeof block &&
		       folder_free_bytes(folder, &free_now) == STATUS_OK;
	return file >= 0 && close(file) == 0 && good;
}

/* Journals: what was synced stays, and appending goes on when there is room again. */
static int try_journal(const char *folder)
{
	char path[4096], bytes[3000] = { 0 };
	struct journal *journal;
	enum status status = STATUS_OK;
	int64_t offset, last = 0;
	snprintf(path, sizeof path, "%s/a.journal", folder);
	if (!fill_disk(folder, 20000) || journal_open(path, "test", "id", NULL, NULL, &journal) != STATUS_OK)
		return 21;
	while ((status = journal_append(journal, bytes, sizeof bytes, &offset)) == STATUS_OK)
		last = offset;
	if (status != STATUS_IO || strstr(error_message(), "no space left on device") == NULL || last == 0)
		return 22;
	if (!fill_disk(folder, 100000) || journal_append(journal, bytes, sizeof bytes, &offset) != STATUS_OK ||
	    offset != last + 3000 + 24 || journal_close(journal) != STATUS_OK)
		return 23;
	return 0;
}

static int try_small_disk(const char *folder)
{
	char path[4096];
	int failures = 0, successes = 0;
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("capshape-test", folder, "tmpfs", 0, "size=1m") != 0)
		return 9;
	snprintf(path, sizeof path, "%s/values.h5", folder);
	for (int kib = 0; kib < 320; kib += 12) {
		unlink(path);
		if (!fill_disk(folder, kib * 1024.0))
			return 10;
		enum status status = write_values(path, 2);
		failures += status != STATUS_OK;
		successes += status == STATUS_OK;
		if (status != STATUS_OK &&
		    (status != STATUS_IO || strstr(error_message(), "no space left on device") == NULL))
			return 11;
		if (read_values(path) != (status == STATUS_OK ? 2 : -1))
			return 12;
		if (count_entries(folder) != (status == STATUS_OK ? 2 : 1))
			return 13;
	}
	unlink(path);
	return failures < 10 || successes < 2 ? 14 : try_journal(folder);
}

static void test_small_disk(void **state)
{
	int result = in_child(try_small_disk, *state);
	if (result == 9)
		skip();
	assert_int_equal(result, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_limit_of_file_size, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_small_disk, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
