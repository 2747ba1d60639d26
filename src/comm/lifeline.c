/* TCP connections to rank 0 and the threads that watch them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* pipe2 */
#endif
#include "comm/lifeline.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "comm/lifeline_state.h"

void lifeline_set_timeout(struct lifeline *lifeline, double timeout)
{
	if (lifeline != NULL)
		atomic_store(&lifeline->timeout, isfinite(timeout) ? llround(1e3 * timeout) : 0);
}

enum status lifeline_open(const struct world *world, struct lifeline **lifeline_out)
{
	*lifeline_out = NULL;
	if (world->size == 1)
		return STATUS_OK;
	struct lifeline *lifeline = memory_allocate(1, sizeof *lifeline);
	if (lifeline == NULL)
		return STATUS_ENVIRONMENT;
	lifeline->rank = world->rank;
	lifeline->size = world->size;
	lifeline->wake[0] = lifeline->wake[1] = -1;
	lifeline->sockets = memory_allocate((size_t)world->size, sizeof *lifeline->sockets);
	lifeline_set_timeout(lifeline, world->timeout);
	enum status status = lifeline->sockets == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int i = 0; i < world->size && status == STATUS_OK; i++)
		lifeline->sockets[i] = -1;
	if (status == STATUS_OK)
		status = lifeline_connect(world, lifeline);
	int error = 0;
	if (status == STATUS_OK)
		error = pipe2(lifeline->wake, O_CLOEXEC) != 0
		                ? errno
		                : pthread_create(&lifeline->thread, NULL, lifeline_watch, lifeline);
	lifeline->watching = status == STATUS_OK && error == 0;
	if (status == STATUS_OK && !lifeline->watching) {
		log_warning("this rank has no thread to watch others (%s): if another dies it may hang until its time "
		            "limit; raise the limits on processes and open files",
		            strerror(error));
		lifeline_say(lifeline, WORD_QUIET);
	}
	*lifeline_out = lifeline;
	return status;
}

int lifeline_slots(const struct lifeline *lifeline)
{
	return lifeline->sockets == NULL ? 0 : lifeline->rank == 0 ? lifeline->size : 1;
}

void lifeline_say(const struct lifeline *lifeline, char word)
{
	for (int i = 0; i < lifeline_slots(lifeline); i++)
		if (lifeline->sockets[i] >= 0)
			(void)send(lifeline->sockets[i], &word, 1, MSG_NOSIGNAL);
}

void lifeline_announce(struct lifeline *lifeline)
{
	if (lifeline != NULL)
		lifeline_say(lifeline, WORD_BYE);
}

void lifeline_close(struct lifeline *lifeline)
{
	if (lifeline == NULL)
		return;
	int slots = lifeline_slots(lifeline);
	lifeline_announce(lifeline);
	if (lifeline->watching) {
		close(lifeline->wake[1]);
		pthread_join(lifeline->thread, NULL);
	} else if (lifeline->wake[1] >= 0) {
		close(lifeline->wake[1]);
	}
	if (lifeline->wake[0] >= 0)
		close(lifeline->wake[0]);
	for (int i = 0; i < slots; i++)
		if (lifeline->sockets[i] >= 0)
			close(lifeline->sockets[i]);
	free(lifeline->sockets);
	free(lifeline);
}
