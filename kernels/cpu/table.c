/* The table of the CPU kernels of one instruction set level.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/cpu.h"

const struct kernels *LEVEL(table)(void)
{
	static const struct kernels table = {
		.name = "cpu",
		.logits_bytes = 4 << 20, /* written once and read several times: stays in the cache */
		.logits_rows = 32,
		.generation_rows = 32,
		.device_create = cpu_device_create,
		.device_destroy = cpu_device_destroy,
		.device_describe = cpu_device_describe,
		.activation_bytes = cpu_activation_bytes,
		.weight_bytes = cpu_weight_bytes,
		.allocate = cpu_allocate,
		.release = cpu_release,
		.allocate_host = cpu_allocate,
		.release_host = cpu_release,
		.upload = cpu_copy,
		.download = cpu_copy,
		.download_later = cpu_copy,
		.clear = cpu_clear,
		.fill_normal = cpu_fill_normal,
		.download_activation = LEVEL(download_activation),
		.upload_activation = LEVEL(upload_activation),
		.synchronize = cpu_synchronize,
		.mark = cpu_mark,
		.wait_for = cpu_wait_for,
		.convert_weights = LEVEL(convert_weights),
		.embedding_forward = LEVEL(embedding_forward),
		.embedding_backward = LEVEL(embedding_backward),
		.norm_forward = LEVEL(norm_forward),
		.norm_backward = LEVEL(norm_backward),
		.linear_forward = LEVEL(linear_forward),
		.linear_backward_input = LEVEL(linear_backward_input),
		.linear_backward_weight = LEVEL(linear_backward_weight),
		.rope = LEVEL(rope),
		.attention_forward = LEVEL(attention_forward),
		.attention_backward = LEVEL(attention_backward),
		.attention_cached = LEVEL(attention_cached),
		.relu_squared_forward = LEVEL(relu_squared_forward),
		.relu_squared_backward = LEVEL(relu_squared_backward),
		.gather_rows = LEVEL(gather_rows),
		.scatter_rows = LEVEL(scatter_rows),
		.clear_columns = LEVEL(clear_columns),
		.probe = cpu_probe,
		.square_distance = LEVEL(square_distance),
		.cross_entropy = LEVEL(cross_entropy),
		.add = LEVEL(add),
		.sum_of_squares = LEVEL(sum_of_squares),
		.adamw = LEVEL(adamw),
	};
	return &table;
}
