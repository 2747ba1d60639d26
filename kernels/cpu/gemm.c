/* The three products of a linear layer, cut into items that threads share.
 *
 * An item is a block of rows times a block of columns of the result, of a size that follows from the shapes only, and
 * one thread computes it with the single-threaded library product: so the order of every sum, and with it every bit,
 * is the same for any number of threads.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdatomic.h>

#include "kernels/cpu/gemm_library.h"
#include "kernels/cpu/vector.h"

enum {
	/* Largest pieces of widened bfloat16 products: factors and result stay in the L2 cache. */
	WIDEN_ROWS = 256,
	WIDEN_COLUMNS = 512,
	WIDEN_DEPTH = 512,
	LONG_STRIDE = 2048,    /* elements between rows: see linear_backward_weight */
	LARGE_WEIGHT = 1 << 23 /* elements: from here on larger row blocks, so that the weight is read less often */
};

struct item_size {
	int64_t rows, columns, depth; /* depth: longest sum of one library product; 0: no limit */
};

struct layer_product {
	struct device *device;
	struct product whole; /* of the whole matrices */
	const char *a;
	const char *b;
	char *c;
	struct item_size size;
	int64_t row_items;
	atomic_bool failed;
};

static size_t element_size(enum element element)
{
	return element == ELEMENT_FLOAT32 ? sizeof(float) : sizeof(uint16_t);
}

static int64_t factor_offset(bool transposed, int64_t stride, int64_t row, int64_t column)
{
	return transposed ? column * stride + row : row * stride + column;
}

/* Copies a [rows, columns] corner as floats, stored densely. */
static void widen(float *target, const uint16_t *source, int64_t stride, int64_t rows, int64_t columns)
{
	for (int64_t r = 0; r < rows; r++) {
		int64_t i = 0;
		for (; i + LANES <= columns; i += LANES)
			vector_store(target + r * columns + i, element_load(source, r * stride + i, true));
		if (i < columns)
			vector_store_part(target + r * columns + i,
			                  element_load_part(source, r * stride + i, columns - i, true), columns - i);
	}
}

static void narrow(uint16_t *target, int64_t stride, const float *source, int64_t rows, int64_t columns, bool add)
{
	for (int64_t r = 0; r < rows; r++) {
		int64_t i = 0;
		for (; i + LANES <= columns; i += LANES) {
			vector x = vector_load(source + r * columns + i);
			if (add)
				x += element_load(target, r * stride + i, true);
			element_store(target, r * stride + i, x, true);
		}
		if (i < columns) {
			vector x = vector_load_part(source + r * columns + i, columns - i);
			if (add)
				x += element_load_part(target, r * stride + i, columns - i, true);
			element_store_part(target, r * stride + i, x, columns - i, true);
		}
	}
}

/* One library product; a, b, c point at the first element of the piece. */
static bool multiply(struct layer_product *l, int thread, const struct product *piece, const void *a, const void *b,
                     void *c)
{
#if defined HAVE_ONEDNN || defined HAVE_CBLAS
	return gemm_library_multiply(l->device->gemm, thread, piece, a, b, c);
#else
	LEVEL(gemm_plain)(piece, a, b, c, l->device->scratch[thread]);
	return true;
#endif
}

/* The piece [row, row + m) x [column, column + n) of the result over depth [begin, begin + k), in place. */
static bool multiply_in_place(struct layer_product *l, int thread, struct product piece, int64_t row, int64_t column,
                              int64_t begin)
{
	const struct product *whole = &l->whole;
	int64_t a = factor_offset(whole->a_transposed, whole->a_stride, row, begin);
	int64_t b = factor_offset(whole->b_transposed, whole->b_stride, begin, column);
	size_t width = element_size(whole->factors);
	char *c = l->c + (size_t)(row * whole->c_stride + column) * element_size(whole->result);
	piece.accumulate = whole->accumulate || begin > 0;
	return multiply(l, thread, &piece, l->a + (size_t)a * width, l->b + (size_t)b * width, c);
}

