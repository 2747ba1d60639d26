/* One system call after the other is made to fail: nothing that was finished is ever lost, nothing half-finished is
 * ever seen, and the same work done again succeeds.
 *
 * The calls are replaced by functions of the same name in this program, which its libraries use, too.
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1

#include "results_fixture.h"

#include <errno.h>
#include <sys/syscall.h>

#include "storage/journal.h"

enum fault_kind { FAIL_ONCE, FAIL_FROM_THEN_ON, SHORT_WRITE, FAULT_KINDS };

static struct {
	bool armed;
	enum fault_kind kind;
	int error;
	long at;    /* the number of the call that fails, from 1 */
	long calls; /* so far */
} fault;

/* Whether this call fails. A short write shortens *size instead. */
static bool strikes(size_t *size)
{
	if (!fault.armed)
		return false;
	if (fault.kind == SHORT_WRITE) {
		if (size != NULL && ++fault.calls == fault.at && *size > 1)
			*size /= 2;
		return false;
	}
	fault.calls++;
	if (fault.calls != fault.at && !(fault.kind == FAIL_FROM_THEN_ON && fault.calls > fault.at))
		return false;
	errno = fault.error;
	return true;
}

ssize_t write(int file, const void *bytes, size_t size)
{
	return strikes(&size) ? -1 : (ssize_t)syscall(SYS_write, file, bytes, size);
}

ssize_t pwrite(int file, const void *bytes, size_t size, off_t offset)
{
	return strikes(&size) ? -1 : (ssize_t)syscall(SYS_pwrite64, file, bytes, size, offset);
}

ssize_t pread(int file, void *bytes, size_t size, off_t offset)
{
	return strikes(&size) ? -1 : (ssize_t)syscall(SYS_pread64, file, bytes, size, offset);
}

/* There is no power failure here, and the real one is slow. */
int fsync(int file)
{
	(void)file;
	return strikes(NULL) ? -1 : 0;
}

