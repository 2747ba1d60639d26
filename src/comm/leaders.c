/* One message up from every group, one message down to every group.
 * SPDX-License-Identifier: Apache-2.0 */
#include "comm/leaders.h"

#include <stdlib.h>

#include "base/memory.h"

enum { TAG_ENDED = 21, TAG_RELEASE = 22 };
enum { RELEASE_WELL = 0, RELEASE_STOP = 1 };

struct leaders {
	const struct world *world;
	int groups, group_size, group;
	int ended;     /* group 0: other groups that have said so */
	bool released; /* group 0: all were told; others: were told */
	bool heard;
	int word;             /* what is being sent */
	MPI_Request *sending; /* [groups] */
};

enum status leaders_create(const struct world *world, int groups, int group_size, struct leaders **leaders_out)
{
	struct leaders *leaders = memory_allocate(1, sizeof *leaders);
	if (leaders == NULL)
		return STATUS_ENVIRONMENT;
	*leaders = (struct leaders){
		.world = world, .groups = groups, .group_size = group_size, .group = world->rank / group_size
	};
	leaders->sending = memory_allocate((size_t)groups, sizeof *leaders->sending);
	if (leaders->sending == NULL) {
		free(leaders);
		return STATUS_ENVIRONMENT;
	}
	for (int group = 0; group < groups; group++)
		leaders->sending[group] = MPI_REQUEST_NULL;
	*leaders_out = leaders;
	return STATUS_OK;
}

void leaders_destroy(struct leaders *leaders)
{
	if (leaders == NULL)
		return;
	for (int group = 0; group < leaders->groups; group++)
		if (leaders->sending[group] != MPI_REQUEST_NULL)
			return; /* the word is MPI's until the job ends (world.h) */
	free(leaders->sending);
	free(leaders);
}

static void release_all(struct leaders *leaders, int word)
{
	if (leaders->released)
		return;
	leaders->released = true;
	leaders->word = word;
	for (int group = 1; group < leaders->groups; group++)
		MPI_Isend(&leaders->word, 1, MPI_INT, group * leaders->group_size, TAG_RELEASE, leaders->world->comm,
		          &leaders->sending[group]);
}

static bool receive(const struct leaders *leaders, int rank, int tag, int *word)
{
	int found = 0;
	MPI_Message message;
	MPI_Improbe(rank, tag, leaders->world->comm, &found, &message, MPI_STATUS_IGNORE);
	if (found)
		MPI_Mrecv(word, 1, MPI_INT, &message, MPI_STATUS_IGNORE);
	return found;
}

static void poll_groups(struct leaders *leaders)
{
	int word;
	if (leaders->group > 0) {
		if (!leaders->released && receive(leaders, 0, TAG_RELEASE, &word)) {
			leaders->released = true;
			leaders->heard = word == RELEASE_STOP;
		}
		return;
	}
	while (leaders->ended < leaders->groups - 1 && receive(leaders, MPI_ANY_SOURCE, TAG_ENDED, &word)) {
		leaders->ended++;
		if (word != STATUS_OK) {
			leaders->heard = true;
			release_all(leaders, RELEASE_STOP);
		}
	}
}

bool leaders_stop_heard(struct leaders *leaders)
{
	poll_groups(leaders);
	return leaders->heard;
}

static bool all_done(struct leaders *leaders)
{
	poll_groups(leaders);
	return leaders->group > 0 ? leaders->released : leaders->ended == leaders->groups - 1;
}

enum status leaders_end(struct leaders *leaders, enum status own)
{
	unsigned naps = 0;
	if (leaders->group > 0) {
		leaders->word = (int)own;
		MPI_Isend(&leaders->word, 1, MPI_INT, 0, TAG_ENDED, leaders->world->comm, &leaders->sending[0]);
	} else if (own != STATUS_OK)
		release_all(leaders, RELEASE_STOP);
	/* No limit: the others may have hours of work, and the lifeline watches whether they run. */
	while (!all_done(leaders))
		world_nap(&naps);
	if (leaders->group == 0)
		release_all(leaders, RELEASE_WELL);
	return world_wait_all(leaders->world, leaders->groups, leaders->sending, "leaders of groups to take a word");
}
