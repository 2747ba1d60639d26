/* Attention in float arithmetic: tiles of rows as floats in shared memory, 16 x 16 threads that hold parts of products
 * in registers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_ATTENTION_PLAIN_H
#define CAPSHAPE_KERNELS_CUDA_ATTENTION_PLAIN_H

#include "kernels/cuda/attention.h"

/* WIDTH: the head size rounded up to 32, 64, 128 or 256. */
template <int WIDTH> struct plain {
	enum {
		SIDE = 16,
		THREADS = SIDE * SIDE,
		ROWS = WIDTH > 128 ? 32 : 64, /* of a tile */
		EACH = ROWS / SIDE,           /* rows of a thread: its number + 16 i */
		PART = WIDTH >= 64 ? 4 : 2,   /* columns side by side of a thread: PART number + 16 PART j */
		PARTS = WIDTH / (SIDE * PART),
		STRIDE = WIDTH + 4, /* 16-byte parts of neighbouring rows lie in different banks */
		TILE = ROWS * STRIDE,
		SCORE_STRIDE = ROWS + 4,
		SCORES = ROWS * SCORE_STRIDE
	};
};

/* Rows first .. of a head to a tile; what lies beyond `end` or the head is 0. */
template <typename Element, int COUNT, int WIDTH>
__device__ __forceinline__ void plain_load_parts(float *tile, const Element *source, int64_t step, int first, int end,
                                                 int size)
{
	typedef plain<WIDTH> p;
	enum { ACROSS = WIDTH / COUNT, TOGETHER = COUNT > 4 ? 4 : COUNT };
	for (int i = (int)threadIdx.x; i < (int)p::ROWS * ACROSS; i += p::THREADS) {
		int row = i / ACROSS, column = i % ACROSS * COUNT;
		bool there = first + row < end && column < size;
		vector<Element, COUNT> part;
		if (there)
			part = *(const vector<Element, COUNT> *)(source + (first + row) * step + column);
		UNROLL
		for (int j = 0; j < COUNT; j += TOGETHER) {
			vector<float, TOGETHER> floats;
			UNROLL
			for (int e = 0; e < TOGETHER; e++)
				floats.values[e] = there ? to_float(part.values[j + e]) : 0.0f;
			*(vector<float, TOGETHER> *)(tile + row * p::STRIDE + column + j) = floats;
		}
	}
}

template <typename Element, int WIDTH>
__device__ __forceinline__ void plain_load(float *tile, const struct attention_call &call, const Element *source,
                                           int64_t step, int first, int end)
{
	if (call.aligned)
		plain_load_parts<Element, wide<Element>::COUNT, WIDTH>(tile, source, step, first, end, call.size);
	else
		plain_load_parts<Element, 1, WIDTH>(tile, source, step, first, end, call.size);
}

/* result[i][j] = row of this thread in `left` times row 16 j + number in `right`. */
template <int WIDTH>
__device__ __forceinline__ void plain_scores(float result[plain<WIDTH>::EACH][plain<WIDTH>::EACH], const float *left,
                                             const float *right, int size)
{
	typedef plain<WIDTH> p;
	typedef vector<float, 4> part;
	int x = (int)threadIdx.x % p::SIDE, y = (int)threadIdx.x / p::SIDE;
	UNROLL
	for (int i = 0; i < p::EACH; i++)
		UNROLL
	for (int j = 0; j < p::EACH; j++)
		result[i][j] = 0.0f;
	NO_UNROLL
	for (int column = 0; column < size; column += 4) {
		part a[p::EACH], b[p::EACH];
		UNROLL
		for (int i = 0; i < p::EACH; i++) {
			a[i] = *(const part *)(left + (y + i * p::SIDE) * p::STRIDE + column);
			b[i] = *(const part *)(right + (x + i * p::SIDE) * p::STRIDE + column);
		}
		UNROLL
		for (int i = 0; i < p::EACH; i++)
			UNROLL
		for (int j = 0; j < p::EACH; j++)
			UNROLL
		for (int e = 0; e < 4; e++)
			result[i][j] += a[i].values[e] * b[j].values[e];
	}
}

