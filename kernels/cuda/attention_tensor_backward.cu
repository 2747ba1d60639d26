/* Attention by tensor cores, backward: as in attention_backward.cu one kernel by queries and one by keys, with the
 * tiles of the other on their way while one is computed with.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/attention_tensor.h"

template <int WIDTH> struct query_sizes {
	enum {
		M = WIDTH > 64 ? 1 : 2, /* of a warp: 16 M queries */
		QUERIES = TENSOR_WARPS * 16 * M,
		KEYS = WIDTH > 64 ? 64 : 32,
		TILES = 2 * KEYS * tensor<WIDTH>::STRIDE, /* keys, then values */
		SHARED = (2 * QUERIES * tensor<WIDTH>::STRIDE + 2 * TILES) * 2
	};
};

template <int WIDTH> struct key_sizes {
	enum {
		M = WIDTH > 64 ? 1 : 2, /* of a warp: 16 M keys */
		KEYS = TENSOR_WARPS * 16 * M,
		QUERIES = 32,
		TILES = 2 * QUERIES * tensor<WIDTH>::STRIDE, /* queries, then gradients of outputs */
		SHARED = (2 * KEYS * tensor<WIDTH>::STRIDE + 2 * TILES) * 2 + 2 * 2 * QUERIES * 4
	};
};

template <int WIDTH>
static __global__ void __launch_bounds__(TENSOR_THREADS, 2)
	attention_backward_queries(struct attention_call call, struct attention_order order,
                                   struct attention_gradients gradients)
{
	typedef query_sizes<WIDTH> sizes;
	enum { M = sizes::M, KEYS = sizes::KEYS, STRIDE = tensor<WIDTH>::STRIDE, TILE = KEYS * STRIDE };
	CUDA_SHARED(bfloat16, queries);
	bfloat16 *dmeans = queries + sizes::QUERIES * STRIDE, *tiles = dmeans + sizes::QUERIES * STRIDE;
	struct attention_place place = attention_place_here(call, order);
	if (!place.exists)
		return;
	int block_query = place.tile * sizes::QUERIES,
	    query_end = min(block_query + (int)sizes::QUERIES, call.query_count);
	int begin = first_row(call, query_row(call, block_query)) / KEYS * KEYS,
	    end = query_row(call, query_end - 1) + 1;
	int own = (int)threadIdx.x / WARP * 16 * M, query = block_query + own;
	int64_t head = (int64_t)place.head * call.size, width = (int64_t)call.heads * call.size;
	const bfloat16 *kv = (const bfloat16 *)call.kv + head;

	tensor_fetch<WIDTH, sizes::QUERIES>(queries, (const bfloat16 *)call.q + head, call.query_step, block_query,
	                                    query_end, call.size);
	tensor_fetch<WIDTH, sizes::QUERIES>(dmeans, (const bfloat16 *)gradients.dout + head, width, block_query,
	                                    query_end, call.size);
	tensor_fetch<WIDTH, KEYS>(tiles, kv, call.key_step, begin, end, call.size);
	tensor_fetch<WIDTH, KEYS>(tiles + TILE, kv + width, call.key_step, begin, end, call.size);

	struct warp_queries warp = tensor_queries(call, query, 16 * M);
	float sums[M][WIDTH / 8][4], scores[M][KEYS / 8][4], dshares[M][KEYS / 8][4], shift[M][2], expected[M][2];
	tensor_clear<M, WIDTH / 8>(sums);
	UNROLL
	for (int m = 0; m < M; m++) {
		UNROLL
		for (int h = 0; h < 2; h++) {
			int at = query + 16 * m + 8 * h + (int)threadIdx.x % WARP / 4;
			int64_t place_of = (int64_t)place.head * call.query_count + at;
			shift[m][h] = at < query_end ? -LOG2_E * gradients.log_sum[place_of] : 0.0f;
			expected[m][h] = at < query_end ? gradients.expected[place_of] : 0.0f;
		}
	}
	NO_UNROLL
	for (int key = begin, stage = 0; key < end; key += KEYS, stage ^= 1) {
		const bfloat16 *keys = tiles + stage * sizes::TILES;
		copy_wait();
		__syncthreads(); /* this tile is there, and all are done with the other */
		if (key + KEYS < end) {
			bfloat16 *next = tiles + (stage ^ 1) * sizes::TILES;
			tensor_fetch<WIDTH, KEYS>(next, kv, call.key_step, key + KEYS, end, call.size);
			tensor_fetch<WIDTH, KEYS>(next + TILE, kv + width, call.key_step, key + KEYS, end, call.size);
		}
		if (!tensor_any(warp, key, KEYS))
			continue;
		tensor_scores<WIDTH, M, KEYS>(scores, queries + own * STRIDE, keys);
		tensor_scores<WIDTH, M, KEYS>(dshares, dmeans + own * STRIDE, keys + TILE);
		UNROLL
		for (int m = 0; m < M; m++) {
			UNROLL
			for (int n = 0; n < KEYS / 8; n++) {
				UNROLL
				for (int e = 0; e < 4; e++) {
					float share = power_of_two(scores[m][n][e] * call.factor + shift[m][e / 2]);
					dshares[m][n][e] = share * (dshares[m][n][e] - expected[m][e / 2]);
				}
			}
		}
		if (!tensor_all(warp, key, KEYS))
			tensor_hide<M, KEYS / 8>(dshares, call, query, key, 0.0f);
		tensor_add<WIDTH, M, KEYS>(sums, dshares, keys);
	}
	UNROLL
	for (int m = 0; m < M; m++)
		shift[m][0] = shift[m][1] = call.scale;
	tensor_store<WIDTH, M>((bfloat16 *)gradients.dq + head, call.query_step, query, query_end, call.size,
	                       queries + own * STRIDE, sums, shift);
}

