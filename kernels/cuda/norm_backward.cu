/* The gradient of the norm: of its input, and of the gain in two stages, strips of rows and then the sum of the strips.
 * Rows lie as in norm.cu.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/bounds.h"
#include "kernels/cuda/norm.h"

enum { MOST_STRIPS = NORM_STRIPS, ADDING_WARPS = 32 };

/* Blocks of the backward pass that a multiprocessor has room for: as many as registers allow without a spill. */
[[maybe_unused]] static constexpr int backward_blocks_of(int number)
{
	return number == 1 ? 8 : number == 2 ? 6 : number == 4 ? 4 : 2;
}

/* dx = x pull + dy gain inverse + what was there, rounded. */
template <typename Element, int COUNT>
static __device__ __forceinline__ packed<Element, COUNT>
gradient_of(const packed<Element, COUNT> &x, const packed<Element, COUNT> &dy, const packed<Element, COUNT> &gain,
            const packed<Element, COUNT> &old, float pull, float inverse, bool accumulate)
{
	packed<Element, COUNT> result;
	float values[COUNT];

	for (int j = 0; j < COUNT; j++) {
		float direct = packed_get(dy, j) * packed_get(gain, j) * inverse;
		values[j] = packed_get(x, j) * pull + direct;
		if (accumulate)
			values[j] += packed_get(old, j);
	}
	packed_set(result, values);
	return result;
}

/* y = s g x with s = (mean(x^2) + epsilon)^(-1/2): dx = s (g dy - x s^2 mean(g dy x)), dg = s dy x.
 *
 * A block has a strip of rows, its warps take them in turn. strips[blockIdx.x][width] is the part that these rows have in
 * the gradient of the gain: of each warp in ascending order of its rows, then the warps in order. */
template <typename Element, int NUMBER, bool ACCUMULATE>
static __global__ void __launch_bounds__(THREADS, backward_blocks_of(NUMBER))
	backward_warps(Element *dresidual, float *strips, const Element *dnormed, const Element *x,
                       const float *inverse_rms, const Element *gain, int64_t rows, int width, int64_t strip_rows)
{
	enum { COUNT = wide<Element>::COUNT };
	CUDA_SHARED(float, room); /* [width] */
	int warp = (int)threadIdx.x / WARP;
	int64_t begin = blockIdx.x * strip_rows, end = begin + strip_rows < rows ? begin + strip_rows : rows;
	float sums[NUMBER][COUNT];

	for (int n = 0; n < NUMBER; n++)
		for (int j = 0; j < COUNT; j++)
			sums[n][j] = 0.0f;
	for (int64_t row = begin + warp; row < end; row += WARPS) {
		packed<Element, COUNT> inputs[NUMBER], gradients[NUMBER], old[NUMBER], gains[NUMBER];
		float inverse = inverse_rms[row], dots = 0.0f;
		row_load<Element, NUMBER>(inputs, x + row * width, width);
		row_load<Element, NUMBER>(gradients, dnormed + row * width, width);
		row_load<Element, NUMBER>(gains, gain, width);
		for (int n = 0; n < NUMBER; n++)
			for (int j = 0; j < COUNT; j++) {
				float product = packed_get(gradients[n], j) * packed_get(inputs[n], j);
				sums[n][j] += product * inverse;
				dots += product * packed_get(gains[n], j);
			}
		if (ACCUMULATE)
			row_load<Element, NUMBER>(old, dresidual + row * width, width);
		float pull = -inverse * inverse * inverse * (warp_sum(dots) / (float)width);
		for (int n = 0; n < NUMBER; n++) {
			packed_forget(inputs[n]);
			packed_forget(gradients[n]);
		}
		row_load<Element, NUMBER>(gains, gain, width);
		for (int n = 0; n < NUMBER; n++)
			inputs[n] = gradient_of(inputs[n], gradients[n], gains[n], ACCUMULATE ? old[n] : inputs[n],
			                        pull, inverse, ACCUMULATE);
		row_store<Element, NUMBER>(dresidual + row * width, inputs, width);
	}
	for (int turn = 0; turn < WARPS; turn++) {
		for (int n = 0; n < NUMBER; n++)
			for (int j = 0; j < COUNT; j++)
				if (turn == warp && column_of(n, COUNT) < width)
					room[column_of(n, COUNT) + j] =
						(turn == 0 ? 0.0f : room[column_of(n, COUNT) + j]) + sums[n][j];
		__syncthreads();
	}
	for (int i = (int)threadIdx.x; i < width; i += THREADS)
		strips[(int64_t)blockIdx.x * width + i] = room[i];
}

