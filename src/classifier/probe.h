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
/* features[count, width] row-major, labels 0 or 1, both classes present (else STATUS_DATA). Sums in double, in order. */
enum status probe_fit(const float *features, const uint8_t *labels, int64_t count, int64_t width, double l2,
                      struct probe *probe_out);
double probe_logit(const struct probe *probe, const float *features);
void probe_clear(struct probe *probe);

#endif
