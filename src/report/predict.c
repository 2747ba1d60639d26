/* Making predictions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/predict.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/text.h"
#include "model/config.h"
#include "storage/atomic_file.h"

enum status predict_parameters(const struct study *study, const char *size, int64_t *parameters)
{
	const struct run *run = study_first(study, study->group_count - 1);
	struct model_config config = { .rope_base = 10000.0,
		                       .norm_epsilon = 1e-7,
		                       .base_width = 64,
		                       .init_deviation = 0.02,
		                       .context = (int32_t)run->context,
		                       .vocabulary = (int32_t)run->vocabulary };
	char *end = NULL;
	if (run->vocabulary > 0 && model_config_from_name(size, &config) == STATUS_OK) {
		*parameters = model_config_parameters(&config);
		return STATUS_OK;
	}
	error_clear();
	double number = strtod(size, &end);
	double unit = *end == 'k' ? 1e3 : *end == 'M' ? 1e6 : *end == 'B' ? 1e9 : 1.0;
	end += *end == 'k' || *end == 'M' || *end == 'B';
	if (end == size || *end != '\0' || !(number * unit >= 1.0 && number * unit < 1e15))
		return error_raise(STATUS_USAGE,
		                   "--predict %s: give a size such as 61M or L4-D128-H4, or a number of parameters",
		                   size);
	*parameters = (int64_t)llround(number * unit);
	return STATUS_OK;
}

/* Training tokens of a size: as many a parameter as the largest model had, or as many as all had. */
static double predict_tokens(const struct study *study, size_t method, int64_t parameters)
{
	double ratio = NAN, tokens = NAN;
	bool constant = true;
	for (size_t s = 0; s < study->size_count; s++) {
		const struct run *run = study_run(study, method, s);
		if (!run)
			continue;
		double own = run->nominal_flops / (6.0 * (double)run->parameters);
		constant = constant && (isnan(tokens) || fabs(own / tokens - 1.0) < 0.01);
		tokens = own;
		ratio = own / (double)run->parameters;
	}
	return constant && study_method_sizes(study, method) > 1 ? tokens : ratio * (double)parameters;
}

/* ---- one prediction ---- */

struct prediction {
	double flops; /* of the chosen kind */
	struct interval loss, slowdown;
	size_t sizes;
};

/* Student's t of few degrees of freedom, from normal numbers. */
static double student(uint64_t seed, uint64_t stream, size_t resample, size_t freedom)
{
	double sum = 0.0;
	for (size_t i = 0; i < freedom; i++) {
		double normal = random_normal(seed, RANDOM_BOOTSTRAP, stream, resample * (freedom + 1) + i);
		sum += normal * normal;
	}
	return random_normal(seed, RANDOM_BOOTSTRAP, stream, resample * (freedom + 1) + freedom) /
	       sqrt(sum / (double)freedom);
}

size_t predict_sizes_needed(enum law_kind law)
{
	return law == LAW_FLOOR || law == LAW_FLOOR_ROBUST ? 4 : 3;
}

static size_t freedom_of(const struct law_result *law, enum law_kind kind)
{
	size_t needed = predict_sizes_needed(kind);
	return law->sizes >= needed ? law->sizes + 1 - needed : 0;
}

/* Standard error of ln loss at `flops` from the misfit of the law: of one more model (`models` 1) or of the law itself (0).
 * NaN where there are no degrees of freedom. */
static double misfit_at(const struct comparison *comparison, size_t measure, size_t method, double flops, double models)
{
	const struct study *study = comparison->study;
	const struct law_result *law =
		compare_law(comparison, measure, method, comparison->options.compute, comparison->options.law);
	double mean = 0.0, spread = 0.0, n = (double)law->sizes;
	size_t freedom = freedom_of(law, comparison->options.law);
	if (freedom == 0)
		return NAN;
	for (int pass = 0; pass < 2; pass++)
		for (size_t s = 0; s < study->size_count; s++) {
			size_t group = study_cell(study, method, s);
			if (group == STUDY_NONE || !compare_is_fitted(comparison, s) ||
			    !(compare_loss(comparison, measure, group)->loss.value > 0.0)) /* as the law was fitted */
				continue;
			double x = log(compare_group_flops(study, group, comparison->options.compute));
			mean += pass == 0 ? x / n : 0.0;
			spread += pass == 1 ? (x - mean) * (x - mean) : 0.0;
		}
	double away = log(flops) - mean;
	return law->law.residual * sqrt(n / (double)freedom) * sqrt(models + 1.0 / n + away * away / spread);
}