/* The same for other rows; COUNT: elements at once, a divisor of the width. */
template <typename Element, int COUNT>
static __global__ void __launch_bounds__(THREADS)
	backward_blocks(Element *dresidual, float *strips, const Element *dnormed, const Element *x,
                        const float *inverse_rms, const Element *gain, int64_t rows, int64_t width, int64_t strip_rows,
                        bool accumulate)
{
	typedef packed<Element, COUNT> part;
	__shared__ float room[WARP + 1];
	int64_t begin = blockIdx.x * strip_rows, end = begin + strip_rows < rows ? begin + strip_rows : rows;
	float *strip = strips + blockIdx.x * width;

	for (int64_t row = begin; row < end; row++) {
		const Element *inputs = x + row * width, *gradients = dnormed + row * width;
		Element *target = dresidual + row * width;
		float inverse = inverse_rms[row], dots = 0.0f;
		for (int64_t i = (int64_t)threadIdx.x * COUNT; i < width; i += THREADS * COUNT) {
			part input = packed_load<Element, COUNT>(inputs + i),
			     dy = packed_load<Element, COUNT>(gradients + i);
			part gains = packed_load<Element, COUNT>(gain + i);
			for (int j = 0; j < COUNT; j++) {
				float product = packed_get(dy, j) * packed_get(input, j);
				strip[i + j] = (row == begin ? 0.0f : strip[i + j]) + product * inverse;
				dots += product * packed_get(gains, j);
			}
		}
		float pull = -inverse * inverse * inverse * (block_sum(dots, room) / (float)width);
		for (int64_t i = (int64_t)threadIdx.x * COUNT; i < width; i += THREADS * COUNT) {
			part input = packed_load<Element, COUNT>(inputs + i),
			     dy = packed_load<Element, COUNT>(gradients + i);
			part gains = packed_load<Element, COUNT>(gain + i);
			part old = accumulate ? packed_load<Element, COUNT>(target + i) : input;
			packed_store(target + i, gradient_of(input, dy, gains, old, pull, inverse, accumulate));
		}
		__syncthreads(); /* before `room` is used again */
	}
}

/* gradient[i] += the sum of strips[:, i]: warp w of a block adds strips w, w + 32, ... of 32 columns, and then the 32 sums
 * of one of the columns. */
static __global__ void __launch_bounds__(ADDING_WARPS *WARP)
	add_strips(float *gradient, const float *strips, int64_t count, int64_t width)
{
	enum { AT_ONCE = 8 };
	__shared__ float room[ADDING_WARPS][WARP + 1];
	int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
	int64_t column = (int64_t)blockIdx.x * WARP + lane;
	float sum = 0.0f;

	for (int64_t strip = warp; strip < count && column < width; strip += AT_ONCE * ADDING_WARPS) {
		float values[AT_ONCE];
		for (int i = 0; i < AT_ONCE; i++)
			values[i] = strip + i * ADDING_WARPS < count
			                    ? strips[(strip + i * ADDING_WARPS) * width + column]
			                    : 0.0f;
		for (int i = 0; i < AT_ONCE; i++)
			sum += values[i];
	}
	room[warp][lane] = sum;
	__syncthreads();
	sum = warp_sum(room[lane][warp]);
	column = (int64_t)blockIdx.x * WARP + warp;
	if (lane == 0 && column < width)
		gradient[column] += sum;
}

/* ---- launches */

