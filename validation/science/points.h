/* For the claims: which configurations are compared, and what they are compared with.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_SCIENCE_POINTS_H
#define CAPSHAPE_VALIDATION_SCIENCE_POINTS_H

#include "validation/science/science.h"

enum { MOST_POINTS = 256 };

/* Keys that go with the size of a model; that move along a Pareto front. */
#define SIZE_KEYS                                                                                                      \
	"model/", "train/learning_rate", "train/weight_decay", "train/clip_norm", "train/tokens",                      \
		"train/tokens_per_parameter"
#define FRONT_KEYS "filter/share", "filter/token_threshold", "filter/document_threshold"

/* What is compared: configurations with their values of what is varied. */
struct points {
	const struct configuration *items[MOST_POINTS];
	double x[MOST_POINTS];
	size_t count;
};

void points_add(struct points *points, const struct configuration *configuration, double x);
/* Values of x that differ. */
size_t points_distinct(const struct points *points);
/* "mask by classifier, share 0.1, 361000 parameters" (of the smallest and the largest where sizes are compared) and what
 * else is worth knowing. */
void points_describe(const struct science *science, const struct points *points, const char *more, char place[256]);
/* Least squares. NaN when x does not vary. `intercept` may be NULL. */
double slope_of(const double *x, const double *y, size_t count, double *intercept);

bool configuration_has_method(const struct configuration *configuration, const char *method);
bool configuration_has_on(const struct configuration *configuration, const char *key);

/* ---- groups: configurations that differ in some keys only ---- */
bool group_belongs(const struct configuration *a, const struct configuration *b, const char *const *except,
                   bool any_size);
/* Whether configuration i is the first of its group, so that a group is looked at once. */
bool group_leads(const struct science *science, size_t i, const char *const *except, bool any_size);

/* ---- the baseline ---- */
/* The unfiltered configuration of the same size that was trained as this one. */
const struct configuration *baseline_find(const struct science *science, const struct configuration *filtered);
/* The unfiltered configurations of all sizes that were trained as this one; x: ln of the compute. */
void baseline_find_law(const struct science *science, const struct configuration *filtered, struct points *law);
/* ln of the loss-matched compute slowdown on the forget set (paper, appendix B.1) on draw k. */
double baseline_log_slowdown(const struct points *law, const struct configuration *filtered, size_t k);
/* Whether the matched compute lies outside that of the law's own models, as the report marks it. */
bool baseline_is_extrapolated(const struct points *law, const struct configuration *filtered);

/* ---- findings ---- */
/* The effect on all draws; `values` is sorted. */
enum status findings_judge(const struct science *science, struct findings *findings, const char *claim,
                           const char *effect, const char *place, double *values);
/* A finding that says what the claim needs, where there was none since `before`. */
enum status findings_need(struct findings *findings, size_t before, const char *claim, const char *effect,
                          const char *why);

/* ---- claims_order.c ---- */
enum status claim_order(const struct science *science, struct findings *findings);

#endif
