/* Attention by tensor cores: bfloat16 tiles in shared memory, products of 16 x 8 x 16 whose parts the lanes of a warp
 * hold.
 *
 * Of a 16 x 8 result, lane 4 g + t has columns 2 t and 2 t + 1 of row g, then of row g + 8. Two results side by side,
 * rounded, are the 16 x 16 left factor of a next product as they lie (tensor_pack()).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CUDA_ATTENTION_TENSOR_H
#define CAPSHAPE_KERNELS_CUDA_ATTENTION_TENSOR_H

#include "kernels/cuda/attention.h"

enum { TENSOR_WARPS = 4, TENSOR_THREADS = TENSOR_WARPS * WARP };

/* WIDTH: the head size rounded up to 32, 64, 112 or 128. */
template <int WIDTH> struct tensor {
	enum { STRIDE = WIDTH + 8 /* an odd number of 16-byte parts: eight rows lie in different banks */ };
};

#ifdef CAPSHAPE_CUDA_EMULATION

static inline uint32_t tensor_bits(float low, float high)
{
	return from_float<bfloat16>(low).bits | (uint32_t)from_float<bfloat16>(high).bits << 16;
}

static inline const bfloat16 *tensor_row(const void *const *rows, int lane)
{
	return *(const bfloat16 *const *)rows[lane];
}

/* Four 8 x 8 matrices; lane i says where row i % 8 of matrix i / 8 lies, and gets of matrix j the elements 2 t, 2 t + 1
 * of row g. */
static inline void tensor_load(uint32_t parts[4], const bfloat16 *row)
{
	const void *const *rows = emulator_gather(FULL_WARP, &row, sizeof row);
	int lane = (int)threadIdx.x % WARP;
	emulator_check_rows(rows, 16);
	for (int i = 0; i < 4; i++)
		memcpy(&parts[i], tensor_row(rows, 8 * i + lane / 4) + lane % 4 * 2, sizeof parts[i]);
}

/* The same of the matrices transposed. */
static inline void tensor_load_across(uint32_t parts[4], const bfloat16 *row)
{
	const void *const *rows = emulator_gather(FULL_WARP, &row, sizeof row);
	int lane = (int)threadIdx.x % WARP;
	emulator_check_rows(rows, 16);
	for (int i = 0; i < 4; i++)
		parts[i] = tensor_row(rows, 8 * i + lane % 4 * 2)[lane / 4].bits |
		           (uint32_t)tensor_row(rows, 8 * i + lane % 4 * 2 + 1)[lane / 4].bits << 16;
}

static inline float tensor_element(const void *const *lanes, int lane, int part, int half)
{
	return __uint_as_float(((const uint32_t *)lanes[lane])[part] >> (half * 16) << 16);
}

static inline void tensor_multiply(float sums[4], const uint32_t left[4], uint32_t right0, uint32_t right1)
{
	uint32_t parts[6] = { left[0], left[1], left[2], left[3], right0, right1 };
	const void *const *lanes = emulator_gather(FULL_WARP, parts, sizeof parts);
	int lane = (int)threadIdx.x % WARP;
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < 16; k++)
			sums[i] += tensor_element(lanes, lane / 4 * 4 + k % 8 / 2, i / 2 + k / 8 * 2, k % 2) *
			           tensor_element(lanes, (lane % 4 * 2 + i % 2) * 4 + k % 8 / 2, 4 + k / 8, k % 2);
}

/* 16 or 4 bytes that arrive until copy_wait(); zeros unless they are there. */
template <int BYTES> static inline void copy_begin(void *target, const void *source, bool there)
{
	emulator_copy_begin(target, source, BYTES, there);
}

static inline void copy_wait()
{
	emulator_copy_end_group();
	emulator_copy_wait(0);
}

static inline int thread_anew()
{
	return (int)threadIdx.x;
}

#else

__device__ __forceinline__ uint32_t tensor_bits(float low, float high)
{
	uint32_t bits;
	asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
	return bits;
}

__device__ __forceinline__ uint32_t shared_address(const void *memory)
{
	return (uint32_t)__cvta_generic_to_shared(memory);
}

__device__ __forceinline__ void tensor_load(uint32_t parts[4], const bfloat16 *row)
{
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
	             : "=r"(parts[0]), "=r"(parts[1]), "=r"(parts[2]), "=r"(parts[3])
	             : "r"(shared_address(row))
	             : "memory");
}

__device__ __forceinline__ void tensor_load_across(uint32_t parts[4], const bfloat16 *row)
{
	asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
	             : "=r"(parts[0]), "=r"(parts[1]), "=r"(parts[2]), "=r"(parts[3])
	             : "r"(shared_address(row))
	             : "memory");
}

