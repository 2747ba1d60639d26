/* The tables of report.h5 and of the CSV files: one row a finding, one column a number, every column with unit and
 * meaning. Each function fills a fresh table; failures are remembered in it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_COLUMNS_H
#define CAPSHAPE_REPORT_COLUMNS_H

#include "report/compare.h"
#include "report/table.h"

void columns_of_runs(const struct study *study, struct table *table);
void columns_of_losses(const struct comparison *comparison, struct table *table);
void columns_of_slowdowns(const struct comparison *comparison, struct table *table);
void columns_of_laws(const struct comparison *comparison, struct table *table);
void columns_of_filtered(const struct study *study, struct table *table);
void columns_of_left_out(const struct run_list *list, struct table *table);
/* value, low, high */
void columns_add_interval(struct table *table, const struct interval *interval);
/* On which side of the baseline's computes the slowdown lies: "no", "below", "above"; "" where it is undefined. */
void columns_add_extrapolated(struct table *table, const struct slowdown *slowdown);
/* Share of all corpus tokens of a run that were filtered, NaN when not known. */
double columns_filtered_share(const struct run *run);
/* The same for the runs of a group, which see the same decisions; NaN too for weights, which leave no token out. */
double columns_group_share(const struct study *study, size_t group);
/* Filtered and all tokens of a run over all domains. */
void columns_count_filtered(const struct run *run, int64_t *filtered, int64_t *tokens);

#endif
