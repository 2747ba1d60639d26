/* Which lines of a figure share a panel: a figure whose lines are more than can be told apart has a panel for each value of
 * an axis (of two, where one is not enough).
 *
 * Up to FACETS_GOOD_LINES lines are one panel. More are divided by the axis, or pair of axes, that leaves no panel more
 * lines than that with the fewest panels, FACETS_MOST at most; of equal ones by the one that changes the text, whose
 * losses are not to be compared, then by the one that comes first in the sweep. Where no axis does, FACETS_MOST_LINES are put
 * up with, and where that is not enough either, the division with the fewest lines a panel is taken.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_FACETS_H
#define CAPSHAPE_REPORT_FACETS_H

#include <stdbool.h>
#include <stddef.h>

#include "report/study.h"

enum { FACETS_GOOD_LINES = 7, FACETS_MOST_LINES = 10, FACETS_MOST = 6, FACETS_AXES = 2 };
#define FACETS_NONE ((size_t)-1)

/* ---- the rule ---- */
struct facets_lines {
	size_t count, axis_count;
	const size_t *values; /* [count][axis_count] number of the line's value of each axis */
	const size_t *
		companions; /* [count] number of a line that is drawn beside it in its panel, FACETS_NONE: none; NULL */
	const bool *preferred; /* [axis_count] axes that divide before others; NULL: none */
};

/* Axes whose values make the panels: chosen[0 .. result - 1] in increasing order; 0: one panel. */
size_t facets_choose(const struct facets_lines *lines, size_t chosen[FACETS_AXES]);

/* ---- the methods of a study ---- */
struct facets {
	size_t count; /* of panels, 1 at least */
	size_t method_count;
	char *titles[FACETS_MOST]; /* "entanglement=0.5"; "" when there is one */
	bool *shows;               /* [count][method_count]; a baseline is in the panel of every method that has it */
	char **labels;  /* [method_count] what the titles leave to say: equal in two panels for the same thing */
	size_t *looks;  /* [method_count] number of the label among those of baselines, or of the others */
	bool same_text; /* all panels: their losses may be compared */
};

enum status facets_create(const struct study *study, struct facets *facets_out);
void facets_clear(struct facets *facets);
bool facets_show(const struct facets *facets, size_t facet, size_t method);

#endif
