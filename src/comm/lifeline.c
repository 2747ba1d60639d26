/* TCP connections to rank 0 and the threads that watch them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* pipe2, accept4 */
#endif
#include "comm/lifeline.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <math.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/timer.h"

enum { MOST_ADDRESSES = 16, CONNECT_MILLISECONDS = 2000, GATHER_SECONDS = 20, ABORT_GRACE_SECONDS = 3 };
/* Signs of life: so often; and after how many time-outs and seconds of silence a rank is given up. Who waits for something
 * certain says so first, the last of them after four time-outs (roles/server.c). */
enum { BEAT_MILLISECONDS = 2500, SILENT_TIMEOUTS = 5, SILENT_SECONDS = 10 };

/* What rank 0 broadcasts so that the others find it. */
struct meeting_point {
	char host[64];
	uint64_t secret;                           /* tells our ranks from strangers */
	uint32_t count, addresses[MOST_ADDRESSES]; /* IPv4, network order */
	uint16_t port;                             /* network order; 0: none */
};

struct greeting {
	uint64_t secret;
	int64_t rank; /* no bytes between and behind that nobody has set */
};

struct lifeline {
	int rank, size;
	int *sockets; /* rank 0: one a rank (-1: none, own); others: [0] to rank 0 */
	int count;
	int wake[2]; /* pipe: closing tells the thread to end */
	pthread_t thread;
	bool watching;
	atomic_llong timeout; /* milliseconds; 0: without end */
};

static void keep_alive(int socket)
{
	int on = 1, idle = 10, interval = 5, probes = 3;
	setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
	setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
	/* The same for what is on its way: signs of life that nobody acknowledges would be sent again for a quarter of an hour. */
	unsigned unanswered = 25000; /* milliseconds */
	setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered, sizeof unanswered);
}

static int listen_anywhere(struct meeting_point *point)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t length = sizeof address;
	if (listener < 0)
		return -1;
	if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 1024) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
		close(listener);
		return -1;
	}
	point->port = address.sin_port;
	gethostname(point->host, sizeof point->host - 1);
	struct ifaddrs *interfaces = NULL;
	if (getifaddrs(&interfaces) == 0) {
		for (struct ifaddrs *at = interfaces; at != NULL && point->count < MOST_ADDRESSES; at = at->ifa_next)
			if (at->ifa_addr != NULL && at->ifa_addr->sa_family == AF_INET && (at->ifa_flags & IFF_UP) &&
			    !(at->ifa_flags & IFF_LOOPBACK))
				point->addresses[point->count++] =
					((struct sockaddr_in *)(void *)at->ifa_addr)->sin_addr.s_addr;
		freeifaddrs(interfaces);
	}
	return listener;
}

/* A connection to one address within the time limit, or -1. */
static int connect_to(uint32_t ip, uint16_t port)
{
	int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (connection < 0)
		return -1;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = port, .sin_addr = { .s_addr = ip } };
	bool connected = connect(connection, (struct sockaddr *)&address, sizeof address) == 0;
	if (!connected && errno == EINPROGRESS) {
		struct pollfd ready = { .fd = connection, .events = POLLOUT };
		int failure = 0;
		socklen_t size = sizeof failure;
		connected = poll(&ready, 1, CONNECT_MILLISECONDS) == 1 &&
		            getsockopt(connection, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure == 0;
	}
	if (connected)
		return connection;
	close(connection);
	return -1;
}

static int connect_to_first(const struct meeting_point *point, int rank)
{
	struct greeting greeting = { point->secret, rank };
	char host[64] = "";
	gethostname(host, sizeof host - 1);
	int connection = -1;
	if (strcmp(host, point->host) == 0)
		connection = connect_to(htonl(INADDR_LOOPBACK), point->port);
	for (uint32_t i = 0; i < point->count && connection < 0; i++)
		connection = connect_to(point->addresses[i], point->port);
	if (connection < 0)
		connection = connect_to(htonl(INADDR_LOOPBACK), point->port); /* nodes emulated on one machine */
	if (connection < 0)
		return -1;
	if (send(connection, &greeting, sizeof greeting, MSG_NOSIGNAL) != (ssize_t)sizeof greeting) {
		close(connection);
		return -1;
	}
	keep_alive(connection);
	return connection;
}

/* The whole greeting within the time limit. A stranger that says nothing, or half a greeting, holds nobody up for longer. */
static bool receive_greeting(int connection, struct greeting *greeting)
{
	double end = timer_seconds() + CONNECT_MILLISECONDS / 1000.0;
	size_t got = 0;
	while (got < sizeof *greeting) {
		struct pollfd ready = { .fd = connection, .events = POLLIN };
		double left = end - timer_seconds();
		if (left <= 0 || poll(&ready, 1, (int)(left * 1000) + 1) != 1)
			return false;
		ssize_t bytes = recv(connection, (char *)greeting + got, sizeof *greeting - got, MSG_DONTWAIT);
		if (bytes <= 0)
			return false;
		got += (size_t)bytes;
	}
	return true;
}

