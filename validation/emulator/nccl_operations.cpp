/* Calls of the stand-in for NCCL that end up in streams: their checks, groups of them, and the way into the stream.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utility>

#include "nccl_state.h"

namespace
{

enum { POLLS_TO_CONNECT = 2 };

/* Calls of this thread since the outermost ncclGroupStart(). */
struct group {
	ncclResult_t result;
	std::vector<std::pair<nccl_communicator, nccl_tasks>> calls;
};
thread_local group current;
thread_local int depth; /* of groups */

/* Which of this process's calls are to go wrong. */
nccl_fault next_fault()
{
	static long count;
	const char *text = getenv("CAPSHAPE_EMULATOR_NCCL");
	count++;
	if (text == nullptr)
		return NCCL_NO_FAULT;
	if (strncmp(text, "fail:", 5) == 0 && strtol(text + 5, nullptr, 10) == count)
		return NCCL_FAILS;
	if (strncmp(text, "hang:", 5) == 0 && strtol(text + 5, nullptr, 10) == count)
		return NCCL_HANGS;
	return NCCL_NO_FAULT;
}

/* ---- checks */

/* What a call reads and writes. */
struct range {
	const char *begin;
	size_t bytes;
};

range source_of(const ncclComm &comm, const nccl_task &task)
{
	size_t bytes = task.count * nccl_type_bytes(task.type);
	bool reads = task.kind != NCCL_RECEIVE && (task.kind != NCCL_BROADCAST || task.peer == comm.rank);
	if (task.kind == NCCL_REDUCE_SCATTER)
		bytes *= (size_t)comm.ranks;
	return { reads ? task.source : nullptr, reads ? bytes : 0 };
}

range target_of(const ncclComm &comm, const nccl_task &task)
{
	size_t bytes = task.count * nccl_type_bytes(task.type);
	if (task.kind == NCCL_ALL_GATHER)
		bytes *= (size_t)comm.ranks;
	return { task.target, task.kind == NCCL_SEND ? 0 : bytes };
}

bool overlap(const range &a, const range &b)
{
	return a.bytes > 0 && b.bytes > 0 && a.begin < b.begin + b.bytes && b.begin < a.begin + a.bytes;
}

/* The places where NCCL works in place. */
bool is_in_place(const ncclComm &comm, const nccl_task &task)
{
	size_t own = (size_t)comm.rank * task.count * nccl_type_bytes(task.type);
	if (task.kind == NCCL_REDUCE_SCATTER)
		return task.target == task.source + own;
	if (task.kind == NCCL_ALL_GATHER)
		return task.source == task.target + own;
	return task.source == task.target;
}

ncclResult_t check_ready(ncclComm &comm, const char *name)
{
	if (comm.phase == NCCL_FINALIZING || comm.phase == NCCL_FINALIZED)
		return nccl_complain(&comm, ncclInvalidUsage, "%s after ncclCommFinalize", name);
	if (comm.state == ncclInProgress)
		return nccl_complain(&comm, ncclInvalidUsage,
		                     "%s before ncclCommGetAsyncError() has said that the last call is over", name);
	return comm.state;
}

ncclResult_t check(ncclComm &comm, const nccl_task &task, const char *name)
{
	range source = source_of(comm, task), target = target_of(comm, task);
	ncclResult_t ready = check_ready(comm, name);
	if (ready != ncclSuccess)
		return ready;
	stream_check(task.stream);
	if (task.peer < 0 || task.peer >= comm.ranks || nccl_type_bytes(task.type) == 0)
		return nccl_complain(&comm, ncclInvalidArgument, "%s: rank %d, or type %d: there is none", name,
		                     task.peer, (int)task.type);
	if (source.bytes > 0 && !emulator_is_device_memory(source.begin, source.bytes))
		return nccl_complain(&comm, ncclInvalidArgument,
		                     "%s: what is sent is not of one allocation of the device", name);
	if (target.bytes > 0 && !emulator_is_device_memory(target.begin, target.bytes))
		return nccl_complain(&comm, ncclInvalidArgument,
		                     "%s: where it is received is not of one allocation of the device", name);
	if (overlap(source, target) && !is_in_place(comm, task))
		return nccl_complain(&comm, ncclInvalidUsage, "%s: what is sent and received overlap", name);
	return ncclSuccess;
}

