/* Two ranks of which one fails, or is not there, where both take part in something: what each of them learns, and that neither
 * waits for ever.
 *
 *     mpirun -n 2 agreements CASE
 *
 * Each rank that found what it should says "rank R: as it should be". The files under test that allocate memory in
 * between, or start a thread, are included, so that there can be none.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* for the files that are included */
#endif
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"

static int refusals; /* so many of the next allocations fail */

static void *scarce_allocate(size_t count, size_t size)
{
	if (refusals == 0)
		return memory_allocate(count, size);
	refusals--;
	error_raise(STATUS_ENVIRONMENT, "out of memory, as it is to be");
	return NULL;
}

static int create_no_thread(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument)
{
	(void)thread, (void)attributes, (void)start, (void)argument;
	return EAGAIN;
}

static int (*create_thread)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = pthread_create;

#define pthread_create create_thread
#include "comm/lifeline.c"
#undef pthread_create
#define memory_allocate scarce_allocate
#define connect         connect_gpus /* not that of sys/socket.h */
#include "comm/gradient_direct.c"
#undef connect
#include "tasks/stream_report.c"
#undef memory_allocate

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "not true: %s (the message: %s)\n", what, error_message());
	MPI_Abort(MPI_COMM_WORLD, 99);
}
#define REQUIRE(condition) require(condition, #condition)

/* Whether all know of the failure, and rank 1, whose failure it is, alone has the message. */
static void require_agreed(const struct world *world, enum status status, enum status expected)
{
	REQUIRE(status == expected);
	REQUIRE(world->failure_agreed);
	REQUIRE((error_message()[0] != '\0') == (world->rank == 1));
}

/* ---- memory that runs out before all take part in something */

static void memory_of_gradients(struct world *world)
{
	char reason[256];
	bool possible;
	const struct gradient_sum_setup setup = { .trainers = world, .kernels = kernels_cpu() };
	refusals = world->rank;
	enum status status = gradient_direct_possible(&setup, &possible, reason, sizeof reason);
	require_agreed(world, world_agree(world, status), STATUS_ENVIRONMENT);
	/* What comes next is no part of it. */
	int64_t sum = 1;
	REQUIRE(world_sum_integers(world, &sum, 1) == STATUS_OK && sum == world->size);
}

static void memory_of_streams(struct world *world)
{
	const struct split split = { .trainers = 2, .groups = 1 };
	const double own[STREAM_COLUMNS] = { 0 };
	refusals = world->rank;
	enum status status = stream_report(world, &split, own, "never.h5", "point", "line");
	require_agreed(world, world_agree(world, status), STATUS_ENVIRONMENT);
	int64_t sum = 1;
	REQUIRE(world_sum_integers(world, &sum, 1) == STATUS_OK && sum == world->size);
}

/* ---- what a report says of ranks that have other seats than numbers */

static void rows_of_streams(struct world *world)
{
	static const char path[] = "seats.h5";
	const struct split split = { .trainers = 1, .groups = 1, .readers = 1 };
	const double own[STREAM_COLUMNS] = { [STREAM_TOKENS] = 10 + world->rank, [STREAM_SECONDS] = 1 };
	struct world seats;
	REQUIRE(world_reorder(world, 1 - world->rank, &seats) == STATUS_OK);
	REQUIRE(stream_report(&seats, &split, own, path, "point", "line") == STATUS_OK);
	if (seats.rank == 0) {
		struct hdf5_reader *reader = NULL;
		int32_t ranks[2];
		double tokens[2];
		REQUIRE(hdf5_open(path, &reader) == STATUS_OK);
		REQUIRE(hdf5_read(reader, "ranks/rank", HDF5_INT32, 2, ranks) == STATUS_OK);
		REQUIRE(hdf5_read(reader, "ranks/tokens", HDF5_FLOAT64, 2, tokens) == STATUS_OK);
		REQUIRE(ranks[0] == 1 && ranks[1] == 0 && tokens[0] == 11 && tokens[1] == 10);
		hdf5_close(reader);
	}
	world_part_close(&seats);
}

/* ---- something that takes its time on each rank, and goes wrong on one */

struct work {
	int calls, end, failure; /* so many calls; the one that it is done at; that it fails at */
};