static void greet(struct lifeline *lifeline, int connection, uint64_t secret)
{
	struct greeting greeting;
	if (receive_greeting(connection, &greeting) && greeting.secret == secret && greeting.rank > 0 &&
	    greeting.rank < lifeline->size && lifeline->sockets[greeting.rank] < 0) {
		lifeline->sockets[greeting.rank] = connection;
		lifeline->count++;
		keep_alive(connection);
	} else {
		close(connection);
	}
}

static void gather(struct lifeline *lifeline, int listener, uint64_t secret, int expected)
{
	double begin = timer_seconds();
	while (lifeline->count < expected && timer_seconds() - begin < GATHER_SECONDS) {
		struct pollfd ready = { .fd = listener, .events = POLLIN };
		if (poll(&ready, 1, 200) != 1)
			continue;
		int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (connection >= 0)
			greet(lifeline, connection, secret);
	}
}

static void lost(int rank)
{
	log_error(
		"rank %d was lost (killed, crashed, or its node failed): ending the job; the same command continues from "
		"the last checkpoint",
		rank);
	_exit(status_exit_code(STATUS_PEER));
}

/* Rank 0 is gone: it has said why, or is what was lost. An MPI_Abort under way gets the time to end us all with its own
 * exit code. */
static void leave(void)
{
	sleep(ABORT_GRACE_SECONDS);
	_exit(status_exit_code(STATUS_PEER));
}

/* What ranks say to each other, a byte each. */
enum { WORD_ALIVE = 'a', WORD_BYE = 'b', WORD_GIVEN_UP = 'g' };

/* What the thread that watches has to do with each connection. */
struct watched {
	struct pollfd *ready;   /* [slots], and the pipe */
	struct patience *since; /* [slots] the last sign of life */
};

