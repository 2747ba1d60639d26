/* MISSING: to be written.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/launch.h"

enum status cuda_adamw(struct device *device, float *master, float *moment1, float *moment2, const float *gradient,
                       void *weights, size_t count, const struct adamw_step *step)
{
	(void)device, (void)master, (void)moment1, (void)moment2, (void)gradient, (void)weights, (void)count, (void)step;
	return error_raise(STATUS_INTERNAL, "missing");
}
