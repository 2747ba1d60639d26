/* Two tables over numbers of GPUs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/plan_gpus.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "tasks/rates.h"
#include "tasks/shares.h"

enum { ASSUMED_GPUS_A_NODE = 8 };
/* Of an H100, where there is no GPU to ask. */
#define ASSUMED_GPU_MEMORY 80e9

int plan_gpus_a_node(void)
{
	int here = kernels_cuda_devices();
	return here > 0 ? here : ASSUMED_GPUS_A_NODE;
}

static double memory_of_gpu(void)
{
	double here = kernels_cuda_free();
	return here > 0 ? here : ASSUMED_GPU_MEMORY;
}

/* ---- a step, by model */

static bool same_model(const struct point *a, const struct point *b)
{
	return model_config_arena_size(&a->config) == model_config_arena_size(&b->config) &&
	       a->training.sequences == b->training.sequences && a->training.slots == b->training.slots &&
	       a->training.length == b->training.length;
}

/* Of the points of one model the one that trains longest stands for all: the others leave more rows out. */
static const struct point *longest_like(const struct points *points, int64_t first)
{
	const struct point *longest = &points->points[first];
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		if (point->finished || !same_model(point, longest))
			continue;
		if (i < first)
			return NULL; /* it had its turn */
		if (point->times.train / shares_steps(point) > longest->times.train / shares_steps(longest))
			longest = point;
	}
	return longest;
}

static bool goes_directly(const struct point *point)
{
	return point->direct.gradient_bytes > 0;
}

/* Of a step. Through the hosts nothing of it is hidden behind computing. */
static struct exchange_times exchange_of(const struct point *point, int trainers)
{
	if (goes_directly(point))
		return exchange_step(&point->direct, trainers);
	struct split_point cost = point_as_split(point);
	double all = split_point_cost(&cost, trainers) - cost.training / trainers - cost.fixed;
	return (struct exchange_times){ .sum = all / shares_steps(point), .waited = all / shares_steps(point) };
}

static void print_step(const struct point *point, const struct plan_memory *memory, int trainers, bool *large)
{
	struct exchange_times exchange = exchange_of(point, trainers);
	struct split_point cost = point_as_split(point);
	struct plan_gpu gpu = plan_memory_gpu(memory, point, trainers, false);
	double step = point->times.train / shares_steps(point) / trainers + exchange.waited;
	double tokens = (double)(point->training.sequences * point->training.length);
	char numbers[4][32];
	bool too_large = plan_memory_gpu_sum(&gpu) > memory_of_gpu();
	*large |= too_large;
	printf("%10s %5d %9.1f %9.1f %9.1f %9s %10s%s %10s\n",
	       text_count((double)model_config_parameters(&point->config), numbers[0], 32), trainers, 1e3 * step,
	       1e3 * (exchange.sum + exchange.share), 1e3 * exchange.waited, text_count(tokens / step, numbers[1], 32),
	       text_bytes(plan_memory_gpu_sum(&gpu), numbers[2], 32), too_large ? "!" : " ",
	       text_duration(split_point_cost(&cost, trainers), numbers[3], 32));
}

static void print_steps(const struct points *points, const struct plan_memory *memory, int ranks)
{
	bool large = false;
	char number[32];
	printf("\na step on a group of GPUs, in ms, of the slowest point of each model; what it moves between GPUs "
	       "takes, and what of that it "
	       "waits for\n%10s %5s %9s %9s %9s %9s %10s  %10s\n",
	       "parameters", "GPUs", "step", "exchange", "waiting", "tokens/s", "memory", "point");
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = points->points[i].finished ? NULL : longest_like(points, i);
		for (int trainers = 1; point != NULL && trainers <= ranks && trainers <= point->training.slots;
		     trainers *= 2)
			print_step(point, memory, trainers, &large);
	}
	if (large)
		printf("! more than the %s of %s: more trainers or more slots (train/slots) of fewer sequences take "
		       "less\n",
		       text_bytes(memory_of_gpu(), number, 32),
		       kernels_cuda_devices() > 0 ? "this GPU that are free" : "an H100 (assumed)");
}

/* ---- the sweep, by number of ranks */

static double largest_trainer(const struct points *points, const struct plan_memory *memory, const struct split *split)
{
	double largest = 0;
	for (int64_t i = 0; i < points->count; i++)
		if (!points->points[i].finished)
			largest = fmax(largest, plan_memory_trainer(memory, &points->points[i], split));
	return largest;
}

