/* What the two passes of attention share: heads as packed float rows, blocks of queries as lanes.
 *
 * Scores are held transposed: row j of a tile is a key, its QUERIES lanes are a block of queries. So the softmax runs
 * over lanes without adding across them, and every product has its vectors along memory. A block of queries walks over
 * the keys it can see in tiles of TILE_KEYS keys (on a grid from position 0, so that results do not depend on where a
 * document begins); no tile that is wholly invisible is computed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CPU_ATTENTION_H
#define CAPSHAPE_KERNELS_CPU_ATTENTION_H

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/tile.h"

enum { QUERIES = 32, GROUPS = QUERIES / LANES, TILE_KEYS = 128, AHEAD = 12 };

#define LOG2_E 1.4426950408889634f
#define LN_2   0.69314718055994531f

struct attention {
	const void *qkv;
	const int32_t *starts;
	int64_t sequences, length, heads, head_size;
	int64_t stride; /* floats of a packed row: head_size rounded up to LANES */
	int64_t padded; /* rows of a packed head: length rounded up to QUERIES */
	float scale;
	struct device *device;
};

/* A block of queries of one head: query0 .. query0 + QUERIES - 1, and the keys begin .. end - 1 that some of them
 * see. */
struct query_block {
	int64_t query0, begin, end;
	int64_t unmasked;       /* keys unmasked .. query0 are visible to every query of the block */
	int32_t first[QUERIES]; /* first visible key of each query */
	int32_t query[QUERIES]; /* its own position, the last key it sees */
};

INLINE struct attention attention_shape(struct device *device, const void *qkv, const int32_t *starts,
                                        int64_t sequences, int64_t length, int heads, int head_size, float scale)
{
	return (struct attention){ qkv,
		                   starts,
		                   sequences,
		                   length,
		                   heads,
		                   head_size,
		                   round_up(head_size, LANES),
		                   round_up(length, QUERIES),
		                   scale,
		                   device };
}

INLINE struct query_block query_block_at(const struct attention *attention, int64_t sequence, int64_t query0)
{
	struct query_block block;
	block.query0 = query0;
	block.end = query0 + QUERIES;
	for (int i = 0; i < QUERIES; i++) {
		block.query[i] = (int32_t)query0 + i;
		block.first[i] = 0;
	}
	if (attention->starts != NULL) {
		const int32_t *starts = attention->starts + sequence * attention->length;
		/* Lanes beyond the last position repeat it; their results are thrown away. */
		for (int i = 0; i < QUERIES; i++)
			block.first[i] = starts[smaller(query0 + i, attention->length - 1)];
	}
	block.begin = block.first[0] / BLOCK_ROWS * BLOCK_ROWS;
	block.unmasked = block.first[QUERIES - 1];
	return block;
}

/* Element where head `head` of position 0 begins; part 0: q, 1: k, 2: v. The next position is 3 H K further. */
INLINE int64_t packed_offset(const struct attention *attention, int64_t sequence, int64_t head, int part)
{
	return ((sequence * attention->length * 3 + part) * attention->heads + head) * attention->head_size;
}

/* rows of head_size elements, `step` elements apart, to packed float rows; the padding becomes 0. */
INLINE void pack_rows(const struct attention *attention, float *target, const void *source, int64_t offset,
                      int64_t step, int64_t rows, int64_t padded_rows, bool half)
{
	int64_t size = attention->head_size, full = size / LANES * LANES, stride = attention->stride;
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
	int64_t size = attention->head_size, full = size / LANES * LANES, stride = attention->stride;
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

/* First lane of a row of keys (key .. key + BLOCK_ROWS - 1) that sees any of them, down to whole vectors. */
INLINE int64_t first_lane(const struct query_block *block, int64_t key)
{
	return key > block->query0 ? (key - block->query0) / LANES * LANES : 0;
}

/* End of the keys of a tile that lane group `group` turns into shares: none of its queries sees later ones, and no
 * product reads them, rows being read BLOCK_ROWS at a time. */
INLINE int64_t group_end(const struct query_block *block, int64_t end, int group)
{
	return smaller(end, block->query0 + round_up((group + 1) * LANES, BLOCK_ROWS));
}

/* products[key - begin, QUERIES] = rows of keys [begin, end) times the transposed block. */
INLINE void multiply_keys(const struct attention *attention, const struct query_block *block, float *products,
                          const float *rows, const float *transposed, int64_t begin, int64_t end)
{
	for (int64_t key = begin; key < end; key += BLOCK_ROWS) {
		int64_t lane = first_lane(block, key);
		struct tile_left left = { rows + key * attention->stride, attention->stride, 1 };
		block_multiply(QUERIES - lane, left, transposed + lane, QUERIES, attention->head_size,
		               products + (key - begin) * QUERIES + lane, QUERIES, false);
	}
}

/* sums[query, stride] (+)= over keys [begin, end): shares[key - begin, query] * rows[key]. */
INLINE void add_to_queries(const struct attention *attention, const struct query_block *block, float *sums,
                           const float *shares, const float *rows, int64_t begin, int64_t end, bool add)
{
	for (int64_t query = 0; query < QUERIES; query += BLOCK_ROWS) {
		int64_t stop = smaller(end, block->query0 + query + BLOCK_ROWS);
		if (stop <= begin)
			continue;
		struct tile_left left = { shares + query, 1, QUERIES };
		block_multiply(attention->stride, left, rows + begin * attention->stride, attention->stride,
		               stop - begin, sums + query * attention->stride, attention->stride, add);
	}
}

#endif
