/* train/trunk: the point of another run that a point can begin from.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_TRUNK_H
#define CAPSHAPE_TASKS_TRUNK_H

#include "tasks/pretrain.h"

/* Finds the point of the run folder train/trunk that was made with this point's values, text and classifier, all but what
 * only the length and end of a run and its evaluation depend on, and sets point->trunk_name and point->trunk_identity;
 * nothing when train/trunk is empty. STATUS_DATA naming the nearest point and the first difference when there is none,
 * STATUS_USAGE with filter/begin_share. Reads files: rank 0 only. Needs point->identity. */
enum status trunk_find(struct point *point);
/* Folder of the trunk's point; NULL without one. From malloc; *status_out says whether memory was short. */
char *trunk_folder(const struct point *point, enum status *status_out);

#endif
