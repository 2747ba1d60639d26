/* A model written from the definition in double precision, plain loops, that tests of gradients differentiate numerically.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_UNIT_MODEL_ORACLE_H
#define CAPSHAPE_VALIDATION_UNIT_MODEL_ORACLE_H

#include "filter/route.h"
#include "model_fixture.h"

/* What the oracle reads of a parameter tensor. */
struct oracle {
	const struct model_config *config;
	const struct tensor *tensors;
	double *parameters; /* arena layout */
	/* What rows of ROUTE_FORGET use instead, so that a derivative with respect to a parameter is that of what the other rows do with
	 * it (model.h); NULL: the same. */
	const double *frozen;
};

static inline enum route oracle_route(const struct model_batch *batch, int64_t row)
{
	return batch->routes ? (enum route)batch->routes[row] : ROUTE_ALL;
}

static inline const double *oracle_tensor(const struct oracle *oracle, int block, int part)
{
	int tensor = block < 0 ? 0 : 1 + 6 * block + part;

	return oracle->parameters + oracle->tensors[tensor].offset;
}

/* As row `row` uses it. */
static inline const double *oracle_row_tensor(const struct oracle *oracle, const struct model_batch *batch, int64_t row,
                                              int block, int part)
{
	const double *tensor = oracle_tensor(oracle, block, part);

	if (oracle->frozen == NULL || oracle_route(batch, row) != ROUTE_FORGET)
		return tensor;
	return oracle->frozen + (tensor - oracle->parameters);
}

/* y[rows, out] = x[rows, in] w[out, in]^T */
static inline void oracle_product(double *y, const double *x, const double *w, int64_t rows, int64_t in, int64_t out)
{
	for (int64_t r = 0; r < rows; r++)
		for (int64_t o = 0; o < out; o++) {
			double sum = 0.0;
			for (int64_t i = 0; i < in; i++)
				sum += x[r * in + i] * w[o * in + i];
			y[r * out + o] = sum;
		}
}

static inline void oracle_norm(double *y, const double *x, const double *gain, int64_t rows, int64_t width,
                               double epsilon)
{
	for (int64_t r = 0; r < rows; r++) {
		double squares = 0.0;
		for (int64_t i = 0; i < width; i++)
			squares += x[r * width + i] * x[r * width + i];
		for (int64_t i = 0; i < width; i++)
			y[r * width + i] = x[r * width + i] / sqrt(squares / (double)width + epsilon) * gain[i];
	}
}

static inline void oracle_rotate(double *vector, int size, double position, double base)
{
	for (int i = 0; i < size / 2; i++) {
		double angle = position * pow(base, -2.0 * i / size);
		double a = vector[i], b = vector[i + size / 2];
		vector[i] = a * cos(angle) - b * sin(angle);
		vector[i + size / 2] = b * cos(angle) + a * sin(angle);
	}
}

static inline double oracle_position(const struct model_batch *batch, int64_t row)
{
	if (batch->positions)
		return batch->positions[row];
	return (double)(row % batch->length - (batch->starts ? batch->starts[row] : 0));
}

/* One query of one head: qkv rows are [3, heads, size]. */
static inline void oracle_attend(double *out, const double *qkv, const struct model_config *config,
                                 const struct model_batch *batch, int64_t row, int head)
{
	int64_t width = config->width, first = row - row % batch->length + (batch->starts ? batch->starts[row] : 0);
	int size = (int)width / config->heads;
	const double *query = qkv + row * 3 * width + head * size;
	double total = 0.0;

	memset(out, 0, (size_t)size * sizeof(*out));
	for (int64_t key = first; key <= row; key++) {
		const double *k = qkv + key * 3 * width + width + head * size, *v = k + width;
		double score = 0.0;
		for (int i = 0; i < size; i++)
			score += query[i] * k[i] / size;
		total += exp(score);
		for (int i = 0; i < size; i++)
			out[i] += exp(score) * v[i];
	}
	for (int i = 0; i < size; i++)
		out[i] /= total;
}

static inline void oracle_attention(double *out, double *qkv, const struct model_config *config,
                                    const struct model_batch *batch)
{
	int64_t width = config->width, rows = batch->sequences * batch->length;
	int size = (int)width / config->heads;

	for (int64_t row = 0; config->positions == POSITIONS_ROTARY && row < rows; row++)
		for (int head = 0; head < 2 * config->heads; head++)
			oracle_rotate(qkv + row * 3 * width + head * size, size, oracle_position(batch, row),
			              config->rope_base);
	for (int64_t row = 0; row < rows; row++)
		for (int head = 0; head < config->heads; head++)
			oracle_attend(out + row * width + head * size, qkv, config, batch, row, head);
}