static double slowdown_from(const struct law *law, double flops, double loss)
{
	return exp(log(flops) - fit_log_compute(law, loss));
}

/* The law of a method that is extended; NULL when it has none. */
static const struct law_result *law_of(const struct comparison *comparison, size_t measure, size_t method)
{
	if (method == STUDY_NONE)
		return NULL;
	const struct law_result *law =
		compare_law(comparison, measure, method, comparison->options.compute, comparison->options.law);
	return law->why ? NULL : law;
}

/* Compute of the chosen kind that a size will take. */
static double predict_flops(const struct comparison *comparison, size_t method, int64_t parameters)
{
	const struct study *study = comparison->study;
	size_t largest = STUDY_NONE;
	for (size_t s = 0; s < study->size_count; s++)
		largest = study_cell(study, method, s) != STUDY_NONE ? study_cell(study, method, s) : largest;
	return 6.0 * (double)parameters * predict_tokens(study, method, parameters) *
	       compare_group_flops(study, largest, comparison->options.compute) /
	       compare_group_flops(study, largest, COMPUTE_NOMINAL);
}

/* Resampled losses and slowdowns at prediction->flops, each moved by the misfit of the law (the slowdown by that of the
 * baseline's law, too). Without degrees of freedom for a misfit a number has no interval. */
static void predict_intervals(const struct comparison *comparison, size_t measure, size_t method, size_t baseline,
                              uint64_t stream, double *scratch, struct prediction *prediction)
{
	const struct compare_options *options = &comparison->options;
	const struct law_result *law = law_of(comparison, measure, method);
	const struct law_result *base = baseline == method ? NULL : law_of(comparison, measure, baseline);
	double *losses = scratch, *slowdowns = scratch + options->resamples, flops = prediction->flops;
	size_t freedom = freedom_of(law, options->law), base_freedom = base ? freedom_of(base, options->law) : 0;
	double error = misfit_at(comparison, measure, method, flops, 1.0);
	if (!law->replicates || freedom == 0)
		return;
	bool has_slowdown = base && base->replicates && base_freedom > 0 && prediction->slowdown.value > 0.0;
	double base_error =
		has_slowdown ? misfit_at(comparison, measure, baseline, flops / prediction->slowdown.value, 0.0) : NAN;
	for (size_t k = 0; k < options->resamples; k++) {
		double shift = error * student(options->seed, stream, k, freedom);
		losses[k] = law->replicates[k].usable ? fit_loss(&law->replicates[k], flops) * exp(shift) : NAN;
		if (!has_slowdown)
			continue;
		shift = base_error * student(options->seed, ~stream, k, base_freedom);
		slowdowns[k] = slowdown_from(&base->replicates[k], flops, losses[k] * exp(-shift));
	}
	prediction->loss = bootstrap_interval(prediction->loss.value, losses, options->resamples, options->confidence);
	if (has_slowdown)
		prediction->slowdown = bootstrap_interval(prediction->slowdown.value, slowdowns, options->resamples,
		                                          options->confidence);
}

/* False when the method has no law. */
static bool predict_one(const struct comparison *comparison, size_t measure, size_t method, int64_t parameters,
                        double *scratch, struct prediction *prediction)
{
	const struct law_result *law = law_of(comparison, measure, method);
	size_t baseline = comparison->study->methods[method].baseline;
	const struct law_result *base = baseline == method ? NULL : law_of(comparison, measure, baseline);
	if (!law)
		return false;
	double flops = predict_flops(comparison, method, parameters), loss = fit_loss(&law->law, flops);
	*prediction = (struct prediction){
		.flops = flops,
		.loss = { loss, NAN, NAN },
		.slowdown = { base ? slowdown_from(&base->law, flops, loss) : NAN, NAN, NAN },
		.sizes = law->sizes,
	};
	uint64_t stream = bootstrap_stream("prediction") ^ (uint64_t)parameters ^ (method << 8) ^ measure;
	predict_intervals(comparison, measure, method, baseline, stream, scratch, prediction);
	return true;
}

/* ---- the file ---- */

/* A text in quotes, those in it doubled. */
static void add_quoted(struct buffer *rows, const char *text)
{
	buffer_add(rows, ",\"");
	for (; *text; text++)
		buffer_add(rows, *text == '"' ? "\"\"" : "%c", *text);
	buffer_add(rows, "\"");
}

