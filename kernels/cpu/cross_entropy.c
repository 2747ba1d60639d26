/* Weighted cross-entropy and its gradient, in place of the logits.
 *
 * All in base 2: the power of x is 2^(c (x - m)) with c = multiplier / ln 2 and m the x of largest c x. A row
 * is taken in runs that stay in the first-level cache: a run's largest value, then its powers relative to that; the
 * runs are brought to the row's largest value at the end, when the gradient is written.
 * SPDX-License-Identifier: Apache-2.0 */
#include <float.h>

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/vector.h"

enum { ITEM_ROWS = 8, RUN_LEAST = 1024, RUNS = 128 };

struct loss {
	float *losses;
	void *logits;
	const int32_t *targets;
	const float *weights;
	int64_t rows, vocabulary, run; /* elements of a run: at most RUNS of them make a row */
	float factor, multiplier;      /* factor = multiplier / ln 2 */
	struct device *device;
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

/* Largest sign * x of `count` elements. */
INLINE float largest_of_run(const void *logits, int64_t first, int64_t count, float sign_value, bool half)
{
	vector sign = vector_set(sign_value), low = vector_set(-INFINITY);
	vector largest[4] = { low, low, low, low };
	int64_t i = 0;
	for (; i + 4 * LANES <= count; i += 4 * LANES)
		UNROLL
	for (int v = 0; v < 4; v++)
		largest[v] = vector_max(largest[v], sign * element_load(logits, first + i + v * LANES, half));
	largest[0] = vector_max(vector_max(largest[0], largest[1]), vector_max(largest[2], largest[3]));
	for (; i + LANES <= count; i += LANES)
		largest[0] = vector_max(largest[0], sign * element_load(logits, first + i, half));
	float result = vector_largest(largest[0]);
	for (; i < count; i++)
		result = fmaxf(result, sign_value * read_one(logits, first + i, half));
	return result;
}

/* The memory of a run may end with a page, beyond which the processor does not look ahead. */
INLINE void fetch(const void *logits, int64_t index, bool half)
{
	const char *place = (const char *)logits + (size_t)index * (half ? sizeof(uint16_t) : sizeof(float));
	for (size_t byte = 0; byte < 4 * LANES * (half ? sizeof(uint16_t) : sizeof(float)); byte += 64)
		__builtin_prefetch(place + byte);
}

/* Sum of 2^(factor (x - shift)) of a run; the powers go to `powers` unless that is NULL. Asks for the next run. */
INLINE float sum_of_run(const void *logits, int64_t first, int64_t count, float factor_value, float shift,
                        float *powers, bool half)
{
	vector factor = vector_set(factor_value), origin = vector_set(shift), zero = vector_set(0.0f);
	vector sums[4] = { zero, zero, zero, zero };
	int64_t i = 0;
	for (; i + 4 * LANES <= count; i += 4 * LANES) {
		fetch(logits, first + count + i, half);
		UNROLL
		for (int v = 0; v < 4; v++) {
			vector x = element_load(logits, first + i + v * LANES, half);
			vector power = vector_exp2((x - origin) * factor);
			if (powers != NULL)
				vector_store(powers + i + v * LANES, power);
			sums[v] += power;
		}
	}
	for (; i + LANES <= count; i += LANES) {
		vector power = vector_exp2((element_load(logits, first + i, half) - origin) * factor);
		if (powers != NULL)
			vector_store(powers + i, power);
		sums[0] += power;
	}
	float sum = vector_sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
	if (i < count) {
		float lanes[LANES];
		vector x = element_load_part(logits, first + i, count - i, half);
		vector_store(lanes, vector_exp2((x - origin) * factor));
		if (powers != NULL)
			vector_store_part(powers + i, vector_load(lanes), count - i);
		for (int64_t lane = 0; lane < count - i; lane++)
			sum += lanes[lane];
	}
	return sum;
}

INLINE void scale_run(void *logits, int64_t first, const float *powers, int64_t count, float factor, bool half)
{
	vector scale = vector_set(factor);
	int64_t i = 0;
	for (; i + LANES <= count; i += LANES)
		element_store(logits, first + i, vector_load(powers + i) * scale, half);
	if (i < count)
		element_store_part(logits, first + i, vector_load_part(powers + i, count - i) * scale, count - i, half);
}

/* The powers of a float row take the place of its logits; those of a bfloat16 row, which must not be rounded before
 * they are scaled, go to `room`. */
INLINE void loss_of_row(const struct loss *loss, int64_t row, float *room, bool half)
{
	int64_t first = row * loss->vocabulary, target = first + loss->targets[row];
	double chosen = read_one(loss->logits, target, half);
	bool gradient = loss->weights != NULL;
	float *powers = !gradient ? NULL : half ? room : (float *)loss->logits + first;
	float shifts[RUNS], sums[RUNS], sign = loss->factor < 0.0f ? -1.0f : 1.0f, largest = -FLT_MAX;
	int runs = 0;
	for (int64_t i = 0; i < loss->vocabulary; i += loss->run, runs++) {
		int64_t count = smaller(loss->run, loss->vocabulary - i);
		/* Finite, so that a run of -infinity alone has powers 0. */
		float run_largest = fmaxf(-FLT_MAX, largest_of_run(loss->logits, first + i, count, sign, half));
		shifts[runs] = sign * run_largest;
		largest = fmaxf(largest, run_largest);
		sums[runs] = sum_of_run(loss->logits, first + i, count, loss->factor, shifts[runs],
		                        powers == NULL ? NULL : powers + i, half);
	}
	double shift = sign * largest, factor = loss->factor, sum = 0.0;
	for (int run = 0; run < runs; run++)
		sum += sums[run] * exp2(factor * (shifts[run] - shift));
	loss->losses[row] = (float)(0.69314718055994531 * (log2(sum) - factor * (chosen - shift)));
	if (!gradient)
		return;
	double scale = (double)loss->weights[row] * loss->multiplier / sum;
	for (int run = 0; run < runs; run++) {
		int64_t i = run * loss->run, count = smaller(loss->run, loss->vocabulary - i);
		float to_row = (float)(scale * exp2(factor * (shifts[run] - shift)));
		scale_run(loss->logits, first + i, powers + i, count, to_row, half);
	}
	vector exact = vector_set((float)(scale * (exp2(factor * (chosen - shift)) - sum)));
	element_store_part(loss->logits, target, exact, 1, half);
}

static void loss_float32(void *context, int64_t item, int thread)
{
	(void)thread;
	const struct loss *loss = context;
	int64_t end = smaller((item + 1) * ITEM_ROWS, loss->rows);
	for (int64_t row = item * ITEM_ROWS; row < end; row++)
		loss_of_row(loss, row, NULL, false);
}

static void loss_bfloat16(void *context, int64_t item, int thread)
{
	const struct loss *loss = context;
	int64_t end = smaller((item + 1) * ITEM_ROWS, loss->rows);
	for (int64_t row = item * ITEM_ROWS; row < end; row++)
		loss_of_row(loss, row, loss->device->scratch[thread], true);
}

enum status LEVEL(cross_entropy)(struct device *device, float *losses, void *logits, const int32_t *targets,
                                 const float *weights, int64_t rows, int64_t vocabulary, float multiplier)
{
	struct loss loss = { losses,
		             logits,
		             targets,
		             weights,
		             rows,
		             vocabulary,
		             larger(RUN_LEAST, round_up((vocabulary + RUNS - 1) / RUNS, LANES)),
		             (float)(multiplier * 1.4426950408889634),
		             multiplier,
		             device };
	if (cpu_half(device))
		STATUS_TRY(cpu_scratch_reserve(device, (size_t)vocabulary * sizeof(float)));
	cpu_parallel(device, (rows + ITEM_ROWS - 1) / ITEM_ROWS, cpu_half(device) ? loss_bfloat16 : loss_float32,
	             &loss);
	return STATUS_OK;
}
