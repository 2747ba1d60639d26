/* Reference gathering and scattering of rows, and rows with a part cleared.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/reference/reference.h"

enum status reference_gather_rows(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                                  int64_t width)
{
	(void)device;
	float *result = y;
	const float *input = x;
	for (int64_t r = 0; r < rows; r++)
		for (int64_t i = 0; i < width; i++)
			result[r * width + i] = input[index[r] * width + i];
	return STATUS_OK;
}

enum status reference_scatter_rows(struct device *device, void *y, const void *x, const int32_t *index, int64_t rows,
                                   int64_t width, bool accumulate)
{
	(void)device;
	float *result = y;
	const float *input = x;
	for (int64_t r = 0; r < rows; r++)
		for (int64_t i = 0; i < width; i++)
			result[index[r] * width + i] =
				(accumulate ? result[index[r] * width + i] : 0.0f) + input[r * width + i];
	return STATUS_OK;
}

enum status reference_clear_columns(struct device *device, void *y, const void *x, const uint8_t *marks, uint8_t mark,
                                    int64_t rows, int64_t width, int64_t begin, int64_t end)
{
	(void)device;
	float *result = y;
	const float *input = x;
	for (int64_t r = 0; r < rows; r++)
		for (int64_t i = 0; i < width; i++)
			result[r * width + i] = marks[r] == mark && i >= begin && i < end ? 0.0f : input[r * width + i];
	return STATUS_OK;
}