/* y = x W^T, and y = norm(x), of all rows. */
static inline void oracle_linear(const struct oracle *oracle, const struct model_batch *batch, double *y,
                                 const double *x, int block, int part, int64_t in, int64_t out)
{
	for (int64_t row = 0; row < batch->sequences * batch->length; row++)
		oracle_product(y + row * out, x + row * in, oracle_row_tensor(oracle, batch, row, block, part), 1, in,
		               out);
}

static inline void oracle_norm_rows(const struct oracle *oracle, const struct model_batch *batch, double *y,
                                    const double *x, int block, int part)
{
	int64_t width = oracle->config->width;

	for (int64_t row = 0; row < batch->sequences * batch->length; row++)
		oracle_norm(y + row * width, x + row * width, oracle_row_tensor(oracle, batch, row, block, part), 1,
		            width, oracle->config->norm_epsilon);
}

/* The last `count` columns of rows of ROUTE_RETAIN become 0. */
static inline void oracle_hide(const struct model_batch *batch, double *x, int64_t width, int64_t count)
{
	for (int64_t row = 0; row < batch->sequences * batch->length; row++)
		for (int64_t i = width - count; oracle_route(batch, row) == ROUTE_RETAIN && i < width; i++)
			x[row * width + i] = 0.0;
}

/* x += block(x); h and wide are scratch of D and 4 D a row. */
static inline void oracle_block(const struct oracle *oracle, const struct model_batch *batch, int block, double *x,
                                double *h, double *wide)
{
	const struct model_config *config = oracle->config;
	int64_t width = config->width, rows = batch->sequences * batch->length;

	oracle_norm_rows(oracle, batch, h, x, block, 0);
	oracle_linear(oracle, batch, wide, h, block, 1, width, 3 * width);
	double *attention = wide + rows * 3 * width;
	oracle_attention(attention, wide, config, batch);
	oracle_hide(batch, attention, width, config->route_heads * (width / config->heads));
	oracle_linear(oracle, batch, h, attention, block, 2, width, width);
	for (int64_t i = 0; i < rows * width; i++)
		x[i] += h[i];
	oracle_norm_rows(oracle, batch, h, x, block, 3);
	oracle_linear(oracle, batch, wide, h, block, 4, width, 4 * width);
	for (int64_t i = 0; i < rows * 4 * width; i++)
		wide[i] = wide[i] > 0.0 ? wide[i] * wide[i] : 0.0;
	oracle_hide(batch, wide, 4 * width, config->route_neurons);
	oracle_linear(oracle, batch, h, wide, block, 5, 4 * width, width);
	for (int64_t i = 0; i < rows * width; i++)
		x[i] += h[i];
}

static inline double oracle_nll(const double *logits, int64_t vocabulary, int32_t target, double multiplier)
{
	double total = 0.0;

	for (int64_t v = 0; v < vocabulary; v++)
		total += exp(multiplier * logits[v]);
	return log(total) - multiplier * logits[target];
}

/* The residual stream after so many blocks in x[rows, D]; scratch is of 5 D a row. */
static inline void oracle_stream(const struct oracle *oracle, const struct model_batch *batch, int blocks, double *x,
                                 double *scratch)
{
	int64_t width = oracle->config->width, rows = batch->sequences * batch->length;

	for (int64_t row = 0; row < rows; row++)
		memcpy(x + row * width, oracle_row_tensor(oracle, batch, row, -1, 0) + batch->inputs[row] * width,
		       (size_t)width * sizeof(*x));
	for (int block = 0; block < blocks; block++)
		oracle_block(oracle, batch, block, x, scratch, scratch + rows * width);
}

/* sum_r weights[r] nll[r], every row through everything. */
static inline double oracle_loss(const struct oracle *oracle, const struct model_batch *batch)
{
	const struct model_config *config = oracle->config;
	int64_t width = config->width, rows = batch->sequences * batch->length;
	size_t cells = (size_t)(rows * width);
	double *x = malloc(cells * 6 * sizeof(*x)), *h = x + cells;
	double *logits = malloc((size_t)config->vocabulary * sizeof(*logits)), sum = 0.0;
	double multiplier = (double)config->base_width / (double)width;

	oracle_stream(oracle, batch, config->layers, x, h);
	oracle_norm_rows(oracle, batch, h, x, config->layers, 0);
	for (int64_t row = 0; row < rows; row++) {
		oracle_product(logits, h + row * width, oracle_row_tensor(oracle, batch, row, -1, 0), 1, width,
		               config->vocabulary);
		sum += (double)batch->weights[row] *
		       oracle_nll(logits, config->vocabulary, batch->targets[row], multiplier);
	}
	free(x);
	free(logits);
	return sum;
}

#endif
