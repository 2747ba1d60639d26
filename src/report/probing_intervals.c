/* Figures of probes from sums over documents, and their intervals.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/probing.h"

const char *probings_method(const struct probings *probings, const struct probed *model)
{
	return probings->study->methods[probings->study->groups[model->group].method].label;
}

const char *probings_size(const struct probings *probings, const struct probed *model)
{
	return probings->study->sizes[probings->study->groups[model->group].size].label;
}

const struct probed *probings_baseline(const struct probings *probings, const struct probed *model)
{
	const struct study *study = probings->study;
	const struct group *group = &study->groups[model->group];
	const struct probed *first = NULL;
	size_t baseline = study->methods[group->method].baseline;
	if (study->methods[group->method].is_baseline || baseline == STUDY_NONE)
		return NULL;
	for (size_t i = 0; i < probings->count; i++) {
		const struct probed *other = &probings->models[i];
		const struct group *own = &study->groups[other->group];
		if (own->method != baseline || own->size != group->size)
			continue;
		if (strcmp(other->seed, model->seed) == 0)
			return other;
		first = first ? first : other;
	}
	return first;
}

const struct probed_pair *probings_pair(const struct probed *model, const char *name)
{
	for (size_t i = 0; model && i < model->pair_count; i++)
		if (strcmp(model->pairs[i].name, name) == 0)
			return &model->pairs[i];
	return NULL;
}

double probings_f1(double forget, double other, double true_forget, double false_forget, bool balanced)
{
	double weight = balanced ? forget / other : 1.0;
	return 2.0 * true_forget / (true_forget + weight * false_forget + forget);
}

double probings_accuracy(double forget, double other, double true_forget, double false_forget)
{
	return 0.5 * (true_forget / forget + (other - false_forget) / other);
}

/* ---- resampling ---- */

/* A figure in each resample: of the model, and less that of its baseline. */
struct resampled {
	double *sums[PROBED_SUMS]; /* [resamples] */
	double *values, *others;   /* [resamples] */
};

static void resampled_clear(struct resampled *resampled)
{
	for (int i = 0; i < PROBED_SUMS; i++)
		free(resampled->sums[i]);
	free(resampled->values);
	free(resampled->others);
}

static enum status resampled_create(size_t resamples, struct resampled *resampled)
{
	bool whole = true;
	*resampled = (struct resampled){ .values = memory_allocate(resamples, sizeof(double)),
		                         .others = memory_allocate(resamples, sizeof(double)) };
	for (int i = 0; i < PROBED_SUMS; i++) {
		resampled->sums[i] = memory_allocate(resamples, sizeof(double));
		whole = whole && resampled->sums[i];
	}
	if (whole && resampled->values && resampled->others)
		return STATUS_OK;
	resampled_clear(resampled);
	return STATUS_ENVIRONMENT;
}

enum figure { FIGURE_F1, FIGURE_F1_NATURAL, FIGURE_ACCURACY, FIGURE_PAIR };

static double figure_of(enum figure figure, const double s[PROBED_SUMS])
{
	switch (figure) {
	case FIGURE_F1:
		return probings_f1(s[0], s[1], s[2], s[3], true);
	case FIGURE_F1_NATURAL:
		return probings_f1(s[0], s[1], s[4], s[5], false);
	case FIGURE_ACCURACY:
		return probings_accuracy(s[0], s[1], s[2], s[3]);
	case FIGURE_PAIR:
		return 0.5 * (s[1] / s[0] + s[3] / s[2]);
	}
	return NAN;
}

static double value_of(enum figure figure, const struct probed_documents *documents)
{
	double sums[PROBED_SUMS] = { 0 };
	for (int i = 0; i < PROBED_SUMS; i++)
		for (size_t g = 0; g < documents->groups; g++)
			sums[i] += documents->sums[i][g];
	return figure_of(figure, sums);
}

static void fill_values(enum figure figure, const struct resampled *resampled, size_t resamples, double *values)
{
	for (size_t r = 0; r < resamples; r++) {
		double sums[PROBED_SUMS];
		for (int i = 0; i < PROBED_SUMS; i++)
			sums[i] = resampled->sums[i][r];
		values[r] = figure_of(figure, sums);
	}
}

