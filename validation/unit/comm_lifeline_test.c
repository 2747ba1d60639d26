/* Tests of src/comm/lifeline_connect: what rank 0 makes of those who connect to it, and they of a rank 0 that has no room. The file
 * itself is included, as greeting a stranger is nothing that its users could ask for.
 * SPDX-License-Identifier: Apache-2.0 */
#include "comm/lifeline_connect.c"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { RANKS = 3, SECRET = 77, CROWD = 60 };

/* Rank 0 of RANKS ranks at a listener that nobody connects to. */
struct fixture {
	struct reception reception;
	int sockets[RANKS];
	int64_t attempts[RANKS];
	struct meeting_point point;
};

static void begin(struct fixture *fixture)
{
	*fixture = (struct fixture){ .sockets = { -1, -1, -1 } };
	fixture->reception = (struct reception){ .size = RANKS,
		                                 .sockets = fixture->sockets,
		                                 .attempts = fixture->attempts,
		                                 .listener = listen_anywhere(&fixture->point),
		                                 .secret = SECRET };
	assert_true(fixture->reception.listener >= 0);
}

static void end(struct fixture *fixture)
{
	for (int i = 0; i < RANKS; i++)
		if (fixture->sockets[i] >= 0)
			close(fixture->sockets[i]);
	close(fixture->reception.listener);
}

/* Somebody comes and says `size` bytes of the greeting; returns the end of the one who came. */
static int come(struct fixture *fixture, const struct greeting *greeting, size_t size)
{
	int pair[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(send(pair[1], greeting, size, MSG_NOSIGNAL), (ssize_t)size);
	fixture->reception.guests[fixture->reception.count++] =
		(struct guest){ .connection = pair[0], .since = timer_seconds() };
	receive(&fixture->reception);
	return pair[1];
}

/* What it hears: the welcome, 0 where it was sent away, -1 where nothing was said yet. */
static int heard(int connection)
{
	char word;
	ssize_t got = recv(connection, &word, 1, MSG_DONTWAIT);
	return got < 0 ? -1 : got == 0 ? 0 : word;
}

static int come_whole(struct fixture *fixture, struct greeting greeting)
{
	return come(fixture, &greeting, sizeof greeting);
}

static void ranks_of_the_job_are_accepted(void **state)
{
	(void)state;
	struct fixture fixture;
	begin(&fixture);
	for (int rank = 2; rank > 0; rank--) {
		int connection = come_whole(&fixture, (struct greeting){ SECRET, rank, 1 });
		assert_int_equal(heard(connection), WELCOME);
		assert_true(fixture.sockets[rank] >= 0);
		close(connection);
	}
	assert_int_equal(fixture.reception.count, 0);
	end(&fixture);
}

static void strangers_are_not(void **state)
{
	(void)state;
	static const struct greeting strangers[] = {
		{ SECRET + 1, 1, 1 }, { SECRET, RANKS, 1 }, { SECRET, 0, 1 }, { SECRET, -1, 1 }
	};
	struct fixture fixture;
	begin(&fixture);
	for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
		int connection = come_whole(&fixture, strangers[i]);
		assert_int_equal(heard(connection), 0);
		close(connection);
	}
	assert_int_equal(fixture.reception.count, 0);
	assert_true(fixture.sockets[1] < 0 && fixture.sockets[2] < 0);
	end(&fixture);
}

/* A rank that was not answered comes again; what it gave up does not take its place, whichever is heard last. */
static void who_comes_again_is_heard(void **state)
{
	(void)state;
	struct fixture fixture;
	begin(&fixture);
	int first = come_whole(&fixture, (struct greeting){ SECRET, 1, 1 });
	int third = come_whole(&fixture, (struct greeting){ SECRET, 1, 3 });
	int socket_of_third = fixture.sockets[1];
	assert_int_equal(heard(third), WELCOME);
	assert_int_equal(heard(first), WELCOME);
	assert_int_equal(heard(first), 0);
	int second = come_whole(&fixture, (struct greeting){ SECRET, 1, 2 });
	assert_int_equal(heard(second), 0);
	assert_int_equal(fixture.sockets[1], socket_of_third);
	close(first);
	close(second);
	close(third);
	end(&fixture);
}

/* Waiting for the rest of a greeting that never comes would hold up all others. */
static void silent_strangers_hold_nobody_up(void **state)
{
	(void)state;
	struct fixture fixture;
	struct greeting greeting = { SECRET, 1, 1 };
	begin(&fixture);
	double begin_seconds = timer_seconds();
	int silent = come(&fixture, &greeting, 0), slow = come(&fixture, &greeting, sizeof greeting - 5);
	int rank = come_whole(&fixture, (struct greeting){ SECRET, 2, 1 });
	assert_int_equal(heard(rank), WELCOME);
	assert_int_equal(fixture.reception.count, 2);
	assert_int_equal(heard(silent), -1);
	/* The rest may come. */
	assert_int_equal(send(slow, (char *)&greeting + sizeof greeting - 5, 5, MSG_NOSIGNAL), 5);
	receive(&fixture.reception);
	assert_int_equal(heard(slow), WELCOME);
	while (fixture.reception.count > 0) {
		receive(&fixture.reception);
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	assert_int_equal(heard(silent), 0);
	assert_true(timer_seconds() - begin_seconds >= CONNECT_MILLISECONDS / 1000.0);
	close(silent);
	close(slow);
	close(rank);
	end(&fixture);
}

struct comer {
	pthread_t thread;
	const struct meeting_point *point;
	int rank, connection;
};

static void *go(void *argument)
{
	struct comer *comer = argument;
	comer->connection = connect_to_first(comer->point, comer->rank);
	return NULL;
}

/* A crowd comes to a rank 0 that the system keeps two connections for. */
static void a_crowd_gets_in(void **state)
{
	(void)state;
	static struct comer comers[CROWD];
	int sockets[CROWD + 1], in = 0;
	int64_t attempts[CROWD + 1] = { 0 };
	struct meeting_point point = { .secret = SECRET };
	static struct reception reception;
	reception = (struct reception){ .size = CROWD + 1,
		                        .sockets = sockets,
		                        .attempts = attempts,
		                        .listener = listen_anywhere(&point),
		                        .secret = SECRET };
	assert_int_equal(listen(reception.listener, 1), 0);
	for (int i = 0; i <= CROWD; i++)
		sockets[i] = -1;
	for (int i = 0; i < CROWD; i++) {
		comers[i] = (struct comer){ .point = &point, .rank = i + 1, .connection = -1 };
		assert_int_equal(pthread_create(&comers[i].thread, NULL, go, &comers[i]), 0);
	}
	for (double end = timer_seconds() + CONNECT_SECONDS; in < CROWD && timer_seconds() < end;) {
		receive(&reception);
		in = 0;
		for (int i = 1; i <= CROWD; i++)
			in += sockets[i] >= 0;
		nanosleep(&(struct timespec){ .tv_nsec = 500000 }, NULL);
	}
	for (int i = 0; i < CROWD; i++) {
		pthread_join(comers[i].thread, NULL);
		assert_true(comers[i].connection >= 0 && sockets[i + 1] >= 0);
		close(comers[i].connection);
		close(sockets[i + 1]);
	}
	close(reception.listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranks_of_the_job_are_accepted),
		cmocka_unit_test(strangers_are_not),
		cmocka_unit_test(who_comes_again_is_heard),
		cmocka_unit_test(silent_strangers_hold_nobody_up),
		cmocka_unit_test(a_crowd_gets_in),
	};
	alarm(100); /* a wait without end is a failure */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
