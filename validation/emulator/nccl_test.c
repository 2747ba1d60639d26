/* The stand-in for NCCL does what the real one is for: messages of ranks that are processes, in streams. Collectives have
 * nccl_collectives_test.c, what is refused nccl_mistakes_test.c.
 * SPDX-License-Identifier: Apache-2.0 */
#include "nccl_fixture.h"

#include "kernels/cuda/library.h"

enum { LARGE = 1 << 20, SCHEDULES = 5 };

/* ---- messages */

static void exchange(struct rank *rank, float *mine, float *theirs, size_t count, int partner)
{
	REQUIRE(ncclGroupStart() == ncclSuccess);
	REQUIRE(ncclSend(mine, count, ncclFloat32, partner, rank->comm, rank->stream) == ncclSuccess);
	REQUIRE(ncclRecv(theirs, count, ncclFloat32, partner, rank->comm, rank->stream) == ncclSuccess);
	REQUIRE(rank_settle(rank->comm, ncclGroupEnd()) == ncclSuccess);
}

static void rank_exchanges(struct rank *rank, int blocking)
{
	rank_begin(rank, blocking);
	float *mine = rank_floats(LARGE), *theirs = rank_floats(LARGE);
	fill(rank, mine, LARGE, rank->number);
	for (int distance = 1; distance < rank->count; distance *= 2) {
		exchange(rank, mine, theirs, LARGE, rank->number ^ distance);
		REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
		for (size_t i = 0; i < LARGE; i++)
			REQUIRE(theirs[i] == value(rank->number ^ distance, i));
		/* Again, with one who is known already, and nothing at all. */
		exchange(rank, mine, theirs, 0, rank->number ^ distance);
		exchange(rank, mine + 5, theirs, 3, rank->number ^ distance);
		REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
		REQUIRE(theirs[2] == value(rank->number ^ distance, 7));
		REQUIRE(theirs[3] == value(rank->number ^ distance, 3));
	}
	cudaFree(mine);
	cudaFree(theirs);
	rank_end(rank);
}

static void rank_exchanges_blocking(struct rank *rank)
{
	rank_exchanges(rank, 1);
}

static void rank_exchanges_freely(struct rank *rank)
{
	for (unsigned schedule = 0; schedule < 3; schedule++) {
		emulator_set_schedule(schedule);
		/* An id for each is made by the first, and goes through the pipe. */
		if (schedule > 0 && rank->number == 0) {
			REQUIRE(ncclGetUniqueId(&rank->id) == ncclSuccess);
			for (int i = 1; i < rank->count; i++)
				REQUIRE(write(rank->pipes[1], &rank->id, sizeof rank->id) == sizeof rank->id);
		} else if (schedule > 0) {
			REQUIRE(read(rank->pipes[0], &rank->id, sizeof rank->id) == sizeof rank->id);
		}
		rank_exchanges(rank, 0);
	}
}

static void test_exchange(void **state)
{
	(void)state;
	run_ranks(2, rank_exchanges_blocking);
	run_ranks(4, rank_exchanges_freely);
}

/* To oneself, in a group. */
static void rank_sends_to_itself(struct rank *rank)
{
	rank_begin(rank, 0);
	float *x = rank_floats(20);
	fill(rank, x, 10, 1);
	exchange(rank, x, x + 10, 10, rank->number);
	REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
	REQUIRE(x[19] == value(1, 9));
	cudaFree(x);
	rank_end(rank);
}

static void test_to_itself(void **state)
{
	(void)state;
	run_ranks(1, rank_sends_to_itself);
	run_ranks(2, rank_sends_to_itself);
}

/* ---- order */

/* What comes before a call in its stream is done before it, what comes behind it after it; and a call in another stream comes
 * after those of the same communicator before it. */
