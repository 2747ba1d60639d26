/* Descriptors of cuDNN, put together to graphs.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/cudnn_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/cuda/cudnn_private.h"

struct cudnn_graph *cudnn_graph_create(const struct cudnn *cudnn)
{
	struct cudnn_graph *graph = memory_allocate(1, sizeof *graph);
	if (graph != NULL) {
		graph->cudnn = cudnn;
		graph->dimensions = CUDNN_DIMENSIONS;
	}
	return graph;
}

void cudnn_graph_drop_first_dimension(struct cudnn_graph *graph)
{
	graph->dimensions = CUDNN_DIMENSIONS - 1;
}

void cudnn_graph_destroy(struct cudnn_graph *graph)
{
	if (graph == NULL)
		return;
	for (int i = graph->descriptor_count - 1; i >= 0; i--)
		graph->cudnn->cudnnBackendDestroyDescriptor(graph->descriptors[i]);
	free(graph);
}

void cudnn_graph_fail(struct cudnn_graph *graph, const char *what, cudnnStatus_t code)
{
	char detail[CUDNN_REASON / 2] = "";

	if (graph->failed)
		return;
	graph->failed = true;
	graph->cudnn->cudnnGetLastErrorString(detail, sizeof detail);
	detail[strcspn(detail, "\n")] = '\0';
	snprintf(graph->reason, sizeof graph->reason, "%.40s: %.60s%s%s", what, graph->cudnn->cudnnGetErrorString(code),
	         detail[0] != '\0' ? ", " : "", detail);
}

cudnnBackendDescriptor_t cudnn_graph_make(struct cudnn_graph *graph, cudnnBackendDescriptorType_t type,
                                          const char *what)
{
	cudnnBackendDescriptor_t descriptor = NULL;

	if (graph->failed)
		return NULL;
	cudnnStatus_t code = graph->descriptor_count < DESCRIPTORS_MOST
	                             ? graph->cudnn->cudnnBackendCreateDescriptor(type, &descriptor)
	                             : CUDNN_STATUS_ALLOC_FAILED;
	if (code != CUDNN_STATUS_SUCCESS)
		cudnn_graph_fail(graph, what, code);
	else
		graph->descriptors[graph->descriptor_count++] = descriptor;
	return descriptor;
}

void cudnn_graph_set(struct cudnn_graph *graph, cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                     cudnnBackendAttributeType_t type, int64_t count, const void *values, const char *what)
{
	if (graph->failed)
		return;
	cudnnStatus_t code = graph->cudnn->cudnnBackendSetAttribute(descriptor, name, type, count, values);
	if (code != CUDNN_STATUS_SUCCESS)
		cudnn_graph_fail(graph, what, code);
}

void cudnn_graph_refer(struct cudnn_graph *graph, cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                       cudnnBackendDescriptor_t value, const char *what)
{
	cudnn_graph_set(graph, descriptor, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value, what);
}

void cudnn_graph_finish(struct cudnn_graph *graph, cudnnBackendDescriptor_t descriptor, const char *what)
{
	if (graph->failed)
		return;
	cudnnStatus_t code = graph->cudnn->cudnnBackendFinalize(descriptor);
	if (code != CUDNN_STATUS_SUCCESS)
		cudnn_graph_fail(graph, what, code);
}

/* ---- tensors */

void cudnn_transpose(int64_t numbers[CUDNN_DIMENSIONS])
{
	int64_t last = numbers[CUDNN_DIMENSIONS - 1];
	numbers[CUDNN_DIMENSIONS - 1] = numbers[CUDNN_DIMENSIONS - 2];
	numbers[CUDNN_DIMENSIONS - 2] = last;
}

/* Tensors between operations need numbers too, which nobody else has. */
enum { BETWEEN = 1000 };

enum place { IN_MEMORY, BETWEEN_OPERATIONS, ON_HOST };

static struct cudnn_tensor make_tensor(struct cudnn_graph *graph, int64_t number, cudnnDataType_t type,
                                       const int64_t sizes[CUDNN_DIMENSIONS], const int64_t steps[CUDNN_DIMENSIONS],
                                       enum place place)
{
	static const char what[] = "tensor";
	const bool in_rows = place == IN_MEMORY && sizes[CUDNN_DIMENSIONS - 1] > 1;
	const int64_t alignment = place != ON_HOST && (in_rows || type == CUDNN_DATA_BFLOAT16) ? 16 : 4;
	const bool yes = true;
	struct cudnn_tensor tensor = { .descriptor = cudnn_graph_make(graph, CUDNN_BACKEND_TENSOR_DESCRIPTOR, what) };
	cudnnBackendDescriptor_t self = tensor.descriptor;
	int count = graph->dimensions, skipped = CUDNN_DIMENSIONS - count;

