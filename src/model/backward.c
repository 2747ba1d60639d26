/* The body of the network, backward: each step undoes one of forward.c, in reverse order.
 *
 * `stream` is where the gradient with respect to the residual stream is, all the way down; a branch adds its part to it
 * through the backward pass of its norm. Gradients of weights come last in a branch: what they are made of may then lose the rows
 * that are not to teach them (model_route_...).
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/state.h"

static enum status norm_undo(struct model *model, int norm, void *stream, const void *gradient, int64_t rows,
                             bool accumulate)
{
	const struct workspace *workspace = &model->workspace;
	size_t tensor = model_norm_tensor(model, norm);
	float *gain_gradient = model_tensor_gradient(model, tensor);

	if (model->routed) { /* its gain learns from some rows: apart from the gradient of all */
		void *some = model_scratch(model, workspace->wide);
		STATUS_TRY(model_route_keep_nothing(model, some, gradient, rows));
		STATUS_TRY(model->kernels->norm_backward(
			model->device, some, gain_gradient, some, model_array(model, workspace->residual, norm),
			model_array(model, workspace->inverse_rms, norm), model_tensor_weight(model, tensor), rows,
			model->config.width, false));
		gain_gradient = model_scratch(model, workspace->unused_gains);
	}
	STATUS_TRY(model->kernels->norm_backward(
		model->device, stream, gain_gradient, gradient, model_array(model, workspace->residual, norm),
		model_array(model, workspace->inverse_rms, norm), model_tensor_weight(model, tensor), rows,
		model->config.width, accumulate));
	if (model_is_trained(model, tensor))
		return STATUS_OK;
	return model->kernels->clear(model->device, gain_gradient, (size_t)model->config.width * sizeof *gain_gradient);
}

/* Through y = x W^T: the gradient of x. */
static enum status input_undo(struct model *model, size_t tensor, void *input_gradient, const void *output_gradient,
                              int64_t rows)
{
	const struct tensor *weight = &model->tensors[tensor];

	return model->kernels->linear_backward_input(model->device, input_gradient, output_gradient,
	                                             model_tensor_weight(model, tensor), rows, weight->columns,
	                                             weight->rows, false);
}

/* That of W, where it learns. */
static enum status weight_undo(struct model *model, size_t tensor, const void *output_gradient, const void *input,
                               int64_t rows)
{
	const struct tensor *weight = &model->tensors[tensor];

	if (!model_is_trained(model, tensor))
		return STATUS_OK;
	return model->kernels->linear_backward_weight(model->device, model_tensor_gradient(model, tensor),
	                                              output_gradient, input, rows, weight->columns, weight->rows);
}

static enum status rope_undo(struct model *model, void *x, size_t positions, int64_t rows, int heads, int rotated)
{
	if (model->config.positions == POSITIONS_NONE)
		return STATUS_OK;
	return model->kernels->rope(model->device, x, model_scratch(model, positions), rows, heads, rotated,
	                            model->config.width / model->config.heads, model->config.rope_base, true);
}

/* From `stream` to the gradient of what the activation was given, in `wide`: through Wdown and the activation, at once where the device can. */
static enum status activation_undo(struct model *model, void *wide, const void *stream, const void *activated,
                                   int64_t rows, int block)
{
	const struct kernels *kernels = model->kernels;
	const void *down = model_tensor_weight(model, model_block_tensor(block, BLOCK_DOWN));
	int64_t width = model->config.width;
	bool taken = false;

	if (kernels->linear_relu_squared_backward != NULL)
		STATUS_TRY(kernels->linear_relu_squared_backward(model->device, wide, stream, down, activated, rows,
		                                                 4 * width, width, &taken));
	if (taken)
		return STATUS_OK;
	STATUS_TRY(kernels->linear_backward_input(model->device, wide, stream, down, rows, 4 * width, width, false));
	return kernels->relu_squared_backward(model->device, wide, wide, activated, rows * 4 * width);
}

static enum status mlp_undo(struct model *model, void *stream, int64_t rows, int block)
{
	const struct workspace *workspace = &model->workspace;
	void *activated = model_array(model, workspace->activated, block);
	void *wide = model_scratch(model, workspace->wide);
	void *branch = model_scratch(model, workspace->branch);

