/* Shares of the cores of a node.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* sched_getaffinity */
#endif
#include "comm/cores.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#include <sched.h>
#include <stdlib.h>

#include "base/memory.h"
#include "comm/quota.h"

/* Of a sum of fractions 1 / n: what is this near to a whole number is that number. */
#define ROUNDING 1e-6

static bool has_core(const struct core_mask *mask, int core)
{
	return mask->words[core / 64] >> core % 64 & 1;
}

double cores_share(const struct core_mask *masks, int count, int own)
{
	double share = 0;
	for (int core = 0; core < MOST_CORES; core++) {
		int users = 0;
		if (!has_core(&masks[own], core))
			continue;
		for (int rank = 0; rank < count; rank++)
			users += has_core(&masks[rank], core);
		share += 1.0 / users;
	}
	return share;
}

int cores_threads(double share)
{
	int threads = (int)(share + ROUNDING);
	return threads < 1 ? 1 : threads;
}

static void add_core(struct core_mask *mask, int core)
{
	if (core >= 0 && core < MOST_CORES)
		mask->words[core / 64] |= (uint64_t)1 << core % 64;
}

#ifdef _OPENMP
static enum status add_places(struct core_mask *mask)
{
	for (int place = 0; place < omp_get_num_places(); place++) {
		int count = omp_get_place_num_procs(place);
		int *cores = memory_allocate((size_t)(count > 0 ? count : 1), sizeof *cores);
		if (cores == NULL)
			return STATUS_ENVIRONMENT;
		omp_get_place_proc_ids(place, cores);
		for (int i = 0; i < count; i++)
			add_core(mask, cores[i]);
		free(cores);
	}
	return STATUS_OK;
}
#endif

int cores_own(struct core_mask *mask_out)
{
	cpu_set_t allowed;
	int count = 0;
	*mask_out = (struct core_mask){ 0 };
	if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
		return 0;
	for (int core = 0; core < CPU_SETSIZE; core++)
		if (CPU_ISSET(core, &allowed))
			add_core(mask_out, core);
#ifdef _OPENMP
	if (omp_get_proc_bind() != omp_proc_bind_false && add_places(mask_out) != STATUS_OK)
		error_clear(); /* then those of this thread */
#endif
	for (int core = 0; core < MOST_CORES; core++)
		count += has_core(mask_out, core);
	return count;
}

int cores_allowed(void)
{
	struct core_mask mask;
	struct quota quota = quota_own();
	return cores_threads(quota_share(cores_own(&mask), &quota, 1, 0));
}

/* The ranks of the node of this one. */
static struct world open_node(const struct world *world)
{
	struct world node = *world;
	node.pulse = NULL; /* it is of all ranks */
	MPI_Comm_split_type(world->comm, MPI_COMM_TYPE_SHARED, world->rank, MPI_INFO_NULL, &node.comm);
	MPI_Comm_rank(node.comm, &node.rank);
	MPI_Comm_size(node.comm, &node.size);
	return node;
}

enum status cores_look(struct world *world, int *ranks_here_out, double *share_out)
{
	struct world node = open_node(world);
	struct core_mask own;
	struct quota own_quota = quota_own();
	bool known = cores_own(&own) > 0;
	struct core_mask *masks = memory_allocate((size_t)node.size, sizeof *masks);
	struct quota *quotas = memory_allocate((size_t)node.size, sizeof *quotas);
	enum status status = world_agree(world, masks == NULL || quotas == NULL ? STATUS_ENVIRONMENT : STATUS_OK);
	if (status == STATUS_OK)
		status = world_all_gather(&node, &own, (int)sizeof own, MPI_BYTE, masks);
	if (status == STATUS_OK)
		status = world_all_gather(&node, &own_quota, (int)sizeof own_quota, MPI_BYTE, quotas);
	*ranks_here_out = node.size;
	*share_out = 1;
	if (status == STATUS_OK && known)
		*share_out = quota_share(cores_share(masks, node.size, node.rank), quotas, node.size, node.rank);
	free(quotas);
	free(masks);
	MPI_Comm_free(&node.comm);
	return status;
}

enum status cores_busy_ranks(struct world *world, double share, int *ranks_out)
{
	double own = share < 1 ? share : 1, sum = 0;
	double *all = memory_allocate((size_t)world->size, sizeof *all);
	STATUS_TRY(world_agree(world, all == NULL ? STATUS_ENVIRONMENT : STATUS_OK));
	enum status status = world_all_gather(world, &own, 1, MPI_DOUBLE, all);
	for (int rank = 0; status == STATUS_OK && rank < world->size; rank++)
		sum += all[rank];
	free(all);
	*ranks_out = cores_threads(sum);
	return status;
}
