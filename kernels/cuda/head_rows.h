/* What own heads share, narrow (narrow_head.cu) and wide (warp_group_head.cu): powers of a row relative to the target's own logit, which is
 * known beforehand, so that nothing has to wait for the largest; and the end of a row when all its powers have been added up.
 *
 * The gradient is left with a factor for each row, 1 / sum of the powers; whoever multiplies with it multiplies its own, shorter rows with the
 * factors. A row in which a power or their sum is beyond 2^100 (a loss of more than 69), or not a number, is computed anew in the usual
 * way, slowly.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_HEAD_ROWS_H
#define CAPSHAPE_KERNELS_CUDA_HEAD_ROWS_H

#include "kernels/cuda/launch.h"

struct head {
	const bfloat16 *x, *weight; /* [rows, width], [vocabulary, width] */
	const int32_t *targets;
	int64_t rows;
	int vocabulary, width;
	float steep; /* multiplier / ln 2 */
};

struct ends {
	bfloat16 *gradient;
	float *losses, *factors;
	const float *weights; /* NULL: losses alone */
	float multiplier;
};

/* shifts[r] = steep times the target's logit, for all rows > 0. */
enum status head_target_logits(struct device *device, float *shifts, const struct head *head);
/* losses and factors, and the target's own place in the gradient; sums[part, r]: of the powers of a row but for its target's, added up here part by
 * part. */
enum status head_end_rows(struct device *device, const float *sums, int parts, const struct head *head,
                          const struct ends *ends);
/* warp_group_head.cu: losses and powers of wide rows; *taken as in narrow_head(). x, weight and gradient are aligned to 16 bytes. */
enum status cuda_wide_head(struct device *device, const struct head *head, const struct ends *ends, bool *taken);

#endif
