/* The table of the CUDA kernels.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/cuda.h"

/* Where threads run one after the other there is nothing to fill: rows that nobody asked for only cost time. */
#ifdef CAPSHAPE_CUDA_EMULATION
enum { FORWARD_ROWS = 1 << 10 };
#else
enum { FORWARD_ROWS = GPU_FORWARD_ROWS };
#endif

const struct kernels *kernels_cuda(void)
{
	static const struct kernels table = {
		.name = "cuda",
		.asynchronous = true,
		.logits_bytes = (size_t)GPU_LOGITS_MIB << 20,
		.logits_rows = GPU_LOGITS_ROWS,
		.forward_rows = FORWARD_ROWS,
		.generation_rows = GPU_GENERATION_ROWS,
		.peers = &cuda_peers,
		.device_create = cuda_device_create,
		.device_destroy = cuda_device_destroy,
		.device_allow_any_order = cuda_device_allow_any_order,
		.device_describe = cuda_device_describe,
		.activation_bytes = cuda_activation_bytes,
		.weight_bytes = cuda_weight_bytes,
		.allocate = cuda_allocate,
		.release = cuda_release,
		.allocate_host = cuda_allocate_host,
		.release_host = cuda_release_host,
		.upload = cuda_upload,
		.download = cuda_download,
		.download_later = cuda_download_later,
		.clear = cuda_clear,
		.fill_normal = cuda_fill_normal,
		.download_activation = cuda_download_activation,
		.upload_activation = cuda_upload_activation,
		.synchronize = cuda_synchronize,
		.mark = cuda_mark,
		.wait_for = cuda_wait_for,
		.convert_weights = cuda_convert_weights,
		.embedding_forward = cuda_embedding_forward,
		.embedding_backward = cuda_embedding_backward,
		.norm_forward = cuda_norm_forward,
		.norm_backward = cuda_norm_backward,
		.linear_forward = cuda_linear_forward,
		.linear_backward_input = cuda_linear_backward_input,
		.linear_backward_weight = cuda_linear_backward_weight,
		.rope = cuda_rope,
		.attention_forward = cuda_attention_forward,
		.attention_backward = cuda_attention_backward,
		.attention_cached = cuda_attention_cached,
		.relu_squared_forward = cuda_relu_squared_forward,
		.relu_squared_backward = cuda_relu_squared_backward,
		.linear_relu_squared_forward = cuda_linear_relu_squared_forward,
		.linear_rope_forward = cuda_linear_rope_forward,
		.linear_add_forward = cuda_linear_add_forward,
		.norm_parts = cuda_norm_parts,
		.row_squares = cuda_row_squares,
		.fold_gain = cuda_fold_gain,
		.linear_relu_squared_backward = cuda_linear_relu_squared_backward,
		.gather_rows = cuda_gather_rows,
		.scatter_rows = cuda_scatter_rows,
		.clear_columns = cuda_clear_columns,
		.probe = cuda_probe,
		.square_distance = cuda_square_distance,
		.cross_entropy = cuda_cross_entropy,
		.narrow_head = cuda_narrow_head,
		.scale_rows = cuda_scale_rows,
		.add = cuda_add,
		.sum_of_squares = cuda_sum_of_squares,
		.adamw = cuda_adamw,
	};
	return &table;
}
