/* Inside of the model, for the files of src/model only: the device arenas and how the workspace is divided.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_MODEL_STATE_H
#define CAPSHAPE_MODEL_STATE_H

#include "model/model.h"

/* Tensor numbers in arena order: 0 the embedding, then these for each block, then the final gain. */
enum block_tensor { BLOCK_NORM1, BLOCK_QKV, BLOCK_PROJECTION, BLOCK_NORM2, BLOCK_UP, BLOCK_DOWN, BLOCK_TENSORS };

/* Device arrays of the workspace, one for each norm or block in training (the backward pass reads them all), the same
 * one for all of them in inference. Norms are numbered 0 .. 2 L: first and second of each block, then the final one. */
struct array {
	size_t offset, stride; /* bytes; stride 0 in inference */
};

/* Division of the workspace, one device allocation: byte offsets. R = max_rows, D = width, C = chunk rows. */
struct workspace {
	size_t inputs, starts, positions; /* int32 [R] */
	size_t kept, kept_positions;      /* int32 [R]: as in kept_rows, and the positions of these rows */
	size_t kept_targets;              /* int32 [R]: as in kept_rows */
	size_t kept_weights, losses;      /* float [R]: as in kept_rows */
	size_t factors;                   /* float [R], where the kernels have a head for narrow rows */
	size_t routes, kept_routes; /* uint8 [R], of all rows and of the kept ones, where there is a forget part */
	size_t unused_gains;        /* float [D], the same in training */
	struct array residual;      /* activation [R, D] for each norm: its input */
	struct array normed;        /* activation [R, D] for each norm: its output */
	struct array inverse_rms;   /* float [R] for each norm */
	size_t squares;             /* float [norm_parts(), R], of the stream; where gains may be folded */
	struct array qkv;           /* activation [R, 3 D] for each block, after rotation: packed q, k, v; where
	                                     the last block packs its rows kv[R, 2 D], then q[R, D] */
	struct array attention;     /* activation [R, D] for each block */
	struct array activated;     /* activation [R, 4 D] for each block; inference: over qkv and attention */
	struct array log_sum;       /* float [R, heads] for each block */
	size_t stream_gradient;     /* activation [R, D], training only; the last block's, where it packs its
	                                     rows, is in the final norm's place in `normed` */
	size_t branch;              /* activation [R, D]: a branch of the residual stream, or a gradient */
	size_t wide;                /* activation [R, 4 D], training only: gradients inside a branch */
	size_t logits;              /* activation [C, V]; over branch and wide */
	size_t bytes;
};

/* Rows whose losses or logits are wanted, ascending; host arrays of max_rows elements. Only they are queries of the last
 * block and go through what follows its attention; where they are not all rows (`packed`) they lie side by side from
 * there on. */
struct kept_rows {
	int64_t count;
	bool packed;
	int32_t *index, *targets, *positions; /* positions: for the rotation, where the rows are packed */
	float *weights;  /* loss weight times factor; 0: a row that only fills the count (batch.c) */
	uint8_t *routes; /* as in the batch; NULL where the model has no forget part */
};

/* A micro-batch whose losses are on their way from the device. */
struct begun_losses {
	double *sum; /* the caller's */
	int64_t count;
	float *losses, *weights; /* host [max_rows], of the kept rows; the batch's own weights, without factor */
};

/* What a model is made for decides what of the workspace there is: the head's logits, what the backward pass keeps. */
enum model_use { MODEL_BODY, MODEL_LOSSES, MODEL_TRAINING };

/* Linear probes on the device. */
struct probes {
	double *weights; /* [count, D] */
	double *logits;  /* [count, max_rows] */
	int64_t count, room;
};

