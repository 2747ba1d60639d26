/* What this GPU reaches: operations a second of a large product through the kernel table, bytes a second of a copy by the
 * CUDA runtime. The ceilings of the other figures.
 *
 * usage: probe [kernels [precision [side of the product [MiB of the copy [FILE]]]]]   (cuda bfloat16 8192 2048)
 * FILE: the figures are appended as a line of JSON.
 * SPDX-License-Identifier: Apache-2.0 */
#include <cuda_runtime_api.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/timer.h"
#include "validation/bench/bench.h"

static void require(cudaError_t code, const char *what)
{
	if (code != cudaSuccess)
		bench_require(error_raise(STATUS_ENVIRONMENT, "%s: %s", what, cudaGetErrorString(code)));
}

/* Bytes read and written a second: the best of several groups of copies. */
static double copy_rate(size_t bytes)
{
	enum { GROUPS = 5, COPIES = 8 };
	void *source, *target;
	cudaStream_t stream;
	double best = INFINITY;

	require(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "stream");
	require(cudaMalloc(&source, bytes), "memory to copy");
	require(cudaMalloc(&target, bytes), "memory to copy to");
	require(cudaMemsetAsync(source, 1, bytes, stream), "clear");
	for (int group = 0; group <= GROUPS; group++) {
		require(cudaStreamSynchronize(stream), "copy");
		double start = timer_seconds();
		for (int i = 0; i < COPIES; i++)
			require(cudaMemcpyAsync(target, source, bytes, cudaMemcpyDeviceToDevice, stream), "copy");
		require(cudaStreamSynchronize(stream), "copy");
		if (group > 0)
			best = fmin(best, (timer_seconds() - start) / COPIES);
	}
	require(cudaFree(source), "free");
	require(cudaFree(target), "free");
	require(cudaStreamDestroy(stream), "stream");
	return 2.0 * (double)bytes / best;
}

int main(int count, char **words)
{
	const struct kernels *kernels = bench_kernels(count > 1 ? words[1] : "cuda");
	enum precision precision = bench_precision(count > 2 ? words[2] : "bfloat16");
	int64_t square = bench_whole("side", count > 3 ? words[3] : "8192");
	int64_t copy = bench_whole("copy", count > 4 ? words[4] : "2048");
	struct device *device;

	bench_require(kernels->device_create(precision, 1, &device));
	const struct bench_field fields[] = {
		bench_field_text("device", "what computes", "device", kernels->device_describe(device)),
		bench_field_number("gemm", "1/s", "floating-point operations of a large product", "TFLOP/s",
		                   bench_ceiling(kernels, device, square), 1e12, 1),
		bench_field_number("gemm_side", "1", "rows and columns of its matrices", "side", (double)square, 1, 0),
		bench_field_number("copy", "B/s", "bytes read and written by a copy", "copy_GB/s",
		                   copy_rate((size_t)copy << 20), 1e9, 1),
	};
	struct bench_table *table = bench_table_create();

	bench_table_add(table, fields, sizeof fields / sizeof fields[0]);
	bench_json_append(count > 5 ? words[5] : NULL, "probe", fields, sizeof fields / sizeof fields[0]);
	bench_table_print(table, true);
	bench_table_destroy(table);
	kernels->device_destroy(device);
	return 0;
}
