/* The head: kept rows only, in chunks, so that a matrix of rows x vocabulary never exists.
 *
 * A chunk of consecutive rows is used in place; another is gathered first and its gradient scattered back.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/state.h"

/* A part of the kept rows. */
struct chunk {
	int64_t first, rows; /* among the kept rows */
	int64_t row;         /* the first of them in the micro-batch */
	bool in_place;       /* consecutive rows, at an aligned address */
};

enum { ROW_ALIGNMENT = 64 };

static size_t row_bytes(const struct model *model, int64_t rows)
{
	return (size_t)rows * (size_t)model->config.width * model->activation_bytes;
}

static struct chunk chunk_at(const struct model *model, int64_t first)
{
	const struct kept_rows *kept = &model->kept;
	/* Equal chunks: a last one of few rows would cost nearly as much as a full one. */
	int64_t chunks = (kept->count + model->chunk_rows - 1) / model->chunk_rows;
	int64_t rows = (kept->count + chunks - 1) / chunks;

	if (rows > kept->count - first)
		rows = kept->count - first;
	int64_t row = kept->index[first];
	bool consecutive = kept->index[first + rows - 1] == row + rows - 1;
	return (struct chunk){ first, rows, row, consecutive && row_bytes(model, row) % ROW_ALIGNMENT == 0 };
}

static int32_t *device_int(const struct model *model, size_t offset, int64_t first)
{
	return (int32_t *)model_scratch(model, offset) + first;
}

static float *device_float(const struct model *model, size_t offset, int64_t first)
{
	return (float *)model_scratch(model, offset) + first;
}

static enum status kept_upload(struct model *model, bool losses)
{
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	size_t count = (size_t)model->kept.count;

	STATUS_TRY(kernels->upload(model->device, model_scratch(model, workspace->kept), model->kept.index,
	                           count * sizeof(int32_t)));
	if (!losses)
		return STATUS_OK;
	STATUS_TRY(kernels->upload(model->device, model_scratch(model, workspace->kept_targets), model->kept.targets,
	                           count * sizeof(int32_t)));
	return kernels->upload(model->device, model_scratch(model, workspace->kept_weights), model->kept.weights,
	                       count * sizeof(float));
}

/* *input: the chunk's rows of the final norm; logits = rows E^T. */
static enum status chunk_logits(struct model *model, const struct chunk *chunk, const void **input)
{
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	int64_t width = model->config.width;
	const char *normed = model_array(model, workspace->normed, 2 * model->config.layers);

	*input = normed + row_bytes(model, chunk->row);
	if (!chunk->in_place) {
		STATUS_TRY(kernels->gather_rows(model->device, model_scratch(model, workspace->chunk), normed,
		                                device_int(model, workspace->kept, chunk->first), chunk->rows, width));
		*input = model_scratch(model, workspace->chunk);
	}
	return kernels->linear_forward(model->device, model_scratch(model, workspace->logits), *input,
	                               model_tensor_weight(model, 0), chunk->rows, width, model->config.vocabulary);
}

/* `logits` holds the gradient with respect to the logits of the chunk. */
static enum status chunk_backward(struct model *model, const struct chunk *chunk, const void *input)
{
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	int64_t width = model->config.width, vocabulary = model->config.vocabulary;
	char *stream_gradient = model_scratch(model, workspace->stream_gradient);
	void *gradient = model_scratch(model, workspace->chunk); /* `input` is not needed any more then */

	STATUS_TRY(kernels->linear_backward_weight(model->device, model_tensor_gradient(model, 0),
	                                           model_scratch(model, workspace->logits), input, chunk->rows, width,
	                                           vocabulary));
	if (chunk->in_place)
		gradient = stream_gradient + row_bytes(model, chunk->row);
	STATUS_TRY(kernels->linear_backward_input(model->device, gradient, model_scratch(model, workspace->logits),
	                                          model_tensor_weight(model, 0), chunk->rows, width, vocabulary,
	                                          false));
	if (chunk->in_place)
		return STATUS_OK;
	return kernels->scatter_rows(model->device, stream_gradient, gradient,
	                             device_int(model, workspace->kept, chunk->first), chunk->rows, width);
}

static float output_multiplier(const struct model *model)
{
	return (float)(1.0 / model_config_width_multiplier(&model->config));
}

enum status model_head_losses(struct model *model, int64_t rows, bool gradients)
{
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	const void *input;

	STATUS_TRY(kept_upload(model, true));
	if (gradients && model->kept.count < rows)
		STATUS_TRY(kernels->clear(model->device, model_scratch(model, workspace->stream_gradient),
		                          row_bytes(model, rows)));
	for (int64_t first = 0; first < model->kept.count;) {
		struct chunk chunk = chunk_at(model, first);
		STATUS_TRY(chunk_logits(model, &chunk, &input));
		STATUS_TRY(kernels->cross_entropy(
			model->device, device_float(model, workspace->losses, first),
			model_scratch(model, workspace->logits), device_int(model, workspace->kept_targets, first),
			gradients ? device_float(model, workspace->kept_weights, first) : NULL, chunk.rows,
			model->config.vocabulary, output_multiplier(model)));
		if (gradients)
			STATUS_TRY(chunk_backward(model, &chunk, input));
		first += chunk.rows;
	}
	return STATUS_OK;
}

enum status model_head_logits(struct model *model, float *logits)
{
	size_t vocabulary = (size_t)model->config.vocabulary;
	float multiplier = output_multiplier(model);
	const void *input;

	STATUS_TRY(kept_upload(model, false));
	for (int64_t first = 0; first < model->kept.count;) {
		struct chunk chunk = chunk_at(model, first);
		float *values = logits + (size_t)first * vocabulary;
		size_t count = (size_t)chunk.rows * vocabulary;
		STATUS_TRY(chunk_logits(model, &chunk, &input));
		STATUS_TRY(model->kernels->download_activation(model->device, values,
		                                               model_scratch(model, model->workspace.logits), count));
		for (size_t i = 0; i < count; i++)
			values[i] *= multiplier;
		first += chunk.rows;
	}
	return STATUS_OK;
}
