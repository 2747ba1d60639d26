/* Metrics from two histograms of scores. Every sum is of whole numbers, so nothing depends on the order of tokens.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/metrics.h"

#include <math.h>

enum { SCORES = 65536 };

struct totals {
	int64_t positives, negatives;
	double negative_weight;
};

static struct totals count_totals(const struct score_counts *counts, int balanced)
{
	struct totals totals = { .negative_weight = 1 };
	for (int score = 0; score < SCORES; score++) {
		totals.positives += counts->positive[score];
		totals.negatives += counts->negative[score];
	}
	if (balanced && totals.negatives > 0)
		totals.negative_weight = (double)totals.positives / (double)totals.negatives;
	return totals;
}

/* Harmonic mean of precision and recall, written without either so that it is defined where precision is not. */
static double f1_of(const struct totals *totals, int64_t true_positives, int64_t false_positives)
{
	double flagged = (double)true_positives + totals->negative_weight * (double)false_positives;
	return 2 * (double)true_positives / (flagged + (double)totals->positives);
}

/* Share of (positive, negative) pairs in the right order. */
static double area_under_roc(const struct score_counts *counts, const struct totals *totals)
{
	__extension__ unsigned __int128 twice_ordered = 0;
	int64_t above = totals->positives;

	for (int score = 0; score < SCORES; score++) {
		int64_t equal = counts->positive[score];
		above -= equal;
		__extension__ unsigned __int128 worth = 2 * (unsigned __int128)above + (unsigned __int128)equal;
		twice_ordered += worth * (unsigned __int128)counts->negative[score];
	}
	return (double)twice_ordered / 2 / ((double)totals->positives * (double)totals->negatives);
}

void metrics_compute(const struct score_counts *counts, uint32_t threshold, int balanced, struct metrics *out)
{
	struct totals totals = count_totals(counts, balanced);
	int64_t true_positives = 0, false_positives = 0;
	double weight = totals.negative_weight, all, right;

	for (uint32_t score = threshold; score < SCORES; score++) {
		true_positives += counts->positive[score];
		false_positives += counts->negative[score];
	}
	all = (double)totals.positives + weight * (double)totals.negatives;
	right = (double)true_positives + weight * (double)(totals.negatives - false_positives);
	*out = (struct metrics){
		.precision = (double)true_positives / ((double)true_positives + weight * (double)false_positives),
		.recall = (double)true_positives / (double)totals.positives,
		.f1 = f1_of(&totals, true_positives, false_positives),
		.auroc = area_under_roc(counts, &totals),
		.prevalence = (double)totals.positives / all,
		.accuracy = right / all,
	};
}

uint32_t metrics_best_threshold(const struct score_counts *counts, int balanced)
{
	struct totals totals = count_totals(counts, balanced);
	int64_t true_positives = 0, false_positives = 0;
	uint32_t best = SCORES;
	double best_f1 = 0;

	for (int score = SCORES - 1; score >= 0; score--) {
		true_positives += counts->positive[score];
		false_positives += counts->negative[score];
		if (true_positives > 0 && f1_of(&totals, true_positives, false_positives) >= best_f1) {
			best_f1 = f1_of(&totals, true_positives, false_positives);
			best = (uint32_t)score;
		}
	}
	return best;
}

double metrics_average_precision(const struct score_counts *counts)
{
	struct totals totals = count_totals(counts, 0);
	int64_t true_positives = 0, flagged = 0;
	double sum = 0;

	for (int score = SCORES - 1; score >= 0; score--) {
		true_positives += counts->positive[score];
		flagged += counts->positive[score] + counts->negative[score];
		if (counts->positive[score] > 0)
			sum += (double)counts->positive[score] * (double)true_positives / (double)flagged;
	}
	return sum / (double)totals.positives;
}
