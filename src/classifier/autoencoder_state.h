/* Inside of the sparse autoencoder: what its parts share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_AUTOENCODER_STATE_H
#define CAPSHAPE_CLASSIFIER_AUTOENCODER_STATE_H

#include "classifier/autoencoder.h"

struct autoencoder {
	const struct kernels *kernels;
	struct device *device; /* of the encoder's product */
	struct autoencoder_shape shape;
	struct autoencoder_progress progress;
	float *parameters; /* host, as all that follows but the device's own */
	float *gradients, *moments[2];
	int64_t *last_active;
	uint8_t *dead;      /* [M] */
	int64_t revived;    /* most dead latents that learn from a row */
	struct device *own; /* a processor, for updates; NULL without training */
	/* of one batch */
	float *centred;                  /* [batch, D] */
	float *numbers;                  /* [batch, M] p */
	float *values, *dead_values;     /* [batch, K], [revived] */
	int32_t *index, *dead_index;     /* likewise */
	float *error, *rest;             /* [D] y - x of a row, and its part of the gradient; w - (x - y) */
	float *master;                   /* device [M, D], float */
	void *weights, *input, *product; /* device: [M, D] weights, [batch, D], [batch, M] activations */
};

float *autoencoder_encoder(const struct autoencoder *autoencoder);
float *autoencoder_decoder(const struct autoencoder *autoencoder);
float *autoencoder_bias(const struct autoencoder *autoencoder);
/* centred and numbers of `rows` rows, at most a batch. */
enum status autoencoder_multiply(struct autoencoder *autoencoder, const float *x, int64_t rows);
/* sum_j x[j] y[j], in an order that `count` alone decides. */
float autoencoder_dot(const float *x, const float *y, int64_t count);
/* y += factor x. */
void autoencoder_add(float *y, float factor, const float *x, int64_t count);

#endif
