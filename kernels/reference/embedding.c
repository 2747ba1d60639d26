/* Reference embedding lookup and its gradient.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/reference/reference.h"

enum status reference_embedding_forward(struct device *device, void *y, const void *table, const int32_t *ids,
                                        int64_t rows, int64_t width)
{
	return reference_gather_rows(device, y, table, ids, rows, width);
}

enum status reference_embedding_backward(struct device *device, float *gradient, const void *dy, const int32_t *ids,
                                         int64_t rows, int64_t width)
{
	(void)device;
	const float *row_gradient = dy;
	for (int64_t r = 0; r < rows; r++)
		for (int64_t i = 0; i < width; i++)
			gradient[ids[r] * width + i] += row_gradient[r * width + i];
	return STATUS_OK;
}