/* All calls of a group go on at the same time. */
ncclResult_t check_together(ncclComm &comm, const nccl_tasks &tasks)
{
	for (size_t i = 0; i < tasks.size(); i++)
		for (size_t j = 0; j < tasks.size(); j++)
			if (i != j && (overlap(target_of(comm, tasks[i]), target_of(comm, tasks[j])) ||
			               overlap(target_of(comm, tasks[i]), source_of(comm, tasks[j]))))
				return nccl_complain(&comm, ncclInvalidUsage,
				                     "calls %zu and %zu of a group write to what the other uses", i, j);
	return ncclSuccess;
}

/* ---- into the stream */

/* One kernel, in the stream of the first call; streams of other calls wait for it, and it for them, and for what was asked of
 * the communicator before. */
void launch(const nccl_communicator &comm, const nccl_tasks &tasks)
{
	CUstream_st *carrier = tasks.front().stream;
	if (nccl_has_unfinished(*comm))
		stream_wait_for(carrier, comm->unfinished.back());
	for (const nccl_task &task : tasks)
		if (task.stream != carrier)
			stream_wait_for(carrier, stream_mark_here(task.stream));
	stream_enqueue(carrier, nccl_progress(comm, tasks));
	comm->unfinished.push_back(stream_mark_here(carrier));
	for (const nccl_task &task : tasks)
		if (task.stream != carrier)
			stream_wait_for(task.stream, comm->unfinished.back());
}

bool is_collective(const nccl_task &task)
{
	return task.kind != NCCL_SEND && task.kind != NCCL_RECEIVE;
}

std::string connection(int rank, const std::string &to)
{
	return "connect." + std::to_string(rank) + "." + to;
}

bool is_connected(const ncclComm &comm, const nccl_task &task)
{
	return is_collective(task) ? comm.all_connected : task.peer == comm.rank || comm.connected[(size_t)task.peer];
}

/* Whether the other side of a call, or all, have said that they connect. */
bool answered(const ncclComm &comm, const nccl_task &task)
{
	if (!is_collective(task))
		return nccl_file_exists(comm, connection(task.peer, std::to_string(comm.rank)));
	for (int rank = 0; rank < comm.ranks; rank++)
		if (!nccl_file_exists(comm, connection(rank, "all")))
			return false;
	return true;
}

void say_connected(const ncclComm &comm, const nccl_task &task)
{
	std::string own = connection(comm.rank, is_collective(task) ? "all" : std::to_string(task.peer));
	if (!is_connected(comm, task) && !nccl_file_exists(comm, own))
		nccl_file_write(comm, own, nullptr, 0, nullptr, 0);
}

bool connect_task(ncclComm &comm, const nccl_task &task)
{
	if (is_connected(comm, task))
		return true;
	say_connected(comm, task);
	if (!answered(comm, task))
		return false;
	if (is_collective(task))
		comm.all_connected = true;
	else
		comm.connected[(size_t)task.peer] = true;
	return true;
}

/* Holds the calls where their partners may not know of them yet: said by "in progress". */
ncclResult_t submit(streams_guard &guard, const nccl_communicator &comm, const nccl_tasks &tasks)
{
	bool all = true;
	for (const nccl_task &task : tasks)
		all &= is_connected(*comm, task);
	comm->held.push_back(tasks);
	if (!comm->blocking && (!all || streams_random() % 3 == 1)) {
		comm->phase = NCCL_CONNECTING;
		comm->state = ncclInProgress;
		comm->polls = POLLS_TO_CONNECT;
		for (const nccl_task &task : tasks)
			say_connected(*comm, task);
		return ncclInProgress;
	}
	while (!comm->aborted && !nccl_connect(comm))
		guard.nap();
	return comm->aborted ? ncclInvalidUsage : comm->state;
}

