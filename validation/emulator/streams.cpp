/* Queues of streams, and which of them goes on.
 * SPDX-License-Identifier: Apache-2.0 */
#include "streams.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <algorithm>
#include <deque>
#include <vector>

/* Work, or a place that is passed, or one of another stream that has to be passed first. */
struct operation {
	std::function<bool()> work;
	stream_place passes, waits;
};

struct CUstream_st {
	std::deque<operation> operations;
	bool destroyed;
};

namespace
{

std::mutex mutex;

/* In the order of their creation; destroyed ones until they are idle. Never gone, as threads may outlive main(). */
std::vector<CUstream_st *> &streams = *new std::vector<CUstream_st *>;

struct schedule {
	unsigned number;
	uint64_t state;
};

schedule read_schedule()
{
	const char *text = getenv("CAPSHAPE_EMULATOR_SCHEDULE");
	unsigned number = text == nullptr ? 0 : (unsigned)strtoul(text, nullptr, 10);
	return { number, number };
}

schedule &schedule_now()
{
	static schedule now = read_schedule();
	return now;
}

bool waits(const operation &first)
{
	return first.waits != nullptr && !first.waits->reached;
}

/* What costs nothing. */
void pass_places(CUstream_st *stream)
{
	while (!stream->operations.empty()) {
		operation &first = stream->operations.front();
		if (first.work || waits(first))
			return;
		if (first.passes != nullptr)
			first.passes->reached = true;
		stream->operations.pop_front();
	}
}

void forget_if_over(CUstream_st *stream)
{
	if (!stream->destroyed || !stream->operations.empty())
		return;
	streams.erase(std::find(streams.begin(), streams.end(), stream));
	delete stream;
}

/* Whether the stream has gone on; it may be gone then. */
bool step(CUstream_st *stream)
{
	size_t before = stream->operations.size();
	pass_places(stream);
	bool done = false;
	if (!stream->operations.empty() && stream->operations.front().work) {
		done = stream->operations.front().work();
		if (done)
			stream->operations.pop_front();
	}
	if (done)
		pass_places(stream);
	bool any = stream->operations.size() != before;
	forget_if_over(stream);
	return any;
}

/* The stream that has to go on so that this one can. Places are waited for by what came after them: no circle. */
CUstream_st *needed(CUstream_st *stream)
{
	while (!stream->operations.empty() && waits(stream->operations.front()))
		stream = stream->operations.front().waits->stream;
	return stream;
}

/* All of them in turn from number `first` on, until one has gone on. */
bool step_any(size_t first, const CUstream_st *but)
{
	for (size_t i = 0; i < streams.size(); i++) {
		CUstream_st *stream = streams[(first + i) % streams.size()];
		if (stream != but && step(stream))
			return true;
	}
	return false;
}

} // namespace

streams_guard::streams_guard() : lock(mutex)
{
	wake();
}

void streams_guard::wake()
{
	nanoseconds = 50000;
}

void streams_guard::nap()
{
	struct timespec time = { 0, nanoseconds };
	lock.unlock();
	nanosleep(&time, nullptr);
	lock.lock();
	nanoseconds = std::min(2 * nanoseconds, 4000000l);
}

void emulator_give_up(const char *reason)
{
	fprintf(stderr, "CUDA emulator: %s\n", reason);
	abort();
}

unsigned streams_random()
{
	schedule &now = schedule_now();
	if (now.number < 2)
		return 0;
	now.state += 0x9e3779b97f4a7c15u;
	uint64_t bits = (now.state ^ now.state >> 30) * 0xbf58476d1ce4e5b9u;
	return (unsigned)(bits >> 32);
}

CUstream_st *stream_create()
{
	streams.push_back(new CUstream_st());
	return streams.back();
}

void stream_destroy(CUstream_st *stream)
{
	stream_check(stream);
	stream->destroyed = true;
	pass_places(stream);
	forget_if_over(stream);
}

void stream_check(CUstream_st *stream)
{
	if (stream == nullptr)
		emulator_give_up(
			"the default stream is asked for, which would wait for others on a GPU: use one of your own");
	if (std::find(streams.begin(), streams.end(), stream) == streams.end() || stream->destroyed)
		emulator_give_up("a stream is asked for that is not there, or no longer");
}

/* A GPU may begin at once. */
static void begin_early()
{
	while (streams_random() % 2 == 1 && step_any(streams_random(), nullptr))
		;
}

void stream_enqueue(CUstream_st *stream, std::function<bool()> work)
{
	stream_check(stream);
	stream->operations.push_back({ std::move(work), nullptr, nullptr });
	begin_early();
}

stream_place stream_mark_here(CUstream_st *stream)
{
	stream_check(stream);
	stream_place place = std::make_shared<stream_mark>(stream_mark{ stream, false });
	stream->operations.push_back({ nullptr, place, nullptr });
	pass_places(stream);
	return place;
}

void stream_wait_for(CUstream_st *stream, const stream_place &place)
{
	stream_check(stream);
	if (place != nullptr && !place->reached)
		stream->operations.push_back({ nullptr, nullptr, place });
}

bool stream_is_idle(const CUstream_st *stream)
{
	return stream->operations.empty();
}

bool streams_advance(CUstream_st *stream)
{
	switch (schedule_now().number) {
	case 0:
		return streams_push(stream);
	case 1:
		return step_any(0, stream) || streams_push(stream);
	default:
		return step_any(streams_random(), nullptr);
	}
}

bool streams_push(CUstream_st *stream)
{
	return step(needed(stream));
}

void streams_finish(streams_guard &guard, const stream_place &place)
{
	while (!place->reached)
		if (streams_advance(place->stream))
			guard.wake();
		else
			guard.nap();
}

void streams_finish(streams_guard &guard, CUstream_st *stream)
{
	streams_finish(guard, stream_mark_here(stream));
}

/* The destroyed ones, too. */
void streams_finish_all(streams_guard &guard)
{
	for (;;) {
		bool all = true;
		for (const CUstream_st *stream : streams)
			all &= stream_is_idle(stream);
		if (all)
			return;
		if (step_any(streams_random(), nullptr))
			guard.wake();
		else
			guard.nap();
	}
}

extern "C" void emulator_set_schedule(unsigned schedule)
{
	streams_guard guard;
	schedule_now() = { schedule, schedule };
}
