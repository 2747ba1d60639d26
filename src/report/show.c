/* Order and wording of the report.
 * SPDX-License-Identifier: Apache-2.0 */
#include "report/show.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "report/columns.h"

enum { NUMBER_SIZE = 96, MOST_FINDINGS = 80 };

#define CREATE(table, title, columns)                                                                                  \
	table_create(table, "shown", title, columns, sizeof(columns) / sizeof((columns)[0]))

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

static void show_slowdown(const struct slowdown *slowdown, char *buffer, size_t size)
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

static void add_count(struct table *table, double value)
{
	char number[32];
	table_add_text(table, "%s", text_count(value, number, sizeof(number)));
}

static void add_share(struct table *table, int64_t part, int64_t whole)
{
	if (whole > 0)
		table_add_text(table, "%.2f %%", 100.0 * (double)part / (double)whole);
	else
		table_add_text(table, "-");
}

static void write_table(struct table *table, bool markdown, struct buffer *buffer)
{
	if (table->status != STATUS_OK)
		buffer->status = table->status;
	else if (markdown)
		table_write_markdown(table, buffer);
	else
		table_write_text(table, buffer);
	if (!markdown)
		buffer_add(buffer, "\n");
	table_clear(table);
}

/* ---- tables ---- */

static void show_runs(const struct study *study, bool markdown, struct buffer *buffer)
{
	static const struct column columns[] = {
		{ "method", COLUMN_TEXT, NULL, NULL },          { "size", COLUMN_TEXT, NULL, NULL },
		{ "parameters", COLUMN_FIGURE, NULL, NULL },    { "tokens", COLUMN_FIGURE, NULL, NULL },
		{ "FLOPs 6ND", COLUMN_FIGURE, NULL, NULL },     { "FLOPs spent", COLUMN_FIGURE, NULL, NULL },
		{ "training time", COLUMN_FIGURE, NULL, NULL }, { "filtered", COLUMN_FIGURE, NULL, NULL },
	};
	char time[32];
	struct table table;
	CREATE(&table, "Runs", columns);
	for (size_t m = 0; m < study->method_count; m++)
		for (size_t s = 0; s < study->size_count; s++) {
			const struct run *run = study_run(study, m, s);
			if (!run)
				continue;
			int64_t filtered, tokens;
			columns_count_filtered(run, &filtered, &tokens);
			table_add_text(&table, "%s", study->methods[m].label);
			table_add_text(&table, "%s", study->sizes[s].label);
			add_count(&table, (double)run->parameters);
			add_count(&table, run->nominal_flops / (6.0 * (double)run->parameters));
			table_add_text(&table, "%.3g", run->nominal_flops);
			table_add_text(&table, "%.3g", run->training_flops);
			table_add_text(&table, "%s", text_duration(run->seconds, time, sizeof(time)));
			add_share(&table, filtered, tokens);
		}
	write_table(&table, markdown, buffer);
}

static const struct domain_count *find_domain(const struct run *run, const char *name)
{
	for (size_t d = 0; run && d < run->domain_count; d++)
		if (strcmp(run->domains[d].name, name) == 0)
			return &run->domains[d];
	return NULL;
}

/* Columns are the domains of the first run that has any; all runs of a sweep see one corpus. */
static void show_filtered(const struct study *study, bool markdown, struct buffer *buffer)
{
	enum { MOST = 16 };
	struct column columns[2 + MOST] = { { "method", COLUMN_TEXT, NULL, NULL },
		                            { "size", COLUMN_TEXT, NULL, NULL } };
	const struct run *model = NULL;
	for (size_t r = 0; r < study->list->count && !model; r++)
		if (study->list->runs[r].domain_count > 0)
			model = &study->list->runs[r];
	if (!model)
		return;
	size_t count = model->domain_count < MOST ? model->domain_count : MOST;
	for (size_t d = 0; d < count; d++)
		columns[2 + d] = (struct column){ model->domains[d].name, COLUMN_FIGURE, NULL, NULL };
	struct table table;
	table_create(&table, "shown", "Share of corpus tokens filtered, by domain of the token", columns, 2 + count);
	for (size_t m = 0; m < study->method_count; m++)
		for (size_t s = 0; s < study->size_count; s++) {
			const struct run *run = study_run(study, m, s);
			if (!run || study->methods[m].is_baseline)
				continue;
			table_add_text(&table, "%s", study->methods[m].label);
			table_add_text(&table, "%s", study->sizes[s].label);
			for (size_t d = 0; d < count; d++) {
				const struct domain_count *domain = find_domain(run, model->domains[d].name);
				add_share(&table, domain ? domain->filtered : 0, domain ? domain->tokens : 0);
			}
		}
	if (table_rows(&table) > 0)
		write_table(&table, markdown, buffer);
	else
		table_clear(&table);
}

