/* Tests of kernels/cuda/peers_nccl over the emulator: for how long a call of NCCL waits for the other peers. The file itself is
 * included, with a clock that the tests move.
 * SPDX-License-Identifier: Apache-2.0 */
#include "nccl_fixture.h"

#define timer_seconds pretended_seconds
#define raise         raise_of_peers /* not that of signal.h */
#include "kernels/cuda/peers_nccl.c"
#undef raise
#undef timer_seconds

enum { TIMEOUT = 300, SUSPENDED = 1000 };

static struct {
	double seconds, jump, step; /* of the clock: now; once, in the next turn; in every turn */
	int turns;
} pretended;

double pretended_seconds(void)
{
	return pretended.seconds;
}

static void take_turn(void *state)
{
	(void)state;
	pretended.seconds += pretended.jump + pretended.step;
	pretended.jump = 0;
	pretended.turns++;
	rank_nap();
}

static struct peers *join(const struct rank *rank, struct device **device_out)
{
	const struct peer_wait wait = { take_turn, NULL, TIMEOUT };
	unsigned char id[PEERS_ID_BYTES];
	struct peers *peers = NULL;
	bool done = false;
	memcpy(id, &rank->id, sizeof id);
	REQUIRE(kernels_cuda()->device_create(PRECISION_FLOAT32, 1, device_out) == STATUS_OK);
	REQUIRE(cuda_peers.connect(*device_out, id, rank->number, rank->count, 1, &wait, &peers) == STATUS_OK);
	while (!done) {
		REQUIRE(cuda_peers.connected(peers, &done) == STATUS_OK);
		rank_nap();
	}
	return peers;
}

static void leave_in_order(struct peers *peers, struct device *device, bool orderly)
{
	cuda_peers.disconnect(peers, orderly);
	kernels_cuda()->device_destroy(device);
}

/* Both processes are stopped for longer than the time-out while they first talk to each other. */
static void rank_is_suspended(struct rank *rank)
{
	struct device *device;
	struct peers *peers = join(rank, &device);
	float *x = rank_floats(2);
	bool done = false;
	x[0] = (float)(1 + rank->number);
	pretended.jump = SUSPENDED;
	REQUIRE(cuda_peers.exchange(peers, 1 - rank->number, x, sizeof *x, x + 1, sizeof *x) == STATUS_OK);
	REQUIRE(pretended.turns > 0);
	REQUIRE(cuda_peers.mark(peers, 0) == STATUS_OK);
	while (!done) {
		REQUIRE(cuda_peers.passed(peers, 0, &done) == STATUS_OK);
		rank_nap();
	}
	REQUIRE(x[1] == (float)(2 - rank->number));
	leave_in_order(peers, device, true);
	cudaFree(x);
}

static void test_suspension(void **state)
{
	(void)state;
	run_ranks(2, rank_is_suspended);
}

/* The other one has connected and never talks: the time of all turns together counts. */
static void rank_waits_in_vain(struct rank *rank)
{
	struct device *device;
	struct peers *peers = join(rank, &device);
	float *x = rank_floats(2);
	char byte = 0;
	if (rank->number == 1) {
		REQUIRE(read(rank->pipes[0], &byte, 1) == 1);
	} else {
		pretended.step = 0.2;
		REQUIRE(cuda_peers.exchange(peers, 1, x, sizeof *x, x + 1, sizeof *x) == STATUS_PEER);
		REQUIRE(strstr(error_message(), "did not come within 300 s (run/timeout)") != NULL);
		REQUIRE(pretended.turns >= TIMEOUT / 0.2);
		REQUIRE(write(rank->pipes[1], &byte, 1) == 1);
	}
	leave_in_order(peers, device, false);
	cudaFree(x);
}

static void test_time_out(void **state)
{
	(void)state;
	run_ranks(2, rank_waits_in_vain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suspension),
		cmocka_unit_test(test_time_out),
		cmocka_unit_test(test_nothing_is_left),
	};
	return cmocka_run_group_tests_name("emulator_peers", tests, folder_begin, folder_end);
}
