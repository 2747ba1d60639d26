/* CPU device: memory, threads, and the choice of the instruction set level.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "base/memory.h"
#include "kernels/cpu/gemm_library.h"

void cpu_parallel(struct device *device, int64_t items, cpu_task *task, void *context)
{
#ifdef _OPENMP
	if (device->threads > 1 && items > 1) {
		int threads = items < device->threads ? (int)items : device->threads;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
		for (int64_t item = 0; item < items; item++)
			task(context, item, omp_get_thread_num());
		return;
	}
#else
	(void)device;
#endif
	for (int64_t item = 0; item < items; item++)
		task(context, item, 0);
}

enum status cpu_scratch_reserve(struct device *device, size_t bytes)
{
	if (bytes <= device->scratch_bytes)
		return STATUS_OK;
	device->scratch_bytes = 0;
	for (int i = 0; i < device->threads; i++) {
		free(device->scratch[i]);
		device->scratch[i] = memory_allocate(bytes, 1);
		if (device->scratch[i] == NULL)
			return STATUS_ENVIRONMENT;
	}
	device->scratch_bytes = bytes;
	return STATUS_OK;
}

float *cpu_shared_scratch(struct device *device, size_t count)
{
	if (count <= device->shared_count && device->shared_scratch != NULL)
		return device->shared_scratch;
	free(device->shared_scratch);
	device->shared_scratch = memory_allocate(count, sizeof(float));
	device->shared_count = device->shared_scratch != NULL ? count : 0;
	return device->shared_scratch;
}

static void describe(struct device *device)
{
	char library[64];
	gemm_library_describe(library, sizeof library);
	const char *precision = device->precision == PRECISION_FLOAT32         ? "float32"
	                        : device->bfloat16_products == BFLOAT16_NATIVE ? "bfloat16"
	                                                                       : "bfloat16 stored, products in float32";
	snprintf(device->description, sizeof device->description, "%s, %s, %d thread%s", library, precision,
	         device->threads, device->threads == 1 ? "" : "s");
}

enum status cpu_device_create(enum precision precision, int threads, struct device **device_out)
{
	if (threads < 1)
		return error_raise(STATUS_USAGE, "a CPU device needs at least 1 thread, %d asked for", threads);
	struct device *device = memory_allocate(1, sizeof *device);
	if (device == NULL)
		return STATUS_ENVIRONMENT;
	device->precision = precision;
#ifdef _OPENMP
	device->threads = threads;
#else
	device->threads = 1; /* a build without OpenMP; the results could not differ */
#endif
	device->bfloat16_products = gemm_library_bfloat16_is_fast() ? BFLOAT16_NATIVE : BFLOAT16_WIDENED;
	device->scratch = memory_allocate((size_t)device->threads, sizeof(void *));
	enum status status =
		device->scratch == NULL ? STATUS_ENVIRONMENT : gemm_library_create(device->threads, &device->gemm);
	if (status != STATUS_OK) {
		cpu_device_destroy(device);
		return status;
	}
	describe(device);
	*device_out = device;
	return STATUS_OK;
}

void cpu_device_destroy(struct device *device)
{
	if (device == NULL)
		return;
	gemm_library_destroy(device->gemm);
	cpu_rope_table_destroy(device->rope);
	for (int i = 0; device->scratch != NULL && i < device->threads; i++)
		free(device->scratch[i]);
	free(device->scratch);
	free(device->shared_scratch);
	free(device);
}

const char *cpu_device_describe(const struct device *device)
{
	return device->description;
}

size_t cpu_activation_bytes(const struct device *device)
{
	return cpu_half(device) ? sizeof(uint16_t) : sizeof(float);
}

size_t cpu_weight_bytes(const struct device *device)
{
	return cpu_activation_bytes(device);
}

enum status cpu_synchronize(struct device *device)
{
	(void)device;
	return STATUS_OK;
}

/* Every call is over when it returns. */
enum status cpu_mark(struct device *device, int64_t *mark_out)
{
	(void)device;
	*mark_out = 0;
	return STATUS_OK;
}

enum status cpu_wait_for(struct device *device, int64_t mark)
{
	(void)device, (void)mark;
	return STATUS_OK;
}

const struct kernels *kernels_cpu(void)
{
#if defined HAVE_CPU_LEVELS && (defined __x86_64__ || defined __i386__)
	if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
		return cpu_table_avx512();
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
		return cpu_table_avx2();
#endif
	return cpu_table_baseline();
}
