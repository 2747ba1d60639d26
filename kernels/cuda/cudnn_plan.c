/* Opening cuDNN; plans, and running them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "kernels/cuda/cudnn_private.h"

/* 9.15.1. Of the versions before it some compute attention wrongly (9.10.0, 9.10.1, 9.14.0), and others do where the length
 * is no multiple of 128. */
enum { LEAST_VERSION = 91501 };

bool cudnn_open(struct cudnn *cudnn, char reason[CUDNN_REASON])
{
#define SYMBOL(function) { #function, offsetof(struct cudnn, function) },
	static const struct cuda_symbol symbols[] = { CUDNN_FUNCTIONS(SYMBOL) };
#undef SYMBOL
	static const char *const compilers[][2] = { { "libnvrtc.so.13", NULL }, { "libnvrtc.so.12", NULL } };
	static const char *const names[] = { "libcudnn.so.9", NULL };
	char tried[CUDA_LIBRARY_TRIED], unused[CUDA_LIBRARY_TRIED];

	/* cuDNN looks for that of its own CUDA, by name, when it makes a plan, and finds what is loaded already. */
	bool newer = cuda_library_open(compilers[0], tried) != NULL;
	bool older = cuda_library_open(compilers[1], newer ? unused : tried) != NULL;
	if (!newer && !older) {
		snprintf(reason, CUDNN_REASON, "no NVRTC: %.200s", tried);
		return false;
	}
	void *library = cuda_library_open(names, tried);
	if (library == NULL) {
		snprintf(reason, CUDNN_REASON, "no cuDNN: %.200s", tried);
		return false;
	}
	const char *missing = cuda_library_find(library, symbols, sizeof symbols / sizeof *symbols, cudnn);
	if (missing != NULL) {
		snprintf(reason, CUDNN_REASON, "cuDNN has no %.100s", missing);
		return false;
	}
	size_t version = cudnn->cudnnGetVersion();
	if (version < LEAST_VERSION) {
		snprintf(reason, CUDNN_REASON, "cuDNN %zu.%zu.%zu has faults; 9.15.1 or newer is used", version / 10000,
		         version / 100 % 100, version % 100);
		return false;
	}
	return true;
}

enum { PROPOSALS_MOST = 8 };

cudnnBackendDescriptor_t cudnn_graph_gather(struct cudnn_graph *graph, const struct cudnn_target *target)
{
	static const char what[] = "graph";
	cudnnBackendDescriptor_t self = cudnn_graph_make(graph, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, what);

	if (target->handle != NULL)
		cudnn_graph_set(graph, self, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &target->handle,
		                what);
	cudnn_graph_set(graph, self, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
	                graph->operation_count, graph->operations, what);
	cudnn_graph_finish(graph, self, what);
	return self;
}

static cudnnBackendDescriptor_t make_heuristics(struct cudnn_graph *graph, const struct cudnn_target *target)
{
	static const char what[] = "choice of engines";
	static const cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
	cudnnBackendDescriptor_t operations = cudnn_graph_gather(graph, target);
	cudnnBackendDescriptor_t self = cudnn_graph_make(graph, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, what);
	cudnn_graph_refer(graph, self, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, operations, what);
	cudnn_graph_set(graph, self, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode, what);
	if (target->handle == NULL)
		cudnn_graph_refer(graph, self, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, target->properties, what);
	cudnn_graph_finish(graph, self, what);
	return self;
}

/* The library's proposals, best first, in `proposals`; their number. */
static int64_t get_proposals(struct cudnn_graph *graph, const struct cudnn_target *target,
                             cudnnBackendDescriptor_t proposals[PROPOSALS_MOST])
{
	static const char what[] = "proposals";
	cudnnBackendDescriptor_t heuristics = make_heuristics(graph, target);
	int64_t count = 0;

	for (int i = 0; i < PROPOSALS_MOST; i++)
		proposals[i] = cudnn_graph_make(graph, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, what);
	if (graph->failed)
		return 0;
	cudnnStatus_t code = graph->cudnn->cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
	                                                            CUDNN_TYPE_BACKEND_DESCRIPTOR, PROPOSALS_MOST,
	                                                            &count, proposals);
	if (code == CUDNN_STATUS_SUCCESS && count == 0)
		code = CUDNN_STATUS_NOT_SUPPORTED;
	if (code != CUDNN_STATUS_SUCCESS)
		cudnn_graph_fail(graph, what, code);
	return count < PROPOSALS_MOST ? count : PROPOSALS_MOST;
}

