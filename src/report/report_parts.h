/* Inside of the report: its content (report.c) and its files (report_files.c).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_REPORT_PARTS_H
#define CAPSHAPE_REPORT_REPORT_PARTS_H

#include "report/curves.h"
#include "report/load.h"
#include "report/questions.h"
#include "report/report.h"
#include "report/table.h"

enum { FIGURES = 32 };
enum {
	TABLE_RUNS,
	TABLE_LOSSES,
	TABLE_SLOWDOWN,
	TABLE_LAWS,
	TABLE_FILTERED,
	TABLE_FRONTIER,
	TABLE_AREAS,
	TABLE_CURVES,
	TABLE_DECAY,
	TABLE_QUESTIONS,
	TABLE_QUESTION_GROUPS,
	TABLE_PASSAGES,
	TABLE_CLASSIFIER,
	TABLE_PREDICTIONS,
	TABLE_LEFT_OUT,
	TABLES
};

/* Everything between reading and writing. */
struct report {
	const struct report_options *options;
	const char *folder; /* of the report */
	struct run_list list;
	struct study study;
	struct comparison comparison;
	struct curves curves;
	struct question_results questions;
	struct buffer notes;
	struct table tables[TABLES];
	char *figures[FIGURES], *figure_titles[FIGURES];
	size_t figure_count;
};

/* Draws the figures and writes the tables (CSV, report.h5) and the pages into the folder of the report; prints the page to `out`.
 * Everything but the figures is there. STATUS_IO naming the file. */
enum status report_write(struct report *report, FILE *out);

#endif
