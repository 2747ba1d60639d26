/* The inside of a cuDNN graph, for the files cudnn_*.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_CUDNN_PRIVATE_H
#define CAPSHAPE_KERNELS_CUDA_CUDNN_PRIVATE_H

#include "kernels/cuda/cudnn_graph.h"

enum { DESCRIPTORS_MOST = 256, OPERATIONS_MOST = 40, NUMBERS_MOST = 24 };

struct cudnn_graph {
	const struct cudnn *cudnn;
	cudnnBackendDescriptor_t descriptors[DESCRIPTORS_MOST]; /* all that was made, plans included */
	int descriptor_count;
	cudnnBackendDescriptor_t operations[OPERATIONS_MOST];
	int operation_count;
	int64_t numbers[NUMBERS_MOST]; /* of tensors in memory and of scalars */
	int number_count;
	int between_count;
	int dimensions; /* of its tensors: the last ones */
	bool failed;
	char reason[CUDNN_REASON];
};

/* Records the first failure. */
void cudnn_graph_fail(struct cudnn_graph *graph, const char *what, cudnnStatus_t code);

/* One call of the library each; nothing after a failure. `what` is for the reason. */
cudnnBackendDescriptor_t cudnn_graph_make(struct cudnn_graph *graph, cudnnBackendDescriptorType_t type,
                                          const char *what);
void cudnn_graph_set(struct cudnn_graph *graph, cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                     cudnnBackendAttributeType_t type, int64_t count, const void *values, const char *what);
void cudnn_graph_refer(struct cudnn_graph *graph, cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                       cudnnBackendDescriptor_t value, const char *what);
void cudnn_graph_finish(struct cudnn_graph *graph, cudnnBackendDescriptor_t descriptor, const char *what);

/* The descriptor of all operations so far. */
cudnnBackendDescriptor_t cudnn_graph_gather(struct cudnn_graph *graph, const struct cudnn_target *target);

/* Compiles a configuration of an engine; CUDNN_STATUS_SUCCESS where the plan can be used. */
cudnnStatus_t cudnn_graph_compile(struct cudnn_graph *graph, const struct cudnn_target *target,
                                  cudnnBackendDescriptor_t proposal, struct cudnn_plan *plan);

#endif
