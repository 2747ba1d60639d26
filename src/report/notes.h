/* What a reader must know before the numbers: how far the intervals of this study can be trusted, and what about its runs
 * makes comparisons uneven.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_NOTES_H
#define CAPSHAPE_REPORT_NOTES_H

#include "report/compare.h"
#include "report/table.h"

/* A line for each. */
void notes_add(const struct comparison *comparison, struct buffer *buffer);
/* What the intervals of a measure are over, for the title of its table: "; 95 % intervals over 118 documents in 15 groups (of one
 * id)", or why there are none. */
void notes_add_intervals(const struct comparison *comparison, size_t measure, struct buffer *title);

#endif
