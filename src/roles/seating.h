/* The ranks of a job, numbered by the seats that they have in a split.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_SEATING_H
#define CAPSHAPE_ROLES_SEATING_H

#include "comm/world.h"
#include "roles/placement.h"

struct seating {
	struct world *job;
	struct world
		*world; /* rank = seat: of this or, where all ranks have the seats of their numbers, that of the job */
	struct world ordered;
	struct placement placement;
};

/* As placement_create(). Collective; seating_close() in any case. */
enum status seating_open(struct world *job, const int *node, const int *gpus, const struct split *split,
                         struct seating *seating_out);
/* A failure that all ranks know of is then known in the job's world. Call it also after each agreement that decides how the job ends. */
void seating_pass_failure(const struct seating *seating);
void seating_close(struct seating *seating);

#endif
