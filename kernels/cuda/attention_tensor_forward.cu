/* Attention by tensor cores, forward: a warp has 32 queries, a block of four walks over tiles of keys, of which the
 * next is on its way while one is computed with.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/attention_tensor.h"

template <int WIDTH> struct forward_sizes {
	enum {
		M = 2,
		QUERIES = TENSOR_WARPS * 16 * M,
		KEYS = WIDTH > 64 ? 32 : 64,
		TILES = 2 * KEYS * tensor<WIDTH>::STRIDE, /* keys, then values */
		SHARED = (QUERIES * tensor<WIDTH>::STRIDE + 2 * TILES) * 2
	};
};

/* Keys and values from `key` on, on their way. */
template <int WIDTH>
static __device__ __forceinline__ void fetch_keys(bfloat16 *tiles, const struct attention_call &call, int64_t head,
                                                  int key, int end)
{
	enum { KEYS = forward_sizes<WIDTH>::KEYS };
	const bfloat16 *keys = (const bfloat16 *)call.kv + head;
	tensor_fetch<WIDTH, KEYS>(tiles, keys, call.key_step, key, end, call.size);
	tensor_fetch<WIDTH, KEYS>(tiles + KEYS * tensor<WIDTH>::STRIDE, keys + (int64_t)call.heads * call.size,
	                          call.key_step, key, end, call.size);
}

/* Scores to shares, relative to the largest so far, or to one at most 2^GROWTH smaller; sums and means are kept up with
 * it. Only the first tiles and great jumps change what shares are relative to, and where no query of the warp does, the
 * means stay as they are. `total` is of the lane's columns. */
template <int M, int N, int COLUMNS>
static __device__ __forceinline__ void soften(float scores[M][N][4], float means[M][COLUMNS][4], float largest[M][2],
                                              float total[M][2], float factor)
{
	const float growth = 8.0f;
	float rescale[M][2];
	bool changed = false;
	UNROLL
	for (int m = 0; m < M; m++) {
		UNROLL
		for (int h = 0; h < 2; h++) {
			float most = largest[m][h], sum = 0.0f;
			UNROLL
			for (int n = 0; n < N; n++)
				most = fmaxf(most, fmaxf(scores[m][n][2 * h], scores[m][n][2 * h + 1]));
			most = fmaxf(most, __shfl_xor_sync(FULL_WARP, most, 1));
			most = fmaxf(most, __shfl_xor_sync(FULL_WARP, most, 2));
			if ((most - largest[m][h]) * factor <= growth)
				most = largest[m][h];
			rescale[m][h] = power_of_two((largest[m][h] - most) * factor);
			changed |= most != largest[m][h];
			largest[m][h] = most;
			UNROLL
			for (int n = 0; n < N; n++) {
				UNROLL
				for (int e = 2 * h; e < 2 * h + 2; e++) {
					scores[m][n][e] = power_of_two(scores[m][n][e] * factor - most * factor);
					sum += scores[m][n][e];
				}
			}
			total[m][h] = total[m][h] * rescale[m][h] + sum;
		}
	}
	if (!__any_sync(FULL_WARP, changed))
		return;
	UNROLL
	for (int m = 0; m < M; m++) {
		UNROLL
		for (int n = 0; n < COLUMNS; n++) {
			UNROLL
			for (int e = 0; e < 4; e++)
				means[m][n][e] *= rescale[m][e / 2];
		}
	}
}

