/* Attention in float arithmetic, backward: one kernel has tiles of queries and makes dq, one has tiles of keys and
 * makes dk and dv. Both compute the shares anew: two products more than with one kernel, but no sums across blocks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/attention_plain.h"

/* What both need of a tile of queries. */
template <int WIDTH> struct query_facts {
	int row[plain<WIDTH>::ROWS], first[plain<WIDTH>::ROWS];
	float log_sum[plain<WIDTH>::ROWS], expected[plain<WIDTH>::ROWS];
};

template <int WIDTH>
static __device__ __forceinline__ void load_facts(struct query_facts<WIDTH> *facts, const struct attention_call &call,
                                                  const struct attention_gradients &gradients, int head, int query)
{
	int i = (int)threadIdx.x;
	if (i >= plain<WIDTH>::ROWS)
		return;
	int64_t at = (int64_t)head * call.query_count + query + i;
	facts->row[i] = query_row(call, query + i);
	facts->first[i] = first_row(call, facts->row[i]);
	facts->log_sum[i] = facts->row[i] >= 0 ? LOG2_E * gradients.log_sum[at] : 0.0f;
	facts->expected[i] = facts->row[i] >= 0 ? gradients.expected[at] : 0.0f;
}

/* score to share, dshare to the gradient of the score without the factor `scale`. */
template <int WIDTH>
static __device__ __forceinline__ void
differentiate(float *score, float *dshare, const struct query_facts<WIDTH> *facts, int query, int key, float factor)
{
	bool seen = key >= facts->first[query] && key <= facts->row[query];
	float share = seen ? power_of_two(*score * factor - facts->log_sum[query]) : 0.0f;
	*score = share;
	*dshare = seen ? share * (*dshare - facts->expected[query]) : 0.0f;
}

template <typename Element, int WIDTH>
static __global__ void __launch_bounds__(256, 1)
	attention_backward_queries(struct attention_call call, struct attention_order order,
                                   struct attention_gradients gradients)
{
	typedef plain<WIDTH> p;
	CUDA_SHARED(float, shared);
	float *queries = shared, *dmeans = queries + p::TILE, *keys = dmeans + p::TILE, *values = keys + p::TILE;
	float *products = values + p::TILE;
	struct query_facts<WIDTH> *facts = (struct query_facts<WIDTH> *)(products + p::SCORES);
	struct attention_place place = attention_place_here(call, order);
	if (!place.exists)
		return;
	int x = (int)threadIdx.x % p::SIDE, y = (int)threadIdx.x / p::SIDE;
	int query = place.tile * p::ROWS, query_end = min(query + (int)p::ROWS, call.query_count);
	int64_t width = (int64_t)call.heads * call.size, head = (int64_t)place.head * call.size;
	const Element *kv = (const Element *)call.kv + head;

	load_facts<WIDTH>(facts, call, gradients, place.head, query);
	plain_load<Element, WIDTH>(queries, call, (const Element *)call.q + head, call.query_step, query, query_end);
	plain_load<Element, WIDTH>(dmeans, call, (const Element *)gradients.dout + head, width, query, query_end);
	__syncthreads();

	struct plain_sums<WIDTH> sums;
	float scores[p::EACH][p::EACH], dshares[p::EACH][p::EACH], factors[p::EACH];
	plain_clear<WIDTH>(&sums);
	int end = facts->row[query_end - 1 - query] + 1;
	for (int key = facts->first[0] / p::ROWS * p::ROWS; key < end; key += p::ROWS) {
		plain_load<Element, WIDTH>(keys, call, kv, call.key_step, key, end);
		plain_load<Element, WIDTH>(values, call, kv + width, call.key_step, key, end);
		__syncthreads();
		plain_scores<WIDTH>(scores, queries, keys, call.size);
		plain_scores<WIDTH>(dshares, dmeans, values, call.size);
		UNROLL
		for (int i = 0; i < p::EACH; i++)
			UNROLL
		for (int j = 0; j < p::EACH; j++)
			differentiate<WIDTH>(&scores[i][j], &dshares[i][j], facts, y + i * p::SIDE,
			                     key + x + j * p::SIDE, call.factor);
		plain_keep<WIDTH>(products, dshares);
		__syncthreads();
		plain_add<WIDTH>(&sums, products, keys);
		__syncthreads();
	}
	UNROLL
	for (int i = 0; i < p::EACH; i++)
		factors[i] = call.scale;
	plain_store<Element, WIDTH>((Element *)gradients.dq + head, call.query_step, query, query_end, call, sums,
	                            factors);
}

