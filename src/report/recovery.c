/* Crossings, the choice among settings, intervals.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/recovery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* In a resample, of a model that does not reach the target: more than any number of tokens. */
#define NEVER 1e300

/* A bracket of so much of the answer is coarse. */
#define COARSE_SHARE 0.2

double recovery_crossing(size_t count, const double *tokens, const double *loss, double target, double *bracket)
{
	size_t at = 0;
	while (at < count && !(loss[at] <= target))
		at++;
	if (bracket != NULL)
		*bracket = at == 0 || at == count ? 0 : tokens[at] - tokens[at - 1];
	if (at == count)
		return NAN;
	if (at == 0 || isnan(loss[at - 1]))
		return tokens[at];
	double share = (loss[at - 1] - target) / (loss[at - 1] - loss[at]);
	return tokens[at - 1] + share * (tokens[at] - tokens[at - 1]);
}

double recovery_value(const struct recovery_curve *curve, double tokens)
{
	size_t after = 0;
	if (curve->count == 0)
		return NAN;
	while (after < curve->count && curve->tokens[after] < tokens)
		after++;
	if (after == 0)
		return curve->loss[0];
	if (after == curve->count)
		return curve->loss[after - 1];
	double share = (tokens - curve->tokens[after - 1]) / (curve->tokens[after] - curve->tokens[after - 1]);
	return curve->loss[after - 1] + share * (curve->loss[after] - curve->loss[after - 1]);
}

const struct recovery_documents *recovery_fewest(const struct recovery *recovery)
{
	const struct recovery_documents *fewest = NULL;
	for (size_t i = 0; i < recovery->count; i++) {
		const struct recovery_run *run = &recovery->runs[i];
		if (run->chosen && !isnan(run->tokens.low) && (!fewest || run->known.groups < fewest->groups))
			fewest = &run->known;
	}
	return fewest;
}

bool recovery_is_coarse(const struct recovery_run *run)
{
	return run->tokens.value > 0 && run->resolution > COARSE_SHARE * run->tokens.value;
}

static double last_of(const struct recovery_curve *curve, const double *values)
{
	return curve->count > 0 ? values[curve->count - 1] : NAN;
}

static void find(struct recovery_run *run)
{
	const struct recovery_curve *forget = &run->forget;
	double value = recovery_crossing(forget->count, forget->tokens, forget->loss, run->target, &run->resolution);
	run->tokens = (struct interval){ value, NAN, NAN };
	run->retain_cost =
		recovery_value(&run->retain, isnan(value) ? INFINITY : value) - recovery_value(&run->retain, 0);
}

/* Whether `a` is the better setting: fewer tokens; among those that never reach it, the lower loss at the end. */
static bool is_better(const struct recovery_run *a, const struct recovery_run *b)
{
	if (isnan(a->tokens.value) != isnan(b->tokens.value))
		return isnan(b->tokens.value);
	if (!isnan(a->tokens.value))
		return a->tokens.value < b->tokens.value;
	return last_of(&a->forget, a->forget.loss) < last_of(&b->forget, b->forget.loss);
}

void recovery_choose(struct recovery *recovery)
{
	for (size_t i = 0; i < recovery->count; i++)
		find(&recovery->runs[i]);
	for (size_t i = 0; i < recovery->count; i++) {
		struct recovery_run *run = &recovery->runs[i];
		run->chosen = true;
		run->tried = run->reached = 0;
		for (size_t j = 0; j < recovery->count; j++) {
			const struct recovery_run *other = &recovery->runs[j];
			if (strcmp(other->start, run->start) != 0 || strcmp(other->apart, run->apart) != 0)
				continue;
			run->tried++;
			run->reached += !isnan(other->tokens.value);
			/* of equal ones, the first */
			if (j != i && (is_better(other, run) || (j < i && !is_better(run, other))))
				run->chosen = false;
		}
	}
}

const struct recovery_run *recovery_find(const struct recovery *recovery, const char *label, const char *size)
{
	for (size_t i = 0; i < recovery->count; i++) {
		const struct recovery_run *run = &recovery->runs[i];
		if (run->chosen && strcmp(run->label, label) == 0 && strcmp(run->size, size) == 0)
			return run;
	}
	return NULL;
}

