/* Weighted cross-entropy and its gradient, in place of the logits.
 *
 * All in base 2: 2^(c x - m) with c = multiplier / ln 2 costs one multiply-add and one exponential an element.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum {
	ITEM_ROWS = 8,
	SUM_BLOCK = 1024 /* elements summed in float before the sum goes to double: keeps long rows accurate */
};

struct loss {
	float *losses;
	void *logits;
	const int32_t *targets;
	const float *weights;
	int64_t rows, vocabulary;
	float factor, multiplier; /* factor = multiplier / ln 2 */
};

INLINE float read_one(const void *logits, int64_t index, bool half)
{
	if (!half)
		return ((const float *)logits)[index];
	uint32_t bits = (uint32_t)((const uint16_t *)logits)[index] << 16;
	float value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

/* Largest factor * x of a row. */
INLINE float largest_of_row(const struct loss *loss, int64_t first, bool half)
{
	vector factor = vector_set(loss->factor), low = vector_set(-INFINITY);
	vector largest[4] = { low, low, low, low };
	int64_t i = 0, count = loss->vocabulary;
	for (; i + 4 * LANES <= count; i += 4 * LANES)
		UNROLL
		for (int v = 0; v < 4; v++)
			largest[v] = vector_max(largest[v], factor * element_load(loss->logits, first + i + v * LANES, half));
	largest[0] = vector_max(vector_max(largest[0], largest[1]), vector_max(largest[2], largest[3]));
	for (; i + LANES <= count; i += LANES)
		largest[0] = vector_max(largest[0], factor * element_load(loss->logits, first + i, half));
	float result = vector_largest(largest[0]);
	for (; i < count; i++)
		result = fmaxf(result, loss->factor * read_one(loss->logits, first + i, half));
	return result;
}

/* Sum of 2^(factor x - shift) over a row; `keep`: the powers replace the logits (float32 only). */
INLINE double sum_of_row(const struct loss *loss, int64_t first, float shift, bool keep, bool half)
{
	vector factor = vector_set(loss->factor), minus = vector_set(-shift), zero = vector_set(0.0f);
	double sum = 0.0;
	int64_t count = loss->vocabulary, full = count / LANES * LANES;
	for (int64_t block = 0; block < full; block += SUM_BLOCK) {
		vector part[2] = { zero, zero };
		int64_t i = block, end = smaller(block + SUM_BLOCK, full);
		for (; i + 2 * LANES <= end; i += 2 * LANES)
			UNROLL
			for (int v = 0; v < 2; v++) {
				int64_t at = first + i + v * LANES;
				vector x = element_load(loss->logits, at, half);
				vector power = vector_exp2(vector_multiply_add(x, factor, minus));
				if (keep)
					element_store(loss->logits, at, power, half);
				part[v] += power;
			}
		if (i < end) {
			vector x = element_load(loss->logits, first + i, half);
			vector power = vector_exp2(vector_multiply_add(x, factor, minus));
			if (keep)
				element_store(loss->logits, first + i, power, half);
			part[0] += power;
		}
		sum += vector_sum(part[0] + part[1]);
	}
	if (full < count) {
		vector x = element_load_part(loss->logits, first + full, count - full, half);
		float lanes[LANES];
		vector_store(lanes, vector_exp2(vector_multiply_add(x, factor, minus)));
		if (keep)
			element_store_part(loss->logits, first + full, vector_load(lanes), count - full, half);
		for (int64_t i = 0; i < count - full; i++)
			sum += lanes[i];
	}
	return sum;
}

/* Float rows hold the powers already: gradient = power * scale. bfloat16 rows still hold the logits, because powers
 * rounded to 8 bits and then scaled would be rounded twice: the powers are computed again. */
INLINE vector gradient_of(vector x, vector factor, vector minus, vector scale, bool half)
{
	return half ? vector_exp2(vector_multiply_add(x, factor, minus)) * scale : x * scale;
}

INLINE void gradient_of_row(const struct loss *loss, int64_t first, float shift, float scale_value, bool half)
{
	vector factor = vector_set(loss->factor), minus = vector_set(-shift), scale = vector_set(scale_value);
	int64_t i = 0, count = loss->vocabulary;
	for (; i + LANES <= count; i += LANES) {
		vector x = element_load(loss->logits, first + i, half);
		element_store(loss->logits, first + i, gradient_of(x, factor, minus, scale, half), half);
	}
	if (i < count) {
		vector x = element_load_part(loss->logits, first + i, count - i, half);
		element_store_part(loss->logits, first + i, gradient_of(x, factor, minus, scale, half), count - i, half);
	}
}

INLINE void loss_of_rows(const struct loss *loss, int64_t item, bool half)
{
	int64_t end = smaller((item + 1) * ITEM_ROWS, loss->rows);
	for (int64_t row = item * ITEM_ROWS; row < end; row++) {
		int64_t first = row * loss->vocabulary, target = first + loss->targets[row];
		bool gradient = loss->weights != NULL;
		float shift = largest_of_row(loss, first, half);
		double chosen = (double)read_one(loss->logits, target, half) * loss->factor - shift;
		double sum = sum_of_row(loss, first, shift, gradient && !half, half);
		loss->losses[row] = (float)(0.69314718055994531 * (log2(sum) - chosen));
		if (!gradient)
			continue;
		double scale = (double)loss->weights[row] * loss->multiplier;
		gradient_of_row(loss, first, shift, (float)(scale / sum), half);
		double share = exp2(chosen) / sum;
		vector exact = vector_set((float)(scale * (share - 1.0)));
		element_store_part(loss->logits, target, exact, 1, half);
	}
}

static void loss_float32(void *context, int64_t item, int thread)
{
	(void)thread;
	loss_of_rows(context, item, false);
}

static void loss_bfloat16(void *context, int64_t item, int thread)
{
	(void)thread;
	loss_of_rows(context, item, true);
}

enum status LEVEL(cross_entropy)(struct device *device, float *losses, void *logits, const int32_t *targets,
                                 const float *weights, int64_t rows, int64_t vocabulary, float multiplier)
{
	struct loss loss = { losses, logits, targets, weights, rows, vocabulary,
		             (float)(multiplier * 1.4426950408889634), multiplier };
	cpu_parallel(device, (rows + ITEM_ROWS - 1) / ITEM_ROWS, cpu_half(device) ? loss_bfloat16 : loss_float32, &loss);
	return STATUS_OK;
}
