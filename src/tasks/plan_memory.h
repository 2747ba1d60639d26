/* Peak memory of ranks, predicted.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_PLAN_MEMORY_H
#define CAPSHAPE_TASKS_PLAN_MEMORY_H

#include "tasks/pretrain.h"

struct plan_memory {
	const struct kernels *kernels;
	struct device *device;
	bool gpu;       /* the device is a GPU, here or elsewhere: its memory is counted, not the host's */
	bool probed;    /* the first rank runs a probe before it takes its role */
	double process; /* bytes of this program before it does anything, without MPI: memory_resident() at the begin */
	double room;    /* bytes of a GPU, the context of CUDA included; 0: not known */
	/* Of the largest classifier: whoever scores keeps it through points without one. Set by plan_memory_score(). */
	double scoring_arrays, scoring_kernels;
};

/* Looks for the classifiers of all points that are left: before anything is asked of a trainer that scores. */
void plan_memory_score(struct plan_memory *memory, const struct points *points);

/* Sets room: what is free on the GPU that this process has open. */
void plan_memory_look(struct plan_memory *memory);

/* What a GPU holds. Of the context, and of what NCCL keeps, nothing is known before there is a GPU: assumed. */
struct plan_gpu {
	double arrays;  /* parameters, gradients, optimiser, activations; models of a classifier */
	double kernels; /* workspace and scratch, at most */
	double peers;   /* of the exchange with other GPUs */
	double context;
};
#define BYTES_OF_CONTEXT 500e6
#define BYTES_OF_PEERS   400e6
/* The GPU of a trainer of this point, priced before (tasks/rates.h), in a group of so many; `scores`: trainers classify, too. */
struct plan_gpu plan_memory_gpu(const struct plan_memory *memory, const struct point *point, int trainers, bool scores);
double plan_memory_gpu_sum(const struct plan_gpu *gpu);
/* What GPUs hold, as the choice of a split takes it: the most that any unfinished point asks. */
struct split_memory plan_memory_split(const struct plan_memory *memory, const struct points *points);

/* What a rank that trains on a GPU takes of the host's memory: where the allocations are, is said in plan_memory.c. Parameters, moments and
 * gradients are on the GPU only. */
struct plan_host {
	double process;    /* the program, MPI, the libraries of CUDA: assumed */
	double staging;    /* page-locked: what copies to and from the GPU pass through */
	double checkpoint; /* page-locked: the copy that is written while training goes on */
	double reading;    /* what a run that continues needs more than that, before there is a copy */
	double exchange;   /* where gradients go through the hosts */
	double text;       /* blocks on their way, lanes, tables of documents, documents and questions of evaluations */
};
#define BYTES_OF_GPU_PROCESS 1e9
struct plan_host plan_memory_host(const struct plan_memory *memory, const struct point *point,
                                  const struct split *split);
double plan_memory_host_sum(const struct plan_host *host);

/* Bytes of a trainer of this point, in this split: on its GPU, or all of it where models run on processors. */
double plan_memory_trainer(const struct plan_memory *memory, const struct point *point, const struct split *split);
/* Of a rank of the other roles: the most that any of these points asks of it. 0 where the split has none. A classifier as a trainer; what one
 * on a GPU takes of the host; a reader is on the host anyway. */
double plan_memory_classifier(const struct plan_memory *memory, const struct points *points, const struct split *split);
double plan_memory_classifier_host(const struct plan_memory *memory, const struct points *points,
                                   const struct split *split);
double plan_memory_reader(const struct plan_memory *memory, const struct points *points, const struct split *split);

#endif