bool recovery_is_baseline(const struct recovery *recovery, const char *label)
{
	for (size_t i = 0; i < recovery->count; i++)
		if (strcmp(recovery->runs[i].label, label) == 0)
			return strcmp(recovery->runs[i].method, "none") == 0;
	return false;
}

/* ---- intervals ---- */

/* Sums of a resample: of tokens, of the target's losses, and of the losses at each evaluation. */
struct sums {
	double *values;       /* [2 + evaluations][resamples] */
	double **rows;        /* [2 + evaluations] */
	const double **added; /* [2 + evaluations] what is summed, [groups] */
	double *crossings;    /* [resamples] */
	double *loss;         /* [evaluations] of one resample */
};

static void sums_clear(struct sums *sums)
{
	free(sums->values);
	free(sums->rows);
	free(sums->added);
	free(sums->crossings);
	free(sums->loss);
}

static enum status sums_create(const struct recovery_run *run, size_t resamples, struct sums *sums)
{
	const struct recovery_documents *known = &run->known;
	size_t count = run->forget.count + 2;
	*sums = (struct sums){ .values = memory_allocate(count * resamples, sizeof(double)),
		               .rows = memory_allocate(count, sizeof(double *)),
		               .added = memory_allocate(count, sizeof(double *)),
		               .crossings = memory_allocate(resamples, sizeof(double)),
		               .loss = memory_allocate(count, sizeof(double)) };
	if (!sums->values || !sums->rows || !sums->added || !sums->crossings || !sums->loss) {
		sums_clear(sums);
		return STATUS_ENVIRONMENT;
	}
	for (size_t i = 0; i < count; i++) {
		sums->rows[i] = sums->values + i * resamples;
		sums->added[i] = i >= 2 ? known->nll + (i - 2) * known->groups : known->tokens;
	}
	if (known->target_nll)
		sums->added[1] = known->target_nll;
	return STATUS_OK;
}

static void resample(struct recovery_run *run, const uint16_t *counts, size_t resamples, double confidence,
                     struct sums *sums)
{
	const struct recovery_documents *known = &run->known;
	const struct recovery_curve *forget = &run->forget;
	bootstrap_sum(counts, resamples, known->groups, forget->count + 2, sums->added, sums->rows);
	for (size_t r = 0; r < resamples; r++) {
		double tokens = sums->rows[0][r];
		double target = known->target_nll ? sums->rows[1][r] / tokens : run->target;
		for (size_t i = 0; i < forget->count; i++)
			sums->loss[i] = sums->rows[i + 2][r] / tokens;
		double crossing = recovery_crossing(forget->count, forget->tokens, sums->loss, target, NULL);
		sums->crossings[r] = isnan(crossing) ? NEVER : crossing;
	}
	run->tokens = bootstrap_interval(run->tokens.value, sums->crossings, resamples, confidence);
	if (run->tokens.high > last_of(forget, forget->tokens))
		run->tokens.high = INFINITY;
	if (run->tokens.low > last_of(forget, forget->tokens))
		run->tokens.low = last_of(forget, forget->tokens);
}

static enum status find_interval(struct recovery_run *run, size_t resamples, double confidence, uint64_t seed)
{
	struct sums sums;
	/* of the model of the target itself an answer of 0 is one by definition; of another, it may be one by chance */
	bool exact = run->tokens.value <= 0 && strcmp(run->method, "none") == 0;
	if (!run->chosen || run->known.groups < 2 || resamples < 2 || isnan(run->tokens.value) || exact)
		return STATUS_OK;
	STATUS_TRY(sums_create(run, resamples, &sums));
	/* the same draws for all runs on the same documents */
	uint16_t *counts = bootstrap_draw(seed, "forget", resamples, run->known.groups);
	if (counts)
		resample(run, counts, resamples, confidence, &sums);
	free(counts);
	sums_clear(&sums);
	return counts ? STATUS_OK : STATUS_ENVIRONMENT;
}

enum status recovery_intervals(struct recovery *recovery, size_t resamples, double confidence, uint64_t seed)
{
	for (size_t i = 0; i < recovery->count; i++)
		STATUS_TRY(find_interval(&recovery->runs[i], resamples, confidence, seed));
	return STATUS_OK;
}
