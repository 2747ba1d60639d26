/* AdamW over a range of the arena: the range is cut at tensor borders, because the learning rate and the decay belong
 * to the tensor's group. The elements between two tensors (padding) are left alone.
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
	int64_t begin, end;
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
	size_t bytes = (size_t)(optimiser->end - optimiser->begin) * sizeof(float);

	/* An empty range (more trainers than elements) still has valid pointers. */
	if (bytes == 0)
		bytes = sizeof(float);
	optimiser->moment1 = optimiser->kernels->allocate(optimiser->device, bytes);
	optimiser->moment2 = optimiser->kernels->allocate(optimiser->device, bytes);
	return optimiser->moment1 && optimiser->moment2 ? STATUS_OK : STATUS_ENVIRONMENT;
}

enum status optimiser_create(const struct kernels *kernels, struct device *device, struct model *model,
                             const struct optimiser_config *config, int64_t begin, int64_t end,
                             struct optimiser **optimiser_out)
{
	STATUS_TRY(config_check(config));
	if (begin < 0 || end < begin || end > model->arena_size)
		return error_raise(STATUS_INTERNAL, "optimiser range %lld .. %lld is not inside the %lld parameters",
		                   (long long)begin, (long long)end, (long long)model->arena_size);
	struct optimiser *optimiser = memory_allocate(1, sizeof(*optimiser));
	if (!optimiser)
		return STATUS_ENVIRONMENT;
	*optimiser = (struct optimiser){
		.kernels = kernels, .device = device, .model = model, .config = *config, .begin = begin, .end = end
	};
	enum status status = moments_allocate(optimiser);
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

/* The part of `tensor` inside the range. */
static enum status tensor_step(struct optimiser *optimiser, const struct tensor *tensor, const float *gradients,
                               const struct adamw_step *settings)
{
	struct model *model = optimiser->model;
	int64_t first = tensor->offset, last = tensor->offset + tensor->rows * tensor->columns;

	if (first < optimiser->begin)
		first = optimiser->begin;
	if (last > optimiser->end)
		last = optimiser->end;
	if (first >= last)
		return STATUS_OK;
	int64_t own = first - optimiser->begin;
	char *weights = (char *)model->weights + (size_t)first * model->weight_bytes;
	return optimiser->kernels->adamw(optimiser->device, model->parameters + first, optimiser->moment1 + own,
	                                 optimiser->moment2 + own, gradients + own, weights, (size_t)(last - first),
	                                 settings);
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
		group_apply(optimiser, model->tensors[i].group, config->learning_rate * schedule_factor, &settings);
		STATUS_TRY(tensor_step(optimiser, &model->tensors[i], gradients, &settings));
	}
	return STATUS_OK;
}
