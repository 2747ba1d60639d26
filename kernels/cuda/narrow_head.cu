/* The head of a model with narrow rows: losses and the gradient with respect to logits in one pass over tensor cores.
 *
 * With a width of 128 or 256 the products of a head cost less than moving its logits, which otherwise are written by one product, read
 * and replaced by the cross-entropy, and read by two more products. Here the pass that makes the logits replaces them at once: the powers of a row
 * are relative to the target's own logit, which a dot product per row tells beforehand, so that nothing has to wait for the largest. The
 * gradient is left with a factor for each row, 1 / sum of the powers, which is known when all of the row is done; whoever multiplies with it
 * multiplies its own, narrow rows with the factors. A row in which a power or their sum is beyond 2^100 (a loss of more than 69),
 * or not a number, is computed anew in the usual way, slowly.
 *
 * A thread block has 128 rows, which stay in shared memory, and goes through SEGMENT tiles of 128 rows of the embedding, of which the next is
 * on its way while one is used. The sum of a row is added up tile after tile within a segment, then segment after segment: an order that follows from
 * the vocabulary alone.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/attention_tensor.h"
#include "kernels/cuda/bounds.h"
#include "kernels/cuda/head_rows.h"
#include "kernels/cuda/pack.h"

enum {
	TILE = 128, /* rows, and columns of the result, of a block at once */
	THREADS = 256,
	WARPS_ACROSS = 4, /* a warp has 64 rows and 32 columns of a tile */
	WARP_ROWS = 64,
	WARP_COLUMNS = TILE / WARPS_ACROSS,
	ROW_PARTS = WARP_ROWS / 16,
	COLUMN_PARTS = WARP_COLUMNS / 8,
	SEGMENT = 56 /* tiles */
};

/* More takes more registers than two blocks of 128 columns leave. */
#ifdef CAPSHAPE_CUDA_EMULATION
#define UNROLL_TWICE
#else
#define UNROLL_TWICE _Pragma("unroll 2")
#endif

/* `count` rows of `source`, TILE at most, on their way to a tile; zeros where there are no more and beyond the width. */
template <int WIDTH>
static __device__ __forceinline__ void fetch(bfloat16 *tile, const bfloat16 *source, int count, int width)
{
	enum { PART = 8, ACROSS = WIDTH / PART, ROWS = THREADS / ACROSS };
	int thread = thread_anew(), row = thread / ACROSS, column = thread % ACROSS * PART;
	const bfloat16 *from = source + row * width + column;
	bfloat16 *to = tile + row * tensor<WIDTH>::STRIDE + column;
	UNROLL
	for (int begin = 0; begin < TILE; begin += ROWS) {
		bool there = begin + row < count && column < width;
		copy_begin<16>(to + begin * tensor<WIDTH>::STRIDE, there ? from : source, there);
		from += ROWS * width;
	}
}

/* Of a tile, the warp's part of the logits. */
template <int WIDTH>
static __device__ __forceinline__ void multiply(float (&sums)[ROW_PARTS][COLUMN_PARTS][4], const bfloat16 *rows,
                                                const bfloat16 *columns)
{
	enum { STRIDE = tensor<WIDTH>::STRIDE };
	int lane = (int)threadIdx.x % WARP;
	const bfloat16 *left = rows + lane % 16 * STRIDE + lane / 16 * 8;
	const bfloat16 *right = columns + (lane / 16 * 8 + lane % 8) * STRIDE + lane / 8 % 2 * 8;

	tensor_clear<ROW_PARTS, COLUMN_PARTS>(sums);
	UNROLL_TWICE
	for (int k = 0; k < WIDTH; k += 16) {
		uint32_t a[ROW_PARTS][4], b[COLUMN_PARTS / 2][4];
		UNROLL
		for (int n = 0; n < COLUMN_PARTS / 2; n++)
			tensor_load(b[n], right + n * 16 * STRIDE + k);
		UNROLL
		for (int m = 0; m < ROW_PARTS; m++)
			tensor_load(a[m], left + m * 16 * STRIDE + k);
		UNROLL
		for (int m = 0; m < ROW_PARTS; m++) {
			UNROLL
			for (int n = 0; n < COLUMN_PARTS; n++)
				tensor_multiply(sums[m][n], a[m], b[n / 2][n % 2 * 2], b[n / 2][n % 2 * 2 + 1]);
		}
	}
}

/* What the rows of a block need, in shared memory. */
struct row_facts {
	float shift;
	int32_t target; /* -1: no such row */
};

/* Whether anything in the warp's part of a tile is to be left out: a target, columns beyond the vocabulary, rows that are none. All but
 * one in fifty have nothing of that, and need not look for it at each number. */
static __device__ __forceinline__ bool is_special(const row_facts *facts, int column, const head &head)
{
	int lane = (int)threadIdx.x % WARP;
	bool found = column + WARP_COLUMNS > head.vocabulary;

	UNROLL
	for (int i = 0; i < WARP_ROWS; i += WARP) {
		int target = facts[i + lane].target;
		found = found || target < 0 || (target >= column && target < column + WARP_COLUMNS);
	}
	return __any_sync(FULL_WARP, found);
}

