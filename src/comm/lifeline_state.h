/* What the files of the lifeline share: lifeline.c opens and closes it, lifeline_connect.c finds rank 0, lifeline_watch.c is the
 * thread.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_COMM_LIFELINE_STATE_H
#define CAPSHAPE_COMM_LIFELINE_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "comm/lifeline.h"

struct lifeline {
	int rank, size;
	int *sockets; /* rank 0: one a rank (-1: none, own); others: [0] to rank 0 */
	int wake[2];  /* pipe: closing tells the thread to end */
	pthread_t thread;
	bool watching;
	atomic_llong timeout; /* milliseconds; 0: without end */
};

/* What ranks say to each other, a byte each: a sign of life; there will be no more of them, for want of a thread; a farewell, after
 * which the connection means nothing; the job is being ended, and it was said why. */
enum { WORD_ALIVE = 'a', WORD_QUIET = 'q', WORD_BYE = 'b', WORD_GIVEN_UP = 'g' };

/* Collective: fills sockets, which are -1 before. Thousands of ranks come in the same moment, and a system keeps only so many
 * connections that nobody has taken (net.core.somaxconn, often 4,096, sometimes 128): so rank 0 takes them while they still come,
 * answers each, and who is turned away comes again after a random pause, for up to 20 s. Rank 0 warns of those that it has not. */
enum status lifeline_connect(const struct world *world, struct lifeline *lifeline);
/* Entries of `sockets`. */
int lifeline_slots(const struct lifeline *lifeline);
/* To all that are connected. */
void lifeline_say(const struct lifeline *lifeline, char word);
/* The thread, until the pipe is closed. `lifeline`: a struct lifeline. */
void *lifeline_watch(void *lifeline);

#endif
