/* Choosing tokens: temperature, the most probable ones by a heap, and a walk along the weights.
 * SPDX-License-Identifier: Apache-2.0 */
#include "model/sampling.h"

#include <math.h>
#include <stdlib.h>

#include "base/lanes.h"
#include "base/memory.h"

enum { BLOCK = 256 };

void sampling_scratch_clear(struct sampling_scratch *scratch)
{
	free(scratch->weights);
	free(scratch->order);
	*scratch = (struct sampling_scratch){ 0 };
}

static enum status scratch_reserve(struct sampling_scratch *scratch, int64_t vocabulary)
{
	if (vocabulary <= scratch->room)
		return STATUS_OK;
	sampling_scratch_clear(scratch);
	scratch->weights = memory_allocate((size_t)vocabulary, sizeof *scratch->weights);
	scratch->order = memory_allocate((size_t)vocabulary, sizeof *scratch->order);
	if (scratch->weights == NULL || scratch->order == NULL)
		return STATUS_ENVIRONMENT;
	scratch->room = vocabulary;
	return STATUS_OK;
}

/* ---- the most probable tokens first ---- */

/* Whether token a comes before b. */
static int before(const struct sampling_scratch *scratch, int32_t a, int32_t b)
{
	float x = scratch->weights[a], y = scratch->weights[b];
	return x != y ? x > y : a < b;
}

/* Lets the token at `place` of the heap sink to where it belongs. */
static void sink(struct sampling_scratch *scratch, int64_t place, int64_t count)
{
	int32_t *heap = scratch->order, token = heap[place];
	for (int64_t child; (child = 2 * place + 1) < count; place = child) {
		if (child + 1 < count && before(scratch, heap[child + 1], heap[child]))
			child++;
		if (!before(scratch, heap[child], token))
			break;
		heap[place] = heap[child];
	}
	heap[place] = token;
}

/* Takes the first `most` tokens, or fewer that reach the weight `enough`, out of `count`: they end up at the end of the order,
 * the first one last. *total: their weight. Returns how many. */
static int64_t take_first(struct sampling_scratch *scratch, int64_t count, int64_t most, double enough, double *total)
{
	int64_t taken = 0;
	for (int64_t place = count / 2 - 1; place >= 0; place--)
		sink(scratch, place, count);
	*total = 0;
	while (taken < most && taken < count && (taken == 0 || *total < enough)) {
		int32_t token = scratch->order[0];
		int64_t last = count - ++taken;
		scratch->order[0] = scratch->order[last];
		scratch->order[last] = token;
		sink(scratch, 0, last);
		*total += (double)scratch->weights[token];
	}
	return taken;
}

/* Of the `taken` tokens at the end of `count` the fewest that make up a share of their weight. */
static int64_t cut(const struct sampling_scratch *scratch, int64_t count, int64_t taken, double share, double *total)
{
	double enough = share * *total, sum = 0;
	int64_t kept = 0;
	while (kept < taken && (kept == 0 || sum < enough))
		sum += (double)scratch->weights[scratch->order[count - ++kept]];
	*total = sum;
	return kept;
}

/* ---- a token ---- */

/* The first of the most probable ones. */
static int32_t draw_best(const struct sampling *sampling, const float *logits)
{
	float largest = lanes_largest(logits, sampling->vocabulary);
	int32_t id = 0;
	while (logits[id] != largest)
		id++;
	return id;
}

/* The last id before `end` that has a weight. */
static int32_t last_before(const struct sampling_scratch *scratch, int64_t end)
{
	do
		end--;
	while (end > 0 && scratch->weights[end] == 0);
	return (int32_t)end;
}

/* Where the weights, summed up in the order of ids, pass `weight`: by blocks, then within one. */
static int32_t draw_any(const struct sampling *sampling, const struct sampling_scratch *scratch, double weight)
{
	double sum = 0;
	for (int64_t begin = 0, count; begin < sampling->vocabulary; begin += count) {
		count = sampling->vocabulary - begin < BLOCK ? sampling->vocabulary - begin : BLOCK;
		double block = lanes_sum_of(scratch->weights + begin, count);
		if (sum + block <= weight) {
			sum += block;
			continue;
		}
		for (int64_t id = begin; id < begin + count; id++) {
			sum += (double)scratch->weights[id];
			if (sum > weight)
				return (int32_t)id;
		}
		return last_before(scratch, begin + count); /* by rounding */
	}
	return last_before(scratch, sampling->vocabulary);
}

/* The same among the most probable ones, from these on. */
static int32_t draw_first(const struct sampling *sampling, struct sampling_scratch *scratch, double total,
                          double uniform)
{
	int64_t count = sampling->vocabulary, kept;
	for (int32_t id = 0; id < count; id++)
		scratch->order[id] = id;
	if (sampling->top_k > 0 && sampling->top_k < count) {
		kept = take_first(scratch, count, sampling->top_k, INFINITY, &total);
		if (sampling->top_p < 1)
			kept = cut(scratch, count, kept, sampling->top_p, &total);
	} else {
		kept = take_first(scratch, count, count, sampling->top_p * total, &total);
	}
	double sum = 0;
	int32_t token = scratch->order[count - 1];
	for (int64_t place = count - 1; place >= count - kept && scratch->weights[scratch->order[place]] > 0; place--) {
		token = scratch->order[place];
		sum += (double)scratch->weights[token];
		if (sum > uniform * total)
			break;
	}
	return token;
}

static int32_t draw(const struct sampling *sampling, const float *logits, double uniform,
                    struct sampling_scratch *scratch)
{
	if (sampling->temperature == 0)
		return draw_best(sampling, logits);
	float largest = lanes_largest(logits, sampling->vocabulary), factor = (float)(1 / sampling->temperature);
	double total = lanes_exponentials(scratch->weights, logits, sampling->vocabulary, largest, factor);
	return sampling->top_k == 0 && sampling->top_p >= 1 ? draw_any(sampling, scratch, uniform * total)
	                                                    : draw_first(sampling, scratch, total, uniform);
}

enum status sampling_choose(const struct sampling *sampling, float *logits, double uniform,
                            struct sampling_scratch *scratch, struct choice *choice_out)
{
	STATUS_TRY(scratch_reserve(scratch, sampling->vocabulary));
	float largest = lanes_largest(logits, sampling->vocabulary);
	double sum = lanes_exponentials(scratch->weights, logits, sampling->vocabulary, largest, 1.0f);
	double all = (double)largest + log(sum);
	if (!isfinite(all))
		return error_raise(STATUS_NUMERIC, "the model's logits are not finite: its training has failed");
	choice_out->hidden_probability = exp((double)logits[sampling->hidden] - all);
	for (int64_t i = 0; i < sampling->excluded_count; i++)
		logits[sampling->excluded[i]] = -INFINITY;
	choice_out->token = draw(sampling, logits, uniform, scratch);
	choice_out->log_probability = (double)logits[choice_out->token] - all;
	return STATUS_OK;
}
