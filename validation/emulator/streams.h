/* What streams were asked for and have not done yet, inside view of the emulator.
 *
 * Nothing runs by itself: who waits makes streams go on, one operation after the other, in the order that the schedule says
 * (emulator_set_schedule()). An operation may say "not yet": one that waits for another process.
 *
 * All functions here want a streams_guard of the calling thread; operations run under it and must not take another.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_EMULATOR_STREAMS_H
#define CAPSHAPE_VALIDATION_EMULATOR_STREAMS_H

#include <functional>
#include <memory>
#include <mutex>

#include "cuda_runtime_api.h"

/* Held by one thread at a time, but for its naps. */
class streams_guard
{
      public:
	streams_guard();
	/* Lets others go on for a moment: longer from nap to nap, up to some milliseconds. */
	void nap();
	/* The next nap is short again. */
	void wake();

      private:
	std::unique_lock<std::mutex> lock;
	long nanoseconds;
};

/* A place in a stream: reached when all that was asked for before it is done. */
struct stream_mark {
	CUstream_st *stream;
	bool reached;
};
typedef std::shared_ptr<stream_mark> stream_place;

/* Ends the program with a message. */
[[noreturn]] void emulator_give_up(const char *reason);
/* What failed stays until it is asked for, as on a GPU: a launch reports what a call of this thread before it has left. */
cudaError_t emulator_set_error(cudaError_t error);
/* Whether these bytes are of one allocation of device memory. */
bool emulator_is_device_memory(const void *memory, size_t bytes);

CUstream_st *stream_create();
/* What it still has to do is done some time. */
void stream_destroy(CUstream_st *stream);
/* Ends the program where that is no stream, or no longer. */
void stream_check(CUstream_st *stream);
/* `work` returns whether it is done; it is called again until it is. */
void stream_enqueue(CUstream_st *stream, std::function<bool()> work);
stream_place stream_mark_here(CUstream_st *stream);
/* What is asked of `stream` from here on comes after `place`, which may be of any stream, or NULL: no wait. */
void stream_wait_for(CUstream_st *stream, const stream_place &place);
bool stream_is_idle(const CUstream_st *stream);

/* One operation of some stream, because somebody waits for `stream`; false where none can go on now. */
bool streams_advance(CUstream_st *stream);
/* One operation that `stream` needs, whatever the schedule. */
bool streams_push(CUstream_st *stream);
/* Until the place is reached; until a stream is idle; until all are. */
void streams_finish(streams_guard &guard, const stream_place &place);
void streams_finish(streams_guard &guard, CUstream_st *stream);
void streams_finish_all(streams_guard &guard);

/* A number for choices that tests repeat: by the schedule, 0 with schedules 0 and 1. */
unsigned streams_random();

#endif
