/* --plan where models run on GPUs: what a step takes on 1, 2, 4, ... of them, and the whole sweep on so many ranks.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_PLAN_GPUS_H
#define CAPSHAPE_TASKS_PLAN_GPUS_H

#include "tasks/plan_price.h"

/* Prints both tables, up to the ranks that are asked for, for points that were priced, and what a GPU holds; says of what fits nowhere what
 * to change. Leaves the timetable of the points undefined. */
enum status plan_print_gpus(struct points *points, const struct sweep *sweep, const struct plan_basis *basis);
/* Bytes with a mark behind them where a GPU has less. */
const char *plan_marked_bytes(const struct plan_basis *basis, double bytes, char *buffer, size_t size);
/* The host's memory of a rank of each role of this split, and of a node. */
void plan_print_hosts(const struct points *points, const struct plan_basis *basis, const struct split *split);

#endif
