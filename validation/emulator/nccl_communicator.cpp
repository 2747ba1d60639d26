/* Communicators of the stand-in for NCCL: how they begin, what state they are in, how they end.
 *
 * Checked, beyond what the real one checks: buffers are device memory and of one allocation; calls of a group do not write to
 * what others of them use; what partners and ranks ask for fits; a communicator is destroyed when nothing of it is left to do;
 * no process ends with a communicator that was neither destroyed nor aborted, or within a group. The last two end the process
 * with LEFT_OVER and a line on standard error.
 *
 * Communicators that do not block are in progress for a while after they were begun, after the first calls for a partner,
 * and (with schedules from 2 on) after others, and what was asked for goes into its stream only when
 * ncclCommGetAsyncError() has said that they are ready.
 *
 * The environment variable CAPSHAPE_EMULATOR_NCCL: absent: there is no such library; no-id: it makes no ids; unreachable:
 * communicators of this process meet nobody, and fail after a while, as where a network does not work; fail:N: the N-th of
 * this process's sends, receives and collectives fails when its stream comes to it; hang:N: it never ends.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "nccl_state.h"

namespace
{

enum { LEFT_OVER = 3, POLLS_TO_JOIN = 3 };

/* An id: this, a zero, the folder. */
const char ID_MARK[] = "capshape-nccl";

/* Never gone, as the helper may outlive main(). */
std::vector<nccl_communicator> &communicators = *new std::vector<nccl_communicator>;
std::string &last_error = *new std::string("no error");

[[noreturn]] void end_process()
{
	fflush(nullptr);
	_exit(LEFT_OVER);
}

void check_at_exit()
{
	bool left = false;
	streams_guard guard;
	if (nccl_group_is_open())
		left = true, nccl_complain(nullptr, ncclInvalidUsage, "the process ends within a group");
	for (const nccl_communicator &comm : communicators)
		if (comm->process == getpid()) {
			left = true;
			nccl_complain(comm.get(), ncclInvalidUsage,
			              "the process ends with a communicator that was neither destroyed nor aborted");
			nccl_folder_leave(*comm);
		}
	if (left)
		end_process();
}

void forget(const nccl_communicator &comm)
{
	nccl_folder_leave(*comm);
	communicators.erase(std::find(communicators.begin(), communicators.end(), comm));
}

/* ---- joining: every rank says who it is, and looks whether all others have */

std::string rank_name(int rank)
{
	return "rank." + std::to_string(rank);
}

bool say_who(ncclComm &comm)
{
	return nccl_file_create(comm, rank_name(comm.rank), std::to_string(comm.ranks) + " " + comm.bus);
}

ncclResult_t look_at(ncclComm &comm, int rank, const std::string &text)
{
	size_t blank = text.find(' ');
	if (text.substr(0, blank) != std::to_string(comm.ranks))
		return nccl_complain(&comm, ncclInvalidArgument, "rank %d says that there are %s ranks, this one %d",
		                     rank, text.substr(0, blank).c_str(), comm.ranks);
	if (rank != comm.rank && text.substr(blank + 1) == comm.bus)
		return nccl_complain(&comm, ncclInvalidUsage,
		                     "Duplicate GPU detected : rank %d and rank %d both on CUDA device %s", comm.rank,
		                     rank, comm.bus.c_str());
	return ncclSuccess;
}

/* ncclInProgress until all are there. */
ncclResult_t join(ncclComm &comm)
{
	bool all = true;
	for (int rank = 0; rank < comm.ranks; rank++) {
		std::string text;
		if (!nccl_file_read(comm, rank_name(rank), &text)) {
			all = false;
			continue;
		}
		ncclResult_t result = look_at(comm, rank, text);
		if (result != ncclSuccess)
			return result;
	}
	return all ? ncclSuccess : ncclInProgress;
}

/* ---- finalizing: what is in streams is done, and all ranks have said so */

bool finalize(ncclComm &comm)
{
	std::string own = "final." + std::to_string(comm.rank);
	if (nccl_has_unfinished(comm)) {
		streams_push(comm.unfinished.front()->stream);
		return false;
	}
	if (!nccl_file_exists(comm, own))
		nccl_file_write(comm, own, nullptr, 0, nullptr, 0);
	for (int rank = 0; rank < comm.ranks; rank++)
		if (!nccl_file_exists(comm, "final." + std::to_string(rank)))
			return false;
	return true;
}

bool is_error(ncclResult_t state)
{
	return state != ncclSuccess && state != ncclInProgress;
}

