/* What a lock file says: writing and reading it, and what it tells of its owner.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* getrandom, readlink */
#endif
#include "storage/lock_record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/text.h"
#include "base/timer.h"

enum { RECORD_SIZE = 1024 };

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

static void describe_place(char place[LOCK_FIELD_SIZE])
{
	char boot[LOCK_FIELD_SIZE], space[32] = "";
	read_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
	if (readlink("/proc/self/ns/pid", space, sizeof space - 1) < 0)
		space[0] = '\0';
	snprintf(place, LOCK_FIELD_SIZE, "%.60s/%.31s", boot, space);
}

void lock_record_describe_self(struct lock_record *record)
{
	uint64_t number[2] = { 0 };
	const char *job = getenv("SLURM_JOB_ID"), *restart = getenv("SLURM_RESTART_COUNT");
	*record = (struct lock_record){ .pid = getpid(),
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

static void format_record(const struct lock_record *record, char text[RECORD_SIZE])
{
	/* The beat has a fixed width, so that it can be written over. */
	snprintf(text, RECORD_SIZE,
	         "beat %012" PRIu64
	         "\nid %s\nhost %s\nplace %s\npid %lld\nstart %lld\njob %s\nrestart %lld\nsince %s\n",
	         record->beat, record->id, record->host, record->place, record->pid, record->start, record->job,
	         record->restart, record->since);
}

/* An owner that was killed while it wrote leaves a part: what is missing stays empty. */
static void parse_record(const char *text, struct lock_record *record)
{
	*record = (struct lock_record){ 0 };
	(void)sscanf(text,
	             "beat %" SCNu64
	             " id %127s host %127s place %127s pid %lld start %lld job %127s restart %lld since %127s",
	             &record->beat, record->id, record->host, record->place, &record->pid, &record->start, record->job,
	             &record->restart, record->since);
}

bool lock_record_read(const char *path, struct lock_record *record)
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

int lock_record_create(const char *path, const struct lock_record *record)
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

int lock_record_write_beat(const char *path, const struct lock_record *record)
{
	char text[RECORD_SIZE];
	format_record(record, text);
	int file = open(path, O_WRONLY | O_CLOEXEC);
	if (file < 0)
		return 0;
	/* Closing is what makes other nodes see it; it need not survive a crash. */
	int error = pwrite(file, text, strcspn(text, "\n") + 1, 0) < 0 ? errno : 0;
	close(file);
	return error;
}

/* ---- its owner ---- */

bool lock_record_is_gone(const struct lock_record *owner, const struct lock_record *self)
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

bool lock_record_is_alive(const struct lock_record *owner, const struct lock_record *self)
{
	return owner->place[0] != '\0' && strcmp(owner->place, self->place) == 0 &&
	       process_start(owner->pid) == owner->start;
}

void lock_record_name(const struct lock_record *owner, char name[LOCK_NAME_SIZE])
{
	snprintf(name, LOCK_NAME_SIZE, "%.120s %lld %lld", owner->place, owner->pid, owner->start);
}

char *lock_record_describe(const struct lock_record *owner)
{
	if (owner->job[0] != '\0' && strcmp(owner->job, "-") != 0)
		return text_format("job %s on %s, process %lld, since %s", owner->job, owner->host, owner->pid,
		                   owner->since);
	return text_format("process %lld on %s, since %s", owner->pid, owner->host, owner->since);
}
