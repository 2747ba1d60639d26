/* Reference probes of normalised rows.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/reference/reference.h"

enum status reference_probe(struct device *device, double *out, const void *residual, const void *branch,
                            const double *probes, int64_t count, int64_t rows, int64_t width)
{
	(void)device;
	const float *base = residual, *added = branch;
	for (int64_t r = 0; r < rows; r++)
		for (int64_t p = 0; p < count; p++) {
			double squares = 0.0, product = 0.0;
			for (int64_t i = 0; i < width; i++) {
				int64_t at = r * width + i;
				double x = (float)((double)base[at] + (added ? (double)added[at] : 0.0));
				squares += x * x;
				product += probes[p * width + i] * x;
			}
			out[p * rows + r] = squares != 0.0 ? product / sqrt(squares / (double)width) : 0.0;
		}
	return STATUS_OK;
}