static enum status print_ranks(struct points *points, const struct sweep *sweep, const struct plan_memory *memory,
                               int ranks, double launch)
{
	struct split split;
	char numbers[3][32];
	enum status status = points_split(points, sweep, ranks, NULL, &split);
	if (status == STATUS_ENVIRONMENT) { /* of so few ranks the roles that are given cannot be made */
		error_clear();
		return STATUS_OK;
	}
	STATUS_TRY(status);
	char *roles = split_describe(&split);
	int gpus = split.trainers + split.classifiers;
	if (roles == NULL)
		return STATUS_ENVIRONMENT;
	printf("%6d %6d %10s %10s %10s   %s\n", ranks, gpus, text_duration(split.cost + launch, numbers[0], 32),
	       text_count(0.1 * ceil(10 * split.cost / 3600 * gpus), numbers[1], 32),
	       text_bytes(largest_trainer(points, memory, &split), numbers[2], 32), roles);
	free(roles);
	return STATUS_OK;
}

/* The first unfinished point whose gradients go from GPU to GPU, or through the hosts; NULL: none. */
static const struct point *find_point(const struct points *points, bool direct)
{
	for (int64_t i = 0; i < points->count; i++)
		if (!points->points[i].finished && goes_directly(&points->points[i]) == direct)
			return &points->points[i];
	return NULL;
}

static void print_links(const struct points *points)
{
	char numbers[2][32];
	const struct point *point = find_point(points, true);
	if (point != NULL)
		printf("ASSUMED: %d GPUs a node; %sB/s each way between GPUs of a node, %sB/s a GPU between nodes; "
		       "gradients (4 bytes a parameter) are added behind the backward pass of the last micro-step, "
		       "weights arrive during the next forward pass; a trainer has a GPU of its own\n",
		       point->direct.trainers_a_node, text_count(point->direct.near, numbers[0], 32),
		       text_count(point->direct.far, numbers[1], 32));
	point = find_point(points, false);
	if (point != NULL)
		printf("ASSUMED: through the memory of the hosts (run/exchange = host) gradients and weights move at "
		       "%sB/s between any two trainers, and the step waits for all of it; a trainer has a GPU of its "
		       "own\n",
		       text_count(shares_steps(point) * 4 * (double)model_config_arena_size(&point->config) /
		                          point->exchange,
		                  numbers[0], 32));
}

static void print_assumptions(const struct points *points, const struct plan_memory *memory)
{
	char numbers[5][32];
	const struct point *largest = NULL;
	for (int64_t i = 0; i < points->count; i++)
		if (!points->points[i].finished &&
		    (largest == NULL ||
		     model_config_arena_size(&points->points[i].config) > model_config_arena_size(&largest->config)))
			largest = &points->points[i];
	print_links(points);
	struct plan_gpu gpu = plan_memory_gpu(memory, largest, 2, false);
	printf("memory of a GPU, of the largest model on two: %s arrays, at most %s workspace and scratch of kernels, ",
	       text_bytes(gpu.arrays, numbers[0], 32), text_bytes(gpu.kernels, numbers[1], 32));
	if (gpu.peers > 0)
		printf("%s for the exchange (of it %s NCCL: ASSUMED), ", text_bytes(gpu.peers, numbers[2], 32),
		       text_bytes(BYTES_OF_PEERS, numbers[3], 32));
	printf("%s context of CUDA (ASSUMED)\n", text_bytes(gpu.context, numbers[4], 32));
}

enum status plan_print_gpus(struct points *points, const struct sweep *sweep, const struct plan_memory *memory,
                            int ranks, double launch)
{
	if (find_point(points, true) == NULL && find_point(points, false) == NULL)
		return STATUS_OK;
	print_assumptions(points, memory);
	print_steps(points, memory, ranks);
	printf("\nthe whole sweep\n%6s %6s %10s %10s %10s   roles\n", "ranks", "GPUs", "time", "GPU hours", "memory");
	for (int count = 1; count < ranks; count *= 2)
		STATUS_TRY(print_ranks(points, sweep, memory, count, launch));
	STATUS_TRY(print_ranks(points, sweep, memory, ranks, launch));
	printf("\n");
	return STATUS_OK;
}
