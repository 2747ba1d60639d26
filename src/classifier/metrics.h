/* Classification metrics over 16-bit scores, from two histograms (65,536 bins: exact, any number of tokens).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_METRICS_H
#define CAPSHAPE_CLASSIFIER_METRICS_H

#include <stdint.h>

struct score_counts {
	int64_t positive[65536], negative[65536]; /* by score */
};

struct metrics {
	double precision, recall, f1, auroc, prevalence;
	double accuracy;
};

/* Metrics at `threshold` (forget when score >= threshold). balanced: negatives are weighted so that both classes weigh
 * the same. AUROC counts ties half. NaN where undefined. */
void metrics_compute(const struct score_counts *counts, uint32_t threshold, int balanced, struct metrics *out);
/* Threshold of best F1 (lowest such threshold on ties), 0 .. 65535; 65536 (flag nothing) when there is no positive. */
uint32_t metrics_best_threshold(const struct score_counts *counts, int balanced);
/* Average precision at the prevalence of the counts: the sum over thresholds, descending, of precision times what recall grows by;
 * tokens of one score are taken together. NaN without a positive. */
double metrics_average_precision(const struct score_counts *counts);

#endif
