/* The body of the network, forward: embedding, blocks, norms. Reads like the definition of the model.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/state.h"

/* The residual stream takes in `branch` (NULL: nothing) and is normalised by norm number `norm`, in one pass. */
static enum status norm_apply(struct model *model, int norm, const void *branch, int64_t rows)
{
	const struct workspace *workspace = &model->workspace;
	int before = norm > 0 ? norm - 1 : 0;

	return model->kernels->norm_forward(model->device, model_array(model, workspace->residual, norm),
	                                    model_array(model, workspace->normed, norm),
	                                    model_array(model, workspace->inverse_rms, norm),
	                                    model_array(model, workspace->residual, before), branch,
	                                    model_tensor_weight(model, model_norm_tensor(model, norm)), rows,
	                                    model->config.width, (float)model->config.norm_epsilon);
}

/* branch = attention(norm) Wo^T */
static enum status attention_apply(struct model *model, const struct model_batch *batch, int block)
{
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	int64_t rows = batch->sequences * batch->length, width = model->config.width;
	int heads = model->config.heads, head_size = model->config.width / model->config.heads;
	const int32_t *starts = batch->starts ? model_scratch(model, workspace->starts) : NULL;
	void *qkv = model_array(model, workspace->qkv, block);
	void *attention = model_array(model, workspace->attention, block);

	STATUS_TRY(kernels->linear_forward(model->device, qkv, model_array(model, workspace->normed, 2 * block),
	                                   model_tensor_weight(model, model_block_tensor(block, BLOCK_QKV)), rows,
	                                   width, 3 * width));
	if (model->config.positions == POSITIONS_ROTARY)
		STATUS_TRY(kernels->rope(model->device, qkv, model_scratch(model, workspace->positions), rows, heads,
		                         head_size, model->config.rope_base, false));
	STATUS_TRY(kernels->attention_forward(model->device, attention, model_array(model, workspace->log_sum, block),
	                                      qkv, starts, batch->sequences, batch->length, heads, head_size,
	                                      1.0f / (float)head_size));
	return kernels->linear_forward(model->device, model_scratch(model, workspace->branch), attention,
	                               model_tensor_weight(model, model_block_tensor(block, BLOCK_PROJECTION)), rows,
	                               width, width);
}

/* branch = relu(norm Wup^T)^2 Wdown^T */
static enum status mlp_apply(struct model *model, int64_t rows, int block)
{
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	int64_t width = model->config.width;
	void *activated = model_array(model, workspace->activated, block);

	STATUS_TRY(kernels->linear_forward(
		model->device, activated, model_array(model, workspace->normed, 2 * block + 1),
		model_tensor_weight(model, model_block_tensor(block, BLOCK_UP)), rows, width, 4 * width));
	STATUS_TRY(kernels->relu_squared_forward(model->device, activated, activated, rows * 4 * width));
	return kernels->linear_forward(model->device, model_scratch(model, workspace->branch), activated,
	                               model_tensor_weight(model, model_block_tensor(block, BLOCK_DOWN)), rows,
	                               4 * width, width);
}

enum status model_body_forward(struct model *model, const struct model_batch *batch, int layers)
{
	const struct workspace *workspace = &model->workspace;
	int64_t rows = batch->sequences * batch->length;
	const void *branch = model_scratch(model, workspace->branch);

	STATUS_TRY(model->kernels->embedding_forward(
		model->device, model_array(model, workspace->residual, 0), model_tensor_weight(model, 0),
		model_scratch(model, workspace->inputs), rows, model->config.width));
	STATUS_TRY(norm_apply(model, 0, NULL, rows));
	for (int block = 0; block < layers; block++) {
		STATUS_TRY(attention_apply(model, batch, block));
		STATUS_TRY(norm_apply(model, 2 * block + 1, branch, rows));
		STATUS_TRY(mlp_apply(model, rows, block));
		STATUS_TRY(norm_apply(model, 2 * block + 2, branch, rows));
	}
	return STATUS_OK;
}