static void say(const struct watched *watched, int slots, char word)
{
	for (int i = 0; i < slots; i++)
		if (watched->ready[i].fd >= 0) /* where the buffer is full there are signs enough in it */
			(void)send(watched->ready[i].fd, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A rank whose process is there and does nothing: stopped, or on a node that hangs. The first rank speaks of others; of the
 * first one the second does, and should that one hang, too, the last. Should it go on later it ends without a word. */
static void silent(const struct lifeline *lifeline, const struct watched *watched, int slots, int rank, double limit)
{
	if (lifeline->rank > 1)
		sleep(ABORT_GRACE_SECONDS);
	if (lifeline->rank <= 1 || lifeline->rank == lifeline->size - 1)
		log_error("rank %d has given no sign of life for %.3g s (%d times run/timeout, and %d s): it is "
		          "stopped, or its node hangs: ending the job; the same command continues from the last "
		          "checkpoint",
		          rank, limit, SILENT_TIMEOUTS, SILENT_SECONDS);
	say(watched, slots, WORD_GIVEN_UP);
	_exit(status_exit_code(STATUS_PEER));
}

static void hear(const struct lifeline *lifeline, struct watched *watched, int slot)
{
	char words[64];
	ssize_t got = recv(watched->ready[slot].fd, words, sizeof words, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0 && memchr(words, WORD_GIVEN_UP, (size_t)got) != NULL)
		_exit(status_exit_code(STATUS_PEER));
	if (got > 0 && memchr(words, WORD_BYE, (size_t)got) != NULL)
		watched->ready[slot].fd = -1; /* left in good order */
	else if (got > 0)
		watched->since[slot].waited = 0;
	else if (lifeline->rank == 0)
		lost(slot);
	else
		leave();
}

static void check_silence(struct lifeline *lifeline, const struct watched *watched, int slots)
{
	double timeout = 1e-3 * (double)atomic_load(&lifeline->timeout);
	double limit = SILENT_TIMEOUTS * timeout + SILENT_SECONDS;
	for (int i = 0; i < slots; i++)
		if (watched->ready[i].fd >= 0 &&
		    patience_waited_at_most(&watched->since[i], 2e-3 * BEAT_MILLISECONDS) > limit && timeout > 0)
			silent(lifeline, watched, slots, i, limit);
}

static void *watch(void *argument)
{
	struct lifeline *lifeline = argument;
	int slots = lifeline->rank == 0 ? lifeline->size : 1;
	struct watched watched = { calloc((size_t)slots + 1, sizeof *watched.ready),
		                   calloc((size_t)slots, sizeof *watched.since) };
	struct pollfd *ready = watched.ready;
	double told = 0;
	for (int i = 0; ready != NULL && i < slots; i++)
		ready[i] = (struct pollfd){ .fd = lifeline->sockets[i], .events = POLLIN };
	if (ready != NULL)
		ready[slots] = (struct pollfd){ .fd = lifeline->wake[0], .events = POLLIN };
	while (ready != NULL && watched.since != NULL && ready[slots].revents == 0) {
		if (poll(ready, (nfds_t)slots + 1, BEAT_MILLISECONDS) < 0 && errno != EINTR)
			break;
		for (int i = 0; i < slots && ready[slots].revents == 0; i++)
			if (ready[i].revents != 0)
				hear(lifeline, &watched, i);
		if (timer_seconds() - told < 1e-3 * BEAT_MILLISECONDS)
			continue;
		told = timer_seconds();
		say(&watched, slots, WORD_ALIVE);
		check_silence(lifeline, &watched, slots);
	}
	if (ready == NULL || watched.since == NULL || ready[slots].revents == 0)
		lifeline_announce(lifeline); /* no more signs of life from here */
	free(watched.ready);
	free(watched.since);
	return NULL;
}

void lifeline_set_timeout(struct lifeline *lifeline, double timeout)
{
	if (lifeline != NULL)
		atomic_store(&lifeline->timeout, isfinite(timeout) ? llround(1e3 * timeout) : 0);
}

static enum status connect_all(const struct world *world, struct lifeline *lifeline)
{
	struct meeting_point point = { .port = 0 };
	int listener = -1;
	if (world->rank == 0) {
		listener = listen_anywhere(&point);
		point.secret = (uint64_t)(timer_seconds() * 1e9) * 0x9E3779B97F4A7C15u ^ (uint64_t)getpid();
	}
	STATUS_TRY(world_broadcast(world, &point, sizeof point, 0));
	int connected = 0;
	if (world->rank > 0 && point.port != 0)
		lifeline->sockets[0] = connect_to_first(&point, world->rank);
	connected = world->rank > 0 && lifeline->sockets[0] >= 0;
	int *all = memory_allocate((size_t)world->size, sizeof *all);
	if (all == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = world_all_gather(world, &connected, 1, MPI_INT, all);
	int expected = 0;
	for (int rank = 0; rank < world->size; rank++)
		expected += all[rank];
	free(all);
	if (world->rank == 0 && listener >= 0) {
		gather(lifeline, listener, point.secret, expected);
		close(listener);
		if (lifeline->count < world->size - 1)
			log_warning(
				"%d of %d ranks cannot reach rank 0 by TCP: if one of them dies the job may hang until its "
				"time limit (with srun, add --kill-on-bad-exit=1)",
				world->size - 1 - lifeline->count, world->size - 1);
	}
	return status;
}

enum status lifeline_open(const struct world *world, struct lifeline **lifeline_out)
{
	*lifeline_out = NULL;
	if (world->size == 1)
		return STATUS_OK;
	struct lifeline *lifeline = memory_allocate(1, sizeof *lifeline);
	if (lifeline == NULL)
		return STATUS_ENVIRONMENT;
	lifeline->rank = world->rank;
	lifeline->size = world->size;
	lifeline->wake[0] = lifeline->wake[1] = -1;
	lifeline->sockets = memory_allocate((size_t)world->size, sizeof *lifeline->sockets);
	lifeline_set_timeout(lifeline, world->timeout);
	enum status status = lifeline->sockets == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int i = 0; i < world->size && status == STATUS_OK; i++)
		lifeline->sockets[i] = -1;
	if (status == STATUS_OK)
		status = connect_all(world, lifeline);
	int error = 0;
	if (status == STATUS_OK)
		error = pipe2(lifeline->wake, O_CLOEXEC) != 0
		                ? errno
		                : pthread_create(&lifeline->thread, NULL, watch, lifeline);
	lifeline->watching = status == STATUS_OK && error == 0;
	if (status == STATUS_OK && !lifeline->watching) {
		log_warning(
			"this rank has no thread to watch others (%s): if one of them dies the job may hang until its time "
			"limit; raise the limits on processes and open files",
			strerror(error));
		lifeline_announce(lifeline); /* nobody is to wait for signs of life from here */
	}
	*lifeline_out = lifeline;
	return status;
}

static int socket_count(const struct lifeline *lifeline)
{
	return lifeline->sockets == NULL ? 0 : lifeline->rank == 0 ? lifeline->size : 1;
}

void lifeline_announce(struct lifeline *lifeline)
{
	if (lifeline == NULL)
		return;
	for (int i = 0; i < socket_count(lifeline); i++)
		if (lifeline->sockets[i] >= 0)
			send(lifeline->sockets[i], (const char[]){ WORD_BYE }, 1, MSG_NOSIGNAL);
}

void lifeline_close(struct lifeline *lifeline)
{
	if (lifeline == NULL)
		return;
	int slots = socket_count(lifeline);
	lifeline_announce(lifeline);
	if (lifeline->watching) {
		close(lifeline->wake[1]);
		pthread_join(lifeline->thread, NULL);
	} else if (lifeline->wake[1] >= 0) {
		close(lifeline->wake[1]);
	}
	if (lifeline->wake[0] >= 0)
		close(lifeline->wake[0]);
	for (int i = 0; i < slots; i++)
		if (lifeline->sockets[i] >= 0)
			close(lifeline->sockets[i]);
	free(lifeline->sockets);
	free(lifeline);
}
