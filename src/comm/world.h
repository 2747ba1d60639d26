/* The ranks of this job: who am I, waiting without burning a core, agreeing on success, ending together.
 *
 * Every wait here is a non-blocking MPI call tested with growing naps (1 us to 0.5 ms), so idle ranks leave their core to
 * others whatever MPI's own progress settings are. A wait for an answer ends with STATUS_PEER naming what was waited for
 * when nothing came within the time-out; a wait for all ranks when some are silent for that long, naming these (pulse.h);
 * agreeing and barriers last for as long as the others work (the lifeline notices ranks that are lost or stopped).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_COMM_WORLD_H
#define CAPSHAPE_COMM_WORLD_H

#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct pulse;

struct world {
	MPI_Comm comm; /* a duplicate of MPI_COMM_WORLD, or of a part of it */
	int rank, size;
	double timeout;      /* seconds */
	bool failure_agreed; /* the last failure is known to all ranks: end in an orderly way */
	/* Called in every wait: what else must go on meanwhile. NULL: nothing. It may not wait itself. */
	void (*progress)(void *state);
	void *progress_state;
	/* Called before this rank ends the job. NULL: nothing. */
	void (*announce)(void *state);
	void *announce_state;
	struct pulse *pulse; /* signs of life of the ranks of comm; NULL: there is one rank */
};

/* How long a wait has lasted, in time that this process was there: while it was stopped itself (a suspended job), nobody
 * could answer. Start with zeros. */
struct patience {
	double last, waited;
};
/* Seconds since the first call. To be called in every turn of the loop that waits. */
double patience_waited(struct patience *patience);
/* The same where a turn of the loop may last for so long. */
double patience_waited_at_most(struct patience *patience, double longest_turn);

/* Starts MPI (funneled) and checks the launch: STATUS_ENVIRONMENT when Slurm started several tasks but MPI sees one
 * (the first of these tasks has a message). */
enum status world_open(int *argc, char ***argv, struct world *world);
/* Ends MPI. With a failure that the other ranks do not know of, MPI_Abort with its exit code instead. */
void world_close(struct world *world, enum status status);
/* Ends the job here and now, with this rank's message and the exit code of `status`, for a failure that the other ranks do not
 * know of: nobody waits for what this rank is still busy with. Returns where it is the only rank of the job, which has nobody
 * to keep waiting. */
void world_abort(const struct world *world, enum status status);
/* Ranks of equal `color` form a part, in rank order; world_part_close() frees it. Collective. */
enum status world_part_open(const struct world *world, int color, struct world *part_out);
void world_part_close(struct world *part);
/* All ranks in another order, this one at `place`; world_part_close() frees it. Collective. */
enum status world_reorder(const struct world *world, int place, struct world *ordered_out);
/* The number in the job of a rank of this world: for messages. */
int world_job_rank(const struct world *world, int rank);

/* What an MPI call returned: STATUS_PEER with the name of the call where it failed. */
enum status world_check_call(int code, const char *call);

/* Waits for a request. `what` completes "no answer within 300 s while waiting for ...". After a failure requests are still under
 * way: their buffers are MPI's until the job ends (world_free_lent). */
enum status world_wait(const struct world *world, MPI_Request *request, const char *what);
enum status world_wait_all(const struct world *world, int count, MPI_Request *requests, const char *what);
/* The same for what all ranks take part in: lasts for as long as all are alive. STATUS_PEER naming those that are silent for
 * world->timeout: on the first rank whichever they are, on the others when it is the first. */
enum status world_wait_part(const struct world *world, int count, MPI_Request *requests, const char *what);

/* In place of free() for the buffer of a request that may still be under way, after a wait that failed or that was never begun: then the
 * memory remains MPI's for as long as the process lives, which is not for long, as a partner may take or send what is missing at any
 * moment. (MPI has no sure way to take a message back.) NULL is fine. */
void world_free_lent(MPI_Request *request, void *memory);

/* Until test(state, &done) says that it is done, or fails, or ranks are silent: as world_wait_part(). at_once: all ranks are at it
 * already, so that it is over within world->timeout; STATUS_PEER after that, too. */
enum status world_wait_until(const struct world *world, bool at_once, enum status (*test)(void *state, bool *done_out),
                             void *state, const char *what);

/* To be called in every turn of a loop that waits by itself: STATUS_PEER once it has waited for world->timeout. */
enum status world_check_patience(const struct world *world, struct patience *patience, const char *what);

/* The rest is collective. No buffer of the caller is MPI's after any of it, not even after a failure. */

/* Collective: the status of the lowest failing rank, on every rank. That rank keeps its message, the others lose
 * theirs, so that exactly one line is printed. Sets failure_agreed. */
enum status world_agree(struct world *world, enum status status);
/* Collective: until test(state, &done) has said on every rank that it is done. Where it fails on one, or is not done within
 * world->timeout, all learn that at once, as by world_agree(); STATUS_PEER of its own where ranks are silent, as in
 * world_wait_part(). test() is called until it says that it is done. */
enum status world_agree_until(struct world *world, enum status (*test)(void *state, bool *done_out), void *state,
                              const char *what);

/* Collective, napping; all but the barrier and the broadcast wait as world_wait_part(). */
enum status world_barrier(const struct world *world);
enum status world_broadcast(const struct world *world, void *data, int64_t bytes, int root);
/* `count` elements of every rank, in rank order, into all (size * count). */
enum status world_all_gather(const struct world *world, const void *own, int count, MPI_Datatype type, void *all);
/* Rows of `width` floats, on rank 0 into `all`, in rank order: counts[rank] of each rank, which begin at row counts[size + rank] of `all`
 * (counts is read on rank 0 alone). The own ones of rank 0 are there already; others give theirs, own_rows of them, in `own`. */
enum status world_gather_rows(const struct world *world, const float *own, int own_rows, const int *counts,
                              int64_t width, float *all);
/* In place; integers and maxima only (a sum of floats would depend on the number of ranks). */
enum status world_sum_integers(const struct world *world, int64_t *values, int64_t count);
enum status world_max_reals(const struct world *world, double *values, int64_t count);
/* values[i] of the one rank where it is not 0, 0 where none: exact for any number of ranks. In place. */
enum status world_merge_floats(const struct world *world, float *values, int64_t count);

/* Lets go on what must go on while this rank computes (world->progress) and signs life; to be called now and then. */
void world_progress(const struct world *world);
/* Tells those who wait for this rank that it is alive, and no more. */
void world_sign_life(const struct world *world);

/* A nap that grows with *naps (start with 0): 1 us doubling to 500 us. */
void world_nap(unsigned *naps);

#endif
