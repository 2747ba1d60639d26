/* The body of the network, forward: embedding, blocks, norms. Reads like the definition of the model.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/state.h"

enum status model_norm_apply(struct model *model, int norm, const void *residual, const void *branch, int64_t rows)
{
	const struct workspace *workspace = &model->workspace;

	return model->kernels->norm_forward(model->device, model_array(model, workspace->residual, norm),
	                                    model_array(model, workspace->normed, norm),
	                                    model_array(model, workspace->inverse_rms, norm), residual, branch,
	                                    model_tensor_weight(model, model_norm_tensor(model, norm)), rows,
	                                    model->config.width, (float)model->config.norm_epsilon);
}

enum status model_rope_apply(struct model *model, void *x, size_t positions, int64_t rows, int heads, int rotated)
{
	if (model->config.positions == POSITIONS_NONE)
		return STATUS_OK;
	return model->kernels->rope(model->device, x, model_scratch(model, positions), rows, heads, rotated,
	                            model->config.width / model->config.heads, model->config.rope_base, false);
}

enum status model_projection_apply(struct model *model, int64_t rows, int block)
{
	const struct workspace *workspace = &model->workspace;

	return model->kernels->linear_forward(model->device, model_scratch(model, workspace->branch),
	                                      model_array(model, workspace->attention, block),
	                                      model_tensor_weight(model, model_block_tensor(block, BLOCK_PROJECTION)),
	                                      rows, model->config.width, model->config.width);
}

/* branch = attention(norm) Wo^T */
static enum status attention_apply(struct model *model, const struct model_batch *batch, int block)
{
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	int64_t rows = batch->sequences * batch->length, width = model->config.width;
	int heads = model->config.heads;
	struct attention_memory memory = model_attention_memory(model, batch, false);
	char *qkv = model_array(model, workspace->qkv, block);

	STATUS_TRY(kernels->linear_forward(model->device, qkv, model_array(model, workspace->normed, 2 * block),
	                                   model_tensor_weight(model, model_block_tensor(block, BLOCK_QKV)), rows,
	                                   width, 3 * width));
	STATUS_TRY(model_rope_apply(model, qkv, workspace->positions, rows, 3 * heads, 2 * heads));
	STATUS_TRY(kernels->attention_forward(model->device, model_array(model, workspace->attention, block),
	                                      model_array(model, workspace->log_sum, block), qkv + memory.q,
	                                      qkv + memory.kv, &memory.shape));
	STATUS_TRY(model_route_hide_heads(model, model_array(model, workspace->attention, block), rows));
	return model_projection_apply(model, rows, block);
}

/* The same where only the kept rows are queries: keys and values of all rows, branch of the kept ones. */
static enum status attention_apply_packed(struct model *model, const struct model_batch *batch, int block)
{
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	int64_t rows = batch->sequences * batch->length, kept = model->kept.count, width = model->config.width;
	int heads = model->config.heads;
	struct attention_memory memory = model_attention_memory(model, batch, true);
	char *qkv = model_array(model, workspace->qkv, block);
	const void *normed = model_array(model, workspace->normed, 2 * block);
	void *gathered = model_scratch(model, workspace->branch);

	STATUS_TRY(kernels->linear_forward(model->device, qkv + memory.kv, normed, model_key_weight(model, block), rows,
	                                   width, 2 * width));
	STATUS_TRY(model_rope_apply(model, qkv + memory.kv, workspace->positions, rows, 2 * heads, heads));
	STATUS_TRY(kernels->gather_rows(model->device, gathered, normed, model_scratch(model, workspace->kept), kept,
	                                width));
	STATUS_TRY(kernels->linear_forward(model->device, qkv + memory.q, gathered,
	                                   model_tensor_weight(model, model_block_tensor(block, BLOCK_QKV)), kept,
	                                   width, width));
	STATUS_TRY(model_rope_apply(model, qkv + memory.q, workspace->kept_positions, kept, heads, heads));
	STATUS_TRY(kernels->attention_forward(model->device, model_array(model, workspace->attention, block),
	                                      model_array(model, workspace->log_sum, block), qkv + memory.q,
	                                      qkv + memory.kv, &memory.shape));
	STATUS_TRY(model_route_hide_heads(model, model_array(model, workspace->attention, block), kept));
	return model_projection_apply(model, kept, block);
}

