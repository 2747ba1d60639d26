/* Signal flags: handlers only count, the loops ask.
 * SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tasks/task.h"

static volatile sig_atomic_t stop_count, checkpoint_flag;

static void on_stop(int number)
{
	(void)number;
	/* A second signal is meant: no waiting for a safe step. */
	if (stop_count++ > 0)
		_exit(status_exit_code(STATUS_STOPPED));
}

static void on_checkpoint(int number)
{
	(void)number;
	checkpoint_flag = 1;
}

void signals_install(void)
{
	struct sigaction action = { .sa_handler = on_stop, .sa_flags = SA_RESTART };
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	action.sa_handler = on_checkpoint;
	sigaction(SIGUSR1, &action, NULL);
}

bool signals_stop_asked(void)
{
	return stop_count > 0;
}

bool signals_checkpoint_asked(void)
{
	bool asked = checkpoint_flag != 0;
	checkpoint_flag = 0;
	return asked;
}
