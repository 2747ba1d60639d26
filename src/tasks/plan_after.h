/* The work that a plan's input file waits for: that of run/after, and of what these files come after themselves.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_PLAN_AFTER_H
#define CAPSHAPE_TASKS_PLAN_AFTER_H

#include "tasks/plan_price.h"

/* A line for each file, in the order in which they would be run: that it is finished, or about how long it takes on the ranks of the
 * plan, at the speed by which its points were priced (plan_price()); and a last one with the whole, to which `own` seconds are added.
 * Nothing without run/after. STATUS_USAGE and so on where such a file cannot be read. */
enum status plan_after_print(const struct parameters *first, const struct plan_basis *basis, double own);

#endif