/* Arguments of the entry of the table, typed. */
template <typename Element> struct backward {
	Element *dresidual;
	float *strips;
	const Element *dnormed, *x;
	const float *inverse_rms;
	const Element *gain;
	int64_t rows, width, strip_rows, strip_count;
	bool accumulate;
};

template <typename Element, int NUMBER>
static enum status backward_by_warps(struct device *device, const backward<Element> &b)
{
	return CUDA_LAUNCH(
		device, "norm_backward",
		(b.accumulate ? backward_warps<Element, NUMBER, true> : backward_warps<Element, NUMBER, false>),
		(unsigned)b.strip_count, THREADS, (size_t)b.width * sizeof(float), b.dresidual, b.strips, b.dnormed,
		b.x, b.inverse_rms, b.gain, b.rows, (int)b.width, b.strip_rows);
}

template <typename Element, int COUNT>
static enum status backward_by_blocks(struct device *device, const backward<Element> &b)
{
	return CUDA_LAUNCH(device, "norm_backward", (backward_blocks<Element, COUNT>), (unsigned)b.strip_count, THREADS,
	                   0, b.dresidual, b.strips, b.dnormed, b.x, b.inverse_rms, b.gain, b.rows, b.width,
	                   b.strip_rows, b.accumulate);
}

template <typename Element> static enum status backward_any(struct device *device, const backward<Element> &b)
{
	int64_t vectors = vectors_of<Element>(b.width);

	if (!cuda_aligned(b.dresidual, b.dnormed, b.gain, b.width * (int64_t)sizeof(Element)) ||
	    !cuda_aligned(b.x, NULL, NULL, 0))
		return backward_by_blocks<Element, 1>(device, b);
	if (vectors > MOST_VECTORS)
		return backward_by_blocks<Element, wide<Element>::COUNT>(device, b);
	return vectors > 4   ? backward_by_warps<Element, 8>(device, b)
	       : vectors > 2 ? backward_by_warps<Element, 4>(device, b)
	       : vectors > 1 ? backward_by_warps<Element, 2>(device, b)
	                     : backward_by_warps<Element, 1>(device, b);
}

template <typename Element>
static enum status backward_typed(struct device *device, void *dresidual, float *strips, const void *dnormed,
                                  const void *x, const float *inverse_rms, const void *gain, int64_t rows,
                                  int64_t width, int64_t strip_rows, int64_t strip_count, bool accumulate)
{
	backward<Element> b = { (Element *)dresidual,
		                strips,
		                (const Element *)dnormed,
		                (const Element *)x,
		                inverse_rms,
		                (const Element *)gain,
		                rows,
		                width,
		                strip_rows,
		                strip_count,
		                accumulate };
	return backward_any(device, b);
}

enum status cuda_norm_backward(struct device *device, void *dresidual, float *gain_gradient, const void *dnormed,
                               const void *x, const float *inverse_rms, const void *gain, int64_t rows, int64_t width,
                               bool accumulate)
{
	/* Strips of equal work for all warps, of the shape alone; two rows for each at least, as a strip costs a row. */
	int64_t strip_rows = ((rows + MOST_STRIPS - 1) / MOST_STRIPS + WARPS - 1) / WARPS * WARPS;
	strip_rows = strip_rows > 2 * WARPS ? strip_rows : 2 * WARPS;
	int64_t count = rows > 0 ? (rows + strip_rows - 1) / strip_rows : 0;

	if (count == 0)
		return STATUS_OK;
	float *strips = (float *)cuda_scratch(device, (size_t)(count * width) * sizeof(float));
	if (strips == NULL)
		return STATUS_ENVIRONMENT;
	STATUS_TRY((cuda_half(device) ? backward_typed<bfloat16>
	                              : backward_typed<float>)(device, dresidual, strips, dnormed, x, inverse_rms, gain,
	                                                       rows, width, strip_rows, count, accumulate));
	return CUDA_LAUNCH(device, "norm_backward", add_strips, cuda_blocks(width, WARP, INT32_MAX),
	                   ADDING_WARPS * WARP, 0, gain_gradient, strips, count, width);
}
