/* One file of fixed records, locked record by record.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* F_OFD_SETLK */
#endif
#include "results/score_claims.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "storage/atomic_file.h"

enum {
	FIRST_NAP = 20000,
	LONGEST_NAP = 5000000, /* nanoseconds */
	PIECE = 4096,          /* records that are read at a time */
	BEATS = 12,            /* a patience: beats of whoever scores, looks of those who wait */
	/* The patience once somebody was silent: a suspended job holds a block with each of its ranks. */
	SHORT_BEATS = 2
};

struct score_claims {
	char *path;
	int file;
	bool lockless; /* this file system has no locks */
	double patience;
	bool impatient;                        /* somebody was silent */
	int64_t scoring[SCORE_CLAIMS_AT_ONCE]; /* blocks that are being scored, -1: none */
	int64_t beat;
	double beaten; /* when */
};

/* What the file says of a block. */
struct place {
	int64_t journal; /* number + 1; 0: none */
	int64_t offset;  /* in the journal; without one, minus the beat of whoever scores the block */
};

static bool has_scores(const struct place *place)
{
	return place->journal >= 1 && place->journal <= INT32_MAX && place->offset >= 1;
}

enum status score_claims_open(const char *folder, double patience, struct score_claims **claims_out)
{
	struct score_claims *claims = memory_allocate(1, sizeof *claims);
	if (claims == NULL)
		return STATUS_ENVIRONMENT;
	*claims = (struct score_claims){ .file = -1, .patience = patience };
	for (int i = 0; i < SCORE_CLAIMS_AT_ONCE; i++)
		claims->scoring[i] = -1;
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
	struct flock range = { .l_type = type,
		               .l_whence = SEEK_SET,
		               .l_start = (off_t)(block * (int64_t)sizeof(struct place)),
		               .l_len = sizeof(struct place) };
	return fcntl(claims->file, F_OFD_SETLK, &range) == 0 ? 0 : errno;
}

void score_claims_set_patience(struct score_claims *claims, double patience)
{
	claims->patience = patience;
}

/* ---- waiting for whoever holds a block */

struct watch {
	struct place seen;
	bool published;
	double looked, silent; /* seconds: of the last look, without a beat */
};

/* Opened anew, so that network file systems look at the server. */
static struct place read_fresh(const struct score_claims *claims, int64_t block)
{
	struct place place = { 0 };
	int file = open(claims->path, O_RDONLY | O_CLOEXEC);
	if (file < 0 || pread(file, &place, sizeof place, (off_t)(block * (int64_t)sizeof place)) != sizeof place)
		place = (struct place){ 0 };
	if (file >= 0)
		close(file);
	return place;
}

/* The time in which this process was stopped itself does not count: a turn is a few milliseconds. */
static void look(const struct score_claims *claims, int64_t block, struct watch *watch)
{
	double now = timer_seconds(), since = now - watch->looked, pause = claims->patience / BEATS;
	if (watch->looked > 0 && since < pause)
		return;
	struct place place = read_fresh(claims, block);
	bool changed = watch->looked == 0 || place.journal != watch->seen.journal || place.offset != watch->seen.offset;
	watch->silent = changed ? 0 : watch->silent + fmin(since, 2 * pause);
	watch->published = place.journal > 0;
	watch->seen = place;
	watch->looked = now;
}