static enum status look_at_work(void *state, bool *done_out)
{
	struct work *work = state;
	work->calls++;
	*done_out = work->calls == work->end;
	return work->calls == work->failure ? error_raise(STATUS_PEER, "this rank reaches nobody") : STATUS_OK;
}

static void until_done(struct world *world)
{
	struct work work = { .end = world->rank == 1 ? 300 : 2 };
	REQUIRE(world_agree_until(world, look_at_work, &work, "work") == STATUS_OK);
	REQUIRE(work.calls == work.end);
	REQUIRE(!world->failure_agreed);
}

/* The other one would never be done. */
static void until_failure(struct world *world)
{
	struct work work = { .failure = world->rank == 1 ? 20 : 0 };
	world->timeout = 3600;
	require_agreed(world, world_agree_until(world, look_at_work, &work, "work"), STATUS_PEER);
}

static void until_failure_of_waiting(struct world *world)
{
	struct work work = { .end = world->rank == 1 ? 0 : 2 };
	world->timeout = 0.5;
	require_agreed(world, world_agree_until(world, look_at_work, &work, "work"), STATUS_PEER);
	REQUIRE(world->rank != 1 ||
	        strstr(error_message(), "no answer within 0.5 s (run/timeout) while waiting for work"));
}

/* ---- a rank that does not come to the agreement */

static _Noreturn void wait_to_be_ended(void)
{
	for (;;)
		nanosleep(&(struct timespec){ .tv_sec = 1 }, NULL);
}

/* Who found out that the other does not answer is not kept waiting for it by the agreement on how to end. */
static void agreement_without_the_other(struct world *world)
{
	world->timeout = 0.5;
	if (world->rank == 1)
		wait_to_be_ended();
	error_raise(STATUS_PEER, "rank 1 does not answer");
	REQUIRE(world_agree(world, STATUS_PEER) == STATUS_PEER);
	REQUIRE(!world->failure_agreed);
	REQUIRE(strcmp(error_message(), "rank 1 does not answer") == 0);
	printf("rank 0: as it should be\n");
	world_abort(world, STATUS_PEER);
}

/* ---- a rank that can have no thread to watch others, or to give signs of life */

static void no_thread(struct world *world)
{
	struct lifeline *lifeline;
	if (world->rank == 1)
		create_thread = create_no_thread;
	world->timeout = 0.1; /* after 10.5 s of silence a rank is given up */
	REQUIRE(lifeline_open(world, &lifeline) == STATUS_OK);
	REQUIRE(lifeline->watching == (world->rank == 0));
	if (world->rank == 0)
		wait_to_be_ended();
	nanosleep(&(struct timespec){ .tv_sec = 16 }, NULL);
	printf("rank 1: as it should be\n");
	fflush(stdout);
	close(lifeline->sockets[0]); /* what its kernel does when it is killed */
	wait_to_be_ended();
}

/* ---- a rank that comes to something when the other has waited for it in vain: what it says goes nowhere */

enum { TAG_COME = 1, TAG_CAME = 2, FRAME_BYTES = 1 << 16 };

static bool is_filled(const volatile unsigned char *bytes, unsigned char value)
{
	size_t same = 0;
	for (size_t i = 0; i < FRAME_BYTES; i++)
		same += bytes[i] == value;
	return same == FRAME_BYTES;
}

/* Where the frames of the calls that have failed were, there is now an array. */
static __attribute__((noinline)) void let_the_other_come(const struct world *world)
{
	volatile unsigned char frame[FRAME_BYTES];
	for (size_t i = 0; i < FRAME_BYTES; i++)
		frame[i] = 0xA5;
	MPI_Send(NULL, 0, MPI_BYTE, 1, TAG_COME, world->comm);
	MPI_Recv(NULL, 0, MPI_BYTE, 1, TAG_CAME, world->comm, MPI_STATUS_IGNORE);
	for (int i = 0; i < 1000; i++) { /* MPI goes on with what is under way */
		int found;
		MPI_Iprobe(1, TAG_COME, world->comm, &found, MPI_STATUS_IGNORE);
	}
	REQUIRE(is_filled(frame, 0xA5));
}

