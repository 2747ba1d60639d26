/* How the one workspace allocation of a model is divided: all memory of a pass is decided here, before the first one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/state.h"

enum {
	WORKSPACE_ALIGNMENT = 256,
	CHUNK_LEAST_ROWS = 64,
	LARGE_EMBEDDING = 1 << 23, /* elements: beyond a core's own caches */
	LARGE_EMBEDDING_ROWS = 512
};

/* Every chunk reads the whole embedding twice and updates its whole gradient, 16 D bytes for each vocabulary row, while
 * a row of logits moves about 24 bytes for each: with 2 D rows the first is a third of the second, or less. Of a small
 * model with a large vocabulary a step is little else, so there it is less. */
int64_t workspace_chunk_rows(const struct kernels *kernels, const struct model_config *config, size_t activation_bytes,
                             int64_t max_rows)
{
	int64_t rows = (int64_t)kernels->logits_bytes / ((int64_t)config->vocabulary * (int64_t)activation_bytes);

	if (rows < CHUNK_LEAST_ROWS)
		rows = CHUNK_LEAST_ROWS;
	if (rows < 2 * (int64_t)config->width)
		rows = 2 * (int64_t)config->width;
	if ((int64_t)config->vocabulary * config->width >= LARGE_EMBEDDING && rows < LARGE_EMBEDDING_ROWS)
		rows = LARGE_EMBEDDING_ROWS;
	if (rows > kernels->logits_rows)
		rows -= rows % kernels->logits_rows;
	return rows < max_rows ? rows : max_rows;
}

static size_t aligned(size_t bytes)
{
	return (bytes + WORKSPACE_ALIGNMENT - 1) / WORKSPACE_ALIGNMENT * WORKSPACE_ALIGNMENT;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

static size_t take(size_t *end, size_t bytes)
{
	size_t offset = *end;

	*end += aligned(bytes);
	return offset;
}

/* `copies` arrays in training, one in inference. */
static struct array take_arrays(size_t *end, size_t bytes, size_t copies, bool training)
{
	if (!training)
		return (struct array){ take(end, bytes), 0 };
	return (struct array){ take(end, aligned(bytes) * copies), aligned(bytes) };
}

static void block_arrays_divide(const struct model_config *config, size_t activation_bytes, size_t rows, bool training,
                                struct workspace *workspace, size_t *end)
{
	size_t blocks = (size_t)config->layers;
	size_t row = rows * (size_t)config->width * activation_bytes;

	workspace->qkv = take_arrays(end, 3 * row, blocks, training);
	workspace->attention = take_arrays(end, row, blocks, training);
	/* Without a backward pass the attention half of a block is over when the other half begins. */
	workspace->activated = training ? take_arrays(end, 4 * row, blocks, training) : workspace->qkv;
	workspace->log_sum = take_arrays(end, rows * (size_t)config->heads * sizeof(float), blocks, training);
}

void workspace_divide(const struct kernels *kernels, const struct model_config *config, size_t activation_bytes,
                      int64_t max_rows, enum model_use use, struct workspace *workspace)
{
	bool training = use == MODEL_TRAINING;
	size_t rows = (size_t)max_rows, end = 0;
	size_t norms = 2 * (size_t)config->layers + 1;
	size_t row = rows * (size_t)config->width * activation_bytes;
	size_t chunk_rows = (size_t)workspace_chunk_rows(kernels, config, activation_bytes, max_rows);

	workspace->inputs = take(&end, rows * sizeof(int32_t));
	workspace->starts = take(&end, rows * sizeof(int32_t));
	workspace->positions = take(&end, rows * sizeof(int32_t));
	workspace->kept = take(&end, rows * sizeof(int32_t));
	workspace->kept_positions = take(&end, rows * sizeof(int32_t));
	workspace->kept_targets = take(&end, rows * sizeof(int32_t));
	workspace->kept_weights = take(&end, rows * sizeof(float));
	workspace->losses = take(&end, rows * sizeof(float));
	workspace->factors = kernels->narrow_head != NULL ? take(&end, rows * sizeof(float)) : end;
	bool routed = model_config_is_routed(config);
	workspace->routes = routed ? take(&end, rows) : end;
	workspace->kept_routes = routed ? take(&end, rows) : end;
	workspace->unused_gains = routed && training ? take(&end, (size_t)config->width * sizeof(float)) : end;
	workspace->residual = take_arrays(&end, row, norms, training);
	workspace->normed = take_arrays(&end, row, norms, training);
	workspace->inverse_rms = take_arrays(&end, rows * sizeof(float), norms, training);
	workspace->squares = use == MODEL_BODY && kernels->norm_parts != NULL
	                             ? take(&end, rows * (2 + (size_t)config->width / 128) * sizeof(float))
	                             : end;
	block_arrays_divide(config, activation_bytes, rows, training, workspace, &end);
	workspace->stream_gradient = training ? take(&end, row) : end;
	/* The body's scratch is idle while the head works and the other way round. */
	size_t scratch = aligned(row) + (training ? aligned(4 * row) : 0);
	size_t logits = use == MODEL_BODY ? 0 : chunk_rows * (size_t)config->vocabulary * activation_bytes;
	workspace->logits = take(&end, larger(scratch, logits));
	workspace->branch = workspace->logits;
	workspace->wide = workspace->logits + aligned(row);
	workspace->bytes = end;
}
