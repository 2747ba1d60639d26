/* Lock files: who has one, who may take it over.
 * SPDX-License-Identifier: Apache-2.0 */
#include "storage_fixture.h"

#include <signal.h>
#include <sys/wait.h>

#include "storage/lock.h"

static void test_take_and_release(void **state)
{
	const char *path = in_folder(state, "lock");
	struct lock_memory memory = { 0 };
	struct lock *lock = NULL;
	char *owner = NULL;
	for (int i = 0; i < 2; i++) {
		assert_good(lock_take(path, &memory, &lock, &owner));
		assert_non_null(lock);
		assert_null(owner);
		assert_int_equal(access(path, F_OK), 0);
		lock_release(lock);
		assert_int_equal(count_entries(*state), 0);
	}
	lock_release(NULL);
	assert_bad(lock_take(in_folder(state, "none/lock"), &memory, &lock, &owner), STATUS_IO, "cannot be created");
	assert_null(lock);
}

/* A child that holds the lock until it is killed. Returns when the lock is there. */
static pid_t holding_child(const char *path)
{
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		struct lock_memory memory = { 0 };
		struct lock *lock = NULL;
		char *owner = NULL;
		if (lock_take(path, &memory, &lock, &owner) != STATUS_OK || lock == NULL ||
		    write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return child;
}

static void test_alive_owner_is_named(void **state)
{
	const char *path = in_folder(state, "lock");
	struct lock_memory memory = { 0 };
	struct lock *lock = NULL;
	char *owner = NULL, process[32];
	pid_t child = holding_child(path);
	assert_good(lock_take(path, &memory, &lock, &owner));
	assert_null(lock);
	assert_non_null(owner);
	snprintf(process, sizeof process, "process %d on", (int)child);
	assert_non_null(strstr(owner, process));
	free(owner);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	/* Its process is gone: no waiting. */
	assert_good(lock_take(path, &memory, &lock, &owner));
	assert_non_null(lock);
	lock_release(lock);
	assert_int_equal(count_entries(*state), 0);
}

/* Of many processes that find a stale lock at once exactly one gets it, and it is passed on until all have had it. */
static void test_one_at_a_time(void **state)
{
	enum { CONTENDERS = 8 };
	const char *path = in_folder(state, "lock"), *shared = in_folder(state, "inside");
	pid_t children[CONTENDERS];
	pid_t dead = holding_child(path);
	kill(dead, SIGKILL);
	waitpid(dead, NULL, 0);
	for (int i = 0; i < CONTENDERS; i++) {
		children[i] = fork();
		if (children[i] != 0)
			continue;
		struct lock_memory memory = { 0 };
		struct lock *lock = NULL;
		for (int tries = 0; lock == NULL && tries < 10000; tries++) {
			char *owner = NULL;
			if (lock_take(path, &memory, &lock, &owner) != STATUS_OK)
				_exit(2);
			free(owner);
			if (lock == NULL)
				usleep(2000);
		}
		/* Two inside at once would meet here. */
		int file = lock == NULL ? -1 : open(shared, O_CREAT | O_EXCL | O_WRONLY, 0600);
		if (file < 0)
			_exit(3);
		usleep(20000);
		close(file);
		unlink(shared);
		lock_release(lock);
		_exit(0);
	}
	for (int i = 0; i < CONTENDERS; i++) {
		int code = -1;
		waitpid(children[i], &code, 0);
		assert_int_equal(code, 0);
	}
	assert_int_equal(count_entries(*state), 0);
}

/* A lock that was left on another machine by an earlier start of this same job. */
static void test_earlier_start_of_the_job(void **state)
{
	const char *path = in_folder(state, "lock");
	static const char left[] =
		"beat 000000000003\nid 0011\nhost far\nplace elsewhere\npid 1\nstart 1\njob 17\nrestart 0\n"
		"since 2026-01-01T00:00:00Z\n";
	struct lock_memory memory = { 0 };
	struct lock *lock = NULL;
	char *owner = NULL;
	put_file(path, left, sizeof left - 1);
	setenv("SLURM_JOB_ID", "17", 1);
	setenv("SLURM_RESTART_COUNT", "1", 1);
	assert_good(lock_take(path, &memory, &lock, &owner));
	assert_non_null(lock);
	lock_release(lock);
	unsetenv("SLURM_JOB_ID");
	unsetenv("SLURM_RESTART_COUNT");
}

static const char far_owner[] = "beat %012d\nid 0011\nhost far\nplace elsewhere\npid 1\nstart 1\njob 17\nrestart 0\n"
				"since 2026-01-01T00:00:00Z\n";

/* The owner on the other machine, until it is killed. */
static _Noreturn void keep_beating(const char *path)
{
	for (int beat = 2;; beat++) {
		char text[256];
		usleep(500000);
		snprintf(text, sizeof text, far_owner, beat);
		int file = open(path, O_WRONLY);
		if (file < 0 || pwrite(file, text, 18, 0) != 18)
			_exit(1);
		close(file);
	}
}

/* An owner on another machine is alive while its beat changes. */
static void test_beat_of_another_machine(void **state)
{
	const char *path = in_folder(state, "lock");
	struct lock_memory memory = { 0 };
	struct lock *lock = NULL;
	char *owner = NULL, text[256];
	snprintf(text, sizeof text, far_owner, 1);
	put_file(path, text, strlen(text));
	pid_t child = fork();
	if (child == 0)
		keep_beating(path);
	assert_good(lock_take(path, &memory, &lock, &owner));
	assert_null(lock);
	assert_string_equal(owner, "job 17 on far, process 1, since 2026-01-01T00:00:00Z");
	free(owner);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

/* An owner whose lock is in other hands ends itself. */
static void test_stolen_lock_ends_the_owner(void **state)
{
	const char *path = in_folder(state, "lock");
	pid_t child = holding_child(path);
	int code = 0;
	unlink(path);
	waitpid(child, &code, 0); /* at its next beat */
	assert_true(WIFEXITED(code));
	assert_int_equal(WEXITSTATUS(code), status_exit_code(STATUS_ENVIRONMENT));
}

static unsigned long beat_of(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	unsigned long beat = 0;
	assert_good(file_read(path, &text, &size));
	assert_int_equal(sscanf(text, "beat %lu", &beat), 1);
	free(text);
	return beat;
}

static void wait_for_beat(const char *path, unsigned long beat)
{
	for (int i = 0; beat_of(path) < beat; i++) {
		assert_true(i < 10 * LOCK_STALE_SECONDS);
		usleep(100000);
	}
}

/* Another process that took this lock for the one before it has it aside for a moment, when the owner looks for it. */
static void test_lock_that_is_aside_is_not_lost(void **state)
{
	const char *path = in_folder(state, "lock"), *aside = in_folder(state, "lock.aside");
	pid_t child = holding_child(path);
	wait_for_beat(path, 1);
	usleep((LOCK_BEAT_SECONDS - 1) * 1000000);
	assert_int_equal(rename(path, aside), 0);
	usleep(2000000);
	assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
	assert_int_equal(link(aside, path), 0);
	unlink(aside);
	wait_for_beat(path, 2);
	assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_take_and_release, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_alive_owner_is_named, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_one_at_a_time, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_earlier_start_of_the_job, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_beat_of_another_machine, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_stolen_lock_ends_the_owner, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_lock_that_is_aside_is_not_lost, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
