/* One file of fixed records, locked record by record.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* F_OFD_SETLK */
#endif
#include "results/score_claims.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/atomic_file.h"

enum { FIRST_NAP = 20000, LONGEST_NAP = 5000000 }; /* nanoseconds */

struct score_claims {
	char *path;
	int file;
	bool lockless; /* this file system has no locks */
};

struct place {
	int64_t journal; /* number + 1; 0: none */
	int64_t offset;
};

enum status score_claims_open(const char *folder, struct score_claims **claims_out)
{
	struct score_claims *claims = memory_allocate(1, sizeof *claims);
	if (claims == NULL)
		return STATUS_ENVIRONMENT;
	claims->file = -1;
	claims->path = text_join_path(folder, "claims");
	enum status status = claims->path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK) {
		claims->file = open(claims->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
		if (claims->file < 0)
			status = file_raise(errno, claims->path, "cannot be opened");
	}
	if (status != STATUS_OK)
		score_claims_close(claims);
	else
		*claims_out = claims;
	return status;
}

void score_claims_close(struct score_claims *claims)
{
	if (claims == NULL)
		return;
	if (claims->file >= 0)
		close(claims->file);
	free(claims->path);
	free(claims);
}

static int set_lock(const struct score_claims *claims, int64_t block, short type)
{
	struct flock range = { .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)(block * (int64_t)sizeof(struct place)),
		               .l_len = sizeof(struct place) };
	return fcntl(claims->file, F_OFD_SETLK, &range) == 0 ? 0 : errno;
}

enum status score_claims_take(struct score_claims *claims, int64_t block, void (*progress)(void *state), void *state)
{
	struct timespec nap = { .tv_nsec = FIRST_NAP };
	while (!claims->lockless) {
		int error = set_lock(claims, block, F_WRLCK);
		if (error == 0)
			return STATUS_OK;
		if (error != EAGAIN && error != EACCES && error != EINTR) {
			log_warning("%s: cannot be locked (%s): groups and jobs may score the same text, to the same scores",
			            claims->path, file_reason(error));
			claims->lockless = true;
		}
		if (progress != NULL)
			progress(state);
		nanosleep(&nap, NULL);
		nap.tv_nsec = 2 * nap.tv_nsec < LONGEST_NAP ? 2 * nap.tv_nsec : LONGEST_NAP;
	}
	return STATUS_OK;
}

void score_claims_drop(struct score_claims *claims, int64_t block)
{
	if (!claims->lockless)
		(void)set_lock(claims, block, F_UNLCK);
}

bool score_claims_find(const struct score_claims *claims, int64_t block, int *journal_out, int64_t *offset_out)
{
	struct place place;
	if (pread(claims->file, &place, sizeof place, (off_t)(block * (int64_t)sizeof place)) != sizeof place ||
	    place.journal < 1 || place.journal > INT32_MAX || place.offset < 1)
		return false;
	*journal_out = (int)(place.journal - 1);
	*offset_out = place.offset;
	return true;
}

enum status score_claims_publish(struct score_claims *claims, int64_t block, int journal, int64_t offset)
{
	struct place place = { journal + 1, offset };
	ssize_t written = pwrite(claims->file, &place, sizeof place, (off_t)(block * (int64_t)sizeof place));
	return written == sizeof place ? STATUS_OK
	                               : file_raise(written < 0 ? errno : ENOSPC, claims->path, "cannot be written");
}
