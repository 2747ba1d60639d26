/* Representation misdirection (Li et al. 2024, section 4): gradients of how far the residual stream after some block is from where it
 * is wanted, for the few matrices that are to learn.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/state.h"

enum status model_train_mlps(struct model *model, int first, int end)
{
	if (first < 0 || first >= end || end > model->config.layers)
		return error_raise(STATUS_INTERNAL, "blocks %d to %d can not be trained alone in a model of %d", first,
		                   end, (int)model->config.layers);
	if (model->trained == NULL)
		model->trained = memory_allocate(model->tensor_count, sizeof *model->trained);
	if (model->trained == NULL)
		return STATUS_ENVIRONMENT;
	memset(model->trained, 0, model->tensor_count * sizeof *model->trained);
	for (int block = first; block < end; block++)
		model->trained[model_block_tensor(block, BLOCK_UP)] =
			model->trained[model_block_tensor(block, BLOCK_DOWN)] = true;
	return STATUS_OK;
}

bool model_is_trained(const struct model *model, size_t tensor)
{
	return model->trained == NULL || model->trained[tensor];
}

bool model_trains_below(const struct model *model, size_t tensor)
{
	for (size_t below = 0; below < tensor; below++)
		if (model_is_trained(model, below))
			return true;
	return false;
}

enum status model_copy_weights(struct model *to, struct model *from)
{
	const struct kernels *kernels = to->kernels;
	size_t bytes = (size_t)to->arena_size * to->weight_bytes;
	void *values = kernels->allocate_host(to->device, bytes);

	if (values == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = kernels->download(from->device, values, from->weights, bytes);
	to->folded = false; /* gains are not in what comes */
	if (status == STATUS_OK)
		status = kernels->upload(to->device, to->weights, values, bytes);
	if (status == STATUS_OK)
		status = kernels->synchronize(to->device);
	kernels->release_host(to->device, values);
	return status;
}

/* The stream after so many blocks, of all rows, in its place in `residual`. */
static enum status stream_compute(struct model *model, const struct model_batch *batch, int layer)
{
	STATUS_TRY(model_layer_check(model, layer));
	STATUS_TRY(model_batch_check(model, batch));
	STATUS_TRY(model_batch_upload(model, batch));
	return model_body_forward(model, batch, layer);
}

enum status model_activations(struct model *model, const struct model_batch *batch, int layer, float *activations)
{
	int64_t elements = batch->sequences * batch->length * model->config.width;

	STATUS_TRY(stream_compute(model, batch, layer));
	return model->kernels->download_activation(
		model->device, activations, model_array(model, model->workspace.residual, 2 * layer), (size_t)elements);
}

/* Where the rows are wanted, on the device, and the elements from one to the next. */
static enum status target_prepare(struct model *model, const struct model_batch *batch,
                                  const struct model_steering *steering, const void **target_out, int64_t *step_out)
{
	struct model *original = steering->original;
	void *room = model_scratch(model, model->workspace.branch); /* idle between the passes */

	*step_out = original == NULL ? 0 : model->config.width;
	*target_out = room;
	if (original == NULL)
		return model->kernels->upload_activation(model->device, room, steering->target,
		                                         (size_t)model->config.width);
	STATUS_TRY(stream_compute(original, batch, steering->layer));
	*target_out = model_array(original, original->workspace.residual, 2 * steering->layer);
	return STATUS_OK;
}

/* Every row has a loss. */
static void keep_all(struct model *model, int64_t rows)
{
	model->kept.count = rows;
	for (int64_t row = 0; row < rows; row++)
		model->kept.index[row] = (int32_t)row;
}

enum status model_steering_gradient_begin(struct model *model, const struct model_batch *batch,
                                          const struct model_steering *steering, double *square_sum)
{
	const struct workspace *workspace = &model->workspace;
	struct model_batch all = *batch;
	int64_t rows = batch->sequences * batch->length, step;
	const void *target;

	if (model->use != MODEL_TRAINING || model->trained == NULL)
		return error_raise(STATUS_INTERNAL, "this model was not made ready for gradients of activations");
	all.weights = NULL;
	*square_sum = 0.0;
	STATUS_TRY(stream_compute(model, batch, steering->layer));
	STATUS_TRY(model_weights_needed(model,
	                                model->tensor_count)); /* what is not read here: before it is next written */
	STATUS_TRY(target_prepare(model, batch, steering, &target, &step));
	STATUS_TRY(model->kernels->square_distance(model->device, model_scratch(model, workspace->losses),
	                                           model_scratch(model, workspace->stream_gradient),
	                                           model_array(model, workspace->residual, 2 * steering->layer), target,
	                                           step, (float)(2.0 * steering->factor), rows, model->config.width));
	STATUS_TRY(model_stream_backward(model, batch, steering->layer));
	keep_all(model, rows);
	return model_losses_expect(model, &all, square_sum);
}
