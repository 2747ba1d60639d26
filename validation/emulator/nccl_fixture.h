/* What tests of the stand-in for NCCL share: ranks as processes, what each of them has to find true, and communicators.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_EMULATOR_NCCL_FIXTURE_H
#define CAPSHAPE_VALIDATION_EMULATOR_NCCL_FIXTURE_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "nccl.h"

#define UNUSED_OK __attribute__((unused))

enum { MOST_RANKS = 4, LEFT_OVER = 3, LONGEST_SECONDS = 60 };

/* In a rank: what fails ends it with 1. */
#define REQUIRE(condition)                                                                                             \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                        \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

struct rank {
	int number, count;
	ncclUniqueId id;
	int pipes[2]; /* between the host sides of ranks */
	ncclComm_t comm;
	cudaStream_t stream;
};

typedef void rank_function(struct rank *rank);

/* Each rank is a process that ends with exit(0) after the function; `expected` is what all of them end with. */
static UNUSED_OK void run_ranks_expecting(int count, rank_function *function, int expected)
{
	struct rank rank = { .count = count };
	pid_t children[MOST_RANKS];

	assert_int_equal(ncclGetUniqueId(&rank.id), ncclSuccess);
	assert_int_equal(pipe(rank.pipes), 0);
	fflush(NULL);
	for (rank.number = 0; rank.number < count; rank.number++) {
		children[rank.number] = fork();
		if (children[rank.number] == 0) {
			alarm(LONGEST_SECONDS);
			function(&rank);
			exit(0);
		}
	}
	close(rank.pipes[0]);
	close(rank.pipes[1]);
	int wrong = 0;
	for (int i = 0; i < count; i++) {
		int how;
		assert_int_equal(waitpid(children[i], &how, 0), children[i]);
		if (!WIFEXITED(how) || WEXITSTATUS(how) != expected) {
			fprintf(stderr, "rank %d of %d ended with %s %d\n", i, count,
			        WIFEXITED(how) ? "exit code" : "signal",
			        WIFEXITED(how) ? WEXITSTATUS(how) : WTERMSIG(how));
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

static UNUSED_OK void run_ranks(int count, rank_function *function)
{
	run_ranks_expecting(count, function, 0);
}

static UNUSED_OK void rank_nap(void)
{
	struct timespec time = { 0, 500000 };
	nanosleep(&time, NULL);
}

/* Until the communicator is no longer in progress; returns its state. */
static UNUSED_OK ncclResult_t rank_state(ncclComm_t comm)
{
	ncclResult_t state = ncclInProgress;
	for (;;) {
		REQUIRE(ncclCommGetAsyncError(comm, &state) == ncclSuccess);
		if (state != ncclInProgress)
			return state;
		rank_nap();
	}
}

/* What a call says, or the state that it leads to. */
static UNUSED_OK ncclResult_t rank_settle(ncclComm_t comm, ncclResult_t result)
{
	return result == ncclInProgress ? rank_state(comm) : result;
}

static UNUSED_OK ncclComm_t rank_join(const struct rank *rank, ncclUniqueId id, int number, int count, int blocking)
{
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	ncclComm_t comm = NULL;
	config.blocking = blocking;
	REQUIRE(rank->count <= MOST_RANKS);
	ncclResult_t result = ncclCommInitRankConfig(&comm, count, id, number, &config);
	REQUIRE(result == (blocking ? ncclSuccess : ncclInProgress));
	REQUIRE(rank_state(comm) == ncclSuccess);
	return comm;
}

static UNUSED_OK void rank_begin(struct rank *rank, int blocking)
{
	REQUIRE(cudaStreamCreateWithFlags(&rank->stream, cudaStreamNonBlocking) == cudaSuccess);
	rank->comm = rank_join(rank, rank->id, rank->number, rank->count, blocking);
}

static UNUSED_OK void rank_end(struct rank *rank)
{
	REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
	REQUIRE(rank_settle(rank->comm, ncclCommFinalize(rank->comm)) == ncclSuccess);
	REQUIRE(ncclCommDestroy(rank->comm) == ncclSuccess);
	REQUIRE(cudaStreamDestroy(rank->stream) == cudaSuccess);
}

static UNUSED_OK float *rank_floats(size_t count)
{
	void *memory = NULL;
	REQUIRE(cudaMalloc(&memory, count * sizeof(float)) == cudaSuccess);
	return memory;
}

static UNUSED_OK float value(int rank, size_t i)
{
	return (float)rank + 0.001f * (float)(i % 1000);
}

/* On the device; what is still in the stream is done before. */
static UNUSED_OK void fill(struct rank *rank, float *x, size_t count, int number)
{
	REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
	for (size_t i = 0; i < count; i++)
		x[i] = value(number, i);
}

/* ---- a folder for the messages, which has to be empty in the end */

static UNUSED_OK int folder_begin(void **state)
{
	static char name[] = "/tmp/nccl_test.XXXXXX";
	const char *parent = getenv("TMPDIR");
	static char path[512];
	if (parent == NULL || strlen(parent) > 60)
		parent = "/tmp";
	snprintf(path, sizeof path, "%s/%s", parent, name + 5);
	*state = mkdtemp(path);
	return *state == NULL ? -1 : setenv("TMPDIR", path, 1);
}

static UNUSED_OK int folder_end(void **state)
{
	rmdir(*state);
	return 0;
}

static UNUSED_OK int folder_entries(const char *path)
{
	DIR *entries = opendir(path);
	int count = 0;
	assert_non_null(entries);
	while (readdir(entries) != NULL)
		count++;
	closedir(entries);
	return count - 2;
}

/* The last test. */
static UNUSED_OK void test_nothing_is_left(void **state)
{
	assert_int_equal(folder_entries(*state), 0);
}

#endif
