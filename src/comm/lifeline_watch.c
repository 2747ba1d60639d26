/* The thread that watches the connections and says that this process is alive.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/timer.h"
#include "comm/lifeline_state.h"

/* Signs of life: so often; and after how many time-outs and seconds of silence a rank is given up. Who waits for something
 * certain says so first, the last of them after four time-outs (roles/server.c). */
enum { BEAT_MILLISECONDS = 2500, SILENT_TIMEOUTS = 5, SILENT_SECONDS = 10 };
enum { GRACE_SECONDS = 3 };

/* What is known of the other end of a connection. */
struct peer {
	struct patience since; /* the last sign of life */
	bool quiet;            /* it has no thread that would say or hear anything */
};

/* What the thread that watches has to do with each connection. */
struct watched {
	struct pollfd *ready; /* [slots], and the pipe */
	struct peer *peers;   /* [slots] */
	int slots;
};

/* What nobody reads would fill the buffers at last, and a connection that is full for long counts as broken (TCP_USER_TIMEOUT). */
static void say(const struct watched *watched, char word)
{
	for (int i = 0; i < watched->slots; i++)
		if (watched->ready[i].fd >= 0 && !watched->peers[i].quiet)
			(void)send(watched->ready[i].fd, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The first rank speaks of others; of the first one the second does, and should that one be gone with it, the last. */
static bool speaks(const struct lifeline *lifeline)
{
	if (lifeline->rank > 1)
		sleep(GRACE_SECONDS);
	return lifeline->rank <= 1 || lifeline->rank == lifeline->size - 1;
}

static _Noreturn void end_job(const struct watched *watched)
{
	say(watched, WORD_GIVEN_UP);
	_exit(status_exit_code(STATUS_PEER));
}

/* A connection was closed by a kernel, or nobody answers on it any more. Where the first rank had ended the job it would have said
 * so, or be about to: an MPI_Abort under way gets the time to end us all with its own exit code. */
static _Noreturn void lost(const struct lifeline *lifeline, const struct watched *watched, int rank)
{
	if (lifeline->rank > 0)
		sleep(GRACE_SECONDS);
	if (speaks(lifeline))
		log_error("rank %d was lost (killed, crashed, or its node failed): ending the job; the same command "
		          "continues from the last checkpoint",
		          rank);
	end_job(watched);
}

/* A rank whose process is there and does nothing: stopped, or on a node that hangs. Should it go on later it ends without a word. */
static _Noreturn void silent(const struct lifeline *lifeline, const struct watched *watched, int rank, double limit)
{
	if (speaks(lifeline))
		log_error("rank %d has given no sign of life for %.3g s (%d times run/timeout, and %d s): it is "
		          "stopped, or its node hangs: ending the job; the same command continues from the last "
		          "checkpoint",
		          rank, limit, SILENT_TIMEOUTS, SILENT_SECONDS);
	end_job(watched);
}

static void hear(const struct lifeline *lifeline, struct watched *watched, int slot)
{
	char words[64];
	ssize_t got = recv(watched->ready[slot].fd, words, sizeof words, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
		lost(lifeline, watched, slot);
	if (memchr(words, WORD_GIVEN_UP, (size_t)got) != NULL)
		_exit(status_exit_code(STATUS_PEER));
	watched->peers[slot].since.waited = 0;
	watched->peers[slot].quiet |= memchr(words, WORD_QUIET, (size_t)got) != NULL;
	if (memchr(words, WORD_BYE, (size_t)got) != NULL)
		watched->ready[slot].fd = -1; /* left in good order */
}

static void check_silence(struct lifeline *lifeline, const struct watched *watched)
{
	double timeout = 1e-3 * (double)atomic_load(&lifeline->timeout);
	double limit = SILENT_TIMEOUTS * timeout + SILENT_SECONDS;
	for (int i = 0; i < watched->slots; i++)
		if (watched->ready[i].fd >= 0 && !watched->peers[i].quiet && timeout > 0 &&
		    patience_waited_at_most(&watched->peers[i].since, 2e-3 * BEAT_MILLISECONDS) > limit)
			silent(lifeline, watched, i, limit);
}

/* False when it cannot go on. */
static bool watch_until_woken(struct lifeline *lifeline, struct watched *watched)
{
	struct pollfd *ready = watched->ready, *wake = &ready[watched->slots];
	double told = 0;
	for (int i = 0; i < watched->slots; i++)
		ready[i] = (struct pollfd){ .fd = lifeline->sockets[i], .events = POLLIN };
	*wake = (struct pollfd){ .fd = lifeline->wake[0], .events = POLLIN };
	while (wake->revents == 0) {
		if (poll(ready, (nfds_t)watched->slots + 1, BEAT_MILLISECONDS) < 0 && errno != EINTR)
			return false;
		for (int i = 0; i < watched->slots && wake->revents == 0; i++)
			if (ready[i].revents != 0)
				hear(lifeline, watched, i);
		if (timer_seconds() - told < 1e-3 * BEAT_MILLISECONDS)
			continue;
		told = timer_seconds();
		say(watched, WORD_ALIVE);
		check_silence(lifeline, watched);
	}
	return true;
}

void *lifeline_watch(void *argument)
{
	struct lifeline *lifeline = argument;
	size_t slots = (size_t)lifeline_slots(lifeline);
	struct watched watched = { .ready = calloc(slots + 1, sizeof *watched.ready),
		                   .peers = calloc(slots, sizeof *watched.peers),
		                   .slots = (int)slots };
	if (watched.ready == NULL || watched.peers == NULL || !watch_until_woken(lifeline, &watched))
		lifeline_say(lifeline, WORD_QUIET);
	free(watched.ready);
	free(watched.peers);
	return NULL;
}
