/* Reference ReLU squared.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/reference/reference.h"

enum status reference_relu_squared_forward(struct device *device, void *y, const void *x, int64_t count)
{
	(void)device;
	float *result = y;
	const float *input = x;
	for (int64_t i = 0; i < count; i++)
		result[i] = input[i] < 0.0f ? 0.0f : (float)((double)input[i] * input[i]); /* a NaN stays a NaN */
	return STATUS_OK;
}

enum status reference_relu_squared_backward(struct device *device, void *dx, const void *dy, const void *y,
                                            int64_t count)
{
	(void)device;
	float *result = dx;
	const float *gradient = dy, *output = y;
	for (int64_t i = 0; i < count; i++)
		result[i] = (float)(2.0 * gradient[i] * sqrt(output[i]));
	return STATUS_OK;
}
