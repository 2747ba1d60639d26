/* The whole of capshape-report as one call: reads a run folder, compares, writes the report folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_REPORT_H
#define CAPSHAPE_REPORT_REPORT_H

#include <stdint.h>
#include <stdio.h>

#include "base/status.h"
#include "report/compare.h"

struct report_options {
	const char *folder;
	const char *output; /* NULL: FOLDER/report */
	long resamples;     /* -1: evaluate/resamples of the runs, else 1000 */
	double confidence;  /* 0.95 */
	uint64_t seed;
	const char *version;            /* recorded in report.h5 */
	const char *const *fit_without; /* shell patterns of sizes that no law is fitted to */
	size_t fit_without_count;
	enum compute_kind compute; /* of figures, findings and predictions */
	enum law_kind law;
	double accuracy;     /* of the classifier, for the error rate under label noise; NaN: from its file */
	const char *predict; /* a size to predict, NULL: none */
	struct study_options study;
};

/* Writes report.html, report.md, report.h5, a CSV file for each table and the figures, and prints the tables to `out`.
 * With `predict`: adds to predictions.csv of the run folder first.
 * STATUS_DATA when the folder has no finished run; those left out are printed first. */
enum status report_make(const struct report_options *options, FILE *out);

#endif
