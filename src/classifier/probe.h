/* Logistic regression by L-BFGS (liblbfgs): features are standardised, the ridge is on standardised weights, and the
 * result is folded back so that logit(x) = bias + sum_j weights[j] x[j].
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_PROBE_H
#define CAPSHAPE_CLASSIFIER_PROBE_H

#include <stdint.h>

#include "base/status.h"

struct probe {
	int64_t width;
	double *weights; /* malloc */
	double bias;
};
/* features[count, width] row-major and finite, labels 0 or 1, both classes present (else STATUS_DATA). Minimises
 * mean log loss + l2 / 2 * sum of squared standardised weights (the bias is free; a constant feature gets weight 0). Sums
 * in double, in an order that depends on the shapes only. STATUS_NUMERIC when the optimiser does not arrive. */
enum status probe_fit(const float *features, const uint8_t *labels, int64_t count, int64_t width, double l2,
                      struct probe *probe_out);
/* bias + sum_j weights[j] features[j]. */
double probe_logit(const struct probe *probe, const float *features);
void probe_clear(struct probe *probe);

#endif
