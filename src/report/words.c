/* Sentences.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "report/columns.h"
#include "report/load_start.h"

enum { MOST_METHODS = 24 };

static size_t largest_size(const struct study *study, size_t method)
{
	size_t size = study->size_count;
	while (size > 0 && study_cell(study, method, size - 1) == STUDY_NONE)
		size--;
	return size - 1;
}

/* "12.3 times [11 to 14] less compute."; below 1 its inverse: "1.2 times [1.1 to 1.4] as much compute." */
static void add_factor(const struct interval *factor, struct buffer *out)
{
	char value[24], low[24], high[24];
	bool less = factor->value >= 1.0;
	show_factor(less ? factor->value : 1.0 / factor->value, value, sizeof(value));
	buffer_add(out, "%s times", value);
	if (!isnan(factor->low)) {
		show_factor(less ? factor->low : 1.0 / factor->high, low, sizeof(low));
		show_factor(less ? factor->high : 1.0 / factor->low, high, sizeof(high));
		buffer_add(out, " [%s to %s]", low, high);
	}
	buffer_add(out, less ? " less compute." : " as much compute.");
}

static void add_extrapolation(const struct slowdown *slowdown, struct buffer *out)
{
	char beyond[24];
	show_factor(slowdown->outside, beyond, sizeof(beyond));
	if (slowdown->extrapolated)
		buffer_add(
			out,
			" EXTRAPOLATED: that compute lies %s times %s that of any baseline model, so the number rests "
			"on the form of the law.",
			beyond, slowdown->below ? "below" : "above");
}

static void add_loss(const struct comparison *comparison, size_t measure, size_t group, struct buffer *out)
{
	const struct loss_result *result = compare_loss(comparison, measure, group);
	char number[SHOW_NUMBER];
	show_interval(&result->difference, true, number, sizeof(number));
	if (isnan(result->difference.value))
		buffer_add(out, " its loss is %.4f nats a token; there is no baseline of this size.",
		           result->loss.value);
	else
		buffer_add(out, " its loss differs from the baseline's by %s nats a token%s%s.", number,
		           result->verdict ? ": " : "", compare_verdict_name(result->verdict));
}

static void add_set(const struct comparison *comparison, const char *set, size_t group, const char *what,
                    struct buffer *out)
{
	const struct study *study = comparison->study;
	size_t measure = study_sharpest(study, set);
	if (measure == STUDY_NONE)
		return;
	const struct slowdown *slowdown = compare_chosen(comparison, measure, group);
	size_t label = study_find_measure(study, set, true);
	buffer_add(out, " %s (%s set, %s tokens%s):", what, set, study->measures[measure].label ? "label" : "all",
	           label != STUDY_NONE && study->measures[label].repeated ? ", which all have that label" : "");
	if (slowdown->why || isnan(slowdown->factor.value)) {
		add_loss(comparison, measure, group, out);
		return;
	}
	buffer_add(out, " as good as an unfiltered model with ");
	add_factor(&slowdown->factor, out);
	add_extrapolation(slowdown, out);
}

/* ---- growth with size, on the forget set ---- */

struct growth {
	size_t measure, method;
	size_t first, last; /* sizes that are compared */
	size_t left_out;    /* sizes with an extrapolated number, which others can do without */
	bool extrapolated;  /* one of the two is */
};

static const struct slowdown *slowdown_at(const struct comparison *comparison, const struct growth *growth, size_t size)
{
	size_t group = study_cell(comparison->study, growth->method, size);
	const struct slowdown *slowdown =
		group == STUDY_NONE ? NULL : compare_chosen(comparison, growth->measure, group);
	return slowdown && !slowdown->why && !isnan(slowdown->factor.value) ? slowdown : NULL;
}

/* The smallest and the largest size whose numbers are not extrapolated, or of all where these are fewer than two. False:
 * there are not two. */
static bool find_ends(const struct comparison *comparison, struct growth *growth)
{
	size_t inside = 0, all = 0;
	for (size_t s = 0; s < comparison->study->size_count; s++) {
		const struct slowdown *slowdown = slowdown_at(comparison, growth, s);
		all += slowdown != NULL;
		inside += slowdown != NULL && !slowdown->extrapolated;
	}
	bool any = inside < 2;
	growth->first = growth->last = STUDY_NONE;
	growth->left_out = any ? 0 : all - inside;
	growth->extrapolated = false;
	for (size_t s = 0; s < comparison->study->size_count; s++) {
		const struct slowdown *slowdown = slowdown_at(comparison, growth, s);
		if (!slowdown || (slowdown->extrapolated && !any))
			continue;
		growth->first = growth->first == STUDY_NONE ? s : growth->first;
		growth->last = s;
	}
	if (growth->first == growth->last)
		return false;
	growth->extrapolated = slowdown_at(comparison, growth, growth->first)->extrapolated ||
	                       slowdown_at(comparison, growth, growth->last)->extrapolated;
	return true;
}

/* How many times larger the slowdown is at the last size. Both see the same draws of documents, so that their ratio has a
 * narrower interval than intervals that are laid side by side suggest. */
