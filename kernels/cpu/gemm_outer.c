/* The gradient of a weight as sums of outer products, without a copy of the factors: gradient[out, in] += dy^T x.
 *
 * A library packs both factors first, which for few columns costs a good part of the product itself. Here eight columns of
 * dy are read where they are, as single numbers beside each other, and rows of x as vectors. An item is a block of
 * columns of dy; its sums are taken in pieces of PIECE rows, for which a strip of x stays in the first-level cache and
 * the block of dy and of the gradient in the second.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/gemm_library.h"
#include "kernels/cpu/tile.h"

enum { ITEM_COLUMNS = 512, PIECE = 128, LEAST_COLUMNS = 2048 };

struct outer {
	struct device *device;
	float *gradient;
	const void *dy, *x;
	int64_t rows, in, out;
};

bool LEVEL(gemm_outer_fits)(const struct device *device, int64_t in, int64_t out)
{
	bool floats = !cpu_half(device) || device->bfloat16_products == BFLOAT16_WIDENED;
	return LANES == 16 && floats && out >= LEAST_COLUMNS && out % BLOCK_ROWS == 0 && in % LANES == 0;
}

enum { STRIP = TILE_VECTORS * LANES };

/* gradient[BLOCK_ROWS, vectors] += the sum over depth; x: rows of STRIP. */
INLINE void block(int vectors, float *gradient, int64_t step, const float *dy, int64_t dy_step, const float *x,
                  int64_t depth)
{
	for (int r = 0; r < BLOCK_ROWS; r++)
		for (int v = 0; v < vectors; v++)
			__builtin_prefetch(gradient + r * step + v * LANES, 1);
	for (int row = 0; row < BLOCK_ROWS; row += TILE_ROWS) {
		struct tile_left left = { dy + row, 1, dy_step };
		tile_multiply(vectors, left, x, STRIP, depth, gradient + row * step, step, true);
	}
}

/* A strip of columns of the gradient, for all columns of dy of the item. */
static void strip(int64_t vectors, float *gradient, int64_t step, const float *dy, int64_t dy_step, const float *x,
                  int64_t depth, int64_t outs)
{
	for (int64_t o = 0; o < outs; o += BLOCK_ROWS, gradient += BLOCK_ROWS * step, dy += BLOCK_ROWS) {
		if (vectors == 1)
			block(1, gradient, step, dy, dy_step, x, depth);
		else if (vectors == 2)
			block(2, gradient, step, dy, dy_step, x, depth);
		else
			block(TILE_VECTORS, gradient, step, dy, dy_step, x, depth);
	}
}

/* Rows of dy lie a page or more apart: the processor does not foresee them. */
static void fetch(const float *dy, int64_t step, int64_t depth, int64_t outs)
{
	for (int64_t k = 0; k < depth; k++)
		for (int64_t o = 0; o < outs; o += 16)
			__builtin_prefetch(dy + k * step + o, 0, 2);
}

/* [rows, columns] to floats, `target_step` apart. */
INLINE void pack(float *target, int64_t target_step, const void *source, int64_t first, int64_t step, int64_t rows,
                 int64_t columns, bool half)
{
	for (int64_t r = 0; r < rows; r++) {
		int64_t i = 0;
		for (; i + LANES <= columns; i += LANES)
			vector_store(target + r * target_step + i, element_load(source, first + r * step + i, half));
		if (i < columns)
			vector_store_part(target + r * target_step + i,
			                  element_load_part(source, first + r * step + i, columns - i, half),
			                  columns - i);
	}
}

INLINE void piece(const struct outer *outer, int64_t row, int64_t depth, int64_t column, int64_t outs, float *scratch,
                  bool half)
{
	const float *dy = (const float *)outer->dy + row * outer->out + column;
	float *x = scratch, *widened = scratch + PIECE * STRIP, *gradient = outer->gradient + column * outer->in;
	int64_t dy_step = outer->out;
	if (half) {
		pack(widened, outs, outer->dy, row * outer->out + column, outer->out, depth, outs, true);
		dy = widened;
		dy_step = outs;
	} else {
		fetch(dy, dy_step, depth, outs);
	}
	for (int64_t i = 0, columns; i < outer->in; i += columns) {
		int64_t rest = outer->in - i;
		columns = rest == 4 * LANES ? 2 * LANES : smaller(STRIP, rest); /* 2 + 2 are better than 3 + 1 */
		pack(x, STRIP, outer->x, row * outer->in + i, outer->in, depth, columns, half);
		strip(columns / LANES, gradient + i, outer->in, dy, dy_step, x, depth, outs);
	}
}

INLINE void item(const struct outer *outer, int64_t number, int thread, bool half)
{
	int64_t column = number * ITEM_COLUMNS, outs = smaller(ITEM_COLUMNS, outer->out - column);
	/* Equal pieces: a last one of few rows would read the gradient for little. */
	int64_t pieces = (outer->rows + PIECE - 1) / PIECE, longest = (outer->rows + pieces - 1) / pieces;
	for (int64_t row = 0; row < outer->rows; row += longest)
		piece(outer, row, smaller(longest, outer->rows - row), column, outs, outer->device->scratch[thread],
		      half);
}

static void item_float32(void *context, int64_t number, int thread)
{
	item(context, number, thread, false);
}

static void item_bfloat16(void *context, int64_t number, int thread)
{
	item(context, number, thread, true);
}

enum status LEVEL(gemm_outer)(struct device *device, float *gradient, const void *dy, const void *x, int64_t rows,
                              int64_t in, int64_t out)
{
	struct outer outer = { device, gradient, dy, x, rows, in, out };
	if (rows == 0)
		return STATUS_OK;
	STATUS_TRY(cpu_scratch_reserve(device, PIECE * (STRIP + ITEM_COLUMNS) * sizeof(float)));
	cpu_parallel(device, (out + ITEM_COLUMNS - 1) / ITEM_COLUMNS, cpu_half(device) ? item_bfloat16 : item_float32,
	             &outer);
	return STATUS_OK;
}
