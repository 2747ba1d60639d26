/* Life of a model: its arenas on the device, initial values, and the passes as sequences of body and head.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <stdlib.h>

#include "base/memory.h"
#include "model/state.h"

static enum status arenas_allocate(struct model *model)
{
	const struct kernels *kernels = model->kernels;
	size_t elements = (size_t)model->arena_size;

	model->parameters = kernels->allocate(model->device, elements * sizeof(float));
	if (!model->parameters)
		return STATUS_ENVIRONMENT;
	model->weights = model->parameters;
	if (model->weight_bytes != sizeof(float)) {
		model->weights = kernels->allocate(model->device, elements * model->weight_bytes);
		if (!model->weights)
			return STATUS_ENVIRONMENT;
	}
	if (model->use != MODEL_TRAINING)
		return STATUS_OK;
	model->gradients = kernels->allocate(model->device, elements * sizeof(float));
	return model->gradients ? STATUS_OK : STATUS_ENVIRONMENT;
}

static enum status workspace_allocate(struct model *model)
{
	size_t rows = (size_t)model->max_rows;

	if (rows == 0)
		return STATUS_OK;
	model->chunk_rows =
		workspace_chunk_rows(model->kernels, &model->config, model->activation_bytes, model->max_rows);
	workspace_divide(model->kernels, &model->config, model->activation_bytes, model->max_rows, model->use,
	                 &model->workspace);
	model->memory = model->kernels->allocate(model->device, model->workspace.bytes);
	model->kept.index = memory_allocate(rows, sizeof(int32_t));
	model->kept.targets = memory_allocate(rows, sizeof(int32_t));
	model->kept.positions = memory_allocate(rows, sizeof(int32_t));
	model->kept.weights = memory_allocate(rows, sizeof(float));
	if (model_config_is_routed(&model->config)) {
		model->kept.routes = memory_allocate(rows, sizeof *model->kept.routes);
		if (!model->kept.routes)
			return STATUS_ENVIRONMENT;
	}
	model->positions = memory_allocate(rows, sizeof(int32_t));
	model->losses = memory_allocate(rows, sizeof(float));
	if (!model->memory || !model->kept.index || !model->kept.targets || !model->kept.positions ||
	    !model->kept.weights || !model->positions || !model->losses)
		return STATUS_ENVIRONMENT;
	return STATUS_OK;
}

static enum status model_build(struct model *model)
{
	model->tensors = model_config_layout(&model->config, &model->tensor_count, &model->arena_size);
	if (!model->tensors)
		return STATUS_ENVIRONMENT;
	STATUS_TRY(arenas_allocate(model));
	return workspace_allocate(model);
}

static enum status model_make(const struct kernels *kernels, struct device *device, const struct model_config *config,
                              int64_t max_rows, enum model_use use, struct model **model_out)
{
	STATUS_TRY(model_config_check(config));
	if (max_rows < 0 || max_rows > INT32_MAX)
		return error_raise(STATUS_USAGE, "a micro-batch of %lld tokens is not possible; give 0 to %d",
		                   (long long)max_rows, INT32_MAX);
	struct model *model = memory_allocate(1, sizeof(*model));
	if (!model)
		return STATUS_ENVIRONMENT;
	model->kernels = kernels;
	model->device = device;
	model->config = *config;
	model->max_rows = max_rows;
	model->use = use;
	model->activation_bytes = kernels->activation_bytes(device);
	model->weight_bytes = kernels->weight_bytes(device);
	enum status status = model_build(model);
	if (status != STATUS_OK) {
		model_destroy(model);
		return status;
	}
	*model_out = model;
	return STATUS_OK;
}

static enum model_use use_of(int64_t max_rows, bool training)
{
	return training && max_rows > 0 ? MODEL_TRAINING : MODEL_LOSSES;
}

enum status model_create(const struct kernels *kernels, struct device *device, const struct model_config *config,
                         int64_t max_rows, bool training, struct model **model_out)
{
	return model_make(kernels, device, config, max_rows, use_of(max_rows, training), model_out);
}

enum status model_create_body(const struct kernels *kernels, struct device *device, const struct model_config *config,
                              int64_t max_rows, struct model **model_out)
{
	return model_make(kernels, device, config, max_rows, MODEL_BODY, model_out);
}

static void device_release(struct model *model, void *memory)
{
	if (memory)
		model->kernels->release(model->device, memory);
}

void model_destroy(struct model *model)
{
	if (!model)
		return;
	model_losses_destroy(model);
	model_probes_destroy(model);
	if (model->weights != model->parameters)
		device_release(model, model->weights);
	device_release(model, model->parameters);
	device_release(model, model->gradients);
	device_release(model, model->memory);
	free(model->kept.index);
	free(model->kept.targets);
	free(model->kept.positions);
	free(model->kept.weights);
	free(model->kept.routes);
	free(model->positions);
	free(model->losses);
	free(model->tensors);
	free(model->trained);
	free(model);
}

const struct model_config *model_get_config(const struct model *model)
{
	return &model->config;
}

static int64_t memory_for(const struct kernels *kernels, const struct device *device, const struct model_config *config,
                          int64_t max_rows, enum model_use use)
{
	size_t weight_bytes = kernels->weight_bytes(device);
	size_t element_bytes = sizeof(float);
	int64_t workspace_bytes = 0;

	if (weight_bytes != sizeof(float))
		element_bytes += weight_bytes;
	if (use == MODEL_TRAINING)
		element_bytes += sizeof(float);
	if (max_rows > 0) {
		struct workspace workspace;
		workspace_divide(kernels, config, kernels->activation_bytes(device), max_rows, use, &workspace);
		workspace_bytes = (int64_t)workspace.bytes;
	}
	return model_config_arena_size(config) * (int64_t)element_bytes + workspace_bytes;
}

int64_t model_memory(const struct kernels *kernels, const struct device *device, const struct model_config *config,
                     int64_t max_rows, bool training)
{
	return memory_for(kernels, device, config, max_rows, use_of(max_rows, training));
}

int64_t model_body_memory(const struct kernels *kernels, const struct device *device, const struct model_config *config,
                          int64_t max_rows)
{
	return memory_for(kernels, device, config, max_rows, MODEL_BODY);
}

enum { GAIN_ELEMENTS = 1 << 12 };

static enum status gains_initialise(struct model *model, const struct tensor *tensor)
{
	float ones[GAIN_ELEMENTS];
	int64_t elements = tensor->rows * tensor->columns;

	for (int i = 0; i < GAIN_ELEMENTS; i++)
		ones[i] = 1.0f;
	for (int64_t first = 0; first < elements; first += GAIN_ELEMENTS) {
		int64_t count = elements - first < GAIN_ELEMENTS ? elements - first : GAIN_ELEMENTS;
		STATUS_TRY(model->kernels->upload(model->device, model->parameters + tensor->offset + first, ones,
		                                  (size_t)count * sizeof(float)));
	}
	return model->kernels->synchronize(model->device); /* `ones` ends here */
}