	size_t up = model_block_tensor(block, BLOCK_UP);
	bool goes_on = model_trains_below(model, up);
	STATUS_TRY(activation_undo(model, wide, stream, activated, rows, block));
	STATUS_TRY(model_route_keep_neurons(model, activated, rows));
	STATUS_TRY(weight_undo(model, model_block_tensor(block, BLOCK_DOWN), stream, activated, rows));
	if (goes_on)
		STATUS_TRY(input_undo(model, up, branch, wide, rows));
	STATUS_TRY(model_route_keep_neurons(model, wide, rows));
	STATUS_TRY(weight_undo(model, up, wide, model_array(model, workspace->normed, 2 * block + 1), rows));
	return goes_on ? norm_undo(model, 2 * block + 1, stream, branch, rows, true) : STATUS_OK;
}

/* From `branch`, the gradient of the attention's output, to the gradients of q and of k, v, before their rotation, which
 * lie in `wide` as q and k, v do in their own array. */
static enum status attention_core_undo(struct model *model, const struct attention_memory *memory, int block)
{
	const struct workspace *workspace = &model->workspace;
	const char *qkv = model_array(model, workspace->qkv, block);
	char *gradient = model_scratch(model, workspace->wide);

	return model->kernels->attention_backward(
		model->device, gradient + memory->q, gradient + memory->kv, model_scratch(model, workspace->branch),
		model_array(model, workspace->attention, block), model_array(model, workspace->log_sum, block),
		qkv + memory->q, qkv + memory->kv, &memory->shape);
}

/* From `stream`, the gradient of the projection's output, to those of q, k, v in `wide`. */
static enum status projection_undo(struct model *model, const struct attention_memory *memory, const void *stream,
                                   int64_t rows, int block)
{
	size_t projection = model_block_tensor(block, BLOCK_PROJECTION);
	void *branch = model_scratch(model, model->workspace.branch);
	void *attention = model_array(model, model->workspace.attention, block);

	STATUS_TRY(input_undo(model, projection, branch, stream, rows));
	STATUS_TRY(model_route_hide_heads(model, branch, rows));
	STATUS_TRY(attention_core_undo(model, memory, block));
	STATUS_TRY(model_route_keep_heads(model, attention, rows, 1));
	return weight_undo(model, projection, stream, attention, rows);
}

static enum status attention_undo(struct model *model, const struct model_batch *batch, void *stream, int block)
{
	const struct workspace *workspace = &model->workspace;
	int64_t rows = batch->sequences * batch->length;
	int heads = model->config.heads;
	struct attention_memory memory = model_attention_memory(model, batch, false);
	void *qkv_gradient = model_scratch(model, workspace->wide);
	void *branch = model_scratch(model, workspace->branch);

	STATUS_TRY(projection_undo(model, &memory, stream, rows, block));
	STATUS_TRY(rope_undo(model, qkv_gradient, workspace->positions, rows, 3 * heads, 2 * heads));
	STATUS_TRY(input_undo(model, model_block_tensor(block, BLOCK_QKV), branch, qkv_gradient, rows));
	STATUS_TRY(model_route_keep_heads(model, qkv_gradient, rows, 3));
	STATUS_TRY(weight_undo(model, model_block_tensor(block, BLOCK_QKV), qkv_gradient,
	                       model_array(model, workspace->normed, 2 * block), rows));
	return norm_undo(model, 2 * block, stream, branch, rows, true);
}

/* Gradients of the three matrices of a packed block, and of its input in `branch`: of all rows through keys and values,
 * of the kept ones also through their queries. */
static enum status packed_input_undo(struct model *model, const struct attention_memory *memory, int64_t rows,
                                     int block)
{
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	int64_t width = model->config.width, kept = model->kept.count;
	size_t tensor = model_block_tensor(block, BLOCK_QKV);
	const void *normed = model_array(model, workspace->normed, 2 * block);
	const int32_t *index = model_scratch(model, workspace->kept);
	char *wide = model_scratch(model, workspace->wide);
	void *branch = model_scratch(model, workspace->branch), *gathered = wide + memory->end;

	STATUS_TRY(kernels->linear_backward_input(model->device, branch, wide + memory->kv,
	                                          model_key_weight(model, block), rows, width, 2 * width, false));
	STATUS_TRY(kernels->linear_backward_input(model->device, gathered, wide + memory->q,
	                                          model_tensor_weight(model, tensor), kept, width, width, false));
	STATUS_TRY(kernels->scatter_rows(model->device, branch, gathered, index, kept, width, true));
	STATUS_TRY(model_route_keep_heads(model, wide + memory->kv, rows, 2));
	STATUS_TRY(kernels->linear_backward_weight(model->device, model_tensor_gradient(model, tensor) + width * width,
	                                           wide + memory->kv, normed, rows, width, 2 * width));
	STATUS_TRY(model_route_keep_heads(model, wide + memory->q, kept, 1));
	STATUS_TRY(kernels->gather_rows(model->device, gathered, normed, index, kept, width));
	return kernels->linear_backward_weight(model->device, model_tensor_gradient(model, tensor), wide + memory->q,
	                                       gathered, kept, width, width);
}