/* Everything that was called since the group began, as one. */
ncclResult_t submit_all(streams_guard &guard)
{
	group it = std::move(current);
	current = {};
	for (size_t i = 0; i < it.calls.size() && it.result == ncclSuccess; i++)
		it.result = check_together(*it.calls[i].first, it.calls[i].second);
	if (it.result != ncclSuccess)
		return it.result;
	for (const auto &calls : it.calls) {
		ncclResult_t result = submit(guard, calls.first, calls.second);
		if (result != ncclSuccess)
			it.result = result;
	}
	return it.result;
}

void put_into_group(const nccl_communicator &comm, const nccl_task &task)
{
	for (auto &calls : current.calls)
		if (calls.first == comm) {
			calls.second.push_back(task);
			return;
		}
	current.calls.push_back({ comm, { task } });
}

/* A call outside of a group is a group of its own. */
ncclResult_t ask(ncclComm_t handle, const char *name, nccl_task task)
{
	streams_guard guard;
	nccl_communicator comm = nccl_find(handle, name);
	ncclResult_t result = comm == nullptr ? ncclInvalidArgument : check(*comm, task, name);
	task.fault = next_fault();
	if (result == ncclSuccess)
		put_into_group(comm, task);
	else if (depth > 0)
		current.result = result;
	return result != ncclSuccess || depth > 0 ? result : submit_all(guard);
}

} // namespace

bool nccl_group_is_open()
{
	return depth > 0;
}

bool nccl_connect(const nccl_communicator &comm)
{
	bool all = true;
	for (const nccl_tasks &tasks : comm->held)
		for (const nccl_task &task : tasks)
			all &= connect_task(*comm, task);
	if (!all)
		return false;
	for (const nccl_tasks &tasks : comm->held)
		launch(comm, tasks);
	comm->held.clear();
	return true;
}

extern "C" {

ncclResult_t ncclGroupStart(void)
{
	depth++;
	return ncclSuccess;
}

ncclResult_t ncclGroupEnd(void)
{
	streams_guard guard;
	if (depth == 0)
		return nccl_complain(nullptr, ncclInvalidUsage, "ncclGroupEnd without ncclGroupStart");
	if (--depth > 0)
		return current.result;
	return submit_all(guard);
}

ncclResult_t ncclSend(const void *source, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream)
{
	return ask(comm, "ncclSend",
	           { NCCL_SEND, static_cast<const char *>(source), nullptr, count, type, peer, NCCL_NO_FAULT, stream });
}

ncclResult_t ncclRecv(void *target, size_t count, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t stream)
{
	return ask(comm, "ncclRecv",
	           { NCCL_RECEIVE, nullptr, static_cast<char *>(target), count, type, peer, NCCL_NO_FAULT, stream });
}

ncclResult_t ncclReduceScatter(const void *source, void *target, size_t count, ncclDataType_t type,
                               ncclRedOp_t operation, ncclComm_t comm, cudaStream_t stream)
{
	if (operation != ncclSum || type == ncclFloat16 || type == ncclFloat8e4m3 || type == ncclFloat8e5m2)
		return nccl_complain(nullptr, ncclInvalidArgument, "the stand-in has no reduction %d of type %d",
		                     (int)operation, (int)type);
	return ask(comm, "ncclReduceScatter",
	           { NCCL_REDUCE_SCATTER, static_cast<const char *>(source), static_cast<char *>(target), count, type,
	             0, NCCL_NO_FAULT, stream });
}

ncclResult_t ncclAllGather(const void *source, void *target, size_t count, ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream)
{
	return ask(comm, "ncclAllGather",
	           { NCCL_ALL_GATHER, static_cast<const char *>(source), static_cast<char *>(target), count, type, 0,
	             NCCL_NO_FAULT, stream });
}

ncclResult_t ncclBroadcast(const void *source, void *target, size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t stream)
{
	return ask(comm, "ncclBroadcast",
	           { NCCL_BROADCAST, static_cast<const char *>(source), static_cast<char *>(target), count, type, root,
	             NCCL_NO_FAULT, stream });
}
}
