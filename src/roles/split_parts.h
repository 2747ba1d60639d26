/* Inside of the split: its prices (split_price.c), the words for it (split_reasons.c) and the search (split_search.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_SPLIT_PARTS_H
#define CAPSHAPE_ROLES_SPLIT_PARTS_H

#include "roles/split.h"

/* Time that groups of trainers of this split take for all points, by their timetable. */
enum status split_training_cost(const struct split_request *request, const struct split *split, double *cost_out);
/* Sets times and cost: of the slowest role. `training`: split_training_cost(). What ranks compute on one GPU adds up. */
void split_price(const struct split_request *request, double training, struct split *split);
/* Sets how many ranks take turns on a GPU, as roles/gpu_map.h does on every node. */
void split_share_gpus(const struct split_request *request, struct split *split);
/* Groups beyond which there is never a point for each. */
int64_t split_most_groups(const struct split_request *request);

/* STATUS_ENVIRONMENT with every reason why no split is as requested. */
enum status split_refuse(const struct split_request *request);
/* Sets the reason for a split that was chosen. */
void split_explain(const struct split_request *request, struct split *split);
/* Adds to it: "; BEFORE the other split AFTER", and how long that one takes, where it could run. */
void split_add_reason(struct split *split, const char *before, const struct split *other, const char *after);

#endif