/* Queries from `query` on with what belongs to them, on their way. numbers: log sums, then expected[]. */
template <int WIDTH>
static __device__ __forceinline__ void fetch_queries(bfloat16 *tiles, float *numbers, const struct attention_call &call,
                                                     const struct attention_gradients &gradients, int head, int query)
{
	enum { QUERIES = key_sizes<WIDTH>::QUERIES };
	int64_t element = (int64_t)head * call.size;
	tensor_fetch<WIDTH, QUERIES>(tiles, (const bfloat16 *)call.q + element, call.query_step, query,
	                             call.query_count, call.size);
	tensor_fetch<WIDTH, QUERIES>(tiles + QUERIES * tensor<WIDTH>::STRIDE,
	                             (const bfloat16 *)gradients.dout + element, (int64_t)call.heads * call.size, query,
	                             call.query_count, call.size);
	int i = (int)threadIdx.x;
	if (i < 2 * QUERIES) {
		int at = query + i % QUERIES;
		const float *source = i < QUERIES ? gradients.log_sum : gradients.expected;
		bool there = at < call.query_count;
		copy_begin<4>(numbers + i, there ? source + (int64_t)head * call.query_count + at : source, there);
	}
}

/* Scores [keys, queries] of the queries from `query` on to shares, dshares to gradients of scores without the factor
 * `scale`. Queries beyond the last are zeros with gradients of zero: what they get does not matter. */
template <int M, int N>
static __device__ __forceinline__ void differentiate(float scores[M][N][4], float dshares[M][N][4],
                                                     const float *numbers, float factor)
{
	UNROLL
	for (int n = 0; n < N; n++) {
		UNROLL
		for (int c = 0; c < 2; c++) {
			int column = 8 * n + (int)threadIdx.x % 4 * 2 + c;
			float shift = -LOG2_E * numbers[column], expected = numbers[8 * N + column];
			UNROLL
			for (int m = 0; m < M; m++) {
				UNROLL
				for (int e = c; e < 4; e += 2) {
					float share = power_of_two(scores[m][n][e] * factor + shift);
					scores[m][n][e] = share;
					dshares[m][n][e] = share * (dshares[m][n][e] - expected);
				}
			}
		}
	}
}

/* Both to 0 where a query does not see a key. `key`: of the warp's first row. */
template <int M, int N>
static __device__ __forceinline__ void hide(float shares[M][N][4], float dscores[M][N][4],
                                            const struct attention_call &call, int query, int key)
{
	key += (int)threadIdx.x % WARP / 4;
	UNROLL
	for (int n = 0; n < N; n++) {
		UNROLL
		for (int c = 0; c < 2; c++) {
			int last = query_row(call, query + 8 * n + (int)threadIdx.x % 4 * 2 + c),
			    first = first_row(call, last);
			UNROLL
			for (int m = 0; m < M; m++) {
				UNROLL
				for (int e = c; e < 4; e += 2) {
					int at = key + 16 * m + e / 2 * 8;
					if (at < first || at > last)
						shares[m][n][e] = dscores[m][n][e] = 0.0f;
				}
			}
		}
	}
	__syncwarp(); /* lanes may have parted, and matrices are loaded by whole warps */
}

template <int WIDTH>
static __global__ void __launch_bounds__(TENSOR_THREADS, 2)
	attention_backward_keys(struct attention_call call, struct attention_order order,
                                struct attention_gradients gradients)
{
	typedef key_sizes<WIDTH> sizes;
	enum { M = sizes::M, N = sizes::QUERIES, STRIDE = tensor<WIDTH>::STRIDE, TILE = N * STRIDE };
	CUDA_SHARED(bfloat16, keys);
	bfloat16 *values = keys + sizes::KEYS * STRIDE, *tiles = values + sizes::KEYS * STRIDE;
	float *numbers = (float *)(tiles + 2 * sizes::TILES);
	struct attention_place place = attention_place_here(call, order);
	if (!place.exists)
		return;
	int block_key = place.tile * sizes::KEYS, key_end = min(block_key + (int)sizes::KEYS, call.rows), first, stop;
	int own = (int)threadIdx.x / WARP * 16 * M, key = block_key + own;
	int64_t head = (int64_t)place.head * call.size, width = (int64_t)call.heads * call.size;
	const bfloat16 *kv = (const bfloat16 *)call.kv + head;

