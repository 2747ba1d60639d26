/* The sparse autoencoder: memory, encoding, decoding.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/autoencoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "classifier/autoencoder_state.h"

/* ---- memory ---- */

const struct autoencoder_shape *autoencoder_get_shape(const struct autoencoder *autoencoder)
{
	return &autoencoder->shape;
}

int64_t autoencoder_arena_size(const struct autoencoder_shape *shape)
{
	return 2 * shape->latents * shape->width + shape->width;
}

float *autoencoder_parameters(struct autoencoder *autoencoder)
{
	return autoencoder->parameters;
}

float *autoencoder_gradients(struct autoencoder *autoencoder)
{
	return autoencoder->gradients;
}

float *autoencoder_moments(struct autoencoder *autoencoder, int number)
{
	return autoencoder->moments[number];
}

int64_t *autoencoder_last_active(struct autoencoder *autoencoder)
{
	return autoencoder->last_active;
}

struct autoencoder_progress *autoencoder_progress(struct autoencoder *autoencoder)
{
	return &autoencoder->progress;
}

float *autoencoder_encoder(const struct autoencoder *autoencoder)
{
	return autoencoder->parameters;
}

float *autoencoder_decoder(const struct autoencoder *autoencoder)
{
	return autoencoder->parameters + autoencoder->shape.latents * autoencoder->shape.width;
}

float *autoencoder_bias(const struct autoencoder *autoencoder)
{
	return autoencoder->parameters + 2 * autoencoder->shape.latents * autoencoder->shape.width;
}

static enum status check_shape(const struct autoencoder_shape *shape)
{
	if (shape->width < 1 || shape->latents < 1 || shape->latents > INT32_MAX || shape->active < 1 ||
	    shape->active > shape->latents || shape->batch < 1)
		return error_raise(
			STATUS_USAGE,
			"a sparse autoencoder of %lld latents, of which %lld are active, for features of "
			"width %lld, cannot be: at least one latent must be active, and no more than there are",
			(long long)shape->latents, (long long)shape->active, (long long)shape->width);
	return STATUS_OK;
}

static enum status allocate_training(struct autoencoder *autoencoder)
{
	const struct autoencoder_shape *shape = &autoencoder->shape;
	size_t arena = (size_t)autoencoder_arena_size(shape);
	autoencoder->gradients = memory_allocate(arena, sizeof *autoencoder->gradients);
	autoencoder->moments[0] = memory_allocate(arena, sizeof *autoencoder->moments[0]);
	autoencoder->moments[1] = memory_allocate(arena, sizeof *autoencoder->moments[1]);
	autoencoder->last_active = memory_allocate((size_t)shape->latents, sizeof *autoencoder->last_active);
	autoencoder->dead = memory_allocate((size_t)shape->latents, sizeof *autoencoder->dead);
	/* Half of the width, as Gao et al. have it. */
	autoencoder->revived = shape->width < 2 ? 1 : shape->width / 2;
	autoencoder->dead_values = memory_allocate((size_t)autoencoder->revived, sizeof *autoencoder->dead_values);
	autoencoder->dead_index = memory_allocate((size_t)autoencoder->revived, sizeof *autoencoder->dead_index);
	autoencoder->rest = memory_allocate((size_t)shape->width, sizeof *autoencoder->rest);
	if (autoencoder->gradients == NULL || autoencoder->moments[0] == NULL || autoencoder->moments[1] == NULL ||
	    autoencoder->last_active == NULL || autoencoder->dead == NULL || autoencoder->dead_values == NULL ||
	    autoencoder->dead_index == NULL || autoencoder->rest == NULL)
		return STATUS_ENVIRONMENT;
	return kernels_cpu()->device_create(PRECISION_FLOAT32, 1, &autoencoder->own);
}