struct model {
	const struct kernels *kernels;
	struct device *device;
	struct model_config config;
	struct tensor *tensors;
	size_t tensor_count;
	int64_t arena_size; /* elements */
	size_t activation_bytes, weight_bytes;
	float *parameters, *gradients;
	void *weights; /* is `parameters` where weight_bytes == 4 */
	char *memory;  /* the workspace */
	struct workspace workspace;
	int64_t max_rows, chunk_rows;
	enum model_use use;
	bool folded;              /* gains are in the weights, and products do what is left of the norms (fold.c) */
	struct row_norm row_norm; /* of the stream, where folded */
	bool *trained;            /* [tensor_count]; NULL: all learn */
	bool ablated, routed;     /* model_set_ablated(); rows of the pass that goes on have routes */
	struct model_hooks hooks;
	struct probes probes;
	struct kept_rows kept;
	int32_t *positions;         /* host [max_rows] */
	float *losses;              /* host [max_rows] */
	struct begun_losses *begun; /* [begun_count], with memory for begun_made, room for begun_room */
	size_t begun_count, begun_made, begun_room;
};

/* Rows of the largest chunk of the head. */
int64_t workspace_chunk_rows(const struct kernels *kernels, const struct model_config *config, size_t activation_bytes,
                             int64_t max_rows);
void workspace_divide(const struct kernels *kernels, const struct model_config *config, size_t activation_bytes,
                      int64_t max_rows, enum model_use use, struct workspace *workspace);

/* Where q and k, v of a block lie in an array such as qkv, in bytes, and how they attend. packed: the queries are the
 * kept rows. `end`: bytes of the array that are used. */
struct attention_memory {
	struct attention_shape shape;
	size_t q, kv, end;
};
struct attention_memory model_attention_memory(const struct model *model, const struct model_batch *batch, bool packed);

/* Element 0 of a tensor in the gradient arena / the compute weights. */
float *model_tensor_gradient(const struct model *model, size_t tensor);
const void *model_tensor_weight(const struct model *model, size_t tensor);
/* Of the rows of a block's qkv tensor those that make keys and values. */
const void *model_key_weight(const struct model *model, int block);
/* Tensor numbers. */
size_t model_block_tensor(int block, enum block_tensor part);
size_t model_norm_tensor(const struct model *model, int norm);
/* Tells the trainer: the gradients from this tensor on are complete; the weights before this tensor, of all of them for
 * tensor_count, are about to be read. */
enum status model_gradients_ready(struct model *model, size_t tensor);
enum status model_weights_needed(struct model *model, size_t tensor);
/* Workspace memory at an offset. */
void *model_scratch(const struct model *model, size_t offset);
/* The array of norm or block `number`. */
void *model_array(const struct model *model, struct array array, int number);

/* batch.c: checks the batch and brings ids, starts and positions to the device. */
enum status model_batch_check(const struct model *model, const struct model_batch *batch);
enum status model_batch_upload(struct model *model, const struct model_batch *batch);
/* route.c: the routes of all rows to the device, of the kept ones once they are there; part of the two uploads. */
enum status model_routes_upload(struct model *model, const struct model_batch *batch);
enum status model_kept_routes_upload(struct model *model, const struct model_batch *batch);
/* All of these do nothing in a pass without routes. `rows`: all of the batch or the kept ones, which lie side by side. Rows of
 * ROUTE_RETAIN: the forget part's columns of attention [rows, D], of hidden rows [rows, 4 D], become 0. */
enum status model_route_hide_heads(struct model *model, void *attention, int64_t rows);
enum status model_route_hide_neurons(struct model *model, void *hidden, int64_t rows);
/* For products that make gradients of weights. Rows of ROUTE_FORGET: all other columns become 0, of `parts` rows of D side by side
 * in each; of hidden rows; all columns of rows of D, y = x but for that (y may be x), and of a chunk of the kept rows. */
