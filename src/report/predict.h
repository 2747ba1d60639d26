/* Predictions: what the laws say about a size that was not run yet, kept with the date in FOLDER/predictions.csv and
 * compared with the result once there is one.
 *
 * The loss comes from the law of the method's own sizes, the slowdown from that loss and the law of its baseline. The
 * interval holds the resampling of documents and seeds and the misfit of the law: every resample is moved by a Student
 * number (sizes - parameters of the law degrees of freedom) times s sqrt(1 + 1/n + (x - mean x)^2 / sum (x - mean x)^2),
 * the prediction interval of a straight line in ln C. The slowdown is moved by the misfit of the baseline's law as well,
 * without the 1. A law through as many sizes as it has parameters tells nothing about its misfit: then there is no interval.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_PREDICT_H
#define CAPSHAPE_REPORT_PREDICT_H

#include "report/compare.h"
#include "report/table.h"

#define PREDICT_FILE "predictions.csv"
#define PREDICT_HEADER                                                                                                 \
	"date,version,size,parameters,flops,compute,law,sizes_fitted,method,set,tokens,loss,loss_low,loss_high,"       \
	"slowdown,"                                                                                                    \
	"slowdown_low,slowdown_high,confidence"

struct predict_counts {
	size_t rows;           /* added */
	size_t without_misfit; /* of them: without an interval, for lack of sizes */
};

/* Sizes from which on a prediction by the law has an interval: one more than it has parameters. */
size_t predict_sizes_needed(enum law_kind law);
/* Whether a size is the one predicted: as many parameters within 2 %. */
bool predict_same_size(double predicted, double parameters);

/* Parameters of a size: a name of docs/parameters.md ("61M", "L4-D128-H4", with the vocabulary and context of the runs)
 * or a number of parameters ("61.8M"). STATUS_USAGE when it is neither. */
enum status predict_parameters(const struct study *study, const char *size, int64_t *parameters);
/* Predicts all methods and measures at `size` and adds them to FOLDER/predictions.csv. `date`: YYYY-MM-DD. `version`: of
 * the program, without a comma. STATUS_DATA when nothing can be predicted, or when the size was run already. */
enum status predict_size(const struct comparison *comparison, const char *folder, const char *size, const char *date,
                         const char *version, struct predict_counts *counts);
/* Every stored prediction with the result beside it where its size has been run since; empty without the file. STATUS_DATA
 * with the line when the file is not as predict_size() writes it. */
enum status predict_table(const struct comparison *comparison, const char *folder, struct table *table);

#endif
