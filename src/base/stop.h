/* Whether the program is to stop or to write a checkpoint: signals, and the time that is left.
 *
 *   SIGTERM, SIGINT   stop at the next safe place with what is needed to go on; a second one ends the process at once
 *   SIGUSR1           write a checkpoint and go on, or stop as well (stop_configure)
 *   the time limit    stop while there is time for it
 *
 * Handlers only set flags; loops ask at places where stopping is safe. Ranks get a signal at different times: whoever asks
 * must bring the answers together (an agreement, or a flag in numbers that are gathered anyway).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_BASE_STOP_H
#define CAPSHAPE_BASE_STOP_H

#include <stdbool.h>

#include "base/status.h"

/* Handlers for the three signals. */
void stop_install(void);

/* `end`: when the process must have ended, in seconds of timer_seconds(); INFINITY: never. `margin`: how long before that
 * it stops, whatever a caller of stop_asked() says; negative: as callers say, and at least 30 s. */
void stop_configure(bool usr1_stops, double end, double margin);

/* True from the moment when a signal asked for it, or when less time is left than the margin. `seconds`: what the caller
 * needs from the moment it asks until all is saved, as measured. */
bool stop_asked(double seconds);
/* SIGUSR1 came since the last call (and does not mean to stop). */
bool stop_checkpoint_asked(void);
/* The last reason for stopping was the time, not a signal. */
bool stop_for_time(void);
/* "on request" or "before the job's time is over", for messages. */
const char *stop_reason(void);

/* Something was saved that a later run goes on from. A run that its time limit ends before that would end so for ever. The
 * file that the environment variable CAPSHAPE_PROGRESS names, where there is one, is emptied: job scripts look at it. */
void stop_note_saved(void);
bool stop_saved(void);

/* STATUS_STOPPED with a message, "stopped on request while reading the corpus; the same command continues", when asked to
 * stop. For loops outside of training, between two pieces of work of seconds. */
enum status stop_check(const char *doing);

#endif
