/* Generation over the kernel table: the forward pass of groups of rows that stand anywhere in their texts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/decode.h"

#include <stdlib.h>

#include "base/memory.h"
#include "model/state.h"

struct decoder {
	struct model *model;
	int64_t texts, length;
	int64_t rows;      /* of a group */
	int64_t head_rows; /* of a product with the embedding, no more than the workspace has room for */
	char *cache;       /* activation [layers, texts, length, 2 D]: keys, then values */
	size_t layer_bytes;
	int32_t *next; /* [texts] the position that comes next */
	/* of the group at hand, host [rows] */
	int32_t *ids, *positions, *text, *place, *wanted;
	int64_t count, wanted_count;
};

int64_t decoder_rows(const struct kernels *kernels)
{
	return kernels->generation_rows;
}

int64_t decoder_memory(const struct kernels *kernels, const struct device *device, const struct model_config *config,
                       int64_t texts, int64_t length)
{
	return (int64_t)kernels->activation_bytes(device) * config->layers * texts * length * 2 * config->width;
}

static enum status check_use(const struct model *model, int64_t texts, int64_t length)
{
	int64_t rows = decoder_rows(model->kernels);

	STATUS_TRY(model_head_check(model));
	if (model->max_rows < rows)
		return error_raise(STATUS_INTERNAL,
		                   "a model for micro-batches of %lld tokens is to generate; it takes %lld",
		                   (long long)model->max_rows, (long long)rows);
	if (texts < 1 || length < 1 || texts > INT32_MAX / length)
		return error_raise(STATUS_USAGE,
		                   "%lld texts of %lld tokens at a time are not possible; the product must be 1 to %d",
		                   (long long)texts, (long long)length, INT32_MAX);
	return STATUS_OK;
}

static enum status allocate(struct decoder *decoder)
{
	const struct model *model = decoder->model;
	int32_t **arrays[] = { &decoder->ids, &decoder->positions, &decoder->text, &decoder->place, &decoder->wanted };

	for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
		*arrays[i] = memory_allocate((size_t)decoder->rows, sizeof(int32_t));
		if (*arrays[i] == NULL)
			return STATUS_ENVIRONMENT;
	}
	decoder->next = memory_allocate((size_t)decoder->texts, sizeof *decoder->next);
	if (decoder->next == NULL)
		return STATUS_ENVIRONMENT;
	decoder->layer_bytes =
		(size_t)(decoder->texts * decoder->length * 2 * model->config.width) * model->activation_bytes;
	decoder->cache = model->kernels->allocate(model->device, decoder->layer_bytes * (size_t)model->config.layers);
	return decoder->cache == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

enum status decoder_create(struct model *model, int64_t texts, int64_t length, struct decoder **decoder_out)
{
	STATUS_TRY(check_use(model, texts, length));
	struct decoder *decoder = memory_allocate(1, sizeof *decoder);
	if (decoder == NULL)
		return STATUS_ENVIRONMENT;
	decoder->model = model;
	decoder->texts = texts;
	decoder->length = length;
	decoder->rows = decoder_rows(model->kernels);
	decoder->head_rows = decoder->rows < model->chunk_rows ? decoder->rows : model->chunk_rows;
	enum status status = allocate(decoder);
	if (status != STATUS_OK) {
		decoder_destroy(decoder);
		return status;
	}
	*decoder_out = decoder;
	return STATUS_OK;
}

void decoder_destroy(struct decoder *decoder)
{
	if (decoder == NULL)
		return;
	if (decoder->cache != NULL)
		decoder->model->kernels->release(decoder->model->device, decoder->cache);
	free(decoder->next);
	free(decoder->ids);
	free(decoder->positions);
	free(decoder->text);
	free(decoder->place);
	free(decoder->wanted);
	free(decoder);
}

static enum status token_check(const struct decoder *decoder, const struct decoder_token *token)
{
	int32_t vocabulary = decoder->model->config.vocabulary;

