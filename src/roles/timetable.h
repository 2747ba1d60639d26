/* Which group of trainers runs which point of a sweep, and in which order.
 *
 * Points fall into phases, one after the other: inside a phase all points read through the same classifier, so that its
 * scores are shared. In a phase points go to groups longest first, each to the group that is free first (Graham 1969:
 * at most 4/3 of the shortest possible time); a single group runs them by number. The order depends on the costs and the numbers of the points alone.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_TIMETABLE_H
#define CAPSHAPE_ROLES_TIMETABLE_H

#include <stdint.h>

#include "base/status.h"

struct timetable_item {
	int64_t point;
	int phase;
	double cost; /* time of the point on one group, in any unit */
};

struct timetable_place {
	int64_t point;
	int phase, group;
	double begin, end; /* from the begin of the sweep; a phase begins when the one before it has ended everywhere */
};

struct timetable {
	int groups;
	int64_t count;
	struct timetable_place
		*places; /* [count] by phase, then longest first: the order in which a group runs its own */
	double end;      /* of the last point */
};

enum status timetable_create(const struct timetable_item *items, int64_t count, int groups,
                             struct timetable *timetable_out);
void timetable_clear(struct timetable *timetable);

#endif
