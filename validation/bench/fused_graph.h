/* The graphs of fused_products.c, and plans of them by number.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_FUSED_GRAPH_H
#define CAPSHAPE_FUSED_GRAPH_H

#include "fused_products.h"
#include "kernels/cuda/cudnn_graph.h"

/* Of the graph's memory; TWO is a float on the host, of value 2. */
enum fused_tensor { FUSED_X = 1, FUSED_WEIGHT, FUSED_Y, FUSED_DZ, FUSED_TWO, FUSED_TENSORS };

void fused_graph_build(struct cudnn_graph *graph, const struct fused_problem *problem);
/* A plan by one engine of the library and one of its kernels, which may be none that the library proposes. false, with the
 * reason, where there is no such plan. */
bool fused_graph_plan(struct cudnn_graph *graph, const struct cudnn_target *target, int64_t engine, int64_t kernel,
                      struct cudnn_plan *plan_out, char reason[CUDNN_REASON]);

#endif
