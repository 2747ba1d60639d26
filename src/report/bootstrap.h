/* Bootstrap over the documents of an evaluation set, whole groups of documents at a time (cluster bootstrap). All runs of a set see the same resampled documents, so differences
 * between runs are paired. Every draw is a function of (seed, set, resample, position).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_BOOTSTRAP_H
#define CAPSHAPE_REPORT_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* A number with its percentile interval; NaN where not known. */
struct interval {
	double value, low, high;
};

/* The stream of random numbers that belongs to a name. */
uint64_t bootstrap_stream(const char *name);
/* Numbers the groups 0, 1, .. by their first member: out[i] is the number of the group of member i, of which groups[i] is any
 * name. *count_out: groups. */
enum status bootstrap_number_groups(const uint64_t *groups, size_t members, size_t *out, size_t *count_out);
/* How often each document (or group of them) is drawn: counts[resample * documents + document]; from malloc, NULL without memory. */
uint16_t *bootstrap_draw(uint64_t seed, const char *set, size_t resamples, size_t documents);
/* sums[run][resample] = sum over documents of count x values[run][document]. */
void bootstrap_sum(const uint16_t *counts, size_t resamples, size_t documents, size_t runs, const double *const *values,
                   double *const *sums);
/* The interval that leaves (1 - confidence) / 2 of the values on each side. Sorts `values` (scratch). NaN values
 * count as possible at both ends: when they are more than a side may hold, low and high are NaN. */
struct interval bootstrap_interval(double value, double *values, size_t count, double confidence);

#endif
