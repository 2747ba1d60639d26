/* ReLU squared, in vectors of 16 bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/launch.h"

enum { THREADS = 256, BLOCKS_A_MULTIPROCESSOR = 16 };

/* COUNT: elements at once, a divisor of `count`. */
template <typename Element, int COUNT> static __global__ void relu_squared_forward(Element *y, const Element *x, int64_t count)
{
	typedef vector<Element, COUNT> part;
	int64_t step = (int64_t)gridDim.x * THREADS;

	for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; i < count / COUNT; i += step) {
		part values = ((const part *)x)[i];
		for (int j = 0; j < COUNT; j++) {
			float value = fmaxf(to_float(values.values[j]), 0.0f);
			values.values[j] = from_float<Element>(value * value);
		}
		((part *)y)[i] = values;
	}
}

/* dy 2 max(x, 0), and max(x, 0) = sqrt(y). */
template <typename Element, int COUNT>
static __global__ void relu_squared_backward(Element *dx, const Element *dy, const Element *y, int64_t count)
{
	typedef vector<Element, COUNT> part;
	int64_t step = (int64_t)gridDim.x * THREADS;

	for (int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x; i < count / COUNT; i += step) {
		part gradients = ((const part *)dy)[i], outputs = ((const part *)y)[i];
		for (int j = 0; j < COUNT; j++)
			gradients.values[j] = from_float<Element>(to_float(gradients.values[j]) * 2.0f *
			                                          sqrtf(to_float(outputs.values[j])));
		((part *)dx)[i] = gradients;
	}
}

template <typename Element>
static enum status forward(struct device *device, void *y, const void *x, int64_t count)
{
	enum { COUNT = wide<Element>::COUNT };
	unsigned most = (unsigned)(device->multiprocessors * BLOCKS_A_MULTIPROCESSOR);

	if (cuda_aligned(y, x, NULL, count * (int64_t)sizeof(Element)))
		return CUDA_LAUNCH(device, "relu_squared_forward", (relu_squared_forward<Element, COUNT>),
		                   cuda_blocks(count / COUNT, THREADS, most), THREADS, 0, (Element *)y, (const Element *)x,
		                   count);
	return CUDA_LAUNCH(device, "relu_squared_forward", (relu_squared_forward<Element, 1>),
	                   cuda_blocks(count, THREADS, most), THREADS, 0, (Element *)y, (const Element *)x, count);
}

template <typename Element>
static enum status backward(struct device *device, void *dx, const void *dy, const void *y, int64_t count)
{
	enum { COUNT = wide<Element>::COUNT };
	unsigned most = (unsigned)(device->multiprocessors * BLOCKS_A_MULTIPROCESSOR);

	if (cuda_aligned(dx, dy, y, count * (int64_t)sizeof(Element)))
		return CUDA_LAUNCH(device, "relu_squared_backward", (relu_squared_backward<Element, COUNT>),
		                   cuda_blocks(count / COUNT, THREADS, most), THREADS, 0, (Element *)dx,
		                   (const Element *)dy, (const Element *)y, count);
	return CUDA_LAUNCH(device, "relu_squared_backward", (relu_squared_backward<Element, 1>),
	                   cuda_blocks(count, THREADS, most), THREADS, 0, (Element *)dx, (const Element *)dy,
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
