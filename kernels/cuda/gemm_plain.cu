/* Matrix products in float arithmetic, of any shape, order and alignment: what is left where cuBLASLt has no algorithm. Tiles of
 * both factors pass through shared memory as floats; a thread adds up 4 x 4 results, each over k in ascending order.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/gemm_library.h"
#include "kernels/cuda/launch.h"

enum {
	TILE = 64,  /* rows and columns of the result of a block */
	DEPTH = 16, /* of k at once */
	SIDE = 16,  /* threads have SIDE x SIDE results, EACH x EACH times */
	EACH = TILE / SIDE,
	THREADS = SIDE * SIDE
};

/* Element (i, l) of a factor with `count` rows is at i * row_step + l * inner_step; its k is `inner`. */
struct factor {
	int64_t count, inner, row_step, inner_step;
};

/* tile[l][i] = element (first + i, begin + l); zeros beyond the factor. Neighbouring threads take neighbouring elements. */
template <typename Element>
static __device__ __forceinline__ void load_tile(float (&tile)[DEPTH][TILE + 1], const Element *x, const factor &factor,
                                                 int64_t first, int64_t begin)
{
	for (int at = (int)threadIdx.x; at < TILE * DEPTH; at += THREADS) {
		int i = factor.row_step == 1 ? at % TILE : at / DEPTH,
		    l = factor.row_step == 1 ? at / TILE : at % DEPTH;
		bool there = first + i < factor.count && begin + l < factor.inner;
		tile[l][i] =
			there ? to_float(x[(first + i) * factor.row_step + (begin + l) * factor.inner_step]) : 0.0f;
	}
}

template <typename Element, typename Result>
static __global__ void __launch_bounds__(THREADS)
	multiply(Result *c, const Result *base, const Element *a, const Element *b, struct factor left,
                 struct factor right, int64_t tiles_across, bool accumulate)
{
	__shared__ float lefts[DEPTH][TILE + 1], rights[DEPTH][TILE + 1];
	int64_t row = blockIdx.x / tiles_across * TILE, column = blockIdx.x % tiles_across * TILE;
	int x = (int)threadIdx.x % SIDE, y = (int)threadIdx.x / SIDE;
	float sums[EACH][EACH] = {};

	for (int64_t begin = 0; begin < left.inner; begin += DEPTH) {
		load_tile(lefts, a, left, row, begin);
		load_tile(rights, b, right, column, begin);
		__syncthreads();
		for (int l = 0; l < DEPTH; l++)
			for (int i = 0; i < EACH; i++)
				for (int j = 0; j < EACH; j++)
					sums[i][j] = fmaf(lefts[l][y + SIDE * i], rights[l][x + SIDE * j], sums[i][j]);
		__syncthreads(); /* before the tiles are written again */
	}
	for (int i = 0; i < EACH; i++)
		for (int j = 0; j < EACH; j++) {
			int64_t m = row + y + SIDE * i, n = column + x + SIDE * j, at = m * right.count + n;
			if (m < left.count && n < right.count)
				c[at] = from_float<Result>(accumulate ? to_float(base[at]) + sums[i][j] : sums[i][j]);
		}
}

template <typename Element, typename Result>
static enum status launch(struct device *device, const struct cuda_product *product, const void *a, const void *b,
                          void *c)
{
	struct factor left = { product->m, product->k, product->k, 1 },
		      right = { product->n, product->k, 1, product->n };
	int64_t across = (product->n + TILE - 1) / TILE, down = (product->m + TILE - 1) / TILE;

	if (product->a_transposed)
		left.row_step = 1, left.inner_step = product->m;
	if (product->b_transposed)
		right.row_step = product->k, right.inner_step = 1;
	return CUDA_LAUNCH(device, "product", (multiply<Element, Result>), cuda_blocks(across * down, 1, INT32_MAX),
	                   THREADS, 0, (Result *)c, (const Result *)cuda_product_base(product, c), (const Element *)a,
	                   (const Element *)b, left, right, across, product->accumulate);
}

enum status cuda_gemm_plain(struct device *device, const struct cuda_product *product, const void *a, const void *b,
                            void *c)
{
	if (product->factors == CUDA_FLOAT32)
		return (product->result == CUDA_FLOAT32 ? launch<float, float>
		                                        : launch<float, bfloat16>)(device, product, a, b, c);
	return (product->result == CUDA_FLOAT32 ? launch<bfloat16, float> : launch<bfloat16, bfloat16>)(device, product,
	                                                                                                a, b, c);
}
