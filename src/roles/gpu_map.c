/* Ranks and GPUs of a node as a matching, then sharing.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/gpu_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { NOBODY = -1 };

/* A node at work. */
struct node {
	const struct gpu_view *views; /* of all ranks */
	const int *ranks;             /* [rank_count] those of the node, ascending */
	int rank_count;
	struct gpu *gpus; /* [gpu_count] */
	int gpu_count;
	int *numbers; /* of all ranks: [rank * MOST_GPUS_SEEN + device]: number of the GPU on the node */
	int *owner;   /* [gpu_count] the rank that has the GPU alone, or NOBODY */
	bool *passed; /* [gpu_count] of one search */
	struct gpu_use *uses;
};

bool gpu_map_computes(enum role role)
{
	return role == ROLE_TRAINER || role == ROLE_CLASSIFIER;
}

const char *gpu_view_name(const struct gpu_view *view)
{
	return view->name != NULL ? view->name : role_name(view->role);
}

static int compare_identities(const struct cuda_identity *a, const struct cuda_identity *b)
{
	int order = strncmp(a->bus, b->bus, sizeof a->bus);
	return order != 0 ? order : memcmp(a->uuid, b->uuid, sizeof a->uuid);
}

static int compare_gpus(const void *a, const void *b)
{
	return compare_identities(&((const struct gpu *)a)->identity, &((const struct gpu *)b)->identity);
}

/* ---- the GPUs of a node */

/* All that its ranks see, once each, sorted; their count. `gpus` has room for what every rank sees. */
static int list_gpus(const struct gpu_view *views, const int *ranks, int count, struct gpu *gpus)
{
	int seen = 0, kept = 0;
	for (int i = 0; i < count; i++)
		for (int device = 0; device < views[ranks[i]].count; device++)
			gpus[seen++] = (struct gpu){ .identity = views[ranks[i]].gpus[device] };
	qsort(gpus, (size_t)seen, sizeof *gpus, compare_gpus);
	for (int i = 0; i < seen; i++)
		if (kept == 0 || compare_gpus(&gpus[kept - 1], &gpus[i]) != 0)
			gpus[kept++] = gpus[i];
	return kept;
}

static void number_devices(const struct node *node)
{
	for (int i = 0; i < node->rank_count; i++) {
		const struct gpu_view *view = &node->views[node->ranks[i]];
		for (int device = 0; device < view->count; device++) {
			struct gpu key = { .identity = view->gpus[device] };
			const struct gpu *found =
				bsearch(&key, node->gpus, (size_t)node->gpu_count, sizeof *node->gpus, compare_gpus);
			node->numbers[node->ranks[i] * MOST_GPUS_SEEN + device] = (int)(found - node->gpus);
		}
	}
}

/* ---- a GPU each */

/* Finds this rank a GPU of its own, moving others to GPUs that they see as well; who has one keeps one. */
static bool find_own(const struct node *node, int rank)
{
	const int *numbers = &node->numbers[rank * MOST_GPUS_SEEN];
	int count = node->views[rank].count;
	for (int device = 0; device < count; device++)
		if (node->owner[numbers[device]] == NOBODY && !node->passed[numbers[device]]) {
			node->owner[numbers[device]] = rank;
			return true;
		}
	for (int device = 0; device < count; device++) {
		int gpu = numbers[device];
		if (node->passed[gpu])
			continue;
		node->passed[gpu] = true;
		if (find_own(node, node->owner[gpu])) {
			node->owner[gpu] = rank;
			return true;
		}
	}
	return false;
}

static void give_own(const struct node *node, enum role role)
{
	for (int i = 0; i < node->rank_count; i++) {
		if (node->views[node->ranks[i]].role != role)
			continue;
		memset(node->passed, 0, (size_t)node->gpu_count * sizeof *node->passed);
		(void)find_own(node, node->ranks[i]);
	}
}

/* ---- sharing */

static void take(const struct node *node, int rank, int device)
{
	struct gpu *gpu = &node->gpus[node->numbers[rank * MOST_GPUS_SEEN + device]];
	node->uses[rank] = (struct gpu_use){ .device = device, .gpu = (int)(gpu - node->gpus) };
	gpu->ranks++;
	gpu->trainers += node->views[rank].role == ROLE_TRAINER;
}

static void settle_owners(const struct node *node)
{
	for (int i = 0; i < node->rank_count; i++) {
		int rank = node->ranks[i];
		for (int device = 0; device < node->views[rank].count; device++)
			if (node->owner[node->numbers[rank * MOST_GPUS_SEEN + device]] == rank) {
				take(node, rank, device);
				break;
			}
	}
}

static bool is_freer(const struct gpu *a, const struct gpu *b)
{
	return a->trainers != b->trainers ? a->trainers < b->trainers : a->ranks < b->ranks;
}

