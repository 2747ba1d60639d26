/* Order and wording of the report.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/show.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "report/columns.h"
#include "report/load_start.h"
#include "report/words.h"

enum { MOST_FINDINGS = 80 };

/* ---- numbers ---- */

void show_factor(double value, char *buffer, size_t size)
{
	if (isnan(value))
		snprintf(buffer, size, "-");
	else if (isinf(value))
		snprintf(buffer, size, "> 1e+308");
	else if (value != 0.0 && (value >= 1e5 || value < 1e-3))
		snprintf(buffer, size, "%.2g", value);
	else
		snprintf(buffer, size, value < 9.995 ? "%.2f" : value < 99.95 ? "%.1f" : "%.0f", value);
}

void show_interval(const struct interval *interval, bool sign, char *buffer, size_t size)
{
	if (isnan(interval->value))
		snprintf(buffer, size, "-");
	else if (isnan(interval->low))
		snprintf(buffer, size, sign ? "%+.4f" : "%.4f", interval->value);
	else
		snprintf(buffer, size, sign ? "%+.4f [%+.4f, %+.4f]" : "%.4f [%.4f, %.4f]", interval->value,
		         interval->low, interval->high);
}

void show_slowdown(const struct slowdown *slowdown, char *buffer, size_t size)
{
	char value[24], low[24], high[24];
	const char *mark = slowdown->why || !slowdown->extrapolated ? "" : "*";
	show_factor(slowdown->factor.value, value, sizeof(value));
	show_factor(slowdown->factor.low, low, sizeof(low));
	show_factor(slowdown->factor.high, high, sizeof(high));
	if (slowdown->why)
		snprintf(buffer, size, "-");
	else if (isnan(slowdown->factor.low))
		snprintf(buffer, size, "%s%s", value, mark);
	else
		snprintf(buffer, size, "%s%s [%s, %s]", value, mark, low, high);
}

/* ---- the whole ---- */

/* " (24.05 % filtered)", " (4.07 % routed)" */
static void show_share(const struct study *study, size_t group, struct buffer *buffer)
{
	double share = columns_group_share(study, group);
	if (!isnan(share))
		buffer_add(buffer, " (%.2f %% %s)", 100.0 * share,
		           load_start_is_routed(study->methods[study->groups[group].method].filter) ? "routed"
		                                                                                    : "filtered");
}

/* Sets whose label tokens are all tokens: what is said of all tokens is said of both. */
static void show_repeated(const struct study *study, enum show_form form, struct buffer *buffer)
{
	size_t count = 0;
	for (size_t k = 0; k < study->measure_count; k++)
		if (study->measures[k].repeated)
			buffer_add(buffer, "%s%s",
			           count++ > 0             ? ", "
			           : form == SHOW_MARKDOWN ? "- Every token has its document's label in the sets "
			                                   : "  Every token has its document's label in the sets ",
			           study->measures[k].set);
	if (count > 0)
		buffer_add(buffer, ": the loss of their label tokens equals that of all tokens and is not repeated.\n");
}

/* The question of the study in one line each: what changed at the largest size that has a baseline. */
static void show_findings(const struct comparison *comparison, enum show_form form, struct buffer *buffer)
{
	const struct study *study = comparison->study;
	char number[SHOW_NUMBER];
	size_t begin = buffer->size;
	if (study->method_count * study->measure_count > MOST_FINDINGS)
		return; /* a list that long is no summary: the tables say the same */
	for (size_t m = 0; m < study->method_count; m++) {
		size_t baseline = study->methods[m].baseline, size = study->size_count;
		if (study->methods[m].is_baseline || baseline == STUDY_NONE)
			continue;
		while (size > 0 && (study_cell(study, m, size - 1) == STUDY_NONE ||
		                    study_cell(study, baseline, size - 1) == STUDY_NONE))
			size--;
		for (size_t k = 0; k < study->measure_count && size > 0; k++) {
			const struct loss_result *result = compare_loss(comparison, k, study_cell(study, m, size - 1));
			if (isnan(result->difference.value) || study->measures[k].repeated)
				continue;
			if (buffer->size == begin)
				buffer_add(buffer,
				           form == SHOW_MARKDOWN
				                   ? "## Findings at the largest size\n\n"
				                   : "Findings at the largest size (loss difference, nats a token)\n");
			show_interval(&result->difference, true, number, sizeof(number));
			buffer_add(buffer, "%s%s", form == SHOW_MARKDOWN ? "- " : "  ", study->methods[m].label);
			show_share(study, study_cell(study, m, size - 1), buffer);
			buffer_add(buffer, " - %s at %s on %s %s = %s%s%s%s\n", study->methods[baseline].label,
			           study->sizes[size - 1].label, study->measures[k].set,
			           study->measures[k].label ? "label tokens" : "tokens", number,
			           result->verdict ? ": " : "", compare_verdict_name(result->verdict),
			           result->verdict && comparison->facts[k].groups < COMPARE_FEW_GROUPS
			                   ? ", by FEW GROUPS"
			                   : "");
		}
	}
	if (buffer->size > begin) {
		show_repeated(study, form, buffer);
		buffer_add(buffer, "\n");
	}
}

