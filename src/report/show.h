/* The report for people: the tables of the terminal and of report.md, numbers rounded, intervals in brackets.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_SHOW_H
#define CAPSHAPE_REPORT_SHOW_H

#include "report/compare.h"
#include "report/table.h"

/* What is shown; the caller fills it and clears the parts. */
struct show {
	const char *folder; /* as given */
	const struct run_list *list;
	const struct comparison *comparison;
	const struct table *classifier; /* columns of classifier_metrics.h */
	const struct table *tables;     /* all of report.h5 */
	size_t table_count;
	const char *notes;          /* lines, "" when there is none */
	const char *const *figures; /* names without ending, each drawn */
	const char *const *figure_titles;
	size_t figure_count;
};

enum show_form { SHOW_TEXT, SHOW_MARKDOWN, SHOW_HTML };

/* Everything, as plain text or as markdown with the figures. */
void show_report(const struct show *show, enum show_form form, struct buffer *buffer);
/* The tables alone, in any form. */
void show_tables(const struct show *show, enum show_form form, struct buffer *buffer);
/* How to read intervals, verdicts and marks. Not for HTML. */
void show_legend(const struct comparison *comparison, enum show_form form, struct buffer *buffer);
/* The notes, one a line of text, an item of a list or a paragraph. */
void show_notes(const char *notes, enum show_form form, struct buffer *buffer);
/* `text` as an item of a list, which it clears; of its status `buffer` is told. */
void show_item(struct buffer *text, enum show_form form, struct buffer *buffer);
/* Writes and clears a table. */
void show_write(struct table *table, enum show_form form, struct buffer *buffer);

/* ---- number forms, also used by the figures ---- */
enum { SHOW_NUMBER = 96 };
/* "12.3* [9.8, 17.1]", * where it is extrapolated, "-" where it is undefined. */
void show_slowdown(const struct slowdown *slowdown, char *buffer, size_t size);
/* "12.3", "4510", "2.1e+07", "-" */
void show_factor(double value, char *buffer, size_t size);
/* "3.4821 [3.4703, 3.4940]"; no brackets when the ends are not known, "-" without a value. `sign`: + is shown. */
void show_interval(const struct interval *interval, bool sign, char *buffer, size_t size);

#endif
