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

static int smaller(int a, int b)
{
	return a < b ? a : b;
}

/* Seats of a node that classifiers can still have. */
static int room_to_classify(const struct table *table)
{
	int seats = smaller(room(table), room_to_compute(table));
	return seats > 0 ? seats : 0;
}

/* How many ranks of a node a reader or classifier there feeds: a classifier its trainers, a reader all that will compute, as readers
 * have their seats first. */
static int64_t fed(const struct table *table, enum role role)
{
	return role == ROLE_READER ? table->computing : table->taken[ROLE_TRAINER];
}

/* The node with a seat that has the most to feed for each rank of the role that is there, with one more. `spare`: seats that readers may
 * take from classifiers. Of equal nodes readers take the last, classifiers the first. */
static int neediest(const struct table *tables, int nodes, enum role role, int spare)
{
	int best = -1;
	for (int i = 0; i < nodes; i++) {
		bool reads = role == ROLE_READER;
		int n = reads ? nodes - 1 - i : i;
		const struct table *table = &tables[n];
		bool robs = reads && spare == 0 && room(table) <= room_to_compute(table);
		if ((reads ? room(table) : room_to_classify(table)) < 1 || robs)
			continue;
		if (best < 0 || fed(table, role) * (tables[best].taken[role] + 1) >
		                        fed(&tables[best], role) * (table->taken[role] + 1))
			best = n;
	}
	return best;
}

static int seats_to_classify(const struct table *tables, int nodes)
{
	int seats = 0;
	for (int n = 0; n < nodes; n++)
		seats += room_to_classify(&tables[n]);
	return seats;
}

static void seat_readers(struct table *tables, int nodes, const struct split *split)
{
	for (int i = 0; i < split->readers; i++) {
		int spare = seats_to_classify(tables, nodes) - split->classifiers;
		tables[neediest(tables, nodes, ROLE_READER, spare)].taken[ROLE_READER]++;
	}
}

static void seat_classifiers(struct table *tables, int nodes, const struct split *split)
{
	for (int i = 0; i < split->classifiers; i++)
		tables[neediest(tables, nodes, ROLE_CLASSIFIER, 0)].taken[ROLE_CLASSIFIER]++;
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
	seat_readers(tables, nodes, split);
	seat_classifiers(tables, nodes, split);
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