/* One look at what a communicator in progress is waiting for. */
void look(const nccl_communicator &comm)
{
	if (comm->state != ncclInProgress)
		return;
	if (comm->phase == NCCL_JOINING && comm->unreachable) {
		if (comm->polls-- <= 0)
			comm->state = nccl_complain(comm.get(), ncclSystemError,
			                            "no other rank is reached, as CAPSHAPE_EMULATOR_NCCL wants it");
		return;
	}
	if (comm->phase == NCCL_JOINING) {
		ncclResult_t result = join(*comm);
		if (is_error(result))
			comm->state = result;
		if (result != ncclSuccess)
			return;
	}
	if (comm->polls-- > 0)
		return;
	if (comm->phase == NCCL_CONNECTING && !nccl_connect(comm))
		return;
	if (comm->phase == NCCL_FINALIZING && !finalize(*comm))
		return;
	if (!is_error(comm->state))
		comm->state = ncclSuccess;
	comm->phase = comm->phase == NCCL_FINALIZING ? NCCL_FINALIZED : NCCL_READY;
}

ncclResult_t look_until_ready(streams_guard &guard, const nccl_communicator &comm)
{
	while (comm->state == ncclInProgress && !comm->aborted) {
		look(comm);
		if (comm->state == ncclInProgress)
			guard.nap();
	}
	return comm->aborted ? ncclInvalidUsage : comm->state;
}

bool config_is_right(const ncclConfig_t *config)
{
	return config == nullptr ||
	       (config->size == sizeof *config && config->magic == NCCL_CONFIG_MAGIC &&
	        (config->blocking == NCCL_CONFIG_UNDEF_INT || config->blocking == 0 || config->blocking == 1));
}

bool has_mishap(const char *name)
{
	const char *mishap = getenv("CAPSHAPE_EMULATOR_NCCL");
	return mishap != nullptr && strcmp(mishap, name) == 0;
}

nccl_communicator make(int ranks, const ncclUniqueId &id, int rank, bool blocking)
{
	char bus[64];
	int device;
	nccl_communicator comm = std::make_shared<ncclComm>();
	cudaGetDevice(&device);
	if (cudaDeviceGetPCIBusId(bus, sizeof bus, device) != cudaSuccess)
		emulator_give_up("a device has no number of its bus");
	comm->rank = rank;
	comm->ranks = ranks;
	comm->folder = id.internal + sizeof ID_MARK;
	comm->bus = bus;
	comm->blocking = blocking;
	comm->process = getpid();
	comm->state = ncclInProgress;
	comm->polls = blocking ? 0 : POLLS_TO_JOIN;
	comm->connected.resize((size_t)ranks);
	comm->sent.resize((size_t)ranks);
	comm->received.resize((size_t)ranks);
	return comm;
}

} // namespace

ncclResult_t nccl_complain(ncclComm *comm, ncclResult_t result, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (comm == nullptr)
		fprintf(stderr, "NCCL emulator: %s\n", text);
	else
		fprintf(stderr, "NCCL emulator: rank %d of %d: %s\n", comm->rank, comm->ranks, text);
	last_error = text;
	if (comm != nullptr)
		comm->error = text;
	return result;
}

nccl_communicator nccl_find(ncclComm_t comm, const char *call)
{
	for (const nccl_communicator &it : communicators)
		if (it.get() == comm)
			return it;
	nccl_complain(nullptr, ncclInvalidArgument, "%s of a communicator that is not there, or no longer", call);
	return nullptr;
}

const std::vector<nccl_communicator> &nccl_communicators()
{
	return communicators;
}

bool nccl_has_unfinished(ncclComm &comm)
{
	while (!comm.unfinished.empty() && comm.unfinished.front()->reached)
		comm.unfinished.pop_front();
	return !comm.unfinished.empty();
}

