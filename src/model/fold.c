/* Norms without a pass, where a device has products for it: RMSNorm(x) W^T = (x (W gain)^T) / rms(x). The gains are folded into the weights once,
 * when they are loaded; the products that add to the stream leave the squares of its rows, and those that read it divide their results.
 *
 * Only models that compute features: the backward pass needs the norm's output, and others that read the weights need them as they were trained.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/state.h"

static enum status gain_fold(struct model *model, size_t tensor, size_t gain)
{
	const struct tensor *to = &model->tensors[tensor];
	char *weights = model->weights;

	return model->kernels->fold_gain(model->device, weights + (size_t)to->offset * model->weight_bytes,
	                                 model->parameters + to->offset,
	                                 model->parameters + model->tensors[gain].offset, to->rows, to->columns);
}

enum status model_gains_fold(struct model *model)
{
	const struct kernels *kernels = model->kernels;

	model->folded = model->use == MODEL_BODY && model->max_rows > 0 && kernels->norm_parts != NULL &&
	                kernels->norm_parts(model->device, model->config.width) > 0;
	if (!model->folded)
		return STATUS_OK;
	model->row_norm = (struct row_norm){ .squares = model_scratch(model, model->workspace.squares),
		                             .epsilon = (float)model->config.norm_epsilon };
	for (int block = 0; block < model->config.layers; block++) {
		STATUS_TRY(
			gain_fold(model, model_block_tensor(block, BLOCK_QKV), model_block_tensor(block, BLOCK_NORM1)));
		STATUS_TRY(
			gain_fold(model, model_block_tensor(block, BLOCK_UP), model_block_tensor(block, BLOCK_NORM2)));
	}
	return STATUS_OK;
}

const struct row_norm *model_row_norm(const struct model *model)
{
	return model->folded ? &model->row_norm : NULL;
}

const void *model_normed_rows(const struct model *model, int norm)
{
	const struct workspace *workspace = &model->workspace;

	return model_array(model, model->folded ? workspace->residual : workspace->normed, norm);
}