static bool same_documents(const struct probed_documents *a, const struct probed_documents *b)
{
	return a->count == b->count && memcmp(a->number, b->number, a->count * sizeof(*a->number)) == 0 &&
	       memcmp(a->group, b->group, a->count * sizeof(*a->group)) == 0;
}

struct request {
	size_t resamples;
	double confidence;
	uint64_t seed;
	const char *set; /* names the stream of random numbers */
};

/* Intervals of `count` figures of the documents. `other`: those of the baseline on the same documents, NULL: none; the difference is of the first
 * figure. */
static enum status resample(const struct request *request, const struct probed_documents *documents,
                            const struct probed_documents *other, int count, const enum figure *figures,
                            struct interval *const *intervals, struct interval *difference)
{
	struct resampled resampled;
	size_t resamples = request->resamples;
	for (int i = 0; i < count; i++)
		*intervals[i] = (struct interval){ value_of(figures[i], documents), NAN, NAN };
	*difference = (struct interval){ other ? intervals[0]->value - value_of(figures[0], other) : NAN, NAN, NAN };
	if (resamples < 2 || documents->groups < 2)
		return STATUS_OK;
	STATUS_TRY(resampled_create(resamples, &resampled));
	uint16_t *counts = bootstrap_draw(request->seed, request->set, resamples, documents->groups);
	if (counts && other) {
		bootstrap_sum(counts, resamples, other->groups, PROBED_SUMS, (const double *const *)other->sums,
		              resampled.sums);
		fill_values(figures[0], &resampled, resamples, resampled.others);
	}
	if (counts)
		bootstrap_sum(counts, resamples, documents->groups, PROBED_SUMS, (const double *const *)documents->sums,
		              resampled.sums);
	for (int i = 0; i < count && counts; i++) {
		fill_values(figures[i], &resampled, resamples, resampled.values);
		for (size_t r = 0; r < resamples && i == 0 && other; r++)
			resampled.others[r] = resampled.values[r] - resampled.others[r];
		*intervals[i] =
			bootstrap_interval(intervals[i]->value, resampled.values, resamples, request->confidence);
	}
	if (counts && other)
		*difference = bootstrap_interval(difference->value, resampled.others, resamples, request->confidence);
	free(counts);
	resampled_clear(&resampled);
	return counts ? STATUS_OK : STATUS_ENVIRONMENT;
}

static enum status find_tokens(const struct probings *probings, struct probed *model, const struct request *request)
{
	static const enum figure figures[3] = { FIGURE_F1, FIGURE_F1_NATURAL, FIGURE_ACCURACY };
	struct interval *const intervals[3] = { &model->f1, &model->f1_natural, &model->accuracy };
	const struct probed *baseline = probings_baseline(probings, model);
	const struct probed_documents *other = NULL;
	if (!model->has_tokens)
		return STATUS_OK;
	if (baseline && baseline->has_tokens && same_documents(&baseline->documents, &model->documents))
		other = &baseline->documents;
	return resample(request, &model->documents, other, 3, figures, intervals, &model->difference);
}

static enum status find_pair(const struct probings *probings, const struct probed *model, struct probed_pair *pair,
                             const struct request *request)
{
	static const enum figure figure = FIGURE_PAIR;
	struct interval *const interval = &pair->mean;
	const struct probed_pair *other = probings_pair(probings_baseline(probings, model), pair->name);
	if (other && !same_documents(&other->documents, &pair->documents))
		other = NULL;
	return resample(request, &pair->documents, other ? &other->documents : NULL, 1, &figure, &interval,
	                &pair->difference);
}

enum status probings_intervals(struct probings *probings, size_t resamples, double confidence, uint64_t seed)
{
	for (size_t i = 0; i < probings->count; i++) {
		struct probed *model = &probings->models[i];
		struct request request = { resamples, confidence, seed, "tokens" };
		STATUS_TRY(find_tokens(probings, model, &request));
		for (size_t k = 0; k < model->pair_count; k++) {
			request.set = model->pairs[k].name;
			STATUS_TRY(find_pair(probings, model, &model->pairs[k], &request));
		}
	}
	return STATUS_OK;
}