extern "C" {

ncclResult_t ncclGetVersion(int *version)
{
	*version = NCCL_VERSION_CODE;
	return ncclSuccess;
}

/* In $TMPDIR or, where there is none or its name is too long, /dev/shm. */
ncclResult_t ncclGetUniqueId(ncclUniqueId *id)
{
	static int count;
	const char *parent = getenv("TMPDIR");
	char *folder = id->internal + sizeof ID_MARK;
	size_t room = sizeof id->internal - sizeof ID_MARK;
	streams_guard guard;

	if (has_mishap("no-id"))
		return ncclSystemError; /* as where no network can be found */
	memset(id, 0, sizeof *id);
	memcpy(id->internal, ID_MARK, sizeof ID_MARK);
	if (parent == nullptr || *parent == '\0' || strlen(parent) + 60 > room)
		parent = "/dev/shm";
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(folder, room, "%s/%s.%lld.%ld.%ld.%d", parent, ID_MARK, (long long)now.tv_sec, now.tv_nsec,
	         (long)getpid(), count++);
	return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm_out, int ranks, ncclUniqueId id, int rank, ncclConfig_t *config)
{
	static bool exit_is_watched;
	streams_guard guard;

	if (nccl_group_is_open())
		return nccl_complain(nullptr, ncclInvalidUsage,
		                     "the stand-in begins no communicators in a group: one device a process");
	if (memcmp(id.internal, ID_MARK, sizeof ID_MARK) != 0 ||
	    memchr(id.internal + sizeof ID_MARK, '\0', sizeof id.internal - sizeof ID_MARK) == nullptr)
		return nccl_complain(nullptr, ncclInvalidArgument, "the id is not of ncclGetUniqueId()");
	if (ranks < 1 || rank < 0 || rank >= ranks || !config_is_right(config))
		return nccl_complain(nullptr, ncclInvalidArgument,
		                     "rank %d of %d ranks, or a configuration not begun by NCCL_CONFIG_INITIALIZER",
		                     rank, ranks);
	nccl_communicator comm = make(ranks, id, rank, config == nullptr || config->blocking != 0);
	comm->unreachable = has_mishap("unreachable");
	if (!comm->unreachable && !say_who(*comm))
		return nccl_complain(comm.get(), errno == EEXIST ? ncclInvalidUsage : ncclSystemError, "%s: %s",
		                     comm->path(rank_name(rank)).c_str(),
		                     errno == EEXIST ? "this rank is there already" : strerror(errno));
	if (!exit_is_watched)
		atexit(check_at_exit);
	exit_is_watched = true;
	communicators.push_back(comm);
	*comm_out = comm.get();
	nccl_helper_start();
	if (!comm->blocking)
		return ncclInProgress;
	ncclResult_t result = look_until_ready(guard, comm);
	if (is_error(result) && !comm->aborted) {
		forget(comm);
		*comm_out = nullptr;
	}
	return result;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t handle, ncclResult_t *state)
{
	streams_guard guard;
	nccl_communicator comm = nccl_find(handle, "ncclCommGetAsyncError");
	if (comm == nullptr)
		return ncclInvalidArgument;
	look(comm);
	*state = comm->state;
	return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t handle)
{
	streams_guard guard;
	nccl_communicator comm = nccl_find(handle, "ncclCommFinalize");
	if (comm == nullptr)
		return ncclInvalidArgument;
	if (comm->phase == NCCL_FINALIZING || comm->phase == NCCL_FINALIZED)
		return nccl_complain(comm.get(), ncclInvalidUsage, "ncclCommFinalize: that was asked for already");
	if (comm->state != ncclSuccess)
		return nccl_complain(comm.get(), ncclInvalidUsage, "ncclCommFinalize: the communicator is not ready");
	comm->phase = NCCL_FINALIZING;
	comm->state = ncclInProgress;
	comm->polls = comm->blocking ? 0 : 1;
	return comm->blocking ? look_until_ready(guard, comm) : ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t handle)
{
	streams_guard guard;
	nccl_communicator comm = nccl_find(handle, "ncclCommDestroy");
	if (comm == nullptr)
		return ncclInvalidArgument;
	if (comm->state == ncclInProgress || !comm->held.empty() || nccl_has_unfinished(*comm)) {
		nccl_complain(comm.get(), ncclInvalidUsage,
		              "a communicator is destroyed that has something left to do");
		nccl_folder_leave(*comm);
		end_process();
	}
	comm->aborted = true;
	forget(comm);
	return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t handle)
{
	streams_guard guard;
	nccl_communicator comm = nccl_find(handle, "ncclCommAbort");
	if (comm == nullptr)
		return ncclInvalidArgument;
	comm->aborted = true;
	forget(comm);
	return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result)
{
	static const char *const texts[ncclNumResults] = { "no error",
		                                           "unhandled cuda error",
		                                           "unhandled system error",
		                                           "internal error",
		                                           "invalid argument",
		                                           "invalid usage",
		                                           "remote process exited or there was a network error",
		                                           "NCCL operation in progress" };
	return (int)result < 0 || result >= ncclNumResults ? "unknown result code" : texts[result];
}

/* Until the next error of that communicator. */
const char *ncclGetLastError(ncclComm_t handle)
{
	static std::string &text = *new std::string;
	streams_guard guard;
	text = last_error;
	for (const nccl_communicator &it : communicators)
		if (it.get() == handle)
			text = it->error;
	return text.c_str();
}
}