template <int WIDTH>
static __global__ void __launch_bounds__(TENSOR_THREADS, 2)
	attention_forward(struct attention_call call, struct attention_order order, bfloat16 *out, float *log_sum)
{
	typedef forward_sizes<WIDTH> sizes;
	enum { M = sizes::M, KEYS = sizes::KEYS, STRIDE = tensor<WIDTH>::STRIDE };
	CUDA_SHARED(bfloat16, queries);
	bfloat16 *tiles = queries + sizes::QUERIES * STRIDE;
	struct attention_place place = attention_place_here(call, order);
	if (!place.exists)
		return;
	int block_query = place.tile * sizes::QUERIES,
	    query_end = min(block_query + (int)sizes::QUERIES, call.query_count);
	int begin = first_row(call, query_row(call, block_query)) / KEYS * KEYS,
	    end = query_row(call, query_end - 1) + 1;
	int own = (int)threadIdx.x / WARP * 16 * M, query = block_query + own;
	int64_t head = (int64_t)place.head * call.size;

	tensor_fetch<WIDTH, sizes::QUERIES>(queries, (const bfloat16 *)call.q + head, call.query_step, block_query,
	                                    query_end, call.size);
	fetch_keys<WIDTH>(tiles, call, head, begin, end);
	struct warp_queries warp = tensor_queries(call, query, 16 * M);

	float means[M][WIDTH / 8][4], scores[M][KEYS / 8][4], largest[M][2], total[M][2];
	tensor_clear<M, WIDTH / 8>(means);
	UNROLL
	for (int m = 0; m < M; m++) {
		UNROLL
		for (int h = 0; h < 2; h++) {
			largest[m][h] = -1e30f; /* finite: a tile may hide all its keys from a query */
			total[m][h] = 0.0f;
		}
	}
	NO_UNROLL
	for (int key = begin, stage = 0; key < end; key += KEYS, stage ^= 1) {
		const bfloat16 *keys = tiles + stage * sizes::TILES;
		copy_wait();
		__syncthreads(); /* this tile is there, and all are done with the other */
		if (key + KEYS < end)
			fetch_keys<WIDTH>(tiles + (stage ^ 1) * sizes::TILES, call, head, key + KEYS, end);
		if (!tensor_any(warp, key, KEYS))
			continue;
		tensor_scores<WIDTH, M, KEYS>(scores, queries + own * STRIDE, keys);
		if (!tensor_all(warp, key, KEYS))
			tensor_hide<M, KEYS / 8>(scores, call, query, key, -INFINITY);
		soften<M, KEYS / 8, WIDTH / 8>(scores, means, largest, total, call.factor);
		tensor_add<WIDTH, M, KEYS>(means, scores, keys + KEYS * STRIDE);
	}

	UNROLL
	for (int m = 0; m < M; m++) {
		UNROLL
		for (int h = 0; h < 2; h++) {
			int at = query + 16 * m + 8 * h + (int)threadIdx.x % WARP / 4;
			float sum = total[m][h];
			sum += __shfl_xor_sync(FULL_WARP, sum, 1);
			sum += __shfl_xor_sync(FULL_WARP, sum, 2);
			if (threadIdx.x % 4 == 0 && at < query_end)
				log_sum[(int64_t)place.head * call.query_count + at] =
					LN_2 * (largest[m][h] * call.factor + log2f(sum));
			total[m][h] = 1.0f / sum;
		}
	}
	tensor_store<WIDTH, M>(out + head, (int64_t)call.heads * call.size, query, query_end, call.size,
	                       queries + own * STRIDE, means, total);
}

template <int WIDTH>
static enum status forward(struct device *device, const struct attention_call *call, void *out, float *log_sum)
{
	typedef forward_sizes<WIDTH> sizes;
	struct attention_order order =
		attention_order_of(call, call->query_count, sizes::QUERIES, sizeof(bfloat16), true);
	return attention_launch(device, "attention_forward", attention_forward<WIDTH>, attention_blocks(call, &order),
	                        TENSOR_THREADS, sizes::SHARED, *call, order, (bfloat16 *)out, log_sum);
}

enum status attention_tensor_forward(struct device *device, const struct attention_call *call, void *out,
                                     float *log_sum)
{
	return call->size <= 32    ? forward<32>(device, call, out, log_sum)
	       : call->size <= 64  ? forward<64>(device, call, out, log_sum)
	       : call->size <= 112 ? forward<112>(device, call, out, log_sum)
	                           : forward<128>(device, call, out, log_sum);
}