	memcpy(tensor.sizes, sizes, sizeof tensor.sizes);
	memcpy(tensor.steps, steps, sizeof tensor.steps);
	cudnn_graph_set(graph, self, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type, what);
	cudnn_graph_set(graph, self, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, count, sizes + skipped, what);
	cudnn_graph_set(graph, self, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, count, steps + skipped, what);
	cudnn_graph_set(graph, self, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &number, what);
	cudnn_graph_set(graph, self, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment, what);
	if (place == BETWEEN_OPERATIONS)
		cudnn_graph_set(graph, self, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &yes, what);
	if (place == ON_HOST)
		cudnn_graph_set(graph, self, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &yes, what);
	cudnn_graph_finish(graph, self, what);
	if (place != BETWEEN_OPERATIONS && graph->number_count < NUMBERS_MOST)
		graph->numbers[graph->number_count++] = number;
	return tensor;
}

struct cudnn_tensor cudnn_graph_tensor(struct cudnn_graph *graph, int number, cudnnDataType_t type,
                                       const int64_t sizes[CUDNN_DIMENSIONS], const int64_t steps[CUDNN_DIMENSIONS])
{
	return make_tensor(graph, number, type, sizes, steps, IN_MEMORY);
}

struct cudnn_tensor cudnn_graph_between(struct cudnn_graph *graph, cudnnDataType_t type,
                                        const int64_t sizes[CUDNN_DIMENSIONS], const int64_t steps[CUDNN_DIMENSIONS])
{
	return make_tensor(graph, BETWEEN + graph->between_count++, type, sizes, steps, BETWEEN_OPERATIONS);
}

struct cudnn_tensor cudnn_graph_scalar(struct cudnn_graph *graph, int number)
{
	static const int64_t ones[CUDNN_DIMENSIONS] = { 1, 1, 1, 1 };
	return make_tensor(graph, number, CUDNN_DATA_FLOAT, ones, ones, ON_HOST);
}

static struct cudnn_tensor between_like(struct cudnn_graph *graph, struct cudnn_tensor x, cudnnDataType_t type)
{
	return cudnn_graph_between(graph, type, x.sizes, x.steps);
}

/* ---- operations */

static const cudnnDataType_t in_float = CUDNN_DATA_FLOAT;

static void add_operation(struct cudnn_graph *graph, cudnnBackendDescriptor_t operation, const char *what)
{
	cudnn_graph_finish(graph, operation, what);
	if (graph->operation_count == OPERATIONS_MOST)
		cudnn_graph_fail(graph, what, CUDNN_STATUS_ALLOC_FAILED);
	else
		graph->operations[graph->operation_count++] = operation;
}

void cudnn_graph_multiply(struct cudnn_graph *graph, struct cudnn_tensor a, struct cudnn_tensor b,
                          struct cudnn_tensor result)
{
	static const char what[] = "product";
	cudnnBackendDescriptor_t kind = cudnn_graph_make(graph, CUDNN_BACKEND_MATMUL_DESCRIPTOR, what);

	cudnn_graph_set(graph, kind, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &in_float, what);
	cudnn_graph_finish(graph, kind, what);
	cudnnBackendDescriptor_t self = cudnn_graph_make(graph, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR, what);
	cudnn_graph_refer(graph, self, CUDNN_ATTR_OPERATION_MATMUL_DESC, kind, what);
	cudnn_graph_refer(graph, self, CUDNN_ATTR_OPERATION_MATMUL_ADESC, a.descriptor, what);
	cudnn_graph_refer(graph, self, CUDNN_ATTR_OPERATION_MATMUL_BDESC, b.descriptor, what);
	cudnn_graph_refer(graph, self, CUDNN_ATTR_OPERATION_MATMUL_CDESC, result.descriptor, what);
	add_operation(graph, self, what);
}

void cudnn_graph_reshape(struct cudnn_graph *graph, struct cudnn_tensor x, struct cudnn_tensor result)
{
	static const char what[] = "reshape";
	cudnnBackendDescriptor_t self = cudnn_graph_make(graph, CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR, what);

	cudnn_graph_refer(graph, self, CUDNN_ATTR_OPERATION_RESHAPE_XDESC, x.descriptor, what);
	cudnn_graph_refer(graph, self, CUDNN_ATTR_OPERATION_RESHAPE_YDESC, result.descriptor, what);
	add_operation(graph, self, what);
}

void cudnn_graph_reduce(struct cudnn_graph *graph, cudnnReduceTensorOp_t operator, struct cudnn_tensor x,
                        struct cudnn_tensor result)
{
	static const char what[] = "reduction";
	cudnnBackendDescriptor_t kind = cudnn_graph_make(graph, CUDNN_BACKEND_REDUCTION_DESCRIPTOR, what);

