/* Between activation elements and floats, four at once; what is left after the last four goes one by one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cuda/launch.h"

enum { THREADS = 256, BLOCKS_A_MULTIPROCESSOR = 16 };
static const size_t piece = 1 << 22; /* elements */

/* COUNT elements at once. */
template <typename Target, typename Source, int COUNT>
static __global__ void __launch_bounds__(THREADS) convert(Target *target, const Source *source, int64_t count)
{
	int64_t first = (int64_t)blockIdx.x * THREADS + threadIdx.x, step = (int64_t)gridDim.x * THREADS;

	for (int64_t i = first; i < count / COUNT; i += step) {
		vector<Source, COUNT> in = ((const vector<Source, COUNT> *)source)[i];
		vector<Target, COUNT> out;
		for (int j = 0; j < COUNT; j++)
			out.values[j] = from_float<Target>(to_float(in.values[j]));
		((vector<Target, COUNT> *)target)[i] = out;
	}
	int64_t last = count / COUNT * COUNT + first;
	if (last < count)
		target[last] = from_float<Target>(to_float(source[last]));
}

template <typename Target, typename Source>
static enum status convert_all(struct device *device, void *target, const void *source, size_t count)
{
	enum { COUNT = 4 };
	int64_t n = (int64_t)count, most = (int64_t)device->multiprocessors * BLOCKS_A_MULTIPROCESSOR;

	if ((uintptr_t)target % sizeof(vector<Target, COUNT>) == 0 &&
	    (uintptr_t)source % sizeof(vector<Source, COUNT>) == 0)
		return CUDA_LAUNCH(device, "convert", (convert<Target, Source, COUNT>),
		                   cuda_blocks((n + COUNT - 1) / COUNT, THREADS, most), THREADS, 0, (Target *)target,
		                   (const Source *)source, n);
	return CUDA_LAUNCH(device, "convert", (convert<Target, Source, 1>), cuda_blocks(n, THREADS, most), THREADS, 0,
	                   (Target *)target, (const Source *)source, n);
}

enum status cuda_to_floats(struct device *device, float *target, const void *source, size_t count)
{
	return cuda_half(device) ? convert_all<float, bfloat16>(device, target, source, count)
	                         : convert_all<float, float>(device, target, source, count);
}

enum status cuda_from_floats(struct device *device, void *target, const float *source, size_t count)
{
	return cuda_half(device) ? convert_all<bfloat16, float>(device, target, source, count)
	                         : convert_all<float, float>(device, target, source, count);
}

enum status cuda_convert_weights(struct device *device, void *weights, const float *master, size_t count)
{
	return cuda_half(device) ? cuda_from_floats(device, weights, master, count) : STATUS_OK;
}

/* Widened or narrowed on the device, through scratch memory, in pieces. */
enum status cuda_download_activation(struct device *device, float *host_target, const void *source, size_t count)
{
	if (!cuda_half(device))
		return cuda_download(device, host_target, source, count * sizeof(float));
	for (size_t first = 0; first < count; first += piece) {
		size_t here = count - first < piece ? count - first : piece;
		float *room = (float *)cuda_scratch(device, here * sizeof(float));
		if (room == NULL)
			return STATUS_ENVIRONMENT;
		STATUS_TRY(cuda_to_floats(device, room, (const bfloat16 *)source + first, here));
		STATUS_TRY(cuda_download(device, host_target + first, room, here * sizeof(float)));
	}
	return STATUS_OK;
}

enum status cuda_upload_activation(struct device *device, void *target, const float *host_source, size_t count)
{
	if (!cuda_half(device))
		return cuda_upload(device, target, host_source, count * sizeof(float));
	for (size_t first = 0; first < count; first += piece) {
		size_t here = count - first < piece ? count - first : piece;
		float *room = (float *)cuda_scratch(device, here * sizeof(float));
		if (room == NULL)
			return STATUS_ENVIRONMENT;
		STATUS_TRY(cuda_upload(device, room, host_source + first, here * sizeof(float)));
		STATUS_TRY(cuda_from_floats(device, (bfloat16 *)target + first, room, here));
	}
	return STATUS_OK;
}
