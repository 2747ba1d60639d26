/* Accuracy on multiple choice questions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/questions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "report/question_answers.h"

/* ---- intervals ---- */

/* The draws of one set of questions, and room to work in. */
struct drawing {
	const struct comparison *comparison;
	const struct question_set *set;
	size_t questions, clusters;
	size_t *cluster;  /* [questions] */
	uint16_t *counts; /* [resamples][clusters], NULL: no intervals */
	/* of a measure: */
	bool letters;                 /* scored by letters */
	size_t *chosen, chosen_count; /* clusters with questions of the measure */
	uint16_t *chosen_counts;      /* [resamples][chosen_count]; counts when all are chosen */
	struct question_average own, base;
	double *above, *below;                       /* [questions] */
	double *cluster_above, *cluster_below;       /* [clusters] */
	double *above_replicates, *below_replicates; /* [resamples] */
};

/* Sums of the chosen clusters. `out` may be cluster_below itself: chosen clusters are in order. */
static void sum_clusters(const struct drawing *drawing, const double *values, double *out)
{
	double *all = drawing->cluster_below; /* the last of the two that is filled, so it is free until then */
	memset(all, 0, drawing->clusters * sizeof(*all));
	for (size_t q = 0; q < drawing->questions; q++)
		all[drawing->cluster[q]] += values[q];
	for (size_t i = 0; i < drawing->chosen_count; i++)
		out[i] = all[drawing->chosen[i]];
}

static double sum(const double *values, size_t count)
{
	double all = 0.0;
	for (size_t i = 0; i < count; i++)
		all += values[i];
	return all;
}

/* Sum of drawing->above over sum of drawing->below and its interval; resamples whose denominator is not positive are unknown. */
static struct interval measure_ratio(const struct drawing *drawing)
{
	const struct compare_options *options = &drawing->comparison->options;
	double value = sum(drawing->above, drawing->questions) / sum(drawing->below, drawing->questions);
	struct interval interval = { value, NAN, NAN };
	if (!drawing->counts)
		return interval;
	sum_clusters(drawing, drawing->above, drawing->cluster_above);
	sum_clusters(drawing, drawing->below, drawing->cluster_below);
	const double *const values[] = { drawing->cluster_above, drawing->cluster_below };
	double *const sums[] = { drawing->above_replicates, drawing->below_replicates };
	bootstrap_sum(drawing->chosen_counts, options->resamples, drawing->chosen_count, 2, values, sums);
	for (size_t k = 0; k < options->resamples; k++)
		sums[0][k] = sums[1][k] > 0.0 ? sums[0][k] / sums[1][k] : NAN;
	return bootstrap_interval(value, sums[0], options->resamples, options->confidence);
}

/* Clusters without a question of the measure are left out, so that a small group costs little. */
static void choose_clusters(struct drawing *drawing, const struct question_measure *measure)
{
	size_t resamples = drawing->comparison->options.resamples;
	double *used = drawing->cluster_above;
	memset(used, 0, drawing->clusters * sizeof(*used));
	for (size_t q = 0; q < drawing->questions; q++)
		if (!measure->group || (size_t)drawing->set->group[q] == measure->group_index)
			used[drawing->cluster[q]] = 1.0;
	drawing->letters = strcmp(measure->rule, "letters") == 0;
	drawing->chosen_count = 0;
	for (size_t i = 0; i < drawing->clusters; i++)
		if (used[i] > 0.0)
			drawing->chosen[drawing->chosen_count++] = i;
	for (size_t k = 0; k < resamples && drawing->counts; k++)
		for (size_t i = 0; i < drawing->chosen_count; i++)
			drawing->chosen_counts[k * drawing->chosen_count + i] =
				drawing->counts[k * drawing->clusters + drawing->chosen[i]];
}

static double guessing(const struct drawing *drawing, size_t question)
{
	const struct question_set *set = drawing->set;
	if (!set->guessing)
		return set->chance;
	return drawing->letters ? set->one_letter[question] : set->guessing[question];
}

static void fill_chance(struct drawing *drawing, struct question_result *result)
{
	double chance = 0.0;
	for (size_t q = 0; q < drawing->questions; q++) {
		double own = drawing->own.asked[q] > 0.0 ? guessing(drawing, q) : 0.0;
		drawing->above[q] = drawing->own.correct[q] - own;
		drawing->below[q] = drawing->own.asked[q];
		chance += own;
	}
	result->chance = drawing->set->guessing ? chance / (double)drawing->own.count : drawing->set->chance;
	struct interval excess = measure_ratio(drawing);
	if (drawing->chosen_count < COMPARE_FEW_GROUPS && drawing->counts)
		result->verdict = CHANCE_FEW;
	else if (!isnan(excess.low))
		result->verdict = excess.low > 0.0 ? CHANCE_ABOVE : excess.high < 0.0 ? CHANCE_BELOW : CHANCE_SAME;
}