	tensor_fetch<WIDTH, sizes::KEYS>(keys, kv, call.key_step, block_key, key_end, call.size);
	tensor_fetch<WIDTH, sizes::KEYS>(values, kv + width, call.key_step, block_key, key_end, call.size);
	query_range(call, block_key, key_end, &first, &stop);
	first = first / N * N;
	if (first < stop)
		fetch_queries<WIDTH>(tiles, numbers, call, gradients, place.head, first);
	/* Queries of the same sequence, without documents: they see all keys up to their own. */
	bool simple = call.starts == NULL && block_key / call.length == (key_end - 1) / call.length;

	float dkeys[M][WIDTH / 8][4], dvalues[M][WIDTH / 8][4], scores[M][N / 8][4], dshares[M][N / 8][4],
		factors[M][2];
	tensor_clear<M, WIDTH / 8>(dkeys);
	tensor_clear<M, WIDTH / 8>(dvalues);
	NO_UNROLL
	for (int query = first, stage = 0; query < stop; query += N, stage ^= 1) {
		const bfloat16 *queries = tiles + stage * sizes::TILES;
		copy_wait();
		__syncthreads(); /* this tile is there, and all are done with the other */
		if (query + N < stop)
			fetch_queries<WIDTH>(tiles + (stage ^ 1) * sizes::TILES, numbers + (stage ^ 1) * 2 * N, call,
			                     gradients, place.head, query + N);
		int lowest = query_row(call, query), highest = query_row(call, min(query + N, call.query_count) - 1);
		if (key > highest || (!simple && key + 16 * M <= first_row(call, lowest)))
			continue;
		tensor_scores<WIDTH, M, N>(scores, keys + own * STRIDE, queries);
		tensor_scores<WIDTH, M, N>(dshares, values + own * STRIDE, queries + TILE);
		differentiate<M, N / 8>(scores, dshares, numbers + stage * 2 * N, call.factor);
		if (key + 16 * M - 1 > lowest || (!simple && key < first_row(call, highest)) ||
		    (simple && query + N > stop))
			hide<M, N / 8>(scores, dshares, call, query, key);
		tensor_add<WIDTH, M, N>(dvalues, scores, queries + TILE);
		tensor_add<WIDTH, M, N>(dkeys, dshares, queries);
	}
	copy_wait();
	__syncthreads(); /* where there were no queries, keys may still be on their way to what becomes room */

	bfloat16 *dkv = (bfloat16 *)gradients.dkv + head;
	UNROLL
	for (int m = 0; m < M; m++)
		factors[m][0] = factors[m][1] = call.scale;
	tensor_store<WIDTH, M>(dkv, call.key_step, key, key_end, call.size, keys + own * STRIDE, dkeys, factors);
	UNROLL
	for (int m = 0; m < M; m++)
		factors[m][0] = factors[m][1] = 1.0f;
	tensor_store<WIDTH, M>(dkv + width, call.key_step, key, key_end, call.size, values + own * STRIDE, dvalues,
	                       factors);
}

template <int WIDTH>
static enum status backward(struct device *device, const struct attention_call *call,
                            const struct attention_gradients *gradients)
{
	typedef query_sizes<WIDTH> q;
	typedef key_sizes<WIDTH> k;
	struct attention_order order = attention_order_of(call, call->query_count, q::QUERIES, sizeof(bfloat16), true);
	STATUS_TRY(attention_launch(device, "attention_backward", attention_backward_queries<WIDTH>,
	                            attention_blocks(call, &order), TENSOR_THREADS, q::SHARED, *call, order,
	                            *gradients));
	order = attention_order_of(call, call->rows, k::KEYS, sizeof(bfloat16), false);
	return attention_launch(device, "attention_backward", attention_backward_keys<WIDTH>,
	                        attention_blocks(call, &order), TENSOR_THREADS, k::SHARED, *call, order, *gradients);
}

enum status attention_tensor_backward(struct device *device, const struct attention_call *call,
                                      const struct attention_gradients *gradients)
{
	return call->size <= 32    ? backward<32>(device, call, gradients)
	       : call->size <= 64  ? backward<64>(device, call, gradients)
	       : call->size <= 112 ? backward<112>(device, call, gradients)
	                           : backward<128>(device, call, gradients);
}
