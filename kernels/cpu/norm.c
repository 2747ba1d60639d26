/* Root-mean-square norm with the residual sum before it, and its gradient.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { ITEM_ROWS = 64 };

struct forward {
	void *sum, *normed;
	float *inverse_rms;
	const void *residual, *branch, *gain;
	int64_t rows, width;
	float epsilon;
};

INLINE float sum_row(const struct forward *f, int64_t row, bool half)
{
	int64_t width = f->width, i = 0;
	vector squares = vector_set(0.0f);
	for (; i + LANES <= width; i += LANES) {
		vector x = element_load(f->residual, row * width + i, half);
		if (f->branch != NULL) {
			x += element_load(f->branch, row * width + i, half);
			element_store(f->sum, row * width + i, x, half);
			if (half) /* the sum as the backward pass will see it */
				x = element_load(f->sum, row * width + i, half);
		} else if (f->sum != f->residual) {
			element_store(f->sum, row * width + i, x, half);
		}
		squares = vector_multiply_add(x, x, squares);
	}
	if (i < width) {
		int64_t rest = width - i;
		vector x = element_load_part(f->residual, row * width + i, rest, half);
		if (f->branch != NULL)
			x += element_load_part(f->branch, row * width + i, rest, half);
		element_store_part(f->sum, row * width + i, x, rest, half);
		x = element_load_part(f->sum, row * width + i, rest, half);
		squares = vector_multiply_add(x, x, squares);
	}
	return 1.0f / sqrtf(vector_sum(squares) / (float)width + f->epsilon);
}

INLINE void forward_rows(const struct forward *f, int64_t item, bool half)
{
	int64_t width = f->width, end = smaller((item + 1) * ITEM_ROWS, f->rows);
	for (int64_t row = item * ITEM_ROWS; row < end; row++) {
		float inverse = sum_row(f, row, half);
		f->inverse_rms[row] = inverse;
		vector factor = vector_set(inverse);
		int64_t i = 0;
		for (; i + LANES <= width; i += LANES) {
			vector x = element_load(f->sum, row * width + i, half);
			element_store(f->normed, row * width + i, x * factor * element_load(f->gain, i, half), half);
		}
		if (i < width) {
			int64_t rest = width - i;
			vector x = element_load_part(f->sum, row * width + i, rest, half);
			vector gain = element_load_part(f->gain, i, rest, half);
			element_store_part(f->normed, row * width + i, x * factor * gain, rest, half);
		}
	}
}

static void forward_float32(void *context, int64_t item, int thread)
{
	(void)thread;
	forward_rows(context, item, false);
}

static void forward_bfloat16(void *context, int64_t item, int thread)
{
	(void)thread;
	forward_rows(context, item, true);
}

enum status LEVEL(norm_forward)(struct device *device, void *sum, void *normed, float *inverse_rms,
                                const void *residual, const void *branch, const void *gain, int64_t rows, int64_t width,
                                float epsilon)
{
	struct forward f = { sum, normed, inverse_rms, residual, branch, gain, rows, width, epsilon };
	cpu_parallel(device, (rows + ITEM_ROWS - 1) / ITEM_ROWS, cpu_half(device) ? forward_bfloat16 : forward_float32,
	             &f);
	return STATUS_OK;
}

struct backward {
	void *dresidual;
	float *gain_parts; /* [items, width]: each item's share of the gradient of the gain */
	const void *dnormed, *x, *gain;
	const float *inverse_rms;
	int64_t rows, width, item_rows;
	bool accumulate;
};

/* y = s g x with s = (mean(x^2) + epsilon)^(-1/2): dx = s (g dy - x s^2 mean(g dy x)), dg = s dy x. */
INLINE void backward_row(const struct backward *b, int64_t row, float *part, bool half)
{
	int64_t width = b->width, full = width / LANES * LANES, rest = width - full, first = row * width;
	vector dots = vector_set(0.0f), inverse = vector_set(b->inverse_rms[row]);
	for (int64_t i = 0; i < full; i += LANES) {
		vector product = element_load(b->dnormed, first + i, half) * element_load(b->x, first + i, half);
		vector_store(part + i, vector_multiply_add(product, inverse, vector_load(part + i)));
		dots = vector_multiply_add(product, element_load(b->gain, i, half), dots);
	}
	if (rest > 0) {
		vector product = element_load_part(b->dnormed, first + full, rest, half) *
		                 element_load_part(b->x, first + full, rest, half);
		vector_store_part(part + full, product * inverse + vector_load_part(part + full, rest), rest);
		dots = vector_multiply_add(product, element_load_part(b->gain, full, rest, half), dots);
	}
	float mean = vector_sum(dots) / (float)width, scale = b->inverse_rms[row];
	vector pull = vector_set(-scale * scale * scale * mean);
	for (int64_t i = 0; i < full; i += LANES) {
		vector direct = element_load(b->dnormed, first + i, half) * element_load(b->gain, i, half) * inverse;
		vector dx = vector_multiply_add(element_load(b->x, first + i, half), pull, direct);
		if (b->accumulate)
			dx += element_load(b->dresidual, first + i, half);
		element_store(b->dresidual, first + i, dx, half);
	}
	if (rest > 0) {
		vector direct = element_load_part(b->dnormed, first + full, rest, half) *
		                element_load_part(b->gain, full, rest, half) * inverse;
		vector dx = vector_multiply_add(element_load_part(b->x, first + full, rest, half), pull, direct);
		if (b->accumulate)
			dx += element_load_part(b->dresidual, first + full, rest, half);
		element_store_part(b->dresidual, first + full, dx, rest, half);
	}
}

INLINE void backward_rows(const struct backward *b, int64_t item, bool half)
{
	float *part = b->gain_parts + item * b->width;
	memset(part, 0, (size_t)b->width * sizeof *part);
	int64_t end = smaller((item + 1) * b->item_rows, b->rows);
	for (int64_t row = item * b->item_rows; row < end; row++)
		backward_row(b, row, part, half);
}

static void backward_float32(void *context, int64_t item, int thread)
{
	(void)thread;
	backward_rows(context, item, false);
}

static void backward_bfloat16(void *context, int64_t item, int thread)
{
	(void)thread;
	backward_rows(context, item, true);
}

enum status LEVEL(norm_backward)(struct device *device, void *dresidual, float *gain_gradient, const void *dnormed,
                                 const void *x, const float *inverse_rms, const void *gain, int64_t rows, int64_t width,
                                 bool accumulate)
{
	/* At most 256 parts, so that their memory stays small however many rows there are. */
	int64_t item_rows = larger(ITEM_ROWS, (rows + 255) / 256), items = (rows + item_rows - 1) / item_rows;
	float *parts = cpu_shared_scratch(device, (size_t)(items * width));
	if (parts == NULL)
		return STATUS_ENVIRONMENT;
	struct backward b = { dresidual, parts, dnormed, x, gain, inverse_rms, rows, width, item_rows, accumulate };
	cpu_parallel(device, items, cpu_half(device) ? backward_bfloat16 : backward_float32, &b);
	for (int64_t i = 0; i < width; i++) {
		double sum = gain_gradient[i];
		for (int64_t item = 0; item < items; item++)
			sum += parts[item * width + i];
		gain_gradient[i] = (float)sum;
	}
	return STATUS_OK;
}
