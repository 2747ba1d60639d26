/* Forget loss against retain loss: which points no other point beats, and areas under the curves.
 *
 * A point is on the front when no other model of its size and text has a higher forget loss and a retain loss that is not
 * higher, or a lower retain loss and a forget loss that is not lower.
 * Area (paper, figure 28): trapezoids under the forget loss as a function of the retain loss; normalised: 1 - area of the
 * baseline / area. Because curves of different methods end at different retain losses, the mean height (area / width) over
 * the retain losses that both share is given too: that one compares like with like.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_FRONTIER_H
#define CAPSHAPE_REPORT_FRONTIER_H

#include "report/curves.h"

/* Trapezoids under the points in order of x; they need not be sorted. NaN with less than two, or where one is NaN. */
double frontier_area(const double *x, const double *y, size_t count);
/* Mean of the piecewise linear curve from `low` to `high`; NaN unless it covers that range. */
double frontier_height(const double *x, const double *y, size_t count, double low, double high);

struct frontier_point {
	size_t group;
	double retain, forget; /* nats a token */
	bool front;            /* no other model of its size and text beats it */
	double share;          /* of the resamples in which that holds; NaN without */
};
/* The points of one size; *count of them, from malloc. `label`: over label tokens. Groups without both losses are not
 * among them. NULL without memory. */
struct frontier_point *frontier_points(const struct comparison *comparison, size_t size, bool label, size_t *count);

/* One row a point. */
void frontier_table(const struct comparison *comparison, struct table *table);
/* One row a curve: of every method over sizes, and of every family over a numeric axis. */
void frontier_area_table(const struct comparison *comparison, const struct curves *curves, struct table *table);

#endif
