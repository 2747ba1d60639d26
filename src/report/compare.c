/* Losses, their intervals and differences, measure by measure.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "report/sample.h"

/* ---- resampled losses of one measure ---- */

struct columns {
	size_t runs, groups;    /* of documents */
	double **nll, **tokens; /* [run][group]; NULL for a run without a table */
};

static void free_rows(double **rows, size_t count)
{
	for (size_t i = 0; rows && i < count; i++)
		free(rows[i]);
	free(rows);
}

static void columns_clear(struct columns *columns)
{
	free_rows(columns->nll, columns->runs);
	free_rows(columns->tokens, columns->runs);
	*columns = (struct columns){ 0 };
}

static enum status columns_create(const struct sample *sample, bool label, struct columns *columns)
{
	*columns = (struct columns){ .runs = sample->study->list->count, .groups = sample->groups };
	columns->nll = memory_allocate(columns->runs, sizeof(*columns->nll));
	columns->tokens = memory_allocate(columns->runs, sizeof(*columns->tokens));
	enum status status = columns->nll && columns->tokens ? STATUS_OK : STATUS_ENVIRONMENT;
	for (size_t r = 0; r < columns->runs && status == STATUS_OK && sample->documents > 0; r++) {
		if (!sample_has(sample, r))
			continue;
		columns->nll[r] = memory_allocate(sample->groups, sizeof(double));
		columns->tokens[r] = memory_allocate(sample->groups, sizeof(double));
		if (columns->nll[r] && columns->tokens[r])
			sample_columns(sample, r, label, columns->nll[r], columns->tokens[r]);
		else
			status = STATUS_ENVIRONMENT;
	}
	if (status != STATUS_OK)
		columns_clear(columns);
	return status;
}

static double mean_loss(const struct columns *columns, size_t run)
{
	double nll = 0.0, tokens = 0.0;
	for (size_t g = 0; g < columns->groups; g++) {
		nll += columns->nll[run][g];
		tokens += columns->tokens[run][g];
	}
	return tokens > 0.0 && isfinite(nll) ? nll / tokens : NAN;
}

/* Resampled losses of the `count` runs whose numbers are in `chosen`, into replicates[run]. */
static enum status resample(const struct columns *columns, const uint16_t *counts, size_t resamples,
                            const size_t *chosen, size_t count, double **replicates)
{
	const double **values = memory_allocate(count, sizeof(*values));
	double **sums = memory_allocate(count, sizeof(*sums));
	double *tokens = memory_allocate(resamples, sizeof(*tokens));
	enum status status = values && sums && tokens ? STATUS_OK : STATUS_ENVIRONMENT;
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		values[i] = columns->nll[chosen[i]];
		sums[i] = replicates[chosen[i]] = memory_allocate(resamples, sizeof(double));
		if (!sums[i])
			status = STATUS_ENVIRONMENT;
	}
	if (status == STATUS_OK && count > 0)
		bootstrap_sum(counts, resamples, columns->groups, count, values, sums);
	const double *summed = NULL; /* the column that `tokens` holds the sums of: most often that of every run */
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		const double *own = columns->tokens[chosen[i]];
		if (!summed || memcmp(summed, own, columns->groups * sizeof(*own)) != 0)
			bootstrap_sum(counts, resamples, columns->groups, 1, &own, &tokens);
		summed = own;
		for (size_t k = 0; k < resamples; k++)
			sums[i][k] = tokens[k] > 0.0 ? sums[i][k] / tokens[k] : NAN;
	}
	free(values);
	free(sums);
	free(tokens);
	return status;
}

/* ---- findings of one measure ---- */

static enum verdict judge(const struct interval *difference)
{
	if (isnan(difference->low))
		return VERDICT_NONE;
	if (difference->low > 0.0)
		return VERDICT_WORSE;
	return difference->high < 0.0 ? VERDICT_BETTER : VERDICT_NO_DIFFERENCE;
}

static struct loss_result *loss_of(struct comparison *comparison, size_t measure, size_t group)
{
	return &comparison->losses[measure * comparison->study->group_count + group];
}

/* From the shared documents, or without them the number in the run file. */
static double loss_of_run(const struct study *study, const struct measure *measure, const struct columns *columns,
                          size_t run)
{
	const struct evaluation *evaluation = run_evaluation(&study->list->runs[run], measure->set);
	if (columns->nll[run])
		return mean_loss(columns, run);
	return !evaluation ? NAN : measure->label ? evaluation->label_loss : evaluation->loss;
}

