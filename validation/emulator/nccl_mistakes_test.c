/* What the stand-in for NCCL refuses, and what it makes go wrong when it is asked to.
 * SPDX-License-Identifier: Apache-2.0 */
#include "nccl_fixture.h"

/* ---- calls that are refused at once */

static void rank_passes_wrong_memory(struct rank *rank)
{
	float host[4] = { 0 };
	rank_begin(rank, 1);
	float *x = rank_floats(4);
	REQUIRE(ncclSend(host, 4, ncclFloat32, 0, rank->comm, rank->stream) == ncclInvalidArgument);
	REQUIRE(ncclSend(x + 2, 3, ncclFloat32, 0, rank->comm, rank->stream) == ncclInvalidArgument);
	REQUIRE(ncclRecv(x, 5, ncclFloat32, 0, rank->comm, rank->stream) == ncclInvalidArgument);
	REQUIRE(ncclRecv(x, 3, ncclFloat64, 0, rank->comm, rank->stream) == ncclInvalidArgument);
	REQUIRE(ncclAllGather(x, x + 3, 2, ncclFloat32, rank->comm, rank->stream) == ncclInvalidArgument);
	REQUIRE(ncclAllGather(x + 1, x, 2, ncclFloat32, rank->comm, rank->stream) == ncclInvalidUsage);
	REQUIRE(ncclReduceScatter(x, x + 2, 3, ncclFloat32, ncclSum, rank->comm, rank->stream) == ncclInvalidArgument);
	REQUIRE(ncclReduceScatter(x, x, 1, ncclFloat32, ncclMax, rank->comm, rank->stream) == ncclInvalidArgument);
	REQUIRE(ncclSend(x, 4, ncclFloat32, 1, rank->comm, rank->stream) == ncclInvalidArgument);
	REQUIRE(ncclSend(x, 4, ncclNumTypes, 0, rank->comm, rank->stream) == ncclInvalidArgument);
	REQUIRE(ncclSend(x, 4, ncclFloat32, 0, NULL, rank->stream) == ncclInvalidArgument);
	cudaFree(x);
	rank_end(rank);
}

static void test_memory(void **state)
{
	(void)state;
	run_ranks(1, rank_passes_wrong_memory);
}

static void rank_groups_wrongly(struct rank *rank)
{
	rank_begin(rank, 1);
	float *x = rank_floats(8);
	REQUIRE(ncclGroupEnd() == ncclInvalidUsage);
	/* A receive into what is sent. */
	REQUIRE(ncclGroupStart() == ncclSuccess);
	REQUIRE(ncclSend(x, 4, ncclFloat32, 0, rank->comm, rank->stream) == ncclSuccess);
	REQUIRE(ncclRecv(x + 3, 4, ncclFloat32, 0, rank->comm, rank->stream) == ncclSuccess);
	REQUIRE(ncclGroupEnd() == ncclInvalidUsage);
	/* One wrong call makes nothing of the others. */
	REQUIRE(ncclGroupStart() == ncclSuccess);
	REQUIRE(ncclGroupStart() == ncclSuccess);
	REQUIRE(ncclSend(x, 4, ncclFloat32, 0, rank->comm, rank->stream) == ncclSuccess);
	REQUIRE(ncclRecv(x + 4, 9, ncclFloat32, 0, rank->comm, rank->stream) == ncclInvalidArgument);
	REQUIRE(ncclGroupEnd() == ncclInvalidArgument);
	REQUIRE(ncclGroupEnd() == ncclInvalidArgument);
	REQUIRE(cudaStreamQuery(rank->stream) == cudaSuccess);
	cudaFree(x);
	rank_end(rank);
}

static void test_groups(void **state)
{
	(void)state;
	run_ranks(1, rank_groups_wrongly);
}

/* ---- ranks that do not fit */

