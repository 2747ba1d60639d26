/* Own matrix product for builds without oneDNN and CBLAS: float32, one thread, register blocks over a packed panel.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/gemm_library.h"
#include "kernels/cpu/tile.h"

enum { PANEL_DEPTH = 256, PANEL_COLUMNS = 64 };

_Static_assert((int)GEMM_PLAIN_SCRATCH >= PANEL_DEPTH * PANEL_COLUMNS + BLOCK_ROWS * PANEL_COLUMNS,
               "scratch too small");

/* panel[k, PANEL_COLUMNS] = rows k of b at the columns of the panel; columns beyond n are 0. */
static void pack(float *panel, const struct product *p, const float *b, int64_t depth, int64_t columns)
{
	for (int64_t k = 0; k < depth; k++)
		for (int64_t j = 0; j < PANEL_COLUMNS; j++)
			panel[k * PANEL_COLUMNS + j] = j >= columns      ? 0.0f
			                               : p->b_transposed ? b[j * p->b_stride + k]
			                                                 : b[k * p->b_stride + j];
}

static void store(float *c, int64_t stride, const float *block, int64_t rows, int64_t columns, bool add)
{
	for (int64_t r = 0; r < rows; r++)
		for (int64_t j = 0; j < columns; j++)
			c[r * stride + j] = block[r * PANEL_COLUMNS + j] + (add ? c[r * stride + j] : 0.0f);
}

/* A last block of fewer than BLOCK_ROWS rows: plain sums, the same order. */
static void multiply_rest(float *block, struct tile_left left, const float *panel, int64_t depth, int64_t rows)
{
	for (int64_t r = 0; r < rows; r++)
		for (int64_t j = 0; j < PANEL_COLUMNS; j += LANES) {
			vector sum = vector_set(0.0f);
			for (int64_t k = 0; k < depth; k++)
				sum = vector_multiply_add(
					vector_set(left.first[r * left.row_step + k * left.depth_step]),
					vector_load(panel + k * PANEL_COLUMNS + j), sum);
			vector_store(block + r * PANEL_COLUMNS + j, sum);
		}
}

static void multiply_panel(const struct product *p, const float *a, const float *panel, int64_t depth, float *c,
                           int64_t columns, bool add, float *block)
{
	struct tile_left left = { a, p->a_transposed ? 1 : p->a_stride, p->a_transposed ? p->a_stride : 1 };
	for (int64_t row = 0; row < p->m; row += BLOCK_ROWS, left.first += BLOCK_ROWS * left.row_step) {
		int64_t rows = smaller(BLOCK_ROWS, p->m - row);
		if (rows == BLOCK_ROWS)
			block_multiply(round_up(columns, LANES), left, panel, PANEL_COLUMNS, depth, block,
			               PANEL_COLUMNS, false);
		else
			multiply_rest(block, left, panel, depth, rows);
		store(c + row * p->c_stride, p->c_stride, block, rows, columns, add);
	}
}

void LEVEL(gemm_plain)(const struct product *product, const float *a, const float *b, float *c, float *scratch)
{
	const struct product *p = product;
	float *block = scratch + PANEL_DEPTH * PANEL_COLUMNS;
	for (int64_t column = 0; column < p->n; column += PANEL_COLUMNS)
		for (int64_t k = 0; k < p->k; k += PANEL_DEPTH) {
			int64_t depth = smaller(PANEL_DEPTH, p->k - k), columns = smaller(PANEL_COLUMNS, p->n - column);
			pack(scratch, p, b + (p->b_transposed ? column * p->b_stride + k : k * p->b_stride + column),
			     depth, columns);
			multiply_panel(p, a + (p->a_transposed ? k * p->a_stride : k), scratch, depth, c + column,
			               columns, p->accumulate || k > 0, block);
		}
}
