/* Exchange between GPUs by NCCL, in a stream of its own beside the device's; contract in kernels.h.
 *
 * The communicator does not block: every call of NCCL returns at once, and a loop that gives others their turn waits until
 * NCCL has taken it in, which lasts only while peers first connect. Failures that come later are found when marks are
 * looked at. Sends, receives and copies of floats are of bytes: nothing is computed on the way but by scatter_sum().
 * SPDX-License-Identifier: Apache-2.0 */
#include <nccl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/timer.h"
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/library.h"

#define FUNCTIONS(X)                                                                                                   \
	X(ncclAllGather)                                                                                               \
	X(ncclCommAbort)                                                                                               \
	X(ncclCommDestroy)                                                                                             \
	X(ncclCommFinalize)                                                                                            \
	X(ncclCommGetAsyncError)                                                                                       \
	X(ncclCommInitRankConfig)                                                                                      \
	X(ncclGetErrorString)                                                                                          \
	X(ncclGetLastError)                                                                                            \
	X(ncclGetUniqueId)                                                                                             \
	X(ncclGetVersion)                                                                                              \
	X(ncclGroupEnd)                                                                                                \
	X(ncclGroupStart)                                                                                              \
	X(ncclRecv)                                                                                                    \
	X(ncclReduceScatter)                                                                                           \
	X(ncclSend)

struct functions {
	FUNCTIONS(CUDA_LIBRARY_POINTER)
};

struct peers {
	struct device *device;
	struct device side; /* the device with the peers' stream: for kernels that run there */
	struct functions call;
	ncclComm_t communicator;
	struct peer_wait wait;
	double waited, last_turn; /* seconds that the host has been waiting since the exchange was done last */
	cudaEvent_t asked;        /* the device has done what it was asked for at the last follow_device() */
	cudaEvent_t *marks;
	int mark_count;
	char description[32];
};

_Static_assert(sizeof(ncclUniqueId) == PEERS_ID_BYTES, "kernels.h says how large an id is");

/* ---- the library ---- */

static bool load_library(struct functions *call, char *reason, size_t size)
{
#define SYMBOL(function) { #function, offsetof(struct functions, function) },
	static const struct cuda_symbol symbols[] = { FUNCTIONS(SYMBOL) };
#undef SYMBOL
	static const char *const names[] = { "libnccl.so.2", NULL };
	char tried[CUDA_LIBRARY_TRIED];
	void *library = cuda_library_open(names, tried);

	if (library == NULL) {
		snprintf(reason, size,
		         "NCCL was not found (tried %s: %.80s); name its folder in CAPSHAPE_CUDA_LIBRARIES", names[0],
		         tried);
		return false;
	}
	const char *missing = cuda_library_find(library, symbols, sizeof symbols / sizeof *symbols, call);
	if (missing != NULL)
		snprintf(reason, size, "the NCCL that was found has no %s: version 2.14 or newer is needed", missing);
	return missing == NULL;
}

static enum status load(struct functions *call)
{
	char reason[192];
	return load_library(call, reason, sizeof reason) ? STATUS_OK : error_raise(STATUS_ENVIRONMENT, "%s", reason);
}

static enum status raise(const struct peers *peers, ncclResult_t code, const char *what)
{
	const char *more = peers->communicator == NULL ? "" : peers->call.ncclGetLastError(peers->communicator);
	return error_raise(STATUS_PEER, "CUDA device %d, NCCL, %s: %s%s%s", peers->device->number, what,
	                   peers->call.ncclGetErrorString(code), more == NULL || more[0] == '\0' ? "" : ": ",
	                   more == NULL ? "" : more);
}

/* Whether NCCL has taken in what it was asked for last; a failure, of earlier operations too. */
static enum status look(struct peers *peers, const char *what, bool *settled)
{
	ncclResult_t state = ncclSuccess, code = peers->call.ncclCommGetAsyncError(peers->communicator, &state);

	if (code == ncclSuccess)
		code = state;
	*settled = code == ncclSuccess;
	return code == ncclSuccess || code == ncclInProgress ? STATUS_OK : raise(peers, code, what);
}

/* How long a turn of waiting has lasted, and when it ended; at most what a turn can last while this process runs: while it was
 * stopped (a suspended job), nobody could come. */
static double turn_seconds(double *last)
{
	const double longest_turn = 0.25;
	double now = timer_seconds(), turn = now - *last;

	*last = now;
	return turn < longest_turn ? turn : longest_turn;
}

/* After every call of NCCL. */
static enum status settle(struct peers *peers, ncclResult_t code, const char *what)
{
	bool settled = code == ncclSuccess;
	double last = timer_seconds(), waited = 0;

	if (code != ncclSuccess && code != ncclInProgress)
		return raise(peers, code, what);
	if (settled)
		STATUS_TRY(look(peers, what, &settled));
	while (!settled) {
		STATUS_TRY(look(peers, what, &settled));
		waited += turn_seconds(&last);
		if (!settled && waited > peers->wait.timeout)
			return error_raise(
				STATUS_PEER,
				"CUDA device %d, NCCL, %s: the other GPUs did not come within %.0f s (run/timeout)",
				peers->device->number, what, peers->wait.timeout);
		if (!settled)
			peers->wait.turn(peers->wait.state);
	}
	return STATUS_OK;
}

