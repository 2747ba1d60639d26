/* The sparse autoencoder: gradients by hand, and the update.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "classifier/autoencoder_state.h"

/* Of the part of the loss that dead latents have. */
#define DEAD_FACTOR (1.0 / 32.0)

/* Latents that were not active on the last `patience` rows. */
static int64_t mark_dead(struct autoencoder *autoencoder, int64_t patience)
{
	int64_t count = 0;
	for (int64_t latent = 0; latent < autoencoder->shape.latents; latent++) {
		autoencoder->dead[latent] = autoencoder->progress.rows - autoencoder->last_active[latent] > patience;
		count += autoencoder->dead[latent];
	}
	return count;
}

/* From the gradient of a sum of latents times decoder rows (gradient[D] = factor * rest) to those of decoder and encoder, and through
 * the encoder to that of the bias. */
static void spread_gradient(struct autoencoder *autoencoder, const float *centred, const float *rest, float factor,
                            const float *values, const int32_t *index, int64_t count)
{
	int64_t width = autoencoder->shape.width, matrix = autoencoder->shape.latents * width;
	float *encoder_gradient = autoencoder->gradients, *decoder_gradient = encoder_gradient + matrix,
	      *bias_gradient = decoder_gradient + matrix;
	for (int64_t k = 0; k < count && index[k] >= 0; k++) {
		int64_t at = (int64_t)index[k] * width;
		float slope = factor * autoencoder_dot(rest, autoencoder_decoder(autoencoder) + at, width);
		autoencoder_add(decoder_gradient + at, factor * values[k], rest, width);
		autoencoder_add(encoder_gradient + at, slope, centred, width);
		autoencoder_add(bias_gradient, -slope, autoencoder_encoder(autoencoder) + at, width);
	}
}

/* What dead latents make of what the others left over, which is -error. */
static double add_dead(struct autoencoder *autoencoder, int64_t row, float factor)
{
	int64_t width = autoencoder->shape.width, latents = autoencoder->shape.latents;
	float *rest = autoencoder->rest;
	double square = 0.0;
	int64_t count = autoencoder_choose(autoencoder->numbers + row * latents, latents, autoencoder->dead,
	                                   autoencoder->revived, autoencoder->dead_index, autoencoder->dead_values);
	memcpy(rest, autoencoder->error, (size_t)width * sizeof *rest);
	for (int64_t k = 0; k < count; k++)
		autoencoder_add(rest, autoencoder->dead_values[k],
		                autoencoder_decoder(autoencoder) + autoencoder->dead_index[k] * width, width);
	for (int64_t j = 0; j < width; j++)
		square += (double)rest[j] * (double)rest[j];
	spread_gradient(autoencoder, autoencoder->centred + row * width, rest, factor, autoencoder->dead_values,
	                autoencoder->dead_index, count);
	return square;
}

static void add_row(struct autoencoder *autoencoder, const float *x, int64_t row, double factor,
                    struct autoencoder_loss *loss)
{
	const struct autoencoder_shape *shape = &autoencoder->shape;
	float *values = autoencoder->values + row * shape->active;
	int32_t *index = autoencoder->index + row * shape->active;
	loss->active += autoencoder_choose(autoencoder->numbers + row * shape->latents, shape->latents, NULL,
	                                   shape->active, index, values);
	loss->error += autoencoder_square_error(autoencoder, x, values, index); /* leaves y - x in `error` */
	spread_gradient(autoencoder, autoencoder->centred + row * shape->width, autoencoder->error, (float)factor,
	                values, index, shape->active);
	autoencoder_add(autoencoder->gradients + 2 * shape->latents * shape->width, (float)factor, autoencoder->error,
	                shape->width);
	if (loss->dead > 0)
		loss->dead_error += add_dead(autoencoder, row, (float)(factor * DEAD_FACTOR));
}

