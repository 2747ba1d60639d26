/* Curves over what was swept besides method and size: thresholds, label noise, delay, budgets, switches. Methods that
 * differ only in one axis of the sweep (or in axes that move together) are a family; a curve is a family at one size.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_CURVES_H
#define CAPSHAPE_REPORT_CURVES_H

#include "report/compare.h"
#include "report/table.h"

struct curve_axis {
	const char *name;  /* "filter/noise" */
	const char *label; /* of the horizontal axis, with its unit; from malloc */
	bool numeric;      /* else the values are names in order of appearance */
};

struct curve {
	size_t axis;    /* index */
	char *family;   /* label of the methods without the axis */
	size_t size;    /* index into the sizes of the study */
	size_t *groups; /* by x */
	double *x;
	size_t count; /* at least two */
};

struct curves {
	const struct comparison *comparison;
	struct curve_axis *axes;
	size_t axis_count;
	struct curve *curves; /* by axis, family, size */
	size_t curve_count, curve_capacity;
	double accuracy; /* of the classifier on its test set, for the error rate under label noise; NaN: not known */
};

/* Share of tokens decided wrongly when a classifier of accuracy `a` has its decisions flipped with probability `r`:
 * 1 - a (1 - r) - r (1 - a) (paper, figure 12). */
double curves_error_rate(double accuracy, double flips);
enum status curves_create(const struct comparison *comparison, double accuracy, struct curves *curves_out);
void curves_clear(struct curves *curves);
/* One row a point and measure: what was swept, loss, slowdown, slowdown relative to the first point of the curve. */
void curves_table(const struct curves *curves, struct table *table);
/* One row a curve of label noise and measure: exponent of slowdown ~ error rate^-b. */
void curves_decay_table(const struct curves *curves, struct table *table);

#endif
