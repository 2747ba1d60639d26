/* One job at a time in a folder: the lock FOLDER/lock, held by rank 0 of the ranks that work there.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_GUARD_H
#define CAPSHAPE_TASKS_GUARD_H

#include <stdbool.h>

#include "comm/world.h"
#include "storage/lock.h"

/* A wait for another job is told of at once, then after 30 s, 60 s more, 120 s more and so on, an hour at most. Zeros: at its beginning. */
struct guard_telling {
	double at, interval;
};
/* Whether it is time to tell. */
bool guard_tells(struct guard_telling *telling);

/* Collective over `world`. Waits, saying so, while another job works in `folder` (made when it is not there): look again
 * at what is finished afterwards. STATUS_STOPPED when asked to stop meanwhile. *lock_out is NULL on ranks other than 0. */
enum status guard_wait(struct world *world, const char *folder, struct lock **lock_out);

/* The same for one rank alone. */
enum status guard_wait_alone(const char *folder, struct lock **lock_out);

/* One rank. Does not wait: *lock_out is NULL when another job works in `folder`, and *owner_out, from malloc, says which. */
enum status guard_take(const char *folder, struct lock_memory *memory, struct lock **lock_out, char **owner_out);

#endif
