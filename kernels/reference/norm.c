/* Reference root-mean-square norm with the residual sum before it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/reference/reference.h"

enum status reference_norm_forward(struct device *device, void *sum, void *normed, float *inverse_rms,
                                   const void *residual, const void *branch, const void *gain, int64_t rows,
                                   int64_t width, float epsilon)
{
	(void)device;
	float *total = sum, *result = normed;
	const float *base = residual, *added = branch, *factor = gain;
	for (int64_t r = 0; r < rows; r++) {
		double squares = 0.0;
		for (int64_t i = r * width; i < (r + 1) * width; i++) {
			total[i] = (float)((double)base[i] + (added ? (double)added[i] : 0.0));
			squares += (double)total[i] * total[i];
		}
		double inverse = 1.0 / sqrt(squares / (double)width + epsilon);
		inverse_rms[r] = (float)inverse;
		for (int64_t i = 0; i < width; i++)
			result[r * width + i] = (float)(total[r * width + i] * inverse * factor[i]);
	}
	return STATUS_OK;
}

/* y = s g x with s = (mean(x^2) + epsilon)^(-1/2): dx = s (g dy - x s^2 mean(g dy x)), dgain = sum over rows of
 * s dy x. */
enum status reference_norm_backward(struct device *device, void *dresidual, float *gain_gradient, const void *dnormed,
                                    const void *x, const float *inverse_rms, const void *gain, int64_t rows,
                                    int64_t width, bool accumulate)
{
	float *result = dresidual;
	const float *gradient = dnormed, *input = x, *factor = gain;
	double *gain_sum = reference_scratch(device, (size_t)width);
	if (gain_sum == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t r = 0; r < rows; r++) {
		const float *row = input + r * width, *drow = gradient + r * width;
		double inverse = inverse_rms[r], mean = 0.0;
		for (int64_t i = 0; i < width; i++)
			mean += (double)factor[i] * drow[i] * row[i];
		mean /= (double)width;
		for (int64_t i = 0; i < width; i++) {
			double product = (double)drow[i] * row[i];
			double dx = inverse * ((double)factor[i] * drow[i] - row[i] * inverse * inverse * mean);
			gain_sum[i] += inverse * product;
			result[r * width + i] = (float)(dx + (accumulate ? (double)result[r * width + i] : 0.0));
		}
	}
	for (int64_t i = 0; i < width; i++)
		gain_gradient[i] = (float)(gain_gradient[i] + gain_sum[i]);
	return STATUS_OK;
}