enum status model_initialise(struct model *model, uint64_t seed)
{
	for (size_t i = 0; i < model->tensor_count; i++) {
		const struct tensor *tensor = &model->tensors[i];
		if (tensor->init_deviation == 0.0) {
			STATUS_TRY(gains_initialise(model, tensor));
			continue;
		}
		STATUS_TRY(model->kernels->fill_normal(model->device, model->parameters + tensor->offset,
		                                       (size_t)(tensor->rows * tensor->columns), tensor->init_deviation,
		                                       seed, i));
	}
	return model_refresh_weights(model);
}

float *model_parameters(struct model *model, int64_t *count)
{
	if (count != NULL)
		*count = model->arena_size;
	return model->parameters;
}

float *model_gradients(struct model *model, int64_t *count)
{
	if (count != NULL)
		*count = model->gradients ? model->arena_size : 0;
	return model->gradients;
}

void *model_weights(struct model *model)
{
	return model->weights;
}

enum status model_refresh_weights(struct model *model)
{
	STATUS_TRY(model->kernels->convert_weights(model->device, model->weights, model->parameters,
	                                           (size_t)model->arena_size));
	return model_gains_fold(model);
}

enum status model_load_parameters(struct model *model, const float *parameters)
{
	STATUS_TRY(model->kernels->upload(model->device, model->parameters, parameters,
	                                  (size_t)model->arena_size * sizeof *parameters));
	return model_refresh_weights(model);
}

