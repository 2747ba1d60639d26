/* The model on a device: parameters, forward pass, gradients by hand, written once over the kernel table.
 *
 * Not thread-safe, not collective: data parallelism is the trainer's business (src/roles, src/comm).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_MODEL_MODEL_H
#define CAPSHAPE_MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/kernels.h"
#include "model/config.h"

struct model;

/* Allocates parameters (zero) and, when max_rows > 0, activations for micro-batches of up to max_rows tokens
 * (`training`: also what the backward pass keeps, and a gradient arena). */
enum status model_create(const struct kernels *kernels, struct device *device, const struct model_config *config,
                         int64_t max_rows, bool training, struct model **model_out);
/* As model_create() for what needs no head: model_features(), model_probe_begin(). */
enum status model_create_body(const struct kernels *kernels, struct device *device, const struct model_config *config,
                              int64_t max_rows, struct model **model_out);
void model_destroy(struct model *model);
const struct model_config *model_get_config(const struct model *model);
/* Bytes model_create() would allocate on the device. */
int64_t model_memory(const struct kernels *kernels, const struct device *device, const struct model_config *config,
                     int64_t max_rows, bool training);

/* The same of model_create_body(); probes are not in it. */
int64_t model_body_memory(const struct kernels *kernels, const struct device *device, const struct model_config *config,
                          int64_t max_rows);

/* Fills the master parameters from (seed, RANDOM_INITIALISATION, tensor number, element). */
enum status model_initialise(struct model *model, uint64_t seed);

/* Flat arenas of master parameters / gradients on the device (model_config_layout), *count elements (count may be
 * NULL). */
float *model_parameters(struct model *model, int64_t *count);
float *model_gradients(struct model *model, int64_t *count);
/* Compute copies of the parameters (same element offsets); same memory as the parameters where weight_bytes == 4. */
void *model_weights(struct model *model);
/* After the master parameters were written from outside. */
enum status model_refresh_weights(struct model *model);
/* Compute copies of all parameters from another model of the same shape and kind of device, for a model that only computes. Waits. */
enum status model_copy_weights(struct model *to, struct model *from);
/* Sets all of them from host memory. */
enum status model_load_parameters(struct model *model, const float *parameters);
enum status model_clear_gradients(struct model *model);

/* What a trainer does while a pass goes on. Both are called in the order of the device's work, not after it, and may be NULL;
 * a failure ends the pass. */
struct model_hooks {
	/* Backward: from now on the pass adds nothing to the gradients of the elements from `begin` on. */
	enum status (*gradients_ready)(void *state, int64_t begin);
	/* Forward: the compute weights of the elements below `end` are about to be read. */
	enum status (*weights_needed)(void *state, int64_t end);
	void *state;
};
/* Copied; NULL: none. */
void model_set_hooks(struct model *model, const struct model_hooks *hooks);
/* Where the parts of the arena begin that passes come to one after the other, ascending: the blocks (element 0, the
 * embedding's, is left out). borders[layers]. */
void model_borders(const struct model *model, int64_t *borders);

/* A micro-batch on the host. rows = sequences * length <= max_rows, length <= context. */
struct model_batch {
	int64_t sequences, length;
	const int32_t *inputs;    /* [rows] ids */
	const int32_t *targets;   /* [rows] ids; ignored where the weight is 0 */
	const float *weights;     /* [rows] loss weights, finite, >= 0 */
	const int32_t *starts;    /* [rows] first visible position of the row's own sequence (kernels.h), or NULL */
	const int32_t *positions; /* [rows] for the rotation; NULL: t, or t - starts when starts is given */
	const uint8_t *routes;    /* [rows] enum route; NULL: all are ROUTE_ALL. For models with a forget part only */
};

