/* Taking locks for all ranks of a job.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/guard.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/timer.h"

enum status guard_take(const char *folder, struct lock_memory *memory, struct lock **lock_out, char **owner_out)
{
	char *path = text_join_path(folder, "lock");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : text_make_directories(folder);
	if (status == STATUS_OK)
		status = lock_take(path, memory, lock_out, owner_out);
	free(path);
	return status;
}

bool guard_tells(struct guard_telling *telling)
{
	enum { FIRST_INTERVAL = 30, LONGEST_INTERVAL = 3600 };
	double now = timer_seconds();
	if (telling->interval > 0 && now < telling->at)
		return false;
	telling->interval = telling->interval == 0 ? FIRST_INTERVAL : fmin(2 * telling->interval, LONGEST_INTERVAL);
	telling->at = now + telling->interval;
	return true;
}

enum status guard_wait_alone(const char *folder, struct lock **lock_out)
{
	struct guard_telling telling = { 0 };
	struct lock_memory memory = { 0 };
	for (;;) {
		char *owner = NULL;
		memory.verdict = 0; /* it may have died since */
		STATUS_TRY(guard_take(folder, &memory, lock_out, &owner));
		if (*lock_out != NULL)
			return STATUS_OK;
		stop_note_saved(); /* by the other job */
		if (guard_tells(&telling))
			log_info("waiting: %s is being worked on by %s", folder, owner);
		free(owner);
		struct timespec pause = { .tv_sec = 1 };
		nanosleep(&pause, NULL);
		STATUS_TRY(stop_check("waiting for another job"));
	}
}

enum status guard_wait(struct world *world, const char *folder, struct lock **lock_out)
{
	*lock_out = NULL;
	enum status status = world_agree(world, world->rank == 0 ? guard_wait_alone(folder, lock_out) : STATUS_OK);
	if (status != STATUS_OK) {
		lock_release(*lock_out);
		*lock_out = NULL;
	}
	return status;
}
