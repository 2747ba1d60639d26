/* Logistic regression by L-BFGS (liblbfgs): features are standardised, the ridge is on standardised weights, and the
 * result is folded back so that logit(x) = bias + sum_j weights[j] x[j].
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_PROBE_H
#define CAPSHAPE_CLASSIFIER_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct probe {
	int64_t width;
	double *weights; /* malloc */
	double bias;
	/* How well it is fitted: the norm of the gradient of the mean loss by standardised weights and bias, and whether that or the
	 * optimiser's own test says that the minimum is reached. */
	double gradient_norm;
	bool converged;
};
/* Iterations of the optimiser at most (paper, section 5.2: 10,000). */
enum { PROBE_ITERATIONS = 10000 };
/* A probe counts as converged with a gradient of this norm. */
#define PROBE_GRADIENT_NORM 1e-5

/* features[count, width] row-major and finite, labels 0 or 1, both classes present (else STATUS_DATA). Minimises
 * mean log loss + l2 / 2 * sum of squared standardised weights (the bias is free; a constant feature gets weight 0). Sums
 * in double, in an order that depends on the shapes only. One that does not converge within the iterations is a probe all the
 * same, the best that was found; STATUS_NUMERIC when nothing better than equal odds is. */
enum status probe_fit(const float *features, const uint8_t *labels, int64_t count, int64_t width, double l2,
                      struct probe *probe_out);
/* The same with another limit. */
enum status probe_fit_within(const float *features, const uint8_t *labels, int64_t count, int64_t width, double l2,
                             int iterations, struct probe *probe_out);
/* bias + sum_j weights[j] features[j]. */
double probe_logit(const struct probe *probe, const float *features);
void probe_clear(struct probe *probe);

#endif
