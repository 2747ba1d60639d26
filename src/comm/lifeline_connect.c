/* How the ranks find rank 0 and how it takes them in.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* accept4 */
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <math.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/open_files.h"
#include "base/random.h"
#include "base/timer.h"
#include "comm/lifeline_state.h"

enum { MOST_ADDRESSES = 16, CONNECT_MILLISECONDS = 2000, WELCOME_SECONDS = 5, CONNECT_SECONDS = 20 };
/* Connections that nobody has taken yet: the system allows fewer (net.core.somaxconn). Those that came and have not said all yet. */
enum { BACKLOG = 1 << 16, MOST_GUESTS = 256 };
/* A rank that rank 0 had no room for hears nothing: it waits for so long, and tries again after a random part of the pause; both
 * double. The system itself would try again after a second, for all ranks the same. */
enum { FIRST_LIMIT = 200, FIRST_PAUSE = 100, LONGEST_PAUSE = 2000 };
enum { WELCOME = 'w' }; /* what rank 0 answers */

/* What rank 0 broadcasts so that the others find it. */
struct meeting_point {
	char host[64];
	uint64_t secret;                           /* tells our ranks from strangers */
	uint32_t count, addresses[MOST_ADDRESSES]; /* IPv4, network order */
	uint16_t port;                             /* network order; 0: none */
};

struct greeting {
	uint64_t secret;
	int64_t rank, attempt; /* from 1; no bytes between and behind that nobody has set */
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
	if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, BACKLOG) != 0 ||
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

/* A connection to one address within so many milliseconds, or -1. */
static int connect_to(uint32_t ip, uint16_t port, int limit)
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
		connected = poll(&ready, 1, limit) == 1 &&
		            getsockopt(connection, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 && failure == 0;
	}
	if (connected)
		return connection;
	close(connection);
	return -1;
}

