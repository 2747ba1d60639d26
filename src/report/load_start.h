/* The runs that an unlearned one began from, beside it: without them there is nothing to compare it with.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_LOAD_START_H
#define CAPSHAPE_REPORT_LOAD_START_H

#include "report/load.h"

/* What filter/method of an unlearned run is; of one that began from a filtered model "rmu of mask". */
#define METHOD_UNLEARNED "rmu"
/* What it is of a model with a forget part that is cut out. */
#define METHOD_ROUTED    "route"
/* What it is of a model of method route with its forget part, and of what begins from that (tasks/start.h). */
#define METHOD_WHOLE     "route, whole"
/* Names of parameters that the following functions need. */
extern const char *const load_start_names[];
enum { LOAD_START_NAMES = 5 };

/* Whether filter/method is that of an unlearned run. */
bool load_start_is_unlearned(const char *method);
/* Whether it is that of a model with a forget part, of either version: what it calls filtered was routed there, not left out. */
bool load_start_is_routed(const char *method);
/* filter/method of a run of task = unlearn becomes METHOD_UNLEARNED, or "rmu of mask" where its start was filtered, that of a finetuned model what its start was filtered by: it is
 * compared by that. Where its own text was filtered too, both with "+" between. */
enum status load_start_name_method(struct run *run);
/* filter/method of the version with its forget part of a model becomes METHOD_WHOLE. */
enum status load_start_name_whole(struct run *run);
/* Where the list has unlearned runs: adds the points of the folder that they began from (start/run), first, and gives each
 * unlearned run the values of its own start on the axes of that folder. A folder that can not be read is put on the list of
 * what was left out, and so is one of runs that were evaluated on other text; nothing is added to runs
 * that were evaluated anew (task = evaluate). Finetuned models, evaluated anew or trained without a target, get those values only. */
enum status load_start_add(struct run_list *list);

#endif
