/* What all ranks take part in: agreements, barriers, broadcasts, sums.
 *
 * What MPI reads and writes in a collective call lies in memory that was allocated for it, never in the caller's: a wait that
 * fails leaves the call under way, and MPI has no way to take it back (MPI_Cancel knows messages alone). What is missing may
 * come at any later moment, while the failure is agreed upon or the job is ended, and is not to be written over what has taken
 * the place of a frame or a block that the caller has left meanwhile. Such memory remains MPI's for as long as the process
 * lives, which is not for long. Where there is no memory the caller's own has to do: a rank that stayed away from the call
 * would be worse for all others.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comm/world.h"

enum { LARGEST_PIECE = 1 << 24 }; /* bytes of one MPI call */

/* ---- memory for MPI ---- */

/* A copy of `own`, or `own` itself. */
static void *lend(void *own, size_t bytes)
{
	void *lent = malloc(bytes);
	if (lent == NULL)
		return own;
	return memcpy(lent, own, bytes);
}

/* After the wait, which ended with `waited`. */
static enum status take_back(void *own, void *lent, size_t bytes, enum status waited)
{
	if (waited != STATUS_OK || lent == own)
		return waited;
	memcpy(own, lent, bytes);
	free(lent);
	return STATUS_OK;
}

/* ---- agreements ---- */

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

/* word: this rank's, then the lowest of all. as_part: the wait is that of world_wait_part(). */
static enum status hear_lowest(const struct world *world, bool as_part, int word[2], const char *what)
{
	MPI_Request request;
	int *lent = lend(word, 2 * sizeof *word);
	enum status status = world_check_call(
		MPI_Iallreduce(MPI_IN_PLACE, lent, 1, MPI_2INT, MPI_MINLOC, world->comm, &request), "MPI_Iallreduce");
	if (status == STATUS_OK)
		status = as_part ? world_wait_part(world, 1, &request, what) : world_wait(world, &request, what);
	return take_back(word, lent, 2 * sizeof *word, status);
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
	int word[2];
	word_of(world, status, true, word);
	char *reason = strdup(error_message());
	struct world patient = without_time_out(world);
	/* Who has waited for others in vain waits for them once more, not for ever. */
	enum status waited =
		hear_lowest(status == STATUS_PEER ? world : &patient, false, word, "the other ranks to agree");
	STATUS_TRY(keep_reason(status, reason, waited));
	return word[0] > 2 * world->size ? STATUS_OK : hear_failure(world, word);
}

enum status world_agree_until(struct world *world, enum status (*test)(void *state, bool *done_out), void *state,
                              const char *what)
{
	struct patience patience = { 0 };
	unsigned naps = 0;
	bool done = false;
	for (;;) {
		enum status status = done ? STATUS_OK : test(state, &done);
		if (status == STATUS_OK && !done)
			status = world_check_patience(world, &patience, what);
		int word[2];
		word_of(world, status, done, word);
		char *reason = strdup(error_message());
		STATUS_TRY(keep_reason(status, reason, hear_lowest(world, true, word, what)));
		if (word[0] > 2 * world->size)
			return STATUS_OK;
		if (word[0] < 2 * world->size)
			return hear_failure(world, word);
		world_progress(world);
		world_nap(&naps);
	}
}

/* ---- values ---- */

enum status world_barrier(const struct world *world)
{
	MPI_Request request;
	struct world patient = without_time_out(world);
	STATUS_TRY(world_check_call(MPI_Ibarrier(world->comm, &request), "MPI_Ibarrier"));
	return world_wait(&patient, &request, "all ranks at a barrier");
}