/* branch = relu(norm Wup^T)^2 Wdown^T */
static enum status mlp_apply(struct model *model, int64_t rows, int block)
{
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	int64_t width = model->config.width;
	void *activated = model_array(model, workspace->activated, block);
	const void *normed = model_array(model, workspace->normed, 2 * block + 1);
	const void *up = model_tensor_weight(model, model_block_tensor(block, BLOCK_UP));
	bool taken = false;

	if (kernels->linear_relu_squared_forward != NULL)
		STATUS_TRY(kernels->linear_relu_squared_forward(model->device, activated, normed, up, rows, width,
		                                                4 * width, &taken));
	if (!taken) {
		STATUS_TRY(kernels->linear_forward(model->device, activated, normed, up, rows, width, 4 * width));
		STATUS_TRY(kernels->relu_squared_forward(model->device, activated, activated, rows * 4 * width));
	}
	STATUS_TRY(model_route_hide_neurons(model, activated, rows));
	return kernels->linear_forward(model->device, model_scratch(model, workspace->branch), activated,
	                               model_tensor_weight(model, model_block_tensor(block, BLOCK_DOWN)), rows,
	                               4 * width, width);
}

enum status model_block_middle(struct model *model, const void *residual, int64_t rows, int block)
{
	STATUS_TRY(
		model_norm_apply(model, 2 * block + 1, residual, model_scratch(model, model->workspace.branch), rows));
	return mlp_apply(model, rows, block);
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
	for (int block = 0; block < layers; block++) {
		STATUS_TRY(model_weights_needed(model, model_block_tensor(block + 1, BLOCK_NORM1)));
		STATUS_TRY(model_norm_apply(model, 2 * block, stream.residual, stream.branch, rows));
		STATUS_TRY(attention_apply(model, batch, block));
		STATUS_TRY(model_block_middle(model, model_array(model, workspace->residual, 2 * block), rows, block));
		stream.residual = model_array(model, workspace->residual, 2 * block + 1);
		stream.branch = model_scratch(model, workspace->branch);
	}
	*stream_out = stream;
	return STATUS_OK;
}

enum status model_body_forward(struct model *model, const struct model_batch *batch, int layers)
{
	struct model_stream stream;

	STATUS_TRY(model_stream_forward(model, batch, layers, &stream));
	STATUS_TRY(model_weights_needed(model, model_norm_tensor(model, 2 * layers) + 1));
	return model_norm_apply(model, 2 * layers, stream.residual, stream.branch, batch->sequences * batch->length);
}

enum status model_kept_forward(struct model *model, const struct model_batch *batch)
{
	const struct workspace *workspace = &model->workspace;
	int last = model->config.layers - 1;

	if (!model->kept.packed)
		return model_body_forward(model, batch, model->config.layers);
	STATUS_TRY(model_body_forward(model, batch, last));
	STATUS_TRY(model_weights_needed(model, model_block_tensor(last + 1, BLOCK_NORM1)));
	STATUS_TRY(attention_apply_packed(model, batch, last));
	/* The norm's output is written after its input was read, row by row, so the gathered stream can wait there. */
	void *residual = model_array(model, workspace->normed, 2 * last + 1);
	STATUS_TRY(model->kernels->gather_rows(
		model->device, residual, model_array(model, workspace->residual, 2 * last),
		model_scratch(model, workspace->kept), model->kept.count, model->config.width));
	STATUS_TRY(model_block_middle(model, residual, model->kept.count, last));
	STATUS_TRY(model_weights_needed(model, model->tensor_count));
	return model_norm_apply(model, 2 * last + 2, model_array(model, workspace->residual, 2 * last + 1),
	                        model_scratch(model, workspace->branch), model->kept.count);
}
