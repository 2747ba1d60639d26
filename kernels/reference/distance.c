/* Reference distance of rows from their targets.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/reference/reference.h"

enum status reference_square_distance(struct device *device, float *squares, void *gradient, const void *x,
                                      const void *target, int64_t step, float factor, int64_t rows, int64_t width)
{
	(void)device;
	const float *from = x, *to = target;
	float *slope = gradient;
	for (int64_t r = 0; r < rows; r++) {
		double sum = 0.0;
		for (int64_t i = 0; i < width; i++) {
			double apart = (double)from[r * width + i] - to[r * step + i];
			sum += apart * apart;
			slope[r * width + i] = (float)(factor * apart);
		}
		squares[r] = (float)sum;
	}
	return STATUS_OK;
}