/* As attention_undo() for a block whose queries are the kept rows: `packed` is their stream's gradient, `stream` becomes
 * that of all rows. */
static enum status attention_undo_packed(struct model *model, const struct model_batch *batch, void *stream,
                                         const void *packed, int block)
{
	const struct workspace *workspace = &model->workspace;
	int64_t rows = batch->sequences * batch->length, kept = model->kept.count;
	int heads = model->config.heads;
	struct attention_memory memory = model_attention_memory(model, batch, true);
	char *wide = model_scratch(model, workspace->wide);
	void *branch = model_scratch(model, workspace->branch);

	STATUS_TRY(projection_undo(model, &memory, packed, kept, block));
	STATUS_TRY(rope_undo(model, wide + memory.q, workspace->kept_positions, kept, heads, heads));
	STATUS_TRY(rope_undo(model, wide + memory.kv, workspace->positions, rows, 2 * heads, heads));
	STATUS_TRY(packed_input_undo(model, &memory, rows, block));
	STATUS_TRY(norm_undo(model, 2 * block, stream, branch, rows, false));
	return model->kernels->scatter_rows(model->device, stream, packed, model_scratch(model, workspace->kept), kept,
	                                    model->config.width, true);
}

enum status model_kept_backward(struct model *model, const struct model_batch *batch)
{
	const struct workspace *workspace = &model->workspace;
	int64_t rows = batch->sequences * batch->length, kept = model->kept.count;
	int last = model->config.layers - 1;
	void *stream = model_scratch(model, workspace->stream_gradient);
	void *gradient = model_array(model, workspace->normed, 2 * model->config.layers);

	if (model->kept.packed) {
		STATUS_TRY(norm_undo(model, 2 * last + 2, gradient, gradient, kept, false));
		STATUS_TRY(mlp_undo(model, gradient, kept, last));
		STATUS_TRY(attention_undo_packed(model, batch, stream, gradient, last));
		STATUS_TRY(model_gradients_ready(model, model_block_tensor(last, BLOCK_NORM1)));
		last--;
	} else {
		STATUS_TRY(norm_undo(model, 2 * last + 2, stream, gradient, rows, false));
	}
	for (int block = last; block >= 0; block--) {
		STATUS_TRY(mlp_undo(model, stream, rows, block));
		STATUS_TRY(attention_undo(model, batch, stream, block));
		STATUS_TRY(model_gradients_ready(model, model_block_tensor(block, BLOCK_NORM1)));
	}
	STATUS_TRY(model_route_keep_nothing(model, stream, stream, rows));
	STATUS_TRY(model->kernels->embedding_backward(model->device, model_tensor_gradient(model, 0), stream,
	                                              model_scratch(model, workspace->inputs), rows,
	                                              model->config.width));
	return model_gradients_ready(model, 0);
}

enum status model_stream_backward(struct model *model, const struct model_batch *batch, int layers)
{
	void *stream = model_scratch(model, model->workspace.stream_gradient);
	int64_t rows = batch->sequences * batch->length;

	for (int block = layers - 1; block >= 0 && model_trains_below(model, model_block_tensor(block + 1, 0));
	     block--) {
		STATUS_TRY(mlp_undo(model, stream, rows, block));
		if (model_trains_below(model, model_block_tensor(block, BLOCK_NORM2)))
			STATUS_TRY(attention_undo(model, batch, stream, block));
		STATUS_TRY(model_gradients_ready(model, model_block_tensor(block, BLOCK_NORM1)));
	}
	return model_gradients_ready(model, 0);
}