int rename(const char *from, const char *to)
{
	return strikes(NULL) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int ftruncate(int file, off_t size)
{
	return strikes(NULL) ? -1 : (int)syscall(SYS_ftruncate, file, size);
}

int mkdir(const char *path, mode_t mode)
{
	return strikes(NULL) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

/* The file is closed even when close() says that something was lost. */
int close(int file)
{
	int result = (int)syscall(SYS_close, file);
	return strikes(NULL) ? -1 : result;
}

/* ---- what is done under faults ---- */

struct scenario {
	/* Makes what was finished before. */
	void (*prepare)(const char *folder);
	/* The work. *finished: how much of it is promised to last. */
	enum status (*work)(const char *folder, int *finished);
	/* Old or new, nothing else; at least what was finished. `whole`: the work said that it was done. */
	void (*check)(const char *folder, int finished, bool whole);
};

static char *path_in(const char *folder, const char *name)
{
	static char path[4096];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

/* Small files. */

static void prepare_text(const char *folder)
{
	assert_good(atomic_file_write(path_in(folder, "text"), "old", 3));
}

static enum status write_new_text(const char *folder, int *finished)
{
	STATUS_TRY(atomic_file_write(path_in(folder, "text"), "new text", 8));
	*finished = 1;
	return STATUS_OK;
}

static void check_text(const char *folder, int finished, bool whole)
{
	size_t size;
	char *text = whole_file(path_in(folder, "text"), &size);
	bool is_new = size == 8 && memcmp(text, "new text", 8) == 0;
	assert_true(is_new || (size == 3 && memcmp(text, "old", 3) == 0));
	assert_true(is_new || (finished == 0 && !whole));
	free(text);
	assert_int_equal(count_entries(folder), 1);
}

/* HDF5 files. */

enum { VALUES = 9000 };

static enum status write_values(const char *folder, double first)
{
	struct hdf5_writer *writer;
	double *values = memory_allocate(VALUES, sizeof *values);
	for (int i = 0; i < VALUES; i++)
		values[i] = first + i;
	enum status status = hdf5_create(path_in(folder, "run.h5"), &writer);
	if (status == STATUS_OK) {
		status = hdf5_write_text_attribute(writer, "provenance", "input", "some text");
		if (status == STATUS_OK)
			status = hdf5_write_vector(writer, "curves/loss", HDF5_FLOAT64, VALUES, values, "nats", "loss");
		if (status == STATUS_OK)
			status = hdf5_write_vector(writer, "curves/rate", HDF5_FLOAT64, VALUES, values, "1", "rate");
		if (status == STATUS_OK)
			status = hdf5_commit(writer);
		else
			hdf5_abandon(writer);
	}
	free(values);
	return status;
}

static void prepare_values(const char *folder)
{
	assert_good(write_values(folder, 1));
}

static enum status write_new_values(const char *folder, int *finished)
{
	STATUS_TRY(write_values(folder, 2));
	*finished = 1;
	return STATUS_OK;
}

static void check_values(const char *folder, int finished, bool whole)
{
	struct hdf5_reader *reader;
	double *values = memory_allocate(2 * VALUES, sizeof *values);
	assert_good(hdf5_open(path_in(folder, "run.h5"), &reader));
	assert_good(hdf5_read(reader, "curves/loss", HDF5_FLOAT64, VALUES, values));
	assert_good(hdf5_read(reader, "curves/rate", HDF5_FLOAT64, VALUES, values + VALUES));
	hdf5_close(reader);
	assert_true(values[0] == 2 || (values[0] == 1 && finished == 0 && !whole));
	for (int i = 0; i < 2 * VALUES; i++)
		assert_true(values[i] == values[0] + i % VALUES);
	free(values);
	assert_int_equal(count_entries(folder), 1);
}

/* Journals. */

enum { OLD_RECORDS = 3, NEW_RECORDS = 4 };

static enum status append_numbers(const char *folder, int begin, int end, int *finished)
{
	struct journal *journal;
	int64_t offset;
	STATUS_TRY(journal_open(path_in(folder, "a.journal"), "test", "identity", NULL, NULL, &journal));
	enum status status = STATUS_OK;
	for (int number = begin; number < end && status == STATUS_OK; number++) {
		status = journal_append(journal, &number, sizeof number, &offset);
		if (status == STATUS_OK)
			status = journal_sync(journal);
		if (status == STATUS_OK)
			*finished = number + 1;
	}
	enum status closed = journal_close(journal);
	return status != STATUS_OK ? status : closed;
}

static void prepare_journal(const char *folder)
{
	int finished;
	assert_good(append_numbers(folder, 0, OLD_RECORDS, &finished));
}

static enum status visit_number(void *context, uint64_t number, const void *payload, size_t size, int64_t offset)
{
	int *count = context, value;
	(void)offset;
	assert_int_equal(size, sizeof value);
	memcpy(&value, payload, size);
	assert_int_equal(number, *count);
	assert_int_equal(value, *count);
	++*count;
	return STATUS_OK;
}

static int count_numbers(const char *folder)
{
	int count = 0;
	assert_good(journal_scan(path_in(folder, "a.journal"), "test", "identity", visit_number, &count));
	return count;
}

/* Continues behind what is there, as a restarted program does. */
static enum status append_new(const char *folder, int *finished)
{
	bool armed = fault.armed;
	fault.armed = false;
	int begin = count_numbers(folder);
	fault.armed = armed;
	*finished = begin;
	return append_numbers(folder, begin, OLD_RECORDS + NEW_RECORDS, finished);
}

static void check_journal(const char *folder, int finished, bool whole)
{
	int count = count_numbers(folder);
	assert_true(count >= OLD_RECORDS && count >= finished);
	assert_true(whole ? count == OLD_RECORDS + NEW_RECORDS : count <= OLD_RECORDS + NEW_RECORDS);
}

static void prepare_nothing(const char *folder)
{
	assert_int_equal(count_entries(folder), 0);
}

/* A journal that has to be made first. */
static void check_new_journal(const char *folder, int finished, bool whole)
{
	int count = count_numbers(folder);
	assert_true(count >= finished);
	assert_true(!whole || count == OLD_RECORDS + NEW_RECORDS);
}

/* Checkpoints. */

enum { ARENA = 1001 };

static void prepare_checkpoint(const char *folder)
{
	assert_good(write_checkpoint(folder, 10, 1, ARENA, "run", 1));
}

static enum status write_new_checkpoint(const char *folder, int *finished)
{
	STATUS_TRY(write_checkpoint(folder, 20, 1, ARENA, "run", 1));
	*finished = 1;
	return STATUS_OK;
}

static void check_new_checkpoint(const char *folder, int finished, bool whole)
{
	int64_t step;
	assert_good(checkpoint_find(folder, "run", ARENA, &step));
	assert_true(step == 20 || (step == 10 && finished == 0 && !whole));
	check_checkpoint(folder, step, 0, ARENA);
}

/* The same step is there, damaged: the only sound one is older. */
static void prepare_damaged_checkpoint(const char *folder)
{
	assert_good(write_checkpoint(folder, 10, 1, ARENA, "run", 2));
	assert_good(write_checkpoint(folder, 20, 1, ARENA, "run", 2));
	assert_int_equal(unlink(path_in(folder, "step-000000020/state.h5")), 0);
}

/* ---- the loop over faults ---- */

static int open_files(void)
{
	return count_entries("/proc/self/fd");
}

static void try_fault(const char *parent, const struct scenario *scenario, bool *struck)
{
	char folder[4096];
	int finished = 0;
	snprintf(folder, sizeof folder, "%s/work", parent);
	fault.armed = false;
	assert_int_equal(mkdir(folder, 0777), 0);
	scenario->prepare(folder);
	int files = open_files();
	fault.calls = 0;
	fault.armed = true;
	enum status status = scenario->work(folder, &finished);
	fault.armed = false;
	*struck = fault.calls >= fault.at;
	if (!*struck || fault.kind == SHORT_WRITE)
		assert_status(status, STATUS_OK, NULL, __FILE__, __LINE__);
	else if (status != STATUS_OK)
		assert_true(status == STATUS_IO && strcasestr(error_message(), file_reason(fault.error)) != NULL);
	assert_int_equal(open_files(), files);
	scenario->check(folder, finished, status == STATUS_OK);
	/* Once the trouble is over the same line does the rest. */
	assert_good(scenario->work(folder, &finished));
	scenario->check(folder, finished, true);
	assert_good(folder_remove(folder));
}

static void try_faults(const char *parent, const struct scenario *scenario, enum fault_kind kind)
{
	static const int errors[FAULT_KINDS] = { EIO, ENOSPC, 0 };
	bool struck = true;
	long at = 0;
	while (struck) {
		fault.kind = kind;
		fault.error = errors[kind];
		fault.at = ++at;
		try_fault(parent, scenario, &struck);
	}
	/* At the least something was written and, but for short writes, made durable and renamed. */
	assert_true(at > (kind == SHORT_WRITE ? 1 : 4));
}

static void try_all_faults(const char *parent, const struct scenario *scenario)
{
	for (int kind = FAIL_ONCE; kind < FAULT_KINDS; kind++)
		try_faults(parent, scenario, (enum fault_kind)kind);
}

static void test_small_files(void **state)
{
	static const struct scenario scenario = { prepare_text, write_new_text, check_text };
	try_all_faults(*state, &scenario);
}

static void test_hdf5_files(void **state)
{
	static const struct scenario scenario = { prepare_values, write_new_values, check_values };
	try_all_faults(*state, &scenario);
}

static void test_journals(void **state)
{
	static const struct scenario appended = { prepare_journal, append_new, check_journal };
	static const struct scenario made = { prepare_nothing, append_new, check_new_journal };
	try_all_faults(*state, &appended);
	try_all_faults(*state, &made);
}

static void test_checkpoints(void **state)
{
	static const struct scenario next = { prepare_checkpoint, write_new_checkpoint, check_new_checkpoint };
	static const struct scenario damaged = { prepare_damaged_checkpoint, write_new_checkpoint,
		                                 check_new_checkpoint };
	try_all_faults(*state, &next);
	try_faults(*state, &damaged, FAIL_FROM_THEN_ON);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_small_files, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_hdf5_files, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_journals, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_checkpoints, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
