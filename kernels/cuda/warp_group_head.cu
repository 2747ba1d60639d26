/* The head of a model with wide rows: losses and the gradient with respect to logits in the end of the product that makes the logits, which never
 * are in memory themselves (head_rows.h).
 *
 * A tile's sums of powers, of each row, go to memory and are added up in the order of tiles: one that follows from the vocabulary alone.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/attention.h"
#include "kernels/cuda/head_rows.h"
#include "kernels/cuda/warp_group_end.h"

/* GRADIENT: powers are written; else only added up. */
template <bool GRADIENT> struct powers_end {
	enum { LOADS = 0, PANELS = 2, STAGES = 4 };
	const float *shifts;
	const int32_t *targets;
	float *sums; /* [tile, rows] */
	float steep;
};

/* Of the two rows, 8 apart, of which a thread has a part. */
struct powers_thread {
	float shifts[2], totals[2];
	int targets
		[2]; /* counted from the thread's first column of the tile; far from all where there is no such row */
	int columns; /* of the tile, counted so, too */
};

template <bool GRADIENT>
__device__ __forceinline__ powers_thread end_begin(const powers_end<GRADIENT> &end, const product_shape &shape, int row,
                                                   int column)
{
	int first = column + (int)threadIdx.x % 4 * 2;
	powers_thread thread;

	UNROLL
	for (int half = 0; half < 2; half++) {
		int own = row + thread_row() + 8 * half;
		bool there = own < shape.rows;
		thread.shifts[half] = there ? end.shifts[own] : 0.0f;
		thread.targets[half] = there ? end.targets[own] - first : -1;
		thread.totals[half] = 0.0f;
	}
	thread.columns = shape.columns - first;
	return thread;
}

/* All but one in hundred of a warp's parts of panels have no target and no end of the vocabulary. */
template <bool GRADIENT>
__device__ __forceinline__ bool end_special(const powers_end<GRADIENT> &, const powers_thread &thread, int column)
{
	bool found = thread.columns < column + PRODUCT_BLOCK;

	UNROLL
	for (int half = 0; half < 2; half++)
		found = found || (thread.targets[half] >= column && thread.targets[half] < column + PRODUCT_BLOCK);
	return __any_sync(FULL_WARP, found);
}

template <bool GRADIENT>
__device__ __forceinline__ void end_ready(const powers_end<GRADIENT> &, powers_thread &, const product_shape &, int,
                                          int)
{
}

template <bool GRADIENT> __device__ __forceinline__ bool end_stores(const powers_end<GRADIENT> &)
{
	return GRADIENT;
}

template <bool GRADIENT>
__device__ __forceinline__ uint32_t end_word(const powers_end<GRADIENT> &end, powers_thread &thread, float low,
                                             float high, int column, int half, uint32_t, bool special)
{
	float powers[2] = { low, high };

	UNROLL
	for (int i = 0; i < 2; i++) {
		powers[i] = power_of_two(fmaf(powers[i], end.steep, -thread.shifts[half]));
		if (special && (column + i == thread.targets[half] || column + i >= thread.columns))
			powers[i] = 0.0f;
	}
	thread.totals[half] += powers[0] + powers[1];
	return word_of(powers[0], powers[1]);
}

/* Four lanes side by side have a row. */
template <bool GRADIENT>
__device__ __forceinline__ void end_finish(const powers_end<GRADIENT> &end, const powers_thread &thread,
                                           const product_shape &shape, int row, int tile)
{
	UNROLL
	for (int half = 0; half < 2; half++) {
		int own = row + thread_row() + 8 * half;
		float total = row_total(thread.totals[half]);
		if (threadIdx.x % 4 == 0 && own < shape.rows)
			end.sums[(int64_t)tile * shape.rows + own] = total;
	}
}

template <bool GRADIENT>
static enum status run(struct device *device, const struct product_operands *operands, const struct head *head,
                       float *sums, float *shifts, bool *taken)
{
	powers_end<GRADIENT> end = { shifts, head->targets, sums, head->steep };
	return product_run<powers_end<GRADIENT>, false>(device, "wide_head", operands, end, taken);
}

enum status cuda_wide_head(struct device *device, const struct head *head, const struct ends *ends, bool *taken)
{
	bool gradient = ends->weights != NULL;
	struct product_operands operands = { head->x,    head->weight, gradient ? ends->gradient : NULL,
		                             NULL,       head->rows,   head->vocabulary,
		                             head->width };
	int tile = warp_group_tiles(head->vocabulary), tiles = (head->vocabulary + tile - 1) / tile;

	*taken = product_fits(device, &operands);
	if (!*taken || head->rows == 0)
		return STATUS_OK;
	float *sums = (float *)cuda_scratch(device, (size_t)(tiles + 1) * (size_t)head->rows * sizeof(float));
	if (sums == NULL)
		return STATUS_ENVIRONMENT;
	float *shifts = sums + tiles * head->rows;
	STATUS_TRY(head_target_logits(device, shifts, head));
	STATUS_TRY((gradient ? run<true> : run<false>)(device, &operands, head, sums, shifts, taken));
	return *taken ? head_end_rows(device, sums, tiles, head, ends) : STATUS_OK;
}
