/* Laws of loss against compute and the loss-matched compute slowdown (paper, appendix B.1), for one measure.
 * The interval of a slowdown comes from refitting the law on every resample of the documents and seeds, with the same
 * resample for the baseline and the filtered model.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/compare.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

/* The models a law is fitted to. */
struct support {
	size_t *groups; /* indices */
	size_t count;
	double *compute, *loss; /* [count] */
	bool resampled;         /* all have replicates */
};

static void support_clear(struct support *support)
{
	free(support->groups);
	free(support->compute);
	free(support->loss);
}

bool compare_is_fitted(const struct comparison *comparison, size_t size)
{
	const struct compare_options *options = &comparison->options;
	for (size_t i = 0; i < options->fit_without_count; i++)
		if (fnmatch(options->fit_without[i], comparison->study->sizes[size].label, 0) == 0)
			return false;
	return true;
}

static enum status support_create(const struct comparison *comparison, size_t measure, size_t method,
                                  enum compute_kind compute, struct support *support)
{
	const struct study *study = comparison->study;
	*support = (struct support){ .resampled = true };
	support->groups = memory_allocate(study->size_count, sizeof(*support->groups));
	support->compute = memory_allocate(study->size_count, sizeof(double));
	support->loss = memory_allocate(study->size_count, sizeof(double));
	if (!support->groups || !support->compute || !support->loss) {
		support_clear(support);
		return STATUS_ENVIRONMENT;
	}
	for (size_t s = 0; s < study->size_count; s++) {
		size_t group = study_cell(study, method, s);
		if (group == STUDY_NONE || !compare_is_fitted(comparison, s))
			continue;
		double flops = compare_group_flops(study, group, compute);
		double loss = compare_loss(comparison, measure, group)->loss.value;
		if (!(loss > 0.0) || !(flops > 0.0) || isinf(flops))
			continue;
		support->groups[support->count] = group;
		support->compute[support->count] = flops;
		support->loss[support->count++] = loss;
		support->resampled = support->resampled && compare_replicates(comparison, measure, group);
	}
	return STATUS_OK;
}

/* Fewest sizes of each kind of law. */
static size_t fewest_sizes(enum law_kind kind)
{
	static const size_t fewest[] = { 2, 4, 4, 5 };
	return fewest[kind];
}

static const char *explain(const struct law_result *result, enum law_kind kind, bool is_baseline)
{
	static const char *const texts[][2] = {
		{ "the method has no model with a loss", "the baseline has no model with a loss" },
		{ "the method has one size: at least two are needed",
		  "the baseline has one size: at least two are needed" },
		{ "a law with a floor needs four sizes", "a law with a floor needs four baseline sizes" },
		{ "a robust fit needs four sizes", "a robust fit needs four baseline sizes" },
		{ "a robust fit with a floor needs five sizes", "a robust fit with a floor needs five baseline sizes" },
		{ "the models have equal compute", "the baseline models have equal compute" },
		{ "the loss does not fall with compute", "the baseline loss does not fall with compute" },
		{ "no law is fitted to more than 64 sizes", "no law is fitted to more than 64 baseline sizes" },
	};
	int text = -1;
	if (result->sizes < 2)
		text = (int)result->sizes;
	else if (result->sizes < fewest_sizes(kind))
		text = 1 + (int)kind;
	else if (result->sizes > FIT_MOST_MODELS)
		text = 7;
	else if (isnan(result->law.exponent))
		text = 5;
	else if (!result->law.usable)
		text = 6;
	return text < 0 ? NULL : texts[text][is_baseline];
}

static void fit_one(enum law_kind kind, const struct support *support, const double *loss, const struct law *start,
                    struct law *law)
{
	switch (kind) {
	case LAW_FLOOR:
		fit_floor_law(support->compute, loss, support->count, start, law);
		break;
	case LAW_POWER_ROBUST:
		fit_power_law_robust(support->compute, loss, support->count, law);
		break;
	case LAW_FLOOR_ROBUST:
		fit_floor_law_robust(support->compute, loss, support->count, start, law);
		break;
	default:
		fit_power_law(support->compute, loss, support->count, law);
		break;
	}
}

static enum status fit_replicates(const struct comparison *comparison, size_t measure, enum law_kind kind,
                                  const struct support *support, struct law_result *result)
{
	size_t resamples = comparison->options.resamples;
	struct law *laws = memory_allocate(resamples, sizeof(*laws));
	double *loss = memory_allocate(support->count, sizeof(*loss));
	double *exponent = memory_allocate(resamples, sizeof(*exponent));
	double *floor = memory_allocate(resamples, sizeof(*floor));
	enum status status = laws && loss && exponent && floor ? STATUS_OK : STATUS_ENVIRONMENT;
	for (size_t k = 0; k < resamples && status == STATUS_OK; k++) {
		for (size_t i = 0; i < support->count; i++)
			loss[i] = compare_replicates(comparison, measure, support->groups[i])[k];
		fit_one(kind, support, loss, &result->law, &laws[k]);
		exponent[k] = laws[k].exponent;
		floor[k] = laws[k].floor;
	}
	if (status == STATUS_OK) {
		result->exponent =
			bootstrap_interval(result->law.exponent, exponent, resamples, comparison->options.confidence);
		result->floor = bootstrap_interval(result->law.floor, floor, resamples, comparison->options.confidence);
		result->replicates = laws;
	} else {
		free(laws);
	}
	free(loss);
	free(exponent);
	free(floor);
	return status;
}

/* Every law is fitted; refitting it to all resamples takes time, and is done where something is read off the result:
 * what figures, findings and predictions use, and for baselines also the straight lines and the 6ND law with a floor. */