static void rank_shares_a_device(struct rank *rank)
{
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	setenv("CAPSHAPE_EMULATOR_BUS", "0000:3B:00.0", 1);
	REQUIRE(ncclCommInitRankConfig(&rank->comm, 2, rank->id, rank->number, &config) == ncclInvalidUsage);
	REQUIRE(strstr(ncclGetLastError(NULL), "Duplicate GPU detected") != NULL);
	REQUIRE(rank->comm == NULL);
}

static void rank_shares_a_device_freely(struct rank *rank)
{
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	config.blocking = 0;
	setenv("CAPSHAPE_EMULATOR_BUS", "0000:3B:00.0", 1);
	REQUIRE(ncclCommInitRankConfig(&rank->comm, 2, rank->id, rank->number, &config) == ncclInProgress);
	REQUIRE(rank_state(rank->comm) == ncclInvalidUsage);
	REQUIRE(ncclCommAbort(rank->comm) == ncclSuccess);
}

static void test_shared_device(void **state)
{
	(void)state;
	run_ranks(2, rank_shares_a_device);
	run_ranks(2, rank_shares_a_device_freely);
}

static void rank_begins_wrongly(struct rank *rank)
{
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER, none = { 0 };
	ncclUniqueId unknown = { { 0 } };
	ncclComm_t again;
	REQUIRE(ncclCommInitRankConfig(&rank->comm, 1, unknown, 0, &config) == ncclInvalidArgument);
	REQUIRE(ncclCommInitRankConfig(&rank->comm, 1, rank->id, 1, &config) == ncclInvalidArgument);
	REQUIRE(ncclCommInitRankConfig(&rank->comm, 1, rank->id, 0, &none) == ncclInvalidArgument);
	rank_begin(rank, 0);
	REQUIRE(ncclCommInitRankConfig(&again, 1, rank->id, 0, &config) == ncclInvalidUsage);
	rank_end(rank);
	REQUIRE(ncclCommAbort(rank->comm) == ncclInvalidArgument);
}

static void test_begin(void **state)
{
	(void)state;
	run_ranks(1, rank_begins_wrongly);
}

/* ---- partners that do not fit: one of them sees it, and both can give up */

struct misfit {
	void (*calls[2])(struct rank *rank, float *x);
	const char *said;
};
static const struct misfit *misfit;

static void sends_three(struct rank *rank, float *x)
{
	ncclSend(x, 3, ncclFloat32, 1, rank->comm, rank->stream);
}

static void receives_four(struct rank *rank, float *x)
{
	ncclRecv(x, 4, ncclFloat32, 0, rank->comm, rank->stream);
}

static void receives_doubles(struct rank *rank, float *x)
{
	ncclRecv(x, 3, ncclFloat64, 0, rank->comm, rank->stream);
}

static void gathers_one(struct rank *rank, float *x)
{
	ncclAllGather(x, x + 2, 1, ncclFloat32, rank->comm, rank->stream);
}

static void gathers_two(struct rank *rank, float *x)
{
	ncclAllGather(x, x + 2, 2, ncclFloat32, rank->comm, rank->stream);
}

static void broadcasts_from_first(struct rank *rank, float *x)
{
	ncclBroadcast(x, x, 1, ncclFloat32, 0, rank->comm, rank->stream);
}

static void broadcasts_from_second(struct rank *rank, float *x)
{
	ncclBroadcast(x, x, 1, ncclFloat32, 1, rank->comm, rank->stream);
}

