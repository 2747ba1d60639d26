/* What one kernel of the stand-in for NCCL does: messages of a group of calls, all of which go on together.
 *
 * As a real one may, a send is over only when its message was taken, and a collective when all ranks have come to it. Each
 * message says what call it is of: what does not fit the call that takes it is an error of the communicator, whose stream
 * then never ends, until it is aborted.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <string.h>

#include <algorithm>
#include <chrono>

#include "nccl_state.h"

namespace
{

/* Before the data of a message. */
struct label {
	int32_t kind, type, root, unused;
	uint64_t count;
};

struct message {
	int peer;
	std::string name;
	const char *data; /* of one that goes out */
	size_t bytes;
	bool over;
	std::string came;
};

struct call {
	nccl_task task;
	label expected;
	std::vector<message> out, in;
	bool over;
};

typedef std::chrono::steady_clock::time_point moment;
const std::chrono::milliseconds PATIENCE(5);

struct kernel {
	nccl_communicator comm;
	std::vector<call> calls;
	bool begun;
	moment asked; /* others for what is missing */
};

const char *kind_name(int kind)
{
	static const char *const names[] = { "ncclSend", "ncclRecv", "ncclReduceScatter", "ncclAllGather",
		                             "ncclBroadcast" };
	return kind >= 0 && kind <= NCCL_BROADCAST ? names[kind] : "nothing";
}

bool is_collective(const nccl_task &task)
{
	return task.kind != NCCL_SEND && task.kind != NCCL_RECEIVE;
}

/* ---- sums */

template <typename Number> void add_numbers(char *sum, const char *more, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		Number a, b;
		memcpy(&a, sum + i * sizeof a, sizeof a);
		memcpy(&b, more + i * sizeof b, sizeof b);
		a = (Number)(a + b);
		memcpy(sum + i * sizeof a, &a, sizeof a);
	}
}

struct brain_float {
	uint16_t bits;
};

float widened(brain_float x)
{
	uint32_t bits = (uint32_t)x.bits << 16;
	float result;
	memcpy(&result, &bits, sizeof result);
	return result;
}

/* Rounded after each sum, as what is sent on is. */
brain_float operator+(brain_float a, brain_float b)
{
	float sum = widened(a) + widened(b);
	uint32_t bits;
	memcpy(&bits, &sum, sizeof bits);
	if ((bits & 0x7fffffffu) > 0x7f800000u)
		return { (uint16_t)(bits >> 16 | 0x40u) };
	return { (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16) };
}

void add(ncclDataType_t type, char *sum, const char *more, size_t count)
{
	switch (type) {
	case ncclInt8:
		return add_numbers<int8_t>(sum, more, count);
	case ncclUint8:
		return add_numbers<uint8_t>(sum, more, count);
	case ncclInt32:
	case ncclUint32:
		return add_numbers<uint32_t>(sum, more, count);
	case ncclInt64:
	case ncclUint64:
		return add_numbers<uint64_t>(sum, more, count);
	case ncclFloat32:
		return add_numbers<float>(sum, more, count);
	case ncclFloat64:
		return add_numbers<double>(sum, more, count);
	case ncclBfloat16:
		return add_numbers<brain_float>(sum, more, count);
	default:
		return;
	}
}

/* Round a ring; each chunk of this rank's block begins at another rank. */
void add_round_the_ring(const ncclComm &comm, call &it)
{
	enum { CHUNK = 1024 };
	size_t size = nccl_type_bytes(it.task.type), count = it.task.count;
	std::vector<const char *> parts((size_t)comm.ranks);
	for (const message &message : it.in)
		parts[(size_t)message.peer] = message.came.data() + sizeof(label);
	parts[(size_t)comm.rank] = it.task.source + (size_t)comm.rank * count * size;
	std::vector<char> sum(count * size);
	for (size_t begin = 0; begin < count; begin += CHUNK) {
		size_t here = std::min<size_t>(count - begin, CHUNK), at = begin * size;
		size_t first = (size_t)comm.rank + 1 + begin / CHUNK;
		memcpy(&sum[at], parts[first % parts.size()] + at, here * size);
		for (size_t i = 1; i < parts.size(); i++)
			add(it.task.type, &sum[at], parts[(first + i) % parts.size()] + at, here);
	}
	if (count > 0)
		memcpy(it.task.target, sum.data(), sum.size());
}

