/* Names of sizes, checks, parameter layout and the counting of parameters and operations.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum {
	VOCABULARY_MULTIPLE = 64,
	ARENA_MULTIPLE = 16, /* elements: 64 bytes of float */
	BLOCK_TENSORS = 6,
	LARGEST_LAYERS = 4096,
	LARGEST_WIDTH = 65536,
	LARGEST_HEAD_SIZE = 256
};

struct named_size {
	const char *name;
	int32_t layers, width, heads;
};

/* Paper, Table 2; 28M is only in the reference configurations. */
static const struct named_size named_sizes[] = {
	{ "13M", 2, 128, 4 },    { "28M", 4, 256, 4 },     { "61M", 7, 448, 8 },      { "113M", 10, 640, 10 },
	{ "224M", 14, 896, 14 }, { "521M", 20, 1280, 10 }, { "1030M", 26, 1664, 16 }, { "1816M", 32, 2048, 16 },
};

/* Reads "<letter><number>" at *text and moves past it. */
static bool shape_part_read(const char **text, char letter, int32_t *value)
{
	const char *digits = *text + 1;

	if (**text != letter || *digits < '1' || *digits > '9')
		return false;
	char *end;
	errno = 0;
	long number = strtol(digits, &end, 10);
	if (errno || number > INT32_MAX)
		return false;
	*value = (int32_t)number;
	*text = end;
	return true;
}

/* "L2-D128-H4" */
static bool shape_read(const char *text, int32_t *layers, int32_t *width, int32_t *heads)
{
	if (!shape_part_read(&text, 'L', layers) || *text++ != '-')
		return false;
	if (!shape_part_read(&text, 'D', width) || *text++ != '-')
		return false;
	return shape_part_read(&text, 'H', heads) && *text == '\0';
}

enum status model_config_from_name(const char *name, struct model_config *config)
{
	int32_t layers, width, heads;

	for (size_t i = 0; i < sizeof(named_sizes) / sizeof(named_sizes[0]); i++) {
		if (strcmp(name, named_sizes[i].name) == 0) {
			config->layers = named_sizes[i].layers;
			config->width = named_sizes[i].width;
			config->heads = named_sizes[i].heads;
			return STATUS_OK;
		}
	}
	if (!shape_read(name, &layers, &width, &heads))
		return error_raise(STATUS_USAGE,
		                   "unknown model size \"%s\": give one of 13M, 28M, 61M, 113M, 224M, 521M, 1030M, "
		                   "1816M, or a shape such as L2-D128-H4 (layers, width, heads)",
		                   name);
	config->layers = layers;
	config->width = width;
	config->heads = heads;
	return STATUS_OK;
}

static enum status parts_check(const struct model_config *config)
{
	if (config->route_neurons < 0 || config->route_neurons >= 4 * config->width)
		return error_raise(STATUS_USAGE,
		                   "%d of the %d neurons of an MLP can not be its forget part: some must stay",
		                   (int)config->route_neurons, (int)(4 * config->width));
	if (config->route_heads < 0 || config->route_heads >= config->heads)
		return error_raise(STATUS_USAGE,
		                   "%d of the %d heads of a block can not be its forget part: some must stay",
		                   (int)config->route_heads, (int)config->heads);
	return STATUS_OK;
}

static enum status numbers_check(const struct model_config *config)
{
	if (config->positions != POSITIONS_ROTARY && config->positions != POSITIONS_NONE)
		return error_raise(STATUS_USAGE, "the model's kind of positions (%d) is not known",
		                   (int)config->positions);
	if (!(config->rope_base > 1.0) || !isfinite(config->rope_base))
		return error_raise(STATUS_USAGE, "the model's rope base is %g; it must be greater than 1",
		                   config->rope_base);
	if (!(config->norm_epsilon > 0.0) || !(config->norm_epsilon < 1.0))
		return error_raise(STATUS_USAGE, "the model's norm epsilon is %g; it must lie between 0 and 1",
		                   config->norm_epsilon);
	if (!(config->init_deviation > 0.0) || !isfinite(config->init_deviation))
		return error_raise(STATUS_USAGE,
		                   "the model's initial standard deviation is %g; it must be greater than 0",
		                   config->init_deviation);
	return parts_check(config);
}

