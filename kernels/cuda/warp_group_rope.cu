/* Products of a linear layer that makes heads, which the end rotates: with equal sums, the results are those of product and pass (rope.cu), bit by bit,
 * as a sum is rounded to bfloat16 before it turns.
 *
 * A thread has columns 8 n + 2 (t % 4) and the next of a row (warp_group_multiply.h); the other number of a pair is half a head on. Where half a head
 * is a multiple of 8, that is the same thread's. Where 4 are left (heads of 56), it is that of lane t ^ 2, and the two exchange what they have. Tiles
 * are of whole heads. Angles are computed once a product, in scratch memory, which all heads and layers of a row would share: 4 K bytes a row.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/bounds.h"
#include "kernels/cuda/rope.h"
#include "kernels/cuda/warp_group_end.h"

enum { THREADS = 256 };

/* Cosine and sine of a pair, and of the next. */
typedef packed<float, 4> angles;

/* vectors: of a row, two pairs each. */
static __global__ void __launch_bounds__(THREADS)
	make_angles(angles *made, const int32_t *positions, const struct frequencies frequency, int64_t rows,
                    int vectors)
{
	int64_t first = (int64_t)blockIdx.x * THREADS + threadIdx.x, step = (int64_t)gridDim.x * THREADS;

	for (int64_t i = first; i < rows * vectors; i += step) {
		int at = (int)(i % vectors);
		angles two;
		for (int j = 0; j < 2; j++)
			angle_of(positions[i / vectors], frequency.turns[2 * at + j], &two.values[2 * j + 1],
			         &two.values[2 * j]);
		made[i] = two;
	}
}

/* HALF: pairs of a head; 0: nothing turns. */
template <int HALF> struct rope_end {
	enum { LOADS = 0, PANELS = 2, STAGES = 4 };
	row_scale scale;
	const angles *turns; /* [rows, HALF / 2] */
	int turned;          /* columns: those of the first heads */
};

/* Of its two rows. */
struct rope_thread {
	float scales[2];
	int rows[2]; /* rows that there are not have the last one's angles */
	int heads;   /* of the tile that turn, at least */
};

template <int HALF>
__device__ __forceinline__ rope_thread end_begin(const rope_end<HALF> &, const product_shape &, int, int)
{
	return { { 1.0f, 1.0f }, { 0, 0 }, 0 };
}

template <int HALF>
__device__ __forceinline__ void end_ready(const rope_end<HALF> &end, rope_thread &thread, const product_shape &shape,
                                          int row, int column)
{
	scales_of(end.scale, shape, row, thread.scales);
	UNROLL
	for (int half = 0; HALF > 0 && half < 2; half++)
		thread.rows[half] = min(row + thread_row() + 8 * half, shape.rows - 1);
	thread.heads = (end.turned - column + 2 * HALF - 1) / (HALF > 0 ? 2 * HALF : 1);
}

template <int HALF> __device__ __forceinline__ bool end_special(const rope_end<HALF> &, const rope_thread &, int)
{
	return false;
}

template <int HALF> __device__ __forceinline__ bool end_stores(const rope_end<HALF> &)
{
	return true;
}

template <int HALF>
__device__ __forceinline__ void end_finish(const rope_end<HALF> &, const rope_thread &, const product_shape &, int, int)
{
}

/* Of vector `at` of a row. */
template <int HALF>
static __device__ __forceinline__ angles angles_at(const rope_end<HALF> &end, const rope_thread &thread, int half,
                                                   int at)
{
	return end.turns[(int64_t)thread.rows[half] * (HALF / 2) + at];
}

/* Two neighbours of `own`, whose partners in their pairs `other` has. first: own is in the first half of its head. */
static __device__ __forceinline__ uint32_t turn(uint32_t own, uint32_t other, const angles &two, bool first)
{
	float low = first ? -two.values[1] : two.values[1], high = first ? -two.values[3] : two.values[3];
	return word_of(rotated(low_of(own), low_of(other), two.values[0], low),
	               rotated(high_of(own), high_of(other), two.values[2], high));
}

template <int COUNT> static __device__ __forceinline__ uint32_t word_at(const float (&sums)[COUNT], int at, float scale)
{
	return word_of(sums[at] * scale, sums[at + 1] * scale);
}

/* HALF % 8 == 0: place n of a head and the partner's are the same lane's. */
template <int HALF, int COUNT>
static __device__ __forceinline__ uint32_t turn_own(const rope_end<HALF> &end, const rope_thread &thread,
                                                    const float (&sums)[COUNT], int at, int n, int half)
{
	enum { AWAY = HALF / 8 };
	bool first = n < AWAY;
	float scale = thread.scales[half];
	angles two = angles_at(end, thread, half, 4 * (first ? n : n - AWAY) + (int)threadIdx.x % 4);

	return turn(word_at(sums, at, scale), word_at(sums, first ? at + 4 * AWAY : at - 4 * AWAY, scale), two, first);
}