/* Replicates of a group when all its runs have them; *out stays NULL when not. */
static enum status resample_group(const struct comparison *comparison, size_t group, double *const *replicates,
                                  double **out)
{
	const struct group *who = &comparison->study->groups[group];
	const double **runs = memory_allocate(who->count, sizeof(*runs));
	bool complete = true;
	if (!runs)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < who->count; i++) {
		runs[i] = replicates[who->runs[i]];
		complete = complete && runs[i];
	}
	if (complete)
		*out = memory_allocate(comparison->options.resamples, sizeof(double));
	if (*out)
		seeds_resample(comparison, group, runs, *out);
	free(runs);
	return complete && !*out ? STATUS_ENVIRONMENT : STATUS_OK;
}

static enum status fill_loss(struct comparison *comparison, size_t measure, const struct columns *columns, size_t group,
                             double *const *replicates, double *scratch)
{
	const struct study *study = comparison->study;
	const struct group *who = &study->groups[group];
	const struct compare_options *options = &comparison->options;
	struct loss_result *result = loss_of(comparison, measure, group);
	double **own = &comparison->replicates[measure * study->group_count + group];
	double *losses = memory_allocate(who->count, sizeof(*losses));
	if (!losses)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < who->count; i++)
		losses[i] = loss_of_run(study, &study->measures[measure], columns, who->runs[i]);
	double loss = seeds_mean(losses, who->count, &result->spread);
	free(losses);
	result->seeds = who->count;
	result->loss = (struct interval){ isfinite(loss) ? loss : NAN, NAN, NAN };
	result->difference = (struct interval){ NAN, NAN, NAN };
	STATUS_TRY(resample_group(comparison, group, replicates, own));
	if (*own) {
		memcpy(scratch, *own, options->resamples * sizeof(*scratch));
		result->loss = bootstrap_interval(loss, scratch, options->resamples, options->confidence);
	}
	return STATUS_OK;
}

static void fill_difference(struct comparison *comparison, size_t measure, size_t group, double *scratch)
{
	const struct study *study = comparison->study;
	const struct compare_options *options = &comparison->options;
	const struct group *who = &study->groups[group];
	size_t baseline = study->methods[who->method].baseline;
	size_t other =
		baseline == STUDY_NONE || baseline == who->method ? STUDY_NONE : study_cell(study, baseline, who->size);
	if (other == STUDY_NONE)
		return;
	struct loss_result *result = loss_of(comparison, measure, group);
	double value = result->loss.value - loss_of(comparison, measure, other)->loss.value;
	const double *own = compare_replicates(comparison, measure, group);
	const double *base = compare_replicates(comparison, measure, other);
	result->difference.value = value;
	if (!own || !base)
		return;
	for (size_t k = 0; k < options->resamples; k++)
		scratch[k] = own[k] - base[k];
	result->difference = bootstrap_interval(value, scratch, options->resamples, options->confidence);
	result->verdict = judge(&result->difference);
}

static enum status compare_measure(struct comparison *comparison, size_t measure, const struct sample *sample,
                                   const uint16_t *counts)
{
	const struct study *study = comparison->study;
	size_t runs = study->list->count, resamples = comparison->options.resamples, count = 0;
	struct columns columns;
	STATUS_TRY(columns_create(sample, study->measures[measure].label, &columns));
	double **replicates = memory_allocate(runs, sizeof(*replicates));
	size_t *chosen = memory_allocate(runs, sizeof(*chosen));
	double *scratch = memory_allocate(resamples, sizeof(*scratch));
	enum status status = replicates && chosen && scratch ? STATUS_OK : STATUS_ENVIRONMENT;
	for (size_t r = 0; r < runs && status == STATUS_OK && counts; r++)
		if (columns.nll[r] && isfinite(mean_loss(&columns, r)))
			chosen[count++] = r;
	if (status == STATUS_OK)
		status = resample(&columns, counts, resamples, chosen, count, replicates);
	for (size_t g = 0; g < study->group_count && status == STATUS_OK; g++)
		status = fill_loss(comparison, measure, &columns, g, replicates, scratch);
	for (size_t g = 0; g < study->group_count && status == STATUS_OK; g++)
		fill_difference(comparison, measure, g, scratch);
	if (status == STATUS_OK)
		status = slowdown_compute(comparison, measure);
	free_rows(replicates, runs);
	free(chosen);
	free(scratch);
	columns_clear(&columns);
	return status;
}

/* ---- all measures ---- */

enum { FEWEST_GROUPS = 2 }; /* fewer say nothing about how much documents differ */