	if (token->id < 0 || token->id >= vocabulary)
		return error_raise(STATUS_DATA, "token %d is outside the model's vocabulary of %d", (int)token->id,
		                   (int)vocabulary);
	if (token->text < 0 || token->text >= decoder->texts || token->position < 0 ||
	    token->position >= decoder->length)
		return error_raise(
			STATUS_INTERNAL, "position %d of text %d was given to a decoder for %lld texts of %lld tokens",
			(int)token->position, (int)token->text, (long long)decoder->texts, (long long)decoder->length);
	if (token->position != 0 && token->position != decoder->next[token->text])
		return error_raise(STATUS_INTERNAL, "position %d of text %d was given where %d comes next",
		                   (int)token->position, (int)token->text, (int)decoder->next[token->text]);
	return STATUS_OK;
}

/* The next tokens, as many as a group takes. Rows without a token repeat token 0 at position 0 of no text. */
static enum status group_fill(struct decoder *decoder, const struct decoder_token *tokens, int64_t count)
{
	decoder->count = count < decoder->rows ? count : decoder->rows;
	decoder->wanted_count = 0;
	for (int64_t row = 0; row < decoder->rows; row++) {
		decoder->ids[row] = decoder->positions[row] = 0;
		if (row >= decoder->count)
			continue;
		const struct decoder_token *token = &tokens[row];
		STATUS_TRY(token_check(decoder, token));
		decoder->next[token->text] = token->position + 1;
		decoder->ids[row] = token->id;
		decoder->positions[row] = token->position;
		decoder->text[row] = token->text;
		decoder->place[row] = (int32_t)(token->text * decoder->length + token->position);
		if (token->wanted)
			decoder->wanted[decoder->wanted_count++] = (int32_t)row;
	}
	return STATUS_OK;
}

/* To memory of the workspace that the forward pass of micro-batches has for the like. */
static enum status group_upload(const struct decoder *decoder)
{
	const struct model *model = decoder->model;
	const struct workspace *workspace = &model->workspace;
	size_t all = (size_t)decoder->rows * sizeof(int32_t);
	const struct {
		size_t offset;
		const int32_t *source;
	} arrays[] = { { workspace->inputs, decoder->ids },
		       { workspace->positions, decoder->positions },
		       { workspace->starts, decoder->text },
		       { workspace->kept, decoder->place },
		       { workspace->kept_positions, decoder->wanted } };

	for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
		STATUS_TRY(model->kernels->upload(model->device, model_scratch(model, arrays[i].offset),
		                                  arrays[i].source, all));
	return STATUS_OK;
}

static struct cached_shape group_shape(const struct decoder *decoder)
{
	const struct model *model = decoder->model;
	int head_size = model->config.width / model->config.heads;
	struct cached_shape shape = { .queries = decoder->count,
		                      .capacity = decoder->length,
		                      .heads = model->config.heads,
		                      .head_size = head_size,
		                      .scale = 1.0f / (float)head_size,
		                      .texts = model_scratch(model, model->workspace.starts),
		                      .positions = model_scratch(model, model->workspace.positions) };

	for (int64_t row = 0; row < decoder->count; row++)
		if (decoder->positions[row] > shape.longest)
			shape.longest = decoder->positions[row];
	return shape;
}

/* The stream takes in attention(norm) Wo^T, where keys and values go to the cache before any query looks for them. */
static enum status attend(const struct decoder *decoder, const struct cached_shape *shape, int block,
                          struct model_stream *stream)
{
	struct model *model = decoder->model;
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	int64_t rows = decoder->rows, width = model->config.width;
	int heads = model->config.heads;
	const void *normed = model_array(model, workspace->normed, 2 * block);
	char *kv = model_array(model, workspace->qkv, block);
	char *q = kv + (size_t)(rows * 2 * width) * model->activation_bytes;
	char *cache = decoder->cache + (size_t)block * decoder->layer_bytes;

