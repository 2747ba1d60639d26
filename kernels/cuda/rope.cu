/* MISSING: to be written.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/launch.h"

enum status cuda_rope(struct device *device, void *x, const int32_t *positions, int64_t rows, int heads, int rotated,
                      int head_size, double base, bool inverse)
{
	(void)device, (void)x, (void)positions, (void)rows, (void)heads, (void)rotated, (void)head_size, (void)base, (void)inverse;
	return error_raise(STATUS_INTERNAL, "missing");
}
