/* Predictions: what the laws say about a size that was not run yet, kept with the date in FOLDER/predictions.csv and
 * compared with the result once there is one.
 *
 * The loss comes from the law of the method's own sizes, the slowdown from that loss and the law of its baseline. The
 * interval holds the resampling of documents and seeds and the misfit of the law: every resample is moved by a Student
 * number (sizes - parameters of the law degrees of freedom) times s sqrt(1 + 1/n + (x - mean x)^2 / sum (x - mean x)^2),
 * the prediction interval of a straight line in ln C; a law through as many sizes as parameters has none.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_PREDICT_H
#define CAPSHAPE_REPORT_PREDICT_H

#include "report/compare.h"
#include "report/table.h"

#define PREDICT_FILE "predictions.csv"

/* Parameters of a size: a name of docs/parameters.md ("61M", "L4-D128-H4", with the vocabulary and context of the runs)
 * or a number of parameters ("61.8M"). STATUS_USAGE when it is neither. */
enum status predict_parameters(const struct study *study, const char *size, int64_t *parameters);
/* Predicts all methods and measures at `size` and adds them to FOLDER/predictions.csv. `date`: YYYY-MM-DD. STATUS_DATA
 * when nothing can be predicted, or when the size was run already. *count: rows added. */
enum status predict_size(const struct comparison *comparison, const char *folder, const char *size, const char *date,
                         const char *version, size_t *count);
/* Every stored prediction with the result beside it where its size has been run since; empty without the file. */
enum status predict_table(const struct comparison *comparison, const char *folder, struct table *table);

#endif
