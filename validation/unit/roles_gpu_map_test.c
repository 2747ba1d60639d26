/* Tests of src/roles/gpu_map and gpu_text: who opens which GPU, on nodes of many kinds; nobody without one, none twice where there
 * are enough.
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "roles/gpu_text.h"

enum { T = ROLE_TRAINER, C = ROLE_CLASSIFIER, R = ROLE_READER, I = ROLE_IDLE, MOST = 1024 };

/* GPU `number` of a node. */
static struct cuda_identity gpu_of(int node, int number)
{
	struct cuda_identity identity = { .uuid = { (unsigned char)node, (unsigned char)(node >> 8),
		                                    (unsigned char)number } };
	snprintf(identity.bus, sizeof identity.bus, "0000:%02x:00.0", (unsigned char)(16 + number));
	return identity;
}

/* A rank that sees `count` GPUs of its node, from `first` on. */
static struct gpu_view view(int node, int role, int first, int count)
{
	struct gpu_view view = { .node = node, .role = (enum role)role, .count = count };
	for (int i = 0; i < count; i++)
		view.gpus[i] = gpu_of(node, first + i);
	return view;
}

static void map(const struct gpu_view *views, int ranks, struct gpu_map *map)
{
	assert_int_equal(gpu_map_create(views, ranks, map), STATUS_OK);
	assert_int_equal(map->ranks, ranks);
}

