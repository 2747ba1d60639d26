/* Attention of single queries against cached keys and values: each is read once, and that is what it costs.
 *
 * An item is a head of a query. LANES keys at a time are multiplied element by element, and the products added up by
 * transposing them, so that no sum goes across a vector; scores stay in the thread's scratch memory between the passes over
 * keys and over values.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

#define LOG2_E 1.4426950408889634f

enum { MOST_HEAD = 256, TOGETHER = 4 /* vectors of values that are summed at a time */ };

struct cached {
	struct cached_shape shape;
	const void *q, *cache;
	void *out;
	struct device *device;
};

/* Of a head: where the keys and values of the text begin, how many there are, and how far rows lie apart. */
struct head {
	const void *cache;
	int64_t keys, values, step, count;
	int size, full; /* full: elements in whole vectors */
};

/* scores[j] = query times key j, in powers of two; what stands in the last vector beyond the keys is never looked at. The query is
 * already scaled, and padded with zeros. Returns the largest. */
INLINE float multiply_keys(const struct head *head, const float *query, float *scores, bool half)
{
	vector largest = vector_set(-INFINITY);
	for (int64_t first = 0; first < head->count; first += LANES) {
		int64_t key[LANES];
		vector products[LANES];
		UNROLL
		for (int lane = 0; lane < LANES; lane++) {
			key[lane] = head->keys + smaller(first + lane, head->count - 1) * head->step;
			products[lane] = vector_set(0.0f);
		}
		for (int i = 0; i < head->full; i += LANES) {
			vector part = vector_load(query + i);
			UNROLL
			for (int lane = 0; lane < LANES; lane++)
				products[lane] = vector_multiply_add(
					part, element_load(head->cache, key[lane] + i, half), products[lane]);
		}
		for (int lane = 0; head->full < head->size && lane < LANES; lane++) {
			vector rest =
				element_load_part(head->cache, key[lane] + head->full, head->size - head->full, half);
			products[lane] = vector_multiply_add(vector_load(query + head->full), rest, products[lane]);
		}
		vector_transpose(products);
		for (int stride = LANES / 2; stride > 0; stride /= 2)
			for (int lane = 0; lane < stride; lane++)
				products[lane] += products[lane + stride];
		vector_store(scores + first, products[0]);
		largest = vector_max(largest, products[0]);
	}
	return vector_largest(largest); /* keys beyond the last are the last one again */
}

/* Scores to shares that are not yet divided by their sum, which is returned. */
INLINE float soften(float *scores, int64_t count, float largest)
{
	vector sum = vector_set(0.0f);
	for (int64_t first = 0; first < count; first += LANES) {
		vector share = vector_exp2(vector_load(scores + first) - vector_set(largest));
		vector_store(scores + first, share);
		if (first + LANES > count)
			share = vector_load_part(scores + first, count - first);
		sum += share;
	}
	return vector_sum(sum);
}

/* mean[first .. ] = factor times the sum of shares times values, `vectors` of them. */
INLINE void add_values(const struct head *head, const float *shares, float *mean, int first, int vectors, float factor,
                       bool half)
{
	vector sums[TOGETHER];
	for (int i = 0; i < vectors; i++)
		sums[i] = vector_set(0.0f);
	for (int64_t key = 0; key < head->count; key++) {
		vector share = vector_set(shares[key]);
		int64_t value = head->values + key * head->step + first;
		for (int i = 0; i < vectors; i++)
			sums[i] =
				vector_multiply_add(share, element_load(head->cache, value + i * LANES, half), sums[i]);
	}
	for (int i = 0; i < vectors; i++)
		vector_store(mean + first + i * LANES, sums[i] * vector_set(factor));
}

INLINE void add_rest(const struct head *head, const float *shares, float *mean, float factor, bool half)
{
	vector sum = vector_set(0.0f);
	for (int64_t key = 0; key < head->count; key++) {
		int64_t value = head->values + key * head->step + head->full;
		sum = vector_multiply_add(vector_set(shares[key]),
		                          element_load_part(head->cache, value, head->size - head->full, half), sum);
	}
	vector_store(mean + head->full, sum * vector_set(factor));
}

INLINE void attend(const struct cached *call, int64_t item, int thread, bool half)
{
	const struct cached_shape *shape = &call->shape;
	int64_t query = item / shape->heads, number = item % shape->heads,
		row = (int64_t)shape->heads * shape->head_size;
	int64_t own = query * row + number * shape->head_size;
	float *scores = call->device->scratch[thread];
	float packed[MOST_HEAD + LANES], mean[MOST_HEAD + LANES];
	struct head head = { .cache = call->cache,
		             .keys = shape->texts[query] * shape->capacity * 2 * row + number * shape->head_size,
		             .step = 2 * row,
		             .count = (int64_t)shape->positions[query] + 1,
		             .size = shape->head_size,
		             .full = shape->head_size / (int)LANES * (int)LANES };
	head.values = head.keys + row;

	vector scale = vector_set(shape->scale * LOG2_E);
	for (int i = 0; i < head.full; i += LANES)
		vector_store(packed + i, element_load(call->q, own + i, half) * scale);
	if (head.full < head.size)
		vector_store(packed + head.full,
		             element_load_part(call->q, own + head.full, head.size - head.full, half) * scale);
	float largest = multiply_keys(&head, packed, scores, half);
	float factor = 1.0f / soften(scores, head.count, largest);
	int i = 0;
	for (; i + (int)(TOGETHER * LANES) <= head.full; i += TOGETHER * LANES)
		add_values(&head, scores, mean, i, TOGETHER, factor, half);
	for (; i < head.full; i += LANES)
		add_values(&head, scores, mean, i, 1, factor, half);
	if (head.full < head.size)
		add_rest(&head, scores, mean, factor, half);
	for (i = 0; i < head.full; i += LANES)
		element_store(call->out, own + i, vector_load(mean + i), half);
	if (head.full < head.size)
		element_store_part(call->out, own + head.full, vector_load(mean + head.full), head.size - head.full,
		                   half);
}

static void attend_float32(void *context, int64_t item, int thread)
{
	attend(context, item, thread, false);
}

static void attend_bfloat16(void *context, int64_t item, int thread)
{
	attend(context, item, thread, true);
}

enum status LEVEL(attention_cached)(struct device *device, void *out, const void *q, const void *cache,
                                    const struct cached_shape *shape)
{
	struct cached call = { *shape, q, cache, out, device };
	STATUS_TRY(cpu_scratch_reserve(device, (size_t)(shape->longest + 1 + LANES) * sizeof(float)));
	cpu_parallel(device, shape->queries * shape->heads, cpu_half(device) ? attend_bfloat16 : attend_float32, &call);
	return STATUS_OK;
}
