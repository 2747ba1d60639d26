/* Reference products of the linear layers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/reference/reference.h"

enum status reference_linear_forward(struct device *device, void *y, const void *x, const void *weight, int64_t rows,
                                     int64_t in, int64_t out)
{
	(void)device;
	float *result = y;
	const float *input = x, *matrix = weight;
	for (int64_t r = 0; r < rows; r++)
		for (int64_t o = 0; o < out; o++) {
			double sum = 0.0;
			for (int64_t i = 0; i < in; i++)
				sum += (double)input[r * in + i] * matrix[o * in + i];
			result[r * out + o] = (float)sum;
		}
	return STATUS_OK;
}

enum status reference_linear_backward_input(struct device *device, void *dx, const void *dy, const void *weight,
                                            int64_t rows, int64_t in, int64_t out, bool accumulate)
{
	float *result = dx;
	const float *gradient = dy, *matrix = weight;
	for (int64_t r = 0; r < rows; r++) {
		double *sum = reference_scratch(device, (size_t)in);
		if (sum == NULL)
			return STATUS_ENVIRONMENT;
		for (int64_t o = 0; o < out; o++)
			for (int64_t i = 0; i < in; i++)
				sum[i] += (double)gradient[r * out + o] * matrix[o * in + i];
		for (int64_t i = 0; i < in; i++)
			result[r * in + i] = (float)(sum[i] + (accumulate ? (double)result[r * in + i] : 0.0));
	}
	return STATUS_OK;
}

enum status reference_linear_backward_weight(struct device *device, float *gradient, const void *dy, const void *x,
                                             int64_t rows, int64_t in, int64_t out)
{
	const float *output_gradient = dy, *input = x;
	for (int64_t o = 0; o < out; o++) {
		double *sum = reference_scratch(device, (size_t)in);
		if (sum == NULL)
			return STATUS_ENVIRONMENT;
		for (int64_t r = 0; r < rows; r++)
			for (int64_t i = 0; i < in; i++)
				sum[i] += (double)output_gradient[r * out + o] * input[r * in + i];
		for (int64_t i = 0; i < in; i++)
			gradient[o * in + i] = (float)(gradient[o * in + i] + sum[i]);
	}
	return STATUS_OK;
}
