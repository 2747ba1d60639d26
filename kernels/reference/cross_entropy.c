/* Reference weighted cross-entropy.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/reference/reference.h"

enum status reference_cross_entropy(struct device *device, float *losses, void *logits, const int32_t *targets,
                                    const float *weights, int64_t rows, int64_t vocabulary, float multiplier)
{
	(void)device;
	double factor = multiplier;
	for (int64_t r = 0; r < rows; r++) {
		float *row = (float *)logits + r * vocabulary;
		double largest = -INFINITY, sum = 0.0;
		for (int64_t v = 0; v < vocabulary; v++)
			largest = fmax(largest, factor * row[v]);
		for (int64_t v = 0; v < vocabulary; v++)
			sum += exp(factor * row[v] - largest);
		double log_sum = largest + log(sum);
		losses[r] = (float)(log_sum - factor * row[targets[r]]);
		if (weights == NULL)
			continue;
		for (int64_t v = 0; v < vocabulary; v++) {
			double share = exp(factor * row[v] - log_sum) - (v == targets[r] ? 1.0 : 0.0);
			row[v] = (float)(weights[r] * factor * share);
		}
	}
	return STATUS_OK;
}
