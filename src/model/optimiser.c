/* AdamW over pieces of the arena: they are cut at tensor borders, because the learning rate and the decay belong to the
 * tensor's group. The elements between two tensors (padding) are left alone.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/optimiser.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "model/state.h"

struct optimiser {
	const struct kernels *kernels;
	struct device *device;
	struct model *model;
	struct optimiser_config config;
	struct arena_piece *pieces;
	int piece_count;
	int64_t elements; /* of all pieces */
	float *moment1, *moment2;
};

static enum status config_check(const struct optimiser_config *config)
{
	if (!(config->learning_rate >= 0.0) || !isfinite(config->learning_rate))
		return error_raise(STATUS_USAGE, "the learning rate is %g; it must be a finite number >= 0",
		                   config->learning_rate);
	if (!(config->beta1 >= 0.0 && config->beta1 < 1.0) || !(config->beta2 >= 0.0 && config->beta2 < 1.0))
		return error_raise(STATUS_USAGE, "AdamW's beta1 = %g and beta2 = %g must be at least 0 and less than 1",
		                   config->beta1, config->beta2);
	if (!(config->epsilon > 0.0) || !isfinite(config->epsilon))
		return error_raise(STATUS_USAGE, "AdamW's epsilon is %g; it must be greater than 0", config->epsilon);
	if (!(config->weight_decay >= 0.0) || !isfinite(config->weight_decay))
		return error_raise(STATUS_USAGE, "the weight decay is %g; it must be a finite number >= 0",
		                   config->weight_decay);
	return STATUS_OK;
}

static enum status moments_allocate(struct optimiser *optimiser)
{
	size_t bytes = (size_t)optimiser->elements * sizeof(float);

	/* No elements at all (more trainers than chunks) still have valid pointers. */
	if (bytes == 0)
		bytes = sizeof(float);
	optimiser->moment1 = optimiser->kernels->allocate(optimiser->device, bytes);
	optimiser->moment2 = optimiser->kernels->allocate(optimiser->device, bytes);
	return optimiser->moment1 && optimiser->moment2 ? STATUS_OK : STATUS_ENVIRONMENT;
}

static enum status pieces_copy(struct optimiser *optimiser, const struct arena_piece *pieces, int count)
{
	int64_t size = optimiser->model->arena_size, from = 0;

	optimiser->pieces = memory_allocate((size_t)count, sizeof *pieces);
	if (optimiser->pieces == NULL)
		return STATUS_ENVIRONMENT;
	for (int i = 0; i < count; i++) {
		struct arena_piece piece = pieces[i];
		if (piece.begin < from || piece.end < piece.begin || piece.end > size)
			return error_raise(STATUS_INTERNAL, "optimiser piece %lld .. %lld is not inside %lld .. %lld",
			                   (long long)piece.begin, (long long)piece.end, (long long)from,
			                   (long long)size);
		from = piece.end;
		optimiser->elements += arena_piece_count(piece);
		optimiser->pieces[optimiser->piece_count++] = piece;
	}
	return STATUS_OK;
}

enum status optimiser_create(const struct kernels *kernels, struct device *device, struct model *model,
                             const struct optimiser_config *config, const struct arena_piece *pieces, int piece_count,
                             struct optimiser **optimiser_out)
{
	STATUS_TRY(config_check(config));
	struct optimiser *optimiser = memory_allocate(1, sizeof(*optimiser));
	if (!optimiser)
		return STATUS_ENVIRONMENT;
	*optimiser = (struct optimiser){ .kernels = kernels, .device = device, .model = model, .config = *config };
	enum status status = pieces_copy(optimiser, pieces, piece_count);
	if (status == STATUS_OK)
		status = moments_allocate(optimiser);
	if (status != STATUS_OK) {
		optimiser_destroy(optimiser);
		return status;
	}
	*optimiser_out = optimiser;
	return STATUS_OK;
}

void optimiser_destroy(struct optimiser *optimiser)
{
	if (!optimiser)
		return;
	if (optimiser->moment1)
		optimiser->kernels->release(optimiser->device, optimiser->moment1);
	if (optimiser->moment2)
		optimiser->kernels->release(optimiser->device, optimiser->moment2);
	free(optimiser->pieces);
	free(optimiser);
}

float *optimiser_moment1(struct optimiser *optimiser)
{
	return optimiser->moment1;
}

float *optimiser_moment2(struct optimiser *optimiser)
{
	return optimiser->moment2;
}

/* muP: hidden matrices learn at 1 / width multiplier of the rate; gains do not decay. */
static void group_apply(const struct optimiser *optimiser, enum tensor_group group, double rate,
                        struct adamw_step *settings)
{
	settings->learning_rate = rate;
	settings->weight_decay = optimiser->config.weight_decay;
	if (group == GROUP_HIDDEN)
		settings->learning_rate = rate / model_config_width_multiplier(&optimiser->model->config);
	if (group == GROUP_NORM)
		settings->weight_decay = 0.0;
}

/* The part of `tensor` inside a piece, whose moments begin at `moment`. */
static enum status part_step(struct optimiser *optimiser, const struct tensor *tensor, struct arena_piece piece,
                             int64_t moment, const float *gradients, const struct adamw_step *settings)
{
	struct model *model = optimiser->model;
	int64_t first = tensor->offset, last = tensor->offset + tensor->rows * tensor->columns;

	if (first < piece.begin)
		first = piece.begin;
	if (last > piece.end)
		last = piece.end;
	if (first >= last)
		return STATUS_OK;
	int64_t own = moment + first - piece.begin;
	char *weights = (char *)model->weights + (size_t)first * model->weight_bytes;
	return optimiser->kernels->adamw(optimiser->device, model->parameters + first, optimiser->moment1 + own,
	                                 optimiser->moment2 + own, gradients + first, weights, (size_t)(last - first),
	                                 settings);
}

static enum status tensor_step(struct optimiser *optimiser, const struct tensor *tensor, const float *gradients,
                               const struct adamw_step *settings)
{
	int64_t moment = 0;

	for (int i = 0; i < optimiser->piece_count; i++) {
		STATUS_TRY(part_step(optimiser, tensor, optimiser->pieces[i], moment, gradients, settings));
		moment += arena_piece_count(optimiser->pieces[i]);
	}
	return STATUS_OK;
}

enum status optimiser_step(struct optimiser *optimiser, const float *gradients, int64_t step, double schedule_factor,
                           double gradient_factor)
{
	const struct optimiser_config *config = &optimiser->config;
	const struct model *model = optimiser->model;

	if (step < 1)
		return error_raise(STATUS_INTERNAL, "optimiser steps are counted from 1, not %lld", (long long)step);
	struct adamw_step settings = {
		.beta1 = config->beta1,
		.beta2 = config->beta2,
		.epsilon = config->epsilon,
		.correction1 = 1.0 - pow(config->beta1, (double)step),
		.correction2 = 1.0 - pow(config->beta2, (double)step),
		.gradient_factor = gradient_factor,
	};
	for (size_t i = 0; i < model->tensor_count; i++) {
		if (!model_is_trained(model, i))
			continue;
		group_apply(optimiser, model->tensors[i].group, config->learning_rate * schedule_factor, &settings);
		STATUS_TRY(tensor_step(optimiser, &model->tensors[i], gradients, &settings));
	}
	return STATUS_OK;
}
