/* --plan where models run on GPUs: what a step takes on 1, 2, 4, ... of them, and the whole sweep on so many ranks.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_PLAN_GPUS_H
#define CAPSHAPE_TASKS_PLAN_GPUS_H

#include "tasks/plan_memory.h"

/* GPUs of a node: as many as this machine has, assumed where it has none. */
int plan_gpus_a_node(void);
/* Prints both tables, up to `ranks`, for points that were priced (tasks/rates.h), and the assumptions behind them. `launch`: seconds of a job
 * before its roles begin. Leaves the timetable of the points undefined. */
enum status plan_print_gpus(struct points *points, const struct sweep *sweep, const struct plan_memory *memory,
                            int ranks, double launch);

#endif
