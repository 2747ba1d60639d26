/* MISSING: to be written.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/launch.h"

enum status cuda_attention_forward(struct device *device, void *out, float *log_sum, const void *q, const void *kv,
                                   const struct attention_shape *shape)
{
	(void)device, (void)out, (void)log_sum, (void)q, (void)kv, (void)shape;
	return error_raise(STATUS_INTERNAL, "missing");
}

enum status cuda_attention_backward(struct device *device, void *dq, void *dkv, const void *dout, const void *out,
                                    const float *log_sum, const void *q, const void *kv,
                                    const struct attention_shape *shape)
{
	(void)device, (void)dq, (void)dkv, (void)dout, (void)out, (void)log_sum, (void)q, (void)kv, (void)shape;
	return error_raise(STATUS_INTERNAL, "missing");
}
