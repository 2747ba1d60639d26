/* Taking locks for all ranks of a job.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/guard.h"

#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/timer.h"

/* Rank 0. *owner_out: as lock_take(). */
static enum status take(const char *folder, struct lock **lock_out, char **owner_out)
{
	char *path = text_join_path(folder, "lock");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : text_make_directories(folder);
	if (status == STATUS_OK)
		status = lock_take(path, lock_out, owner_out);
	free(path);
	return status;
}

static enum status take_patiently(const char *folder, struct lock **lock_out)
{
	enum { MINUTE = 60 };
	double told = -MINUTE;
	for (;;) {
		char *owner = NULL;
		STATUS_TRY(take(folder, lock_out, &owner));
		if (*lock_out != NULL)
			return STATUS_OK;
		stop_note_saved(); /* by the other job */
		if (timer_seconds() - told >= MINUTE) {
			log_info("waiting: %s is being worked on by %s", folder, owner);
			told = timer_seconds();
		}
		free(owner);
		struct timespec pause = { .tv_sec = 1 };
		nanosleep(&pause, NULL);
	}
}

enum status guard_wait(struct world *world, const char *folder, struct lock **lock_out)
{
	*lock_out = NULL;
	enum status status = world_agree(world, world->rank == 0 ? take_patiently(folder, lock_out) : STATUS_OK);
	if (status != STATUS_OK) {
		lock_release(*lock_out);
		*lock_out = NULL;
	}
	return status;
}

enum status guard_try(struct world *world, const char *folder, struct lock **lock_out, bool *busy_out)
{
	enum status status = STATUS_OK;
	char *owner = NULL;
	*lock_out = NULL;
	*busy_out = false;
	if (world->rank == 0) {
		status = take(folder, lock_out, &owner);
		*busy_out = status == STATUS_OK && *lock_out == NULL;
		if (*busy_out)
			log_info("%s is being worked on by %s: left to it", folder, owner);
		free(owner);
	}
	status = world_agree(world, status);
	return status == STATUS_OK ? world_broadcast(world, busy_out, sizeof *busy_out, 0) : status;
}