/* The same through float copies of the factors (and of the result, where that is bfloat16). */
static bool multiply_widened(struct layer_product *l, int thread, struct product piece, int64_t row, int64_t column,
                             int64_t begin)
{
	const struct product *whole = &l->whole;
	int64_t m = piece.m, n = piece.n, k = piece.k;
	/* The first part of the scratch memory belongs to multiply(). */
	float *a = (float *)l->device->scratch[thread] + GEMM_PLAIN_SCRATCH;
	float *b = a + WIDEN_ROWS * WIDEN_DEPTH, *c = b + WIDEN_COLUMNS * WIDEN_DEPTH;
	const uint16_t *a_source =
		(const uint16_t *)l->a + factor_offset(whole->a_transposed, whole->a_stride, row, begin);
	const uint16_t *b_source =
		(const uint16_t *)l->b + factor_offset(whole->b_transposed, whole->b_stride, begin, column);
	piece.factors = piece.result = ELEMENT_FLOAT32;
	piece.a_stride = whole->a_transposed ? m : k;
	piece.b_stride = whole->b_transposed ? k : n;
	widen(a, a_source, whole->a_stride, whole->a_transposed ? k : m, piece.a_stride);
	widen(b, b_source, whole->b_stride, whole->b_transposed ? n : k, piece.b_stride);
	if (whole->result == ELEMENT_FLOAT32) {
		piece.accumulate = whole->accumulate || begin > 0;
		return multiply(l, thread, &piece, a, b, (float *)l->c + row * whole->c_stride + column);
	}
	piece.c_stride = n;
	piece.accumulate = begin > 0;
	if (!multiply(l, thread, &piece, a, b, c))
		return false;
	if (begin + k == whole->k)
		narrow((uint16_t *)l->c + row * whole->c_stride + column, whole->c_stride, c, m, n, whole->accumulate);
	return true;
}

static bool item_block(struct layer_product *l, int thread, int64_t row, int64_t m, int64_t column, int64_t n)
{
	const struct product *whole = &l->whole;
	bool widened = whole->factors == ELEMENT_BFLOAT16 && l->device->bfloat16_products == BFLOAT16_WIDENED;
	/* A bfloat16 result is rounded when it is stored: its sums must not be cut. */
	bool cut = l->size.depth > 0 && (widened || whole->result == ELEMENT_FLOAT32);
	int64_t longest = cut ? l->size.depth : whole->k;
	for (int64_t begin = 0, k; begin < whole->k; begin += k) {
		k = smaller(whole->k - begin, longest);
		struct product piece = *whole;
		piece.m = m;
		piece.n = n;
		piece.k = k;
		if (!(widened ? multiply_widened : multiply_in_place)(l, thread, piece, row, column, begin))
			return false;
	}
	return true;
}

static void item(void *context, int64_t number, int thread)
{
	struct layer_product *l = context;
	/* Columns outside, rows inside: the weight, which may be huge, is then read from memory once. */
	int64_t row = number % l->row_items * l->size.rows, column = number / l->row_items * l->size.columns;
	int64_t m = smaller(l->size.rows, l->whole.m - row), n = smaller(l->size.columns, l->whole.n - column);
	if (!item_block(l, thread, row, m, column, n))
		atomic_store(&l->failed, true);
}

/* About `count` cut into equal blocks of at most `limit`, rounded up to 64. */
static int64_t block_size(int64_t count, int64_t limit)
{
	int64_t blocks = larger(1, (count + limit - 1) / limit);
	return smaller(limit, round_up(larger(1, (count + blocks - 1) / blocks), 64));
}

