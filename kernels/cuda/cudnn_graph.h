/* cuDNN's graphs of operations: the library, descriptors, tensors, operations, and plans that run them.
 *
 * A graph is made by calls that do nothing once one has failed, so that only cudnn_graph_plan() need be asked how it went.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_CUDNN_GRAPH_H
#define CAPSHAPE_KERNELS_CUDA_CUDNN_GRAPH_H

#include <cudnn.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/cuda/library.h"

#define CUDNN_FUNCTIONS(X)                                                                                             \
	X(cudnnBackendCreateDescriptor)                                                                                \
	X(cudnnBackendDestroyDescriptor)                                                                               \
	X(cudnnBackendExecute)                                                                                         \
	X(cudnnBackendFinalize)                                                                                        \
	X(cudnnBackendGetAttribute)                                                                                    \
	X(cudnnBackendSetAttribute)                                                                                    \
	X(cudnnCreate)                                                                                                 \
	X(cudnnDestroy)                                                                                                \
	X(cudnnGetErrorString)                                                                                         \
	X(cudnnGetLastErrorString)                                                                                     \
	X(cudnnGetVersion)                                                                                             \
	X(cudnnSetStream)

struct cudnn {
	CUDNN_FUNCTIONS(CUDA_LIBRARY_POINTER)
};

enum { CUDNN_REASON = 256 };

/* Loads the library; false where it is not there, is too old or has no compiler to work with, for the reason given. */
bool cudnn_open(struct cudnn *cudnn, char reason[CUDNN_REASON]);

/* What plans are made for: the device of a handle or, where that is NULL, one that is only described (tests). */
struct cudnn_target {
	cudnnHandle_t handle;
	cudnnBackendDescriptor_t properties;
};

enum { CUDNN_DIMENSIONS = 4 };

struct cudnn_tensor {
	cudnnBackendDescriptor_t descriptor;
	int64_t sizes[CUDNN_DIMENSIONS], steps[CUDNN_DIMENSIONS];
};

struct cudnn_graph;

/* NULL after error_raise(). */
struct cudnn_graph *cudnn_graph_create(const struct cudnn *cudnn);
void cudnn_graph_destroy(struct cudnn_graph *graph);
/* Before the first tensor: the library gets the last three dimensions of each; the first one must be 1. There are engines that take
 * no others. */
void cudnn_graph_drop_first_dimension(struct cudnn_graph *graph);

/* A tensor in memory, known by its number (> 0): 16-byte aligned where it is bfloat16 or has rows of more than
 * one element, else as its elements. */
struct cudnn_tensor cudnn_graph_tensor(struct cudnn_graph *graph, int number, cudnnDataType_t type,
                                       const int64_t sizes[CUDNN_DIMENSIONS], const int64_t steps[CUDNN_DIMENSIONS]);
/* A tensor between operations, which is in no memory. */
struct cudnn_tensor cudnn_graph_between(struct cudnn_graph *graph, cudnnDataType_t type,
                                        const int64_t sizes[CUDNN_DIMENSIONS], const int64_t steps[CUDNN_DIMENSIONS]);
/* One float on the host, whose value is taken at each execution. */
struct cudnn_tensor cudnn_graph_scalar(struct cudnn_graph *graph, int number);
/* The same memory with the last two dimensions exchanged. */
void cudnn_transpose(int64_t numbers[CUDNN_DIMENSIONS]);

/* Operations. Those without a result of their own return a float tensor between operations, of the form of x. */
void cudnn_graph_multiply(struct cudnn_graph *graph, struct cudnn_tensor a, struct cudnn_tensor b,
                          struct cudnn_tensor result);
void cudnn_graph_reshape(struct cudnn_graph *graph, struct cudnn_tensor x, struct cudnn_tensor result);
void cudnn_graph_reduce(struct cudnn_graph *graph, cudnnReduceTensorOp_t operator, struct cudnn_tensor x,
                        struct cudnn_tensor result);
void cudnn_graph_apply_to(struct cudnn_graph *graph, cudnnPointwiseMode_t mode, struct cudnn_tensor x,
                          const struct cudnn_tensor *b, struct cudnn_tensor result);
struct cudnn_tensor cudnn_graph_apply(struct cudnn_graph *graph, cudnnPointwiseMode_t mode, struct cudnn_tensor x,
                                      const struct cudnn_tensor *b);
/* The index of each element along an axis, 32-bit integers. */
struct cudnn_tensor cudnn_graph_index(struct cudnn_graph *graph, struct cudnn_tensor x, int64_t axis);
/* A comparison or logical operation. */
struct cudnn_tensor cudnn_graph_compare(struct cudnn_graph *graph, cudnnPointwiseMode_t mode, struct cudnn_tensor x,
                                        struct cudnn_tensor b);
/* x where `mask`, else `other`. */
struct cudnn_tensor cudnn_graph_select(struct cudnn_graph *graph, struct cudnn_tensor mask, struct cudnn_tensor x,
                                       struct cudnn_tensor other);

/* A plan for the graph: the first that the library proposes and that can be made. false where there is none; `reason` then
 * says why. The plan is the graph's and lives as long. */
struct cudnn_plan {
	cudnnBackendDescriptor_t descriptor;
	int64_t workspace_bytes;
	int64_t engine;   /* the library's number */
	int64_t proposed; /* how many there were */
};
bool cudnn_graph_plan(struct cudnn_graph *graph, const struct cudnn_target *target, struct cudnn_plan *plan_out,
                      char reason[CUDNN_REASON]);
/* The same by the proposal of this number, from 0, alone: for comparing them. */
bool cudnn_graph_plan_proposal(struct cudnn_graph *graph, const struct cudnn_target *target, int64_t number,
                               struct cudnn_plan *plan_out, char reason[CUDNN_REASON]);

/* Queues the plan on the handle's stream. memory[number]: of the tensors; those that the graph does not have are not looked
 * at. */
cudnnStatus_t cudnn_graph_run(const struct cudnn_graph *graph, const struct cudnn_plan *plan, cudnnHandle_t handle,
                              void *const *memory, void *workspace);

#endif