static bool wants_replicates(const struct comparison *comparison, size_t method, enum compute_kind compute,
                             enum law_kind kind)
{
	if (comparison->options.resamples == 0)
		return false;
	if (compute == comparison->options.compute && (kind == comparison->options.law || kind == LAW_POWER))
		return true;
	return comparison->study->methods[method].is_baseline &&
	       (kind == LAW_POWER || kind == LAW_POWER_ROBUST || (kind == LAW_FLOOR && compute == COMPUTE_NOMINAL));
}

static enum status fit_law(const struct comparison *comparison, size_t measure, size_t method,
                           enum compute_kind compute, enum law_kind kind, const struct support *support,
                           struct law_result *result)
{
	*result = (struct law_result){ .sizes = support->count, .lowest = NAN, .highest = NAN };
	for (size_t i = 0; i < support->count; i++) {
		result->lowest = fmin(result->lowest, support->compute[i]);
		result->highest = fmax(result->highest, support->compute[i]);
	}
	fit_one(kind, support, support->loss, NULL, &result->law);
	result->exponent = (struct interval){ result->law.exponent, NAN, NAN };
	result->floor = (struct interval){ result->law.floor, NAN, NAN };
	result->why = explain(result, kind, comparison->study->methods[method].is_baseline);
	if (result->why || !support->resampled || !wants_replicates(comparison, method, compute, kind))
		return STATUS_OK;
	return fit_replicates(comparison, measure, kind, support, result);
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

/* Places one filtered group against the law of its baseline. */
static void match(const struct comparison *comparison, size_t measure, size_t group, const struct law_result *law,
                  double *scratch, struct slowdown *slowdown)
{
	double flops = slowdown->flops;
	double loss = compare_loss(comparison, measure, group)->loss.value;
	const double *replicates = compare_replicates(comparison, measure, group);
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
	if (!law->replicates || !replicates)
		return;
	for (size_t k = 0; k < comparison->options.resamples; k++)
		scratch[k] = exp(log(flops) - fit_log_compute(&law->replicates[k], replicates[k]));
	slowdown->factor = bootstrap_interval(slowdown->factor.value, scratch, comparison->options.resamples,
	                                      comparison->options.confidence);
}

static struct slowdown *slowdown_at(struct comparison *comparison, size_t measure, size_t group,
                                    enum compute_kind compute, enum law_kind law)
{
	size_t row = measure * comparison->study->group_count + group;
	return &comparison->slowdowns[(row * COMPUTE_KINDS + compute) * LAW_KINDS + law];
}

static enum status compute_law(struct comparison *comparison, size_t measure, size_t method, enum compute_kind compute,
                               enum law_kind kind)
{
	size_t row = measure * comparison->study->method_count + method;
	struct law_result *result = &comparison->laws[(row * COMPUTE_KINDS + compute) * LAW_KINDS + kind];
	struct support support;
	STATUS_TRY(support_create(comparison, measure, method, compute, &support));
	enum status status = fit_law(comparison, measure, method, compute, kind, &support, result);
	support_clear(&support);
	return status;
}

/* Against the law of its baseline; a baseline itself, or a group without one, has no slowdown. */
static void place_group(struct comparison *comparison, size_t measure, size_t group, enum compute_kind compute,
                        enum law_kind kind, double *scratch)
{
	const struct study *study = comparison->study;
	const struct method *method = &study->methods[study->groups[group].method];
	struct slowdown *slowdown = slowdown_at(comparison, measure, group, compute, kind);
	*slowdown = (struct slowdown){ .factor = { NAN, NAN, NAN },
		                       .matched = NAN,
		                       .outside = NAN,
		                       .flops = compare_group_flops(study, group, compute),
		                       .why = "there is no baseline" };
	if (method->baseline != STUDY_NONE && method->baseline != study->groups[group].method)
		match(comparison, measure, group, compare_law(comparison, measure, method->baseline, compute, kind),
		      scratch, slowdown);
}

enum status slowdown_compute(struct comparison *comparison, size_t measure)
{
	const struct study *study = comparison->study;
	double *scratch = memory_allocate(comparison->options.resamples, sizeof(*scratch));
	enum status status = scratch ? STATUS_OK : STATUS_ENVIRONMENT;
	for (size_t row = 0; row < study->method_count * COMPUTE_KINDS * LAW_KINDS && status == STATUS_OK; row++)
		status = compute_law(comparison, measure, row / (COMPUTE_KINDS * LAW_KINDS),
		                     (enum compute_kind)(row / LAW_KINDS % COMPUTE_KINDS),
		                     (enum law_kind)(row % LAW_KINDS));
	for (size_t row = 0; row < study->group_count * COMPUTE_KINDS * LAW_KINDS && status == STATUS_OK; row++)
		place_group(comparison, measure, row / (COMPUTE_KINDS * LAW_KINDS),
		            (enum compute_kind)(row / LAW_KINDS % COMPUTE_KINDS), (enum law_kind)(row % LAW_KINDS),
		            scratch);
	free(scratch);
	return status;
}

double compare_slowdown_replicate(const struct comparison *comparison, size_t measure, size_t group, size_t resample)
{
	const struct compare_options *options = &comparison->options;
	size_t baseline = comparison->study->methods[comparison->study->groups[group].method].baseline;
	const double *losses = compare_replicates(comparison, measure, group);
	if (baseline == STUDY_NONE || !losses)
		return NAN;
	const struct law_result *law = compare_law(comparison, measure, baseline, options->compute, options->law);
	if (law->why || !law->replicates)
		return NAN;
	double flops = compare_group_flops(comparison->study, group, options->compute);
	return exp(log(flops) - fit_log_compute(&law->replicates[resample], losses[resample]));
}
