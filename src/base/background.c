/* A thread for each piece of work, and what it leaves: its status and its message.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/background.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct background {
	pthread_t thread;
	bool busy, threaded;
	enum status (*work)(void *context);
	void *context;
	/* written by the thread before `done` */
	enum status status;
	char *message; /* of a failure; NULL: no memory even for that */
	atomic_bool done;
};

enum status background_create(struct background **background_out)
{
	struct background *background = memory_allocate(1, sizeof *background);
	if (background == NULL)
		return STATUS_ENVIRONMENT;
	atomic_init(&background->done, false);
	*background_out = background;
	return STATUS_OK;
}

void background_destroy(struct background *background)
{
	if (background == NULL)
		return;
	if (background->threaded)
		pthread_join(background->thread, NULL);
	free(background->message);
	free(background);
}

static void do_work(struct background *background)
{
	background->status = background->work(background->context);
	background->message = background->status == STATUS_OK ? NULL : strdup(error_message());
	atomic_store(&background->done, true);
}

static void *run(void *background)
{
	do_work(background);
	return NULL;
}

/* Waits that end early when a signal comes are the other threads' business. */
static bool start_thread(struct background *background)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool started = pthread_create(&background->thread, NULL, run, background) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

void background_start(struct background *background, enum status (*work)(void *context), void *context)
{
	background->work = work;
	background->context = context;
	background->busy = true;
	atomic_store(&background->done, false);
	background->threaded = start_thread(background);
	if (!background->threaded)
		do_work(background);
}

bool background_busy(const struct background *background)
{
	return background->busy;
}

bool background_done(const struct background *background)
{
	return !background->busy || atomic_load(&background->done);
}

bool background_failed(const struct background *background)
{
	return background->busy && atomic_load(&background->done) && background->status != STATUS_OK;
}

enum status background_end(struct background *background)
{
	if (!background->busy)
		return STATUS_OK;
	if (background->threaded)
		pthread_join(background->thread, NULL);
	enum status status = background->status;
	if (status != STATUS_OK)
		error_raise(status, "%s", background->message != NULL ? background->message : "out of memory");
	free(background->message);
	background->message = NULL;
	background->busy = background->threaded = false;
	return status;
}