/* Whether the exchange waits for other peers, and not for this device to compute what is to be exchanged. */
static bool waits_for_others(const struct peers *peers)
{
	bool busy = cudaStreamQuery(peers->side.stream) == cudaErrorNotReady;
	bool asked = cudaEventQuery(peers->asked) == cudaSuccess;

	(void)cudaGetLastError(); /* or the next launch would report it */
	return busy && asked;
}

/* The device may wait for weights of others, which wait for this one's, or for ever. */
static enum status watch_turn(void *state)
{
	struct peers *peers = state;
	double turn = turn_seconds(&peers->last_turn);
	bool settled;

	STATUS_TRY(look(peers, "exchange", &settled));
	if (waits_for_others(peers))
		peers->waited += turn;
	else
		peers->waited = 0;
	if (peers->waited > peers->wait.timeout)
		return error_raise(
			STATUS_PEER,
			"CUDA device %d, NCCL: what was sent to and expected from other GPUs has not been done within "
			"%.3g s (run/timeout)",
			peers->device->number, peers->wait.timeout);
	peers->wait.turn(peers->wait.state);
	return STATUS_OK;
}

/* ---- life ---- */

static bool available(struct device *device, char identity[PEERS_IDENTITY], char *reason, size_t size)
{
	struct functions call;

	if (cuda_check(device, cudaDeviceGetPCIBusId(identity, PEERS_IDENTITY, device->number), "address") !=
	    STATUS_OK) {
		snprintf(reason, size, "%s", error_message());
		error_clear();
		return false;
	}
	return load_library(&call, reason, size);
}

static enum status make_id(struct device *device, unsigned char id[PEERS_ID_BYTES])
{
	struct peers peers = { .device = device };
	ncclUniqueId made;

	STATUS_TRY(load(&peers.call));
	ncclResult_t code = peers.call.ncclGetUniqueId(&made);
	if (code != ncclSuccess)
		return raise(&peers, code, "ncclGetUniqueId");
	memcpy(id, &made, sizeof made);
	return STATUS_OK;
}

/* Above the device's stream: an exchange that has begun late delays everybody, a product that has does not. */
static enum status create_stream(struct peers *peers)
{
	int lowest = 0, highest = 0;

	STATUS_TRY(cuda_check(peers->device, cudaDeviceGetStreamPriorityRange(&lowest, &highest), "priorities"));
	return cuda_check(peers->device,
	                  cudaStreamCreateWithPriority(&peers->side.stream, cudaStreamNonBlocking, highest), "stream");
}

static enum status create_event(const struct peers *peers, cudaEvent_t *event)
{
	return cuda_check(peers->device, cudaEventCreateWithFlags(event, cudaEventDisableTiming), "event");
}

static enum status create_events(struct peers *peers, int marks)
{
	STATUS_TRY(create_event(peers, &peers->asked));
	peers->marks = memory_allocate((size_t)marks, sizeof *peers->marks);
	if (peers->marks == NULL)
		return STATUS_ENVIRONMENT;
	for (; peers->mark_count < marks; peers->mark_count++)
		STATUS_TRY(create_event(peers, &peers->marks[peers->mark_count]));
	return STATUS_OK;
}

static enum status begin_connecting(struct peers *peers, const unsigned char id[PEERS_ID_BYTES], int number, int size)
{
	ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
	ncclUniqueId shared;
	int version = 0;

	STATUS_TRY(load(&peers->call));
	peers->call.ncclGetVersion(&version);
	snprintf(peers->description, sizeof peers->description, "NCCL %d.%d.%d", version / 10000 % 100,
	         version / 100 % 100, version % 100);
	memcpy(&shared, id, sizeof shared);
	config.blocking = 0;
	ncclResult_t code = peers->call.ncclCommInitRankConfig(&peers->communicator, size, shared, number, &config);
	return code == ncclSuccess || code == ncclInProgress ? STATUS_OK : raise(peers, code, "start");
}

static void disconnect(struct peers *peers, bool orderly);

static enum status begin(struct device *device, const unsigned char id[PEERS_ID_BYTES], int number, int size, int marks,
                         const struct peer_wait *wait, struct peers **peers_out)
{
	struct peers *peers = memory_allocate(1, sizeof *peers);
	if (peers == NULL)
		return STATUS_ENVIRONMENT;
	peers->device = device;
	peers->side = *device;
	peers->side.stream = NULL;
	peers->wait = *wait;
	enum status status = create_stream(peers);
	if (status == STATUS_OK)
		status = create_events(peers, marks);
	if (status == STATUS_OK)
		status = begin_connecting(peers, id, number, size);
	if (status != STATUS_OK) {
		disconnect(peers, false);
		return status;
	}
	device->watch = (struct cuda_watch){ watch_turn, peers };
	*peers_out = peers;
	return STATUS_OK;
}