template <typename Element, int WIDTH>
static __global__ void __launch_bounds__(256, 1)
	attention_backward_keys(struct attention_call call, struct attention_order order,
                                struct attention_gradients gradients)
{
	typedef plain<WIDTH> p;
	CUDA_SHARED(float, shared);
	float *queries = shared, *dmeans = queries + p::TILE, *keys = dmeans + p::TILE, *values = keys + p::TILE;
	float *products = values + p::TILE;
	struct query_facts<WIDTH> *facts = (struct query_facts<WIDTH> *)(products + p::SCORES);
	struct attention_place place = attention_place_here(call, order);
	if (!place.exists)
		return;
	int x = (int)threadIdx.x % p::SIDE, y = (int)threadIdx.x / p::SIDE, first, stop;
	int key = place.tile * p::ROWS, key_end = min(key + (int)p::ROWS, call.rows);
	int64_t width = (int64_t)call.heads * call.size, head = (int64_t)place.head * call.size;
	const Element *kv = (const Element *)call.kv + head;

	plain_load<Element, WIDTH>(keys, call, kv, call.key_step, key, key_end);
	plain_load<Element, WIDTH>(values, call, kv + width, call.key_step, key, key_end);
	query_range(call, key, key_end, &first, &stop);

	struct plain_sums<WIDTH> dkeys, dvalues;
	float scores[p::EACH][p::EACH], dshares[p::EACH][p::EACH], factors[p::EACH];
	plain_clear<WIDTH>(&dkeys);
	plain_clear<WIDTH>(&dvalues);
	for (int query = first / p::ROWS * p::ROWS; query < stop; query += p::ROWS) {
		load_facts<WIDTH>(facts, call, gradients, place.head, query);
		plain_load<Element, WIDTH>(queries, call, (const Element *)call.q + head, call.query_step, query,
		                           call.query_count);
		plain_load<Element, WIDTH>(dmeans, call, (const Element *)gradients.dout + head, width, query,
		                           call.query_count);
		__syncthreads();
		plain_scores<WIDTH>(scores, keys, queries, call.size);
		plain_scores<WIDTH>(dshares, values, dmeans, call.size);
		UNROLL
		for (int i = 0; i < p::EACH; i++)
			UNROLL
		for (int j = 0; j < p::EACH; j++)
			differentiate<WIDTH>(&scores[i][j], &dshares[i][j], facts, x + j * p::SIDE,
			                     key + y + i * p::SIDE, call.factor);
		plain_keep<WIDTH>(products, scores);
		__syncthreads();
		plain_add<WIDTH>(&dvalues, products, dmeans);
		__syncthreads();
		plain_keep<WIDTH>(products, dshares);
		__syncthreads();
		plain_add<WIDTH>(&dkeys, products, queries);
		__syncthreads();
	}
	Element *dkv = (Element *)gradients.dkv + head;
	UNROLL
	for (int i = 0; i < p::EACH; i++)
		factors[i] = call.scale;
	plain_store<Element, WIDTH>(dkv, call.key_step, key, key_end, call, dkeys, factors);
	UNROLL
	for (int i = 0; i < p::EACH; i++)
		factors[i] = 1.0f;
	plain_store<Element, WIDTH>(dkv + width, call.key_step, key, key_end, call, dvalues, factors);
}

template <typename Element, int WIDTH>
static enum status backward(struct device *device, const struct attention_call *call,
                            const struct attention_gradients *gradients)
{
	typedef plain<WIDTH> p;
	size_t shared = (4 * p::TILE + p::SCORES) * sizeof(float) + sizeof(struct query_facts<WIDTH>);
	struct attention_order order = attention_order_of(call, call->query_count, p::ROWS, sizeof(Element), true);
	STATUS_TRY(attention_launch(device, "attention_backward", attention_backward_queries<Element, WIDTH>,
	                            attention_blocks(call, &order), p::THREADS, shared, *call, order, *gradients));
	order = attention_order_of(call, call->rows, p::ROWS, sizeof(Element), false);
	return attention_launch(device, "attention_backward", attention_backward_keys<Element, WIDTH>,
	                        attention_blocks(call, &order), p::THREADS, shared, *call, order, *gradients);
}

template <typename Element>
static enum status backward_size(struct device *device, const struct attention_call *call,
                                 const struct attention_gradients *gradients)
{
	return call->size <= 32    ? backward<Element, 32>(device, call, gradients)
	       : call->size <= 64  ? backward<Element, 64>(device, call, gradients)
	       : call->size <= 128 ? backward<Element, 128>(device, call, gradients)
	                           : backward<Element, 256>(device, call, gradients);
}

enum status attention_plain_backward(struct device *device, const struct attention_call *call,
                                     const struct attention_gradients *gradients)
{
	return cuda_half(device) ? backward_size<bfloat16>(device, call, gradients)
	                         : backward_size<float>(device, call, gradients);
}
