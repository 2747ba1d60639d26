/* Attention of single queries against cached keys and values.
 *
 * A block has a head of a query. A group of lanes, as many as take a head with 16 bytes each, goes over every groups-th key and
 * carries its own softmax along; at the end the groups' sums are brought to the largest score and added in order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/attention.h"

enum { THREADS = 128, MOST_ELEMENTS = 8 /* of a head in a lane */ };

struct cached_call {
	const void *q, *cache;
	const int32_t *texts, *positions;
	int64_t capacity;
	int heads, size, lanes; /* lanes: of a group, a power of two up to WARP */
	float factor;           /* scale log2(e), scores as powers of two */
};

/* COUNT elements at once, PARTS times, `lanes` COUNT apart. */
template <typename Element, int COUNT, int PARTS>
static __global__ void __launch_bounds__(THREADS) attention_cached(struct cached_call call, Element *out)
{
	typedef vector<Element, COUNT> part;
	__shared__ float means[THREADS * MOST_ELEMENTS], largest[THREADS], total[THREADS];
	int64_t row = (int64_t)call.heads * call.size;
	int query = (int)blockIdx.x / call.heads, head = (int)blockIdx.x % call.heads;
	int group = (int)threadIdx.x / call.lanes, lane = (int)threadIdx.x % call.lanes, groups = THREADS / call.lanes;
	int count = call.positions[query] + 1;
	const Element *keys =
		(const Element *)call.cache + call.texts[query] * call.capacity * 2 * row + (int64_t)head * call.size;
	const Element *own = (const Element *)call.q + query * row + (int64_t)head * call.size;
	float mine[PARTS][COUNT], mean[PARTS][COUNT], most = -1e30f, sum = 0.0f;

	UNROLL
	for (int p = 0; p < PARTS; p++) {
		int column = (p * call.lanes + lane) * COUNT;
		UNROLL
		for (int e = 0; e < COUNT; e++) {
			mine[p][e] = column < call.size ? to_float(own[column + e]) * call.factor : 0.0f;
			mean[p][e] = 0.0f;
		}
	}
	/* All groups go round together, so that all lanes of a warp take part in the sums. */
	for (int first = 0; first < count; first += groups) {
		int key = first + group;
		const Element *at = keys + (int64_t)(key < count ? key : count - 1) * 2 * row;
		part values[PARTS];
		float score = 0.0f;
		UNROLL
		for (int p = 0; p < PARTS; p++) {
			int column = (p * call.lanes + lane) * COUNT;
			if (column >= call.size)
				continue;
			part factors = *(const part *)(at + column);
			values[p] = *(const part *)(at + row + column);
			UNROLL
			for (int e = 0; e < COUNT; e++)
				score = fmaf(mine[p][e], to_float(factors.values[e]), score);
		}
		for (int flip = call.lanes / 2; flip > 0; flip /= 2)
			score += __shfl_xor_sync(FULL_WARP, score, flip);
		if (key >= count)
			continue;
		float now = fmaxf(most, score), before = power_of_two(most - now), share = power_of_two(score - now);
		most = now;
		sum = fmaf(sum, before, share);
		UNROLL
		for (int p = 0; p < PARTS; p++)
			if ((p * call.lanes + lane) * COUNT < call.size)
				UNROLL
		for (int e = 0; e < COUNT; e++)
			mean[p][e] = fmaf(mean[p][e], before, share * to_float(values[p].values[e]));
	}
	UNROLL
	for (int p = 0; p < PARTS; p++)
		UNROLL
	for (int e = 0; e < COUNT; e++) {
		int column = (p * call.lanes + lane) * COUNT + e;
		if (column < call.size)
			means[group * call.size + column] = mean[p][e];
	}
	if (lane == 0) {
		largest[group] = most;
		total[group] = sum;
	}
	__syncthreads();
	for (int column = (int)threadIdx.x; column < call.size; column += THREADS) {
		float top = largest[0], shares = 0.0f, result = 0.0f;
		for (int g = 1; g < groups; g++)
			top = fmaxf(top, largest[g]);
		for (int g = 0; g < groups; g++) {
			float weight = power_of_two(largest[g] - top);
			shares = fmaf(total[g], weight, shares);
			result = fmaf(means[g * call.size + column], weight, result);
		}
		out[query * row + (int64_t)head * call.size + column] = from_float<Element>(result / shares);
	}
}

template <typename Element, int COUNT, int PARTS>
static enum status launch(struct device *device, struct cached_call call, void *out, int64_t queries)
{
	call.lanes = 1;
	while (call.lanes < WARP && call.lanes * COUNT < call.size)
		call.lanes *= 2;
	return CUDA_LAUNCH(device, "attention_cached", (attention_cached<Element, COUNT, PARTS>),
	                   (unsigned)(queries * call.heads), THREADS, 0, call, (Element *)out);
}

template <typename Element, int WIDE_PARTS>
static enum status launch_aligned(struct device *device, const struct cached_call &call, void *out, int64_t queries)
{
	enum { COUNT = wide<Element>::COUNT };
	bool aligned = cuda_aligned(call.q, call.cache, NULL, call.size * (int64_t)sizeof(Element));
	return aligned ? launch<Element, COUNT, WIDE_PARTS>(device, call, out, queries)
	               : launch<Element, 1, MOST_ELEMENTS>(device, call, out, queries);
}

enum status cuda_attention_cached(struct device *device, void *out, const void *q, const void *cache,
                                  const struct cached_shape *shape)
{
	if (shape->head_size > WARP * MOST_ELEMENTS)
		return error_raise(STATUS_INTERNAL,
		                   "attention_cached: heads of %d elements; the CUDA kernel is for at most %d",
		                   shape->head_size, WARP * MOST_ELEMENTS);
	struct cached_call call = { q,
		                    cache,
		                    shape->texts,
		                    shape->positions,
		                    shape->capacity,
		                    shape->heads,
		                    shape->head_size,
		                    0,
		                    shape->scale * LOG2_E };
	return cuda_half(device) ? launch_aligned<bfloat16, 1>(device, call, out, shape->queries)
	                         : launch_aligned<float, 2>(device, call, out, shape->queries);
}