__device__ __forceinline__ void tensor_multiply(float sums[4], const uint32_t left[4], uint32_t right0, uint32_t right1)
{
	/* volatile: all lanes of a warp take part, so that it must not move to where they have parted. */
	asm volatile(
		"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
		"{%0, %1, %2, %3};"
		: "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
		: "r"(left[0]), "r"(left[1]), "r"(left[2]), "r"(left[3]), "r"(right0), "r"(right1));
}

template <int BYTES> __device__ __forceinline__ void copy_begin(void *target, const void *source, bool there)
{
	if (BYTES == 16)
		asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(target)), "l"(source),
		             "r"(there ? 16 : 0)
		             : "memory");
	else
		asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(target)), "l"(source),
		             "r"(there ? 4 : 0)
		             : "memory");
}

__device__ __forceinline__ void copy_wait()
{
	asm volatile("cp.async.wait_all;" ::: "memory");
}

/* threadIdx.x, read anew: what is made of it is not kept in registers from one turn of a loop to the next. */
__device__ __forceinline__ int thread_anew()
{
	int number;
	asm volatile("mov.u32 %0, %%tid.x;" : "=r"(number));
	return number;
}

#endif

/* ROWS rows of a head, from `first` on, on their way to a tile; what lies beyond `end` or the head is 0. */
template <int WIDTH, int ROWS>
__device__ __forceinline__ void tensor_fetch(bfloat16 *tile, const bfloat16 *source, int64_t step, int first, int end,
                                             int size)
{
	enum { PART = 8, ACROSS = WIDTH / PART, PARTS = ROWS * ACROSS };
	int thread = thread_anew();
	UNROLL
	for (int begin = 0; begin < PARTS; begin += TENSOR_THREADS) {
		int i = begin + thread, row = i / ACROSS, column = i % ACROSS * PART;
		bool there = first + row < end && column < size;
		if (PARTS % TENSOR_THREADS == 0 || i < PARTS)
			copy_begin<16>(tile + row * tensor<WIDTH>::STRIDE + column,
			               there ? source + (first + row) * step + column : source, there);
	}
}

template <int M, int N> __device__ __forceinline__ void tensor_clear(float sums[M][N][4])
{
	UNROLL
	for (int m = 0; m < M; m++) {
		UNROLL
		for (int n = 0; n < N; n++) {
			UNROLL
			for (int e = 0; e < 4; e++)
				sums[m][n][e] = 0.0f;
		}
	}
}

/* What the queries of a warp see. */
struct warp_queries {
	int lowest_first, highest_first, lowest_last, highest_last;
};

/* `count` queries from `query` on, or fewer where there are no more. */
__device__ __forceinline__ struct warp_queries tensor_queries(const struct attention_call &call, int query, int count)
{
	struct warp_queries warp;
	warp.lowest_last = query_row(call, query);
	warp.highest_last = query < call.query_count ? query_row(call, min(query + count, call.query_count) - 1) : -1;
	warp.lowest_first = first_row(call, warp.lowest_last);
	warp.highest_first = first_row(call, warp.highest_last);
	return warp;
}

/* Whether any of the queries sees one of the keys begin .. begin + count - 1; whether all see all. Queries beyond the
 * last may be taken for ones that see all: they are zeros. */
__device__ __forceinline__ bool tensor_any(const struct warp_queries &warp, int begin, int count)
{
	return begin <= warp.highest_last && begin + count > warp.lowest_first;
}

__device__ __forceinline__ bool tensor_all(const struct warp_queries &warp, int begin, int count)
{
	return begin >= warp.highest_first && begin + count - 1 <= warp.lowest_last;
}

/* Numbers [queries, keys] to `hidden` where a query does not see the key; `query` and `key`: the first ones. What a
 * query sees is looked up anew: few tiles need it, and registers are scarce. */
template <int M, int N>
__device__ __forceinline__ void tensor_hide(float numbers[M][N][4], const struct attention_call &call, int query,
                                            int key, float hidden)
{
	query += (int)threadIdx.x % WARP / 4;
	key += (int)threadIdx.x % 4 * 2;
	UNROLL
	for (int m = 0; m < M; m++) {
		UNROLL
		for (int h = 0; h < 2; h++) {
			int last = query_row(call, query + 16 * m + 8 * h), first = first_row(call, last);
			UNROLL
			for (int n = 0; n < N; n++) {
				UNROLL
				for (int e = 0; e < 2; e++) {
					int at = key + 8 * n + e;
					if (at < first || at > last)
						numbers[m][n][2 * h + e] = hidden;
				}
			}
		}
	}
	__syncwarp(); /* lanes may have parted, and matrices are loaded by whole warps */
}

