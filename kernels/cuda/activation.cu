/* ReLU squared, in vectors of 16 bytes; what is left after the last full vector goes one by one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/activation.h"

enum { THREADS = 256, BLOCKS_A_MULTIPROCESSOR = 16 };

template <typename Element> static __device__ __forceinline__ Element slope_times(Element gradient, Element y)
{
	return from_float<Element>(slope_times(to_float(gradient), to_float(y), sizeof(Element) == 2));
}

/* COUNT elements at once. */
template <typename Element, int COUNT>
static __global__ void __launch_bounds__(THREADS) relu_squared_forward(Element *y, const Element *x, int64_t count)
{
	typedef vector<Element, COUNT> part;
	int64_t first = (int64_t)blockIdx.x * THREADS + threadIdx.x, step = (int64_t)gridDim.x * THREADS;

	for (int64_t i = first; i < count / COUNT; i += step) {
		part values = ((const part *)x)[i];
		for (int j = 0; j < COUNT; j++)
			values.values[j] = from_float<Element>(square_of_positive(to_float(values.values[j])));
		((part *)y)[i] = values;
	}
	int64_t last = count / COUNT * COUNT + first;
	if (last < count)
		y[last] = from_float<Element>(square_of_positive(to_float(x[last])));
}

template <typename Element, int COUNT>
static __global__ void __launch_bounds__(THREADS)
	relu_squared_backward(Element *dx, const Element *dy, const Element *y, int64_t count)
{
	typedef vector<Element, COUNT> part;
	int64_t first = (int64_t)blockIdx.x * THREADS + threadIdx.x, step = (int64_t)gridDim.x * THREADS;

	for (int64_t i = first; i < count / COUNT; i += step) {
		part gradients = ((const part *)dy)[i], outputs = ((const part *)y)[i];
		for (int j = 0; j < COUNT; j++)
			gradients.values[j] = slope_times(gradients.values[j], outputs.values[j]);
		((part *)dx)[i] = gradients;
	}
	int64_t last = count / COUNT * COUNT + first;
	if (last < count)
		dx[last] = slope_times(dy[last], y[last]);
}

static unsigned blocks_for(const struct device *device, int64_t count, int at_once)
{
	return cuda_blocks((count + at_once - 1) / at_once, THREADS,
	                   (int64_t)device->multiprocessors * BLOCKS_A_MULTIPROCESSOR);
}

template <typename Element> static enum status forward(struct device *device, void *y, const void *x, int64_t count)
{
	enum { COUNT = wide<Element>::COUNT };

	if (cuda_aligned(y, x, NULL, 0))
		return CUDA_LAUNCH(device, "relu_squared_forward", (relu_squared_forward<Element, COUNT>),
		                   blocks_for(device, count, COUNT), THREADS, 0, (Element *)y, (const Element *)x,
		                   count);
	return CUDA_LAUNCH(device, "relu_squared_forward", (relu_squared_forward<Element, 1>),
	                   blocks_for(device, count, 1), THREADS, 0, (Element *)y, (const Element *)x, count);
}

template <typename Element>
static enum status backward(struct device *device, void *dx, const void *dy, const void *y, int64_t count)
{
	enum { COUNT = wide<Element>::COUNT };

	if (cuda_aligned(dx, dy, y, 0))
		return CUDA_LAUNCH(device, "relu_squared_backward", (relu_squared_backward<Element, COUNT>),
		                   blocks_for(device, count, COUNT), THREADS, 0, (Element *)dx, (const Element *)dy,
		                   (const Element *)y, count);
	return CUDA_LAUNCH(device, "relu_squared_backward", (relu_squared_backward<Element, 1>),
	                   blocks_for(device, count, 1), THREADS, 0, (Element *)dx, (const Element *)dy,
	                   (const Element *)y, count);
}

enum status cuda_relu_squared_forward(struct device *device, void *y, const void *x, int64_t count)
{
	return cuda_half(device) ? forward<bfloat16>(device, y, x, count) : forward<float>(device, y, x, count);
}

enum status cuda_relu_squared_backward(struct device *device, void *dx, const void *dy, const void *y, int64_t count)
{
	return cuda_half(device) ? backward<bfloat16>(device, dx, dy, y, count)
	                         : backward<float>(device, dx, dy, y, count);
}
