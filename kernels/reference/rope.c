/* Reference rotary positions.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/reference/reference.h"

static void rotate(float *head, int head_size, double base, double position)
{
	int half = head_size / 2;
	for (int i = 0; i < half; i++) {
		double angle = position * pow(base, -2.0 * i / head_size);
		double first = head[i], second = head[i + half];
		head[i] = (float)(first * cos(angle) - second * sin(angle));
		head[i + half] = (float)(second * cos(angle) + first * sin(angle));
	}
}

enum status reference_rope(struct device *device, void *x, const int32_t *positions, int64_t rows, int heads,
                           int rotated, int head_size, double base, bool inverse)
{
	(void)device;
	float *head = x;
	for (int64_t r = 0; r < rows; r++)
		for (int h = 0; h < rotated; h++)
			rotate(head + (r * heads + h) * head_size, head_size, base,
			       inverse ? -(double)positions[r] : (double)positions[r]);
	return STATUS_OK;
}
