/* Tests of src/roles/placement: groups of trainers whole on a node where they fit, those who feed them beside them, whatever the
 * distribution of ranks over nodes; every seat taken once.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "roles/placement.h"

enum { MOST_RANKS = 256, MOST_NODES = 64 };

enum distribution { BLOCK, CYCLIC };

static struct split split_of(int groups, int size, int classifiers, int readers, int idle)
{
	return (struct split){ .trainers = groups * size,
		               .groups = groups,
		               .classifiers = classifiers,
		               .readers = readers,
		               .idle = idle };
}

static int ranks_of(const struct split *split)
{
	return split->trainers + split->classifiers + split->readers + split->idle;
}

static void distribute(enum distribution distribution, int nodes, int ranks, int *node)
{
	for (int rank = 0; rank < ranks; rank++)
		node[rank] = distribution == BLOCK ? rank / (ranks / nodes) : rank % nodes;
}

/* Every seat once, on the node of its rank; rank 0 first; readers asked by as many as ask them. */
static void check_seats(const struct placement *placement, const int *node, const struct split *split)
{
	int ranks = ranks_of(split), taken[MOST_RANKS] = { 0 }, askers = 0, asked = 0;
	assert_int_equal(placement->seat[0], 0);
	for (int rank = 0; rank < ranks; rank++) {
		assert_in_range(placement->seat[rank], 0, ranks - 1);
		assert_int_equal(placement->node[placement->seat[rank]], node[rank]);
		assert_int_equal(taken[placement->seat[rank]]++, 0);
	}
	for (int seat = 0; seat < split->trainers + split->classifiers; seat++) {
		int first, count;
		placement_readers(placement, split, seat, &first, &count);
		askers += count;
		for (int reader = first; reader < first + count; reader++)
			assert_int_equal(split_role(split, reader), ROLE_READER);
	}
	for (int reader = split_first(split, ROLE_READER); reader < split_first(split, ROLE_IDLE); reader++)
		asked += placement_askers(placement, split, reader, ROLE_TRAINER) +
		         placement_askers(placement, split, reader, ROLE_CLASSIFIER);
	assert_int_equal(askers, asked);
}

static void place(const int *node, const int *gpus, const struct split *split, struct placement *placement)
{
	assert_int_equal(placement_create(node, gpus, ranks_of(split), split, placement), STATUS_OK);
	check_seats(placement, node, split);
}

/* Ranks of a role on a node. */
static int count(const struct placement *placement, const struct split *split, int node, enum role role)
{
	int found = 0;
	for (int seat = 0; seat < placement->ranks; seat++)
		found += placement->node[seat] == node && split_role(split, seat) == role;
	return found;
}

static void one_node_leaves_all_as_it_is(void **state)
{
	(void)state;
	static const int node[16];
	for (int groups = 1; groups <= 4; groups++) {
		struct split split = split_of(groups, 2, 3, 2, 11 - 2 * groups);
		struct placement placement;
		place(node, NULL, &split, &placement);
		assert_true(placement_is_plain(&placement));
		placement_clear(&placement);
	}
}

/* srun -N 16 --ntasks-per-node=8, and the same dealt out in turn. */
static void sixteen_nodes_of_eight(void **state)
{
	(void)state;
	struct split split = split_of(16, 4, 48, 16, 0);
	for (int distribution = BLOCK; distribution <= CYCLIC; distribution++) {
		int node[128];
		struct placement placement;
		distribute((enum distribution)distribution, 16, 128, node);
		place(node, NULL, &split, &placement);
		for (int n = 0; n < 16; n++) {
			assert_int_equal(count(&placement, &split, n, ROLE_TRAINER), 4);
			assert_int_equal(count(&placement, &split, n, ROLE_CLASSIFIER), 3);
			assert_int_equal(count(&placement, &split, n, ROLE_READER), 1);
		}
		for (int seat = 0; seat < split.trainers; seat++)
			assert_int_equal(placement.node[seat], placement.node[seat / 4 * 4]);
		/* All ask the reader on their own node. */
		for (int seat = 0; seat < split.trainers + split.classifiers; seat++) {
			int first, readers;
			placement_readers(&placement, &split, seat, &first, &readers);
			assert_int_equal(readers, 1);
			assert_int_equal(placement.node[first], placement.node[seat]);
		}
		placement_clear(&placement);
	}
}

/* Few groups are spread, so that each has room beside it for who feeds it. */
static void groups_are_spread(void **state)
{
	(void)state;
	struct split split = split_of(4, 4, 12, 4, 0);
	int node[32];
	struct placement placement;
	distribute(BLOCK, 4, 32, node);
	place(node, NULL, &split, &placement);
	for (int n = 0; n < 4; n++) {
		assert_int_equal(count(&placement, &split, n, ROLE_TRAINER), 4);
		assert_int_equal(count(&placement, &split, n, ROLE_CLASSIFIER), 3);
		assert_int_equal(count(&placement, &split, n, ROLE_READER), 1);
	}
	placement_clear(&placement);
}

/* Many classifiers leave each node a seat for a reader. */
static void every_node_has_its_reader(void **state)
{
	(void)state;
	struct split split = split_of(4, 4, 96, 16, 0);
	int node[128];
	struct placement placement;
	distribute(CYCLIC, 16, 128, node);
	place(node, NULL, &split, &placement);
	for (int n = 0; n < 16; n++) {
		assert_int_equal(count(&placement, &split, n, ROLE_TRAINER), n < 4 ? 4 : 0);
		assert_int_equal(count(&placement, &split, n, ROLE_READER), 1);
	}
	placement_clear(&placement);
}