enum status model_clear_gradients(struct model *model)
{
	if (!model->gradients)
		return error_raise(STATUS_INTERNAL, "this model was created without gradients");
	return model->kernels->clear(model->device, model->gradients, (size_t)model->arena_size * sizeof(float));
}

void model_set_hooks(struct model *model, const struct model_hooks *hooks)
{
	model->hooks = hooks == NULL ? (struct model_hooks){ 0 } : *hooks;
}

void model_borders(const struct model *model, int64_t *borders)
{
	for (int block = 0; block < model->config.layers; block++)
		borders[block] = model->tensors[model_block_tensor(block, 0)].offset;
}

enum status model_gradients_ready(struct model *model, size_t tensor)
{
	const struct model_hooks *hooks = &model->hooks;
	return hooks->gradients_ready == NULL ? STATUS_OK
	                                      : hooks->gradients_ready(hooks->state, model->tensors[tensor].offset);
}

enum status model_weights_needed(struct model *model, size_t tensor)
{
	const struct model_hooks *hooks = &model->hooks;
	if (hooks->weights_needed == NULL)
		return STATUS_OK;
	return hooks->weights_needed(hooks->state,
	                             tensor < model->tensor_count ? model->tensors[tensor].offset : model->arena_size);
}

float *model_tensor_gradient(const struct model *model, size_t tensor)
{
	return model->gradients + model->tensors[tensor].offset;
}

const void *model_tensor_weight(const struct model *model, size_t tensor)
{
	return (const char *)model->weights + (size_t)model->tensors[tensor].offset * model->weight_bytes;
}

const void *model_key_weight(const struct model *model, int block)
{
	size_t width = (size_t)model->config.width;
	const char *qkv = model_tensor_weight(model, model_block_tensor(block, BLOCK_QKV));

	return qkv + width * width * model->weight_bytes;
}

struct attention_memory model_attention_memory(const struct model *model, const struct model_batch *batch, bool packed)
{
	int64_t rows = batch->sequences * batch->length, width = model->config.width;
	int head_size = model->config.width / model->config.heads;
	size_t row = (size_t)width * model->activation_bytes, keys = 2 * row * (size_t)rows;
	struct attention_memory memory = { .q = packed ? keys : 0, .kv = packed ? 0 : row, .end = keys };

	memory.end += row * (size_t)(packed ? model->kept.count : rows);
	memory.shape = (struct attention_shape){
		.sequences = batch->sequences,
		.length = batch->length,
		.heads = model->config.heads,
		.head_size = head_size,
		.scale = 1.0f / (float)head_size,
		.starts = batch->starts ? model_scratch(model, model->workspace.starts) : NULL,
		.queries = packed ? model_scratch(model, model->workspace.kept) : NULL,
		.query_count = packed ? model->kept.count : rows,
		.query_step = packed ? width : 3 * width,
		.key_step = packed ? 2 * width : 3 * width,
	};
	return memory;
}

size_t model_block_tensor(int block, enum block_tensor part)
{
	return 1 + (size_t)block * BLOCK_TENSORS + (size_t)part;
}

size_t model_norm_tensor(const struct model *model, int norm)
{
	if (norm == 2 * model->config.layers)
		return model->tensor_count - 1;
	return model_block_tensor(norm / 2, norm % 2 ? BLOCK_NORM2 : BLOCK_NORM1);
}

void *model_scratch(const struct model *model, size_t offset)
{
	return model->memory + offset;
}

void *model_array(const struct model *model, struct array array, int number)
{
	return model->memory + array.offset + array.stride * (size_t)number;
}
