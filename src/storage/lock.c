/* Making, beating, judging and breaking lock files.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* getrandom, readlink */
#endif
#include "storage/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/timer.h"
#include "storage/atomic_file.h"

enum { FIELD_SIZE = 128, RECORD_SIZE = 1024, MOST_TRIES = 20, STACK_BYTES = 256 << 10, MOST_MISSING = 1 };

/* What the file says, one line a field. */
struct record {
	uint64_t beat;
	char id[FIELD_SIZE]; /* random: tells owners apart */
	char host[FIELD_SIZE];
	char place[FIELD_SIZE]; /* boot and process name space: where process ids mean the same */
	long long pid, start;   /* start: of the process, in ticks; a process id may be used again */
	char job[FIELD_SIZE];   /* Slurm's number, "-" outside */
	long long restart;      /* of the job */
	char since[FIELD_SIZE];
};

struct lock {
	char *path;
	struct record record;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool beating, ending;
	int missing; /* beats in a row that did not find the file */
};

/* ---- this process ---- */

static void read_line(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");
	if (file == NULL || fgets(text, (int)size, file) == NULL)
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	if (file != NULL)
		fclose(file);
}

/* Field 22 of /proc/PID/stat; -1 when it cannot be read, 0 when the process has ended. */
static long long process_start(long long pid)
{
	char path[64], line[1024];
	snprintf(path, sizeof path, "/proc/%lld/stat", pid);
	read_line(path, line, sizeof line);
	char *at = strrchr(line, ')');
	if (at != NULL && at[1] == ' ' && at[2] == 'Z')
		return 0; /* a zombie: it has ended */
	if (at == NULL)
		return -1;
	for (int field = 2; field < 22 && at != NULL; field++)
		at = strchr(at + 1, ' ');
	return at == NULL ? -1 : strtoll(at, NULL, 10);
}

static void describe_place(char place[FIELD_SIZE])
{
	char boot[FIELD_SIZE], space[32] = "";
	read_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
	if (readlink("/proc/self/ns/pid", space, sizeof space - 1) < 0)
		space[0] = '\0';
	snprintf(place, FIELD_SIZE, "%.60s/%.31s", boot, space);
}

static void describe_self(struct record *record)
{
	uint64_t number[2] = { 0 };
	const char *job = getenv("SLURM_JOB_ID"), *restart = getenv("SLURM_RESTART_COUNT");
	*record = (struct record){ .pid = getpid(),
		                   .start = process_start(getpid()),
		                   .restart = restart == NULL ? 0 : strtoll(restart, NULL, 10) };
	if (getrandom(number, sizeof number, 0) != (ssize_t)sizeof number)
		number[0] = (uint64_t)(timer_seconds() * 1e9);
	snprintf(record->id, sizeof record->id, "%016" PRIx64 "%016" PRIx64, number[0], number[1]);
	gethostname(record->host, sizeof record->host - 1);
	describe_place(record->place);
	snprintf(record->job, sizeof record->job, "%s", job == NULL || job[0] == '\0' ? "-" : job);
	timer_date(record->since);
}

/* ---- the file ---- */

static void format_record(const struct record *record, char text[RECORD_SIZE])
{
	/* The beat has a fixed width, so that it can be written over. */
	snprintf(text, RECORD_SIZE,
	         "beat %012" PRIu64
	         "\nid %s\nhost %s\nplace %s\npid %lld\nstart %lld\njob %s\nrestart %lld\nsince %s\n",
	         record->beat, record->id, record->host, record->place, record->pid, record->start, record->job,
	         record->restart, record->since);
}

/* An owner that was killed while it wrote leaves a part: what is missing stays empty. */
static void parse_record(const char *text, struct record *record)
{
	*record = (struct record){ 0 };
	(void)sscanf(text,
	             "beat %" SCNu64
	             " id %127s host %127s place %127s pid %lld start %lld job %127s restart %lld since %127s",
	             &record->beat, record->id, record->host, record->place, &record->pid, &record->start, record->job,
	             &record->restart, record->since);
}

/* False when there is no such file, or it can not be read (errno says why). Opened anew each time: network file systems
 * look at the server then. */
static bool read_record(const char *path, struct record *record)
{
	char text[RECORD_SIZE] = "";
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	ssize_t got = read(file, text, sizeof text - 1);
	int error = errno;
	close(file);
	if (got < 0) {
		errno = error;
		return false;
	}
	text[got] = '\0';
	parse_record(text, record);
	return true;
}