/* HALF % 8 == 4: of columns 8 n + 2 lane of the first half, lanes 0 and 1 have one more than lanes 2 and 3, and the other way round in the second
 * half: the partner of place n is LESS or MORE places away, in lane ^ 2. */
template <int HALF, int COUNT>
static __device__ __forceinline__ uint32_t turn_exchanged(const rope_end<HALF> &end, const rope_thread &thread,
                                                          const float (&sums)[COUNT], int at, int n, int half)
{
	enum { LESS = HALF / 8, MORE = LESS + 1 };
	bool low = threadIdx.x % 4 < 2;
	float scale = thread.scales[half];
	/* What the other lane wants here. */
	uint32_t by_low = word_at(sums, n < LESS ? at + 4 * MORE : at - 4 * LESS, scale),
		 by_high = word_at(sums, n < MORE ? at + 4 * LESS : at - 4 * MORE, scale);
	uint32_t other = __shfl_xor_sync(FULL_WARP, low ? by_low : by_high, 2);
	int place = low ? (n < MORE ? 4 * n : 4 * (n - MORE) + 2) : (n < LESS ? 4 * n + 2 : 4 * (n - LESS));
	angles two = angles_at(end, thread, half, place + (int)threadIdx.x % 2);

	return turn(word_at(sums, at, scale), other, two, n < (low ? MORE : LESS));
}

template <int HALF, int COUNT>
__device__ __forceinline__ uint32_t end_words(const rope_end<HALF> &end, rope_thread &thread,
                                              const float (&sums)[COUNT], int at, int column, int half, uint32_t, bool)
{
	if constexpr (HALF > 0) {
		int n = column % (2 * HALF) / 8;
		if (column / (2 * HALF) < thread.heads) {
			if constexpr (HALF % 8 == 0)
				return turn_own<HALF>(end, thread, sums, at, n, half);
			else
				return turn_exchanged<HALF>(end, thread, sums, at, n, half);
		}
	}
	return word_at(sums, at, thread.scales[half]);
}

/* ---- launches */

struct rope_product {
	struct product_operands operands;
	row_scale scale;
	const angles *turns;
	int turned;
};

template <int HALF, int COLUMNS>
static enum status launch(struct device *device, const struct rope_product *it, bool *taken)
{
	rope_end<HALF> end = { it->scale, it->turns, it->turned };
	return product_launch<rope_end<HALF>, COLUMNS, false>(device, "linear_rope_forward", &it->operands, end, taken);
}

/* Tiles of whole heads of 32 or 64. */
template <int HALF> static enum status launch_even(struct device *device, const struct rope_product *it, bool *taken)
{
	return warp_group_even_tiles(it->operands.columns) == 128 ? launch<HALF, 128>(device, it, taken)
	                                                          : launch<HALF, 256>(device, it, taken);
}

static enum status launch_any(struct device *device, const struct rope_product *it, int head_size, bool *taken)
{
	switch (it->turned == 0 ? 0 : head_size) {
	case 32:
		return launch_even<16>(device, it, taken);
	case 56:
		return launch<28, 224>(device, it, taken);
	case 64:
		return launch_even<32>(device, it, taken);
	case 128:
		return launch<64, 128>(device, it, taken); /* in tiles of 256 a register too many would be in memory */
	default:
		return product_run<rope_end<0>, false>(device, "linear_rope_forward", &it->operands,
		                                       rope_end<0>{ it->scale, NULL, 0 }, taken);
	}
}

enum status cuda_linear_rope_forward(struct device *device, void *y, const void *x, const struct row_norm *norm,
                                     const void *weight, const struct rope_shape *rope, int64_t rows, int64_t in,
                                     bool *taken)
{
	int64_t out = (int64_t)rope->heads * rope->head_size;
	int vectors = rope->head_size / 4;
	struct rope_product it = {
		{ x, weight, y, NULL, rows, out, in }, row_scale_of(norm, in), NULL, rope->turned * rope->head_size
	};

	*taken = (rope->turned == 0 || rope_end_takes(rope->head_size, out)) && product_fits(device, &it.operands);
	if (!*taken || rows == 0)
		return STATUS_OK;
	if (rope->turned > 0) {
		angles *turns = (angles *)cuda_scratch(device, (size_t)(rows * vectors) * sizeof *turns);
		if (turns == NULL)
			return STATUS_ENVIRONMENT;
		STATUS_TRY(CUDA_LAUNCH(device, "linear_rope_forward", make_angles,
		                       cuda_blocks(rows * vectors, THREADS, (int64_t)device->multiprocessors * 8),
		                       THREADS, 0, turns, rope->positions,
		                       cuda_rope_frequencies(rope->head_size, rope->base), rows, vectors));
		it.turns = turns;
	}
	return launch_any(device, &it, rope->head_size, taken);
}
