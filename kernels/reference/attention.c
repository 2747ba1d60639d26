/* Reference causal attention: one query at a time, softmax in two passes, scores never stored beyond one row.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/reference/reference.h"

/* Sizes, and where head h of position t of sequence b lies. */
struct shape {
	int64_t length;
	int heads, head_size;
	double scale;
};

/* part: 0 query, 1 key, 2 value. */
static int64_t packed_offset(const struct shape *shape, int64_t b, int64_t t, int part, int h)
{
	return (((b * shape->length + t) * 3 + part) * shape->heads + h) * shape->head_size;
}

static int64_t output_offset(const struct shape *shape, int64_t b, int64_t t, int h)
{
	return ((b * shape->length + t) * shape->heads + h) * shape->head_size;
}

static double dot(const float *a, const float *b, int count)
{
	double sum = 0.0;
	for (int i = 0; i < count; i++)
		sum += (double)a[i] * b[i];
	return sum;
}

static void forward_query(const struct shape *shape, float *out, float *log_sum, const float *qkv, int64_t b, int64_t t,
                          int h, int64_t start, double *scores, double *mean)
{
	const float *query = qkv + packed_offset(shape, b, t, 0, h);
	double largest = -INFINITY, sum = 0.0;
	for (int64_t j = start; j <= t; j++) {
		scores[j] = shape->scale * dot(query, qkv + packed_offset(shape, b, j, 1, h), shape->head_size);
		largest = fmax(largest, scores[j]);
	}
	for (int i = 0; i < shape->head_size; i++)
		mean[i] = 0.0;
	for (int64_t j = start; j <= t; j++) {
		const float *value = qkv + packed_offset(shape, b, j, 2, h);
		double share = exp(scores[j] - largest);
		sum += share;
		for (int i = 0; i < shape->head_size; i++)
			mean[i] += share * value[i];
	}
	for (int i = 0; i < shape->head_size; i++)
		out[output_offset(shape, b, t, h) + i] = (float)(mean[i] / sum);
	log_sum[(b * shape->heads + h) * shape->length + t] = (float)(largest + log(sum));
}

enum status reference_attention_forward(struct device *device, void *out, float *log_sum, const void *qkv,
                                        const int32_t *starts, int64_t sequences, int64_t length, int heads,
                                        int head_size, float scale)
{
	const struct shape shape = { length, heads, head_size, scale };
	double *scratch = reference_scratch(device, (size_t)(length + head_size));
	if (scratch == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t b = 0; b < sequences; b++)
		for (int h = 0; h < heads; h++)
			for (int64_t t = 0; t < length; t++)
				forward_query(&shape, out, log_sum, qkv, b, t, h, starts ? starts[b * length + t] : 0,
				              scratch, scratch + length);
	return STATUS_OK;
}

/* Gradients of one (sequence, head), added up in double: dq, dk, dv of `length` rows of head_size each. */
static void backward_head(const struct shape *shape, double *sums, const float *dout, const float *out,
                          const float *log_sum, const float *qkv, const int32_t *starts, int64_t b, int h)
{
	int size = shape->head_size;
	double *dq = sums, *dk = dq + shape->length * size, *dv = dk + shape->length * size;
	for (int64_t t = 0; t < shape->length; t++) {
		const float *query = qkv + packed_offset(shape, b, t, 0, h);
		const float *dmean = dout + output_offset(shape, b, t, h);
		double expected = dot(dmean, out + output_offset(shape, b, t, h), size);
		for (int64_t j = starts ? starts[b * shape->length + t] : 0; j <= t; j++) {
			const float *key = qkv + packed_offset(shape, b, j, 1, h);
			const float *value = qkv + packed_offset(shape, b, j, 2, h);
			double score = shape->scale * dot(query, key, size);
			double share = exp(score - log_sum[(b * shape->heads + h) * shape->length + t]);
			double dscore = shape->scale * share * (dot(dmean, value, size) - expected);
			for (int i = 0; i < size; i++) {
				dq[t * size + i] += dscore * key[i];
				dk[j * size + i] += dscore * query[i];
				dv[j * size + i] += share * dmean[i];
			}
		}
	}
}

enum status reference_attention_backward(struct device *device, void *dqkv, const void *dout, const void *out,
                                         const float *log_sum, const void *qkv, const int32_t *starts,
                                         int64_t sequences, int64_t length, int heads, int head_size, float scale)
{
	const struct shape shape = { length, heads, head_size, scale };
	float *gradient = dqkv;
	for (int64_t b = 0; b < sequences; b++)
		for (int h = 0; h < heads; h++) {
			double *sums = reference_scratch(device, (size_t)(3 * length * head_size));
			if (sums == NULL)
				return STATUS_ENVIRONMENT;
			backward_head(&shape, sums, dout, out, log_sum, qkv, starts, b, h);
			for (int part = 0; part < 3; part++)
				for (int64_t t = 0; t < length; t++)
					for (int i = 0; i < head_size; i++)
						gradient[packed_offset(&shape, b, t, part, h) + i] =
							(float)sums[(part * length + t) * head_size + i];
		}
	return STATUS_OK;
}
