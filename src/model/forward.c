/* The body of the network, forward: embedding, blocks, norms. Reads like the definition of the model.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/state.h"

enum status model_norm_apply(struct model *model, int norm, struct model_stream *stream, int64_t rows)
{
	const struct workspace *workspace = &model->workspace;
	void *sum = model_array(model, workspace->residual, norm);

	if (!model->folded) /* else there is no branch, and products do the rest */
		STATUS_TRY(model->kernels->norm_forward(model->device, sum, model_array(model, workspace->normed, norm),
		                                        model_array(model, workspace->inverse_rms, norm),
		                                        stream->residual, stream->branch,
		                                        model_tensor_weight(model, model_norm_tensor(model, norm)),
		                                        rows, model->config.width, (float)model->config.norm_epsilon));
	*stream = (struct model_stream){ .residual = sum };
	return STATUS_OK;
}

/* The stream takes in x W^T, in the place of norm `norm`'s input, or has it as its branch. */
static enum status stream_add(struct model *model, struct model_stream *stream, int norm, const void *x, size_t tensor,
                              int64_t rows)
{
	const struct kernels *kernels = model->kernels;
	const void *weight = model_tensor_weight(model, tensor);
	int64_t in = model->tensors[tensor].columns, width = model->config.width;
	void *sum = model_array(model, model->workspace.residual, norm);
	void *branch = model_scratch(model, model->workspace.branch);
	float *squares = model->folded ? model_scratch(model, model->workspace.squares) : NULL;
	bool taken = false;

	if (kernels->linear_add_forward != NULL)
		STATUS_TRY(kernels->linear_add_forward(model->device, sum, squares, stream->residual, x, weight, rows,
		                                       in, width, &taken));
	if (taken) {
		*stream = (struct model_stream){ .residual = sum };
		return STATUS_OK;
	}
	stream->branch = branch;
	return kernels->linear_forward(model->device, branch, x, weight, rows, in, width);
}

enum status model_rope_apply(struct model *model, void *x, size_t positions, int64_t rows, int heads, int rotated)
{
	if (model->config.positions == POSITIONS_NONE)
		return STATUS_OK;
	return model->kernels->rope(model->device, x, model_scratch(model, positions), rows, heads, rotated,
	                            model->config.width / model->config.heads, model->config.rope_base, false);
}

/* y = x W^T, `heads` heads, of which the first `rotated` turn: at once where the device can. */
static enum status heads_apply(struct model *model, void *y, const void *x, const void *weight, size_t positions,
                               int64_t rows, int heads, int rotated)
{
	const struct kernels *kernels = model->kernels;
	const struct row_norm *norm = model_row_norm(model);
	int64_t width = model->config.width;
	bool turns = model->config.positions != POSITIONS_NONE, taken = false;
	struct rope_shape rope = { .positions = model_scratch(model, positions),
		                   .heads = heads,
		                   .turned = turns ? rotated : 0,
		                   .head_size = model->config.width / model->config.heads,
		                   .base = model->config.rope_base };

	if (kernels->linear_rope_forward != NULL && (turns || norm != NULL))
		STATUS_TRY(kernels->linear_rope_forward(model->device, y, x, norm, weight, &rope, rows, width, &taken));
	if (taken)
		return STATUS_OK;
	rope.turned = 0;
	if (norm != NULL)
		STATUS_TRY(kernels->linear_rope_forward(model->device, y, x, norm, weight, &rope, rows, width, &taken));
	if (!taken)
		STATUS_TRY(kernels->linear_forward(model->device, y, x, weight, rows, width, heads * rope.head_size));
	return model_rope_apply(model, y, positions, rows, heads, rotated);
}

enum status model_projection_apply(struct model *model, int64_t rows, int block, struct model_stream *stream)
{
	return stream_add(model, stream, 2 * block + 1, model_array(model, model->workspace.attention, block),
	                  model_block_tensor(block, BLOCK_PROJECTION), rows);
}

/* The stream takes in attention(norm) Wo^T. */
static enum status attention_apply(struct model *model, const struct model_batch *batch, int block,
                                   struct model_stream *stream)
{
	const struct workspace *workspace = &model->workspace;
	int64_t rows = batch->sequences * batch->length;
	int heads = model->config.heads;
	struct attention_memory memory = model_attention_memory(model, batch, false);
	char *qkv = model_array(model, workspace->qkv, block);

	STATUS_TRY(heads_apply(model, qkv, model_normed_rows(model, 2 * block),
	                       model_tensor_weight(model, model_block_tensor(block, BLOCK_QKV)), workspace->positions,
	                       rows, 3 * heads, 2 * heads));
	STATUS_TRY(model->kernels->attention_forward(model->device, model_array(model, workspace->attention, block),
	                                             model_array(model, workspace->log_sum, block), qkv + memory.q,
	                                             qkv + memory.kv, &memory.shape));
	STATUS_TRY(model_route_hide_heads(model, model_array(model, workspace->attention, block), rows));
	return model_projection_apply(model, rows, block, stream);
}

/* Attention where only the kept rows are queries: keys and values of all rows. */
static enum status attention_packed(struct model *model, const struct model_batch *batch, int block)
{
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	int64_t rows = batch->sequences * batch->length, kept = model->kept.count, width = model->config.width;
	int heads = model->config.heads;
	struct attention_memory memory = model_attention_memory(model, batch, true);
	char *qkv = model_array(model, workspace->qkv, block);
	const void *normed = model_array(model, workspace->normed, 2 * block);
	void *gathered = model_scratch(model, workspace->branch);

