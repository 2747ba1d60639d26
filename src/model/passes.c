/* What a model does with a micro-batch: training gradient, losses, features, last logits. Each is check, upload, body,
 * head, download.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/lanes.h"
#include "model/state.h"

static enum status losses_download(struct model *model)
{
	return model->kernels->download(model->device, model->losses, model_scratch(model, model->workspace.losses),
	                                (size_t)model->kept.count * sizeof(float));
}

enum status model_loss_gradient_begin(struct model *model, const struct model_batch *batch, double factor,
                                      double *loss_sum)
{
	if (model->use != MODEL_TRAINING)
		return error_raise(STATUS_INTERNAL, "this model was created without gradients");
	if (model->trained != NULL)
		return error_raise(STATUS_INTERNAL, "only MLPs of this model learn, and only from its activations");
	STATUS_TRY(model_batch_check(model, batch));
	STATUS_TRY(model_batch_select(model, batch, factor));
	*loss_sum = 0.0;
	if (model->kept.count == 0)
		return STATUS_OK;
	STATUS_TRY(model_batch_upload(model, batch));
	STATUS_TRY(model_kept_upload(model, batch, true));
	STATUS_TRY(model_kept_forward(model, batch));
	STATUS_TRY(model_head_losses(model, true));
	STATUS_TRY(model_kept_backward(model, batch));
	return model_losses_expect(model, batch, loss_sum);
}

enum status model_loss_gradient(struct model *model, const struct model_batch *batch, double factor, double *loss_sum)
{
	STATUS_TRY(model_loss_gradient_begin(model, batch, factor, loss_sum));
	return model_loss_gradient_end(model);
}

enum status model_token_losses(struct model *model, const struct model_batch *batch, float *nll)
{
	int64_t rows = batch->sequences * batch->length;

	STATUS_TRY(model_head_check(model));
	STATUS_TRY(model_batch_check(model, batch));
	STATUS_TRY(model_batch_select(model, batch, 1.0));
	if (model->kept.count > 0) {
		STATUS_TRY(model_batch_upload(model, batch));
		STATUS_TRY(model_kept_upload(model, batch, true));
		STATUS_TRY(model_kept_forward(model, batch));
		STATUS_TRY(model_head_losses(model, false));
		STATUS_TRY(losses_download(model));
	}
	memset(nll, 0, (size_t)rows * sizeof(float));
	for (int64_t i = 0; i < model->kept.count; i++)
		if (model->kept.weights[i] != 0.0f)
			nll[model->kept.index[i]] = model->losses[i];
	return STATUS_OK;
}

enum status model_layer_check(const struct model *model, int layer)
{
	if (layer >= 0 && layer <= model->config.layers)
		return STATUS_OK;
	return error_raise(STATUS_USAGE, "features of layer %d were asked of a model of %d layers", layer,
	                   (int)model->config.layers);
}

enum status model_features(struct model *model, const struct model_batch *batch, int layer, float *features)
{
	int64_t rows = batch->sequences * batch->length, width = model->config.width;

	STATUS_TRY(model_activations(model, batch, layer, features));
	for (int64_t row = 0; row < rows; row++)
		lanes_normalise(features + row * width, width);
	return STATUS_OK;
}

enum status model_last_logits(struct model *model, const struct model_batch *batch, float *logits)
{
	STATUS_TRY(model_head_check(model));
	STATUS_TRY(model_batch_check(model, batch));
	STATUS_TRY(model_batch_upload(model, batch));
	model->kept.count = batch->sequences;
	for (int64_t i = 0; i < batch->sequences; i++)
		model->kept.index[i] = (int32_t)((i + 1) * batch->length - 1);
	STATUS_TRY(model_kept_upload(model, batch, false));
	STATUS_TRY(model_kept_forward(model, batch));
	return model_head_logits(model, logits);
}
