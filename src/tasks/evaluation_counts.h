/* What an evaluation of a point will compute, counted without computing anything: for predictions.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_EVALUATION_COUNTS_H
#define CAPSHAPE_TASKS_EVALUATION_COUNTS_H

#include "tasks/pretrain.h"

/* Sets point->evaluation by the documents and the recall questions beside the text of data/folder, packed into rows and
 * micro-batches as roles/evaluation.h and roles/recall.h do. `previous`: a point that may have the same; NULL: none. Reads files.
 * STATUS_DATA where the run could not read them. */
enum status evaluation_count(struct point *point, const struct point *previous);

#endif