enum status model_config_check(const struct model_config *config)
{
	if (config->layers < 1 || config->layers > LARGEST_LAYERS)
		return error_raise(STATUS_USAGE, "the model has %d layers; give 1 to %d", (int)config->layers,
		                   LARGEST_LAYERS);
	if (config->width < 2 || config->width > LARGEST_WIDTH)
		return error_raise(STATUS_USAGE, "the model's width is %d; give 2 to %d", (int)config->width,
		                   LARGEST_WIDTH);
	if (config->heads < 1 || config->width % config->heads != 0)
		return error_raise(STATUS_USAGE, "the model's width %d cannot be divided into %d heads",
		                   (int)config->width, (int)config->heads);
	int32_t head_size = config->width / config->heads;
	if (head_size % 2 != 0 || head_size > LARGEST_HEAD_SIZE)
		return error_raise(STATUS_USAGE,
		                   "the model's head size is %d (width %d / %d heads); it must be even and at most %d",
		                   (int)head_size, (int)config->width, (int)config->heads, LARGEST_HEAD_SIZE);
	if (config->context < 1)
		return error_raise(STATUS_USAGE, "the model's context is %d tokens; give at least 1",
		                   (int)config->context);
	if (config->vocabulary < 1)
		return error_raise(STATUS_USAGE, "the model's vocabulary has %d rows; give at least 1",
		                   (int)config->vocabulary);
	if (config->base_width < 1)
		return error_raise(STATUS_USAGE, "the model's base width is %d; give at least 1",
		                   (int)config->base_width);
	return numbers_check(config);
}

int64_t model_config_parameters(const struct model_config *config)
{
	int64_t layers = config->layers, width = config->width;

	return model_config_embedding_parameters(config) + layers * (12 * width * width + 2 * width) + width;
}

int64_t model_config_embedding_parameters(const struct model_config *config)
{
	return (int64_t)config->vocabulary * config->width;
}

int32_t model_config_padded_vocabulary(int32_t size)
{
	return (size + VOCABULARY_MULTIPLE - 1) / VOCABULARY_MULTIPLE * VOCABULARY_MULTIPLE;
}

double model_config_width_multiplier(const struct model_config *config)
{
	return (double)config->width / config->base_width;
}

static size_t tensor_count(const struct model_config *config)
{
	return 2 + (size_t)BLOCK_TENSORS * (size_t)config->layers;
}

static void block_tensor_describe(const struct model_config *config, int layer, int part, struct tensor *tensor)
{
	static const char *const names[BLOCK_TENSORS] = { "norm1", "qkv", "projection", "norm2", "up", "down" };
	static const int row_widths[BLOCK_TENSORS] = { 1, 3, 1, 1, 4, 1 };
	static const int column_widths[BLOCK_TENSORS] = { 0, 1, 1, 0, 1, 4 };
	double multiplier = model_config_width_multiplier(config);
	bool to_residual = part == 2 || part == 5; /* the sum of 2 L branches keeps the variance of one */

	snprintf(tensor->name, sizeof(tensor->name), "block%02d.%s", layer, names[part]);
	tensor->rows = (int64_t)row_widths[part] * config->width;
	tensor->columns = column_widths[part] ? (int64_t)column_widths[part] * config->width : 1;
	tensor->group = column_widths[part] ? GROUP_HIDDEN : GROUP_NORM;
	if (tensor->group == GROUP_HIDDEN)
		tensor->init_deviation =
			config->init_deviation / sqrt((to_residual ? 2.0 * config->layers : 1.0) * multiplier);
}

/* Everything but the offset of tensor `index`. */
static void tensor_describe(const struct model_config *config, size_t index, struct tensor *tensor)
{
	memset(tensor, 0, sizeof(*tensor));
	if (index == 0) {
		snprintf(tensor->name, sizeof(tensor->name), "embedding");
		tensor->group = GROUP_EMBEDDING;
		tensor->rows = config->vocabulary;
		tensor->columns = config->width;
		tensor->init_deviation = config->init_deviation;
	} else if (index == tensor_count(config) - 1) {
		snprintf(tensor->name, sizeof(tensor->name), "norm");
		tensor->group = GROUP_NORM;
		tensor->rows = config->width;
		tensor->columns = 1;
	} else {
		block_tensor_describe(config, (int)((index - 1) / BLOCK_TENSORS), (int)((index - 1) % BLOCK_TENSORS),
		                      tensor);
	}
}

