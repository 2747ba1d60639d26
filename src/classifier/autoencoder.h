/* A sparse autoencoder: features of tokens as sums of few of many directions (TopK, Gao et al. 2024, arXiv 2406.04093, sections 2 and
 * appendix A).
 *
 *   p = encoder (x - bias)                     [M]   one number for each latent
 *   z = the `active` largest of p that are positive; the latents they belong to are active, all others 0
 *   y = bias + sum over active latents m of z[m] decoder[m]
 *   loss = (1 / R V) (sum over rows of |y - x|^2  +  sum over rows of |w - (x - y)|^2 / 32)
 *
 * V: the mean of |x - mean|^2 (so that loss is 1 where y is the mean); w: the sum of z[m] decoder[m] over the `revived` largest of
 * p among the dead latents, with x - y a constant for the gradient: dead latents learn what the others leave over. A latent is dead
 * when it was not active for `patience` tokens. Rows of the decoder have length 1 after every step, and gradients along them are
 * left out. AdamW without decay (memories 0.9 and 0.999), epsilon 6.25e-10.
 *
 * The encoder's product, which is nearly all of the arithmetic, runs on the device, whichever it is, through the kernel table; choosing
 * the largest, the sparse sums (K of M latents a row) and the update run on the host, where rows of K numbers need no kernels of their
 * own: a device would have to bring all that is chosen from back anyway, for latents to be counted. Not collective: one rank trains.
 * Equal rows in equal batches give equal bits.
 * Notation: R rows, D width, M latents, K active.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_AUTOENCODER_H
#define CAPSHAPE_CLASSIFIER_AUTOENCODER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/kernels.h"

struct autoencoder_shape {
	int64_t width, latents; /* D, M */
	int64_t active;         /* K, at most M */
	int64_t batch;          /* rows of a training step, and of one product of autoencoder_encode() */
};

/* What training has seen; whole numbers and a double, so that it can be kept. */
struct autoencoder_progress {
	int64_t steps, rows;
	double variance; /* V; 0: not known yet */
};

struct autoencoder;
/* `training`: also gradients and moments. STATUS_USAGE for a shape that cannot be. All parameters are 0. */
enum status autoencoder_create(const struct kernels *kernels, struct device *device,
                               const struct autoencoder_shape *shape, bool training, struct autoencoder **out);
void autoencoder_destroy(struct autoencoder *autoencoder);
const struct autoencoder_shape *autoencoder_get_shape(const struct autoencoder *autoencoder);
/* Numbers in the arena of parameters: 2 M D + D. */
int64_t autoencoder_arena_size(const struct autoencoder_shape *shape);
/* Host arena: encoder [M, D], decoder [M, D], bias [D]. After writing to it: autoencoder_refresh(). */
float *autoencoder_parameters(struct autoencoder *autoencoder);
/* Of the same layout; NULL without training. */
float *autoencoder_gradients(struct autoencoder *autoencoder);
float *autoencoder_moments(struct autoencoder *autoencoder, int number);
/* [M] how many rows had been seen when a latent was active last. NULL without training. */
int64_t *autoencoder_last_active(struct autoencoder *autoencoder);
struct autoencoder_progress *autoencoder_progress(struct autoencoder *autoencoder);
/* Brings the encoder to the device. */
enum status autoencoder_refresh(struct autoencoder *autoencoder);

/* Decoder rows in random directions (base/random.h), the encoder equal to them, the bias the mean of rows x[rows, D]; V. */
enum status autoencoder_initialise(struct autoencoder *autoencoder, uint64_t seed, const float *x, int64_t rows);

/* index[rows, K] ascending in each row, -1 behind the last active one; values[rows, K] 0 there. Of equal numbers the lower latent
 * is chosen; what is no number is not. Any number of rows. */
enum status autoencoder_encode(struct autoencoder *autoencoder, const float *x, int64_t rows, float *values,
                               int32_t *index);
/* |y - x|^2 of one row. */
double autoencoder_square_error(const struct autoencoder *autoencoder, const float *x, const float *values,
                                const int32_t *index);

/* The two parts of the loss. */
struct autoencoder_loss {
	double error, dead_error; /* sums over rows of |y - x|^2; of |w - (x - y)|^2, 0 without dead latents */
	int64_t active, dead;     /* active latents over rows; dead latents */
};
/* Gradients (written, not added to) of the loss of x[rows, D], rows <= batch. patience as above, in rows. */
enum status autoencoder_gradient(struct autoencoder *autoencoder, const float *x, int64_t rows, int64_t patience,
                                 struct autoencoder_loss *loss);
/* The same, and a step. STATUS_NUMERIC when the loss is no number. */
enum status autoencoder_train(struct autoencoder *autoencoder, const float *x, int64_t rows, int64_t patience,
                              double learning_rate, struct autoencoder_loss *loss);

/* The `most` largest positive ones of values[count], those whose latent `among` says (NULL: all): into index, ascending, and chosen;
 * -1 and 0 behind them. Returns how many there are. heap: room for `most` numbers. */
int64_t autoencoder_choose(const float *values, int64_t count, const uint8_t *among, int64_t most, int32_t *index,
                           float *chosen);

#endif
