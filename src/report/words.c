/* Sentences.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/words.h"

#include <math.h>
#include <stdio.h>

enum { MOST_METHODS = 24 };

/* The measure that says most about a set: its label tokens, else all tokens. */
static size_t sharpest(const struct study *study, const char *set)
{
	size_t label = study_find_measure(study, set, true);
	return label != STUDY_NONE ? label : study_find_measure(study, set, false);
}

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
	size_t measure = sharpest(study, set);
	if (measure == STUDY_NONE)
		return;
	const struct slowdown *slowdown = compare_chosen(comparison, measure, group);
	buffer_add(out, " %s (%s set, %s tokens):", what, set, study->measures[measure].label ? "label" : "all");
	if (slowdown->why || isnan(slowdown->factor.value)) {
		add_loss(comparison, measure, group, out);
		return;
	}
	buffer_add(out, " as good as an unfiltered model with ");
	add_factor(&slowdown->factor, out);
	add_extrapolation(slowdown, out);
}

/* From the smallest to the largest size that have a slowdown on the forget set. */
static void add_growth(const struct comparison *comparison, size_t method, struct buffer *out)
{
	const struct study *study = comparison->study;
	size_t measure = sharpest(study, "forget"), first = STUDY_NONE, last = STUDY_NONE;
	for (size_t s = 0; s < study->size_count && measure != STUDY_NONE; s++) {
		size_t group = study_cell(study, method, s);
		if (group == STUDY_NONE || compare_chosen(comparison, measure, group)->why)
			continue;
		first = first == STUDY_NONE ? s : first;
		last = s;
	}
	if (first == last)
		return;
	const struct slowdown *small = compare_chosen(comparison, measure, study_cell(study, method, first));
	const struct slowdown *large = compare_chosen(comparison, measure, study_cell(study, method, last));
	char from[24], to[24];
	show_factor(small->factor.value, from, sizeof(from));
	show_factor(large->factor.value, to, sizeof(to));
	bool apart = small->factor.high < large->factor.low || large->factor.high < small->factor.low;
	buffer_add(out, " From %s to %s that factor goes from %s to %s; the intervals %s.", study->sizes[first].label,
	           study->sizes[last].label, from, to,
	           isnan(small->factor.low) || isnan(large->factor.low) ? "are not known"
	           : apart                                              ? "do not overlap"
	                                                                : "overlap");
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
		buffer_add(&out, ".");
		add_set(comparison, "forget", group, "What it forgot", &out);
		add_set(comparison, "retain", group, "What that cost", &out);
		add_growth(comparison, m, &out);
		if (out.status != STATUS_OK)
			buffer->status = out.status;
		buffer_add(buffer, form == SHOW_HTML ? "<li>" : form == SHOW_TEXT ? "  " : "- ");
		if (form == SHOW_HTML)
			buffer_add_escaped(buffer, out.text ? out.text : "");
		else
			buffer_add(buffer, "%s", out.text ? out.text : "");
		buffer_add(buffer, form == SHOW_HTML ? "</li>\n" : "\n");
		buffer_clear(&out);
		written++;
	}
	if (filtered > written)
		buffer_add(buffer,
		           form == SHOW_HTML ? "<li>and %zu more methods: see the tables.</li>\n"
		                             : "and %zu more methods: see the tables.\n",
		           filtered - written);
	buffer_add(buffer, form == SHOW_HTML ? "</ul>\n" : "\n");
}