static void share(const struct node *node, enum role role)
{
	for (int i = 0; i < node->rank_count; i++) {
		int rank = node->ranks[i], best = 0;
		const int *numbers = &node->numbers[rank * MOST_GPUS_SEEN];
		if (node->views[rank].role != role || node->uses[rank].device >= 0 || node->views[rank].count == 0)
			continue;
		for (int device = 1; device < node->views[rank].count; device++)
			if (is_freer(&node->gpus[numbers[device]], &node->gpus[numbers[best]]))
				best = device;
		take(node, rank, best);
	}
}

static void map_node(const struct node *node)
{
	number_devices(node);
	for (int gpu = 0; gpu < node->gpu_count; gpu++)
		node->owner[gpu] = NOBODY;
	give_own(node, ROLE_TRAINER);
	give_own(node, ROLE_CLASSIFIER);
	settle_owners(node);
	share(node, ROLE_TRAINER);
	share(node, ROLE_CLASSIFIER);
	for (int i = 0; i < node->rank_count; i++) {
		struct gpu_use *use = &node->uses[node->ranks[i]];
		use->sharers = use->gpu < 0 ? 0 : node->gpus[use->gpu].ranks;
	}
}

/* ---- all nodes */

static int count_nodes(const struct gpu_view *views, int ranks)
{
	int nodes = 0;
	for (int rank = 0; rank < ranks; rank++)
		nodes = views[rank].node >= nodes ? views[rank].node + 1 : nodes;
	return nodes;
}

/* Ranks node by node into `order`; begin[n]: where those of node n begin, begin[nodes] = ranks. */
static void sort_by_node(const struct gpu_view *views, int ranks, int nodes, int *order, int *begin)
{
	memset(begin, 0, (size_t)(nodes + 1) * sizeof *begin);
	for (int rank = 0; rank < ranks; rank++)
		begin[views[rank].node + 1]++;
	for (int node = 0; node < nodes; node++)
		begin[node + 1] += begin[node];
	for (int rank = 0; rank < ranks; rank++)
		order[begin[views[rank].node]++] = rank;
	for (int node = nodes; node > 0; node--)
		begin[node] = begin[node - 1];
	begin[0] = 0;
}

static int total_seen(const struct gpu_view *views, int ranks)
{
	int seen = 0;
	for (int rank = 0; rank < ranks; rank++)
		seen += views[rank].count;
	return seen;
}

enum status gpu_map_create(const struct gpu_view *views, int ranks, struct gpu_map *map_out)
{
	int nodes = count_nodes(views, ranks), seen = total_seen(views, ranks);
	*map_out = (struct gpu_map){ .ranks = ranks, .nodes = nodes };
	map_out->uses = memory_allocate((size_t)ranks, sizeof *map_out->uses);
	map_out->gpus = memory_allocate((size_t)seen, sizeof *map_out->gpus);
	map_out->first = memory_allocate((size_t)nodes + 1, sizeof *map_out->first);
	int *order = memory_allocate((size_t)ranks, sizeof *order);
	int *begin = memory_allocate((size_t)nodes + 1, sizeof *begin);
	struct node node = { .views = views, .uses = map_out->uses };
	node.numbers = memory_allocate((size_t)ranks * MOST_GPUS_SEEN, sizeof *node.numbers);
	node.owner = memory_allocate((size_t)seen, sizeof *node.owner);
	node.passed = memory_allocate((size_t)seen, sizeof *node.passed);
	enum status status = map_out->uses == NULL || map_out->gpus == NULL || map_out->first == NULL ||
	                                     order == NULL || begin == NULL || node.numbers == NULL ||
	                                     node.owner == NULL || node.passed == NULL
	                             ? STATUS_ENVIRONMENT
	                             : STATUS_OK;
	for (int rank = 0; rank < ranks && status == STATUS_OK; rank++)
		map_out->uses[rank] = (struct gpu_use){ .device = -1, .gpu = -1 };
	if (status == STATUS_OK)
		sort_by_node(views, ranks, nodes, order, begin);
	for (int i = 0; i < nodes && status == STATUS_OK; i++) {
		node.ranks = order + begin[i];
		node.rank_count = begin[i + 1] - begin[i];
		node.gpus = map_out->gpus + map_out->first[i];
		node.gpu_count = list_gpus(views, node.ranks, node.rank_count, node.gpus);
		map_out->first[i + 1] = map_out->first[i] + node.gpu_count;
		map_node(&node);
	}
	free(node.passed);
	free(node.owner);
	free(node.numbers);
	free(begin);
	free(order);
	return status;
}

void gpu_map_clear(struct gpu_map *map)
{
	free(map->uses);
	free(map->gpus);
	free(map->first);
	*map = (struct gpu_map){ 0 };
}

int gpu_map_blind(const struct gpu_map *map, const struct gpu_view *views)
{
	for (int rank = 0; rank < map->ranks; rank++)
		if (gpu_map_computes(views[rank].role) && map->uses[rank].device < 0)
			return rank;
	return -1;
}
