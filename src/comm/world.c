/* MPI start and end, naps, agreement.
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

enum { LARGEST_TRANSFER = 1 << 28 }; /* elements of one MPI call: counts are ints */

static enum status mpi_status(int code, const char *call)
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
	STATUS_TRY(mpi_status(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread"));
	STATUS_TRY(mpi_status(MPI_Comm_dup(MPI_COMM_WORLD, &world->comm), "MPI_Comm_dup"));
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
	STATUS_TRY(mpi_status(MPI_Comm_split(world->comm, color, key, &comm), "MPI_Comm_split"));
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
	STATUS_TRY(mpi_status(MPI_Testall(requests->count, requests->list, &done, MPI_STATUSES_IGNORE), "MPI_Testall"));
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

/* What the others do before they come may be a whole training run. A rank that is lost is the lifeline's business. */
static struct world without_time_out(const struct world *world)
{
	struct world patient = *world;
	patient.timeout = INFINITY;
	return patient;
}

/* What a rank says in an agreement. Of all of them the lowest is heard: those that fail by their number, a rank whose message an
 * earlier agreement (in a part) took away only where nobody else fails; then those that still wait; then those that are done. */
static void word_of(const struct world *world, enum status status, bool done, int word[2])
{
	int silent = error_message()[0] == '\0';
	word[0] = status == STATUS_OK ? 2 * world->size + done : world->rank + silent * world->size;
	word[1] = (int)status;
}

/* The failure that was heard, as every rank has it. */
static enum status hear_failure(struct world *world, const int word[2])
{
	world->failure_agreed = true;
	if (word[0] % world->size != world->rank)
		error_clear();
	return (enum status)word[1];
}

static enum status start_agreement(const struct world *world, const int own[2], int lowest[2], MPI_Request *request)
{
	return mpi_status(MPI_Iallreduce(own, lowest, 1, MPI_2INT, MPI_MINLOC, world->comm, request), "MPI_Iallreduce");
}

/* A rank that is lost meanwhile must not hide the reason why this rank failed. */
static enum status keep_reason(enum status own, char *reason, enum status waited)
{
	if (waited != STATUS_OK && own != STATUS_OK && reason != NULL)
		error_raise(own, "%s", reason);
	free(reason);
	return waited == STATUS_OK || own == STATUS_OK ? waited : own;
}

enum status world_agree(struct world *world, enum status status)
{
	if (world->size == 1) {
		world->failure_agreed |= status != STATUS_OK;
		return status;
	}
	int own[2], lowest[2];
	MPI_Request request;
	word_of(world, status, true, own);
	STATUS_TRY(start_agreement(world, own, lowest, &request));
	char *reason = strdup(error_message());
	struct world patient = without_time_out(world);
	/* Who has waited for others in vain waits for them once more, not for ever. */
	enum status waited = status == STATUS_PEER ? world_wait(world, &request, "the other ranks to agree")
	                                           : world_wait(&patient, &request, "the other ranks to agree");
	STATUS_TRY(keep_reason(status, reason, waited));
	return lowest[0] > 2 * world->size ? STATUS_OK : hear_failure(world, lowest);
}

enum status world_agree_until(struct world *world, enum status (*test)(void *state, bool *done_out), void *state,
                              const char *what)
{
	const struct limits limits = { .time = isfinite(world->timeout) };
	struct patience patience = { 0 };
	unsigned naps = 0;
	bool done = false;
	for (;;) {
		enum status status = done ? STATUS_OK : test(state, &done);
		if (status == STATUS_OK && !done)
			status = check_limits(world, limits, &patience, what);
		int own[2], lowest[2];
		MPI_Request request;
		word_of(world, status, done, own);
		STATUS_TRY(start_agreement(world, own, lowest, &request));
		char *reason = strdup(error_message());
		STATUS_TRY(keep_reason(status, reason, world_wait_part(world, 1, &request, what)));
		if (lowest[0] > 2 * world->size)
			return STATUS_OK;
		if (lowest[0] < 2 * world->size)
			return hear_failure(world, lowest);
		world_progress(world);
		world_nap(&naps);
	}
}

enum status world_barrier(const struct world *world)
{
	MPI_Request request;
	struct world patient = without_time_out(world);
	STATUS_TRY(mpi_status(MPI_Ibarrier(world->comm, &request), "MPI_Ibarrier"));
	return world_wait(&patient, &request, "all ranks at a barrier");
}

enum status world_broadcast(const struct world *world, void *data, int64_t bytes, int root)
{
	char what[64];
	snprintf(what, sizeof what, "a broadcast of rank %d", world_job_rank(world, root));
	for (int64_t begin = 0; begin < bytes; begin += LARGEST_TRANSFER) {
		int64_t rest = bytes - begin;
		MPI_Request request;
		STATUS_TRY(mpi_status(MPI_Ibcast((char *)data + begin,
		                                 (int)(rest < LARGEST_TRANSFER ? rest : LARGEST_TRANSFER), MPI_BYTE,
		                                 root, world->comm, &request),
		                      "MPI_Ibcast"));
		STATUS_TRY(world_wait(world, &request, what));
	}
	return STATUS_OK;
}

enum status world_all_gather(const struct world *world, const void *own, int count, MPI_Datatype type, void *all)
{
	MPI_Request request;
	STATUS_TRY(mpi_status(MPI_Iallgather(own, count, type, all, count, type, world->comm, &request),
	                      "MPI_Iallgather"));
	return world_wait_part(world, 1, &request, "values of all ranks");
}

static enum status all_reduce(const struct world *world, void *values, int64_t count, size_t size, MPI_Datatype type,
                              MPI_Op operation)
{
	if (world->size == 1)
		return STATUS_OK;
	for (int64_t begin = 0; begin < count; begin += LARGEST_TRANSFER / 8) {
		int64_t rest = count - begin;
		MPI_Request request;
		STATUS_TRY(mpi_status(MPI_Iallreduce(MPI_IN_PLACE, (char *)values + (size_t)begin * size,
		                                     (int)(rest < LARGEST_TRANSFER / 8 ? rest : LARGEST_TRANSFER / 8),
		                                     type, operation, world->comm, &request),
		                      "MPI_Iallreduce"));
		STATUS_TRY(world_wait_part(world, 1, &request, "values of all ranks"));
	}
	return STATUS_OK;
}

enum status world_sum_integers(const struct world *world, int64_t *values, int64_t count)
{
	return all_reduce(world, values, count, sizeof *values, MPI_INT64_T, MPI_SUM);
}

enum status world_max_reals(const struct world *world, double *values, int64_t count)
{
	return all_reduce(world, values, count, sizeof *values, MPI_DOUBLE, MPI_MAX);
}

enum status world_merge_floats(const struct world *world, float *values, int64_t count)
{
	return all_reduce(world, values, count, sizeof *values, MPI_FLOAT, MPI_SUM);
}
