/* --tune-roles: splits tried out on the job itself, and the best one remembered in the output folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_TUNE_H
#define CAPSHAPE_TASKS_TUNE_H

#include "tasks/pretrain.h"

/* The split that an earlier --tune-roles of this job found best: OUTPUT/roles.tuned, where all its stamps hold (the points,
 * the number of ranks, the machine, the program). trainers = 0 where there is none, and where the input file or
 * --tune-roles decides. Says what it finds. Collective. */
enum status tune_read(struct job *job, const struct cast *cast, const struct points *points, struct split *split_out);

/* Trains the first points of the best few splits of the cost model for some seconds each, in a folder of its own that is
 * removed afterwards, prints what was measured, and writes OUTPUT/roles.tuned. Needs priced points. Collective. */
enum status tune_roles(struct job *job, struct cast *cast, struct points *points, struct split *split_out);

#endif
