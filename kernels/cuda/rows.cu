/* MISSING: to be written.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/launch.h"

enum status cuda_gather_rows(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                             int64_t width)
{
	(void)device, (void)y, (void)x, (void)index, (void)rows, (void)width;
	return error_raise(STATUS_INTERNAL, "missing");
}

enum status cuda_scatter_rows(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                              int64_t width, bool accumulate)
{
	(void)device, (void)y, (void)x, (void)index, (void)rows, (void)width, (void)accumulate;
	return error_raise(STATUS_INTERNAL, "missing");
}