static enum status find_ratio(const struct comparison *comparison, const struct growth *growth, struct interval *ratio)
{
	const struct compare_options *options = &comparison->options;
	size_t small = study_cell(comparison->study, growth->method, growth->first);
	size_t large = study_cell(comparison->study, growth->method, growth->last);
	double value = slowdown_at(comparison, growth, growth->last)->factor.value /
	               slowdown_at(comparison, growth, growth->first)->factor.value;
	double *ratios = memory_allocate(options->resamples, sizeof(*ratios));
	if (!ratios)
		return STATUS_ENVIRONMENT;
	for (size_t k = 0; k < options->resamples; k++)
		ratios[k] = compare_slowdown_replicate(comparison, growth->measure, large, k) /
		            compare_slowdown_replicate(comparison, growth->measure, small, k);
	*ratio = bootstrap_interval(value, ratios, options->resamples, options->confidence);
	free(ratios);
	return STATUS_OK;
}

static void add_end(const struct slowdown *slowdown, struct buffer *out)
{
	char value[24];
	show_factor(slowdown->factor.value, value, sizeof(value));
	buffer_add(out, "%s%s", value, slowdown->extrapolated ? " (EXTRAPOLATED)" : "");
}

static void add_ratio(const struct interval *ratio, bool few_groups, struct buffer *out)
{
	char value[24], low[24], high[24];
	show_factor(ratio->value, value, sizeof(value));
	show_factor(ratio->low, low, sizeof(low));
	show_factor(ratio->high, high, sizeof(high));
	buffer_add(out, ": a ratio of %s", value);
	if (isnan(ratio->low))
		buffer_add(out, ", without an interval.");
	else
		buffer_add(out, " [%s to %s], paired: %s%s.", low, high,
		           ratio->low > 1.0    ? "it grows with size"
		           : ratio->high < 1.0 ? "it shrinks with size"
		                               : "no growth seen",
		           few_groups ? ", by FEW GROUPS" : "");
}

static void add_growth(const struct comparison *comparison, size_t method, struct buffer *out)
{
	const struct study *study = comparison->study;
	struct growth growth = { .measure = study_sharpest(study, "forget"), .method = method };
	struct interval ratio;
	if (growth.measure == STUDY_NONE || !find_ends(comparison, &growth))
		return;
	if (find_ratio(comparison, &growth, &ratio) != STATUS_OK) {
		out->status = STATUS_ENVIRONMENT;
		return;
	}
	buffer_add(out, " From %s to %s that factor goes from ", study->sizes[growth.first].label,
	           study->sizes[growth.last].label);
	add_end(slowdown_at(comparison, &growth, growth.first), out);
	buffer_add(out, " to ");
	add_end(slowdown_at(comparison, &growth, growth.last), out);
	add_ratio(&ratio, comparison->facts[growth.measure].groups < COMPARE_FEW_GROUPS, out);
	if (growth.extrapolated)
		buffer_add(out, " That rests on the form of the law, as fewer than two sizes are matched inside the "
		                "baseline's range.");
	if (growth.left_out > 0)
		buffer_add(out, " (%zu size%s with an extrapolated number left out.)", growth.left_out,
		           growth.left_out == 1 ? "" : "s");
}

/* Methods are compared at the share that they filter. */
static void add_share(const struct study *study, size_t group, struct buffer *out)
{
	double share = columns_group_share(study, group);
	if (!isnan(share))
		buffer_add(out, ", with %.2f %% of the tokens %s", 100.0 * share,
		           load_start_is_routed(study->methods[study->groups[group].method].filter) ? "routed"
		                                                                                    : "filtered");
	buffer_add(out, ".");
}

void words_write(const struct comparison *comparison, enum show_form form, struct buffer *buffer)
{
	const struct study *study = comparison->study;
	size_t written = 0, filtered = 0;
	buffer_add(buffer, "%s", form == SHOW_HTML ? "<ul>\n" : form == SHOW_TEXT ? "In words\n" : "");
	for (size_t m = 0; m < study->method_count; m++) {
		if (study->methods[m].is_baseline)
			continue;
		filtered++;
		if (written == MOST_METHODS)
			continue;
		size_t size = largest_size(study, m), group = study_cell(study, m, size);
		struct buffer out = { 0 };
		buffer_add(&out, "%s at %s", study->methods[m].label, study->sizes[size].label);
		if (study->groups[group].count > 1)
			buffer_add(&out, " (%zu seeds)", study->groups[group].count);
		add_share(study, group, &out);
		add_set(comparison, "forget", group, "What it forgot", &out);
		add_set(comparison, "retain", group, "What that cost", &out);
		add_growth(comparison, m, &out);
		show_item(&out, form, buffer);
		written++;
	}
	if (filtered > written)
		buffer_add(buffer,
		           form == SHOW_HTML ? "<li>and %zu more methods: see the tables.</li>\n"
		                             : "and %zu more methods: see the tables.\n",
		           filtered - written);
	buffer_add(buffer, form == SHOW_HTML ? "</ul>\n" : "\n");
}