/* 0, or an errno: EEXIST when somebody has it. */
static int create_file(const char *path, const struct record *record)
{
	char text[RECORD_SIZE];
	format_record(record, text);
	int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (file < 0)
		return errno;
	int error = write(file, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : errno != 0 ? errno : ENOSPC;
	if (error == 0 && fsync(file) != 0)
		error = errno;
	close(file);
	if (error != 0)
		unlink(path);
	return error;
}

/* ---- beating ---- */

/* Its owner may go on for a moment; the results are the same bits whoever writes them. */
static void lost(const struct lock *lock, const struct record *now)
{
	log_error(
		"%s was taken over by another process (%s, process %lld) while this one did not move: ending, so that two do "
		"not work on the same",
		lock->path, now->host[0] != '\0' ? now->host : "unknown", now->pid);
	_exit(status_exit_code(STATUS_ENVIRONMENT));
}

static void beat_once(struct lock *lock)
{
	struct record now = { 0 };
	char text[RECORD_SIZE];
	if (read_record(lock->path, &now)) {
		if (strcmp(now.id, lock->record.id) != 0)
			lost(lock, &now);
		lock->missing = 0;
	} else if (errno == ENOENT && lock->missing == MOST_MISSING) {
		lost(lock, &now);
	} else if (errno == ENOENT) {
		/* Whoever judged the owner before this one may have it aside for a moment (remove_stale). */
		lock->missing++;
		return;
	} else {
		return; /* the file system is busy with itself: the next beat may come through */
	}
	lock->record.beat++;
	format_record(&lock->record, text);
	int file = open(lock->path, O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return; /* the next beat may come through */
	/* Closing is what makes other nodes see it; it need not survive a crash. */
	if (pwrite(file, text, strcspn(text, "\n") + 1, 0) < 0)
		log_warning("%s: %s", lock->path, file_reason(errno));
	close(file);
}

static void *beat(void *argument)
{
	struct lock *lock = argument;
	pthread_mutex_lock(&lock->mutex);
	while (!lock->ending) {
		struct timespec until;
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += LOCK_BEAT_SECONDS;
		if (pthread_cond_timedwait(&lock->changed, &lock->mutex, &until) == ETIMEDOUT && !lock->ending)
			beat_once(lock);
	}
	pthread_mutex_unlock(&lock->mutex);
	return NULL;
}

/* Signals are for the thread that works. */
static bool start_beating(struct lock *lock)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_t small; /* a job may hold hundreds of locks */
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, STACK_BYTES);
	bool started = pthread_create(&lock->thread, &small, beat, lock) == 0;
	pthread_attr_destroy(&small);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

/* ---- judging others ---- */

static bool is_certainly_gone(const struct record *owner, const struct record *self)
{
	if (owner->id[0] == '\0')
		return false;
	if (strcmp(owner->job, "-") != 0 && strcmp(owner->job, self->job) == 0 && owner->restart < self->restart)
		return true; /* Slurm ended that start of this job before it began this one */
	if (owner->place[0] == '\0' || strcmp(owner->place, self->place) != 0)
		return false;
	long long start = process_start(owner->pid);
	/* Processes of others may be hidden: they are still there to be signalled. */
	return start >= 0 ? start != owner->start : kill((pid_t)owner->pid, 0) != 0 && errno == ESRCH;
}

/* On this machine nobody has to wait for a beat. */
static bool is_certainly_alive(const struct record *owner, const struct record *self)
{
	return owner->place[0] != '\0' && strcmp(owner->place, self->place) == 0 &&
	       process_start(owner->pid) == owner->start;
}

enum verdict { VERDICT_UNKNOWN, VERDICT_FREE, VERDICT_STALE, VERDICT_ALIVE };

/* The process that owns a lock, whichever lock it is. */
static void name_owner(const struct record *owner, char name[192])
{
	snprintf(name, 192, "%.120s %lld %lld", owner->place, owner->pid, owner->start);
}

/* Watches the beat until it changes, the file is gone, or the patience is over. `owner`: the last that was read. */
static enum status watch(const char *path, const struct record *self, struct record *owner, enum verdict *verdict)
{
	const struct record first = *owner;
	bool told = false;
	double begin = timer_seconds();
	while (!is_certainly_gone(owner, self) && timer_seconds() - begin < LOCK_STALE_SECONDS) {
		struct timespec pause = { .tv_nsec = 200000000 };
		STATUS_TRY(stop_check("waiting for a lock"));
		nanosleep(&pause, NULL);
		if (!read_record(path, owner)) {
			*verdict = VERDICT_FREE;
			return STATUS_OK;
		}
		if (owner->beat != first.beat || strcmp(owner->id, first.id) != 0) {
			*verdict = VERDICT_ALIVE;
			return STATUS_OK;
		}
		if (!told && timer_seconds() - begin > 2 * LOCK_BEAT_SECONDS) {
			log_info("%s is in use by %s, which gives no sign of life: taking over in %d s", path,
			         owner->host[0] != '\0' ? owner->host : "an unknown process",
			         LOCK_STALE_SECONDS - 2 * LOCK_BEAT_SECONDS);
			told = true;
		}
	}
	*verdict = VERDICT_STALE;
	return STATUS_OK;
}

static enum status judge(const char *path, const struct record *self, struct lock_memory *memory, struct record *owner,
                         enum verdict *verdict)
{
	char name[192];
	*verdict = VERDICT_FREE;
	if (!read_record(path, owner))
		return STATUS_OK;
	name_owner(owner, name);
	if (is_certainly_alive(owner, self)) {
		*verdict = VERDICT_ALIVE;
	} else if (owner->id[0] != '\0' && strcmp(name, memory->owner) == 0 && memory->verdict != VERDICT_UNKNOWN) {
		*verdict = (enum verdict)memory->verdict;
	} else {
		STATUS_TRY(watch(path, self, owner, verdict));
		if (*verdict != VERDICT_FREE) {
			name_owner(owner, memory->owner);
			memory->verdict = (int)*verdict;
		}
	}
	return STATUS_OK;
}

/* Two that judge the same lock stale could remove each other's new one: so it is renamed first, and put back when it turns
 * out to be another. */
static enum status remove_stale(const char *path, const struct record *stale, const struct record *self)
{
	struct record found = { 0 };
	char *aside = text_format("%s.%s", path, self->id);
	if (aside == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = STATUS_OK;
	if (rename(path, aside) == 0) {
		if (read_record(aside, &found) && strcmp(found.id, stale->id) != 0)
			(void)link(aside, path);
		else
			log_info("%s: the lock of a process that is gone (%s, process %lld) is taken over", path,
			         stale->host, stale->pid);
		unlink(aside);
	} else if (errno != ENOENT) {
		status = file_raise(errno, path, "the lock of a process that is gone cannot be removed");
	}
	free(aside);
	return status;
}

static char *describe_owner(const struct record *owner)
{
	if (owner->job[0] != '\0' && strcmp(owner->job, "-") != 0)
		return text_format("job %s on %s, process %lld, since %s", owner->job, owner->host, owner->pid,
		                   owner->since);
	return text_format("process %lld on %s, since %s", owner->pid, owner->host, owner->since);
}

/* ---- taking and releasing ---- */

static enum status create_lock(const char *path, const struct record *self, struct lock **lock_out)
{
	struct lock *lock = memory_allocate(1, sizeof *lock);
	char *copy = memory_copy_text(path);
	if (lock == NULL || copy == NULL) {
		free(lock);
		free(copy);
		return STATUS_ENVIRONMENT;
	}
	lock->path = copy;
	lock->record = *self;
	pthread_mutex_init(&lock->mutex, NULL);
	pthread_cond_init(&lock->changed, NULL);
	lock->beating = start_beating(lock);
	if (!lock->beating) {
		unlink(path);
		free(copy);
		free(lock);
		return error_raise(STATUS_ENVIRONMENT,
		                   "%s: no thread can be started that keeps the lock fresh: too many "
		                   "processes for the limits of this user or job?",
		                   path);
	}
	*lock_out = lock;
	return STATUS_OK;
}

enum status lock_take(const char *path, struct lock_memory *memory, struct lock **lock_out, char **owner_out)
{
	struct record self, owner = { 0 };
	*lock_out = NULL;
	*owner_out = NULL;
	describe_self(&self);
	for (int i = 0; i < MOST_TRIES; i++) {
		enum verdict verdict;
		int error = create_file(path, &self);
		if (error == 0)
			return create_lock(path, &self, lock_out);
		if (error != EEXIST)
			return file_raise(error, path, "cannot be created");
		STATUS_TRY(judge(path, &self, memory, &owner, &verdict));
		if (verdict == VERDICT_ALIVE)
			break;
		if (verdict == VERDICT_STALE)
			STATUS_TRY(remove_stale(path, &owner, &self));
	}
	*owner_out = describe_owner(&owner);
	return *owner_out == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

void lock_release(struct lock *lock)
{
	struct record now;
	if (lock == NULL)
		return;
	pthread_mutex_lock(&lock->mutex);
	lock->ending = true;
	pthread_cond_signal(&lock->changed);
	pthread_mutex_unlock(&lock->mutex);
	if (lock->beating)
		pthread_join(lock->thread, NULL);
	if (read_record(lock->path, &now) && strcmp(now.id, lock->record.id) == 0)
		unlink(lock->path);
	pthread_cond_destroy(&lock->changed);
	pthread_mutex_destroy(&lock->mutex);
	free(lock->path);
	free(lock);
}
