/* Which GPU each rank opens: a pure function of what all ranks see, so that every rank comes to the same map.
 *
 * Only ranks that compute take a GPU. On a node trainers come first, in rank order, and get one each for as long as there are
 * enough; classifiers get what is left. Who finds none free shares: a classifier with as few trainers as can be, a trainer
 * with as few trainers, then with as few ranks. Ranks may see all GPUs of their node, some, or one of their own that is number
 * 0 to each of them (srun --gpus-per-task): GPUs are told apart by what they are, not by their numbers, and a rank is moved
 * to another GPU that it sees where that leaves one for a rank that sees fewer.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_GPU_MAP_H
#define CAPSHAPE_ROLES_GPU_MAP_H

#include "base/status.h"
#include "kernels/kernels.h"
#include "roles/split.h"

enum { MOST_GPUS_SEEN = 16 }; /* by one rank: those beyond are left alone */

/* What a rank sees, and what it is for. */
struct gpu_view {
	int node; /* nodes are numbered 0 .. in the order of their first ranks */
	enum role role;
	const char *name; /* what a rank of this role is called; NULL: role_name() */
	int count;
	struct cuda_identity gpus[MOST_GPUS_SEEN];
};

struct gpu_use {
	int device;  /* number of the GPU in the rank's own view; -1: takes none */
	int gpu;     /* its number on the node; -1 */
	int sharers; /* ranks that compute on it, this one included; 0 */
};

/* A GPU that some rank of the node sees. Of a node they are in the order of bus addresses, as nvidia-smi has them. */
struct gpu {
	struct cuda_identity identity;
	int trainers, ranks; /* that compute on it */
};

struct gpu_map {
	int ranks, nodes;
	struct gpu_use *uses; /* [ranks] */
	struct gpu *gpus;     /* of node n: [first[n]] .. [first[n + 1] - 1] */
	int *first;           /* [nodes + 1] */
};

/* views[ranks]. A rank that computes and sees no GPU has device -1: gpu_map_blind() finds it. gpu_map_clear() in any case. */
enum status gpu_map_create(const struct gpu_view *views, int ranks, struct gpu_map *map_out);
void gpu_map_clear(struct gpu_map *map);
/* The first rank that is to compute and sees no GPU; -1: none. */
int gpu_map_blind(const struct gpu_map *map, const struct gpu_view *views);
/* What the rank is called in messages. */
const char *gpu_view_name(const struct gpu_view *view);
/* Whether a rank of this role runs models. */
bool gpu_map_computes(enum role role);

#endif