/* The powers of two of a row of the warp's part, rounded to elements; returns their sum. `column`: of the part's first. */
template <bool SPECIAL>
static __device__ __forceinline__ float powers_of(uint32_t (&words)[COLUMN_PARTS], const float (&sums)[COLUMN_PARTS][4],
                                                  int half, const row_facts &facts, int column, const head &head)
{
	/* Where the target and the end are, counted from this lane's first column. */
	int own = column + (int)threadIdx.x % 4 * 2, target = facts.target - own, end = head.vocabulary - own;
	float total = 0.0f;

	UNROLL
	for (int n = 0; n < COLUMN_PARTS; n++) {
		float powers[2];
		UNROLL
		for (int e = 0; e < 2; e++) {
			powers[e] = power_of_two(fmaf(sums[n][2 * half + e], head.steep, -facts.shift));
			if (SPECIAL && (n * 8 + e == target || n * 8 + e >= end))
				powers[e] = 0.0f;
		}
		total += powers[0] + powers[1];
		words[n] = word_of(powers[0], powers[1]);
	}
	return total;
}

/* Neighbouring lanes exchange halves, so that a lane writes four elements at once and four lanes 32 bytes side by side. `end`: columns
 * from there on, counted from the row's first here, are not written. */
template <bool SPECIAL>
static __device__ __forceinline__ void row_store(bfloat16 *row, const uint32_t (&words)[COLUMN_PARTS], int end)
{
	int t = (int)threadIdx.x % 4;
	bool odd = t % 2 != 0;

	UNROLL
	for (int n = 0; n < COLUMN_PARTS; n += 2) {
		uint32_t own = odd ? words[n + 1] : words[n];
		uint32_t other = __shfl_xor_sync(FULL_WARP, odd ? words[n] : words[n + 1], 1);
		packed<bfloat16, 4> four;
		four.words[0] = odd ? other : own;
		four.words[1] = odd ? own : other;
		int begin = (n + t % 2) * 8;
		if (!SPECIAL || begin < end)
			packed_store(row + begin + t / 2 * 4, four);
	}
}

/* From the logits of the warp's part of a tile to powers, which are added to `totals`. gradient: where the part's first row has its first column. */
template <bool GRADIENT, bool SPECIAL>
static __device__ __forceinline__ void
finish_part(float (&totals)[ROW_PARTS][2], const float (&logits)[ROW_PARTS][COLUMN_PARTS][4], const row_facts *facts,
            bfloat16 *gradient, int column, const head &head)
{
	int row = thread_anew() % WARP / 4;
	bfloat16 *target = gradient + row * (int64_t)head.vocabulary;

	UNROLL
	for (int m = 0; m < ROW_PARTS; m++) {
		UNROLL
		for (int half = 0; half < 2; half++) {
			uint32_t words[COLUMN_PARTS];
			row_facts own = facts[row + m * 16 + half * 8];
			totals[m][half] += powers_of<SPECIAL>(words, logits[m], half, own, column, head);
			if (GRADIENT)
				row_store<SPECIAL>(target, words, own.target < 0 ? 0 : head.vocabulary - column);
			target += 8 * (int64_t)head.vocabulary;
		}
	}
}

/* gradient[r, v] = 2^(steep logit - shift), 0 for the target; sums[segment, r] = their sum over a segment of the vocabulary.
 * blockIdx.x: rows, blockIdx.y: segment. */
