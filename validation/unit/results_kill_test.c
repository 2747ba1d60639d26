/* A program that writes all the time is killed at random moments: every file that can be seen is complete and right,
 * and everything that it reported as finished is there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "results_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/random.h"
#include "storage/journal.h"

enum { KILLS = 30, VALUES = 5000, ARENA = 2000 };

/* What the writer has finished, told through a pipe after each round. */
struct progress {
	int64_t round;
	uint64_t records;
};

static enum status write_file(const char *path, int64_t round)
{
	struct hdf5_writer *writer;
	int64_t values[VALUES];
	for (int64_t i = 0; i < VALUES; i++)
		values[i] = round * VALUES + i;
	STATUS_TRY(hdf5_create(path, &writer));
	enum status status = hdf5_write_integer_attribute(writer, "/", "round", round);
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "curves/values", HDF5_INT64, VALUES, values, "1", "values");
	if (status == STATUS_OK)
		return hdf5_commit(writer);
	hdf5_abandon(writer);
	return status;
}

static void check_file(const char *path, int64_t least)
{
	struct hdf5_reader *reader;
	int64_t round, values[VALUES];
	if (least == 0 && access(path, F_OK) != 0)
		return;
	assert_good(hdf5_open(path, &reader));
	assert_good(hdf5_read_integer_attribute(reader, "/", "round", &round));
	assert_good(hdf5_read(reader, "curves/values", HDF5_INT64, VALUES, values));
	hdf5_close(reader);
	assert_true(round >= least);
	for (int64_t i = 0; i < VALUES; i++)
		assert_true(values[i] == round * VALUES + i);
}

/* A record of varying size that follows from its number. */
static size_t make_record(uint64_t number, char bytes[5000])
{
	size_t size = (size_t)(number * 977 % 5000);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (char)(number + i * 3);
	return size;
}

static enum status check_record(void *context, uint64_t number, const void *payload, size_t size, int64_t offset)
{
	uint64_t *count = context;
	char expected[5000];
	(void)offset;
	assert_true(number == *count);
	assert_int_equal(size, make_record(number, expected));
	assert_memory_equal(payload, expected, size);
	++*count;
	return STATUS_OK;
}

static enum status append_records(struct journal *journal, struct progress *progress)
{
	char bytes[5000];
	int64_t offset;
	for (int i = 0; i < 5; i++)
		STATUS_TRY(
			journal_append(journal, bytes, make_record(progress->records + (uint64_t)i, bytes), &offset));
	STATUS_TRY(journal_sync(journal));
	progress->records += 5;
	return STATUS_OK;
}

static enum status write_round(const char *folder, struct journal *journal, struct progress *progress)
{
	char path[4096];
	progress->round++;
	snprintf(path, sizeof path, "%s/run.h5", folder);
	STATUS_TRY(write_file(path, progress->round));
	STATUS_TRY(append_records(journal, progress));
	snprintf(path, sizeof path, "%s/checkpoints", folder);
	return write_checkpoint(path, progress->round, 2, ARENA, "run", 2);
}

/* The child: never returns. Exit code 3 when anything fails. */
static void write_for_ever(const char *folder, struct progress progress, int told)
{
	char path[4096];
	struct journal *journal;
	snprintf(path, sizeof path, "%s/a.journal", folder);
	progress.records = 0;
	if (journal_open(path, "test", "identity", check_record, &progress.records, &journal) != STATUS_OK)
		_exit(3);
	while (write_round(folder, journal, &progress) == STATUS_OK)
		if (write(told, &progress, sizeof progress) != sizeof progress)
			_exit(3);
	_exit(3);
}

/* The last report in a pipe whose writer is gone. */
static void read_progress(int file, struct progress *progress)
{
	struct progress read_one;
	while (read(file, &read_one, sizeof read_one) == sizeof read_one)
		*progress = read_one;
}

static void check_all(const char *folder, struct progress *progress)
{
	char path[4096];
	uint64_t records = 0;
	int64_t step;
	snprintf(path, sizeof path, "%s/run.h5", folder);
	check_file(path, progress->round);
	snprintf(path, sizeof path, "%s/a.journal", folder);
	assert_good(journal_scan(path, "test", "identity", check_record, &records));
	assert_true(records >= progress->records);
	snprintf(path, sizeof path, "%s/checkpoints", folder);
	assert_good(checkpoint_find(path, "run", ARENA, &step));
	assert_true(step >= progress->round || progress->round == 0);
	if (step >= 0)
		check_checkpoint(path, step, 0, ARENA);
	/* The next program goes on from there. */
	progress->round = step > progress->round ? step : progress->round;
}

static void kill_once(const char *folder, int number, struct progress *progress)
{
	int ends[2], result = 0;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		write_for_ever(folder, *progress, ends[1]);
	close(ends[1]);
	/* At once, or after one to three rounds; then anywhere in the next ones. A child that fails closes the pipe. */
	for (int round = 0; round < number % 4; round++)
		assert_int_equal(read(ends[0], progress, sizeof *progress), sizeof *progress);
	struct timespec wait = { 0, (long)(random_uniform(1, RANDOM_TEST, 0, (uint64_t)number) * 40e6) };
	nanosleep(&wait, NULL);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &result, 0), child);
	assert_true(WIFSIGNALED(result) && WTERMSIG(result) == SIGKILL);
	read_progress(ends[0], progress);
	close(ends[0]);
	check_all(folder, progress);
}

static void test_random_kills(void **state)
{
	struct progress progress = { 0 };
	for (int number = 0; number < KILLS; number++)
		kill_once(*state, number, &progress);
	assert_true(progress.round >= KILLS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_kills, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
