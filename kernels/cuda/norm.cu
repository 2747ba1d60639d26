/* MISSING: to be written.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/launch.h"

enum status cuda_norm_forward(struct device *device, void *sum, void *normed, float *inverse_rms, const void *residual,
                              const void *branch, const void *gain, int64_t rows, int64_t width, float epsilon)
{
	(void)device, (void)sum, (void)normed, (void)inverse_rms, (void)residual, (void)branch, (void)gain, (void)rows, (void)width, (void)epsilon;
	return error_raise(STATUS_INTERNAL, "missing");
}

enum status cuda_norm_backward(struct device *device, void *dresidual, float *gain_gradient, const void *dnormed,
                               const void *x, const float *inverse_rms, const void *gain, int64_t rows, int64_t width,
                               bool accumulate)
{
	(void)device, (void)dresidual, (void)gain_gradient, (void)dnormed, (void)x, (void)inverse_rms, (void)gain, (void)rows, (void)width, (void)accumulate;
	return error_raise(STATUS_INTERNAL, "missing");
}
