/* Processes that keep this machine as busy as the ranks of a job will, while the speed of one of them is measured: they share
 * its caches, its memory and its clock.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_COMPANY_H
#define CAPSHAPE_TASKS_COMPANY_H

#include "tasks/pretrain.h"

struct company;

/* Starts `count` copies of this process, each of which measures these points (tasks/rates.h) on a device of its own, with the
 * threads of one of `ranks` ranks, again and again, for `seconds` each time, until company_end(); they end with this process
 * too. Where the system refuses a copy there are fewer. Call it before any thread is started: before a device is made. NULL when
 * memory is short. */
struct company *company_start(const struct points *points, int ranks, int count, double seconds);
int company_size(const struct company *company);
/* Safe on NULL. */
void company_end(struct company *company);

#endif
