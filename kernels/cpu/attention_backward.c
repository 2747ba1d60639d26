/* Causal attention, backward: the shares are computed again from log_sum, tile by tile.
 *
 * With p the shares, dp = dout v^T and e = sum dout * out of a query: ds = p (dp - e), dq = scale ds k,
 * dk = scale ds^T q, dv = p^T dout.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/attention.h"

struct backward {
	struct attention call;
	void *dq, *dkv;
	const void *dout, *out;
	const float *log_sum;
};

/* Scratch of a thread, in floats. */
struct backward_memory {
	float *keys, *values, *dkeys, *dvalues; /* [padded, stride] */
	float *queries, *queries_transposed;    /* [QUERIES, stride], [stride, QUERIES] */
	float *douts, *douts_transposed, *dqueries;
	float *shares, *dscores; /* [TILE_KEYS, QUERIES] */
	float log_sum[QUERIES];  /* base 2; infinite for lanes beyond the last query: no share */
	float expected[QUERIES]; /* sum of dout * out */
};

static size_t backward_floats(const struct attention *shape)
{
	return (size_t)((4 * shape->padded + 5 * QUERIES) * shape->stride + 2 * TILE_KEYS * QUERIES);
}

static struct backward_memory backward_memory_at(const struct attention *shape, float *scratch)
{
	struct backward_memory memory;
	int64_t head = shape->padded * shape->stride, block = QUERIES * shape->stride;
	memory.keys = scratch;
	memory.values = memory.keys + head;
	memory.dkeys = memory.values + head;
	memory.dvalues = memory.dkeys + head;
	memory.queries = memory.dvalues + head;
	memory.queries_transposed = memory.queries + block;
	memory.douts = memory.queries_transposed + block;
	memory.douts_transposed = memory.douts + block;
	memory.dqueries = memory.douts_transposed + block;
	memory.shares = memory.dqueries + block;
	memory.dscores = memory.shares + TILE_KEYS * QUERIES;
	return memory;
}

/* Scores and dp of one lane group become shares and ds. */
static void differentiate(const struct query_block *block, struct backward_memory *memory, int group, int64_t begin,
                          int64_t end)
{
	vector_int first = vector_int_load(block->first + group * LANES);
	vector_int last = vector_int_load(block->position + group * LANES);
	vector shift = vector_load(memory->log_sum + group * LANES);
	vector expected = vector_load(memory->expected + group * LANES), zero = vector_set(0.0f);
	for (int64_t key = begin; key < end; key++) {
		int64_t at = (key - begin) * QUERIES + group * LANES;
		vector share = vector_exp2(vector_load(memory->shares + at) - shift);
		if (key < block->unmasked || key > block->position[0])
			share = vector_keep(share, first, vector_int_set((int32_t)key), last, zero);
		vector_store(memory->shares + at, share);
		vector_store(memory->dscores + at, share * (vector_load(memory->dscores + at) - expected));
	}
}

/* sums[key, stride] += over the queries that see the key: shares[key - begin, query] * rows[query]. */
static void add_to_keys(const struct attention *shape, const struct query_block *block, float *sums,
                        const float *shares, const float *rows, int64_t begin, int64_t end)
{
	int64_t query = 0;
	for (int64_t key = begin; key < end; key += BLOCK_ROWS) {
		while (block->position[query] < key)
			query++;
		struct tile_left left = { shares + (key - begin) * QUERIES + query, QUERIES, 1 };
		block_multiply(shape->stride, left, rows + query * shape->stride, shape->stride, QUERIES - query,
		               sums + key * shape->stride, shape->stride, true);
	}
}

static void backward_tile(const struct attention *shape, const struct query_block *block,
                          struct backward_memory *memory, int64_t begin, int64_t end)
{
	multiply_keys(shape, block, memory->shares, memory->keys, memory->queries_transposed, begin, end);
	multiply_keys(shape, block, memory->dscores, memory->values, memory->douts_transposed, begin, end);
	for (int group = 0; group < GROUPS; group++)
		differentiate(block, memory, group, begin, group_end(block, end, group));
	add_to_keys(shape, block, memory->dvalues, memory->shares, memory->douts, begin, end);
	add_to_keys(shape, block, memory->dkeys, memory->dscores, memory->queries, begin, end);
	add_to_queries(shape, block, memory->dqueries, memory->dscores, memory->keys, begin, end, begin > block->begin);
}

