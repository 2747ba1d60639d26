/* Rotary positions, in place on packed heads.
 *
 * A thread has COUNT neighbouring pairs of a row: it computes their angles once and turns these pairs in all heads, or in
 * the share of the heads that blockIdx.y names.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "kernels/cuda/rope.h"

enum { THREADS = 256, AT_ONCE = 4 /* heads */, THREADS_A_MULTIPROCESSOR = 1024 };

/* (a, b) to (a cos - b sin, b cos + a sin), rounded. */
template <typename Element, int COUNT>
static __device__ __forceinline__ void rotate(packed<Element, COUNT> &first, packed<Element, COUNT> &second,
                                              const float (&cosines)[COUNT], const float (&sines)[COUNT])
{
	float low[COUNT], high[COUNT];

	for (int j = 0; j < COUNT; j++) {
		float a = packed_get(first, j), b = packed_get(second, j);
		low[j] = rotated(a, b, cosines[j], -sines[j]);
		high[j] = rotated(b, a, cosines[j], sines[j]);
	}
	packed_set(first, low);
	packed_set(second, high);
}

/* x[rows, heads, 2, vectors]: `vectors` of COUNT elements are half a head. A block has THREADS / vectors rows. */
template <typename Element, int COUNT>
static __global__ void __launch_bounds__(THREADS)
	rotate_rows(packed<Element, COUNT> *x, const int32_t *positions, const struct frequencies frequency,
                    int64_t rows, int heads, int rotated, int share, int vectors, float sign)
{
	int at = (int)threadIdx.x % vectors, local = (int)threadIdx.x / vectors, block_rows = THREADS / vectors;
	int64_t row = (int64_t)blockIdx.x * block_rows + local;
	int begin = (int)blockIdx.y * share, end = begin + share < rotated ? begin + share : rotated;
	float cosines[COUNT], sines[COUNT];

	if (local >= block_rows || row >= rows)
		return;
	int position = positions[row];
	for (int j = 0; j < COUNT; j++) {
		angle_of(position, frequency.turns[at * COUNT + j], &sines[j], &cosines[j]);
		sines[j] *= sign;
	}
	packed<Element, COUNT> *pairs = x + row * heads * 2 * vectors + at;
	for (int head = begin; head < end; head += AT_ONCE) {
		packed<Element, COUNT> first[AT_ONCE], second[AT_ONCE];
		for (int k = 0; k < AT_ONCE; k++)
			if (head + k < end) {
				first[k] = pairs[(head + k) * 2 * vectors];
				second[k] = pairs[((head + k) * 2 + 1) * vectors];
			}
		for (int k = 0; k < AT_ONCE; k++)
			if (head + k < end) {
				rotate(first[k], second[k], cosines, sines);
				pairs[(head + k) * 2 * vectors] = first[k];
				pairs[((head + k) * 2 + 1) * vectors] = second[k];
			}
	}
}

struct rope {
	const int32_t *positions;
	int64_t rows;
	int heads, rotated, pairs;
	float sign; /* of the sines: -1 rotates back */
};

template <typename Element, int COUNT>
static enum status launch(struct device *device, void *x, const struct rope *rope, const struct frequencies *frequency)
{
	int vectors = rope->pairs / COUNT, block_rows = THREADS / vectors;
	/* Few rows do not fill the device with whole rows. */
	int64_t parts = (int64_t)device->multiprocessors * THREADS_A_MULTIPROCESSOR / (rope->rows * vectors);
	int64_t most = (rope->rotated + AT_ONCE - 1) / AT_ONCE;

	parts = parts < 1 ? 1 : parts < most ? parts : most;
	int share = (int)((rope->rotated + parts - 1) / parts);
	return CUDA_LAUNCH(
		device, "rope", (rotate_rows<Element, COUNT>),
		dim3(cuda_blocks(rope->rows, block_rows, INT32_MAX), (unsigned)((rope->rotated + share - 1) / share)),
		THREADS, 0, (packed<Element, COUNT> *)x, rope->positions, *frequency, rope->rows, rope->heads,
		rope->rotated, share, vectors, rope->sign);
}

struct frequencies cuda_rope_frequencies(int head_size, double base)
{
	struct frequencies frequency = { { 0 } };

	for (int i = 0; i < head_size / 2; i++)
		frequency.turns[i] = pow(base, -2.0 * i / head_size) / (2.0 * M_PI);
	return frequency;
}

enum status cuda_rope(struct device *device, void *x, const int32_t *positions, int64_t rows, int heads, int rotated,
                      int head_size, double base, bool inverse)
{
	struct rope rope = { positions, rows, heads, rotated, head_size / 2, inverse ? -1.0f : 1.0f };
	/* The largest power of two that divides half a head, and allows vectors where x lies. */
	unsigned vector_bytes = (unsigned)(rope.pairs * (int)cuda_element_bytes(device)) | (unsigned)(uintptr_t)x | 16;

	if (rope.pairs > MOST_PAIRS)
		return error_raise(STATUS_INTERNAL, "rope: heads of %d elements; the CUDA kernel is for at most %d",
		                   head_size, 2 * MOST_PAIRS);
	if (rows == 0 || rotated == 0 || rope.pairs == 0)
		return STATUS_OK;
	struct frequencies frequency = cuda_rope_frequencies(head_size, base);
	switch ((vector_bytes & -vector_bytes) / cuda_element_bytes(device)) {
	case 8:
		return launch<bfloat16, 8>(device, x, &rope, &frequency);
	case 4:
		return cuda_half(device) ? launch<bfloat16, 4>(device, x, &rope, &frequency)
		                         : launch<float, 4>(device, x, &rope, &frequency);
	case 2:
		return cuda_half(device) ? launch<bfloat16, 2>(device, x, &rope, &frequency)
		                         : launch<float, 2>(device, x, &rope, &frequency);
	default:
		return cuda_half(device) ? launch<bfloat16, 1>(device, x, &rope, &frequency)
		                         : launch<float, 1>(device, x, &rope, &frequency);
	}
}
