/* Peak memory of ranks, predicted.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_PLAN_MEMORY_H
#define CAPSHAPE_TASKS_PLAN_MEMORY_H

#include "tasks/pretrain.h"

struct plan_memory {
	const struct kernels *kernels;
	struct device *device;
	bool elsewhere; /* the device is not of this machine: only its own memory is counted */
	bool probed;    /* the first rank runs a probe before it takes its role */
	double process; /* bytes of this program before it does anything, without MPI: memory_resident() at the begin */
};

/* Bytes of a trainer of this point, in this split: on its device, and where that is the processor, all of it. */
double plan_memory_trainer(const struct plan_memory *memory, const struct point *point, const struct split *split);
/* Of a rank of the other roles: the most that any of these points asks of it. 0 where the split has none. */
double plan_memory_classifier(const struct plan_memory *memory, const struct points *points, const struct split *split);
double plan_memory_reader(const struct plan_memory *memory, const struct points *points, const struct split *split);

#endif