/* Sum of dout * out of each query; `outs` is room for the packed outputs. */
static void expect(const struct attention *shape, struct backward_memory *memory, const float *outs)
{
	for (int query = 0; query < QUERIES; query++) {
		vector sum = vector_set(0.0f);
		for (int64_t i = 0; i < shape->stride; i += LANES)
			sum = vector_multiply_add(vector_load(memory->douts + query * shape->stride + i),
			                          vector_load(outs + query * shape->stride + i), sum);
		memory->expected[query] = vector_sum(sum);
	}
}

INLINE void backward_block(const struct backward *b, struct backward_memory *memory, const struct query_block *block,
                           int64_t head, bool half)
{
	const struct attention *call = &b->call;
	const struct attention_shape *shape = &call->shape;
	int64_t row = (int64_t)shape->heads * shape->head_size, count = block->count;
	int64_t input = query_offset(call, block->query0, head);
	int64_t output = block->query0 * row + head * shape->head_size;
	const float *log_sum = b->log_sum + head * shape->query_count + block->query0;

	pack_rows(call, memory->dqueries, b->out, output, row, count, QUERIES, half);
	pack_rows(call, memory->douts, b->dout, output, row, count, QUERIES, half);
	expect(call, memory, memory->dqueries);
	pack_rows(call, memory->queries, call->q, input, shape->query_step, count, QUERIES, half);
	transpose_rows(call, memory->queries_transposed, memory->queries, shape->scale * LOG2_E);
	transpose_rows(call, memory->douts_transposed, memory->douts, 1.0f);
	for (int64_t query = 0; query < QUERIES; query++)
		memory->log_sum[query] = query < count ? log_sum[query] * LOG2_E : INFINITY;

	for (int64_t tile = block->begin / TILE_KEYS * TILE_KEYS; tile < block->end; tile += TILE_KEYS)
		backward_tile(call, block, memory, larger(tile, block->begin), smaller(tile + TILE_KEYS, block->end));
	unpack_rows(call, b->dq, input, shape->query_step, memory->dqueries, count, &shape->scale, 0, half);
}

INLINE void backward_head(const struct backward *b, int64_t item, int thread, bool half)
{
	const struct attention *call = &b->call;
	const struct attention_shape *shape = &call->shape;
	int64_t sequence = item / shape->heads, head = item % shape->heads, step = shape->key_step;
	int64_t key = key_offset(call, sequence, head), value = value_offset(call, sequence, head);
	int64_t last = queries_before(call, sequence + 1);
	struct backward_memory memory = backward_memory_at(call, call->device->scratch[thread]);
	pack_rows(call, memory.keys, call->kv, key, step, shape->length, call->padded, half);
	pack_rows(call, memory.values, call->kv, value, step, shape->length, call->padded, half);
	memset(memory.dkeys, 0, (size_t)(2 * call->padded * call->stride) * sizeof(float)); /* dvalues too */
	for (int64_t query = queries_before(call, sequence); query < last; query += QUERIES) {
		struct query_block block = query_block_at(call, sequence, query, last);
		backward_block(b, &memory, &block, head, half);
	}
	const float one = 1.0f;
	unpack_rows(call, b->dkv, key, step, memory.dkeys, shape->length, &shape->scale, 0, half);
	unpack_rows(call, b->dkv, value, step, memory.dvalues, shape->length, &one, 0, half);
}

static void backward_float32(void *context, int64_t item, int thread)
{
	backward_head(context, item, thread, false);
}

static void backward_bfloat16(void *context, int64_t item, int thread)
{
	backward_head(context, item, thread, true);
}

enum status LEVEL(attention_backward)(struct device *device, void *dq, void *dkv, const void *dout, const void *out,
                                      const float *log_sum, const void *q, const void *kv,
                                      const struct attention_shape *shape)
{
	struct backward b = { attention_call(device, q, kv, shape), dq, dkv, dout, out, log_sum };
	STATUS_TRY(cpu_scratch_reserve(device, backward_floats(&b.call) * sizeof(float)));
	cpu_parallel(device, shape->sequences * shape->heads, cpu_half(device) ? backward_bfloat16 : backward_float32,
	             &b);
	return STATUS_OK;
}