static enum status allocate(struct autoencoder *autoencoder, bool training)
{
	const struct kernels *kernels = autoencoder->kernels;
	struct device *device = autoencoder->device;
	const struct autoencoder_shape *shape = &autoencoder->shape;
	size_t width = (size_t)shape->width, latents = (size_t)shape->latents, batch = (size_t)shape->batch;
	size_t active = (size_t)shape->active, element = kernels->activation_bytes(device);
	autoencoder->parameters =
		memory_allocate((size_t)autoencoder_arena_size(shape), sizeof *autoencoder->parameters);
	autoencoder->centred = memory_allocate(batch * width, sizeof *autoencoder->centred);
	autoencoder->numbers = memory_allocate(batch * latents, sizeof *autoencoder->numbers);
	autoencoder->values = memory_allocate(batch * active, sizeof *autoencoder->values);
	autoencoder->index = memory_allocate(batch * active, sizeof *autoencoder->index);
	autoencoder->error = memory_allocate(width, sizeof *autoencoder->error);
	if (autoencoder->parameters == NULL || autoencoder->centred == NULL || autoencoder->numbers == NULL ||
	    autoencoder->values == NULL || autoencoder->index == NULL || autoencoder->error == NULL)
		return STATUS_ENVIRONMENT;
	autoencoder->master = kernels->allocate(device, latents * width * sizeof *autoencoder->master);
	autoencoder->input = kernels->allocate(device, batch * width * element);
	autoencoder->product = kernels->allocate(device, batch * latents * element);
	autoencoder->weights = autoencoder->master;
	if (kernels->weight_bytes(device) != sizeof(float))
		autoencoder->weights = kernels->allocate(device, latents * width * kernels->weight_bytes(device));
	if (autoencoder->master == NULL || autoencoder->input == NULL || autoencoder->product == NULL ||
	    autoencoder->weights == NULL)
		return STATUS_ENVIRONMENT;
	return training ? allocate_training(autoencoder) : STATUS_OK;
}

enum status autoencoder_create(const struct kernels *kernels, struct device *device,
                               const struct autoencoder_shape *shape, bool training, struct autoencoder **out)
{
	STATUS_TRY(check_shape(shape));
	struct autoencoder *autoencoder = memory_allocate(1, sizeof *autoencoder);
	if (autoencoder == NULL)
		return STATUS_ENVIRONMENT;
	autoencoder->kernels = kernels;
	autoencoder->device = device;
	autoencoder->shape = *shape;
	enum status status = allocate(autoencoder, training);
	if (status != STATUS_OK) {
		autoencoder_destroy(autoencoder);
		return status;
	}
	*out = autoencoder;
	return STATUS_OK;
}

static void release(const struct autoencoder *autoencoder, void *memory)
{
	if (memory != NULL)
		autoencoder->kernels->release(autoencoder->device, memory);
}

void autoencoder_destroy(struct autoencoder *autoencoder)
{
	if (autoencoder == NULL)
		return;
	if (autoencoder->weights != autoencoder->master)
		release(autoencoder, autoencoder->weights);
	release(autoencoder, autoencoder->master);
	release(autoencoder, autoencoder->input);
	release(autoencoder, autoencoder->product);
	if (autoencoder->own != NULL)
		kernels_cpu()->device_destroy(autoencoder->own);
	free(autoencoder->parameters);
	free(autoencoder->gradients);
	free(autoencoder->moments[0]);
	free(autoencoder->moments[1]);
	free(autoencoder->last_active);
	free(autoencoder->dead);
	free(autoencoder->dead_values);
	free(autoencoder->dead_index);
	free(autoencoder->rest);
	free(autoencoder->centred);
	free(autoencoder->numbers);
	free(autoencoder->values);
	free(autoencoder->index);
	free(autoencoder->error);
	free(autoencoder);
}

enum status autoencoder_refresh(struct autoencoder *autoencoder)
{
	const struct kernels *kernels = autoencoder->kernels;
	size_t count = (size_t)(autoencoder->shape.latents * autoencoder->shape.width);
	STATUS_TRY(kernels->upload(autoencoder->device, autoencoder->master, autoencoder_encoder(autoencoder),
	                           count * sizeof *autoencoder->master));
	if (autoencoder->weights == autoencoder->master)
		return STATUS_OK;
	return kernels->convert_weights(autoencoder->device, autoencoder->weights, autoencoder->master, count);
}

/* ---- arithmetic ---- */