enum status autoencoder_gradient(struct autoencoder *autoencoder, const float *x, int64_t rows, int64_t patience,
                                 struct autoencoder_loss *loss)
{
	const struct autoencoder_shape *shape = &autoencoder->shape;
	double factor = 2.0 / ((double)rows * autoencoder->progress.variance);
	if (autoencoder->gradients == NULL || rows > shape->batch)
		return error_raise(STATUS_INTERNAL, "this autoencoder was not made for batches of %lld rows",
		                   (long long)rows);
	*loss = (struct autoencoder_loss){ .dead = mark_dead(autoencoder, patience) };
	memset(autoencoder->gradients, 0, (size_t)autoencoder_arena_size(shape) * sizeof *autoencoder->gradients);
	STATUS_TRY(autoencoder_multiply(autoencoder, x, rows));
	for (int64_t row = 0; row < rows; row++)
		add_row(autoencoder, x + row * shape->width, row, factor, loss);
	return STATUS_OK;
}

/* The part of the decoder's gradient that would only make its rows longer. */
static void project_gradient(struct autoencoder *autoencoder)
{
	int64_t width = autoencoder->shape.width, latents = autoencoder->shape.latents;
	float *gradient = autoencoder->gradients + latents * width;
	for (int64_t latent = 0; latent < latents; latent++) {
		const float *row = autoencoder_decoder(autoencoder) + latent * width;
		float along = autoencoder_dot(gradient + latent * width, row, width);
		if (along != 0.0F)
			autoencoder_add(gradient + latent * width, -along, row, width);
	}
}

static void normalise_decoder(struct autoencoder *autoencoder)
{
	int64_t width = autoencoder->shape.width;
	for (int64_t latent = 0; latent < autoencoder->shape.latents; latent++) {
		float *row = autoencoder_decoder(autoencoder) + latent * width;
		float square = autoencoder_dot(row, row, width);
		if (!(square > 0.0F))
			continue;
		float factor = 1.0F / sqrtf(square);
		for (int64_t j = 0; j < width; j++)
			row[j] *= factor;
	}
}

static void note_active(struct autoencoder *autoencoder, int64_t rows)
{
	autoencoder->progress.rows += rows;
	for (int64_t i = 0; i < rows * autoencoder->shape.active; i++)
		if (autoencoder->index[i] >= 0)
			autoencoder->last_active[autoencoder->index[i]] = autoencoder->progress.rows;
}

static enum status update(struct autoencoder *autoencoder, double learning_rate)
{
	double step = (double)++autoencoder->progress.steps;
	const struct adamw_step adamw = {
		.learning_rate = learning_rate,
		.beta1 = 0.9,
		.beta2 = 0.999,
		.epsilon = 6.25e-10,
		.correction1 = 1.0 - pow(0.9, step),
		.correction2 = 1.0 - pow(0.999, step),
		.gradient_factor = 1.0,
	};
	project_gradient(autoencoder);
	STATUS_TRY(kernels_cpu()->adamw(autoencoder->own, autoencoder->parameters, autoencoder->moments[0],
	                                autoencoder->moments[1], autoencoder->gradients, autoencoder->parameters,
	                                (size_t)autoencoder_arena_size(&autoencoder->shape), &adamw));
	normalise_decoder(autoencoder);
	return autoencoder_refresh(autoencoder);
}

enum status autoencoder_train(struct autoencoder *autoencoder, const float *x, int64_t rows, int64_t patience,
                              double learning_rate, struct autoencoder_loss *loss)
{
	STATUS_TRY(autoencoder_gradient(autoencoder, x, rows, patience, loss));
	if (!isfinite(loss->error) || !isfinite(loss->dead_error))
		return error_raise(STATUS_NUMERIC,
		                   "the sparse autoencoder has diverged after %lld steps: choose a smaller "
		                   "label/learning_rate",
		                   (long long)autoencoder->progress.steps);
	note_active(autoencoder, rows);
	return update(autoencoder, learning_rate);
}
