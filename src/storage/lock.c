/* Making, beating, judging and breaking lock files.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* getrandom, readlink */
#endif
#include "storage/lock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/timer.h"
#include "storage/atomic_file.h"
#include "storage/lock_record.h"

enum { MOST_TRIES = 20, STACK_BYTES = 256 << 10, MOST_MISSING = 1 };

struct lock {
	char *path;
	struct lock_record record;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool beating, ending;
	int missing; /* beats in a row that did not find the file */
};

/* ---- beating ---- */

/* Its owner may go on for a moment; the results are the same bits whoever writes them. */
static void lost(const struct lock *lock, const struct lock_record *now)
{
	log_error(
		"%s was taken over by another process (%s, process %lld) while this one did not move: ending, so that two do "
		"not work on the same",
		lock->path, now->host[0] != '\0' ? now->host : "unknown", now->pid);
	_exit(status_exit_code(STATUS_ENVIRONMENT));
}

static void beat_once(struct lock *lock)
{
	struct lock_record now = { 0 };
	if (lock_record_read(lock->path, &now)) {
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
	int error = lock_record_write_beat(lock->path, &lock->record);
	if (error != 0)
		log_warning("%s: %s", lock->path, file_reason(error));
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

enum verdict { VERDICT_UNKNOWN, VERDICT_FREE, VERDICT_STALE, VERDICT_ALIVE };

/* Watches the beat until it changes, the file is gone, or the patience is over. `owner`: the last that was read. */
static enum status watch(const char *path, const struct lock_record *self, struct lock_record *owner,
                         enum verdict *verdict)
{
	const struct lock_record first = *owner;
	bool told = false;
	double begin = timer_seconds();
	while (!lock_record_is_gone(owner, self) && timer_seconds() - begin < LOCK_STALE_SECONDS) {
		struct timespec pause = { .tv_nsec = 200000000 };
		STATUS_TRY(stop_check("waiting for a lock"));
		nanosleep(&pause, NULL);
		if (!lock_record_read(path, owner)) {
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

static enum status judge(const char *path, const struct lock_record *self, struct lock_memory *memory,
                         struct lock_record *owner, enum verdict *verdict)
{
	char name[LOCK_NAME_SIZE];
	*verdict = VERDICT_FREE;
	if (!lock_record_read(path, owner))
		return STATUS_OK;
	lock_record_name(owner, name);
	if (lock_record_is_alive(owner, self)) {
		*verdict = VERDICT_ALIVE;
	} else if (owner->id[0] != '\0' && strcmp(name, memory->owner) == 0 && memory->verdict != VERDICT_UNKNOWN) {
		*verdict = (enum verdict)memory->verdict;
	} else {
		STATUS_TRY(watch(path, self, owner, verdict));
		if (*verdict != VERDICT_FREE) {
			lock_record_name(owner, memory->owner);
			memory->verdict = (int)*verdict;
		}
	}
	return STATUS_OK;
}

/* Two that judge the same lock stale could remove each other's new one: so it is renamed first, and put back when it turns
 * out to be another. */
static enum status remove_stale(const char *path, const struct lock_record *stale, const struct lock_record *self)
{
	struct lock_record found = { 0 };
	char *aside = text_format("%s.%s", path, self->id);
	if (aside == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = STATUS_OK;
	if (rename(path, aside) == 0) {
		if (lock_record_read(aside, &found) && strcmp(found.id, stale->id) != 0)
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

/* ---- taking and releasing ---- */

static enum status create_lock(const char *path, const struct lock_record *self, struct lock **lock_out)
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
	struct lock_record self, owner = { 0 };
	*lock_out = NULL;
	*owner_out = NULL;
	lock_record_describe_self(&self);
	for (int i = 0; i < MOST_TRIES; i++) {
		enum verdict verdict;
		int error = lock_record_create(path, &self);
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
	*owner_out = lock_record_describe(&owner);
	return *owner_out == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

void lock_release(struct lock *lock)
{
	struct lock_record now;
	if (lock == NULL)
		return;
	pthread_mutex_lock(&lock->mutex);
	lock->ending = true;
	pthread_cond_signal(&lock->changed);
	pthread_mutex_unlock(&lock->mutex);
	if (lock->beating)
		pthread_join(lock->thread, NULL);
	if (lock_record_read(lock->path, &now) && strcmp(now.id, lock->record.id) == 0)
		unlink(lock->path);
	pthread_cond_destroy(&lock->changed);
	pthread_mutex_destroy(&lock->mutex);
	free(lock->path);
	free(lock);
}