	cudnn_graph_set(graph, kind, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1, &operator,
	                what);
	cudnn_graph_set(graph, kind, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &in_float, what);
	cudnn_graph_finish(graph, kind, what);
	cudnnBackendDescriptor_t self = cudnn_graph_make(graph, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR, what);
	cudnn_graph_refer(graph, self, CUDNN_ATTR_OPERATION_REDUCTION_DESC, kind, what);
	cudnn_graph_refer(graph, self, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x.descriptor, what);
	cudnn_graph_refer(graph, self, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, result.descriptor, what);
	add_operation(graph, self, what);
}

/* An operation on elements: of x, of x and b, or of x, b and a mask. */
struct elementwise {
	cudnnPointwiseMode_t mode;
	cudnnDataType_t precision;
	int64_t axis; /* -1: none */
	struct cudnn_tensor x;
	const struct cudnn_tensor *b, *mask;
};

static void add_elementwise(struct cudnn_graph *graph, const struct elementwise *it, struct cudnn_tensor result)
{
	static const char what[] = "operation on elements";
	cudnnBackendDescriptor_t kind = cudnn_graph_make(graph, CUDNN_BACKEND_POINTWISE_DESCRIPTOR, what);

	cudnn_graph_set(graph, kind, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &it->mode, what);
	cudnn_graph_set(graph, kind, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1, &it->precision, what);
	if (it->axis >= 0)
		cudnn_graph_set(graph, kind, CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, 1, &it->axis, what);
	cudnn_graph_finish(graph, kind, what);
	cudnnBackendDescriptor_t self = cudnn_graph_make(graph, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, what);
	cudnn_graph_refer(graph, self, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, kind, what);
	cudnn_graph_refer(graph, self, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, it->x.descriptor, what);
	if (it->b != NULL)
		cudnn_graph_refer(graph, self, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, it->b->descriptor, what);
	if (it->mask != NULL)
		cudnn_graph_refer(graph, self, CUDNN_ATTR_OPERATION_POINTWISE_TDESC, it->mask->descriptor, what);
	cudnn_graph_refer(graph, self, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, result.descriptor, what);
	add_operation(graph, self, what);
}

void cudnn_graph_apply_to(struct cudnn_graph *graph, cudnnPointwiseMode_t mode, struct cudnn_tensor x,
                          const struct cudnn_tensor *b, struct cudnn_tensor result)
{
	struct elementwise it = { .mode = mode, .precision = CUDNN_DATA_FLOAT, .axis = -1, .x = x, .b = b };
	add_elementwise(graph, &it, result);
}

struct cudnn_tensor cudnn_graph_apply(struct cudnn_graph *graph, cudnnPointwiseMode_t mode, struct cudnn_tensor x,
                                      const struct cudnn_tensor *b)
{
	struct cudnn_tensor result = between_like(graph, x, CUDNN_DATA_FLOAT);
	cudnn_graph_apply_to(graph, mode, x, b, result);
	return result;
}

struct cudnn_tensor cudnn_graph_index(struct cudnn_graph *graph, struct cudnn_tensor x, int64_t axis)
{
	struct elementwise it = {
		.mode = CUDNN_POINTWISE_GEN_INDEX, .precision = CUDNN_DATA_FLOAT, .axis = axis, .x = x
	};
	struct cudnn_tensor result = between_like(graph, x, CUDNN_DATA_INT32);
	add_elementwise(graph, &it, result);
	return result;
}

struct cudnn_tensor cudnn_graph_compare(struct cudnn_graph *graph, cudnnPointwiseMode_t mode, struct cudnn_tensor x,
                                        struct cudnn_tensor b)
{
	struct elementwise it = { .mode = mode, .precision = CUDNN_DATA_BOOLEAN, .axis = -1, .x = x, .b = &b };
	struct cudnn_tensor result = between_like(graph, x, CUDNN_DATA_BOOLEAN);
	add_elementwise(graph, &it, result);
	return result;
}

struct cudnn_tensor cudnn_graph_select(struct cudnn_graph *graph, struct cudnn_tensor mask, struct cudnn_tensor x,
                                       struct cudnn_tensor other)
{
	struct elementwise it = { .mode = CUDNN_POINTWISE_BINARY_SELECT,
		                  .precision = CUDNN_DATA_FLOAT,
		                  .axis = -1,
		                  .x = x,
		                  .b = &other,
		                  .mask = &mask };
	struct cudnn_tensor result = between_like(graph, x, CUDNN_DATA_FLOAT);
	add_elementwise(graph, &it, result);
	return result;
}
