/* Notices within moments when a process of the job dies, whatever the launcher does about it.
 *
 * Under plain srun a rank that is killed leaves the others waiting for ever. So every rank keeps one idle TCP connection
 * to rank 0, watched by a thread that sleeps in poll(). When a process dies its kernel closes the connection: rank 0 says
 * which rank was lost, tells all others and ends with exit code 6, as they do. Of rank 0 itself rank 1 says it, and the last rank, which
 * is on another node in most jobs. A lost node (no close) is found within 30 s: by TCP's keep-alive, and by its limit on what is not
 * acknowledged. The threads also tell each other every few seconds that their
 * processes run: one that is stopped, or whose node hangs, ends the job by name, whatever the others wait for: barriers and
 * agreements, which have no limit of their own, too. A process at work, however long, is none of these. A rank
 * that can have no thread says so: its silence means nothing then, but its end does. No MPI calls are made here.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_COMM_LIFELINE_H
#define CAPSHAPE_COMM_LIFELINE_H

#include "comm/world.h"

struct lifeline;

/* Whether this rank may have as many connections open as the lifeline takes: STATUS_ENVIRONMENT with the numbers. */
enum status lifeline_check(const struct world *world);
/* Collective. Where no connection can be made (a firewall between nodes) rank 0 warns and the job goes on without. */
enum status lifeline_open(const struct world *world, struct lifeline **lifeline_out);
/* Five times this many seconds of silence (and ten more), in time that this process runs, are too many; INFINITY: never. At first
 * world->timeout. All ranks are to have the same; `lifeline` may be NULL. */
void lifeline_set_timeout(struct lifeline *lifeline, double timeout);
/* Before this rank aborts the job for a reason that it has printed: its end is then no news to the others. */
void lifeline_announce(struct lifeline *lifeline);
/* Collective (a barrier of the caller's must lie before it): says farewell, so that the closing is no alarm. */
void lifeline_close(struct lifeline *lifeline);

#endif
