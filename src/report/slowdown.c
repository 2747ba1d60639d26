/* Laws of the baselines and the loss-matched compute slowdown (paper, appendix B.1), for one measure.
 * The interval of a slowdown comes from refitting the law on every resample of the documents, with the same resample
 * for the baseline and the filtered model.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/compare.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

/* The baseline models a law is fitted to. */
struct support {
	size_t *runs; /* indices */
	size_t count;
	double *compute, *loss; /* [count] */
	bool resampled;         /* all have replicates */
};

/* What is needed to place a filtered model against one law. */
struct fitted {
	const struct law_result *result;
	const struct law *replicates; /* [resamples], NULL: no intervals */
};

static void support_clear(struct support *support)
{
	free(support->runs);
	free(support->compute);
	free(support->loss);
}

static enum status support_create(const struct comparison *comparison, size_t measure, size_t method,
                                  enum compute_kind compute, double *const *replicates, struct support *support)
{
	const struct study *study = comparison->study;
	*support = (struct support){ .resampled = true };
	support->runs = memory_allocate(study->size_count, sizeof(*support->runs));
	support->compute = memory_allocate(study->size_count, sizeof(double));
	support->loss = memory_allocate(study->size_count, sizeof(double));
	if (!support->runs || !support->compute || !support->loss) {
		support_clear(support);
		return STATUS_ENVIRONMENT;
	}
	for (size_t s = 0; s < study->size_count; s++) {
		size_t run = study_cell(study, method, s);
		if (run == STUDY_NONE)
			continue;
		double flops = compare_flops(&study->list->runs[run], compute);
		double loss = compare_loss(comparison, measure, run)->loss.value;
		if (!(loss > 0.0) || !(flops > 0.0) || isinf(flops))
			continue;
		support->runs[support->count] = run;
		support->compute[support->count] = flops;
		support->loss[support->count++] = loss;
		support->resampled = support->resampled && replicates[run];
	}
	return STATUS_OK;
}

static const char *explain(const struct law_result *result, enum law_kind kind)
{
	if (result->sizes == 0)
		return "the baseline has no model with a loss";
	if (result->sizes == 1)
		return "the baseline has one size: at least two are needed";
	if (kind == LAW_FLOOR && result->sizes < 4)
		return "a law with a floor needs four baseline sizes";
	if (isnan(result->law.exponent))
		return "the baseline models have equal compute";
	return result->law.usable ? NULL : "the baseline loss does not fall with compute";
}

static void fit_one(enum law_kind kind, const struct support *support, const double *loss, const struct law *start,
                    struct law *law)
{
	if (kind == LAW_POWER)
		fit_power_law(support->compute, loss, support->count, law);
	else
		fit_floor_law(support->compute, loss, support->count, start, law);
}

static enum status fit_replicates(const struct comparison *comparison, enum law_kind kind,
                                  const struct support *support, double *const *replicates, struct law_result *result,
                                  struct law **laws_out)
{
	size_t resamples = comparison->options.resamples;
	struct law *laws = memory_allocate(resamples, sizeof(*laws));
	double *loss = memory_allocate(support->count, sizeof(*loss));
	double *exponent = memory_allocate(resamples, sizeof(*exponent));
	double *floor = memory_allocate(resamples, sizeof(*floor));
	enum status status = laws && loss && exponent && floor ? STATUS_OK : STATUS_ENVIRONMENT;
	for (size_t k = 0; k < resamples && status == STATUS_OK; k++) {
		for (size_t i = 0; i < support->count; i++)
			loss[i] = replicates[support->runs[i]][k];
		fit_one(kind, support, loss, &result->law, &laws[k]);
		exponent[k] = laws[k].exponent;
		floor[k] = laws[k].floor;
	}
	if (status == STATUS_OK) {
		result->exponent =
			bootstrap_interval(result->law.exponent, exponent, resamples, comparison->options.confidence);
		result->floor = bootstrap_interval(result->law.floor, floor, resamples, comparison->options.confidence);
		*laws_out = laws;
	} else {
		free(laws);
	}
	free(loss);
	free(exponent);
	free(floor);
	return status;
}

static enum status fit_law(const struct comparison *comparison, enum law_kind kind, const struct support *support,
                           double *const *replicates, struct law_result *result, struct law **laws_out)
{
	*result = (struct law_result){ .sizes = support->count, .lowest = NAN, .highest = NAN };
	for (size_t i = 0; i < support->count; i++) {
		result->lowest = fmin(result->lowest, support->compute[i]);
		result->highest = fmax(result->highest, support->compute[i]);
	}
	fit_one(kind, support, support->loss, NULL, &result->law);
	result->exponent = (struct interval){ result->law.exponent, NAN, NAN };
	result->floor = (struct interval){ result->law.floor, NAN, NAN };
	result->why = explain(result, kind);
	if (result->why || !support->resampled || comparison->options.resamples == 0)
		return STATUS_OK;
	return fit_replicates(comparison, kind, support, replicates, result, laws_out);
}

