/* Causal attention as graphs of cuDNN, in the forms by which it finds its fused kernels.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_ATTENTION_GRAPH_H
#define CAPSHAPE_KERNELS_CUDA_ATTENTION_GRAPH_H

#include "kernels/cuda/attention_plan.h"
#include "kernels/cuda/cudnn_graph.h"

/* bfloat16 in and out, float32 inside. The backward graph's sums have a fixed order: each gradient is one product of whole
 * matrices, which takes workspace for one T x T matrix of bfloat16 a head. In any order, dq is added up in memory as its parts
 * come. */
void attention_graph_build(struct cudnn_graph *graph, const struct attention_problem *problem);

#endif
