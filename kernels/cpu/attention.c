/* Causal attention, forward: softmax carried along over tiles of keys.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/attention.h"

struct forward {
	struct attention shape;
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

/* Sets scores of invisible keys to -infinity; keys between unmasked and query0 are visible to all. */
static void mask_scores(const struct query_block *block, float *scores, int group, int64_t begin, int64_t end)
{
	vector_int first = vector_int_load(block->first + group * LANES);
	vector_int last = vector_int_load(block->query + group * LANES);
	vector hidden = vector_set(-INFINITY);
	for (int64_t key = begin; key < end; key++) {
		if (key >= block->unmasked && key <= block->query0)
			key = block->query0 + 1;
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

INLINE void forward_block(const struct forward *f, struct forward_memory *memory, int64_t sequence, int64_t head,
                          int64_t query0, bool half)
{
	const struct attention *shape = &f->shape;
	int64_t step = 3 * shape->heads * shape->head_size, count = smaller(QUERIES, shape->length - query0);
	struct query_block block = query_block_at(shape, sequence, query0);
	pack_rows(shape, memory->queries, shape->qkv, packed_offset(shape, sequence, head, 0) + query0 * step, step,
	          count, QUERIES, half);
	transpose_rows(shape, memory->transposed, memory->queries, shape->scale * LOG2_E);
	for (int query = 0; query < QUERIES; query++) {
		memory->largest[query] = -1e30f; /* finite: a tile may hide all its keys from a query */
		memory->sums[query] = 0.0f;
	}
	for (int64_t tile = block.begin / TILE_KEYS * TILE_KEYS; tile < block.end; tile += TILE_KEYS)
		forward_tile(shape, &block, memory, larger(tile, block.begin), smaller(tile + TILE_KEYS, block.end));

	float *log_sum = f->log_sum + (sequence * shape->heads + head) * shape->length + query0;
	float inverse[QUERIES];
	for (int64_t query = 0; query < count; query++) {
		inverse[query] = 1.0f / memory->sums[query];
		log_sum[query] = LN_2 * (memory->largest[query] + log2f(memory->sums[query]));
	}
	int64_t row = shape->heads * shape->head_size;
	unpack_rows(shape, f->out, (sequence * shape->length + query0) * row + head * shape->head_size, row,
	            memory->means, count, inverse, 1, half);
}

INLINE void forward_head(const struct forward *f, int64_t item, int thread, bool half)
{
	const struct attention *shape = &f->shape;
	int64_t sequence = item / shape->heads, head = item % shape->heads, step = 3 * shape->heads * shape->head_size;
	struct forward_memory memory = forward_memory_at(shape, shape->device->scratch[thread]);
	pack_rows(shape, memory.keys, shape->qkv, packed_offset(shape, sequence, head, 1), step, shape->length,
	          shape->padded, half);
	pack_rows(shape, memory.values, shape->qkv, packed_offset(shape, sequence, head, 2), step, shape->length,
	          shape->padded, half);
	for (int64_t query0 = 0; query0 < shape->length; query0 += QUERIES)
		forward_block(f, &memory, sequence, head, query0, half);
}

static void forward_float32(void *context, int64_t item, int thread)
{
	forward_head(context, item, thread, false);
}

static void forward_bfloat16(void *context, int64_t item, int thread)
{
	forward_head(context, item, thread, true);
}

enum status LEVEL(attention_forward)(struct device *device, void *out, float *log_sum, const void *qkv,
                                     const int32_t *starts, int64_t sequences, int64_t length, int heads, int head_size,
                                     float scale)
{
	struct forward f = { attention_shape(device, qkv, starts, sequences, length, heads, head_size, scale), out,
		             log_sum };
	STATUS_TRY(cpu_scratch_reserve(device, forward_floats(&f.shape) * sizeof(float)));
	cpu_parallel(device, sequences * heads, cpu_half(device) ? forward_bfloat16 : forward_float32, &f);
	return STATUS_OK;
}