	STATUS_TRY(heads_apply(model, qkv + memory.kv, normed, model_key_weight(model, block), workspace->positions,
	                       rows, 2 * heads, heads));
	STATUS_TRY(kernels->gather_rows(model->device, gathered, normed, model_scratch(model, workspace->kept), kept,
	                                width));
	STATUS_TRY(heads_apply(model, qkv + memory.q, gathered,
	                       model_tensor_weight(model, model_block_tensor(block, BLOCK_QKV)),
	                       workspace->kept_positions, kept, heads, heads));
	STATUS_TRY(kernels->attention_forward(model->device, model_array(model, workspace->attention, block),
	                                      model_array(model, workspace->log_sum, block), qkv + memory.q,
	                                      qkv + memory.kv, &memory.shape));
	return model_route_hide_heads(model, model_array(model, workspace->attention, block), kept);
}

/* The stream takes in relu(norm Wup^T)^2 Wdown^T. */
static enum status mlp_apply(struct model *model, int64_t rows, int block, struct model_stream *stream)
{
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	int64_t width = model->config.width;
	void *activated = model_array(model, workspace->activated, block);
	const void *normed = model_normed_rows(model, 2 * block + 1);
	const void *up = model_tensor_weight(model, model_block_tensor(block, BLOCK_UP));
	bool taken = false;

	if (kernels->linear_relu_squared_forward != NULL)
		STATUS_TRY(kernels->linear_relu_squared_forward(model->device, activated, normed, model_row_norm(model),
		                                                up, rows, width, 4 * width, &taken));
	if (!taken) {
		STATUS_TRY(kernels->linear_forward(model->device, activated, normed, up, rows, width, 4 * width));
		STATUS_TRY(kernels->relu_squared_forward(model->device, activated, activated, rows * 4 * width));
	}
	STATUS_TRY(model_route_hide_neurons(model, activated, rows));
	return stream_add(model, stream, 2 * block + 2, activated, model_block_tensor(block, BLOCK_DOWN), rows);
}

enum status model_block_middle(struct model *model, int64_t rows, int block, struct model_stream *stream)
{
	STATUS_TRY(model_norm_apply(model, 2 * block + 1, stream, rows));
	return mlp_apply(model, rows, block, stream);
}

enum status model_stream_forward(struct model *model, const struct model_batch *batch, int layers,
                                 struct model_stream *stream_out)
{
	const struct workspace *workspace = &model->workspace;
	int64_t rows = batch->sequences * batch->length;
	struct model_stream stream = { .residual = model_array(model, workspace->residual, 0) };

	STATUS_TRY(model_weights_needed(model, model_block_tensor(0, BLOCK_NORM1)));
	STATUS_TRY(model->kernels->embedding_forward(
		model->device, model_array(model, workspace->residual, 0), model_tensor_weight(model, 0),
		model_scratch(model, workspace->inputs), rows, model->config.width));
	if (model->folded)
		STATUS_TRY(model->kernels->row_squares(model->device, model_scratch(model, workspace->squares),
		                                       stream.residual, rows, model->config.width));
	for (int block = 0; block < layers; block++) {
		STATUS_TRY(model_weights_needed(model, model_block_tensor(block + 1, BLOCK_NORM1)));
		STATUS_TRY(model_norm_apply(model, 2 * block, &stream, rows));
		STATUS_TRY(attention_apply(model, batch, block, &stream));
		STATUS_TRY(model_block_middle(model, rows, block, &stream));
	}
	*stream_out = stream;
	return STATUS_OK;
}

enum status model_body_forward(struct model *model, const struct model_batch *batch, int layers)
{
	struct model_stream stream;

	STATUS_TRY(model_stream_forward(model, batch, layers, &stream));
	STATUS_TRY(model_weights_needed(model, model_norm_tensor(model, 2 * layers) + 1));
	return model_norm_apply(model, 2 * layers, &stream, batch->sequences * batch->length);
}

enum status model_kept_forward(struct model *model, const struct model_batch *batch)
{
	const struct workspace *workspace = &model->workspace;
	int last = model->config.layers - 1;

	if (!model->kept.packed)
		return model_body_forward(model, batch, model->config.layers);
	STATUS_TRY(model_body_forward(model, batch, last));
	STATUS_TRY(model_weights_needed(model, model_block_tensor(last + 1, BLOCK_NORM1)));
	STATUS_TRY(attention_packed(model, batch, last));
	/* The norm before it is over, and the next one's output is written after its input was read, row by row: the gathered stream can wait
	 * there. */
	void *residual = model_array(model, workspace->normed, 2 * last + 1);
	struct model_stream stream = { .residual = residual };
	STATUS_TRY(model->kernels->gather_rows(
		model->device, residual, model_array(model, workspace->residual, 2 * last),
		model_scratch(model, workspace->kept), model->kept.count, model->config.width));
	STATUS_TRY(model_projection_apply(model, model->kept.count, last, &stream));
	STATUS_TRY(model_block_middle(model, model->kept.count, last, &stream));
	STATUS_TRY(model_weights_needed(model, model->tensor_count));
	return model_norm_apply(model, 2 * last + 2, &stream, model->kept.count);
}
