/* Signs of life among the ranks of a communicator, so that a wait for all of them can tell who is missing.
 *
 * A collective call says only that it is not complete. So every rank that waits in one, or is at work and says so now and
 * then, tells the first rank of the communicator that it is alive, and is told so by it: a star, a few messages of no bytes
 * in every time-out. A rank that waits therefore knows that the first one is there, and the first one knows of all: it names
 * those that are silent. Nothing is sent where nobody waits or works for long.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_COMM_PULSE_H
#define CAPSHAPE_COMM_PULSE_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct pulse;

/* The communicator must outlive it. Not collective; every rank is to have one. */
enum status pulse_create(MPI_Comm comm, struct pulse **pulse_out);
void pulse_destroy(struct pulse *pulse);
/* This rank is alive: to be called often, from every wait and in the middle of work. Sends a few times in every `timeout`
 * (seconds); takes what has come; never waits. */
void pulse_beat(struct pulse *pulse, double timeout);
/* A wait for others begins: from now on, silence counts. */
void pulse_listen(struct pulse *pulse);
/* To be called in every turn of that wait. False when ranks that should be there were silent for `timeout`; `names` then says
 * which, "rank 3 gives no sign of life", by their numbers in the job. */
bool pulse_check(struct pulse *pulse, double timeout, char *names, size_t size);
/* The number in the job of rank `rank` of the communicator. */
int pulse_job_rank(const struct pulse *pulse, int rank);

#endif