static int64_t engine_of(struct cudnn_graph *graph, cudnnBackendDescriptor_t proposal)
{
	cudnnBackendDescriptor_t engine = cudnn_graph_make(graph, CUDNN_BACKEND_ENGINE_DESCRIPTOR, "engine");
	int64_t count = 0, number = -1;

	if (graph->cudnn->cudnnBackendGetAttribute(proposal, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
	                                           1, &count, &engine) == CUDNN_STATUS_SUCCESS)
		graph->cudnn->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1,
		                                       &count, &number);
	return number;
}

cudnnStatus_t cudnn_graph_compile(struct cudnn_graph *graph, const struct cudnn_target *target,
                                  cudnnBackendDescriptor_t proposal, struct cudnn_plan *plan)
{
	static const char what[] = "plan";
	cudnnBackendDescriptor_t self = cudnn_graph_make(graph, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, what);
	int64_t count = 0;

	if (target->handle != NULL)
		cudnn_graph_set(graph, self, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &target->handle,
		                what);
	else
		cudnn_graph_refer(graph, self, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, target->properties, what);
	cudnn_graph_refer(graph, self, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, proposal, what);
	if (graph->failed)
		return CUDNN_STATUS_INTERNAL_ERROR;
	cudnnStatus_t code = graph->cudnn->cudnnBackendFinalize(self);
	plan->descriptor = self;
	if (code == CUDNN_STATUS_SUCCESS)
		code = graph->cudnn->cudnnBackendGetAttribute(self, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
		                                              CUDNN_TYPE_INT64, 1, &count, &plan->workspace_bytes);
	return code;
}

/* Of the proposals from `first` to before `end` the first that can be made. */
static bool plan_one(struct cudnn_graph *graph, const struct cudnn_target *target, int64_t first, int64_t end,
                     struct cudnn_plan *plan_out, char reason[CUDNN_REASON])
{
	cudnnBackendDescriptor_t proposals[PROPOSALS_MOST];
	int64_t count = get_proposals(graph, target, proposals), last = count < end ? count : end;
	cudnnStatus_t code = first < count ? CUDNN_STATUS_INTERNAL_ERROR : CUDNN_STATUS_NOT_SUPPORTED;

	for (int64_t i = first; i < last && code != CUDNN_STATUS_SUCCESS && !graph->failed; i++) {
		struct cudnn_plan plan = { .proposed = count };
		code = cudnn_graph_compile(graph, target, proposals[i], &plan);
		plan.engine = engine_of(graph, proposals[i]);
		if (code == CUDNN_STATUS_SUCCESS)
			*plan_out = plan;
	}
	if (code != CUDNN_STATUS_SUCCESS)
		cudnn_graph_fail(graph, "plan", code);
	if (graph->failed)
		snprintf(reason, CUDNN_REASON, "%s", graph->reason);
	return !graph->failed;
}

bool cudnn_graph_plan(struct cudnn_graph *graph, const struct cudnn_target *target, struct cudnn_plan *plan_out,
                      char reason[CUDNN_REASON])
{
	return plan_one(graph, target, 0, PROPOSALS_MOST, plan_out, reason);
}

bool cudnn_graph_plan_proposal(struct cudnn_graph *graph, const struct cudnn_target *target, int64_t number,
                               struct cudnn_plan *plan_out, char reason[CUDNN_REASON])
{
	return plan_one(graph, target, number, number + 1, plan_out, reason);
}

cudnnStatus_t cudnn_graph_run(const struct cudnn_graph *graph, const struct cudnn_plan *plan, cudnnHandle_t handle,
                              void *const *memory, void *workspace)
{
	const struct cudnn *cudnn = graph->cudnn;
	void *pointers[NUMBERS_MOST];
	cudnnBackendDescriptor_t pack = NULL;

	for (int i = 0; i < graph->number_count; i++)
		pointers[i] = memory[graph->numbers[i]];
	cudnnStatus_t code = cudnn->cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
	if (code == CUDNN_STATUS_SUCCESS)
		code = cudnn->cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64,
		                                       graph->number_count, graph->numbers);
	if (code == CUDNN_STATUS_SUCCESS)
		code = cudnn->cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
		                                       graph->number_count, pointers);
	if (code == CUDNN_STATUS_SUCCESS)
		code = cudnn->cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1,
		                                       &workspace);
	if (code == CUDNN_STATUS_SUCCESS)
		code = cudnn->cudnnBackendFinalize(pack);
	if (code == CUDNN_STATUS_SUCCESS)
		code = cudnn->cudnnBackendExecute(handle, plan->descriptor, pack);
	if (pack != NULL)
		cudnn->cudnnBackendDestroyDescriptor(pack);
	return code;
}
