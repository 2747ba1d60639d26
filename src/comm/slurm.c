/* Asking Slurm's environment and scontrol.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* pipe2, strptime */
#endif
#include "comm/slurm.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "base/timer.h"

extern char **environ;

enum { PATIENCE_SECONDS = 10, ANSWER_SIZE = 16384 };

const char *slurm_job_name(char *buffer, unsigned long size)
{
	const char *job = getenv("SLURM_JOB_ID"), *array = getenv("SLURM_ARRAY_JOB_ID"),
		   *task = getenv("SLURM_ARRAY_TASK_ID");
	if (job == NULL)
		buffer[0] = '\0';
	else if (array != NULL && task != NULL)
		snprintf(buffer, size, "job %s (task %s of array %s)", job, task, array);
	else
		snprintf(buffer, size, "job %s", job);
	return buffer;
}

/* Reads what the command says until it ends or the patience is over. False when nothing useful came. */
static bool read_answer(int from, char answer[ANSWER_SIZE])
{
	double begin = timer_seconds();
	size_t used = 0;
	for (;;) {
		struct pollfd ready = { .fd = from, .events = POLLIN };
		double left = PATIENCE_SECONDS - (timer_seconds() - begin);
		if (left <= 0 || used + 1 >= ANSWER_SIZE)
			break;
		if (poll(&ready, 1, (int)(1000 * left)) != 1)
			continue;
		ssize_t got = read(from, answer + used, ANSWER_SIZE - 1 - used);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	answer[used] = '\0';
	return used > 0;
}

/* One task of an array shares its number with the whole array: "4700_3" is always one job. */
static const char *full_job_number(char *buffer, size_t size)
{
	const char *job = getenv("SLURM_JOB_ID"), *array = getenv("SLURM_ARRAY_JOB_ID"),
		   *task = getenv("SLURM_ARRAY_TASK_ID");
	if (array != NULL && task != NULL)
		snprintf(buffer, size, "%s_%s", array, task);
	else
		snprintf(buffer, size, "%s", job);
	return buffer;
}

/* `scontrol -o show job ID`, with times as seconds since 1970. */
static bool ask_scontrol(char *job, char answer[ANSWER_SIZE])
{
	char *arguments[] = { "scontrol", "-o", "show", "job", job, NULL };
	int ends[2];
	pid_t child;
	posix_spawn_file_actions_t actions;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	setenv("SLURM_TIME_FORMAT", "%s", 1);
	int failure = posix_spawnp(&child, "scontrol", &actions, NULL, arguments, environ);
	unsetenv("SLURM_TIME_FORMAT");
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	bool good = failure == 0 && read_answer(ends[0], answer);
	close(ends[0]);
	if (failure == 0) {
		kill(child, SIGKILL); /* it has answered, or never will */
		while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	return good;
}

/* The value of EndTime: seconds since 1970, or, where scontrol ignores the format, a local time. 0: none. */
static time_t read_end(const char *answer)
{
	const char *at = strstr(answer, " EndTime=");
	if (at == NULL)
		return 0;
	at += strlen(" EndTime=");
	struct tm parts = { .tm_isdst = -1 };
	if (strptime(at, "%Y-%m-%dT%H:%M:%S", &parts) != NULL)
		return mktime(&parts);
	long long seconds = strtoll(at, NULL, 10);
	return seconds > 0 ? (time_t)seconds : 0;
}

double slurm_seconds_left(char **trouble_out)
{
	enum { A_YEAR = 31536000 }; /* jobs without a limit "end" a year after their start */
	const char *given = getenv("SLURM_JOB_END_TIME");
	char job[64];
	*trouble_out = NULL;
	if (getenv("SLURM_JOB_ID") == NULL)
		return INFINITY;
	full_job_number(job, sizeof job);
	time_t end = given != NULL ? (time_t)strtoll(given, NULL, 10) : 0;
	if (end == 0) {
		char *answer = malloc(ANSWER_SIZE);
		if (answer != NULL && ask_scontrol(job, answer)) {
			end = read_end(answer);
			if (strstr(answer, " TimeLimit=UNLIMITED") != NULL)
				end = time(NULL) + A_YEAR;
		}
		free(answer);
	}
	if (end == 0)
		*trouble_out = text_format("scontrol does not say when job %s ends", job);
	double left = difftime(end, time(NULL));
	return end == 0 || left >= A_YEAR - 86400 ? INFINITY : left;
}