static void add_remark(struct table *table, const struct slowdown *slowdown)
{
	char beyond[24];
	if (slowdown->why) {
		table_add_text(table, "no slowdown: %s", slowdown->why);
	} else if (slowdown->extrapolated) {
		show_factor(slowdown->outside, beyond, sizeof(beyond));
		table_add_text(table, "EXTRAPOLATED %s x %s the baseline's range", beyond,
		               slowdown->below ? "below" : "above");
	} else {
		table_add_text(table, "%s", "");
	}
}

static void add_measured(struct table *table, const struct comparison *comparison, size_t measure, size_t method,
                         size_t size)
{
	const struct study *study = comparison->study;
	size_t run = study_cell(study, method, size);
	const struct loss_result *result = compare_loss(comparison, measure, run);
	char number[NUMBER_SIZE];
	table_add_text(table, "%s", study->methods[method].label);
	table_add_text(table, "%s", study->sizes[size].label);
	show_interval(&result->loss, false, number, sizeof(number));
	table_add_text(table, "%s", number);
	show_interval(&result->difference, true, number, sizeof(number));
	table_add_text(table, "%s", study->methods[method].is_baseline ? "" : number);
	table_add_text(table, "%s", compare_verdict_name(result->verdict));
	if (study->methods[method].is_baseline) {
		for (int i = 0; i < 4; i++)
			table_add_text(table, "%s", "");
		return;
	}
	const enum compute_kind computes[3] = { COMPUTE_NOMINAL, COMPUTE_SPENT, COMPUTE_NOMINAL };
	const enum law_kind laws[3] = { LAW_POWER, LAW_POWER, LAW_FLOOR };
	for (int i = 0; i < 3; i++) {
		show_slowdown(compare_slowdown(comparison, measure, run, computes[i], laws[i]), number, sizeof(number));
		table_add_text(table, "%s", number);
	}
	add_remark(table, compare_slowdown(comparison, measure, run, COMPUTE_NOMINAL, LAW_POWER));
}

static void show_measure(const struct comparison *comparison, size_t measure, bool markdown, struct buffer *buffer)
{
	static const struct column columns[] = {
		{ "method", COLUMN_TEXT, NULL, NULL },           { "size", COLUMN_TEXT, NULL, NULL },
		{ "loss", COLUMN_FIGURE, NULL, NULL },           { "minus baseline", COLUMN_FIGURE, NULL, NULL },
		{ "verdict", COLUMN_TEXT, NULL, NULL },          { "slowdown 6ND", COLUMN_FIGURE, NULL, NULL },
		{ "slowdown spent", COLUMN_FIGURE, NULL, NULL }, { "slowdown with floor", COLUMN_FIGURE, NULL, NULL },
		{ "remark", COLUMN_TEXT, NULL, NULL },
	};
	const struct study *study = comparison->study;
	const struct measure_facts *facts = &comparison->facts[measure];
	struct buffer title = { 0 };
	buffer_add(&title, "Loss on %s (%s), nats a token", study->measures[measure].set,
	           study->measures[measure].label ? "tokens of that label only" : "all tokens");
	if (facts->documents > 0)
		buffer_add(&title, "; %g %% intervals over %zu documents", 100.0 * comparison->options.confidence,
		           facts->documents);
	else
		buffer_add(&title, "; no intervals: there is no table of documents");
	if (facts->left_out > 0)
		buffer_add(&title, " (%zu more are not shared by all runs)", facts->left_out);
	if (title.status != STATUS_OK) {
		buffer->status = title.status;
		return;
	}
	struct table table;
	CREATE(&table, title.text, columns);
	buffer_clear(&title);
	for (size_t m = 0; m < study->method_count; m++)
		for (size_t s = 0; s < study->size_count; s++)
			if (study_cell(study, m, s) != STUDY_NONE)
				add_measured(&table, comparison, measure, m, s);
	write_table(&table, markdown, buffer);
}

