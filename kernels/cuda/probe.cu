/* Linear probes of normalised rows.
 *
 * A warp has a row in registers and multiplies it with every probe; it goes through many rows, so that a thread block brings
 * the probes, rounded to floats, into shared memory once. Rows that are not whole vectors of 16 bytes, or too long for
 * registers, have a block each. Every lane adds up its own elements in floats, the warp those sums in double.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/norm.h"

enum { SHARED_BYTES = 48 << 10, BLOCKS_A_MULTIPROCESSOR = 8 };

/* Where element `column` of a probe lies in shared memory: lanes read four floats at once, side by side. */
template <typename Element> static __device__ __forceinline__ int place_of(int column)
{
	enum { COUNT = wide<Element>::COUNT };
	int vector = column / COUNT, inside = column % COUNT;

	return ((vector / WARP * (COUNT / 4) + inside / 4) * WARP + vector % WARP) * 4 + inside % 4;
}

template <typename Element, int NUMBER>
static __device__ __forceinline__ float warp_part(const packed<Element, wide<Element>::COUNT> (&x)[NUMBER],
                                                  const float *probe)
{
	enum { COUNT = wide<Element>::COUNT };
	float sums[4] = {};

	for (int n = 0; n < NUMBER; n++)
		for (int part = 0; part < COUNT / 4; part++) {
			packed<float, 4> weights = packed_load<float, 4>(
				probe + ((n * (COUNT / 4) + part) * WARP + (int)(threadIdx.x % WARP)) * 4);
			for (int j = 0; j < 4; j++)
				sums[j] = fmaf(packed_get(x[n], 4 * part + j), weights.values[j], sums[j]);
		}
	return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* `count` probes from probe `first` on, out[first + p, row]. */
template <typename Element, int NUMBER>
static __global__ void __launch_bounds__(THREADS)
	probe_warps(double *out, const Element *residual, const Element *branch, const double *probes, int count,
                    int64_t rows, int width)
{
	enum { COUNT = wide<Element>::COUNT, ROOM = NUMBER * COUNT * WARP };
	CUDA_SHARED(float, weights); /* [count, ROOM] */

	for (int i = threadIdx.x; i < count * ROOM; i += THREADS) {
		int probe = i / ROOM, column = i % ROOM;
		weights[probe * ROOM + place_of<Element>(column)] =
			column < width ? (float)probes[(int64_t)probe * width + column] : 0.0f;
	}
	__syncthreads();
	for (int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP; row < rows;
	     row += (int64_t)gridDim.x * WARPS) {
		packed<Element, COUNT> x[NUMBER], added[NUMBER];
		float squares = 0.0f;
		row_load<Element, NUMBER>(x, residual + row * width, width);
		if (branch != NULL) {
			row_load<Element, NUMBER>(added, branch + row * width, width);
			for (int n = 0; n < NUMBER; n++)
				x[n] = packed_sum(x[n], added[n]);
		}
		for (int n = 0; n < NUMBER; n++)
			for (int j = 0; j < COUNT; j++)
				squares = fmaf(packed_get(x[n], j), packed_get(x[n], j), squares);
		double mean = warp_sum((double)squares) / width;
		double scale = mean != 0.0 ? 1.0 / sqrt(mean) : 0.0;
		for (int p = 0; p < count; p++) {
			double sum = warp_sum((double)warp_part<Element, NUMBER>(x, weights + p * ROOM));
			if (threadIdx.x % WARP == 0)
				out[p * rows + row] = sum * scale;
		}
	}
}

/* A block for each row; COUNT: elements at once, a divisor of the width. */
template <typename Element, int COUNT>
static __global__ void __launch_bounds__(THREADS)
	probe_blocks(double *out, const Element *residual, const Element *branch, const double *probes, int64_t count,
                     int64_t rows, int64_t width)
{
	typedef packed<Element, COUNT> part;
	__shared__ double room[WARP + 1];
	int64_t row = blockIdx.x, first = row * width;
	double scale = 0.0;

	/* The squares are number -1. */
	for (int64_t p = -1; p < count; p++) {
		double sum = 0.0;
		for (int64_t i = (int64_t)threadIdx.x * COUNT; i < width; i += THREADS * COUNT) {
			part x = packed_load<Element, COUNT>(residual + first + i);
			if (branch != NULL)
				x = packed_sum(x, packed_load<Element, COUNT>(branch + first + i));
			float inside = 0.0f;
			for (int j = 0; j < COUNT; j++) {
				float value = packed_get(x, j);
				inside = fmaf(value, p < 0 ? value : (float)probes[p * width + i + j], inside);
			}
			sum += (double)inside;
		}
		sum = block_sum(sum, room);
		if (p < 0)
			scale = sum != 0.0 ? 1.0 / sqrt(sum / (double)width) : 0.0;
		else if (threadIdx.x == 0)
			out[p * rows + row] = sum * scale;
		__syncthreads();
	}
}

/* ---- launches */

/* Arguments of the entry of the table, typed. */
template <typename Element> struct probing {
	double *out;
	const Element *residual, *branch;
	const double *probes;
	int64_t count, rows, width;
};

/* As many probes at a time as shared memory holds: at least one, as a row of registers is at most 8 KB of floats. */
template <typename Element, int NUMBER>
static enum status probe_by_warps(struct device *device, const probing<Element> &p)
{
	size_t bytes = (size_t)NUMBER * wide<Element>::COUNT * WARP * sizeof(float);
	int64_t most = (int64_t)(SHARED_BYTES / bytes);

	for (int64_t first = 0; first < p.count; first += most) {
		int64_t count = p.count - first < most ? p.count - first : most;
		STATUS_TRY(CUDA_LAUNCH(
			device, "probe", (probe_warps<Element, NUMBER>),
			cuda_blocks(p.rows, WARPS, (int64_t)device->multiprocessors * BLOCKS_A_MULTIPROCESSOR), THREADS,
			(size_t)count * bytes, p.out + first * p.rows, p.residual, p.branch, p.probes + first * p.width,
			(int)count, p.rows, (int)p.width));
	}
	return STATUS_OK;
}

template <typename Element, int COUNT>
static enum status probe_by_blocks(struct device *device, const probing<Element> &p)
{
	return CUDA_LAUNCH(device, "probe", (probe_blocks<Element, COUNT>), (unsigned)p.rows, THREADS, 0, p.out,
	                   p.residual, p.branch, p.probes, p.count, p.rows, p.width);
}

template <typename Element> static enum status probe_any(struct device *device, const probing<Element> &p)
{
	int64_t vectors = vectors_of<Element>(p.width);

	if (!cuda_aligned(p.residual, p.branch, NULL, p.width * (int64_t)sizeof(Element)))
		return probe_by_blocks<Element, 1>(device, p);
	if (vectors > MOST_VECTORS)
		return probe_by_blocks<Element, wide<Element>::COUNT>(device, p);
	return vectors > 4   ? probe_by_warps<Element, 8>(device, p)
	       : vectors > 2 ? probe_by_warps<Element, 4>(device, p)
	       : vectors > 1 ? probe_by_warps<Element, 2>(device, p)
	                     : probe_by_warps<Element, 1>(device, p);
}

template <typename Element>
static enum status probe_typed(struct device *device, double *out, const void *residual, const void *branch,
                               const double *probes, int64_t count, int64_t rows, int64_t width)
{
	probing<Element> p = { out, (const Element *)residual, (const Element *)branch, probes, count, rows, width };
	return probe_any(device, p);
}

enum status cuda_probe(struct device *device, double *out, const void *residual, const void *branch,
                       const double *probes, int64_t count, int64_t rows, int64_t width)
{
	return (cuda_half(device) ? probe_typed<bfloat16> : probe_typed<float>)(device, out, residual, branch, probes,
	                                                                        count, rows, width);
}