static void rank_misfits(struct rank *rank)
{
	ncclResult_t state = ncclSuccess;
	rank_begin(rank, 1);
	float *x = rank_floats(8);
	misfit->calls[rank->number](rank, x);
	char word = 0;
	/* The other one may see it first; who does tells. */
	for (;;) {
		REQUIRE(cudaStreamQuery(rank->stream) == cudaErrorNotReady);
		REQUIRE(ncclCommGetAsyncError(rank->comm, &state) == ncclSuccess);
		if (rank->number == 1 && state != ncclSuccess)
			break;
		fd_set ready;
		struct timeval nap = { 0, 1000 };
		FD_ZERO(&ready);
		FD_SET(rank->pipes[0], &ready);
		if (rank->number == 0 && select(rank->pipes[0] + 1, &ready, NULL, NULL, &nap) == 1)
			break;
		rank_nap();
	}
	if (rank->number == 1) {
		REQUIRE(state == ncclInvalidUsage);
		REQUIRE(strstr(ncclGetLastError(rank->comm), misfit->said) != NULL);
		REQUIRE(ncclSend(x, 1, ncclFloat32, 0, rank->comm, rank->stream) == ncclInvalidUsage);
		REQUIRE(write(rank->pipes[1], &word, 1) == 1);
	}
	REQUIRE(ncclCommAbort(rank->comm) == ncclSuccess);
	/* Aborting frees the stream. */
	REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
	cudaFree(x);
}