/* Against the baseline, over the questions that both were asked. */
static void fill_difference(struct drawing *drawing, bool base_knows, struct question_result *result)
{
	const struct question_average *own = &drawing->own, *base = &drawing->base;
	double excess = 0.0;
	for (size_t q = 0; q < drawing->questions; q++) {
		drawing->below[q] = own->asked[q] * base->asked[q];
		drawing->above[q] = drawing->below[q] > 0.0 ? own->correct[q] - base->correct[q] : 0.0;
	}
	if (sum(drawing->below, drawing->questions) == 0.0)
		return;
	result->difference = measure_ratio(drawing);
	for (size_t q = 0; q < drawing->questions; q++) {
		double both = own->asked[q] * base->asked[q];
		drawing->above[q] = both > 0.0 ? own->correct[q] - guessing(drawing, q) : 0.0;
		drawing->below[q] = both > 0.0 ? base->correct[q] - guessing(drawing, q) : 0.0;
		excess += drawing->below[q];
	}
	if (base_knows && excess > 0.0)
		result->normalised = measure_ratio(drawing);
}

static struct question_result *result_of(const struct question_results *results, size_t measure, size_t group)
{
	return &results->results[measure * results->comparison->study->group_count + group];
}

/* Baselines come first, so that it is known whether they are above chance. */
static void fill_group(struct question_results *results, size_t number, size_t group, struct drawing *drawing)
{
	const struct study *study = results->comparison->study;
	const struct question_measure *measure = &results->measures[number];
	const struct group *who = &study->groups[group];
	size_t baseline = study->methods[who->method].baseline;
	struct question_result *result = result_of(results, number, group);
	if (!question_average_find(study, group, measure, drawing->questions, &drawing->own))
		return;
	result->questions = drawing->own.count;
	result->left_out = drawing->own.left_out;
	result->margin = drawing->own.margin;
	memcpy(drawing->above, drawing->own.correct, drawing->questions * sizeof(double));
	memcpy(drawing->below, drawing->own.asked, drawing->questions * sizeof(double));
	result->accuracy = measure_ratio(drawing);
	fill_chance(drawing, result);
	if (baseline == STUDY_NONE || baseline == who->method)
		return;
	size_t base = study_cell(study, baseline, who->size);
	const struct question_set *other = base == STUDY_NONE ? NULL : question_answers_set(study, base, measure->set);
	if (!other || !question_answers_same(other, drawing->set) ||
	    !question_average_find(study, base, measure, drawing->questions, &drawing->base))
		return;
	enum chance_verdict verdict = result_of(results, number, base)->verdict;
	fill_difference(drawing, verdict == CHANCE_ABOVE || (!drawing->counts && verdict == CHANCE_UNKNOWN), result);
}

/* ---- sets ---- */

static void drawing_clear(struct drawing *drawing)
{
	free(drawing->cluster);
	free(drawing->counts);
	free(drawing->chosen);
	free(drawing->chosen_counts);
	free(drawing->own.correct);
	free(drawing->own.asked);
	free(drawing->base.correct);
	free(drawing->base.asked);
	free(drawing->above);
	free(drawing->below);
	free(drawing->cluster_above);
	free(drawing->cluster_below);
	free(drawing->above_replicates);
	free(drawing->below_replicates);
}

static enum status find_clusters(struct drawing *drawing)
{
	drawing->clusters = drawing->questions;
	if (drawing->set->cluster)
		return bootstrap_number_groups(drawing->set->cluster, drawing->questions, drawing->cluster,
		                               &drawing->clusters);
	for (size_t q = 0; q < drawing->questions; q++)
		drawing->cluster[q] = q;
	return STATUS_OK;
}