enum { PARTS = 16 };

float autoencoder_dot(const float *x, const float *y, int64_t count)
{
	float parts[PARTS] = { 0 };
	int64_t i = 0;
	for (; i + PARTS <= count; i += PARTS)
		for (int part = 0; part < PARTS; part++)
			parts[part] += x[i + part] * y[i + part];
	for (int part = 0; i < count; i++, part++)
		parts[part] += x[i] * y[i];
	for (int step = PARTS / 2; step > 0; step /= 2)
		for (int part = 0; part < step; part++)
			parts[part] += parts[part + step];
	return parts[0];
}

void autoencoder_add(float *y, float factor, const float *x, int64_t count)
{
	for (int64_t i = 0; i < count; i++)
		y[i] += factor * x[i];
}

/* ---- the beginning ---- */

/* The mean of rows, and the mean of the square of their distance from it. */
static double find_mean(const float *x, int64_t rows, int64_t width, double *mean)
{
	double squares = 0.0;
	for (int64_t row = 0; row < rows; row++)
		for (int64_t j = 0; j < width; j++)
			mean[j] += (double)x[row * width + j];
	for (int64_t j = 0; j < width; j++)
		mean[j] /= (double)rows;
	for (int64_t row = 0; row < rows; row++)
		for (int64_t j = 0; j < width; j++) {
			double distance = (double)x[row * width + j] - mean[j];
			squares += distance * distance;
		}
	return squares / (double)rows;
}

/* A random direction of length 1. */
static void fill_direction(uint64_t seed, int64_t latent, float *row, int64_t width)
{
	double squares = 0.0;
	for (int64_t j = 0; j < width; j++) {
		row[j] = (float)random_normal(seed, RANDOM_AUTOENCODER, (uint64_t)latent, (uint64_t)j);
		squares += (double)row[j] * (double)row[j];
	}
	float factor = squares > 0.0 ? (float)(1.0 / sqrt(squares)) : 0.0F;
	for (int64_t j = 0; j < width; j++)
		row[j] *= factor;
}

enum status autoencoder_initialise(struct autoencoder *autoencoder, uint64_t seed, const float *x, int64_t rows)
{
	int64_t width = autoencoder->shape.width, latents = autoencoder->shape.latents;
	double *mean = memory_allocate((size_t)width, sizeof *mean);
	if (mean == NULL)
		return STATUS_ENVIRONMENT;
	autoencoder->progress.variance = find_mean(x, rows, width, mean);
	for (int64_t j = 0; j < width; j++)
		autoencoder_bias(autoencoder)[j] = (float)mean[j];
	free(mean);
	if (!(autoencoder->progress.variance > 0.0) || !isfinite(autoencoder->progress.variance))
		return error_raise(STATUS_NUMERIC,
		                   "the features of all tokens are equal, or no numbers: the model has not learned, or "
		                   "its training has diverged");
	for (int64_t latent = 0; latent < latents; latent++)
		fill_direction(seed, latent, autoencoder_decoder(autoencoder) + latent * width, width);
	memcpy(autoencoder_encoder(autoencoder), autoencoder_decoder(autoencoder),
	       (size_t)(latents * width) * sizeof(float));
	return autoencoder_refresh(autoencoder);
}

/* ---- encoding ---- */

enum status autoencoder_multiply(struct autoencoder *autoencoder, const float *x, int64_t rows)
{
	const struct kernels *kernels = autoencoder->kernels;
	struct device *device = autoencoder->device;
	int64_t width = autoencoder->shape.width, latents = autoencoder->shape.latents;
	const float *bias = autoencoder_bias(autoencoder);
	for (int64_t row = 0; row < rows; row++)
		for (int64_t j = 0; j < width; j++)
			autoencoder->centred[row * width + j] = x[row * width + j] - bias[j];
	STATUS_TRY(
		kernels->upload_activation(device, autoencoder->input, autoencoder->centred, (size_t)(rows * width)));
	STATUS_TRY(kernels->linear_forward(device, autoencoder->product, autoencoder->input, autoencoder->weights, rows,
	                                   width, latents));
	return kernels->download_activation(device, autoencoder->numbers, autoencoder->product,
	                                    (size_t)(rows * latents));
}