static void rank_keeps_order(struct rank *rank)
{
	int partner = 1 - rank->number;
	struct rank other = *rank;
	rank_begin(rank, 0);
	other.comm = rank->comm;
	REQUIRE(cudaStreamCreateWithFlags(&other.stream, cudaStreamNonBlocking) == cudaSuccess);
	float *x = rank_floats(5);
	for (unsigned schedule = 0; schedule < SCHEDULES; schedule++) {
		emulator_set_schedule(schedule);
		fill(rank, x, 5, 50);
		cudaMemsetAsync(x, 0, sizeof *x, rank->stream);
		exchange(rank, x, x + 1, 1, partner);
		cudaMemcpyAsync(x + 2, x + 1, sizeof *x, cudaMemcpyDeviceToDevice, rank->stream);
		exchange(&other, x + 1, x + 3, 1, partner);
		REQUIRE(cudaStreamSynchronize(other.stream) == cudaSuccess);
		REQUIRE(x[1] == 0.0f && x[3] == 0.0f);
		REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
		REQUIRE(x[2] == 0.0f);
	}
	/* A group of calls in two streams ends in both. */
	fill(rank, x, 5, rank->number);
	REQUIRE(ncclGroupStart() == ncclSuccess);
	REQUIRE(ncclSend(x, 1, ncclFloat32, partner, rank->comm, rank->stream) == ncclSuccess);
	REQUIRE(ncclRecv(x + 1, 1, ncclFloat32, partner, rank->comm, other.stream) == ncclSuccess);
	REQUIRE(rank_settle(rank->comm, ncclGroupEnd()) == ncclSuccess);
	REQUIRE(cudaStreamSynchronize(other.stream) == cudaSuccess);
	REQUIRE(x[1] == value(partner, 0));
	cudaFree(x);
	cudaStreamDestroy(other.stream);
	rank_end(rank);
}

static void test_order(void **state)
{
	(void)state;
	run_ranks(2, rank_keeps_order);
}

/* A rank whose process waits for something else goes on in its streams. */
static void rank_waits_elsewhere(struct rank *rank)
{
	char word = 0;
	rank_begin(rank, 0);
	float *x = rank_floats(2);
	fill(rank, x, 2, rank->number);
	exchange(rank, x, x + 1, 1, 1 - rank->number);
	if (rank->number == 1)
		REQUIRE(read(rank->pipes[0], &word, 1) == 1);
	REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
	REQUIRE(x[1] == value(1 - rank->number, 0));
	if (rank->number == 0)
		REQUIRE(write(rank->pipes[1], &word, 1) == 1);
	cudaFree(x);
	rank_end(rank);
}

static void test_streams_go_on_for_others(void **state)
{
	(void)state;
	run_ranks(2, rank_waits_elsewhere);
}

/* ---- communicators */

/* One of all ranks and one of each pair: they have orders of their own. */
static void rank_has_two(struct rank *rank)
{
	struct rank pair = *rank;
	rank_begin(rank, 0);
	float *x = rank_floats(8), *all = rank_floats(4);
	fill(rank, x, 1, rank->number);
	/* The ids of the pairs go round in the first communicator. */
	void *memory;
	REQUIRE(cudaMalloc(&memory, 4 * sizeof pair.id) == cudaSuccess);
	ncclUniqueId *ids = memory;
	REQUIRE(ncclGetUniqueId(&ids[rank->number]) == ncclSuccess);
	REQUIRE(rank_settle(rank->comm, ncclAllGather(ids + rank->number, ids, sizeof *ids, ncclInt8, rank->comm,
	                                              rank->stream)) == ncclSuccess);
	REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
	REQUIRE(cudaStreamCreateWithFlags(&pair.stream, cudaStreamNonBlocking) == cudaSuccess);
	pair.comm = rank_join(rank, ids[rank->number / 2 * 2], rank->number % 2, 2, 0);
	/* Both at the same time, the second first. */
	exchange(&pair, x, x + 1, 1, 1 - rank->number % 2);
	REQUIRE(rank_settle(rank->comm, ncclAllGather(x, all, 1, ncclFloat32, rank->comm, rank->stream)) ==
	        ncclSuccess);
	REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
	REQUIRE(cudaStreamSynchronize(pair.stream) == cudaSuccess);
	REQUIRE(x[1] == value(rank->number ^ 1, 0));
	for (int i = 0; i < 4; i++)
		REQUIRE(all[i] == value(i, 0));
	rank_end(&pair);
	cudaFree(x);
	cudaFree(all);
	cudaFree(memory);
	rank_end(rank);
}

static void test_two_communicators(void **state)
{
	(void)state;
	run_ranks(4, rank_has_two);
}