static void expect_text(char *text, const char *expected)
{
	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

static void expect_devices(const struct gpu_view *views, int ranks, const int *devices)
{
	struct gpu_map found;
	map(views, ranks, &found);
	for (int rank = 0; rank < ranks; rank++)
		assert_int_equal(found.uses[rank].device, devices[rank]);
	gpu_map_clear(&found);
}

static void eight_ranks_take_eight_gpus(void **state)
{
	(void)state;
	static const int roles[] = { T, T, T, T, C, C, R, I }, devices[] = { 0, 1, 2, 3, 4, 5, -1, -1 };
	struct gpu_view views[8];
	struct gpu_map found;
	bool trainers;
	for (int rank = 0; rank < 8; rank++)
		views[rank] = view(0, roles[rank], 0, 8);
	expect_devices(views, 8, devices);
	map(views, 8, &found);
	assert_int_equal(found.first[1], 8);
	expect_text(
		gpu_text_node(&found, views, 0),
		"trainers 0-3 on GPUs 0-3, classifiers 4,5 on GPUs 4,5, reader 6 without a GPU, idle 7 without a GPU");
	expect_text(gpu_text_idle(&found, 0), "GPU 6 (0000:16:00.0), GPU 7 (0000:17:00.0)");
	expect_text(gpu_text_shared(&found, views, 0, &trainers), "");
	assert_false(trainers);
	gpu_map_clear(&found);
}

/* Whatever the order of the ranks. */
static void trainers_come_first(void **state)
{
	(void)state;
	static const int roles[] = { R, C, C, T, R, T }, devices[] = { -1, 2, 2, 0, -1, 1 };
	struct gpu_view views[6];
	for (int rank = 0; rank < 6; rank++)
		views[rank] = view(0, roles[rank], 0, 3);
	expect_devices(views, 6, devices);
}

static void eight_trainers_share_four_gpus(void **state)
{
	(void)state;
	static const int devices[] = { 0, 1, 2, 3, 0, 1, 2, 3 };
	struct gpu_view views[8];
	struct gpu_map found;
	bool trainers;
	for (int rank = 0; rank < 8; rank++)
		views[rank] = view(0, T, 0, 4);
	expect_devices(views, 8, devices);
	map(views, 8, &found);
	for (int rank = 0; rank < 8; rank++)
		assert_int_equal(found.uses[rank].sharers, 2);
	expect_text(gpu_text_node(&found, views, 0), "trainers 0-7 on GPUs 0-3,0-3");
	expect_text(gpu_text_idle(&found, 0), "");
	expect_text(gpu_text_shared(&found, views, 0, &trainers),
	            "GPU 0 (trainers 0,4), GPU 1 (trainers 1,5), GPU 2 (trainers 2,6), GPU 3 (trainers 3,7)");
	assert_true(trainers);
	gpu_map_clear(&found);
}

/* Classifiers share with each other before they disturb a trainer, and trainers share last. */
static void classifiers_share_before_trainers_do(void **state)
{
	(void)state;
	static const int roles[] = { T, T, C, C, C, C, R, R }, devices[] = { 0, 1, 2, 3, 2, 3, -1, -1 };
	struct gpu_view views[8];
	struct gpu_map found;
	bool trainers;
	for (int rank = 0; rank < 8; rank++)
		views[rank] = view(0, roles[rank], 0, 4);
	expect_devices(views, 8, devices);
	/* One GPU less than trainers: the classifiers go to trainers that are alone. */
	static const int fewer[] = { T, T, T, T, T, C, C }, fewer_devices[] = { 0, 1, 2, 3, 0, 1, 2 };
	for (int rank = 0; rank < 7; rank++)
		views[rank] = view(0, fewer[rank], 0, 4);
	expect_devices(views, 7, fewer_devices);
	map(views, 7, &found);
	expect_text(gpu_text_shared(&found, views, 0, &trainers),
	            "GPU 0 (trainers 0,4), GPU 1 (trainer 1, classifier 5), GPU 2 (trainer 2, classifier 6)");
	assert_true(trainers);
	gpu_map_clear(&found);
}

/* srun --gpus-per-task: each GPU is number 0 to its rank, and yet they are different. */
static void ranks_with_gpus_of_their_own(void **state)
{
	(void)state;
	static const int devices[] = { 0, 0, 0, 0, 0, 0, 0, -1 };
	struct gpu_view views[8];
	struct gpu_map found;
	for (int rank = 0; rank < 8; rank++)
		views[rank] = view(0, rank < 4 ? T : rank < 7 ? C : R, 7 - rank, 1);
	expect_devices(views, 8, devices);
	map(views, 8, &found);
	for (int rank = 0; rank < 7; rank++) {
		assert_int_equal(found.uses[rank].gpu, 7 - rank);
		assert_int_equal(found.uses[rank].sharers, 1);
	}
	expect_text(gpu_text_node(&found, views, 0),
	            "trainers 0-3 on GPUs 7,6,5,4, classifiers 4-6 on GPUs 3,2,1, reader 7 without a GPU");
	expect_text(gpu_text_idle(&found, 0), "GPU 0 (0000:10:00.0)");
	gpu_map_clear(&found);
}

/* Instances of one GPU: one address, different identities; to CUDA each process sees one. */
static void instances_of_mig(void **state)
{
	(void)state;
	struct gpu_view views[4];
	struct gpu_map found;
	for (int rank = 0; rank < 4; rank++) {
		views[rank] = view(0, rank < 2 ? T : C, 0, 1);
		views[rank].gpus[0].uuid[3] = (unsigned char)(rank == 3 ? 2 : rank);
	}
	map(views, 4, &found);
	assert_int_equal(found.first[1], 3);
	for (int rank = 0; rank < 4; rank++) {
		assert_int_equal(found.uses[rank].gpu, rank == 3 ? 2 : rank);
		assert_int_equal(found.uses[rank].sharers, rank < 2 ? 1 : 2);
	}
	gpu_map_clear(&found);
}

/* Who sees more moves aside for who sees less. */
static void different_views_of_one_node(void **state)
{
	(void)state;
	struct gpu_view views[] = { view(0, T, 0, 2), view(0, T, 0, 1), view(0, C, 0, 3), view(0, T, 2, 2) };
	static const int devices[] = { 1, 0, 2, 1 };
	expect_devices(views, 4, devices);
}

static void one_rank_a_node(void **state)
{
	(void)state;
	struct gpu_view views[16];
	struct gpu_map found;
	for (int rank = 0; rank < 16; rank++)
		views[rank] = view(rank, rank < 8 ? T : rank < 14 ? C : R, 0, 8);
	map(views, 16, &found);
	assert_int_equal(found.nodes, 16);
	for (int rank = 0; rank < 16; rank++) {
		assert_int_equal(found.uses[rank].device, rank < 14 ? 0 : -1);
		assert_int_equal(found.first[rank + 1] - found.first[rank], 8);
	}
	expect_text(gpu_text_node(&found, views, 3), "trainer 0 on GPU 0");
	expect_text(gpu_text_node(&found, views, 15), "reader 0 without a GPU");
	gpu_map_clear(&found);
}

static void a_node_without_gpus(void **state)
{
	(void)state;
	struct gpu_view views[] = { view(0, T, 0, 2), view(0, T, 0, 2), view(1, R, 0, 0), view(1, C, 0, 0),
		                    view(2, C, 0, 1) };
	struct gpu_map found;
	map(views, 5, &found);
	assert_int_equal(gpu_map_blind(&found, views), 3);
	assert_int_equal(found.uses[3].device, -1);
	assert_int_equal(found.uses[4].device, 0);
	gpu_map_clear(&found);
	views[3].role = ROLE_READER;
	map(views, 5, &found);
	assert_int_equal(gpu_map_blind(&found, views), -1);
	gpu_map_clear(&found);
	for (int rank = 0; rank < 5; rank++)
		views[rank].count = 0;
	map(views, 5, &found);
	assert_int_equal(gpu_map_blind(&found, views), 0);
	expect_text(gpu_text_idle(&found, 0), "");
	gpu_map_clear(&found);
}

/* No GPU has two ranks while another that one of them sees has none; nobody who computes is left out; the same twice. */
static void check_fair(const struct gpu_view *views, int ranks)
{
	struct gpu_map found, again;
	map(views, ranks, &found);
	map(views, ranks, &again);
	for (int rank = 0; rank < ranks; rank++) {
		const struct gpu_use *use = &found.uses[rank];
		const struct gpu *gpus = found.gpus + found.first[views[rank].node];
		assert_memory_equal(use, &again.uses[rank], sizeof *use);
		if (!gpu_map_computes(views[rank].role) || views[rank].count == 0) {
			assert_int_equal(use->device, -1);
			continue;
		}
		assert_in_range(use->device, 0, views[rank].count - 1);
		assert_memory_equal(&gpus[use->gpu].identity, &views[rank].gpus[use->device], sizeof gpus->identity);
		assert_int_equal(use->sharers, gpus[use->gpu].ranks);
		for (int i = 0;
		     use->sharers > 1 && i < found.first[views[rank].node + 1] - found.first[views[rank].node]; i++)
			for (int device = 0; device < views[rank].count; device++)
				if (memcmp(&gpus[i].identity, &views[rank].gpus[device], sizeof gpus->identity) == 0)
					assert_true(gpus[i].ranks > 0);
	}
	gpu_map_clear(&found);
	gpu_map_clear(&again);
}

static unsigned draw(unsigned *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 16;
}

static void thousands_of_ranks(void **state)
{
	(void)state;
	struct gpu_view *views = calloc(MOST, sizeof *views);
	unsigned seed = 1;
	assert_non_null(views);
	for (int shape = 0; shape < 40; shape++) {
		int a_node = shape == 0 ? 8 : 1 + (int)(draw(&seed) % 24),
		    gpus = shape == 0 ? 8 : (int)(draw(&seed) % 9);
		int nodes = 0;
		for (int rank = 0; rank < MOST; rank++) {
			bool cyclic = shape % 3 == 2;
			int all = (MOST + a_node - 1) / a_node, node = cyclic ? rank % all : rank / a_node;
			int first = gpus > 0 && shape % 2 == 1 ? (int)(draw(&seed) % (unsigned)gpus) : 0;
			int count =
				gpus > 0 && shape % 2 == 1 ? 1 + (int)(draw(&seed) % (unsigned)(gpus - first)) : gpus;
			views[rank] = view(node, (int)(draw(&seed) % 4), first, count);
			nodes = node >= nodes ? node + 1 : nodes;
		}
		check_fair(views, MOST);
	}
	/* 16 nodes of eight, all of which compute. */
	for (int rank = 0; rank < 128; rank++)
		views[rank] = view(rank / 8, rank % 8 < 4 ? T : C, 0, 8);
	struct gpu_map found;
	map(views, 128, &found);
	for (int rank = 0; rank < 128; rank++)
		assert_int_equal(found.uses[rank].device, rank % 8);
	expect_text(gpu_text_node(&found, views, 0), "trainers 0-3 on GPUs 0-3, classifiers 4-7 on GPUs 4-7");
	expect_text(gpu_text_node(&found, views, 15), "trainers 0-3 on GPUs 0-3, classifiers 4-7 on GPUs 4-7");
	gpu_map_clear(&found);
	free(views);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eight_ranks_take_eight_gpus),
		cmocka_unit_test(trainers_come_first),
		cmocka_unit_test(eight_trainers_share_four_gpus),
		cmocka_unit_test(classifiers_share_before_trainers_do),
		cmocka_unit_test(ranks_with_gpus_of_their_own),
		cmocka_unit_test(instances_of_mig),
		cmocka_unit_test(different_views_of_one_node),
		cmocka_unit_test(one_rank_a_node),
		cmocka_unit_test(a_node_without_gpus),
		cmocka_unit_test(thousands_of_ranks),
	};
	return cmocka_run_group_tests_name("roles_gpu_map", tests, NULL, NULL);
}
