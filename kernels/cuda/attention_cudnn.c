/* Attention plans of cuDNN.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "kernels/cuda/attention_graph.h"
#include "kernels/cuda/bounds.h"

/* Of attention without a T x T matrix in memory, in bfloat16. */
enum { LEAST_CAPABILITY = 80 };

/* Shorter sequences are no case for a library. */
enum { LEAST_LENGTH = 64 };

struct attention_plans {
	struct cudnn cudnn;
	struct cudnn_target target;
};

struct attention_plan {
	struct attention_plans *plans;
	struct cudnn_graph *graph;
	struct cudnn_plan plan;
};

_Static_assert((int)ATTENTION_REASON == (int)CUDNN_REASON, "reasons are passed on");

bool attention_plans_open(struct device *device, struct attention_plans **plans_out, char reason[ATTENTION_REASON])
{
	if (device->capability < LEAST_CAPABILITY) {
		snprintf(reason, ATTENTION_REASON, "cuDNN has no such attention for compute capability %d.%d",
		         device->capability / 10, device->capability % 10);
		return false;
	}
	struct attention_plans *plans = memory_allocate(1, sizeof *plans);
	if (plans == NULL || !cudnn_open(&plans->cudnn, reason)) {
		free(plans);
		return false;
	}
	cudnnStatus_t code = plans->cudnn.cudnnCreate(&plans->target.handle);
	if (code == CUDNN_STATUS_SUCCESS)
		code = plans->cudnn.cudnnSetStream(plans->target.handle, device->stream);
	if (code != CUDNN_STATUS_SUCCESS) {
		snprintf(reason, ATTENTION_REASON, "cuDNN does not start: %.100s",
		         plans->cudnn.cudnnGetErrorString(code));
		attention_plans_close(plans);
		return false;
	}
	*plans_out = plans;
	return true;
}

void attention_plans_close(struct attention_plans *plans)
{
	if (plans == NULL)
		return;
	if (plans->target.handle != NULL)
		plans->cudnn.cudnnDestroy(plans->target.handle);
	free(plans);
}

void attention_plans_describe(const struct attention_plans *plans, char *text, size_t size)
{
	size_t version = plans->cudnn.cudnnGetVersion();
	snprintf(text, size, "cuDNN %zu.%zu", version / 10000, version / 100 % 100);
}

int64_t attention_plans_sequences(const struct attention_plans *plans, const struct attention_problem *problem)
{
	int64_t length = (problem->length + ATTENTION_TILE - 1) / ATTENTION_TILE * ATTENTION_TILE;
	int64_t matrices = 2 * problem->heads * length * length;
	int64_t sums = 4 * problem->heads * problem->length * problem->head_size;
	int64_t most = ATTENTION_WORKSPACE / (problem->any_order ? sums : matrices);

	(void)plans;
	if (!problem->backward || most >= problem->sequences)
		return problem->sequences;
	return most < 1 ? 1 : most;
}

bool attention_plan_create(struct attention_plans *plans, const struct attention_problem *problem,
                           struct attention_plan **plan_out, char reason[ATTENTION_REASON])
{
	if (problem->length < LEAST_LENGTH) {
		snprintf(reason, ATTENTION_REASON, "too short");
		return false;
	}
	struct attention_plan *plan = memory_allocate(1, sizeof *plan);
	if (plan == NULL || (plan->graph = cudnn_graph_create(&plans->cudnn)) == NULL) {
		snprintf(reason, ATTENTION_REASON, "no memory");
		free(plan);
		return false;
	}
	plan->plans = plans;
	attention_graph_build(plan->graph, problem);
	if (!cudnn_graph_plan(plan->graph, &plans->target, &plan->plan, reason)) {
		attention_plan_destroy(plan);
		return false;
	}
	*plan_out = plan;
	return true;
}

void attention_plan_destroy(struct attention_plan *plan)
{
	if (plan == NULL)
		return;
	cudnn_graph_destroy(plan->graph);
	free(plan);
}

size_t attention_plan_workspace(const struct attention_plan *plan)
{
	return (size_t)plan->plan.workspace_bytes;
}

enum status attention_plan_run(struct device *device, const struct attention_plan *plan,
                               void *const memory[ATTENTION_TENSORS], void *workspace)
{
	struct attention_plans *plans = plan->plans;
	cudnnStatus_t code = cudnn_graph_run(plan->graph, &plan->plan, plans->target.handle, memory, workspace);

	if (code == CUDNN_STATUS_SUCCESS)
		return STATUS_OK;
	return error_raise(STATUS_ENVIRONMENT, "CUDA device %d, attention by cuDNN: %s", device->number,
	                   plans->cudnn.cudnnGetErrorString(code));
}
