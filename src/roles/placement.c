/* Seats for trainers, then those who feed them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/placement.h"

#include <stdlib.h>

#include "base/memory.h"

enum { ROLES = ROLE_IDLE + 1 };

/* A node while seats are given out. */
struct table {
	int ranks;     /* on the node */
	int computing; /* of them at most: trainers and classifiers */
	int taken[ROLES];
};

static int taken_by_computing(const struct table *table)
{
	return table->taken[ROLE_TRAINER] + table->taken[ROLE_CLASSIFIER];
}

static int room_to_compute(const struct table *table)
{
	return table->computing - taken_by_computing(table);
}

static int room(const struct table *table)
{
	return table->ranks - taken_by_computing(table) - table->taken[ROLE_READER] - table->taken[ROLE_IDLE];
}

/* Ranks compute where they have a GPU each; where these are too few, on nodes that have any; else anywhere. */
static void limit_computing(struct table *tables, int nodes, const int *gpus, int needed)
{
	int single = 0, shared = 0;
	for (int n = 0; n < nodes && gpus != NULL; n++) {
		single += gpus[n] < tables[n].ranks ? gpus[n] : tables[n].ranks;
		shared += gpus[n] > 0 ? tables[n].ranks : 0;
	}
	for (int n = 0; n < nodes; n++) {
		tables[n].computing = tables[n].ranks;
		if (gpus != NULL && single >= needed && gpus[n] < tables[n].ranks)
			tables[n].computing = gpus[n];
		else if (gpus != NULL && shared >= needed && gpus[n] == 0)
			tables[n].computing = 0;
	}
}

/* ---- trainers */

/* The node with the smallest share of its ranks taken among those with room for so many trainers; -1: none has. */
static int emptiest(const struct table *tables, int nodes, int trainers)
{
	int best = -1;
	for (int n = 0; n < nodes; n++) {
		if (room_to_compute(&tables[n]) < trainers)
			continue;
		if (best < 0 || (int64_t)tables[n].taken[ROLE_TRAINER] * tables[best].computing <
		                        (int64_t)tables[best].taken[ROLE_TRAINER] * tables[n].computing)
			best = n;
	}
	return best;
}

/* nodes_of[0 .. size - 1]: of the trainers of one group. The first one sits on node 0. */
static void seat_group(struct table *tables, int nodes, int size, bool first, int *nodes_of)
{
	int part = size;
	for (int seated = 0; seated < size;) {
		int node =
			first && seated == 0 && room_to_compute(&tables[0]) >= part ? 0 : emptiest(tables, nodes, part);
		/* Rank 0 trains, wherever it is. */
		if (first && seated == 0 && part == 1)
			node = 0;
		if (node < 0 || (first && seated == 0 && node != 0)) {
			part /= 2;
			continue;
		}
		for (int i = 0; i < part; i++)
			nodes_of[seated + i] = node;
		tables[node].taken[ROLE_TRAINER] += part;
		seated += part;
		part = part < size - seated ? part : size - seated;
	}
}

/* ---- who feeds them */

/* The node with room that has the most ranks to feed for each rank of the role that is there, with one more. */
static int neediest(const struct table *tables, int nodes, enum role role)
{
	int best = -1;
	int64_t best_fed = 0, best_count = 1;
	for (int n = 0; n < nodes; n++) {
		bool reads = role == ROLE_READER;
		int64_t fed = reads ? taken_by_computing(&tables[n]) : tables[n].taken[ROLE_TRAINER];
		int64_t count = tables[n].taken[role] + 1;
		if (room(&tables[n]) < 1 || (role == ROLE_CLASSIFIER && room_to_compute(&tables[n]) < 1))
			continue;
		if (best < 0 || fed * best_count > best_fed * count) {
			best = n;
			best_fed = fed;
			best_count = count;
		}
	}
	return best;
}

static void seat_role(struct table *tables, int nodes, enum role role, int count)
{
	for (int i = 0; i < count; i++)
		tables[neediest(tables, nodes, role)].taken[role]++;
}

/* ---- all seats */

static int count_nodes(const int *node, int ranks)
{
	int nodes = 0;
	for (int rank = 0; rank < ranks; rank++)
		nodes = node[rank] >= nodes ? node[rank] + 1 : nodes;
	return nodes;
}

