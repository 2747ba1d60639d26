/* Every rank's TCP connection to rank 0.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* accept4 */
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/timer.h"
#include "comm/lifeline_state.h"

enum { MOST_ADDRESSES = 16, CONNECT_MILLISECONDS = 2000, GATHER_SECONDS = 20, OTHER_FILES = 256 };

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
		else if (errno == EMFILE || errno == ENFILE)
			return; /* nor will there be room for the next */
	}
}

/* Rank 0 has a connection to every rank, and MPI may have one from any rank to any other: of a thousand ranks that is more than the
 * files that a process may usually open, and far less than it may ask for. */
static void raise_file_limit(int ranks)
{
	struct rlimit files;
	rlim_t wanted = 2 * (rlim_t)ranks + OTHER_FILES;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= wanted)
		return;
	files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
	setrlimit(RLIMIT_NOFILE, &files);
}

/* connected[size]: on rank 0, and by it on all others, who has a connection that rank 0 took. One that it did not take it closes, which
 * would be an alarm. */
static enum status settle(const struct world *world, struct lifeline *lifeline, int *connected)
{
	for (int rank = 0; rank < world->size && world->rank == 0; rank++)
		connected[rank] = lifeline->sockets[rank] >= 0;
	STATUS_TRY(world_broadcast(world, connected, world->size * (int64_t)sizeof *connected, 0));
	if (world->rank > 0 && !connected[world->rank] && lifeline->sockets[0] >= 0) {
		close(lifeline->sockets[0]);
		lifeline->sockets[0] = -1;
	}
	return STATUS_OK;
}

static void warn_of_missing(const struct lifeline *lifeline)
{
	int others = lifeline->size - 1;
	if (lifeline->count < others)
		log_warning(
			"%d of %d ranks cannot reach rank 0 by TCP (a firewall, or too few open files, ulimit -n): if one of them dies the job may hang until its "
			"time limit (with srun, add --kill-on-bad-exit=1)",
			others - lifeline->count, others);
}

enum status lifeline_connect(const struct world *world, struct lifeline *lifeline)
{
	struct meeting_point point = { .port = 0 };
	int listener = -1;
	raise_file_limit(world->size);
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
	if (world->rank == 0 && listener >= 0) {
		gather(lifeline, listener, point.secret, expected);
		warn_of_missing(lifeline);
	}
	if (status == STATUS_OK)
		status = settle(world, lifeline, all);
	if (listener >= 0)
		close(listener);
	free(all);
	return status;
}