static void show_laws(const struct comparison *comparison, bool markdown, struct buffer *buffer)
{
	static const struct column columns[] = {
		{ "set", COLUMN_TEXT, NULL, NULL },       { "method", COLUMN_TEXT, NULL, NULL },
		{ "compute", COLUMN_TEXT, NULL, NULL },   { "law", COLUMN_TEXT, NULL, NULL },
		{ "sizes", COLUMN_FIGURE, NULL, NULL },   { "exponent b", COLUMN_FIGURE, NULL, NULL },
		{ "floor E", COLUMN_FIGURE, NULL, NULL }, { "misfit", COLUMN_FIGURE, NULL, NULL },
		{ "remark", COLUMN_TEXT, NULL, NULL },
	};
	const struct study *study = comparison->study;
	char number[NUMBER_SIZE];
	struct table table;
	CREATE(&table, "Laws of loss against compute, L = E + A C^-b", columns);
	for (size_t row = 0; row < study->measure_count * study->method_count * COMPUTE_KINDS * LAW_KINDS; row++) {
		enum law_kind kind = (enum law_kind)(row % LAW_KINDS);
		enum compute_kind compute = (enum compute_kind)(row / LAW_KINDS % COMPUTE_KINDS);
		size_t method = row / (LAW_KINDS * COMPUTE_KINDS) % study->method_count;
		size_t measure = row / (LAW_KINDS * COMPUTE_KINDS) / study->method_count;
		const struct law_result *result = compare_law(comparison, measure, method, compute, kind);
		bool is_floor = kind == LAW_FLOOR || kind == LAW_FLOOR_ROBUST;
		if (!study->methods[method].is_baseline &&
		    (compute != comparison->options.compute || (kind != LAW_POWER && kind != comparison->options.law)))
			continue; /* of filtered methods only what figures and predictions use: report.h5 has all */
		if (result->sizes < (kind == LAW_FLOOR_ROBUST ? 5 : kind == LAW_POWER ? 2 : 4))
			continue;
		table_add_text(&table, "%s %s", study->measures[measure].set,
		               study->measures[measure].label ? "label" : "all");
		table_add_text(&table, "%s", study->methods[method].label);
		table_add_text(&table, "%s", compare_compute_name(compute));
		table_add_text(&table, "%s", compare_law_name(kind));
		table_add_text(&table, "%zu", result->sizes);
		show_interval(&result->exponent, false, number, sizeof(number));
		table_add_text(&table, "%s", number);
		show_interval(&result->floor, false, number, sizeof(number));
		table_add_text(&table, "%s", is_floor ? number : "0");
		table_add_text(&table, isnan(result->law.residual) ? "-" : "%.2f %%", 100.0 * result->law.residual);
		table_add_text(&table, "%s",
		               result->why          ? result->why
		               : result->sizes == 2 ? "line through two models: no misfit to judge it by"
		                                    : "");
	}
	if (table_rows(&table) > 0)
		write_table(&table, markdown, buffer);
	else
		table_clear(&table);
}

static void show_classifier(const struct table *classifier, bool markdown, struct buffer *buffer)
{
	static const struct column columns[] = {
		{ "who", COLUMN_TEXT, NULL, NULL },        { "set", COLUMN_TEXT, NULL, NULL },
		{ "prevalence", COLUMN_TEXT, NULL, NULL }, { "precision", COLUMN_FIGURE, NULL, NULL },
		{ "recall", COLUMN_FIGURE, NULL, NULL },   { "F1", COLUMN_FIGURE, NULL, NULL },
		{ "AUROC", COLUMN_FIGURE, NULL, NULL },    { "forget share", COLUMN_FIGURE, NULL, NULL },
		{ "measured", COLUMN_FIGURE, NULL, NULL },
	};
	static const char *const texts[] = { "who", "set", "prevalence" };
	static const char *const reals[] = { "precision", "recall", "f1", "auroc", "positives" };
	for (size_t first = 0, row; first < table_rows(classifier); first = row) {
		const char *file = table_cell(classifier, first, "file")->text;
		struct buffer title = { 0 };
		buffer_add(&title, "Classifier %s", file);
		struct table table;
		CREATE(&table, title.text ? title.text : "", columns);
		buffer_clear(&title);
		for (row = first; row < table_rows(classifier); row++) {
			if (strcmp(table_cell(classifier, row, "file")->text, file) != 0)
				break;
			for (int i = 0; i < 3; i++)
				table_add_text(&table, "%s", table_cell(classifier, row, texts[i])->text);
			for (int i = 0; i < 5; i++) {
				double value = table_cell(classifier, row, reals[i])->real;
				table_add_text(&table, isnan(value) ? "-" : "%.4f", value);
			}
			add_count(&table, (double)table_cell(classifier, row, "count")->integer);
		}
		write_table(&table, markdown, buffer);
	}
}

