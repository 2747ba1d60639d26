/* Products with ReLU squared as graphs of cuDNN.
 * SPDX-License-Identifier: Apache-2.0 */
#include "fused_graph.h"

#include <stdio.h>

#include "kernels/cuda/cudnn_private.h"

struct form {
	int64_t sizes[CUDNN_DIMENSIONS], steps[CUDNN_DIMENSIONS];
};

/* [1, 1, rows, columns], whose elements lie `row` and `column` apart. */
static struct form form_of(int64_t rows, int64_t columns, int64_t row, int64_t column)
{
	return (struct form){ { 1, 1, rows, columns }, { rows * columns, rows * columns, row, column } };
}

static struct cudnn_tensor half(struct cudnn_graph *graph, int number, struct form form)
{
	return cudnn_graph_tensor(graph, number, CUDNN_DATA_BFLOAT16, form.sizes, form.steps);
}

void fused_graph_build(struct cudnn_graph *graph, const struct fused_problem *problem)
{
	int64_t rows = problem->rows, width = problem->width, inner = 4 * width;
	struct form result = form_of(rows, inner, inner, 1);
	struct form weights = problem->backward ? form_of(width, inner, inner, 1) : form_of(width, inner, 1, width);
	cudnn_graph_drop_first_dimension(graph);
	struct cudnn_tensor x = half(graph, FUSED_X, form_of(rows, width, width, 1));
	struct cudnn_tensor weight = half(graph, FUSED_WEIGHT, weights), y = half(graph, FUSED_Y, result);
	struct cudnn_tensor product = cudnn_graph_between(graph, CUDNN_DATA_FLOAT, result.sizes, result.steps);

	cudnn_graph_multiply(graph, x, weight, product);
	if (!problem->backward) {
		struct cudnn_tensor positive = cudnn_graph_apply(graph, CUDNN_POINTWISE_RELU_FWD, product, NULL);
		cudnn_graph_apply_to(graph, CUDNN_POINTWISE_MUL, positive, &positive, y);
		return;
	}
	struct cudnn_tensor root = cudnn_graph_apply(graph, CUDNN_POINTWISE_SQRT, y, NULL);
	struct cudnn_tensor half_way = cudnn_graph_apply(graph, CUDNN_POINTWISE_MUL, product, &root);
	struct cudnn_tensor two = cudnn_graph_scalar(graph, FUSED_TWO);
	cudnn_graph_apply_to(graph, CUDNN_POINTWISE_MUL, half_way, &two, half(graph, FUSED_DZ, result));
}

/* The configuration of an engine with one kernel of its own. */
static cudnnBackendDescriptor_t configure(struct cudnn_graph *graph, const struct cudnn_target *target, int64_t engine,
                                          int64_t kernel)
{
	static const char what[] = "engine by number";
	const cudnnBackendKnobType_t knob = CUDNN_KNOB_TYPE_KERNEL_CFG;
	cudnnBackendDescriptor_t operations = cudnn_graph_gather(graph, target);
	cudnnBackendDescriptor_t self = cudnn_graph_make(graph, CUDNN_BACKEND_ENGINE_DESCRIPTOR, what);
	cudnn_graph_refer(graph, self, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, operations, what);
	cudnn_graph_set(graph, self, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &engine, what);
	if (target->handle == NULL)
		cudnn_graph_refer(graph, self, CUDNN_ATTR_ENGINE_DEVICEPROP, target->properties, what);
	cudnn_graph_finish(graph, self, what);
	cudnnBackendDescriptor_t choice = cudnn_graph_make(graph, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, what);
	cudnn_graph_set(graph, choice, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1, &knob, what);
	cudnn_graph_set(graph, choice, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1, &kernel, what);
	cudnn_graph_finish(graph, choice, what);
	cudnnBackendDescriptor_t configuration = cudnn_graph_make(graph, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, what);
	cudnn_graph_refer(graph, configuration, CUDNN_ATTR_ENGINECFG_ENGINE, self, what);
	cudnn_graph_refer(graph, configuration, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, choice, what);
	cudnn_graph_finish(graph, configuration, what);
	return configuration;
}

bool fused_graph_plan(struct cudnn_graph *graph, const struct cudnn_target *target, int64_t engine, int64_t kernel,
                      struct cudnn_plan *plan_out, char reason[CUDNN_REASON])
{
	cudnnBackendDescriptor_t configuration = configure(graph, target, engine, kernel);
	cudnnStatus_t code = CUDNN_STATUS_INTERNAL_ERROR;

	if (!graph->failed &&
	    (code = cudnn_graph_compile(graph, target, configuration, plan_out)) != CUDNN_STATUS_SUCCESS)
		cudnn_graph_fail(graph, "plan", code);
	if (graph->failed)
		snprintf(reason, CUDNN_REASON, "%s", graph->reason);
	plan_out->engine = engine;
	return !graph->failed;
}
