/* What the own attention kernels share: a call, which keys a query sees, and which block computes what.
 *
 * All of a micro-batch is one list of rows. Query row r sees the rows first_row(r) .. r, and neither end ever decreases
 * with r, across sequences as within them: so a tile of queries sees one range of keys, a tile of keys is seen by one
 * range of queries, and the borders of sequences and documents need no case of their own. Tiles lie on a grid over all
 * rows (or listed queries).
 *
 * Keys that a query does not see get the share 0 and leave its sums as they are, so its results do not depend on which
 * queries stand with it in a tile.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_ATTENTION_H
#define CAPSHAPE_KERNELS_CUDA_ATTENTION_H

#include "kernels/cuda/launch.h"

#define LOG2_E 1.4426950408889634f
#define LN_2   0.69314718055994531f

struct attention_call {
	const void *q, *kv;
	const int32_t *starts, *queries; /* or NULL, as in struct attention_shape */
	int rows, length, sequences, heads, size, query_count;
	int64_t query_step, key_step;
	float scale, factor; /* factor: scale log2(e), scores as powers of two */
	bool aligned;        /* every head of every tensor of the call begins at a multiple of 16 bytes */
};

/* Of the backward pass; expected[H, Q] = sum of dout * out over a head. */
struct attention_gradients {
	void *dq, *dkv;
	const void *dout;
	const float *log_sum, *expected;
};

/* Which tile and head a block computes. A group of `together` heads of sequences, whose keys and values fit into the
 * cache, is done before the next; in a group the tiles with the most work come first. */
struct attention_order {
	int tiles;      /* in the grid over all rows or queries */
	int tiles_each; /* of a sequence, rounded up */
	int together;
	bool last_first;
};

struct attention_place {
	int tile, head;
	bool exists;
};

static inline struct attention_order attention_order_of(const struct attention_call *call, int count, int tile_rows,
                                                        size_t element_bytes, bool last_first)
{
	const size_t cached = 16 << 20;
	size_t bytes = 2 * element_bytes * (size_t)call->length * (size_t)call->size;
	size_t together = bytes == 0 || cached / bytes == 0 ? 1 : cached / bytes;
	int pairs = call->sequences * call->heads, tiles = (int)(((int64_t)count + tile_rows - 1) / tile_rows);
	struct attention_order order = { tiles, 0, (int)(together < (size_t)pairs ? together : (size_t)pairs),
		                         last_first };
	order.tiles_each = call->sequences > 0 ? (tiles + call->sequences - 1) / call->sequences : 0;
	return order;
}

static inline unsigned attention_blocks(const struct attention_call *call, const struct attention_order *order)
{
	int pairs = call->sequences * call->heads;
	return pairs == 0 ? 0
	                  : (unsigned)((pairs + order->together - 1) / order->together * order->together *
	                               order->tiles_each);
}

__device__ __forceinline__ struct attention_place attention_place_here(const struct attention_call &call,
                                                                       const struct attention_order &order)
{
	int block = (int)blockIdx.x, group = order.tiles_each * order.together, rest = block % group;
	int pair = block / group * order.together + rest % order.together, at = rest / order.together;
	struct attention_place place;
	place.head = pair % call.heads;
	place.tile = pair / call.heads * order.tiles_each + (order.last_first ? order.tiles_each - 1 - at : at);
	place.exists = pair < call.sequences * call.heads && place.tile < order.tiles;
	return place;
}

/* The row of a query; -1 beyond the last. */
__device__ __forceinline__ int query_row(const struct attention_call &call, int query)
{
	return query >= call.query_count ? -1 : call.queries != NULL ? call.queries[query] : query;
}

/* The first row that a row sees; one beyond all where there is no such row. */
__device__ __forceinline__ int first_row(const struct attention_call &call, int row)
{
	return row < 0 ? call.rows : row / call.length * call.length + (call.starts != NULL ? call.starts[row] : 0);
}

/* Queries low .. high - 1 begin with some (none, all) before the border; returns the first that is not. A query is
 * before the border if its row is less than `row`, or where `by_first`, if the first row it sees is. By whole warps. */
__device__ __forceinline__ int query_search(const struct attention_call &call, int low, int high, int row,
                                            bool by_first)
{
	int lane = (int)threadIdx.x % WARP;
	while (low < high) {
		int step = (high - low + WARP - 1) / WARP, query = low + lane * step;
		bool before = query < high;
		if (before) {
			int own = query_row(call, query);
			before = (by_first ? first_row(call, own) : own) < row;
		}
		int found = __popc(__ballot_sync(FULL_WARP, before));
		high = found == 0 ? low : min(high, low + found * step);
		low = found == 0 ? low : low + (found - 1) * step + 1;
	}
	return low;
}

/* The queries that see any of the rows begin .. end - 1. */
__device__ __forceinline__ void query_range(const struct attention_call &call, int begin, int end, int *first,
                                            int *stop)
{
	int sequence_end = (int)min((int64_t)call.rows, ((int64_t)(end - 1) / call.length + 1) * call.length);
	if (call.queries == NULL) {
		*first = begin;
		*stop = sequence_end;
	} else {
		*first = query_search(call, 0, call.query_count, begin, false);
		*stop = query_search(call, *first, call.query_count, sequence_end, false);
	}
	if (call.starts != NULL)
		*stop = query_search(call, *first, *stop, end, true);
}

__device__ __forceinline__ float power_of_two(float x)
{
#ifdef CAPSHAPE_CUDA_EMULATION
	return emulator_power_of_two(x);
#else
	float y;
	asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
	return y;
#endif
}

/* A launch that may need more shared memory than a kernel gets unasked. */
template <typename... Parameters, typename... Arguments>
static inline enum status attention_launch(struct device *device, const char *name, void (*kernel)(Parameters...),
                                           unsigned blocks, int threads, size_t shared, Arguments... arguments)
{
	STATUS_TRY(cuda_check(
		device, cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared), name));
	return CUDA_LAUNCH(device, name, kernel, dim3(blocks), dim3((unsigned)threads), shared, arguments...);
}

/* attention_forward.cu, attention_backward.cu: float arithmetic, any even head size up to 256, both precisions. */
enum status attention_plain_forward(struct device *device, const struct attention_call *call, void *out,
                                    float *log_sum);
enum status attention_plain_backward(struct device *device, const struct attention_call *call,
                                     const struct attention_gradients *gradients);

/* attention_tensor_forward.cu, attention_tensor_backward.cu: tensor cores. */
static inline bool attention_tensor_takes(const struct device *device, const struct attention_call *call)
{
	return cuda_half(device) && call->aligned && call->size <= 128 && call->factor > 0.0f;
}

enum status attention_tensor_forward(struct device *device, const struct attention_call *call, void *out,
                                     float *log_sum);
enum status attention_tensor_backward(struct device *device, const struct attention_call *call,
                                      const struct attention_gradients *gradients);

#endif