/* Whether chosen `a` is less worth than `b`: smaller, or as large with a higher number. */
static bool is_less(const float *chosen, const int32_t *index, int64_t a, int64_t b)
{
	return chosen[a] < chosen[b] || (chosen[a] == chosen[b] && index[a] > index[b]);
}

static void swap(float *chosen, int32_t *index, int64_t a, int64_t b)
{
	float value = chosen[a];
	int32_t number = index[a];
	chosen[a] = chosen[b];
	index[a] = index[b];
	chosen[b] = value;
	index[b] = number;
}

/* The least worth of a heap is its first. */
static void sift_down(float *chosen, int32_t *index, int64_t count, int64_t at)
{
	for (;;) {
		int64_t least = at;
		for (int64_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
			if (is_less(chosen, index, child, least))
				least = child;
		if (least == at)
			return;
		swap(chosen, index, at, least);
		at = least;
	}
}

static void sift_up(float *chosen, int32_t *index, int64_t at)
{
	for (int64_t parent = (at - 1) / 2; at > 0 && is_less(chosen, index, at, parent); parent = (at - 1) / 2) {
		swap(chosen, index, at, parent);
		at = parent;
	}
}

/* By number; few at a time. */
static void sort_chosen(float *chosen, int32_t *index, int64_t count)
{
	for (int64_t i = 1; i < count; i++) {
		float value = chosen[i];
		int32_t number = index[i];
		int64_t at = i;
		for (; at > 0 && index[at - 1] > number; at--) {
			index[at] = index[at - 1];
			chosen[at] = chosen[at - 1];
		}
		index[at] = number;
		chosen[at] = value;
	}
}

int64_t autoencoder_choose(const float *values, int64_t count, const uint8_t *among, int64_t most, int32_t *index,
                           float *chosen)
{
	int64_t kept = 0;
	float bound = 0.0F; /* a value must be above it; values come with ascending numbers, so an equal one is not */
	for (int64_t i = 0; i < count; i++) {
		if (!(values[i] > bound) || (among != NULL && !among[i]))
			continue;
		if (kept < most) {
			chosen[kept] = values[i];
			index[kept] = (int32_t)i;
			sift_up(chosen, index, kept++);
		} else {
			chosen[0] = values[i];
			index[0] = (int32_t)i;
			sift_down(chosen, index, kept, 0);
		}
		if (kept == most)
			bound = chosen[0];
	}
	sort_chosen(chosen, index, kept);
	for (int64_t i = kept; i < most; i++) {
		index[i] = -1;
		chosen[i] = 0.0F;
	}
	return kept;
}

enum status autoencoder_encode(struct autoencoder *autoencoder, const float *x, int64_t rows, float *values,
                               int32_t *index)
{
	const struct autoencoder_shape *shape = &autoencoder->shape;
	for (int64_t first = 0; first < rows; first += shape->batch) {
		int64_t count = rows - first < shape->batch ? rows - first : shape->batch;
		STATUS_TRY(autoencoder_multiply(autoencoder, x + first * shape->width, count));
		for (int64_t row = 0; row < count; row++)
			autoencoder_choose(autoencoder->numbers + row * shape->latents, shape->latents, NULL,
			                   shape->active, index + (first + row) * shape->active,
			                   values + (first + row) * shape->active);
	}
	return STATUS_OK;
}

double autoencoder_square_error(const struct autoencoder *autoencoder, const float *x, const float *values,
                                const int32_t *index)
{
	int64_t width = autoencoder->shape.width;
	float *error = autoencoder->error;
	double square = 0.0;
	for (int64_t j = 0; j < width; j++)
		error[j] = autoencoder_bias(autoencoder)[j] - x[j];
	for (int64_t k = 0; k < autoencoder->shape.active && index[k] >= 0; k++)
		autoencoder_add(error, values[k], autoencoder_decoder(autoencoder) + index[k] * width, width);
	for (int64_t j = 0; j < width; j++)
		square += (double)error[j] * (double)error[j];
	return square;
}
