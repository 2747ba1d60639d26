/* How many cores are a rank's own: what it may run on, shared with the ranks of its node that may run there too.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_COMM_CORES_H
#define CAPSHAPE_COMM_CORES_H

#include <stdint.h>

#include "comm/world.h"

enum { MOST_CORES = 1024 };
/* Cores that a rank may run on: core i is bit i % 64 of word i / 64. */
struct core_mask {
	uint64_t words[MOST_CORES / 64];
};

/* Share of rank `own` of the cores of its node, of which rank i may use masks[i] [count ranks, this job's on the node]: each of
 * its cores counts 1 / the number of ranks that may use it. So ranks bound to cores of their own have all of these, ranks
 * without a binding an equal part, and the shares of a node sum up to the cores that any of its ranks may use. */
double cores_share(const struct core_mask *masks, int count, int own);
/* Threads that keep a share busy: whole cores, at least 1. */
int cores_threads(double share);

/* Cores that this process may run on, and their number; none and 0 where the system does not say. Where OpenMP binds threads
 * (OMP_PROC_BIND), which binds the one that calls to a part of them, its places count. */
int cores_own(struct core_mask *mask_out);
/* Their number, within the processor time that this process is granted (comm/quota.h), at least 1. */
int cores_allowed(void);

/* Of this rank: ranks of the job on its node, itself included, and its share of their cores, within the processor
 * time that its control group is granted. Collective. */
enum status cores_look(struct world *world, int *ranks_here_out, double *share_out);
/* Ranks that can be at work at once with a core each: the sum of the shares, none of which counts more than 1. Collective, of all
 * ranks the same. */
enum status cores_busy_ranks(struct world *world, double share, int *ranks_out);

#endif