/* The measures from `first` on that are of one set; *next: the first of another set. */
static enum status compare_set(struct comparison *comparison, size_t first, size_t *next)
{
	const struct study *study = comparison->study;
	const char *set = study->measures[first].set;
	struct sample sample;
	uint16_t *counts = NULL;
	STATUS_TRY(sample_create(study, set, &sample));
	enum status status = STATUS_OK;
	bool resampled = sample.groups >= FEWEST_GROUPS && comparison->options.resamples > 0;
	if (resampled) {
		counts = bootstrap_draw(comparison->options.seed, set, comparison->options.resamples, sample.groups);
		status = counts ? STATUS_OK : STATUS_ENVIRONMENT;
	}
	size_t measure = first;
	for (; measure < study->measure_count && strcmp(study->measures[measure].set, set) == 0; measure++) {
		comparison->facts[measure] = (struct measure_facts){ .documents = sample.documents,
			                                             .groups = sample.groups,
			                                             .grouped = sample.grouped,
			                                             .resampled = resampled,
			                                             .left_out = sample.left_out };
		if (status == STATUS_OK)
			status = compare_measure(comparison, measure, &sample, counts);
	}
	*next = measure;
	free(counts);
	sample_clear(&sample);
	return status;
}

enum status compare_create(const struct study *study, const struct compare_options *options,
                           struct comparison *comparison_out)
{
	struct comparison comparison = { .study = study, .options = *options };
	size_t measures = study->measure_count, groups = study->group_count, kinds = COMPUTE_KINDS * LAW_KINDS;
	comparison.facts = memory_allocate(measures, sizeof(*comparison.facts));
	comparison.losses = memory_allocate(measures * groups, sizeof(*comparison.losses));
	comparison.laws = memory_allocate(measures * study->method_count * kinds, sizeof(*comparison.laws));
	comparison.slowdowns = memory_allocate(measures * groups * kinds, sizeof(*comparison.slowdowns));
	comparison.replicates = memory_allocate(measures * groups, sizeof(*comparison.replicates));
	enum status status = comparison.facts && comparison.losses && comparison.laws && comparison.slowdowns &&
	                                     comparison.replicates
	                             ? STATUS_OK
	                             : STATUS_ENVIRONMENT;
	for (size_t measure = 0; measure < measures && status == STATUS_OK;)
		status = compare_set(&comparison, measure, &measure);
	if (status == STATUS_OK)
		*comparison_out = comparison;
	else
		compare_clear(&comparison);
	return status;
}

void compare_clear(struct comparison *comparison)
{
	const struct study *study = comparison->study;
	size_t measures = study ? study->measure_count : 0, kinds = COMPUTE_KINDS * LAW_KINDS;
	for (size_t i = 0; comparison->laws && i < measures * study->method_count * kinds; i++)
		free(comparison->laws[i].replicates);
	for (size_t i = 0; comparison->replicates && i < measures * study->group_count; i++)
		free(comparison->replicates[i]);
	free(comparison->facts);
	free(comparison->losses);
	free(comparison->laws);
	free(comparison->slowdowns);
	free(comparison->replicates);
	*comparison = (struct comparison){ 0 };
}

const struct loss_result *compare_loss(const struct comparison *comparison, size_t measure, size_t group)
{
	return &comparison->losses[measure * comparison->study->group_count + group];
}

const double *compare_replicates(const struct comparison *comparison, size_t measure, size_t group)
{
	return comparison->replicates[measure * comparison->study->group_count + group];
}

const struct law_result *compare_law(const struct comparison *comparison, size_t measure, size_t method,
                                     enum compute_kind compute, enum law_kind law)
{
	size_t row = measure * comparison->study->method_count + method;
	return &comparison->laws[(row * COMPUTE_KINDS + compute) * LAW_KINDS + law];
}

const struct slowdown *compare_slowdown(const struct comparison *comparison, size_t measure, size_t group,
                                        enum compute_kind compute, enum law_kind law)
{
	size_t row = measure * comparison->study->group_count + group;
	return &comparison->slowdowns[(row * COMPUTE_KINDS + compute) * LAW_KINDS + law];
}

const struct slowdown *compare_chosen(const struct comparison *comparison, size_t measure, size_t group)
{
	return compare_slowdown(comparison, measure, group, comparison->options.compute, comparison->options.law);
}

double compare_flops(const struct run *run, enum compute_kind compute)
{
	return compute == COMPUTE_NOMINAL ? run->nominal_flops : run->training_flops;
}

double compare_group_flops(const struct study *study, size_t group, enum compute_kind compute)
{
	const struct group *who = &study->groups[group];
	double sum = 0.0;
	for (size_t i = 0; i < who->count; i++)
		sum += compare_flops(&study->list->runs[who->runs[i]], compute);
	return sum / (double)who->count;
}

const char *compare_verdict_name(enum verdict verdict)
{
	static const char *const names[] = { "", "worse", "better", "no difference seen" };
	return names[verdict];
}

const char *compare_compute_name(enum compute_kind compute)
{
	return compute == COMPUTE_NOMINAL ? "6ND" : "spent";
}

const char *compare_law_name(enum law_kind law)
{
	static const char *const names[] = { "power", "floor", "power_robust", "floor_robust" };
	return names[law];
}
