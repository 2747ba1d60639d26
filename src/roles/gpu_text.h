/* A GPU map in words, a node at a time; nodes that are alike have equal texts. Ranks are counted on their node, in rank order.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_GPU_TEXT_H
#define CAPSHAPE_ROLES_GPU_TEXT_H

#include "roles/gpu_map.h"

/* "trainers 0-5 on GPUs 0-5, classifiers 6,7 on GPUs 6,7, reader 8 without a GPU"; where nobody sees a GPU only who does
 * what. All from malloc; NULL after error_raise(). */
char *gpu_text_node(const struct gpu_map *map, const struct gpu_view *views, int node);
/* "GPU 6 (0000:c3:00.0), GPU 7 (0000:d3:00.0)": those that no rank computes on. "": none. */
char *gpu_text_idle(const struct gpu_map *map, int node);
/* "GPU 0 (trainers 0,4), GPU 1 (trainer 1, classifier 5)": those with several ranks. "": none. *trainers_out: whether
 * one of them has several trainers. */
char *gpu_text_shared(const struct gpu_map *map, const struct gpu_view *views, int node, bool *trainers_out);

#endif
