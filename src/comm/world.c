/* MPI start and end, naps, waits.
 * SPDX-License-Identifier: Apache-2.0 */
#include "comm/world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/timer.h"
#include "comm/launch.h"
#include "comm/pulse.h"

enum status world_check_call(int code, const char *call)
{
	if (code == MPI_SUCCESS)
		return STATUS_OK;
	char text[MPI_MAX_ERROR_STRING];
	int length = 0;
	MPI_Error_string(code, text, &length);
	return error_raise(STATUS_PEER, "%s failed: %.*s", call, length, text);
}

enum status world_open(int *argc, char ***argv, struct world *world)
{
	int provided;
	*world = (struct world){ .comm = MPI_COMM_NULL, .size = 1, .timeout = 300 };
	STATUS_TRY(launch_check());
	STATUS_TRY(world_check_call(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread"));
	STATUS_TRY(world_check_call(MPI_Comm_dup(MPI_COMM_WORLD, &world->comm), "MPI_Comm_dup"));
	MPI_Comm_set_errhandler(world->comm, MPI_ERRORS_RETURN);
	MPI_Comm_rank(world->comm, &world->rank);
	MPI_Comm_size(world->comm, &world->size);
	STATUS_TRY(launch_check_size(world->size));
	return world->size == 1 ? STATUS_OK : pulse_create(world->comm, &world->pulse);
}

void world_close(struct world *world, enum status status)
{
	int initialised = 0, finalised = 0;
	MPI_Initialized(&initialised);
	MPI_Finalized(&finalised);
	if (!initialised || finalised)
		return;
	if (status != STATUS_OK && !world->failure_agreed && world->size > 1) {
		fflush(NULL);
		MPI_Abort(MPI_COMM_WORLD, status_exit_code(status));
	}
	if (world->comm != MPI_COMM_NULL) {
		world_barrier(world); /* naps: MPI_Finalize would spin until the last rank comes */
		pulse_destroy(world->pulse);
		MPI_Comm_free(&world->comm);
	}
	MPI_Finalize();
}

static bool is_alone(void)
{
	int size = 1;
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	return size == 1;
}

void world_abort(const struct world *world, enum status status)
{
	if (is_alone())
		return;
	if (error_message()[0] != '\0')
		log_error("%s", error_message());
	if (world->announce != NULL)
		world->announce(world->announce_state);
	fflush(NULL);
	MPI_Abort(MPI_COMM_WORLD, status_exit_code(status));
}

static enum status open_part(const struct world *world, int color, int key, struct world *part_out)
{
	MPI_Comm comm;
	STATUS_TRY(world_check_call(MPI_Comm_split(world->comm, color, key, &comm), "MPI_Comm_split"));
	*part_out = *world;
	part_out->comm = comm;
	MPI_Comm_set_errhandler(part_out->comm, MPI_ERRORS_RETURN);
	MPI_Comm_rank(part_out->comm, &part_out->rank);
	MPI_Comm_size(part_out->comm, &part_out->size);
	part_out->pulse = NULL;
	return part_out->size == 1 ? STATUS_OK : pulse_create(part_out->comm, &part_out->pulse);
}

enum status world_part_open(const struct world *world, int color, struct world *part_out)
{
	return open_part(world, color, world->rank, part_out);
}

enum status world_reorder(const struct world *world, int place, struct world *ordered_out)
{
	return open_part(world, 0, place, ordered_out);
}

int world_job_rank(const struct world *world, int rank)
{
	return world->pulse == NULL ? rank : pulse_job_rank(world->pulse, rank);
}

void world_part_close(struct world *part)
{
	pulse_destroy(part->pulse);
	part->pulse = NULL;
	if (part->comm != MPI_COMM_NULL)
		MPI_Comm_free(&part->comm);
}

void world_nap(unsigned *naps)
{
	/* A few immediate tries first: most answers are already there. */
	unsigned turn = (*naps)++;
	if (turn < 8)
		return;
	unsigned shift = turn - 8 < 9 ? turn - 8 : 9;
	struct timespec time = { .tv_nsec = 1000L << shift };
	nanosleep(&time, NULL);
}

void world_sign_life(const struct world *world)
{
	if (world->pulse != NULL && isfinite(world->timeout))
		pulse_beat(world->pulse, world->timeout);
}

void world_progress(const struct world *world)
{
	world_sign_life(world);
	if (world->progress != NULL)
		world->progress(world->progress_state);
}

double patience_waited(struct patience *patience)
{
	return patience_waited_at_most(patience, 0.25); /* naps are far shorter, but cores may be shared */
}

double patience_waited_at_most(struct patience *patience, double longest_turn)
{
	double now = timer_seconds();
	if (patience->last > 0)
		patience->waited += fmin(now - patience->last, longest_turn);
	patience->last = now;
	return patience->waited;
}

/* How long a wait may last: as long as all ranks give signs of life, or until the time-out, or both. */
struct limits {
	bool signs, time;
};

static enum status check_limits(const struct world *world, struct limits limits, struct patience *patience,
                                const char *what)
{
	char names[512];
	if (limits.signs && !pulse_check(world->pulse, world->timeout, names, sizeof names))
		return error_raise(STATUS_PEER, "no answer within %.3g s (run/timeout) while waiting for %s: %s",
		                   world->timeout, what, names);
	if (limits.time && patience_waited(patience) > world->timeout)
		return error_raise(STATUS_PEER, "no answer within %.3g s (run/timeout) while waiting for %s",
		                   world->timeout, what);
	return STATUS_OK;
}

static enum status wait_until(const struct world *world, struct limits limits,
                              enum status (*test)(void *state, bool *done_out), void *state, const char *what)
{
	struct patience patience = { 0 };
	unsigned naps = 0;
	if (limits.signs)
		pulse_listen(world->pulse);
	for (;;) {
		bool done = false;
		STATUS_TRY(test(state, &done));
		if (done)
			return STATUS_OK;
		if (naps > 16)
			STATUS_TRY(check_limits(world, limits, &patience, what));
		world_progress(world);
		world_nap(&naps);
	}
}

static bool has_signs(const struct world *world)
{
	return world->pulse != NULL && isfinite(world->timeout);
}

enum status world_check_patience(const struct world *world, struct patience *patience, const char *what)
{
	return check_limits(world, (struct limits){ .time = isfinite(world->timeout) }, patience, what);
}

enum status world_wait_until(const struct world *world, bool at_once, enum status (*test)(void *state, bool *done_out),
                             void *state, const char *what)
{
	return wait_until(world, (struct limits){ .signs = has_signs(world), .time = at_once }, test, state, what);
}

struct requests {
	int count;
	MPI_Request *list;
};

static enum status test_requests(void *state, bool *done_out)
{
	const struct requests *requests = state;
	int done = 0;
	STATUS_TRY(world_check_call(MPI_Testall(requests->count, requests->list, &done, MPI_STATUSES_IGNORE),
	                            "MPI_Testall"));
	*done_out = done != 0;
	return STATUS_OK;
}

enum status world_wait_part(const struct world *world, int count, MPI_Request *requests, const char *what)
{
	struct requests all = { count, requests };
	bool signs = has_signs(world);
	return wait_until(world, (struct limits){ .signs = signs, .time = !signs }, test_requests, &all, what);
}

enum status world_wait_all(const struct world *world, int count, MPI_Request *requests, const char *what)
{
	struct requests all = { count, requests };
	return wait_until(world, (struct limits){ .time = true }, test_requests, &all, what);
}

enum status world_wait(const struct world *world, MPI_Request *request, const char *what)
{
	return world_wait_all(world, 1, request, what);
}

void world_free_lent(MPI_Request *request, void *memory)
{
	int done = 1;
	if (memory != NULL && *request != MPI_REQUEST_NULL &&
	    MPI_Test(request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS)
		done = 0;
	if (done)
		free(memory);
}
