/* ReLU squared, and the conversions between floats and activation elements.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

struct elementwise {
	void *result;
	const void *first, *second;
	int64_t count;
};

INLINE vector square_of_positive(vector x)
{
	vector positive = vector_max(vector_set(0.0f), x);
	return positive * positive;
}

INLINE void forward_range(const struct elementwise *e, int64_t item, bool half)
{
	int64_t i = item * CPU_ITEM_ELEMENTS, end = smaller(i + CPU_ITEM_ELEMENTS, e->count);
	for (; i + LANES <= end; i += LANES)
		element_store(e->result, i, square_of_positive(element_load(e->first, i, half)), half);
	if (i < end)
		element_store_part(e->result, i, square_of_positive(element_load_part(e->first, i, end - i, half)),
		                   end - i, half);
}

/* dy * 2 sqrt(y) */
INLINE void backward_range(const struct elementwise *e, int64_t item, bool half)
{
	int64_t i = item * CPU_ITEM_ELEMENTS, end = smaller(i + CPU_ITEM_ELEMENTS, e->count);
	vector two = vector_set(2.0f);
	for (; i + LANES <= end; i += LANES) {
		vector slope = two * vector_sqrt(element_load(e->second, i, half));
		element_store(e->result, i, element_load(e->first, i, half) * slope, half);
	}
	if (i < end) {
		vector slope = two * vector_sqrt(element_load_part(e->second, i, end - i, half));
		element_store_part(e->result, i, element_load_part(e->first, i, end - i, half) * slope, end - i, half);
	}
}

/* to_half: floats to bfloat16; else bfloat16 to floats. */
INLINE void convert_range(const struct elementwise *e, int64_t item, bool to_half)
{
	int64_t i = item * CPU_ITEM_ELEMENTS, end = smaller(i + CPU_ITEM_ELEMENTS, e->count);
	for (; i + LANES <= end; i += LANES)
		element_store(e->result, i, element_load(e->first, i, !to_half), to_half);
	if (i < end)
		element_store_part(e->result, i, element_load_part(e->first, i, end - i, !to_half), end - i, to_half);
}

static void forward_float32(void *context, int64_t item, int thread)
{
	(void)thread;
	forward_range(context, item, false);
}

static void forward_bfloat16(void *context, int64_t item, int thread)
{
	(void)thread;
	forward_range(context, item, true);
}

static void backward_float32(void *context, int64_t item, int thread)
{
	(void)thread;
	backward_range(context, item, false);
}

static void backward_bfloat16(void *context, int64_t item, int thread)
{
	(void)thread;
	backward_range(context, item, true);
}

static void narrow(void *context, int64_t item, int thread)
{
	(void)thread;
	convert_range(context, item, true);
}

static void widen(void *context, int64_t item, int thread)
{
	(void)thread;
	convert_range(context, item, false);
}

static int64_t item_count(int64_t count)
{
	return (count + CPU_ITEM_ELEMENTS - 1) / CPU_ITEM_ELEMENTS;
}

enum status LEVEL(relu_squared_forward)(struct device *device, void *y, const void *x, int64_t count)
{
	struct elementwise e = { y, x, NULL, count };
	cpu_parallel(device, item_count(count), cpu_half(device) ? forward_bfloat16 : forward_float32, &e);
	return STATUS_OK;
}

enum status LEVEL(relu_squared_backward)(struct device *device, void *dx, const void *dy, const void *y, int64_t count)
{
	struct elementwise e = { dx, dy, y, count };
	cpu_parallel(device, item_count(count), cpu_half(device) ? backward_bfloat16 : backward_float32, &e);
	return STATUS_OK;
}

enum status LEVEL(download_activation)(struct device *device, float *host_target, const void *source, size_t count)
{
	if (!cpu_half(device))
		return cpu_copy(device, host_target, source, count * sizeof(float));
	struct elementwise e = { host_target, source, NULL, (int64_t)count };
	cpu_parallel(device, item_count(e.count), widen, &e);
	return STATUS_OK;
}

enum status LEVEL(upload_activation)(struct device *device, void *target, const float *host_source, size_t count)
{
	if (!cpu_half(device))
		return cpu_copy(device, target, host_source, count * sizeof(float));
	struct elementwise e = { target, host_source, NULL, (int64_t)count };
	cpu_parallel(device, item_count(e.count), narrow, &e);
	return STATUS_OK;
}

enum status LEVEL(convert_weights)(struct device *device, void *weights, const float *master, size_t count)
{
	if (!cpu_half(device))
		return STATUS_OK; /* the weights are the masters */
	struct elementwise e = { weights, master, NULL, (int64_t)count };
	cpu_parallel(device, item_count(e.count), narrow, &e);
	return STATUS_OK;
}
