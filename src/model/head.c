/* The head: the kept rows, which lie side by side, in chunks, so that a matrix of rows x vocabulary never exists.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/state.h"

enum status model_head_check(const struct model *model)
{
	if (model->use == MODEL_BODY)
		return error_raise(STATUS_INTERNAL, "this model was created without a head");
	return STATUS_OK;
}

/* Rows of the next chunk when `first` kept rows are done. Equal chunks, as a last one of few rows would cost a CPU nearly as much
 * as a full one; but multiples of the device's number, where chunks are as large as that, so that few shapes of products occur and
 * those fill the device. */
static int64_t chunk_at(const struct model *model, int64_t first)
{
	int64_t count = model->kept.count, chunks = (count + model->chunk_rows - 1) / model->chunk_rows;
	int64_t rows = (count + chunks - 1) / chunks, multiple = model->kernels->logits_rows;

	if (multiple <= model->chunk_rows)
		rows = (rows + multiple - 1) / multiple * multiple;
	if (rows > model->chunk_rows)
		rows = model->chunk_rows;
	return rows < count - first ? rows : count - first;
}

/* Output of the final norm, or its gradient, from kept row `first` on. */
static void *chunk_rows_at(const struct model *model, int64_t first)
{
	char *normed = model_array(model, model->workspace.normed, 2 * model->config.layers);

	return normed + (size_t)first * (size_t)model->config.width * model->activation_bytes;
}

static enum status chunk_logits(struct model *model, int64_t first, int64_t rows)
{
	return model->kernels->linear_forward(model->device, model_scratch(model, model->workspace.logits),
	                                      chunk_rows_at(model, first), model_tensor_weight(model, 0), rows,
	                                      model->config.width, model->config.vocabulary);
}

static float output_multiplier(const struct model *model)
{
	return (float)(1.0 / model_config_width_multiplier(&model->config));
}

static float *device_float(const struct model *model, size_t offset, int64_t first)
{
	return (float *)model_scratch(model, offset) + first;
}

/* Losses of the chunk; where there are weights, the gradient with respect to its logits in `logits`, but for factors of the
 * rows where *factored. */
static enum status chunk_losses(struct model *model, int64_t first, int64_t rows, bool gradients, bool *factored)
{
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	const int32_t *targets = (const int32_t *)model_scratch(model, workspace->kept_targets) + first;
	const float *weights = gradients ? device_float(model, workspace->kept_weights, first) : NULL;
	float *losses = device_float(model, workspace->losses, first);
	void *logits = model_scratch(model, workspace->logits);

	*factored = false;
	if (kernels->narrow_head != NULL)
		STATUS_TRY(kernels->narrow_head(
			model->device, losses, logits, device_float(model, workspace->factors, first),
			chunk_rows_at(model, first), model_tensor_weight(model, 0), targets, weights, rows,
			model->config.width, model->config.vocabulary, output_multiplier(model), factored));
	if (*factored)
		return STATUS_OK;
	STATUS_TRY(chunk_logits(model, first, rows));
	return kernels->cross_entropy(model->device, losses, logits, targets, weights, rows, model->config.vocabulary,
	                              output_multiplier(model));
}

/* After chunk_losses(). The factors go to the rows that the gradient is multiplied with, and to those that come of it: they are
 * much shorter. */
static enum status chunk_backward(struct model *model, int64_t first, int64_t rows, bool factored)
{
	const struct kernels *kernels = model->kernels;
	int64_t width = model->config.width, vocabulary = model->config.vocabulary;
	const void *logits = model_scratch(model, model->workspace.logits);
	const float *factors = device_float(model, model->workspace.factors, first);
	void *normed = chunk_rows_at(model, first);

	if (factored)
		STATUS_TRY(kernels->scale_rows(model->device, normed, factors, rows, width));
	STATUS_TRY(model_route_keep_chunk(model, normed, first, rows));
	STATUS_TRY(kernels->linear_backward_weight(model->device, model_tensor_gradient(model, 0), logits, normed, rows,
	                                           width, vocabulary));
	STATUS_TRY(kernels->linear_backward_input(model->device, normed, logits, model_tensor_weight(model, 0), rows,
	                                          width, vocabulary, false));
	return factored ? kernels->scale_rows(model->device, normed, factors, rows, width) : STATUS_OK;
}

enum status model_head_losses(struct model *model, bool gradients)
{
	for (int64_t first = 0, rows; first < model->kept.count; first += rows) {
		bool factored;
		rows = chunk_at(model, first);
		STATUS_TRY(chunk_losses(model, first, rows, gradients, &factored));
		if (gradients)
			STATUS_TRY(chunk_backward(model, first, rows, factored));
	}
	return STATUS_OK;
}

enum status model_head_logits(struct model *model, float *logits)
{
	size_t vocabulary = (size_t)model->config.vocabulary;
	float multiplier = output_multiplier(model);

	for (int64_t first = 0, rows; first < model->kept.count; first += rows) {
		rows = chunk_at(model, first);
		float *values = logits + (size_t)first * vocabulary;
		size_t count = (size_t)rows * vocabulary;
		STATUS_TRY(chunk_logits(model, first, rows));
		STATUS_TRY(model->kernels->download_activation(model->device, values,
		                                               model_scratch(model, model->workspace.logits), count));
		for (size_t i = 0; i < count; i++)
			values[i] *= multiplier;
	}
	return STATUS_OK;
}