static enum status drawing_create(const struct comparison *comparison, const struct question_set *set,
                                  struct drawing *drawing)
{
	const struct compare_options *options = &comparison->options;
	size_t questions = (size_t)set->count, resamples = options->resamples;
	*drawing = (struct drawing){ .comparison = comparison, .set = set, .questions = questions };
	drawing->cluster = memory_allocate(questions, sizeof(*drawing->cluster));
	drawing->chosen = memory_allocate(questions, sizeof(*drawing->chosen));
	double **const rooms[] = { &drawing->own.correct,   &drawing->own.asked,    &drawing->base.correct,
		                   &drawing->base.asked,    &drawing->above,        &drawing->below,
		                   &drawing->cluster_above, &drawing->cluster_below };
	bool good = drawing->cluster && drawing->chosen;
	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		*rooms[i] = memory_allocate(questions, sizeof(double));
		good = good && *rooms[i];
	}
	drawing->above_replicates = memory_allocate(resamples, sizeof(double));
	drawing->below_replicates = memory_allocate(resamples, sizeof(double));
	if (!good || !drawing->above_replicates || !drawing->below_replicates)
		return STATUS_ENVIRONMENT;
	STATUS_TRY(find_clusters(drawing));
	if (resamples == 0)
		return STATUS_OK;
	drawing->counts =
		bootstrap_draw(options->seed ^ bootstrap_stream("questions"), set->set, resamples, drawing->clusters);
	drawing->chosen_counts = memory_allocate(resamples * drawing->clusters, sizeof(*drawing->chosen_counts));
	return drawing->counts && drawing->chosen_counts ? STATUS_OK : STATUS_ENVIRONMENT;
}

/* Sets the index of the measure's group in this set, which may be another than in one of the same name; false: it has none. */
static bool find_group(struct question_measure *measure, const struct question_set *set)
{
	for (size_t i = 0; measure->group && i < set->group_count; i++)
		if (strcmp(set->groups[i], measure->group) == 0) {
			measure->group_index = i;
			return true;
		}
	return !measure->group;
}

/* All measures of the set, of all groups of runs that were asked these questions; all with the same draws. */
static enum status fill_set(struct question_results *results, const struct question_set *set)
{
	const struct study *study = results->comparison->study;
	struct drawing drawing;
	enum status status = drawing_create(results->comparison, set, &drawing);
	for (size_t m = 0; m < results->measure_count && status == STATUS_OK; m++) {
		if (strcmp(results->measures[m].set, set->set) != 0 || !find_group(&results->measures[m], set))
			continue;
		choose_clusters(&drawing, &results->measures[m]);
		for (int pass = 0; pass < 2; pass++)
			for (size_t g = 0; g < study->group_count; g++) {
				const struct question_set *own = question_answers_set(study, g, set->set);
				if (study->methods[study->groups[g].method].is_baseline == (pass == 0) && own &&
				    question_answers_same(own, set))
					fill_group(results, m, g, &drawing);
			}
	}
	drawing_clear(&drawing);
	return status;
}

/* Whether a group of runs before this one was asked the same. */
static bool is_filled(const struct study *study, const struct question_set *set, size_t group)
{
	for (size_t g = 0; g < group; g++) {
		const struct question_set *before = question_answers_set(study, g, set->set);
		if (before && question_answers_same(before, set))
			return true;
	}
	return false;
}

static enum status fill_sets(struct question_results *results)
{
	const struct study *study = results->comparison->study;
	for (size_t s = 0; s < results->set_count; s++)
		for (size_t g = 0; g < study->group_count; g++) {
			const struct question_set *set = question_answers_set(study, g, results->sets[s]);
			if (set && set->count > 0 && !is_filled(study, set, g))
				STATUS_TRY(fill_set(results, set));
		}
	return STATUS_OK;
}

enum status questions_create(const struct comparison *comparison, struct question_results *results_out)
{
	struct question_results results = { .comparison = comparison };
	const struct interval none = { NAN, NAN, NAN };
	enum status status = question_measures_find(&results);
	size_t cells = results.measure_count * comparison->study->group_count;
	if (status == STATUS_OK) {
		results.results = memory_allocate(cells, sizeof(*results.results));
		status = results.results ? STATUS_OK : STATUS_ENVIRONMENT;
	}
	for (size_t i = 0; i < cells && status == STATUS_OK; i++)
		results.results[i] = (struct question_result){
			.accuracy = none, .difference = none, .normalised = none, .margin = NAN, .chance = NAN
		};
	if (status == STATUS_OK)
		status = fill_sets(&results);
	if (status == STATUS_OK)
		*results_out = results;
	else
		questions_clear(&results);
	return status;
}

void questions_clear(struct question_results *results)
{
	for (size_t i = 0; i < results->set_count; i++) {
		free(results->sets[i]);
		free(results->titles[i]);
	}
	free(results->sets);
	free(results->titles);
	free(results->measures);
	free(results->results);
	*results = (struct question_results){ 0 };
}

const struct question_result *questions_at(const struct question_results *results, size_t measure, size_t group)
{
	return result_of(results, measure, group);
}