/* ---- messages */

std::string numbered(const char *what, long number, int from, int to)
{
	return std::string(what) + "." + std::to_string(number) + "." + std::to_string(from) + "." + std::to_string(to);
}

void expect_collective(ncclComm &comm, call &it)
{
	const nccl_task &task = it.task;
	size_t bytes = task.count * nccl_type_bytes(task.type);
	long number = comm.collectives++;
	for (int peer = 0; peer < comm.ranks; peer++) {
		if (peer == comm.rank)
			continue;
		bool nothing = task.kind == NCCL_BROADCAST && comm.rank != task.peer;
		const char *data = task.source;
		if (task.kind == NCCL_REDUCE_SCATTER)
			data += (size_t)peer * bytes;
		it.out.push_back(
			{ peer, numbered("c", number, comm.rank, peer), data, nothing ? 0 : bytes, false, "" });
		it.in.push_back({ peer, numbered("c", number, peer, comm.rank), nullptr, 0, false, "" });
	}
}

call expect(ncclComm &comm, const nccl_task &task)
{
	call it = { task, {}, {}, {}, false };
	size_t bytes = task.count * nccl_type_bytes(task.type);
	/* A receive meets a send. */
	nccl_kind kind = task.kind == NCCL_RECEIVE ? NCCL_SEND : task.kind;
	it.expected = { kind, task.type, task.kind == NCCL_BROADCAST ? task.peer : 0, 0, task.count };
	if (is_collective(task))
		expect_collective(comm, it);
	else if (task.kind == NCCL_SEND)
		it.out.push_back({ task.peer, numbered("p", comm.sent[(size_t)task.peer]++, comm.rank, task.peer),
		                   task.source, bytes, false, "" });
	else
		it.in.push_back({ task.peer, numbered("p", comm.received[(size_t)task.peer]++, task.peer, comm.rank),
		                  nullptr, 0, false, "" });
	return it;
}

bool fits(ncclComm &comm, const call &it, const message &message)
{
	label came = { -1, 0, 0, 0, 0 };
	memcpy(&came, message.came.data(), std::min(sizeof came, message.came.size()));
	if (memcmp(&came, &it.expected, sizeof came) == 0)
		return true;
	comm.state = nccl_complain(&comm, ncclInvalidUsage,
	                           "%s of %zu elements of type %d (root %d) meets %s of %zu elements of type %d (root "
	                           "%d) of rank %d, in the "
	                           "same place of their order",
	                           kind_name(it.task.kind), it.task.count, it.task.type, it.expected.root,
	                           kind_name(came.kind), (size_t)came.count, came.type, came.root, message.peer);
	return false;
}

/* Data that goes where it belongs as soon as it is there. */
void deliver(const call &it, const message &message)
{
	const char *data = message.came.data() + sizeof(label);
	size_t bytes = message.came.size() - sizeof(label);
	if (bytes == 0)
		return;
	if (it.task.kind == NCCL_RECEIVE || it.task.kind == NCCL_BROADCAST)
		memcpy(it.task.target, data, bytes);
	else if (it.task.kind == NCCL_ALL_GATHER)
		memcpy(it.task.target + (size_t)message.peer * bytes, data, bytes);
}

void keep_own_part(const ncclComm &comm, const nccl_task &task)
{
	size_t bytes = task.count * nccl_type_bytes(task.type);
	char *target = task.kind == NCCL_ALL_GATHER ? task.target + (size_t)comm.rank * bytes : task.target;
	bool has = task.kind == NCCL_ALL_GATHER || (task.kind == NCCL_BROADCAST && task.peer == comm.rank);
	if (has && bytes > 0 && target != task.source)
		memmove(target, task.source, bytes);
}