void show_notes(const char *notes, enum show_form form, struct buffer *buffer)
{
	for (const char *line = notes; *line;) {
		size_t length = strcspn(line, "\n");
		char *text = text_format("%.*s", (int)length, line);
		if (!text) {
			buffer->status = STATUS_ENVIRONMENT;
			return;
		}
		buffer_add(buffer, form == SHOW_HTML ? "<p>" : form == SHOW_MARKDOWN ? "- " : "");
		if (form == SHOW_HTML)
			buffer_add_escaped(buffer, text);
		else
			buffer_add(buffer, "%s", text);
		buffer_add(buffer, form == SHOW_HTML ? "</p>\n" : "\n");
		free(text);
		line += length + (line[length] == '\n');
	}
}

static void show_head(const struct show *show, enum show_form form, struct buffer *buffer)
{
	const struct run_list *list = show->list;
	buffer_add(buffer, form == SHOW_MARKDOWN ? "# Report of %s\n\n" : "Report of %s\n", show->folder);
	buffer_add(buffer, "%zu finished run%s, %zu left out.\n", list->count, list->count == 1 ? "" : "s",
	           list->left_count);
	for (size_t i = 0; i < list->left_count; i++)
		buffer_add(buffer, form == SHOW_MARKDOWN ? "%s- `%s`: %s\n" : "%s  left out: %s: %s\n",
		           form == SHOW_MARKDOWN && i == 0 ? "\n" : "", list->left[i].point, list->left[i].reason);
	buffer_add(buffer, form == SHOW_MARKDOWN && show->notes[0] ? "\n" : "");
	show_notes(show->notes, form, buffer);
	buffer_add(buffer, "\n");
}

void show_legend(const struct comparison *comparison, enum show_form form, struct buffer *buffer)
{
	const struct compare_options *options = &comparison->options;
	bool seeds = study_most_seeds(comparison->study) > 1;
	buffer_add(buffer, "%s", form == SHOW_MARKDOWN ? "## How to read this\n\n" : "How to read this\n");
	buffer_add(
		buffer,
		"- Intervals: %zu resamples of the evaluation documents, those of one id together%s (seed %llu), the same for every "
		"run%s.\n"
		"- worse, better: the %g %% interval of the difference to the baseline of equal size excludes 0.\n"
		"- slowdown: compute of the run / compute at which the baseline law reaches its loss. 6ND: power "
		"law over "
		"nominal FLOPs; spent: over operations really spent; with floor: L = E + A C^-b over 6ND.\n"
		"- *: that compute lies outside the range of the baseline's models: the law is extrapolated.\n",
		options->resamples, seeds ? " and of the training seeds" : "", (unsigned long long)options->seed,
		seeds ? "" : "; they hold the noise of the evaluation, not that of training with another seed",
		100.0 * options->confidence);
}

void show_report(const struct show *show, enum show_form form, struct buffer *buffer)
{
	const struct comparison *comparison = show->comparison;
	show_head(show, form, buffer);
	show_findings(comparison, form, buffer);
	if (form == SHOW_MARKDOWN)
		buffer_add(buffer, "## In words\n\n");
	words_write(comparison, form, buffer);
	for (size_t i = 0; i < show->figure_count && form == SHOW_MARKDOWN; i++)
		buffer_add(buffer, "![%s](%s.svg)\n\n", show->figure_titles[i], show->figures[i]);
	if (form == SHOW_MARKDOWN)
		buffer_add(buffer, "## Tables\n\n");
	show_tables(show, form, buffer);
	show_legend(comparison, form, buffer);
}
