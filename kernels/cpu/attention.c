/* Causal attention, forward: softmax carried along over tiles of keys.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/attention.h"

struct forward {
	struct attention call;
	void *out;
	float *log_sum;
};

/* Scratch of a thread, in floats. */
struct forward_memory {
	float *keys, *values;        /* [padded, stride] */
	float *queries, *transposed; /* [QUERIES, stride], [stride, QUERIES] */
	float *shares;               /* [TILE_KEYS, QUERIES] */
	float *means;                /* [QUERIES, stride], not yet divided by the sums */
	float largest[QUERIES], sums[QUERIES], rescale[QUERIES];
};

static size_t forward_floats(const struct attention *shape)
{
	return (size_t)(2 * shape->padded * shape->stride + 3 * QUERIES * shape->stride + TILE_KEYS * QUERIES);
}

static struct forward_memory forward_memory_at(const struct attention *shape, float *scratch)
{
	struct forward_memory memory;
	memory.keys = scratch;
	memory.values = memory.keys + shape->padded * shape->stride;
	memory.queries = memory.values + shape->padded * shape->stride;
	memory.transposed = memory.queries + QUERIES * shape->stride;
	memory.means = memory.transposed + QUERIES * shape->stride;
	memory.shares = memory.means + QUERIES * shape->stride;
	return memory;
}

/* Sets scores of invisible keys to -infinity; keys from unmasked to the first position are visible to all. */
static void mask_scores(const struct query_block *block, float *scores, int group, int64_t begin, int64_t end)
{
	vector_int first = vector_int_load(block->first + group * LANES);
	vector_int last = vector_int_load(block->position + group * LANES);
	vector hidden = vector_set(-INFINITY);
	for (int64_t key = begin; key < end; key++) {
		if (key >= block->unmasked && key <= block->position[0])
			key = block->position[0] + 1;
		if (key >= end)
			break;
		float *score = scores + (key - begin) * QUERIES + group * LANES;
		vector_store(score, vector_keep(vector_load(score), first, vector_int_set((int32_t)key), last, hidden));
	}
}

/* Turns scores (base 2) of one lane group into powers relative to the new largest score. */
static void soften(struct forward_memory *memory, int group, int64_t count)
{
	float *column = memory->shares + group * LANES;
	vector before = vector_load(memory->largest + group * LANES), largest = before, second = before;
	int64_t key = 0;
	for (; key + 2 <= count; key += 2) {
		largest = vector_max(largest, vector_load(column + key * QUERIES));
		second = vector_max(second, vector_load(column + (key + 1) * QUERIES));
	}
	if (key < count)
		largest = vector_max(largest, vector_load(column + key * QUERIES));
	largest = vector_max(largest, second);
	vector sum = vector_set(0.0f);
	for (key = 0; key < count; key++) {
		vector share = vector_exp2(vector_load(column + key * QUERIES) - largest);
		vector_store(column + key * QUERIES, share);
		sum += share;
	}
	vector rescale = vector_exp2(before - largest);
	vector_store(memory->rescale + group * LANES, rescale);
	vector_store(memory->largest + group * LANES, largest);
	vector_store(memory->sums + group * LANES,
	             vector_multiply_add(vector_load(memory->sums + group * LANES), rescale, sum));
}

static void rescale_means(struct forward_memory *memory, int64_t stride)
{
	for (int query = 0; query < QUERIES; query++) {
		if (memory->rescale[query] == 1.0f)
			continue;
		vector factor = vector_set(memory->rescale[query]);
		for (int64_t i = 0; i < stride; i += LANES) {
			float *mean = memory->means + query * stride + i;
			vector_store(mean, vector_load(mean) * factor);
		}
	}
}

static void forward_tile(const struct attention *shape, const struct query_block *block, struct forward_memory *memory,
                         int64_t begin, int64_t end)
{
	multiply_keys(shape, block, memory->shares, memory->keys, memory->transposed, begin, end);
	for (int group = 0; group < GROUPS; group++) {
		int64_t stop = group_end(block, end, group);
		/* A group that sees nothing of this tile keeps its sums: no key, factor 1. */
		mask_scores(block, memory->shares, group, begin, stop);
		soften(memory, group, larger(0, stop - begin));
	}
	bool first = begin == block->begin;
	if (!first)
		rescale_means(memory, shape->stride);
	add_to_queries(shape, block, memory->means, memory->shares, memory->values, begin, end, !first);
}

INLINE void forward_block(const struct forward *f, struct forward_memory *memory, const struct query_block *block,
                          int64_t head, bool half)
{
	const struct attention *call = &f->call;
	pack_rows(call, memory->queries, call->q, query_offset(call, block->query0, head), call->shape.query_step,
	          block->count, QUERIES, half);
	transpose_rows(call, memory->transposed, memory->queries, call->shape.scale * LOG2_E);
	for (int query = 0; query < QUERIES; query++) {
		memory->largest[query] = -1e30f; /* finite: a tile may hide all its keys from a query */
		memory->sums[query] = 0.0f;
	}
	for (int64_t tile = block->begin / TILE_KEYS * TILE_KEYS; tile < block->end; tile += TILE_KEYS)
		forward_tile(call, block, memory, larger(tile, block->begin), smaller(tile + TILE_KEYS, block->end));

	float *log_sum = f->log_sum + head * call->shape.query_count + block->query0;
	float inverse[QUERIES];
	for (int64_t query = 0; query < block->count; query++) {
		inverse[query] = 1.0f / memory->sums[query];
		log_sum[query] = LN_2 * (memory->largest[query] + log2f(memory->sums[query]));
	}
	int64_t row = (int64_t)call->shape.heads * call->shape.head_size;
	unpack_rows(call, f->out, block->query0 * row + head * call->shape.head_size, row, memory->means, block->count,
	            inverse, 1, half);
}

INLINE void forward_head(const struct forward *f, int64_t item, int thread, bool half)
{
	const struct attention *call = &f->call;
	int64_t sequence = item / call->shape.heads, head = item % call->shape.heads, step = call->shape.key_step;
	int64_t query = queries_before(call, sequence), last = queries_before(call, sequence + 1);
	if (query == last)
		return;
	struct forward_memory memory = forward_memory_at(call, call->device->scratch[thread]);
	pack_rows(call, memory.keys, call->kv, key_offset(call, sequence, head), step, call->shape.length, call->padded,
	          half);
	pack_rows(call, memory.values, call->kv, value_offset(call, sequence, head), step, call->shape.length,
	          call->padded, half);
	for (; query < last; query += QUERIES) {
		struct query_block block = query_block_at(call, sequence, query, last);
		forward_block(f, &memory, &block, head, half);
	}
}

static void forward_float32(void *context, int64_t item, int thread)
{
	forward_head(context, item, thread, false);
}

static void forward_bfloat16(void *context, int64_t item, int thread)
{
	forward_head(context, item, thread, true);
}

enum status LEVEL(attention_forward)(struct device *device, void *out, float *log_sum, const void *q, const void *kv,
                                     const struct attention_shape *shape)
{
	struct forward f = { attention_call(device, q, kv, shape), out, log_sum };
	STATUS_TRY(cpu_scratch_reserve(device, forward_floats(&f.call) * sizeof(float)));
	cpu_parallel(device, shape->sequences * shape->heads, cpu_half(device) ? forward_bfloat16 : forward_float32,
	             &f);
	return STATUS_OK;
}
