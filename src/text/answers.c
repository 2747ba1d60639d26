/* Repetition and shares.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/answers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct run {
	int32_t tokens[REPEATED_TOKENS];
};

static int run_compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct run)); /* any order will do */
}

double answers_repeated(const int32_t *tokens, int64_t count)
{
	int64_t runs = count - REPEATED_TOKENS + 1, different = 1;
	if (runs < 1)
		return 0;
	struct run *list = memory_allocate((size_t)runs, sizeof *list);
	if (list == NULL)
		return NAN;
	for (int64_t i = 0; i < runs; i++)
		memcpy(list[i].tokens, tokens + i, sizeof list[i].tokens);
	qsort(list, (size_t)runs, sizeof *list, run_compare);
	for (int64_t i = 1; i < runs; i++)
		different += run_compare(&list[i - 1], &list[i]) != 0;
	free(list);
	return 1 - (double)different / (double)runs;
}

enum status answers_pairs_add(struct answers_pairs *pairs, const int32_t *tokens, int64_t count)
{
	if (count < DISTINCT_TOKENS)
		return STATUS_OK;
	size_t more = (size_t)count - 1;
	STATUS_TRY(memory_grow((void **)&pairs->pairs, &pairs->capacity, pairs->count + more, sizeof *pairs->pairs));
	for (size_t i = 0; i < more; i++)
		pairs->pairs[pairs->count++] = (uint64_t)(uint32_t)tokens[i] << 32 | (uint32_t)tokens[i + 1];
	return STATUS_OK;
}

static int pair_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

double answers_pairs_distinct(struct answers_pairs *pairs)
{
	size_t different = pairs->count > 0;
	if (pairs->count == 0)
		return 0;
	qsort(pairs->pairs, pairs->count, sizeof *pairs->pairs, pair_compare);
	for (size_t i = 1; i < pairs->count; i++)
		different += pairs->pairs[i] != pairs->pairs[i - 1];
	return (double)different / (double)pairs->count;
}

void answers_pairs_clear(struct answers_pairs *pairs)
{
	free(pairs->pairs);
	*pairs = (struct answers_pairs){ 0 };
}

struct answers_share answers_wilson(double share, double count)
{
	const double z = 1.959963984540054; /* 97.5 % of a normal distribution lie below */
	if (!(count > 0))
		return (struct answers_share){ NAN, NAN, NAN };
	double middle = (share + z * z / (2 * count)) / (1 + z * z / count);
	double half = z / (1 + z * z / count) * sqrt(share * (1 - share) / count + z * z / (4 * count * count));
	return (struct answers_share){ share, fmax(0, middle - half), fmin(1, middle + half) };
}

struct answers_share answers_matching(const int64_t *matches, int64_t prompts, int64_t each)
{
	double sum = 0, squares = 0, count = (double)prompts;
	for (int64_t i = 0; i < prompts; i++)
		sum += (double)matches[i] / (double)each;
	double share = sum / count;
	for (int64_t i = 0; i < prompts; i++)
		squares += pow((double)matches[i] / (double)each - share, 2);
	/* The variance of the share as prompts scatter; that of n independent answers is share (1 - share) / n. */
	double variance = prompts > 1 ? squares / (count - 1) / count : 0, answers = count;
	if (variance > 0)
		answers = fmin(count * (double)each, fmax(count, share * (1 - share) / variance));
	return answers_wilson(share, answers);
}