static void test_misfits(void **state)
{
	static const struct misfit misfits[] = {
		{ { sends_three, receives_four }, "ncclRecv of 4 elements of type 7" },
		{ { sends_three, receives_doubles }, "meets ncclSend of 3 elements of type 7" },
		{ { gathers_one, gathers_two }, "ncclAllGather of 2 elements" },
		{ { gathers_one, broadcasts_from_first }, "meets ncclAllGather" },
		{ { broadcasts_from_first, broadcasts_from_second }, "(root 1) meets ncclBroadcast" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
		misfit = &misfits[i];
		run_ranks(2, rank_misfits);
	}
}

/* Sends outside of a group wait for their receives, and these come behind them: with messages that are larger than what the
 * real library keeps, neither ends. */
static void rank_sends_first(struct rank *rank)
{
	rank_begin(rank, 1);
	float *x = rank_floats(2);
	ncclSend(x, 1, ncclFloat32, 1 - rank->number, rank->comm, rank->stream);
	ncclRecv(x + 1, 1, ncclFloat32, 1 - rank->number, rank->comm, rank->stream);
	for (int i = 0; i < 100; i++) {
		REQUIRE(cudaStreamQuery(rank->stream) == cudaErrorNotReady);
		rank_nap();
	}
	REQUIRE(ncclCommAbort(rank->comm) == ncclSuccess);
	REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
	cudaFree(x);
}

static void test_sends_wait_for_receives(void **state)
{
	(void)state;
	run_ranks(2, rank_sends_first);
}

/* ---- ends that are too early */

static void rank_destroys_too_early(struct rank *rank)
{
	rank_begin(rank, 1);
	float *x = rank_floats(2);
	ncclGroupStart();
	ncclSend(x, 1, ncclFloat32, 0, rank->comm, rank->stream);
	ncclRecv(x + 1, 1, ncclFloat32, 0, rank->comm, rank->stream);
	REQUIRE(ncclGroupEnd() == ncclSuccess);
	ncclCommDestroy(rank->comm);
}

static void rank_forgets_to_destroy(struct rank *rank)
{
	rank_begin(rank, 0);
}

static void rank_forgets_a_group(struct rank *rank)
{
	rank_begin(rank, 0);
	rank_end(rank);
	ncclGroupStart();
}

static void test_early_ends(void **state)
{
	(void)state;
	run_ranks_expecting(1, rank_destroys_too_early, LEFT_OVER);
	run_ranks_expecting(2, rank_forgets_to_destroy, LEFT_OVER);
	run_ranks_expecting(1, rank_forgets_a_group, LEFT_OVER);
}

/* ---- what CAPSHAPE_EMULATOR_NCCL makes go wrong */

static ncclResult_t exchange(struct rank *rank, float *x)
{
	REQUIRE(ncclGroupStart() == ncclSuccess);
	REQUIRE(ncclSend(x, 1, ncclFloat32, 1 - rank->number, rank->comm, rank->stream) == ncclSuccess);
	REQUIRE(ncclRecv(x + 1, 1, ncclFloat32, 1 - rank->number, rank->comm, rank->stream) == ncclSuccess);
	return rank_settle(rank->comm, ncclGroupEnd());
}

/* The first exchange is well; the second has a call that does not end, which its stream may come to at once. */
static void go_wrong(struct rank *rank, const char *how, ncclResult_t expected)
{
	ncclResult_t state;
	if (rank->number == 0)
		setenv("CAPSHAPE_EMULATOR_NCCL", how, 1);
	rank_begin(rank, 0);
	float *x = rank_floats(2);
	memset(x, 0, 2 * sizeof *x);
	REQUIRE(exchange(rank, x) == ncclSuccess);
	REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
	state = exchange(rank, x);
	REQUIRE(state == ncclSuccess || (rank->number == 0 && state == expected));
	for (int i = 0; i < 100; i++) {
		REQUIRE(cudaStreamQuery(rank->stream) == cudaErrorNotReady);
		rank_nap();
	}
	REQUIRE(ncclCommGetAsyncError(rank->comm, &state) == ncclSuccess);
	REQUIRE(state == (rank->number == 0 ? expected : ncclSuccess));
	REQUIRE(ncclCommAbort(rank->comm) == ncclSuccess);
	REQUIRE(cudaStreamSynchronize(rank->stream) == cudaSuccess);
	cudaFree(x);
}

static void rank_fails(struct rank *rank)
{
	go_wrong(rank, "fail:3", ncclRemoteError);
}

static void rank_hangs(struct rank *rank)
{
	go_wrong(rank, "hang:4", ncclSuccess);
}

static void test_faults(void **state)
{
	(void)state;
	run_ranks(2, rank_fails);
	run_ranks(2, rank_hangs);
}

/* Nobody meets it: it says so after a while; the other rank waits. */
static void rank_is_unreachable(struct rank *rank)
{
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	ncclResult_t state = ncclInProgress;
	config.blocking = 0;
	if (rank->number == 0)
		setenv("CAPSHAPE_EMULATOR_NCCL", "unreachable", 1);
	REQUIRE(ncclCommInitRankConfig(&rank->comm, 2, rank->id, rank->number, &config) == ncclInProgress);
	for (int i = 0; i < 100; i++)
		REQUIRE(ncclCommGetAsyncError(rank->comm, &state) == ncclSuccess);
	REQUIRE(state == (rank->number == 0 ? ncclSystemError : ncclInProgress));
	REQUIRE(ncclCommAbort(rank->comm) == ncclSuccess);
}

static void test_rank_that_nobody_meets(void **state)
{
	(void)state;
	run_ranks(2, rank_is_unreachable);
}

/* A partner that never comes: aborting ends the waiting. */
static void rank_comes_alone(struct rank *rank)
{
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	ncclResult_t state;
	config.blocking = 0;
	REQUIRE(ncclCommInitRankConfig(&rank->comm, 2, rank->id, 0, &config) == ncclInProgress);
	for (int i = 0; i < 100; i++) {
		REQUIRE(ncclCommGetAsyncError(rank->comm, &state) == ncclSuccess);
		REQUIRE(state == ncclInProgress);
	}
	REQUIRE(ncclCommAbort(rank->comm) == ncclSuccess);
}

static void test_partner_that_does_not_come(void **state)
{
	(void)state;
	run_ranks(1, rank_comes_alone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_shared_device),
		cmocka_unit_test(test_begin),
		cmocka_unit_test(test_misfits),
		cmocka_unit_test(test_sends_wait_for_receives),
		cmocka_unit_test(test_early_ends),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_partner_that_does_not_come),
		cmocka_unit_test(test_rank_that_nobody_meets),
		cmocka_unit_test(test_nothing_is_left),
	};
	return cmocka_run_group_tests_name("emulator_nccl_mistakes", tests, folder_begin, folder_end);
}