static int64_t padded_size(const struct tensor *tensor)
{
	return (tensor->rows * tensor->columns + ARENA_MULTIPLE - 1) / ARENA_MULTIPLE * ARENA_MULTIPLE;
}

struct tensor *model_config_layout(const struct model_config *config, size_t *count, int64_t *arena_size)
{
	size_t tensors = tensor_count(config);
	struct tensor *layout = memory_allocate(tensors, sizeof(*layout));
	int64_t offset = 0;

	if (!layout)
		return NULL;
	for (size_t i = 0; i < tensors; i++) {
		tensor_describe(config, i, &layout[i]);
		layout[i].offset = offset;
		offset += padded_size(&layout[i]);
	}
	*count = tensors;
	*arena_size = offset;
	return layout;
}

int64_t model_config_arena_size(const struct model_config *config)
{
	struct tensor tensor;
	int64_t size = 0;

	for (size_t i = 0; i < tensor_count(config); i++) {
		tensor_describe(config, i, &tensor);
		size += padded_size(&tensor);
	}
	return size;
}

/* Operations of the forward pass of one token; a query sees half of the positions on average. `kept`: share of rows that
 * go on from the keys and values of the last block. */
static double forward_operations(const struct model_config *config, int64_t length, double kept, bool head)
{
	double layers = config->layers - 1 + kept, width = config->width, vocabulary = config->vocabulary;
	double keys = 2.0 * width * width * (1.0 - kept);

	return 2.0 * (12.0 * layers * width * width + keys + (head ? vocabulary * width * kept : 0.0)) +
	       2.0 * layers * width * (double)length;
}

double model_config_training_flops(const struct model_config *config, int64_t length, double kept)
{
	return 3.0 * forward_operations(config, length, kept, true);
}

double model_config_forward_flops(const struct model_config *config, int64_t length, bool head)
{
	return forward_operations(config, length, 1.0, head);
}

bool model_config_is_routed(const struct model_config *config)
{
	return config->route_neurons > 0 || config->route_heads > 0;
}

/* Rows [first_row, rows) and columns [first_column, columns) of a matrix whose rows repeat with a period. */
struct part {
	int64_t first_row, row_period, first_column;
};

/* The forget part of a tensor; false: it has none. */
static bool forget_part(const struct model_config *config, const struct tensor *tensor, struct part *part)
{
	int64_t width = config->width, heads = (int64_t)config->route_heads * (width / config->heads);
	const char *name = strrchr(tensor->name, '.');

	if (name == NULL || tensor->group != GROUP_HIDDEN)
		return false;
	if (strcmp(name, ".qkv") == 0)
		*part = (struct part){ width - heads, width, 0 };
	else if (strcmp(name, ".projection") == 0)
		*part = (struct part){ 0, width, width - heads };
	else if (strcmp(name, ".up") == 0)
		*part = (struct part){ 4 * width - config->route_neurons, 4 * width, 0 };
	else
		*part = (struct part){ 0, width, 4 * width - config->route_neurons };
	return part->first_row < part->row_period && part->first_column < tensor->columns;
}

enum status model_config_ablate(const struct model_config *config, float *values, int64_t begin, int64_t count)
{
	size_t tensors;
	int64_t size;
	struct tensor *layout = model_config_layout(config, &tensors, &size);

	if (!layout)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < tensors; i++) {
		const struct tensor *tensor = &layout[i];
		struct part part;
		int64_t end = tensor->offset + tensor->rows * tensor->columns;
		if (end <= begin || tensor->offset >= begin + count || !forget_part(config, tensor, &part))
			continue;
		int64_t first = tensor->offset > begin ? tensor->offset : begin;
		for (int64_t e = first; e < end && e < begin + count; e++) {
			int64_t row = (e - tensor->offset) / tensor->columns,
				column = (e - tensor->offset) % tensor->columns;
			if (row % part.row_period >= part.first_row && column >= part.first_column)
				values[e - begin] = 0.0f;
		}
	}
	free(layout);
	return STATUS_OK;
}
