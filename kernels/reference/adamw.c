/* Reference AdamW step and the sums the optimiser needs.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/reference/reference.h"

enum status reference_add(struct device *device, float *y, const float *x, size_t count)
{
	(void)device;
	for (size_t i = 0; i < count; i++)
		y[i] += x[i];
	return STATUS_OK;
}

enum status reference_sum_of_squares(struct device *device, double *host_sums, const float *x, size_t count,
                                     size_t block)
{
	(void)device;
	for (size_t begin = 0, b = 0; begin < count; begin += block, b++) {
		size_t end = count - begin < block ? count : begin + block;
		double sum = 0.0;
		for (size_t i = begin; i < end; i++)
			sum += (double)x[i] * x[i];
		host_sums[b] = sum;
	}
	return STATUS_OK;
}

enum status reference_adamw(struct device *device, float *master, float *moment1, float *moment2, const float *gradient,
                            void *weights, size_t count, const struct adamw_step *step)
{
	(void)device, (void)weights; /* the weights are the masters */
	for (size_t i = 0; i < count; i++) {
		double g = step->gradient_factor * gradient[i];
		double m = step->beta1 * moment1[i] + (1.0 - step->beta1) * g;
		double v = step->beta2 * moment2[i] + (1.0 - step->beta2) * g * g;
		double direction = m / step->correction1 / (sqrt(v / step->correction2) + step->epsilon);
		moment1[i] = (float)m;
		moment2[i] = (float)v;
		master[i] = (float)(master[i] - step->learning_rate * (step->weight_decay * master[i] + direction));
	}
	return STATUS_OK;
}