static bool send_whole(int connection, const void *bytes, size_t size)
{
	return send(connection, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
}

/* Whether rank 0 answers the greeting. A connection alone says little: the system makes more of them than it has room for, and
 * forgets some again. */
static bool is_welcome(int connection, const struct greeting *greeting)
{
	char word = 0;
	double end = timer_seconds() + WELCOME_SECONDS;
	if (!send_whole(connection, greeting, sizeof *greeting))
		return false;
	for (;;) {
		struct pollfd ready = { .fd = connection, .events = POLLIN };
		double left = end - timer_seconds();
		int found = left <= 0 ? 0 : poll(&ready, 1, (int)(left * 1000) + 1);
		if (found < 0 && errno == EINTR)
			continue;
		return found == 1 && recv(connection, &word, 1, MSG_DONTWAIT) == 1 && word == WELCOME;
	}
}

/* Tries the addresses one after the other, each an attempt. */
static int connect_once(const struct meeting_point *point, struct greeting *greeting, bool same_host, int limit)
{
	uint32_t addresses[MOST_ADDRESSES + 2], count = 0;
	if (same_host)
		addresses[count++] = htonl(INADDR_LOOPBACK);
	for (uint32_t i = 0; i < point->count; i++)
		addresses[count++] = point->addresses[i];
	addresses[count++] = htonl(INADDR_LOOPBACK); /* nodes emulated on one machine */
	for (uint32_t i = 0; i < count; i++) {
		int connection = connect_to(addresses[i], point->port, limit);
		greeting->attempt++;
		if (connection < 0)
			continue;
		if (is_welcome(connection, greeting)) {
			keep_alive(connection);
			return connection;
		}
		close(connection);
	}
	return -1;
}

/* A connection to rank 0, or -1. Where thousands come at once some are turned away: they come again, not all at the same moment. */
static int connect_to_first(const struct meeting_point *point, int rank)
{
	struct greeting greeting = { point->secret, rank, 0 };
	char host[64] = "";
	gethostname(host, sizeof host - 1);
	bool same_host = strcmp(host, point->host) == 0;
	double end = timer_seconds() + CONNECT_SECONDS;
	int connection, pause = FIRST_PAUSE, limit = FIRST_LIMIT;
	for (;;) {
		connection = connect_once(point, &greeting, same_host, limit);
		double nap =
			pause * random_uniform(point->secret, RANDOM_PAUSE, (uint64_t)rank, (uint64_t)greeting.attempt);
		if (connection >= 0 || timer_seconds() + 1e-3 * nap > end)
			return connection;
		nanosleep(
			&(struct timespec){ .tv_sec = (time_t)(nap / 1000), .tv_nsec = (long)(fmod(nap, 1000) * 1e6) },
			NULL);
		pause = 2 * pause < LONGEST_PAUSE ? 2 * pause : LONGEST_PAUSE;
		limit = 2 * limit < CONNECT_MILLISECONDS ? 2 * limit : CONNECT_MILLISECONDS;
	}
}

/* ---- rank 0 takes them in, in every turn of its wait for the others (world->progress), which it never holds up */

/* One who has connected and not said all of its greeting yet: a rank, or a stranger. */
struct guest {
	int connection;
	double since;
	size_t got;
	struct greeting greeting;
};

struct reception {
	int size, *sockets; /* [size] -1: none */
	int64_t *attempts;  /* [size] that led to the socket */
	int listener;
	uint64_t secret;
	int count;
	struct guest guests[MOST_GUESTS];
};

/* A rank that comes again has given up its earlier connection, whichever is heard first. */
static bool seat(struct reception *reception, const struct guest *guest)
{
	const struct greeting *greeting = &guest->greeting;
	int64_t rank = greeting->rank;
	if (greeting->secret != reception->secret || rank <= 0 || rank >= reception->size ||
	    greeting->attempt <= reception->attempts[rank] ||
	    !send_whole(guest->connection, (const char[]){ WELCOME }, 1))
		return false;
	if (reception->sockets[rank] >= 0)
		close(reception->sockets[rank]);
	reception->sockets[rank] = guest->connection;
	reception->attempts[rank] = greeting->attempt;
	keep_alive(guest->connection);
	return true;
}

/* Hears what it says; false once it needs no more hearing: it has a seat, or was sent away. */
static bool listen_to(struct reception *reception, struct guest *guest)
{
	ssize_t bytes = recv(guest->connection, (char *)&guest->greeting + guest->got,
	                     sizeof guest->greeting - guest->got, MSG_DONTWAIT);
	guest->got += bytes > 0 ? (size_t)bytes : 0;
	bool waits = bytes > 0 || (bytes < 0 && (errno == EAGAIN || errno == EINTR));
	if (guest->got == sizeof guest->greeting) {
		if (seat(reception, guest))
			return false;
		waits = false;
	}
	if (waits && timer_seconds() - guest->since < CONNECT_MILLISECONDS / 1000.0)
		return true;
	close(guest->connection);
	return false;
}

static void receive(void *state)
{
	struct reception *reception = state;
	int connection = -1, left = 0;
	while (reception->count < MOST_GUESTS &&
	       (connection = accept4(reception->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		reception->guests[reception->count++] =
			(struct guest){ .connection = connection, .since = timer_seconds() };
	for (int i = 0; i < reception->count; i++)
		if (listen_to(reception, &reception->guests[i]))
			reception->guests[left++] = reception->guests[i];
	reception->count = left;
}

static enum status begin_reception(int size, int *sockets, struct meeting_point *point,
                                   struct reception **reception_out)
{
	struct reception *reception = memory_allocate(1, sizeof *reception);
	int64_t *attempts = memory_allocate((size_t)size, sizeof *attempts);
	if (reception == NULL || attempts == NULL) {
		free(reception);
		free(attempts);
		return STATUS_ENVIRONMENT;
	}
	point->secret = (uint64_t)(timer_seconds() * 1e9) * 0x9E3779B97F4A7C15u ^ (uint64_t)getpid();
	*reception = (struct reception){ .size = size,
		                         .sockets = sockets,
		                         .attempts = attempts,
		                         .listener = listen_anywhere(point),
		                         .secret = point->secret };
	*reception_out = reception;
	return STATUS_OK;
}

static void end_reception(struct reception *reception)
{
	if (reception == NULL)
		return;
	while (reception->count > 0)
		close(reception->guests[--reception->count].connection);
	if (reception->listener >= 0)
		close(reception->listener);
	free(reception->attempts);
	free(reception);
}

/* Rank 0 keeps whom it took in and who knows of it. */
static void keep_connected(const struct world *world, int *sockets, const int *connected)
{
	int missing = 0;
	for (int rank = 1; rank < world->size; rank++) {
		if (!connected[rank] && sockets[rank] >= 0) {
			close(sockets[rank]);
			sockets[rank] = -1;
		}
		missing += sockets[rank] < 0;
	}
	if (missing > 0)
		log_warning(
			"%d of %d ranks cannot reach rank 0 by TCP (a firewall between nodes?): if one of them dies the "
			"job may hang until its time limit (with srun, add --kill-on-bad-exit=1)",
			missing, world->size - 1);
}

/* While the others come, and try again, rank 0 waits for what they say of it, and takes them in. */
static enum status gather(const struct world *world, struct reception *reception, int *sockets)
{
	int connected = world->rank > 0 && sockets[0] >= 0;
	int *all = memory_allocate((size_t)world->size, sizeof *all);
	struct world receiving = *world;
	if (all == NULL)
		return STATUS_ENVIRONMENT;
	if (reception != NULL && reception->listener >= 0) {
		receiving.progress = receive;
		receiving.progress_state = reception;
	}
	enum status status = world_all_gather(&receiving, &connected, 1, MPI_INT, all);
	if (status == STATUS_OK && world->rank == 0)
		keep_connected(world, sockets, all);
	free(all);
	return status;
}

enum status lifeline_check(const struct world *world)
{
	return world->size == 1 ? STATUS_OK
	                        : open_files_check(world->rank == 0 ? world->size - 1 : 1, "to the other ranks");
}

enum status lifeline_connect(const struct world *world, struct lifeline *lifeline)
{
	struct meeting_point point = { .port = 0 };
	struct reception *reception = NULL;
	int *sockets = lifeline->sockets;
	enum status status = world->rank == 0 ? begin_reception(world->size, sockets, &point, &reception) : STATUS_OK;
	if (status == STATUS_OK)
		status = world_broadcast(world, &point, sizeof point, 0);
	if (status == STATUS_OK && world->rank > 0 && point.port != 0)
		sockets[0] = connect_to_first(&point, world->rank);
	if (status == STATUS_OK)
		status = gather(world, reception, sockets);
	end_reception(reception);
	return status;
}