/* A group that no node holds takes as few nodes as can be, in whole powers of two: trainers that exchange half of everything sit on
 * one node. */
static void a_group_over_several_nodes(void **state)
{
	(void)state;
	for (int distribution = BLOCK; distribution <= CYCLIC; distribution++) {
		int node[144];
		struct placement placement;
		struct split split = split_of(1, 64, 40, 24, 0);
		distribute((enum distribution)distribution, 16, 128, node);
		place(node, NULL, &split, &placement);
		for (int seat = 0; seat < 64; seat++)
			assert_int_equal(placement.node[seat], seat / 8);
		placement_clear(&placement);
		/* A ninth rank of each node reads: for its own eight trainers. */
		split = split_of(1, 128, 0, 16, 0);
		distribute((enum distribution)distribution, 16, 144, node);
		place(node, NULL, &split, &placement);
		for (int seat = 0; seat < 128; seat++) {
			int first, readers;
			placement_readers(&placement, &split, seat, &first, &readers);
			assert_int_equal(placement.node[seat], seat / 8);
			assert_int_equal(readers, 1);
			assert_int_equal(placement.node[first], placement.node[seat]);
		}
		placement_clear(&placement);
	}
	/* Six ranks a node: four and four rather than six and two. */
	int node[12];
	struct placement placement;
	struct split split = split_of(1, 8, 2, 2, 0);
	distribute(BLOCK, 2, 12, node);
	place(node, NULL, &split, &placement);
	for (int seat = 0; seat < 8; seat++)
		assert_int_equal(placement.node[seat], seat / 4);
	for (int n = 0; n < 2; n++)
		assert_int_equal(
			count(&placement, &split, n, ROLE_CLASSIFIER) + count(&placement, &split, n, ROLE_READER), 2);
	assert_int_equal(count(&placement, &split, 0, ROLE_READER), 1);
	placement_clear(&placement);
}

static void one_rank_a_node(void **state)
{
	(void)state;
	struct split split = split_of(2, 4, 6, 2, 0);
	int node[16];
	struct placement placement;
	distribute(BLOCK, 16, 16, node);
	place(node, NULL, &split, &placement);
	assert_true(placement_is_plain(&placement));
	placement_clear(&placement);
}

/* Ranks that compute go where the GPUs are, and no more of them than there are. */
static void nodes_with_and_without_gpus(void **state)
{
	(void)state;
	int node[36];
	struct placement placement;
	/* Eight GPUs and nine ranks each. */
	static const int eight[] = { 8, 8, 8, 8 };
	struct split split = split_of(4, 4, 16, 4, 0);
	distribute(BLOCK, 4, 36, node);
	place(node, eight, &split, &placement);
	for (int n = 0; n < 4; n++) {
		assert_int_equal(
			count(&placement, &split, n, ROLE_TRAINER) + count(&placement, &split, n, ROLE_CLASSIFIER), 8);
		assert_int_equal(count(&placement, &split, n, ROLE_READER), 1);
	}
	placement_clear(&placement);
	/* The second of three nodes has none. */
	static const int some[] = { 4, 0, 4 };
	split = split_of(1, 4, 4, 4, 0);
	distribute(BLOCK, 3, 12, node);
	place(node, some, &split, &placement);
	assert_int_equal(count(&placement, &split, 1, ROLE_READER), 4);
	placement_clear(&placement);
	/* Too few GPUs for all: shared, but only where there are any. */
	static const int few[] = { 2, 0, 2 };
	place(node, few, &split, &placement);
	assert_int_equal(count(&placement, &split, 1, ROLE_READER), 4);
	placement_clear(&placement);
	/* Not even that: rank 0 trains wherever it is, and nothing is left out. */
	static const int last[] = { 0, 0, 1 };
	place(node, last, &split, &placement);
	placement_clear(&placement);
}

static void any_shape_is_seated(void **state)
{
	(void)state;
	unsigned seed = 7;
	for (int shape = 0; shape < 3000; shape++) {
		int draws[8], node[MOST_RANKS], gpus[MOST_NODES], nodes = 0;
		for (int i = 0; i < 8; i++) {
			seed = seed * 1664525 + 1013904223;
			draws[i] = (int)(seed >> 18);
		}
		struct split split =
			split_of(1 + draws[0] % 6, 1 << draws[1] % 4, draws[2] % 40, draws[3] % 20, draws[4] % 9);
		int ranks = ranks_of(&split), most = 1 + draws[5] % (ranks < MOST_NODES ? ranks : MOST_NODES);
		for (int rank = 0; rank < ranks; rank++) {
			seed = seed * 1664525 + 1013904223;
			int drawn = (int)((seed >> 18) % (unsigned)most);
			node[rank] = rank == 0 ? 0 : drawn < nodes ? drawn : nodes;
			nodes = node[rank] >= nodes ? node[rank] + 1 : nodes;
		}
		for (int n = 0; n < nodes; n++)
			gpus[n] = (draws[6] + n * 5) % 5;
		struct placement placement;
		place(node, draws[7] % 2 == 0 ? NULL : gpus, &split, &placement);
		placement_clear(&placement);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_node_leaves_all_as_it_is),
		cmocka_unit_test(sixteen_nodes_of_eight),
		cmocka_unit_test(groups_are_spread),
		cmocka_unit_test(every_node_has_its_reader),
		cmocka_unit_test(a_group_over_several_nodes),
		cmocka_unit_test(one_rank_a_node),
		cmocka_unit_test(nodes_with_and_without_gpus),
		cmocka_unit_test(any_shape_is_seated),
	};
	return cmocka_run_group_tests_name("roles_placement", tests, NULL, NULL);
}
