/* Reference causal attention: one query at a time, softmax in two passes, scores never stored beyond one row.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/reference/reference.h"

/* Memory of a call. */
struct call {
	const struct attention_shape *shape;
	const float *q, *kv;
};

static const float *query_at(const struct call *call, int64_t i, int h)
{
	return call->q + i * call->shape->query_step + h * call->shape->head_size;
}

static const float *key_at(const struct call *call, int64_t row, int h)
{
	return call->kv + row * call->shape->key_step + h * call->shape->head_size;
}

static const float *value_at(const struct call *call, int64_t row, int h)
{
	return key_at(call, row, call->shape->heads + h);
}

static int64_t output_offset(const struct call *call, int64_t i, int h)
{
	return (i * call->shape->heads + h) * call->shape->head_size;
}

/* The row of query i, and the first row it sees. */
static int64_t query_row(const struct attention_shape *shape, int64_t i)
{
	return shape->queries ? shape->queries[i] : i;
}

static int64_t first_row(const struct attention_shape *shape, int64_t row)
{
	return row / shape->length * shape->length + (shape->starts ? shape->starts[row] : 0);
}

static double dot(const float *a, const float *b, int count)
{
	double sum = 0.0;
	for (int i = 0; i < count; i++)
		sum += (double)a[i] * b[i];
	return sum;
}

static void forward_query(const struct call *call, float *out, float *log_sum, int64_t i, int h, double *scores,
                          double *mean)
{
	const struct attention_shape *shape = call->shape;
	int64_t last = query_row(shape, i), first = first_row(shape, last);
	double largest = -INFINITY, sum = 0.0;
	for (int64_t j = first; j <= last; j++) {
		scores[j - first] = shape->scale * dot(query_at(call, i, h), key_at(call, j, h), shape->head_size);
		largest = fmax(largest, scores[j - first]);
	}
	for (int e = 0; e < shape->head_size; e++)
		mean[e] = 0.0;
	for (int64_t j = first; j <= last; j++) {
		const float *value = value_at(call, j, h);
		double share = exp(scores[j - first] - largest);
		sum += share;
		for (int e = 0; e < shape->head_size; e++)
			mean[e] += share * value[e];
	}
	for (int e = 0; e < shape->head_size; e++)
		out[output_offset(call, i, h) + e] = (float)(mean[e] / sum);
	log_sum[h * shape->query_count + i] = (float)(largest + log(sum));
}

enum status reference_attention_forward(struct device *device, void *out, float *log_sum, const void *q, const void *kv,
                                        const struct attention_shape *shape)
{
	const struct call call = { shape, q, kv };
	double *scratch = reference_scratch(device, (size_t)(shape->length + shape->head_size));
	if (scratch == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t i = 0; i < shape->query_count; i++)
		for (int h = 0; h < shape->heads; h++)
			forward_query(&call, out, log_sum, i, h, scratch, scratch + shape->length);
	return STATUS_OK;
}

enum status reference_attention_cached(struct device *device, void *out, const void *q, const void *cache,
                                       const struct cached_shape *shape)
{
	int64_t row = (int64_t)shape->heads * shape->head_size;
	double *scratch = reference_scratch(device, (size_t)(shape->longest + 1 + shape->head_size + shape->heads));
	if (scratch == NULL)
		return STATUS_ENVIRONMENT;
	double *mean = scratch + shape->longest + 1;
	float *log_sum = (float *)(mean + shape->head_size); /* of each head; not asked for */
	for (int64_t i = 0; i < shape->queries; i++) {
		/* The query as the last row of a sequence of its own. */
		const int32_t last = shape->positions[i];
		const struct attention_shape alone = { .sequences = 1,
			                               .length = last + 1,
			                               .heads = shape->heads,
			                               .head_size = shape->head_size,
			                               .scale = shape->scale,
			                               .queries = &last,
			                               .query_count = 1,
			                               .query_step = row,
			                               .key_step = 2 * row };
		const struct call call = { &alone, (const float *)q + i * row,
			                   (const float *)cache + shape->texts[i] * shape->capacity * 2 * row };
		for (int h = 0; h < shape->heads; h++)
			forward_query(&call, (float *)out + i * row, log_sum, 0, h, scratch, mean);
	}
	return STATUS_OK;
}

/* What query i of head h adds to the gradients of its own q (written) and of k and v of every row of the micro-batch,
 * [rows, head_size] each. */
static void backward_query(const struct call *call, float *dq, double *dk, double *dv, const float *dout,
                           const float *out, const float *log_sum, int64_t i, int h, double *dquery)
{
	const struct attention_shape *shape = call->shape;
	const float *query = query_at(call, i, h), *dmean = dout + output_offset(call, i, h);
	int size = shape->head_size;
	double expected = dot(dmean, out + output_offset(call, i, h), size);
	int64_t last = query_row(shape, i);
	for (int e = 0; e < size; e++)
		dquery[e] = 0.0;
	for (int64_t j = first_row(shape, last); j <= last; j++) {
		const float *key = key_at(call, j, h);
		double score = shape->scale * dot(query, key, size);
		double share = exp(score - log_sum[h * shape->query_count + i]);
		double dscore = shape->scale * share * (dot(dmean, value_at(call, j, h), size) - expected);
		for (int e = 0; e < size; e++) {
			dquery[e] += dscore * key[e];
			dk[j * size + e] += dscore * query[e];
			dv[j * size + e] += share * dmean[e];
		}
	}
	for (int e = 0; e < size; e++)
		dq[i * shape->query_step + h * size + e] = (float)dquery[e];
}

enum status reference_attention_backward(struct device *device, void *dq, void *dkv, const void *dout, const void *out,
                                         const float *log_sum, const void *q, const void *kv,
                                         const struct attention_shape *shape)
{
	const struct call call = { shape, q, kv };
	int64_t rows = shape->sequences * shape->length, size = shape->head_size;
	float *gradient = dkv;
	for (int h = 0; h < shape->heads; h++) {
		double *dk = reference_scratch(device, (size_t)((2 * rows + 1) * size));
		if (dk == NULL)
			return STATUS_ENVIRONMENT;
		double *dv = dk + rows * size;
		for (int64_t i = 0; i < shape->query_count; i++)
			backward_query(&call, dq, dk, dv, dout, out, log_sum, i, h, dv + rows * size);
		for (int64_t row = 0; row < rows; row++)
			for (int64_t e = 0; e < size; e++) {
				int64_t key = row * shape->key_step + h * size + e;
				gradient[key] = (float)dk[row * size + e];
				gradient[key + shape->heads * size] = (float)dv[row * size + e];
			}
	}
	return STATUS_OK;
}