/* Until the library says that it is ready, calls are mistakes, and nothing is in the stream. */
static void rank_is_in_progress(struct rank *rank)
{
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	ncclResult_t first;
	int version, partner = 1 - rank->number;

	REQUIRE(ncclGetVersion(&version) == ncclSuccess && version == NCCL_VERSION_CODE);
	REQUIRE(cudaStreamCreateWithFlags(&rank->stream, cudaStreamNonBlocking) == cudaSuccess);
	config.blocking = 0;
	float *x = rank_floats(2);
	REQUIRE(ncclCommInitRankConfig(&rank->comm, 2, rank->id, rank->number, &config) == ncclInProgress);
	REQUIRE(ncclSend(x, 1, ncclFloat32, partner, rank->comm, rank->stream) == ncclInvalidUsage);
	REQUIRE(ncclCommGetAsyncError(rank->comm, &first) == ncclSuccess && first == ncclInProgress);
	REQUIRE(rank_state(rank->comm) == ncclSuccess);
	fill(rank, x, 2, rank->number);
	REQUIRE(ncclGroupStart() == ncclSuccess);
	REQUIRE(ncclSend(x, 1, ncclFloat32, partner, rank->comm, rank->stream) == ncclSuccess);
	REQUIRE(ncclRecv(x + 1, 1, ncclFloat32, partner, rank->comm, rank->stream) == ncclSuccess);
	REQUIRE(ncclGroupEnd() == ncclInProgress);
	REQUIRE(ncclAllGather(x, x, 1, ncclFloat32, rank->comm, rank->stream) == ncclInvalidUsage);
	REQUIRE(strstr(ncclGetLastError(rank->comm), "ncclAllGather before") != NULL);
	REQUIRE(cudaStreamQuery(rank->stream) == cudaSuccess);
	REQUIRE(x[1] == value(rank->number, 1));
	REQUIRE(rank_state(rank->comm) == ncclSuccess);
	REQUIRE(cudaStreamQuery(rank->stream) == cudaErrorNotReady || x[1] == value(partner, 0));
	while (cudaStreamQuery(rank->stream) == cudaErrorNotReady)
		rank_nap();
	REQUIRE(x[1] == value(partner, 0));
	REQUIRE(ncclCommFinalize(rank->comm) == ncclInProgress);
	REQUIRE(rank_state(rank->comm) == ncclSuccess);
	REQUIRE(ncclCommDestroy(rank->comm) == ncclSuccess);
	cudaFree(x);
}

static void test_in_progress(void **state)
{
	(void)state;
	run_ranks(2, rank_is_in_progress);
}

/* ---- the library as the program opens it */

static void test_library(void **state)
{
	struct functions {
		__typeof__(ncclGetVersion) *version;
		__typeof__(ncclGetErrorString) *text;
	} call = { 0 };
	static const struct cuda_symbol symbols[] = { { "ncclGetVersion", offsetof(struct functions, version) },
		                                      { "ncclGetErrorString", offsetof(struct functions, text) } };
	static const struct cuda_symbol unknown[] = { { "ncclGetVersion", 0 }, { "ncclNothing", 0 } };
	static const char *const names[] = { "libnccl.so.3", "libnccl.so.2", NULL }, *const others[] = { "libcuda.so",
		                                                                                         NULL };
	char tried[CUDA_LIBRARY_TRIED];
	int version = 0;

	(void)state;
	void *library = cuda_library_open(names, tried);
	assert_non_null(library);
	assert_null(cuda_library_find(library, symbols, 2, &call));
	assert_int_equal(call.version(&version), ncclSuccess);
	assert_int_equal(version, 22809);
	assert_string_equal(call.text(ncclRemoteError), "remote process exited or there was a network error");
	assert_string_equal(cuda_library_find(library, unknown, 2, &call), "ncclNothing");
	assert_null(cuda_library_open(others, tried));
	assert_non_null(strstr(tried, "libcuda.so"));
	setenv("CAPSHAPE_EMULATOR_NCCL", "absent", 1);
	assert_null(cuda_library_open(names, tried));
	assert_non_null(strstr(tried, "libnccl.so"));
	unsetenv("CAPSHAPE_EMULATOR_NCCL");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exchange),
		cmocka_unit_test(test_to_itself),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_streams_go_on_for_others),
		cmocka_unit_test(test_two_communicators),
		cmocka_unit_test(test_in_progress),
		cmocka_unit_test(test_library),
		cmocka_unit_test(test_nothing_is_left),
	};
	return cmocka_run_group_tests_name("emulator_nccl", tests, folder_begin, folder_end);
}
