/* Attention in float arithmetic, forward: a block has a tile of queries and carries the softmax along over tiles of
 * keys.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/attention_plain.h"

/* Scores to shares, relative to the largest score so far; keeps sums and output up to date with that. */
template <int WIDTH>
static __device__ __forceinline__ void soften(float scores[plain<WIDTH>::EACH][plain<WIDTH>::EACH],
                                              struct plain_sums<WIDTH> *means, float largest[plain<WIDTH>::EACH],
                                              float total[plain<WIDTH>::EACH], const int *row, const int *first,
                                              int key, float factor)
{
	typedef plain<WIDTH> p;
	int x = (int)threadIdx.x % p::SIDE, y = (int)threadIdx.x / p::SIDE;
	UNROLL
	for (int i = 0; i < p::EACH; i++) {
		int last = row[y + i * p::SIDE], begin = first[y + i * p::SIDE];
		float most = largest[i], sum = 0.0f;
		UNROLL
		for (int j = 0; j < p::EACH; j++) {
			int at = key + x + j * p::SIDE;
			scores[i][j] = at >= begin && at <= last ? scores[i][j] * factor : -INFINITY;
			most = fmaxf(most, scores[i][j]);
		}
		for (int flip = p::SIDE / 2; flip > 0; flip /= 2)
			most = fmaxf(most, __shfl_xor_sync(FULL_WARP, most, flip));
		UNROLL
		for (int j = 0; j < p::EACH; j++) {
			scores[i][j] = power_of_two(scores[i][j] - most);
			sum += scores[i][j];
		}
		for (int flip = p::SIDE / 2; flip > 0; flip /= 2)
			sum += __shfl_xor_sync(FULL_WARP, sum, flip);
		float rescale = power_of_two(largest[i] - most);
		total[i] = total[i] * rescale + sum;
		largest[i] = most;
		UNROLL
		for (int j = 0; j < p::PARTS; j++)
			UNROLL
		for (int e = 0; e < p::PART; e++)
			means->values[i][j][e] *= rescale;
	}
}

template <typename Element, int WIDTH>
static __global__ void __launch_bounds__(256, WIDTH > 64 ? 1 : 2)
	attention_forward(struct attention_call call, struct attention_order order, Element *out, float *log_sum)
{
	typedef plain<WIDTH> p;
	CUDA_SHARED(float, shared);
	float *queries = shared, *keys = queries + p::TILE, *shares = keys + p::TILE; /* keys, then values */
	int *row = (int *)(shares + p::SCORES), *first = row + p::ROWS;
	struct attention_place place = attention_place_here(call, order);
	if (!place.exists)
		return;
	int query = place.tile * p::ROWS, query_end = min(query + (int)p::ROWS, call.query_count);
	int64_t head = (int64_t)place.head * call.size, value = head + (int64_t)call.heads * call.size;
	const Element *kv = (const Element *)call.kv;

	if ((int)threadIdx.x < p::ROWS) {
		row[threadIdx.x] = query_row(call, query + (int)threadIdx.x);
		first[threadIdx.x] = first_row(call, row[threadIdx.x]);
	}
	plain_load<Element, WIDTH>(queries, call, (const Element *)call.q + head, call.query_step, query, query_end);
	__syncthreads();

	struct plain_sums<WIDTH> means;
	float largest[p::EACH], total[p::EACH], scores[p::EACH][p::EACH];
	plain_clear<WIDTH>(&means);
	UNROLL
	for (int i = 0; i < p::EACH; i++) {
		largest[i] = -1e30f; /* finite: a tile may hide all its keys from a query */
		total[i] = 0.0f;
	}
	int end = row[query_end - 1 - query] + 1;
	for (int key = first[0] / p::ROWS * p::ROWS; key < end; key += p::ROWS) {
		plain_load<Element, WIDTH>(keys, call, kv + head, call.key_step, key, end);
		__syncthreads();
		plain_scores<WIDTH>(scores, queries, keys, call.size);
		soften<WIDTH>(scores, &means, largest, total, row, first, key, call.factor);
		plain_keep<WIDTH>(shares, scores);
		__syncthreads();
		plain_load<Element, WIDTH>(keys, call, kv + value, call.key_step, key, end);
		__syncthreads();
		plain_add<WIDTH>(&means, shares, keys);
		__syncthreads();
	}

	float inverse[p::EACH];
	UNROLL
	for (int i = 0; i < p::EACH; i++) {
		int own = query + (int)threadIdx.x / p::SIDE + i * p::SIDE;
		inverse[i] = 1.0f / total[i];
		if (threadIdx.x % p::SIDE == 0 && own < query_end)
			log_sum[(int64_t)place.head * call.query_count + own] = LN_2 * (largest[i] + log2f(total[i]));
	}
	plain_store<Element, WIDTH>(out + head, (int64_t)call.heads * call.size, query, query_end, call, means,
	                            inverse);
}

template <typename Element, int WIDTH>
static enum status forward(struct device *device, const struct attention_call *call, void *out, float *log_sum)
{
	typedef plain<WIDTH> p;
	struct attention_order order = attention_order_of(call, call->query_count, p::ROWS, sizeof(Element), true);
	size_t shared = (2 * p::TILE + p::SCORES + 2 * p::ROWS) * sizeof(float);
	return attention_launch(device, "attention_forward", attention_forward<Element, WIDTH>,
	                        attention_blocks(call, &order), p::THREADS, shared, *call, order, (Element *)out,
	                        log_sum);
}

template <typename Element>
static enum status forward_size(struct device *device, const struct attention_call *call, void *out, float *log_sum)
{
	return call->size <= 32    ? forward<Element, 32>(device, call, out, log_sum)
	       : call->size <= 64  ? forward<Element, 64>(device, call, out, log_sum)
	       : call->size <= 128 ? forward<Element, 128>(device, call, out, log_sum)
	                           : forward<Element, 256>(device, call, out, log_sum);
}

enum status attention_plain_forward(struct device *device, const struct attention_call *call, void *out, float *log_sum)
{
	return cuda_half(device) ? forward_size<bfloat16>(device, call, out, log_sum)
	                         : forward_size<float>(device, call, out, log_sum);
}
