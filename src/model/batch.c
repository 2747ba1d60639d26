/* Micro-batches: what is checked, what goes to the device, and which rows reach the head.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "model/state.h"

enum { LARGEST_KEPT_MULTIPLE = 32, KEPT_ROUNDING = 64 };

static enum status row_check(const struct model *model, const struct model_batch *batch, int64_t row)
{
	int32_t vocabulary = model->config.vocabulary;

	if (batch->inputs[row] < 0 || batch->inputs[row] >= vocabulary)
		return error_raise(STATUS_DATA,
		                   "input token %d (row %lld of the micro-batch) is outside the model's "
		                   "vocabulary of %d",
		                   (int)batch->inputs[row], (long long)row, (int)vocabulary);
	if (batch->starts) {
		int64_t column = row % batch->length;
		int32_t start = batch->starts[row];
		if (start < 0 || start > column || (column > 0 && start < batch->starts[row - 1]))
			return error_raise(STATUS_INTERNAL,
			                   "first visible position %d of row %lld is not between the "
			                   "one before it and the row's own",
			                   (int)start, (long long)row);
	}
	if (batch->positions && batch->positions[row] < 0)
		return error_raise(STATUS_INTERNAL, "position %d of row %lld is negative", (int)batch->positions[row],
		                   (long long)row);
	return STATUS_OK;
}

enum status model_batch_check(const struct model *model, const struct model_batch *batch)
{
	if (!model->memory)
		return error_raise(STATUS_INTERNAL, "this model was created without memory for micro-batches");
	if (batch->sequences < 1 || batch->length < 1)
		return error_raise(STATUS_INTERNAL, "a micro-batch of %lld sequences of %lld tokens is empty",
		                   (long long)batch->sequences, (long long)batch->length);
	if (batch->length > model->config.context)
		return error_raise(STATUS_INTERNAL,
		                   "sequences of %lld tokens are longer than the model's context of %d",
		                   (long long)batch->length, (int)model->config.context);
	if (batch->sequences > model->max_rows / batch->length)
		return error_raise(STATUS_INTERNAL,
		                   "a micro-batch of %lld sequences of %lld tokens exceeds the %lld tokens that the "
		                   "model was created for",
		                   (long long)batch->sequences, (long long)batch->length, (long long)model->max_rows);
	if (batch->routes && !model_config_is_routed(&model->config))
		return error_raise(STATUS_INTERNAL, "rows have routes, but the model has no forget part");
	for (int64_t row = 0; row < batch->sequences * batch->length; row++)
		STATUS_TRY(row_check(model, batch, row));
	return STATUS_OK;
}

static const int32_t *batch_positions(struct model *model, const struct model_batch *batch)
{
	if (batch->positions)
		return batch->positions;
	for (int64_t row = 0; row < batch->sequences * batch->length; row++) {
		int32_t column = (int32_t)(row % batch->length);
		model->positions[row] = batch->starts ? column - batch->starts[row] : column;
	}
	return model->positions;
}

enum status model_batch_upload(struct model *model, const struct model_batch *batch)
{
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	size_t bytes = (size_t)(batch->sequences * batch->length) * sizeof(int32_t);

	STATUS_TRY(kernels->upload(model->device, model_scratch(model, workspace->inputs), batch->inputs, bytes));
	STATUS_TRY(model_routes_upload(model, batch));
	if (batch->starts)
		STATUS_TRY(
			kernels->upload(model->device, model_scratch(model, workspace->starts), batch->starts, bytes));
	if (model->config.positions == POSITIONS_NONE)
		return STATUS_OK;
	return kernels->upload(model->device, model_scratch(model, workspace->positions), batch_positions(model, batch),
	                       bytes);
}

static enum status weight_check(const struct model *model, const struct model_batch *batch, int64_t row)
{
	float weight = batch->weights ? batch->weights[row] : 1.0f;
	int32_t target = batch->targets[row];

	if (!isfinite(weight) || weight < 0.0f)
		return error_raise(STATUS_INTERNAL, "loss weight %g of row %lld is not a finite number >= 0",
		                   (double)weight, (long long)row);
	if (weight != 0.0f && (target < 0 || target >= model->config.vocabulary))
		return error_raise(STATUS_DATA,
		                   "target token %d (row %lld of the micro-batch) is outside the "
		                   "model's vocabulary of %d",
		                   (int)target, (long long)row, (int)model->config.vocabulary);
	return STATUS_OK;
}

/* A product of a number of rows that is new has to be prepared, so large counts are rounded up, by 1 / 64 at most, with
 * the first rows of weight 0, as far as there are any: what they add is exactly 0. Returns how many may be taken. */
static int64_t rows_to_fill(int64_t count)
{
	int64_t multiple = 1;

	while (multiple < LARGEST_KEPT_MULTIPLE && 2 * multiple * KEPT_ROUNDING <= count)
		multiple *= 2;
	return (multiple - count % multiple) % multiple;
}

enum status model_batch_select(struct model *model, const struct model_batch *batch, double factor)
{
	struct kept_rows *kept = &model->kept;
	int64_t rows = batch->sequences * batch->length, fill = 0;

	kept->count = 0;
	for (int64_t row = 0; row < rows; row++) {
		STATUS_TRY(weight_check(model, batch, row));
		kept->count += !batch->weights || batch->weights[row] != 0.0f;
	}
	fill = rows_to_fill(kept->count);
	kept->count = 0;
	for (int64_t row = 0; row < rows; row++) {
		float weight = batch->weights ? batch->weights[row] : 1.0f;
		if (weight == 0.0f && fill-- <= 0)
			continue;
		kept->index[kept->count] = (int32_t)row;
		kept->targets[kept->count] = weight == 0.0f ? 0 : batch->targets[row];
		kept->weights[kept->count] = (float)(weight * factor);
		kept->count++;
	}
	return STATUS_OK;
}

enum status model_kept_upload(struct model *model, const struct model_batch *batch, bool losses)
{
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	struct kept_rows *kept = &model->kept;
	size_t count = (size_t)kept->count;

	kept->packed = kept->count < batch->sequences * batch->length;
	if (losses) {
		STATUS_TRY(kernels->upload(model->device, model_scratch(model, workspace->kept_targets), kept->targets,
		                           count * sizeof(int32_t)));
		STATUS_TRY(kernels->upload(model->device, model_scratch(model, workspace->kept_weights), kept->weights,
		                           count * sizeof(float)));
	}
	if (!kept->packed)
		return STATUS_OK;
	STATUS_TRY(model_kept_routes_upload(model, batch));
	STATUS_TRY(kernels->upload(model->device, model_scratch(model, workspace->kept), kept->index,
	                           count * sizeof(int32_t)));
	if (model->config.positions == POSITIONS_NONE)
		return STATUS_OK;
	const int32_t *positions = batch_positions(model, batch);
	for (int64_t i = 0; i < kept->count; i++)
		kept->positions[i] = positions[kept->index[i]];
	return kernels->upload(model->device, model_scratch(model, workspace->kept_positions), kept->positions,
	                       count * sizeof(int32_t));
}