/* Shares of this thread to [ROWS, ROWS] in shared memory. */
template <int WIDTH>
__device__ __forceinline__ void plain_keep(float *scores, const float values[plain<WIDTH>::EACH][plain<WIDTH>::EACH])
{
	typedef plain<WIDTH> p;
	int x = (int)threadIdx.x % p::SIDE, y = (int)threadIdx.x / p::SIDE;
	UNROLL
	for (int i = 0; i < p::EACH; i++)
		UNROLL
	for (int j = 0; j < p::EACH; j++)
		scores[(y + i * p::SIDE) * p::SCORE_STRIDE + x + j * p::SIDE] = values[i][j];
}

/* What a thread holds of ROWS rows of WIDTH sums. */
template <int WIDTH> struct plain_sums {
	float values[plain<WIDTH>::EACH][plain<WIDTH>::PARTS][plain<WIDTH>::PART];
};

template <int WIDTH> __device__ __forceinline__ void plain_clear(struct plain_sums<WIDTH> *sums)
{
	typedef plain<WIDTH> p;
	UNROLL
	for (int i = 0; i < p::EACH; i++)
		UNROLL
	for (int j = 0; j < p::PARTS; j++)
		UNROLL
	for (int e = 0; e < p::PART; e++)
		sums->values[i][j][e] = 0.0f;
}

/* sums += scores[ROWS, ROWS] tile[ROWS, WIDTH]. */
template <int WIDTH>
__device__ __forceinline__ void plain_add(struct plain_sums<WIDTH> *sums, const float *scores, const float *tile)
{
	typedef plain<WIDTH> p;
	typedef vector<float, p::PART> part;
	int x = (int)threadIdx.x % p::SIDE, y = (int)threadIdx.x / p::SIDE;
	NO_UNROLL
	for (int row = 0; row < p::ROWS; row += 4) {
		vector<float, 4> share[p::EACH];
		UNROLL
		for (int i = 0; i < p::EACH; i++)
			share[i] = *(const vector<float, 4> *)(scores + (y + i * p::SIDE) * p::SCORE_STRIDE + row);
		UNROLL
		for (int k = 0; k < 4; k++)
			UNROLL
		for (int j = 0; j < p::PARTS; j++) {
			part values = *(const part *)(tile + (row + k) * p::STRIDE + (x + j * p::SIDE) * p::PART);
			UNROLL
			for (int i = 0; i < p::EACH; i++)
				UNROLL
			for (int e = 0; e < p::PART; e++)
				sums->values[i][j][e] += share[i].values[k] * values.values[e];
		}
	}
}

/* target[row, :] = factors[i] * sums, rows first .. end - 1, `step` elements apart. */
template <typename Element, int WIDTH>
__device__ __forceinline__ void plain_store(Element *target, int64_t step, int first, int end,
                                            const struct attention_call &call, const struct plain_sums<WIDTH> &sums,
                                            const float factors[plain<WIDTH>::EACH])
{
	typedef plain<WIDTH> p;
	typedef vector<Element, p::PART> part;
	int x = (int)threadIdx.x % p::SIDE, y = (int)threadIdx.x / p::SIDE;
	UNROLL
	for (int i = 0; i < p::EACH; i++)
		UNROLL
	for (int j = 0; j < p::PARTS; j++) {
		int row = first + y + i * p::SIDE, column = (x + j * p::SIDE) * p::PART;
		if (row >= end || column >= call.size)
			continue;
		part values;
		UNROLL
		for (int e = 0; e < p::PART; e++)
			values.values[e] = from_float<Element>(factors[i] * sums.values[i][j][e]);
		Element *place = target + row * step + column;
		if (call.aligned) {
			*(part *)place = values;
			continue;
		}
		UNROLL
		for (int e = 0; e < p::PART; e++)
			if (column + e < call.size)
				place[e] = values.values[e];
	}
}

#endif