template <int WIDTH, bool GRADIENT>
static __global__ void __launch_bounds__(THREADS, WIDTH <= 128 ? 2 : 1)
	powers(bfloat16 *gradient, float *sums, const float *shifts, const head head)
{
	enum { STRIDE = tensor<WIDTH>::STRIDE, TILE_ELEMENTS = TILE * STRIDE };
	CUDA_SHARED(bfloat16, rows); /* then two tiles of the embedding */
	__shared__ row_facts facts[TILE];
	__shared__ float parts[WARPS_ACROSS][TILE];
	int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
	int warp_row = warp / WARPS_ACROSS * WARP_ROWS, warp_column = warp % WARPS_ACROSS * WARP_COLUMNS;
	int64_t first = (int64_t)blockIdx.x * TILE;
	int begin = (int)blockIdx.y * SEGMENT * TILE, end = min(begin + SEGMENT * TILE, head.vocabulary);
	bfloat16 *tiles = rows + TILE_ELEMENTS;
	const bfloat16 *weight = head.weight + (int64_t)begin * head.width;
	float totals[ROW_PARTS][2] = {};
	int turn = 0;

	fetch<WIDTH>(rows, head.x + first * head.width, (int)min((int64_t)TILE, head.rows - first), head.width);
	fetch<WIDTH>(tiles, weight, end - begin, head.width);
	if (threadIdx.x < TILE) {
		int64_t row = first + threadIdx.x;
		facts[threadIdx.x].shift = row < head.rows ? shifts[row] : 0.0f;
		facts[threadIdx.x].target = row < head.rows ? head.targets[row] : -1;
	}
	for (int column = begin; column < end; column += TILE, turn = !turn) {
		float logits[ROW_PARTS][COLUMN_PARTS][4];
		copy_wait();
		__syncthreads(); /* and all are done with the other tile */
		weight += TILE * head.width;
		if (column + TILE < end)
			fetch<WIDTH>(tiles + !turn * TILE_ELEMENTS, weight, end - column - TILE, head.width);
		multiply<WIDTH>(logits, rows + warp_row * STRIDE, tiles + turn * TILE_ELEMENTS + warp_column * STRIDE);
		const row_facts *part_facts = facts + warp_row;
		int part_column = column + warp_column;
		bfloat16 *part = gradient + (first + warp_row) * head.vocabulary + part_column;
		if (is_special(part_facts, part_column, head))
			finish_part<GRADIENT, true>(totals, logits, part_facts, part, part_column, head);
		else
			finish_part<GRADIENT, false>(totals, logits, part_facts, part, part_column, head);
	}
	UNROLL
	for (int m = 0; m < ROW_PARTS; m++) {
		UNROLL
		for (int half = 0; half < 2; half++) {
			float total = totals[m][half];
			total += __shfl_xor_sync(FULL_WARP, total, 1);
			total += __shfl_xor_sync(FULL_WARP, total, 2);
			if (lane % 4 == 0)
				parts[warp % WARPS_ACROSS][warp_row + m * 16 + half * 8 + lane / 4] = total;
		}
	}
	__syncthreads();
	if (threadIdx.x < TILE && first + threadIdx.x < head.rows) {
		float total = 0.0f;
		for (int i = 0; i < WARPS_ACROSS; i++)
			total += parts[i][threadIdx.x];
		sums[blockIdx.y * head.rows + first + threadIdx.x] = total;
	}
}

/* ---- launches */

template <int WIDTH> static constexpr size_t shared_bytes()
{
	return 3 * (size_t)TILE * tensor<WIDTH>::STRIDE * sizeof(bfloat16);
}

template <int WIDTH>
static enum status launch_powers(struct device *device, bfloat16 *gradient, float *sums, const float *shifts,
                                 int segments, const head &head)
{
	dim3 blocks(cuda_blocks(head.rows, TILE, INT32_MAX), (unsigned)segments);

	return CUDA_LAUNCH(device, "narrow_head", (gradient != NULL ? powers<WIDTH, true> : powers<WIDTH, false>),
	                   blocks, THREADS, shared_bytes<WIDTH>(), gradient, sums, shifts, head);
}

/* Whether a block of the device has room for its tiles. */
template <int WIDTH> static bool fits()
{
	return CUDA_ALLOW_SHARED((powers<WIDTH, true>), shared_bytes<WIDTH>()) &&
	       CUDA_ALLOW_SHARED((powers<WIDTH, false>), shared_bytes<WIDTH>());
}

enum status cuda_narrow_head(struct device *device, float *losses, void *gradient, float *factors, const void *x,
                             const void *weight, const int32_t *targets, const float *weights, int64_t rows,
                             int64_t width, int64_t vocabulary, float multiplier, bool *taken)
{
	struct head head = { (const bfloat16 *)x,
		             (const bfloat16 *)weight,
		             targets,
		             rows,
		             (int)vocabulary,
		             (int)width,
		             (float)(multiplier * 1.4426950408889634) };
	struct ends ends = { (bfloat16 *)gradient, losses, factors, weights, multiplier };
	int segments = (int)((vocabulary + SEGMENT * TILE - 1) / (SEGMENT * TILE));

	bool possible = cuda_half(device) && !device->library_head && cuda_aligned(x, weight, gradient, 0);
	if (possible && !narrow_head_takes(width, vocabulary, multiplier) && wide_head_takes(vocabulary, multiplier))
		return cuda_wide_head(device, &head, &ends, taken);
	*taken = possible && narrow_head_takes(width, vocabulary, multiplier) &&
	         (width <= 128 ? fits<128>() : fits<256>());
	if (!*taken || rows == 0)
		return STATUS_OK;
	float *sums = (float *)cuda_scratch(device, (size_t)(segments + 1) * (size_t)rows * sizeof(float));
	if (sums == NULL)
		return STATUS_ENVIRONMENT;
	float *shifts = sums + segments * rows;
	bfloat16 *powers = weights != NULL ? ends.gradient : NULL;
	STATUS_TRY(head_target_logits(device, shifts, &head));
	STATUS_TRY(width <= 128 ? launch_powers<128>(device, powers, sums, shifts, segments, head)
	                        : launch_powers<256>(device, powers, sums, shifts, segments, head));
	return head_end_rows(device, sums, segments, &head, &ends);
}