/* The forget part of a model (model_config.route_*) and gradients by the routes of rows. With N neurons and H heads of K elements
 * in the forget part, in every block:
 *   forward   rows of ROUTE_RETAIN: the last N columns of the MLP's activated hidden row, and the last H K columns of the
 *             attention's output before its projection, are 0. What the row gives to others as key and value stays whole.
 *   backward  the exact gradient of that, with respect to activations; it flows through rows of every route alike.
 *   weights   the gradient of a tensor is a sum over rows: of a matrix in y = x W^T row r adds dy[r]^T x[r], of a gain what its norm
 *             does with row r, of the embedding what row r looks up, and what row r multiplies with it for its logits. What a row
 *             of ROUTE_FORGET adds to elements outside of the forget part is left out. In the forget part are of qkv the rows of
 *             these heads, in each third; of the projection their columns; of up the rows, of down the columns of these neurons.
 * So gradients are derivatives of the loss with respect to a parameter as the other rows use it. A row counts as what it is itself,
 * also where the loss that it hears of is that of a later row, which attends to it.
 * ablated: until it is taken back every row of every pass is of ROUTE_RETAIN, whatever the batch says. STATUS_INTERNAL for a model
 * without a forget part. */
enum status model_set_ablated(struct model *model, bool ablated);

/* Forward and backward: gradients += gradient of factor * sum_r weights[r] * nll[r]. *loss_sum = sum_r weights[r] *
 * nll[r] in double, row order. Rows of weight 0 give the last block keys and values and no more. All weights 0 is
 * legal. */
enum status model_loss_gradient(struct model *model, const struct model_batch *batch, double factor, double *loss_sum);
/* The same in two parts, so that the caller can prepare the next micro-batch while the device computes this one.
 * _begin() does not wait; the batch may be changed after it. *loss_sum, which must stay in place, is set by _end(), which
 * waits for all that was begun. */
enum status model_loss_gradient_begin(struct model *model, const struct model_batch *batch, double factor,
                                      double *loss_sum);
enum status model_loss_gradient_end(struct model *model);
/* Forward only: nll[r] (natural logarithm) of targets[r] for rows of weight != 0, 0 elsewhere. weights NULL: all. */
enum status model_token_losses(struct model *model, const struct model_batch *batch, float *nll);
/* Residual stream after `layer` blocks (0: embedding, layers: before the final norm), divided by its own root mean
 * square: host features[rows, D]. Later blocks are not computed. Targets and weights are not used. */
enum status model_features(struct model *model, const struct model_batch *batch, int layer, float *features);
/* Linear probes of these features, which then stay on the device. model_set_probes(): host weights[count, D], in place of
 * those before; what was begun with those is not disturbed. model_probe_begin(): logits[p, r] = sum_j weights[p, j]
 * features[r, j], host logits[count, rows]; does not wait, the batch may be changed after it, and several micro-batches may be
 * on their way. model_probe_end() with what _begin() returned waits for that one: its logits are then there. With a device of
 * several models, the next ones may be begun before it. */
enum status model_set_probes(struct model *model, const double *weights, int64_t count);
enum status model_probe_begin(struct model *model, const struct model_batch *batch, int layer, double *logits,
                              int64_t *begun_out);
enum status model_probe_end(struct model *model, int64_t begun);
/* The same stream as it is, not divided: host activations[rows, D]. */
enum status model_activations(struct model *model, const struct model_batch *batch, int layer, float *activations);

/* From now on only the two matrices of the MLPs of blocks first .. end - 1 learn: optimiser_step() leaves all other tensors and
 * their moments alone, and gradients are those of model_steering_gradient_begin(). */
enum status model_train_mlps(struct model *model, int first, int end);

/* Where the residual stream h after `layer` blocks is wanted: at one place whatever the token, or where another model has it. */
struct model_steering {
	int layer;
	const float *target;    /* host [D], where `original` is NULL; stays until the end */
	struct model *original; /* of the same shape, device and room for rows; else NULL */
	double factor;
};
/* Forward up to that block and backward from there: gradients of the tensors that learn += gradient of factor * sum over rows of
 * the square of the distance of h[r] from its target; other gradients stay 0. *square_sum: that sum without factor, in double, row
 * order. Weights of rows are not used. As model_loss_gradient_begin(), and model_loss_gradient_end() ends it. */
enum status model_steering_gradient_begin(struct model *model, const struct model_batch *batch,
                                          const struct model_steering *steering, double *square_sum);
/* Logits of the last position of each sequence, output multiplier applied: host logits[sequences, V]. */
enum status model_last_logits(struct model *model, const struct model_batch *batch, float *logits);

#endif