void score_claims_take(struct score_claims *claims, int64_t block, void (*progress)(void *state), void *state)
{
	struct timespec nap = { .tv_nsec = FIRST_NAP };
	struct watch watch = { .looked = 0 };
	while (!claims->lockless) {
		int error = set_lock(claims, block, F_WRLCK);
		if (error == 0)
			return;
		if (error != EAGAIN && error != EACCES && error != EINTR) {
			log_warning("%s: cannot be locked (%s): groups and jobs may score the same text, to the same "
			            "scores",
			            claims->path, file_reason(error));
			claims->lockless = true;
		}
		look(claims, block, &watch);
		if (watch.published)
			return;
		if (watch.silent > (claims->impatient ? claims->patience * SHORT_BEATS / BEATS : claims->patience)) {
			log_warning("%s: whoever scores block %lld has given no sign of life for %.3g s (a suspended "
			            "job?): it is scored here as well, to the same scores",
			            claims->path, (long long)block, watch.silent);
			claims->impatient = true;
			return;
		}
		if (progress != NULL)
			progress(state);
		nanosleep(&nap, NULL);
		nap.tv_nsec = 2 * nap.tv_nsec < LONGEST_NAP ? 2 * nap.tv_nsec : LONGEST_NAP;
	}
}

bool score_claims_try(struct score_claims *claims, int64_t block)
{
	return claims->lockless || set_lock(claims, block, F_WRLCK) == 0;
}

/* ---- holding some */

/* Without it others may score the block too: no reason to fail. */
static void write_beat(struct score_claims *claims, int64_t block)
{
	struct place place = { 0, -++claims->beat };
	if (pwrite(claims->file, &place, sizeof place, (off_t)(block * (int64_t)sizeof place)) == sizeof place)
		claims->beaten = timer_seconds();
}

void score_claims_begin(struct score_claims *claims, int64_t block)
{
	int at = 0;
	while (at + 1 < SCORE_CLAIMS_AT_ONCE && claims->scoring[at] >= 0)
		at++;
	claims->scoring[at] = block;
	write_beat(claims, block); /* also over a place where no scores are */
}

void score_claims_beat(struct score_claims *claims)
{
	int journal, beats = 0;
	int64_t offset;
	if (timer_seconds() - claims->beaten < claims->patience / BEATS)
		return;
	for (int i = 0; i < SCORE_CLAIMS_AT_ONCE; i++) {
		/* One may have been taken over meanwhile, and already be scored. */
		if (claims->scoring[i] < 0 || score_claims_find(claims, claims->scoring[i], &journal, &offset))
			continue;
		write_beat(claims, claims->scoring[i]);
		beats++;
	}
	if (beats > 0)
		(void)fdatasync(claims->file); /* network file systems would keep it for a while */
}

void score_claims_drop(struct score_claims *claims, int64_t block)
{
	for (int i = 0; i < SCORE_CLAIMS_AT_ONCE; i++)
		if (claims->scoring[i] == block)
			claims->scoring[i] = -1;
	if (!claims->lockless)
		(void)set_lock(claims, block, F_UNLCK);
}

enum status score_claims_list(const char *folder,
                              enum status (*visit)(void *context, int64_t block, int journal, int64_t offset),
                              void *context)
{
	char *path = text_join_path(folder, "claims");
	if (path == NULL)
		return STATUS_ENVIRONMENT;
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0) {
		enum status status = errno == ENOENT ? STATUS_OK : file_raise(errno, path, "cannot be opened");
		free(path);
		return status;
	}
	struct place *piece = memory_allocate(PIECE, sizeof *piece);
	enum status status = piece == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int64_t block = 0, got = 1; status == STATUS_OK && got > 0; block += got) {
		ssize_t bytes = pread(file, piece, PIECE * sizeof *piece, (off_t)(block * (int64_t)sizeof *piece));
		if (bytes < 0)
			status = file_raise(errno, path, "cannot be read");
		got = bytes < 0 ? 0 : bytes / (int64_t)sizeof *piece;
		for (int64_t i = 0; i < got && status == STATUS_OK; i++)
			if (has_scores(&piece[i]))
				status = visit(context, block + i, (int)(piece[i].journal - 1), piece[i].offset);
	}
	close(file);
	free(piece);
	free(path);
	return status;
}

bool score_claims_find(const struct score_claims *claims, int64_t block, int *journal_out, int64_t *offset_out)
{
	struct place place;
	if (pread(claims->file, &place, sizeof place, (off_t)(block * (int64_t)sizeof place)) != sizeof place ||
	    !has_scores(&place))
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
