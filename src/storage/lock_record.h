/* Inside of src/storage: who owns a lock file, as the file says it, and whether that process is still there.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_STORAGE_LOCK_RECORD_H
#define CAPSHAPE_STORAGE_LOCK_RECORD_H

#include <stdbool.h>
#include <stdint.h>

enum { LOCK_FIELD_SIZE = 128, LOCK_NAME_SIZE = 192 };

/* What the file says, one line a field. */
struct lock_record {
	uint64_t beat;
	char id[LOCK_FIELD_SIZE]; /* random: tells owners apart */
	char host[LOCK_FIELD_SIZE];
	char place[LOCK_FIELD_SIZE]; /* boot and process name space: where process ids mean the same */
	long long pid, start;        /* start: of the process, in ticks; a process id may be used again */
	char job[LOCK_FIELD_SIZE];   /* Slurm's number, "-" outside */
	long long restart;           /* of the job */
	char since[LOCK_FIELD_SIZE];
};

/* This process, with a random id. */
void lock_record_describe_self(struct lock_record *record);

/* False when there is no such file, or it can not be read (errno says why). Opened anew each time: network file systems
 * look at the server then. */
bool lock_record_read(const char *path, struct lock_record *record);
/* Makes the file. 0, or an errno: EEXIST when somebody has it. */
int lock_record_create(const char *path, const struct lock_record *record);
/* Writes the beat over that in the file. 0, or an errno; a file that cannot be opened now is left to the next beat: 0. */
int lock_record_write_beat(const char *path, const struct lock_record *record);

/* Its process has ended for certain: one of this machine that is not there, or of an earlier start of this Slurm job. */
bool lock_record_is_gone(const struct lock_record *owner, const struct lock_record *self);
/* It is there for certain: on this machine nobody has to wait for a beat. */
bool lock_record_is_alive(const struct lock_record *owner, const struct lock_record *self);
/* The process that owns a lock, whichever lock it is. */
void lock_record_name(const struct lock_record *owner, char name[LOCK_NAME_SIZE]);
/* The same for people. From malloc. */
char *lock_record_describe(const struct lock_record *owner);

#endif