/* ---- the whole ---- */

/* The question of the study in one line each: what changed at the largest size that has a baseline. */
static void show_findings(const struct comparison *comparison, bool markdown, struct buffer *buffer)
{
	const struct study *study = comparison->study;
	char number[NUMBER_SIZE];
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
			if (isnan(result->difference.value))
				continue;
			if (buffer->size == begin)
				buffer_add(buffer,
				           markdown ? "## Findings at the largest size\n\n"
				                    : "Findings at the largest size (loss difference, nats a token)\n");
			show_interval(&result->difference, true, number, sizeof(number));
			buffer_add(buffer, "%s%s - %s at %s on %s %s = %s%s%s\n", markdown ? "- " : "  ",
			           study->methods[m].label, study->methods[baseline].label,
			           study->sizes[size - 1].label, study->measures[k].set,
			           study->measures[k].label ? "label tokens" : "tokens", number,
			           result->verdict ? ": " : "", compare_verdict_name(result->verdict));
		}
	}
	if (buffer->size > begin)
		buffer_add(buffer, "\n");
}

static void show_head(const struct show *show, bool markdown, struct buffer *buffer)
{
	const struct run_list *list = show->list;
	buffer_add(buffer, markdown ? "# Report of %s\n\n" : "Report of %s\n", show->folder);
	buffer_add(buffer, "%zu finished run%s, %zu left out.\n", list->count, list->count == 1 ? "" : "s",
	           list->left_count);
	for (size_t i = 0; i < list->left_count; i++)
		buffer_add(buffer, markdown ? "%s- `%s`: %s\n" : "%s  left out: %s: %s\n",
		           markdown && i == 0 ? "\n" : "", list->left[i].point, list->left[i].reason);
	buffer_add(buffer, "%s%s\n", markdown && show->notes[0] ? "\n" : "", show->notes);
}

static void show_legend(const struct comparison *comparison, bool markdown, struct buffer *buffer)
{
	const struct compare_options *options = &comparison->options;
	buffer_add(buffer, "%s", markdown ? "## How to read this\n\n" : "How to read this\n");
	buffer_add(buffer,
	           "- Intervals: %zu resamples of the evaluation documents (seed %llu), the same documents for every "
	           "run; they "
	           "hold the noise of the evaluation, not that of training with another seed.\n"
	           "- worse, better: the %g %% interval of the difference to the baseline of equal size excludes 0.\n"
	           "- slowdown: compute of the run / compute at which the baseline law reaches its loss. 6ND: power "
	           "law over "
	           "nominal FLOPs; spent: over operations really spent; with floor: L = E + A C^-b over 6ND.\n"
	           "- *: that compute lies outside the range of the baseline's models: the law is extrapolated.\n",
	           options->resamples, (unsigned long long)options->seed, 100.0 * options->confidence);
}

void show_report(const struct show *show, bool markdown, struct buffer *buffer)
{
	const struct comparison *comparison = show->comparison;
	const struct study *study = comparison->study;
	show_head(show, markdown, buffer);
	show_findings(comparison, markdown, buffer);
	for (size_t i = 0; i < show->figure_count && markdown; i++)
		buffer_add(buffer, "![%s](%s.svg)\n\n", show->figure_titles[i], show->figures[i]);
	if (markdown)
		buffer_add(buffer, "## Tables\n\n");
	show_runs(study, markdown, buffer);
	show_filtered(study, markdown, buffer);
	for (size_t k = 0; k < study->measure_count; k++)
		show_measure(comparison, k, markdown, buffer);
	show_laws(comparison, markdown, buffer);
	show_classifier(show->classifier, markdown, buffer);
	show_legend(comparison, markdown, buffer);
}