static void place_beyond(struct slowdown *slowdown, const struct law_result *law, double log_matched)
{
	double below = log(law->lowest) - log_matched, above = log_matched - log(law->highest);
	slowdown->outside = 1.0;
	if (below > 1e-9 || above > 1e-9) {
		slowdown->below = below > 0.0;
		slowdown->outside = exp(fmax(below, above));
		slowdown->extrapolated = slowdown->outside > COMPARE_TOLERANCE;
	}
}

/* Places one filtered run against the law of its baseline. */
static void match(const struct comparison *comparison, size_t measure, size_t run, enum compute_kind compute,
                  const struct fitted *fitted, const double *replicates, double *scratch, struct slowdown *slowdown)
{
	const struct law_result *law = fitted->result;
	double flops = slowdown->flops = compare_flops(&comparison->study->list->runs[run], compute);
	double loss = compare_loss(comparison, measure, run)->loss.value;
	slowdown->why = law->why;
	if (!slowdown->why && isnan(loss))
		slowdown->why = "the loss of the model is not a number";
	if (!slowdown->why && !(flops > 0.0 && isfinite(flops)))
		slowdown->why = "the compute of the model is not known";
	double log_matched = slowdown->why ? NAN : fit_log_compute(&law->law, loss);
	if (!slowdown->why && isnan(log_matched))
		slowdown->why = "the loss is below the floor of the baseline law";
	if (slowdown->why)
		return;
	slowdown->matched = exp(log_matched);
	place_beyond(slowdown, law, log_matched);
	slowdown->factor.value = exp(log(flops) - log_matched);
	if (!fitted->replicates || !replicates)
		return;
	for (size_t k = 0; k < comparison->options.resamples; k++)
		scratch[k] = exp(log(flops) - fit_log_compute(&fitted->replicates[k], replicates[k]));
	slowdown->factor = bootstrap_interval(slowdown->factor.value, scratch, comparison->options.resamples,
	                                      comparison->options.confidence);
}

static struct slowdown *slowdown_at(struct comparison *comparison, size_t measure, size_t run,
                                    enum compute_kind compute, enum law_kind law)
{
	size_t row = measure * comparison->study->list->count + run;
	return &comparison->slowdowns[(row * COMPUTE_KINDS + compute) * LAW_KINDS + law];
}

/* All runs of the methods that are compared with `baseline`. */
static enum status match_methods(struct comparison *comparison, size_t measure, size_t baseline,
                                 enum compute_kind compute, enum law_kind kind, const struct fitted *fitted,
                                 double *const *replicates)
{
	const struct study *study = comparison->study;
	double *scratch = memory_allocate(comparison->options.resamples, sizeof(*scratch));
	if (!scratch)
		return STATUS_ENVIRONMENT;
	for (size_t m = 0; m < study->method_count; m++)
		for (size_t s = 0; s < study->size_count; s++) {
			size_t run = study_cell(study, m, s);
			if (run != STUDY_NONE && m != baseline && study->methods[m].baseline == baseline)
				match(comparison, measure, run, compute, fitted, replicates[run], scratch,
				      slowdown_at(comparison, measure, run, compute, kind));
		}
	free(scratch);
	return STATUS_OK;
}

static enum status compute_law(struct comparison *comparison, size_t measure, size_t method, enum compute_kind compute,
                               enum law_kind kind, double *const *replicates)
{
	size_t row = measure * comparison->study->method_count + method;
	struct law_result *result = &comparison->laws[(row * COMPUTE_KINDS + compute) * LAW_KINDS + kind];
	struct support support;
	struct law *laws = NULL;
	STATUS_TRY(support_create(comparison, measure, method, compute, replicates, &support));
	enum status status = fit_law(comparison, kind, &support, replicates, result, &laws);
	if (status == STATUS_OK) {
		struct fitted fitted = { result, laws };
		status = match_methods(comparison, measure, method, compute, kind, &fitted, replicates);
	}
	free(laws);
	support_clear(&support);
	return status;
}

enum status slowdown_compute(struct comparison *comparison, size_t measure, double *const *replicates)
{
	const struct study *study = comparison->study;
	const struct interval unknown = { NAN, NAN, NAN };
	for (size_t r = 0; r < study->list->count; r++)
		for (int compute = 0; compute < COMPUTE_KINDS; compute++)
			for (int kind = 0; kind < LAW_KINDS; kind++)
				*slowdown_at(comparison, measure, r, (enum compute_kind)compute, (enum law_kind)kind) =
					(struct slowdown){ .factor = unknown,
					                   .matched = NAN,
					                   .outside = NAN,
					                   .flops = compare_flops(&study->list->runs[r],
					                                          (enum compute_kind)compute),
					                   .why = "there is no baseline" };
	for (size_t m = 0; m < study->method_count; m++)
		for (int compute = 0; study->methods[m].is_baseline && compute < COMPUTE_KINDS; compute++)
			for (int kind = 0; kind < LAW_KINDS; kind++)
				STATUS_TRY(compute_law(comparison, measure, m, (enum compute_kind)compute,
				                       (enum law_kind)kind, replicates));
	return STATUS_OK;
}