enum status world_broadcast(const struct world *world, void *data, int64_t bytes, int root)
{
	char what[64];
	snprintf(what, sizeof what, "a broadcast of rank %d", world_job_rank(world, root));
	for (int64_t begin = 0; begin < bytes; begin += LARGEST_PIECE) {
		size_t piece = (size_t)(bytes - begin < LARGEST_PIECE ? bytes - begin : LARGEST_PIECE);
		void *own = (char *)data + begin, *lent = lend(own, piece);
		MPI_Request request;
		enum status status = world_check_call(
			MPI_Ibcast(lent, (int)piece, MPI_BYTE, root, world->comm, &request), "MPI_Ibcast");
		if (status == STATUS_OK)
			status = world_wait(world, &request, what);
		STATUS_TRY(take_back(own, lent, piece, status));
	}
	return STATUS_OK;
}

enum status world_all_gather(const struct world *world, const void *own, int count, MPI_Datatype type, void *all)
{
	int size = 0;
	MPI_Type_size(type, &size);
	size_t share = (size_t)count * (size_t)size, bytes = share * (size_t)world->size;
	memcpy((char *)all + (size_t)world->rank * share, own, share);
	void *lent = lend(all, bytes);
	MPI_Request request;
	enum status status = world_check_call(
		MPI_Iallgather(MPI_IN_PLACE, count, type, lent, count, type, world->comm, &request), "MPI_Iallgather");
	if (status == STATUS_OK)
		status = world_wait_part(world, 1, &request, "values of all ranks");
	return take_back(all, lent, bytes, status);
}

static enum status begin_gather(const struct world *world, const float *own, int own_rows, const int *counts,
                                int64_t width, float *all, MPI_Request *request)
{
	MPI_Datatype row; /* counted in rows, so that counts fit an int */
	bool root = world->rank == 0;
	MPI_Type_contiguous((int)width, MPI_FLOAT, &row);
	MPI_Type_commit(&row);
	int code = MPI_Igatherv(root ? MPI_IN_PLACE : own, own_rows, row, all, counts,
	                        root ? counts + world->size : NULL, row, 0, world->comm, request);
	MPI_Type_free(&row);
	return world_check_call(code, "MPI_Igatherv");
}

enum status world_gather_rows(const struct world *world, const float *own, int own_rows, const int *counts,
                              int64_t width, float *all)
{
	const char *what = "rows of the other ranks";
	MPI_Request request;
	enum status status;
	if (world->rank > 0) {
		size_t bytes = (size_t)(own_rows * width) * sizeof *own;
		void *lent = lend((float *)own, bytes);
		status = begin_gather(world, lent, own_rows, NULL, width, NULL, &request);
		if (status == STATUS_OK)
			status = world_wait_part(world, 1, &request, what);
		return take_back((float *)own, lent, bytes, status);
	}
	int64_t rows = 0;
	for (int rank = 0; rank < world->size; rank++)
		rows += counts[rank];
	size_t bytes = (size_t)(rows * width) * sizeof *all, count_bytes = 2 * (size_t)world->size * sizeof *counts;
	void *lent = lend(all, bytes), *lent_counts = lend((int *)counts, count_bytes);
	status = begin_gather(world, NULL, 0, lent_counts, width, lent, &request);
	if (status == STATUS_OK)
		status = world_wait_part(world, 1, &request, what);
	STATUS_TRY(take_back((int *)counts, lent_counts, count_bytes, status));
	return take_back(all, lent, bytes, status);
}

static enum status all_reduce(const struct world *world, void *values, int64_t count, size_t size, MPI_Datatype type,
                              MPI_Op operation)
{
	if (world->size == 1)
		return STATUS_OK;
	const int64_t most = LARGEST_PIECE / (int64_t)size;
	for (int64_t begin = 0; begin < count; begin += most) {
		size_t piece = (size_t)(count - begin < most ? count - begin : most);
		void *own = (char *)values + (size_t)begin * size, *lent = lend(own, piece * size);
		MPI_Request request;
		enum status status = world_check_call(
			MPI_Iallreduce(MPI_IN_PLACE, lent, (int)piece, type, operation, world->comm, &request),
			"MPI_Iallreduce");
		if (status == STATUS_OK)
			status = world_wait_part(world, 1, &request, "values of all ranks");
		STATUS_TRY(take_back(own, lent, piece * size, status));
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
