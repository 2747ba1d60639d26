/* The flags of the signal handlers, and the clock.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/stop.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/timer.h"

/* Set by handlers. Besides the log and the turns of HDF5 this, and the stack of the handlers, is the only
 * mutable state of the process. */
static volatile sig_atomic_t stop_count, usr1_flag;

static struct {
	bool usr1_stops, timed, for_time, saved;
	double end, margin;
} state = { .margin = -1 };

enum { LEAST_MARGIN = 30 };

static void on_stop(int number)
{
	(void)number;
	/* A second signal is meant: no waiting for a safe place. */
	if (stop_count++ > 0)
		_exit(status_exit_code(STATUS_STOPPED));
}

static void on_usr1(int number)
{
	(void)number;
	usr1_flag = 1;
}

/* Handlers run on a stack of their own: code that libraries make at run time (oneDNN's small products) keeps other numbers in the
 * stack pointer, and what a handler puts there would be written into the heap. It is the stack of the thread that calls this, the
 * first one, to which the kernel gives the signals of a process. */
void stop_install(void)
{
	static _Alignas(
		64) unsigned char handler_stack[1 << 16]; /* registers of 512 bits and of tiles are saved there */
	const stack_t stack = { .ss_sp = handler_stack, .ss_size = sizeof handler_stack };
	struct sigaction action = { .sa_handler = on_stop, .sa_flags = SA_RESTART | SA_ONSTACK };
	sigaltstack(&stack, NULL);
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	action.sa_handler = on_usr1;
	sigaction(SIGUSR1, &action, NULL);
}

void stop_configure(bool usr1_stops, double end, double margin)
{
	state.usr1_stops = usr1_stops;
	state.timed = isfinite(end);
	state.end = end;
	state.margin = margin;
	state.for_time = false;
}

static bool signalled(void)
{
	return stop_count > 0 || (state.usr1_stops && usr1_flag != 0);
}

bool stop_asked(double seconds)
{
	if (signalled()) {
		state.for_time = false;
		return true;
	}
	if (!state.timed)
		return false;
	double margin = state.margin >= 0 ? state.margin : fmax(LEAST_MARGIN, seconds);
	state.for_time = timer_seconds() + margin > state.end;
	return state.for_time;
}

bool stop_checkpoint_asked(void)
{
	if (state.usr1_stops || usr1_flag == 0)
		return false;
	usr1_flag = 0;
	return true;
}

bool stop_for_time(void)
{
	return state.for_time;
}

const char *stop_reason(void)
{
	return state.for_time ? "before the job's time is over" : "on request";
}

void stop_note_saved(void)
{
	const char *path = getenv("CAPSHAPE_PROGRESS");
	/* Once is enough: scripts write it before the program starts. */
	int file = state.saved || path == NULL ? -1 : open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (file >= 0)
		close(file);
	state.saved = true;
}

bool stop_saved(void)
{
	return state.saved;
}

enum status stop_check(const char *doing)
{
	if (!stop_asked(0))
		return STATUS_OK;
	return error_raise(STATUS_STOPPED, "stopped %s while %s; the same command continues", stop_reason(), doing);
}
