/* Empty messages to and from the first rank, and when each was heard last.
 * SPDX-License-Identifier: Apache-2.0 */
#include "comm/pulse.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/timer.h"
#include "comm/world.h"

enum { TAG_ALIVE = 31, BEATS_PER_TIMEOUT = 4, MOST_NAMED = 16 };

struct pulse {
	MPI_Comm comm;
	int rank, size;
	double told; /* when the others last heard of this rank */
	struct patience patience;
	double listening;   /* patience when the wait at hand began */
	double *heard;      /* [size] patience when each rank was last heard */
	int *job_ranks;     /* [size] */
	MPI_Request *notes; /* [size] on their way */
};

enum status pulse_create(MPI_Comm comm, struct pulse **pulse_out)
{
	struct pulse *pulse = memory_allocate(1, sizeof *pulse);
	if (pulse == NULL)
		return STATUS_ENVIRONMENT;
	pulse->comm = comm;
	MPI_Comm_rank(comm, &pulse->rank);
	MPI_Comm_size(comm, &pulse->size);
	size_t size = (size_t)pulse->size;
	pulse->heard = memory_allocate(size, sizeof *pulse->heard);
	pulse->job_ranks = memory_allocate(size, sizeof *pulse->job_ranks);
	pulse->notes = memory_allocate(size, sizeof *pulse->notes);
	int *ranks = memory_allocate(size, sizeof *ranks);
	if (pulse->heard == NULL || pulse->job_ranks == NULL || pulse->notes == NULL || ranks == NULL) {
		free(ranks);
		pulse_destroy(pulse);
		return STATUS_ENVIRONMENT;
	}
	for (int i = 0; i < pulse->size; i++) {
		ranks[i] = i;
		pulse->notes[i] = MPI_REQUEST_NULL;
	}
	MPI_Group here, all;
	MPI_Comm_group(comm, &here);
	MPI_Comm_group(MPI_COMM_WORLD, &all);
	MPI_Group_translate_ranks(here, pulse->size, ranks, all, pulse->job_ranks);
	MPI_Group_free(&here);
	MPI_Group_free(&all);
	free(ranks);
	pulse->told = timer_seconds();
	*pulse_out = pulse;
	return STATUS_OK;
}

/* Messages without bytes need no buffer: what is still on its way may arrive later. */
void pulse_destroy(struct pulse *pulse)
{
	if (pulse == NULL)
		return;
	for (int i = 0; pulse->notes != NULL && i < pulse->size; i++)
		if (pulse->notes[i] != MPI_REQUEST_NULL)
			MPI_Request_free(&pulse->notes[i]);
	free(pulse->heard);
	free(pulse->job_ranks);
	free(pulse->notes);
	free(pulse);
}

static void take_notes(struct pulse *pulse)
{
	for (;;) {
		int found = 0;
		MPI_Message message;
		MPI_Status facts;
		MPI_Improbe(MPI_ANY_SOURCE, TAG_ALIVE, pulse->comm, &found, &message, &facts);
		if (!found)
			return;
		MPI_Mrecv(NULL, 0, MPI_BYTE, &message, MPI_STATUS_IGNORE);
		pulse->heard[facts.MPI_SOURCE] = patience_waited(&pulse->patience);
	}
}

static void send_note(struct pulse *pulse, int rank)
{
	int done = 1;
	MPI_Test(&pulse->notes[rank], &done, MPI_STATUS_IGNORE);
	if (done)
		MPI_Isend(NULL, 0, MPI_BYTE, rank, TAG_ALIVE, pulse->comm, &pulse->notes[rank]);
}

void pulse_beat(struct pulse *pulse, double timeout)
{
	double now = timer_seconds();
	if (now - pulse->told < timeout / BEATS_PER_TIMEOUT)
		return;
	pulse->told = now;
	take_notes(pulse);
	if (pulse->rank > 0)
		send_note(pulse, 0);
	else
		for (int rank = 1; rank < pulse->size; rank++)
			send_note(pulse, rank);
}

void pulse_listen(struct pulse *pulse)
{
	pulse->listening = patience_waited(&pulse->patience);
}

static double silence(const struct pulse *pulse, int rank, double now)
{
	return now - (pulse->heard[rank] > pulse->listening ? pulse->heard[rank] : pulse->listening);
}

/* Where one has been silent for the whole time, those that were for half of it are about to be: they are named with it. */
static void name_silent(const struct pulse *pulse, int first, int last, double now, double timeout, char *names,
                        size_t size)
{
	int count = 0;
	size_t used = 0;
	names[0] = '\0';
	for (int rank = first; rank <= last; rank++) {
		if (silence(pulse, rank, now) <= timeout / 2)
			continue;
		if (count++ < MOST_NAMED && used < size)
			used += (size_t)snprintf(names + used, size - used, "%s%d", count == 1 ? "" : ", ",
			                         pulse->job_ranks[rank]);
	}
	char list[512];
	snprintf(list, sizeof list, "%s", names);
	if (count > MOST_NAMED)
		snprintf(names, size, "ranks %s and %d more give no sign of life", list, count - MOST_NAMED);
	else
		snprintf(names, size, "rank%s %s give%s no sign of life", count == 1 ? "" : "s", list,
		         count == 1 ? "s" : "");
}

bool pulse_check(struct pulse *pulse, double timeout, char *names, size_t size)
{
	take_notes(pulse);
	double now = patience_waited(&pulse->patience);
	/* The first rank knows of all, the others of the first one. */
	int first = pulse->rank > 0 ? 0 : 1, last = pulse->rank > 0 ? 0 : pulse->size - 1;
	for (int rank = first; rank <= last; rank++)
		if (silence(pulse, rank, now) > timeout) {
			name_silent(pulse, first, last, now, timeout, names, size);
			return false;
		}
	return true;
}

int pulse_job_rank(const struct pulse *pulse, int rank)
{
	return pulse->job_ranks[rank];
}