static enum status run(struct device *device, const struct product *whole, const void *a, const void *b, void *c,
                       struct item_size size)
{
	if (whole->m == 0 || whole->n == 0 || (whole->k == 0 && whole->accumulate))
		return STATUS_OK;
	if (whole->k == 0)
		return cpu_clear(device, c, (size_t)(whole->m * whole->n) * element_size(whole->result));
	size_t floats = GEMM_PLAIN_SCRATCH;
	if (whole->factors == ELEMENT_BFLOAT16 && device->bfloat16_products == BFLOAT16_WIDENED) {
		size.rows = smaller(size.rows, WIDEN_ROWS);
		size.columns = smaller(size.columns, WIDEN_COLUMNS);
		size.depth = size.depth == 0 ? WIDEN_DEPTH : smaller(size.depth, WIDEN_DEPTH);
		floats += (WIDEN_ROWS + WIDEN_COLUMNS) * WIDEN_DEPTH + WIDEN_ROWS * WIDEN_COLUMNS;
	}
	STATUS_TRY(cpu_scratch_reserve(device, floats * sizeof(float)));
	struct layer_product l = { .device = device, .whole = *whole, .a = a, .b = b, .c = c, .size = size };
	l.row_items = (whole->m + size.rows - 1) / size.rows;
	int64_t items = l.row_items * ((whole->n + size.columns - 1) / size.columns);
	cpu_parallel(device, items, item, &l);
	return atomic_load(&l.failed) ? gemm_library_error(device->gemm) : STATUS_OK;
}

static enum element activation(const struct device *device)
{
	return cpu_half(device) ? ELEMENT_BFLOAT16 : ELEMENT_FLOAT32;
}

enum status LEVEL(linear_forward)(struct device *device, void *y, const void *x, const void *weight, int64_t rows,
                                  int64_t in, int64_t out)
{
	struct product product = { .m = rows,
		                   .n = out,
		                   .k = in,
		                   .a_stride = in,
		                   .b_stride = in,
		                   .c_stride = out,
		                   .b_transposed = true,
		                   .factors = activation(device),
		                   .result = activation(device) };
	int64_t row_block = in * out < LARGE_WEIGHT ? 256 : 512;
	return run(device, &product, x, weight, y, (struct item_size){ row_block, block_size(out, 512), 0 });
}

enum status LEVEL(linear_backward_input)(struct device *device, void *dx, const void *dy, const void *weight,
                                         int64_t rows, int64_t in, int64_t out, bool accumulate)
{
	struct product product = { .m = rows,
		                   .n = in,
		                   .k = out,
		                   .a_stride = out,
		                   .b_stride = in,
		                   .c_stride = in,
		                   .accumulate = accumulate,
		                   .factors = activation(device),
		                   .result = activation(device) };
	/* Small blocks, for the columns are few; with a weight that exceeds the caches an even number of large, equal
	 * ones. */
	int64_t pairs = larger(1, (rows + 1023) / 1024), even = round_up((rows + 2 * pairs - 1) / (2 * pairs), 8);
	int64_t row_block = in * out < LARGE_WEIGHT ? 128 : larger(128, even);
	return run(device, &product, dy, weight, dx, (struct item_size){ row_block, block_size(in, 1024), 1024 });
}

enum status LEVEL(linear_backward_weight)(struct device *device, float *gradient, const void *dy, const void *x,
                                          int64_t rows, int64_t in, int64_t out)
{
	struct product product = { .m = out,
		                   .n = in,
		                   .k = rows,
		                   .a_stride = out,
		                   .b_stride = in,
		                   .c_stride = in,
		                   .a_transposed = true,
		                   .accumulate = true,
		                   .factors = activation(device),
		                   .result = ELEMENT_FLOAT32 };
	if (LEVEL(gemm_outer_fits)(device, in, out))
		return LEVEL(gemm_outer)(device, gradient, dy, x, rows, in, out);
	/* dy is read down its columns: a long stride, of a power of two often, leaves few lines of the cache to use, so
	 * the sums over its rows are taken in short pieces. */
	bool strided = out >= LONG_STRIDE;
	struct item_size size = { strided ? 512 : smaller(256, round_up((out + 1) / 2, 64)), block_size(in, 1024),
		                  strided ? 128 : 512 };
	return run(device, &product, dy, x, gradient, size);
}
