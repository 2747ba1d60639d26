/* MISSING: to be written.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/launch.h"

enum status cuda_embedding_forward(struct device *device, void *y, const void *table, const int32_t *ids, int64_t rows,
                                   int64_t width)
{
	(void)device, (void)y, (void)table, (void)ids, (void)rows, (void)width;
	return error_raise(STATUS_INTERNAL, "missing");
}

enum status cuda_embedding_backward(struct device *device, float *gradient, const void *dy, const int32_t *ids,
                                    int64_t rows, int64_t width)
{
	(void)device, (void)gradient, (void)dy, (void)ids, (void)rows, (void)width;
	return error_raise(STATUS_INTERNAL, "missing");
}
