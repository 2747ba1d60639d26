/* What the two passes of attention share: heads as packed float rows, blocks of queries as lanes.
 *
 * Scores are held transposed: row j of a tile is a key, its QUERIES lanes are a block of queries. So the softmax runs
 * over lanes without adding across them, and every product has its vectors along memory. A block of queries, which need
 * not be neighbours, walks over the keys it can see in tiles of TILE_KEYS keys (on a grid from position 0, so that results do not depend on where a
 * document begins); keys before and after those that the block's queries see are not computed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CPU_ATTENTION_H
#define CAPSHAPE_KERNELS_CPU_ATTENTION_H

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/tile.h"

enum { QUERIES = 32, GROUPS = QUERIES / LANES, TILE_KEYS = 128, AHEAD = 12 };

#define LOG2_E 1.4426950408889634f
#define LN_2   0.69314718055994531f

/* A call of either pass. */
struct attention {
	struct attention_shape shape;
	const void *q, *kv;
	int64_t stride; /* floats of a packed row: head_size rounded up to LANES */
	int64_t padded; /* rows of a packed head: length rounded up to QUERIES */
	struct device *device;
};

/* Up to QUERIES queries of one head, ascending, and the keys begin .. end - 1 that some of them see. Lanes beyond the
 * last query repeat it; their results are thrown away. */
struct query_block {
	int64_t query0, count;     /* the first query, and how many there are */
	int64_t begin, end;        /* whole blocks of BLOCK_ROWS */
	int64_t unmasked;          /* keys unmasked .. position[0] are visible to every query of the block */
	int32_t first[QUERIES];    /* first visible key of each query */
	int32_t position[QUERIES]; /* its own position, the last key it sees */
};

INLINE struct attention attention_call(struct device *device, const void *q, const void *kv,
                                       const struct attention_shape *shape)
{
	return (struct attention){ *shape, q, kv, round_up(shape->head_size, LANES), round_up(shape->length, QUERIES),
		                   device };
}