/* result[16 M, N] = left[16 M, WIDTH] right[N, WIDTH]^T; `left` begins with the rows of this warp. */
template <int WIDTH, int M, int N>
__device__ __forceinline__ void tensor_scores(float result[M][N / 8][4], const bfloat16 *left, const bfloat16 *right)
{
	int lane = (int)threadIdx.x % WARP;
	left += lane % 16 * tensor<WIDTH>::STRIDE + lane / 16 * 8;
	right += (lane / 16 * 8 + lane % 8) * tensor<WIDTH>::STRIDE + lane / 8 % 2 * 8;
	tensor_clear<M, N / 8>(result);
	UNROLL
	for (int k = 0; k < WIDTH; k += 16) {
		uint32_t a[M][4], b[4];
		UNROLL
		for (int m = 0; m < M; m++)
			tensor_load(a[m], left + m * 16 * tensor<WIDTH>::STRIDE + k);
		UNROLL
		for (int n = 0; n < N; n += 16) {
			tensor_load(b, right + n * tensor<WIDTH>::STRIDE + k);
			UNROLL
			for (int m = 0; m < M; m++) {
				tensor_multiply(result[m][n / 8], a[m], b[0], b[1]);
				tensor_multiply(result[m][n / 8 + 1], a[m], b[2], b[3]);
			}
		}
	}
}

/* Two neighbouring results of 8 columns to a factor of 16. */
__device__ __forceinline__ void tensor_pack(uint32_t factor[4], const float first[4], const float second[4])
{
	factor[0] = tensor_bits(first[0], first[1]);
	factor[1] = tensor_bits(first[2], first[3]);
	factor[2] = tensor_bits(second[0], second[1]);
	factor[3] = tensor_bits(second[2], second[3]);
}

/* sums[16 M, WIDTH] += left[16 M, N] right[N, WIDTH], the left factor rounded. */
template <int WIDTH, int M, int N>
__device__ __forceinline__ void tensor_add(float sums[M][WIDTH / 8][4], const float left[M][N / 8][4],
                                           const bfloat16 *right)
{
	int lane = (int)threadIdx.x % WARP;
	right += lane % 16 * tensor<WIDTH>::STRIDE + lane / 16 * 8;
	UNROLL
	for (int k = 0; k < N; k += 16) {
		uint32_t a[M][4], b[4];
		UNROLL
		for (int m = 0; m < M; m++)
			tensor_pack(a[m], left[m][k / 8], left[m][k / 8 + 1]);
		UNROLL
		for (int n = 0; n < WIDTH; n += 16) {
			tensor_load_across(b, right + k * tensor<WIDTH>::STRIDE + n);
			UNROLL
			for (int m = 0; m < M; m++) {
				tensor_multiply(sums[m][n / 8], a[m], b[0], b[1]);
				tensor_multiply(sums[m][n / 8 + 1], a[m], b[2], b[3]);
			}
		}
	}
}

/* target[first + i, :] = factors * sums for the 16 M rows of this warp, by way of `room`, rows of a tile that no other
 * warp uses any more. factors[m][h]: of row 16 m + 8 h + g. */
template <int WIDTH, int M>
__device__ __forceinline__ void tensor_store(bfloat16 *target, int64_t step, int first, int end, int size,
                                             bfloat16 *room, const float sums[M][WIDTH / 8][4],
                                             const float factors[M][2])
{
	enum { PART = 8, ACROSS = WIDTH / PART, STRIDE = tensor<WIDTH>::STRIDE };
	int lane = (int)threadIdx.x % WARP;
	__syncwarp();
	UNROLL
	for (int m = 0; m < M; m++) {
		UNROLL
		for (int n = 0; n < WIDTH / 8; n++) {
			UNROLL
			for (int h = 0; h < 2; h++)
				*(uint32_t *)(room + (16 * m + 8 * h + lane / 4) * STRIDE + 8 * n + lane % 4 * 2) =
					tensor_bits(factors[m][h] * sums[m][n][2 * h],
				                    factors[m][h] * sums[m][n][2 * h + 1]);
		}
	}
	__syncwarp();
	for (int i = lane; i < 16 * M * ACROSS; i += WARP) {
		int row = i / ACROSS, column = i % ACROSS * PART;
		if (first + row < end && column < size)
			*(vector<bfloat16, PART> *)(target + (first + row) * step + column) =
				*(const vector<bfloat16, PART> *)(room + row * STRIDE + column);
	}
}

#endif
