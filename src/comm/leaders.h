/* How the groups of a job learn that another group has failed or was asked to stop, while they work.
 *
 * Each group has a leader. The leaders of groups 1 .. tell the leader of group 0 once that their group has ended, and how;
 * it tells each of them once: to stop, as soon as some group has ended with a failure, or that all have ended well. So
 * every message has a receiver, and the cost grows with the number of groups, not with its square.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_COMM_LEADERS_H
#define CAPSHAPE_COMM_LEADERS_H

#include "comm/world.h"

struct leaders;

/* Group g's leader is rank g * group_size of `world`. Only leaders create one; not collective. */
enum status leaders_create(const struct world *world, int groups, int group_size, struct leaders **leaders_out);
void leaders_destroy(struct leaders *leaders);
/* Whether this group is to stop because of another. Polls; call it at every step. */
bool leaders_stop_heard(struct leaders *leaders);
/* This group has ended with `own`. Waits, napping, until all groups have ended or this one is let go; once. */
enum status leaders_end(struct leaders *leaders, enum status own);

#endif