/* Queries that belong to sequences before `sequence`. */
INLINE int64_t queries_before(const struct attention *attention, int64_t sequence)
{
	int64_t row = sequence * attention->shape.length, low = 0, high = attention->shape.query_count;
	if (attention->shape.queries == NULL)
		return row;
	while (low < high) {
		int64_t middle = (low + high) / 2;
		if (attention->shape.queries[middle] < row)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* `last`: end of the queries of the sequence. */
INLINE struct query_block query_block_at(const struct attention *attention, int64_t sequence, int64_t query0,
                                         int64_t last)
{
	const struct attention_shape *shape = &attention->shape;
	struct query_block block = { .query0 = query0, .count = smaller(QUERIES, last - query0) };
	for (int i = 0; i < QUERIES; i++) {
		int64_t query = query0 + smaller(i, block.count - 1);
		int64_t row = shape->queries != NULL ? shape->queries[query] : query;
		block.position[i] = (int32_t)(row - sequence * shape->length);
		block.first[i] = shape->starts != NULL ? shape->starts[row] : 0;
	}
	block.begin = block.first[0] / BLOCK_ROWS * BLOCK_ROWS;
	block.end = round_up(block.position[QUERIES - 1] + 1, BLOCK_ROWS);
	block.unmasked = block.first[QUERIES - 1];
	return block;
}

/* Element where head `head` of query or row `number` begins. */
INLINE int64_t query_offset(const struct attention *attention, int64_t number, int64_t head)
{
	return number * attention->shape.query_step + head * attention->shape.head_size;
}

INLINE int64_t key_offset(const struct attention *attention, int64_t sequence, int64_t head)
{
	return sequence * attention->shape.length * attention->shape.key_step + head * attention->shape.head_size;
}

INLINE int64_t value_offset(const struct attention *attention, int64_t sequence, int64_t head)
{
	return key_offset(attention, sequence, attention->shape.heads + head);
}

/* rows of head_size elements, `step` elements apart, to packed float rows; the padding becomes 0. */
INLINE void pack_rows(const struct attention *attention, float *target, const void *source, int64_t offset,
                      int64_t step, int64_t rows, int64_t padded_rows, bool half)
{
	int64_t size = attention->shape.head_size, full = size / LANES * LANES, stride = attention->stride;
	for (int64_t r = 0; r < rows; r++) {
		/* Rows lie too far apart for the processor to foresee them. */
		const char *ahead = (const char *)source + (offset + (r + AHEAD) * step) * (half ? 2 : 4);
		for (int64_t byte = 0; byte < size * (half ? 2 : 4); byte += 64)
			__builtin_prefetch(ahead + byte);
		for (int64_t i = 0; i < full; i += LANES)
			vector_store(target + r * stride + i, element_load(source, offset + r * step + i, half));
		if (full < size)
			vector_store(target + r * stride + full,
			             element_load_part(source, offset + r * step + full, size - full, half));
	}
	if (rows < padded_rows)
		memset(target + rows * stride, 0, (size_t)((padded_rows - rows) * stride) * sizeof *target);
}

/* The way back, each element times factors[row] (one factor for all rows where factor_step is 0). */
INLINE void unpack_rows(const struct attention *attention, void *target, int64_t offset, int64_t step,
                        const float *source, int64_t rows, const float *factors, int64_t factor_step, bool half)
{
	int64_t size = attention->shape.head_size, full = size / LANES * LANES, stride = attention->stride;
	for (int64_t r = 0; r < rows; r++) {
		vector factor = vector_set(factors[r * factor_step]);
		for (int64_t i = 0; i < full; i += LANES)
			element_store(target, offset + r * step + i, vector_load(source + r * stride + i) * factor,
			              half);
		if (full < size)
			element_store_part(target, offset + r * step + full,
			                   vector_load(source + r * stride + full) * factor, size - full, half);
	}
}

/* target[i, QUERIES] = factor * column i of the block's packed rows. */
INLINE void transpose_rows(const struct attention *attention, float *target, const float *rows, float factor)
{
	vector scale = vector_set(factor);
	for (int64_t i = 0; i < attention->stride; i += LANES)
		for (int64_t r = 0; r < QUERIES; r += LANES) {
			vector square[LANES];
			UNROLL
			for (int lane = 0; lane < LANES; lane++)
				square[lane] = vector_load(rows + (r + lane) * attention->stride + i) * scale;
			vector_transpose(square);
			UNROLL
			for (int lane = 0; lane < LANES; lane++)
				vector_store(target + (i + lane) * QUERIES + r, square[lane]);
		}
}

/* Lanes that are used or left together: whole vectors and whole blocks of rows. */
enum { LANE_UNIT = (int)LANES > (int)BLOCK_ROWS ? (int)LANES : (int)BLOCK_ROWS };

/* First lane of a block of keys (key .. key + BLOCK_ROWS - 1) that sees any of them, down to whole units. */
INLINE int64_t first_lane(const struct query_block *block, int64_t key)
{
	int64_t lane = 0;
	while (lane + LANE_UNIT < QUERIES && block->position[lane + LANE_UNIT - 1] < key)
		lane += LANE_UNIT;
	return lane;
}

/* End of the keys of a tile that lane group `group` turns into shares: no query of its unit sees later ones, and no
 * product reads them, keys being read BLOCK_ROWS at a time. */
INLINE int64_t group_end(const struct query_block *block, int64_t end, int group)
{
	int64_t last = round_up((group + 1) * LANES, LANE_UNIT) - 1;
	return smaller(end, round_up(block->position[last] + 1, BLOCK_ROWS));
}

/* products[key - begin, QUERIES] = rows of keys [begin, end) times the transposed block. */
INLINE void multiply_keys(const struct attention *attention, const struct query_block *block, float *products,
                          const float *rows, const float *transposed, int64_t begin, int64_t end)
{
	for (int64_t key = begin; key < end; key += BLOCK_ROWS) {
		int64_t lane = first_lane(block, key);
		struct tile_left left = { rows + key * attention->stride, attention->stride, 1 };
		block_multiply(QUERIES - lane, left, transposed + lane, QUERIES, attention->shape.head_size,
		               products + (key - begin) * QUERIES + lane, QUERIES, false);
	}
}

/* sums[query, stride] (+)= over keys [begin, end): shares[key - begin, query] * rows[key]. */
INLINE void add_to_queries(const struct attention *attention, const struct query_block *block, float *sums,
                           const float *shares, const float *rows, int64_t begin, int64_t end, bool add)
{
	for (int64_t query = 0; query < QUERIES; query += BLOCK_ROWS) {
		int64_t stop = smaller(end, block->position[query + BLOCK_ROWS - 1] + 1);
		if (stop <= begin)
			continue;
		struct tile_left left = { shares + query, 1, QUERIES };
		block_multiply(attention->stride, left, rows + begin * attention->stride, attention->stride,
		               stop - begin, sums + query * attention->stride, attention->stride, add);
	}
}

#endif