static void fill_tables(struct table *tables, int nodes, const int *gpus, const int *node, int ranks,
                        const struct split *split, int *node_of_trainer)
{
	int size = split_group_size(split);
	for (int rank = 0; rank < ranks; rank++)
		tables[node[rank]].ranks++;
	limit_computing(tables, nodes, gpus, split->trainers + split->classifiers);
	for (int group = 0; group < split->groups; group++)
		seat_group(tables, nodes, size, group == 0, node_of_trainer + group * size);
	seat_role(tables, nodes, ROLE_CLASSIFIER, split->classifiers);
	seat_role(tables, nodes, ROLE_READER, split->readers);
	for (int n = 0; n < nodes; n++)
		tables[n].taken[ROLE_IDLE] = room(&tables[n]);
}

/* The ranks of a node take its seats in their order, roles in theirs. */
static void seat_ranks(const struct table *tables, int nodes, const int *node, const int *node_of_trainer,
                       const struct split *split, int *next, struct placement *placement)
{
	/* Seats in their order, each with its node. */
	int seat = 0;
	for (; seat < split->trainers; seat++)
		placement->node[seat] = node_of_trainer[seat];
	for (int role = ROLE_CLASSIFIER; role <= ROLE_IDLE; role++)
		for (int n = 0; n < nodes; n++)
			for (int i = 0; i < tables[n].taken[role]; i++)
				placement->node[seat++] = n;
	/* next[n]: where to look for the next seat of node n. */
	for (int n = 0; n < nodes; n++)
		next[n] = 0;
	for (int rank = 0; rank < placement->ranks; rank++) {
		int *at = &next[node[rank]];
		while (placement->node[*at] != node[rank])
			(*at)++;
		placement->seat[rank] = (*at)++;
	}
}

enum status placement_create(const int *node, const int *gpus, int ranks, const struct split *split,
                             struct placement *placement_out)
{
	int nodes = count_nodes(node, ranks);
	struct table *tables = memory_allocate((size_t)nodes, sizeof *tables);
	int *node_of_trainer = memory_allocate((size_t)split->trainers, sizeof *node_of_trainer);
	int *next = memory_allocate((size_t)nodes, sizeof *next);
	*placement_out = (struct placement){ .ranks = ranks,
		                             .seat = memory_allocate((size_t)ranks, sizeof(int)),
		                             .node = memory_allocate((size_t)ranks, sizeof(int)) };
	enum status status = tables == NULL || node_of_trainer == NULL || next == NULL || placement_out->seat == NULL ||
	                                     placement_out->node == NULL
	                             ? STATUS_ENVIRONMENT
	                             : STATUS_OK;
	if (status == STATUS_OK) {
		fill_tables(tables, nodes, gpus, node, ranks, split, node_of_trainer);
		seat_ranks(tables, nodes, node, node_of_trainer, split, next, placement_out);
	}
	free(next);
	free(node_of_trainer);
	free(tables);
	return status;
}

void placement_clear(struct placement *placement)
{
	free(placement->seat);
	free(placement->node);
	*placement = (struct placement){ 0 };
}

bool placement_is_plain(const struct placement *placement)
{
	for (int rank = 0; rank < placement->ranks; rank++)
		if (placement->seat[rank] != rank)
			return false;
	return true;
}

/* ---- who asks whom */

void placement_readers(const struct placement *placement, const struct split *split, int seat, int *first, int *count)
{
	int begin = split_first(split, ROLE_READER), end = begin + split->readers, own = 0;
	*first = begin;
	*count = split->readers;
	for (int reader = end - 1; reader >= begin; reader--)
		if (placement->node[reader] == placement->node[seat]) {
			*first = reader;
			own++;
		}
	if (own > 0)
		*count = own;
}

int placement_askers(const struct placement *placement, const struct split *split, int reader, enum role role)
{
	int begin = split_first(split, role),
	    end = begin + (role == ROLE_TRAINER ? split->trainers : split->classifiers);
	int askers = 0, first, count;
	for (int seat = begin; seat < end; seat++) {
		placement_readers(placement, split, seat, &first, &count);
		askers += reader >= first && reader < first + count;
	}
	return askers;
}
