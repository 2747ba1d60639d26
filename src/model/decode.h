/* Generation: the logits that follow the tokens of texts, one token after the other, with the keys and values of those before it
 * kept on the device.
 *
 * Tokens of any texts go through the model together, in groups of a fixed number of rows (kernels.h, generation_rows), the same
 * for prompts and for what follows. So the logits of a text have the same bits whichever texts stand beside it, how many there are,
 * and whether its tokens are given at once or one by one. They are those of the forward pass (model_last_logits()) but for the
 * rounding of other shapes of products.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_MODEL_DECODE_H
#define CAPSHAPE_MODEL_DECODE_H

#include "model/model.h"

struct decoder;

/* Rows (max_rows of model_create()) that a model must have been made for at least. */
int64_t decoder_rows(const struct kernels *kernels);

/* For up to `texts` texts of up to `length` tokens, which may exceed the context that the model was trained with. The model must
 * outlive it, have a head, and compute nothing else between a text's first token and its last. */
enum status decoder_create(struct model *model, int64_t texts, int64_t length, struct decoder **decoder_out);
void decoder_destroy(struct decoder *decoder);
/* Bytes of the keys and values on the device. */
int64_t decoder_memory(const struct kernels *kernels, const struct device *device, const struct model_config *config,
                       int64_t texts, int64_t length);

/* A token of a text, 0 .. texts - 1. A token at position 0 begins the text anew. */
struct decoder_token {
	int32_t text, position, id;
	bool wanted; /* the logits of what follows it */
};

/* Takes in `count` tokens; those of a text in order, each position after the one before it, in this call or an earlier one, and in
 * one call none of what a text was before it began anew.
 * logits[w, V]: those that follow the w-th wanted token, output multiplier applied, host. STATUS_DATA for an id that the model
 * does not have, STATUS_INTERNAL for a text or position that is out of order. */
enum status decoder_take(struct decoder *decoder, const struct decoder_token *tokens, int64_t count, float *logits);

#endif