	STATUS_TRY(kernels->linear_forward(model->device, kv, normed, model_key_weight(model, block), rows, width,
	                                   2 * width));
	STATUS_TRY(model_rope_apply(model, kv, workspace->positions, rows, 2 * heads, heads));
	STATUS_TRY(kernels->scatter_rows(model->device, cache, kv, model_scratch(model, workspace->kept),
	                                 decoder->count, 2 * width, false));
	STATUS_TRY(kernels->linear_forward(model->device, q, normed,
	                                   model_tensor_weight(model, model_block_tensor(block, BLOCK_QKV)), rows,
	                                   width, width));
	STATUS_TRY(model_rope_apply(model, q, workspace->positions, rows, heads, heads));
	STATUS_TRY(kernels->attention_cached(model->device, model_array(model, workspace->attention, block), q, cache,
	                                     shape));
	return model_projection_apply(model, rows, block, stream);
}

/* The group through all blocks and the final norm. */
static enum status group_forward(const struct decoder *decoder)
{
	struct model *model = decoder->model;
	const struct workspace *workspace = &model->workspace;
	struct cached_shape shape = group_shape(decoder);
	struct model_stream stream = { .residual = model_array(model, workspace->residual, 0) };
	int block = 0;

	STATUS_TRY(model->kernels->embedding_forward(
		model->device, model_array(model, workspace->residual, 0), model_tensor_weight(model, 0),
		model_scratch(model, workspace->inputs), decoder->rows, model->config.width));
	for (; block < model->config.layers; block++) {
		STATUS_TRY(model_norm_apply(model, 2 * block, &stream, decoder->rows));
		STATUS_TRY(attend(decoder, &shape, block, &stream));
		STATUS_TRY(model_block_middle(model, decoder->rows, block, &stream));
	}
	return model_norm_apply(model, 2 * block, &stream, decoder->rows);
}

/* Logits of the wanted rows to the host. */
static enum status group_head(const struct decoder *decoder, float *logits)
{
	struct model *model = decoder->model;
	const struct kernels *kernels = model->kernels;
	const struct workspace *workspace = &model->workspace;
	const int32_t *wanted = model_scratch(model, workspace->kept_positions);
	float multiplier = (float)(1.0 / model_config_width_multiplier(&model->config));
	int64_t width = model->config.width, vocabulary = model->config.vocabulary;
	/* Before the final norm, which is over. */
	void *gathered = model_array(model, workspace->residual, 2 * model->config.layers);

	for (int64_t first = 0; first < decoder->wanted_count; first += decoder->head_rows) {
		int64_t rows = decoder->wanted_count - first;
		rows = rows < decoder->head_rows ? rows : decoder->head_rows;
		float *values = logits + first * vocabulary;
		STATUS_TRY(kernels->gather_rows(model->device, gathered,
		                                model_array(model, workspace->normed, 2 * model->config.layers),
		                                wanted + first, rows, width));
		STATUS_TRY(kernels->linear_forward(model->device, model_scratch(model, workspace->logits), gathered,
		                                   model_tensor_weight(model, 0), decoder->head_rows, width,
		                                   vocabulary));
		STATUS_TRY(kernels->download_activation(model->device, values, model_scratch(model, workspace->logits),
		                                        (size_t)(rows * vocabulary)));
		for (int64_t i = 0; i < rows * vocabulary; i++)
			values[i] *= multiplier;
	}
	return STATUS_OK;
}

enum status decoder_take(struct decoder *decoder, const struct decoder_token *tokens, int64_t count, float *logits)
{
	for (int64_t first = 0; first < count; first += decoder->rows) {
		STATUS_TRY(group_fill(decoder, tokens + first, count - first));
		STATUS_TRY(group_upload(decoder));
		STATUS_TRY(group_forward(decoder));
		STATUS_TRY(group_head(decoder, logits));
		logits += decoder->wanted_count * decoder->model->config.vocabulary;
	}
	return STATUS_OK;
}