static enum status connected(struct peers *peers, bool *connected_out)
{
	return look(peers, "connecting", connected_out);
}

/* In an orderly way where all is done, so that no other peer loses what it still waits for; else at once. */
static void leave(struct peers *peers, bool orderly)
{
	bool idle = peers->side.stream != NULL && cudaStreamQuery(peers->side.stream) == cudaSuccess;

	(void)cudaGetLastError();
	if (orderly && idle) {
		/* The message is that of what ended the run. */
		char *reason = memory_copy_text(error_message());
		orderly = settle(peers, peers->call.ncclCommFinalize(peers->communicator), "end") == STATUS_OK;
		error_clear();
		if (reason != NULL && reason[0] != '\0')
			error_raise(STATUS_PEER, "%s", reason);
		free(reason);
	}
	if (orderly && idle)
		peers->call.ncclCommDestroy(peers->communicator);
	else
		peers->call.ncclCommAbort(peers->communicator);
}

static void disconnect(struct peers *peers, bool orderly)
{
	peers->device->watch = (struct cuda_watch){ 0 };
	if (peers->communicator != NULL)
		leave(peers, orderly);
	for (int mark = 0; mark < peers->mark_count; mark++)
		cudaEventDestroy(peers->marks[mark]);
	if (peers->asked != NULL)
		cudaEventDestroy(peers->asked);
	if (peers->side.stream != NULL)
		cudaStreamDestroy(peers->side.stream);
	free(peers->marks);
	free(peers);
}

static const char *describe(const struct peers *peers)
{
	return peers->description;
}

/* ---- order ---- */

static enum status follow_device(struct peers *peers)
{
	STATUS_TRY(cuda_check(peers->device, cudaEventRecord(peers->asked, peers->device->stream), "event"));
	return cuda_check(peers->device, cudaStreamWaitEvent(peers->side.stream, peers->asked, 0), "event");
}

/* A failure of NCCL would else be a wait without end. */
static enum status event_passed(struct peers *peers, cudaEvent_t event, bool *passed_out)
{
	bool settled;

	STATUS_TRY(look(peers, "exchange", &settled));
	cudaError_t code = cudaEventQuery(event);
	*passed_out = code == cudaSuccess;
	if (code != cudaErrorNotReady)
		return cuda_check(peers->device, code, "a kernel before this");
	(void)cudaGetLastError(); /* or the next launch would report it */
	return STATUS_OK;
}

static enum status device_passed(struct peers *peers, bool *passed_out)
{
	return event_passed(peers, peers->asked, passed_out);
}

static enum status mark_set(struct peers *peers, int mark)
{
	return cuda_check(peers->device, cudaEventRecord(peers->marks[mark], peers->side.stream), "event");
}

static enum status mark_passed(struct peers *peers, int mark, bool *passed_out)
{
	return event_passed(peers, peers->marks[mark], passed_out);
}

static enum status lead_device(struct peers *peers, int mark)
{
	return cuda_check(peers->device, cudaStreamWaitEvent(peers->device->stream, peers->marks[mark], 0), "event");
}

/* ---- data ---- */

static enum status exchange(struct peers *peers, int peer, const void *send, size_t send_bytes, void *receive,
                            size_t receive_bytes)
{
	const struct functions *call = &peers->call;
	cudaStream_t stream = peers->side.stream;

	if (send_bytes == 0 && receive_bytes == 0)
		return STATUS_OK;
	ncclResult_t code = call->ncclGroupStart();
	if (code == ncclSuccess && send_bytes > 0)
		code = call->ncclSend(send, send_bytes, ncclUint8, peer, peers->communicator, stream);
	if ((code == ncclSuccess || code == ncclInProgress) && receive_bytes > 0)
		code = call->ncclRecv(receive, receive_bytes, ncclUint8, peer, peers->communicator, stream);
	ncclResult_t end = call->ncclGroupEnd();
	return settle(peers, code == ncclSuccess || code == ncclInProgress ? end : code, "send and receive");
}

static enum status add(struct peers *peers, float *y, const float *x, size_t count)
{
	return cuda_add(&peers->side, y, x, count);
}

static enum status scatter_sum(struct peers *peers, float *own, const float *all, size_t each)
{
	return settle(peers,
	              peers->call.ncclReduceScatter(all, own, each, ncclFloat, ncclSum, peers->communicator,
	                                            peers->side.stream),
	              "reduce and scatter");
}

static enum status gather(struct peers *peers, void *all, const void *own, size_t bytes)
{
	return settle(peers,
	              peers->call.ncclAllGather(own, all, bytes, ncclUint8, peers->communicator, peers->side.stream),
	              "gather");
}

const struct peer_table cuda_peers = {
	.available = available,
	.make_id = make_id,
	.connect = begin,
	.connected = connected,
	.disconnect = disconnect,
	.describe = describe,
	.follow_device = follow_device,
	.device_passed = device_passed,
	.mark = mark_set,
	.passed = mark_passed,
	.lead_device = lead_device,
	.exchange = exchange,
	.add = add,
	.scatter_sum = scatter_sum,
	.gather = gather,
};
