/* What the classifier file says about itself: precision, recall, F1, AUROC against its controls.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_CLASSIFIER_METRICS_H
#define CAPSHAPE_REPORT_CLASSIFIER_METRICS_H

#include "report/study.h"
#include "report/table.h"

/* Rows of every classifier that the runs name (filter/classifier: a file, or a folder with classifier.h5) and that
 * exists; columns file who set prevalence precision recall f1 auroc threshold positives count. Classifiers that are
 * missing or damaged add a line to `notes`. */
void classifier_metrics_collect(const struct study *study, struct table *table, struct buffer *notes);

/* Share decided rightly, from precision, recall and the share of forget: 1 - false alarms - misses. */
double classifier_metrics_accuracy(double precision, double recall, double positives);

#endif