/* Rank 0 leaves `fail`, which waits for rank 1 in vain; `come` is what that one does later. */
static void come_late(struct world *world, void (*fail)(struct world *world), void (*come)(struct world *world))
{
	if (world->rank == 0) {
		world->timeout = 0.5;
		fail(world);
		let_the_other_come(world);
	} else {
		MPI_Recv(NULL, 0, MPI_BYTE, 0, TAG_COME, world->comm, MPI_STATUS_IGNORE);
		come(world);
		MPI_Send(NULL, 0, MPI_BYTE, 0, TAG_CAME, world->comm);
	}
	printf("rank %d: as it should be\n", world->rank);
	fflush(stdout);
	if (world->rank == 1)
		wait_to_be_ended();
	nanosleep(&(struct timespec){ .tv_nsec = 200000000 }, NULL); /* for the launcher to hear what rank 1 says */
	world_abort(world, STATUS_PEER);
}

static void fail_to_agree(struct world *world)
{
	error_raise(STATUS_PEER, "rank 1 does not answer");
	REQUIRE(world_agree(world, STATUS_PEER) == STATUS_PEER);
}

static void agree_late(struct world *world)
{
	REQUIRE(world_agree(world, STATUS_OK) == STATUS_PEER);
}

static void fail_to_sum(struct world *world)
{
	int64_t values[16] = { 1 };
	REQUIRE(world_sum_integers(world, values, 16) == STATUS_PEER);
}

static void sum_late(struct world *world)
{
	int64_t values[16] = { 2 };
	REQUIRE(world_sum_integers(world, values, 16) == STATUS_OK && values[0] == 3);
}

static void fail_to_gather(struct world *world)
{
	int64_t own[8] = { 1 }, all[16];
	REQUIRE(world_all_gather(world, own, 8, MPI_INT64_T, all) == STATUS_PEER);
}

static void gather_late(struct world *world)
{
	int64_t own[8] = { 2 }, all[16];
	REQUIRE(world_all_gather(world, own, 8, MPI_INT64_T, all) == STATUS_OK && all[0] == 1 && all[8] == 2);
}

static void fail_to_hear(struct world *world)
{
	int64_t values[16];
	REQUIRE(world_broadcast(world, values, sizeof values, 1) == STATUS_PEER);
}

static void tell_late(struct world *world)
{
	int64_t values[16] = { 2 };
	REQUIRE(world_broadcast(world, values, sizeof values, 1) == STATUS_OK);
}

static void agreement_with_a_late_one(struct world *world)
{
	come_late(world, fail_to_agree, agree_late);
}

static void sum_with_a_late_one(struct world *world)
{
	come_late(world, fail_to_sum, sum_late);
}

static void gathering_with_a_late_one(struct world *world)
{
	come_late(world, fail_to_gather, gather_late);
}

static void broadcast_of_a_late_one(struct world *world)
{
	come_late(world, fail_to_hear, tell_late);
}

/* ---- */

static const struct {
	const char *name;
	void (*play)(struct world *world);
} cases[] = {
	{ "memory-of-gradients", memory_of_gradients },
	{ "memory-of-streams", memory_of_streams },
	{ "rows-of-streams", rows_of_streams },
	{ "until-done", until_done },
	{ "until-failure", until_failure },
	{ "until-failure-of-waiting", until_failure_of_waiting },
	{ "agreement-without-the-other", agreement_without_the_other },
	{ "no-thread", no_thread },
	{ "agreement-with-a-late-one", agreement_with_a_late_one },
	{ "sum-with-a-late-one", sum_with_a_late_one },
	{ "gathering-with-a-late-one", gathering_with_a_late_one },
	{ "broadcast-of-a-late-one", broadcast_of_a_late_one },
};

int main(int argc, char **argv)
{
	struct world world;
	void (*play)(struct world * world) = NULL;
	for (size_t i = 0; argc == 2 && i < sizeof cases / sizeof *cases; i++)
		if (strcmp(argv[1], cases[i].name) == 0)
			play = cases[i].play;
	if (play == NULL || world_open(&argc, &argv, &world) != STATUS_OK || world.size != 2) {
		fprintf(stderr, "usage: mpirun -n 2 agreements CASE\n");
		return 2;
	}
	play(&world);
	printf("rank %d: as it should be\n", world.rank);
	error_clear();
	world_close(&world, STATUS_OK);
	return 0;
}