enum status model_route_keep_heads(struct model *model, void *x, int64_t rows, int parts);
enum status model_route_keep_neurons(struct model *model, void *hidden, int64_t rows);
enum status model_route_keep_nothing(struct model *model, void *y, const void *x, int64_t rows);
enum status model_route_keep_chunk(struct model *model, void *x, int64_t first, int64_t rows);
/* passes.c: STATUS_USAGE for a layer that the model has not. */
enum status model_layer_check(const struct model *model, int layer);
/* Lists the rows of weight != 0 (weights NULL: all rows) in model->kept, host only. Others may fill up the count. */
enum status model_batch_select(struct model *model, const struct model_batch *batch, double factor);

/* Brings the kept rows to the device, their targets and weights too when there are `losses` to compute; decides whether
 * they are packed. Call after model_batch_upload(). */
enum status model_kept_upload(struct model *model, const struct model_batch *batch, bool losses);

/* forward.c: the stream is the sum of two device arrays, activation [R, D]; branch NULL: the first one alone. */
struct model_stream {
	const void *residual, *branch;
};
/* The first `layers` blocks of the uploaded batch, all rows, and the stream after them. */
enum status model_stream_forward(struct model *model, const struct model_batch *batch, int layers,
                                 struct model_stream *stream_out);
/* The same, added up, and the norm after them. */
enum status model_body_forward(struct model *model, const struct model_batch *batch, int layers);
/* The whole body; where the kept rows are packed, the last block and the final norm for them only. */
enum status model_kept_forward(struct model *model, const struct model_batch *batch);
/* Steps of a block. The stream takes in its branch, in the place of norm `norm`'s input, and is normalised; afterwards it is in that place alone. */
enum status model_norm_apply(struct model *model, int norm, struct model_stream *stream, int64_t rows);
/* The first `rotated` of the heads of x turn; nothing where the model has no positions. positions: offset in the workspace. */
enum status model_rope_apply(struct model *model, void *x, size_t positions, int64_t rows, int heads, int rotated);
/* The stream takes in attention Wo^T, for `rows` rows of attention: at once where the device can, else as its branch. */
enum status model_projection_apply(struct model *model, int64_t rows, int block, struct model_stream *stream);
/* The second half of a block once the stream has taken in its attention. */
enum status model_block_middle(struct model *model, int64_t rows, int block, struct model_stream *stream);
/* fold.c: after parameters were loaded: where the device can, and the model is a body, gains go into the weights of the products after them. */
enum status model_gains_fold(struct model *model);
/* The norm that products after norm `norm` do themselves: NULL where it was applied. What they take: its output, else its input. */
const struct row_norm *model_row_norm(const struct model *model);
const void *model_normed_rows(const struct model *model, int norm);
/* backward.c: undoes model_kept_forward(): from the gradient of the final norm's output, which lies in its place in
 * `normed`, to all gradients of the body. */
enum status model_kept_backward(struct model *model, const struct model_batch *batch);
/* head.c: losses of the kept rows into the device array `losses`; with `gradients` also the embedding's gradient, and
 * the gradient of the final norm's output takes the place of that output. */
enum status model_head_losses(struct model *model, bool gradients);
/* The same from the gradient of the stream after `layers` blocks, which lies in stream_gradient, down to the last tensor that
 * learns; rows are all of the batch. */
enum status model_stream_backward(struct model *model, const struct model_batch *batch, int layers);
/* steer.c: whether a tensor learns; whether one before it does. */
bool model_is_trained(const struct model *model, size_t tensor);
bool model_trains_below(const struct model *model, size_t tensor);
/* losses.c: asks for the losses that the device is computing, for model_loss_gradient_end(). */
enum status model_losses_expect(struct model *model, const struct model_batch *batch, double *sum);
/* head.c: STATUS_INTERNAL for a model that has none. */
enum status model_head_check(const struct model *model);
/* probes.c */
void model_probes_destroy(struct model *model);
/* Waits for what is expected and forgets it. */
void model_losses_destroy(struct model *model);
/* head.c: logits of the kept rows, output multiplier applied, to the host. */
enum status model_head_logits(struct model *model, float *logits);

#endif