static void add_number(struct buffer *rows, double value)
{
	if (isnan(value))
		buffer_add(rows, ",");
	else
		buffer_add(rows, ",%.10g", value);
}

static void add_row(const struct comparison *comparison, size_t measure, size_t method, const char *start,
                    const struct prediction *prediction, struct buffer *rows)
{
	const struct study *study = comparison->study;
	const struct interval *intervals[2] = { &prediction->loss, &prediction->slowdown };
	buffer_add(rows, "%s", start);
	add_number(rows, prediction->flops);
	buffer_add(rows, ",%s,%s,%zu", compare_compute_name(comparison->options.compute),
	           compare_law_name(comparison->options.law), prediction->sizes);
	add_quoted(rows, study->methods[method].label);
	buffer_add(rows, ",%s,%s", study->measures[measure].set, study->measures[measure].label ? "label" : "all");
	for (int i = 0; i < 2; i++) {
		add_number(rows, intervals[i]->value);
		add_number(rows, intervals[i]->low);
		add_number(rows, intervals[i]->high);
	}
	buffer_add(rows, ",%g\n", comparison->options.confidence);
}

static enum status append(const char *folder, const struct buffer *rows)
{
	char *path = text_join_path(folder, PREDICT_FILE), *old = NULL;
	size_t size = 0;
	enum status status = path ? rows->status : STATUS_ENVIRONMENT;
	if (status == STATUS_OK && access(path, F_OK) == 0)
		status = file_read(path, &old, &size);
	if (status == STATUS_OK) {
		/* an editor may have left the last line without its end */
		const char *between = size == 0 ? PREDICT_HEADER "\n" : old[size - 1] != '\n' ? "\n" : "";
		char *text = text_format("%s%s%s", size ? old : "", between, rows->text);
		status = text ? atomic_file_write(path, text, strlen(text)) : STATUS_ENVIRONMENT;
		free(text);
	}
	free(old);
	free(path);
	return status;
}

/* Refuses what is no prediction: a size that was run, also where its runs are left out of this report. */
static enum status check_not_run(const struct study *study, const char *size, int64_t parameters)
{
	for (size_t s = 0; s < study->size_count; s++)
		if (predict_same_size((double)parameters, (double)study->sizes[s].parameters))
			return error_raise(STATUS_DATA, "--predict %s: that size has been run already (%s)", size,
			                   study->sizes[s].label);
	for (size_t i = 0; i < study->list->left_count; i++)
		if (predict_same_size((double)parameters, (double)study->list->left[i].parameters))
			return error_raise(STATUS_DATA, "--predict %s: that size has been run already (%s, %s)", size,
			                   study->list->left[i].point, study->list->left[i].reason);
	return STATUS_OK;
}

enum status predict_size(const struct comparison *comparison, const char *folder, const char *size, const char *date,
                         const char *version, struct predict_counts *counts)
{
	const struct study *study = comparison->study;
	struct buffer rows = { 0 };
	int64_t parameters = 0;
	STATUS_TRY(predict_parameters(study, size, &parameters));
	STATUS_TRY(check_not_run(study, size, parameters));
	double *scratch = memory_allocate(2 * comparison->options.resamples, sizeof(*scratch));
	char *start = text_format("%s,%s,%s,%lld", date, version, size, (long long)parameters);
	enum status status = scratch && start ? STATUS_OK : STATUS_ENVIRONMENT;
	*counts = (struct predict_counts){ 0 };
	for (size_t row = 0; row < study->measure_count * study->method_count && status == STATUS_OK; row++) {
		struct prediction prediction;
		size_t measure = row / study->method_count, method = row % study->method_count;
		if (!predict_one(comparison, measure, method, parameters, scratch, &prediction))
			continue;
		add_row(comparison, measure, method, start, &prediction, &rows);
		counts->rows++;
		counts->without_misfit += prediction.sizes < predict_sizes_needed(comparison->options.law);
	}
	if (status == STATUS_OK && counts->rows == 0)
		status = error_raise(STATUS_DATA, "--predict %s: no method has a usable law (two sizes or more)", size);
	if (status == STATUS_OK)
		status = append(folder, &rows);
	buffer_clear(&rows);
	free(scratch);
	free(start);
	return status;
}