bool begin(kernel &kernel)
{
	ncclComm &comm = *kernel.comm;
	for (call &it : kernel.calls) {
		label label = it.expected;
		for (message &message : it.out)
			if (!nccl_file_write(comm, message.name, &label, sizeof label, message.data, message.bytes)) {
				comm.state = nccl_complain(&comm, ncclSystemError, "cannot write %s",
				                           comm.path(message.name).c_str());
				return false;
			}
		keep_own_part(comm, it.task);
	}
	kernel.begun = true;
	kernel.asked = std::chrono::steady_clock::now();
	return true;
}

/* Whether the call is over; where it does not fit, the communicator has an error. */
bool go_on(ncclComm &comm, call &it)
{
	bool all = true;
	for (message &message : it.in)
		if (!message.over && nccl_file_read(comm, message.name, &message.came)) {
			if (!fits(comm, it, message))
				return false;
			nccl_file_remove(comm, message.name);
			deliver(it, message);
			message.over = true;
		}
	for (message &message : it.out)
		message.over = message.over || !nccl_file_exists(comm, message.name);
	for (const message &message : it.in)
		all &= message.over;
	for (const message &message : it.out)
		all &= message.over;
	if (all && it.task.kind == NCCL_REDUCE_SCATTER)
		add_round_the_ring(comm, it);
	return all;
}

/* Their streams may be waiting for somebody to wait for them. */
void ask_others(kernel &kernel)
{
	moment now = std::chrono::steady_clock::now();
	std::vector<bool> missing((size_t)kernel.comm->ranks);
	if (now - kernel.asked < PATIENCE)
		return;
	kernel.asked = now;
	for (const call &it : kernel.calls)
		for (const std::vector<message> *messages : { &it.in, &it.out })
			for (const message &message : *messages)
				if (!message.over)
					missing[(size_t)message.peer] = true;
	for (int peer = 0; peer < kernel.comm->ranks; peer++)
		if (missing[(size_t)peer] && peer != kernel.comm->rank)
			nccl_file_write(*kernel.comm, "want." + std::to_string(peer), nullptr, 0, nullptr, 0);
}

/* Whether one of the calls is not to succeed. */
bool is_faulty(kernel &kernel)
{
	for (const call &it : kernel.calls) {
		if (it.task.fault == NCCL_FAILS)
			kernel.comm->state =
				nccl_complain(kernel.comm.get(), ncclRemoteError,
			                      "%s fails, as CAPSHAPE_EMULATOR_NCCL wants it", kind_name(it.task.kind));
		if (it.task.fault != NCCL_NO_FAULT)
			return true;
	}
	return false;
}

bool run(kernel &kernel)
{
	ncclComm &comm = *kernel.comm;
	if (comm.aborted)
		return true;
	if (comm.state != ncclSuccess && comm.state != ncclInProgress)
		return false;
	if (is_faulty(kernel) || (!kernel.begun && !begin(kernel)))
		return false;
	bool all = true;
	for (call &it : kernel.calls) {
		it.over = it.over || go_on(comm, it);
		all &= it.over;
		if (comm.state != ncclSuccess && comm.state != ncclInProgress)
			return false;
	}
	if (!all)
		ask_others(kernel);
	return all;
}

} // namespace

size_t nccl_type_bytes(ncclDataType_t type)
{
	static const size_t bytes[ncclNumTypes] = { 1, 1, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1 };
	return (int)type < 0 || type >= ncclNumTypes ? 0 : bytes[type];
}

std::function<bool()> nccl_progress(const nccl_communicator &comm, const nccl_tasks &tasks)
{
	auto it = std::make_shared<kernel>(kernel{ comm, {}, false, {} });
	for (const nccl_task &task : tasks)
		it->calls.push_back(expect(*comm, task));
	return [it] { return run(*it); };
}
