/* The body of the network, backward: each step undoes one of forward.c, in reverse order.
 *
 * stream_gradient holds the gradient with respect to the residual stream all the way down; a branch adds its part to
 * it through the backward pass of its norm.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/state.h"

static enum status norm_undo(struct model *model, int norm, const void *gradient, int64_t rows, bool accumulate)
{
	const struct workspace *workspace = &model->workspace;
	size_t tensor = model_norm_tensor(model, norm);

	return model->kernels->norm_backward(model->device, model_scratch(model, workspace->stream_gradient),
	                                     model_tensor_gradient(model, tensor), gradient,
	                                     model_array(model, workspace->residual, norm),
	                                     model_array(model, workspace->inverse_rms, norm),
	                                     model_tensor_weight(model, tensor), rows, model->config.width, accumulate);
}

/* Through y = x W^T: the gradients of W and, in `input_gradient`, of x. */
static enum status linear_undo(struct model *model, size_t tensor, void *input_gradient, const void *output_gradient,
                               const void *input, int64_t rows)
{
	const struct tensor *weight = &model->tensors[tensor];

	STATUS_TRY(model->kernels->linear_backward_weight(model->device, model_tensor_gradient(model, tensor),
	                                                  output_gradient, input, rows, weight->columns, weight->rows));
	return model->kernels->linear_backward_input(model->device, input_gradient, output_gradient,
	                                             model_tensor_weight(model, tensor), rows, weight->columns,
	                                             weight->rows, false);
}

static enum status mlp_undo(struct model *model, int64_t rows, int block)
{
	const struct workspace *workspace = &model->workspace;
	const void *activated = model_array(model, workspace->activated, block);
	void *wide = model_scratch(model, workspace->wide);
	void *branch = model_scratch(model, workspace->branch);

	STATUS_TRY(linear_undo(model, model_block_tensor(block, BLOCK_DOWN), wide,
	                       model_scratch(model, workspace->stream_gradient), activated, rows));
	STATUS_TRY(model->kernels->relu_squared_backward(model->device, wide, wide, activated,
	                                                 rows * 4 * model->config.width));
	STATUS_TRY(linear_undo(model, model_block_tensor(block, BLOCK_UP), branch, wide,
	                       model_array(model, workspace->normed, 2 * block + 1), rows));
	return norm_undo(model, 2 * block + 1, branch, rows, true);
}

static enum status attention_undo(struct model *model, const struct model_batch *batch, int block)
{
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	int64_t rows = batch->sequences * batch->length;
	int heads = model->config.heads, head_size = model->config.width / model->config.heads;
	const int32_t *starts = batch->starts ? model_scratch(model, workspace->starts) : NULL;
	const void *attention = model_array(model, workspace->attention, block);
	void *qkv_gradient = model_scratch(model, workspace->wide);
	void *branch = model_scratch(model, workspace->branch);

	STATUS_TRY(linear_undo(model, model_block_tensor(block, BLOCK_PROJECTION), branch,
	                       model_scratch(model, workspace->stream_gradient), attention, rows));
	STATUS_TRY(kernels->attention_backward(model->device, qkv_gradient, branch, attention,
	                                       model_array(model, workspace->log_sum, block),
	                                       model_array(model, workspace->qkv, block), starts, batch->sequences,
	                                       batch->length, heads, head_size, 1.0f / (float)head_size));
	if (model->config.positions == POSITIONS_ROTARY)
		STATUS_TRY(kernels->rope(model->device, qkv_gradient, model_scratch(model, workspace->positions), rows,
		                         heads, head_size, model->config.rope_base, true));
	STATUS_TRY(linear_undo(model, model_block_tensor(block, BLOCK_QKV), branch, qkv_gradient,
	                       model_array(model, workspace->normed, 2 * block), rows));
	return norm_undo(model, 2 * block, branch, rows, true);
}

enum status model_body_backward(struct model *model, const struct model_batch *batch)
{
	const struct workspace *workspace = &model->workspace;
	int64_t rows = batch->sequences * batch->length;
	void *stream_gradient = model_scratch(model, workspace->stream_gradient);

	STATUS_TRY(norm_undo(model, 2 * model->config.layers, stream_gradient, rows, false));
	for (int block = model->config.layers - 1; block >= 0; block--) {
		STATUS_TRY(mlp_undo(model, rows, block));
		STATUS_TRY(attention_undo(model, batch, block));
	}
	return model->kernels->embedding_backward(model->device, model_tensor_gradient(model, 0), stream_gradient,
	                                          model_scratch(model, workspace->inputs), rows, model->config.width);
}
