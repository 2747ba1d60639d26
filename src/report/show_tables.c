/* The tables of the report for people.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "report/columns.h"
#include "report/notes.h"
#include "report/show.h"

#define CREATE(table, title, columns)                                                                                  \
	table_create(table, "shown", title, columns, sizeof(columns) / sizeof((columns)[0]))

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

void show_write(struct table *table, enum show_form form, struct buffer *buffer)
{
	if (table->status != STATUS_OK)
		buffer->status = table->status;
	else if (form == SHOW_HTML)
		table_write_html(table, buffer);
	else if (form == SHOW_MARKDOWN)
		table_write_markdown(table, buffer);
	else
		table_write_text(table, buffer);
	if (form == SHOW_TEXT)
		buffer_add(buffer, "\n");
	table_clear(table);
}

void show_item(struct buffer *text, enum show_form form, struct buffer *buffer)
{
	if (text->status != STATUS_OK)
		buffer->status = text->status;
	buffer_add(buffer, form == SHOW_HTML ? "<li>" : form == SHOW_TEXT ? "  " : "- ");
	if (form == SHOW_HTML)
		buffer_add_escaped(buffer, text->text ? text->text : "");
	else
		buffer_add(buffer, "%s", text->text ? text->text : "");
	buffer_add(buffer, form == SHOW_HTML ? "</li>\n" : "\n");
	buffer_clear(text);
}

/* ---- tables ---- */

static void show_runs(const struct study *study, enum show_form form, struct buffer *buffer)
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
	show_write(&table, form, buffer);
}

static const struct domain_count *find_domain(const struct run *run, const char *name)
{
	for (size_t d = 0; run && d < run->domain_count; d++)
		if (strcmp(run->domains[d].name, name) == 0)
			return &run->domains[d];
	return NULL;
}

/* Columns are the domains of the first run that has any; all runs of a sweep see one corpus. */
static void show_filtered(const struct study *study, enum show_form form, struct buffer *buffer)
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
		show_write(&table, form, buffer);
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
	char number[SHOW_NUMBER];
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

static void show_measure(const struct comparison *comparison, size_t measure, enum show_form form,
                         struct buffer *buffer)
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
	size_t label = study_find_measure(study, study->measures[measure].set, true);
	buffer_add(&title, "Loss on %s (%s%s), nats a token", study->measures[measure].set,
	           study->measures[measure].label ? "tokens of that label only" : "all tokens",
	           label != STUDY_NONE && study->measures[label].repeated ? ", which all have that label" : "");
	notes_add_intervals(comparison, measure, &title);
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
	show_write(&table, form, buffer);
}

static void show_laws(const struct comparison *comparison, enum show_form form, struct buffer *buffer)
{
	static const struct column columns[] = {
		{ "set", COLUMN_TEXT, NULL, NULL },       { "method", COLUMN_TEXT, NULL, NULL },
		{ "compute", COLUMN_TEXT, NULL, NULL },   { "law", COLUMN_TEXT, NULL, NULL },
		{ "sizes", COLUMN_FIGURE, NULL, NULL },   { "exponent b", COLUMN_FIGURE, NULL, NULL },
		{ "floor E", COLUMN_FIGURE, NULL, NULL }, { "misfit", COLUMN_FIGURE, NULL, NULL },
		{ "remark", COLUMN_TEXT, NULL, NULL },
	};
	const struct study *study = comparison->study;
	char number[SHOW_NUMBER];
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
		if (study->measures[measure].repeated || result->sizes < (kind == LAW_FLOOR_ROBUST ? 5
		                                                          : kind == LAW_POWER      ? 2
		                                                                                   : 4))
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
		show_write(&table, form, buffer);
	else
		table_clear(&table);
}

static void show_classifier(const struct table *classifier, enum show_form form, struct buffer *buffer)
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
		show_write(&table, form, buffer);
	}
}

/* ---- tables that are shown as they are, with fewer columns ---- */

enum { MOST_COLUMNS = 14 };

struct choice {
	const char *table, *title;
	const char *columns[MOST_COLUMNS];
	const char *empty; /* a column in which rows without a value are passed over, NULL: none */
};

static const struct choice choices[] = {
	{ "areas",
	  "Area under the frontier (forget loss over retain loss)",
	  { "over", "method", "size", "tokens", "reference", "area", "normalised", "height_normalised",
	    "height_normalised_low", "height_normalised_high" },
	  NULL },
	{ "curves",
	  "Curves over what was swept",
	  { "axis", "family", "size", "set", "tokens", "value", "x", "slowdown", "slowdown_low", "slowdown_high",
	    "extrapolated", "relative" },
	  "slowdown" },
	{ "decay",
	  "Decay of the slowdown with label noise, slowdown ~ error^-b",
	  { "family", "size", "set", "tokens", "points", "accuracy", "exponent", "exponent_low", "exponent_high" },
	  NULL },
	{ "questions",
	  "Questions",
	  { "method", "size", "set", "accuracy", "accuracy_low", "accuracy_high", "difference", "difference_low",
	    "difference_high", "chance", "against_chance", "normalised", "questions" },
	  NULL },
	{ "question_groups",
	  "Questions by group and way of scoring",
	  { "method", "size", "set", "group", "scoring", "accuracy", "accuracy_low", "accuracy_high", "difference",
	    "difference_low", "difference_high", "against_chance", "questions" },
	  NULL },
	{ "passages",
	  "Questions without their passage (closed) and with it (open)",
	  { "method", "size", "set", "scoring", "closed", "closed_low", "closed_high", "open", "open_low", "open_high",
	    "gain", "gain_low", "gain_high", "questions" },
	  NULL },
	{ "predictions",
	  "Predictions and what came of them",
	  { "date", "size", "method", "set", "tokens", "law", "predicted_loss", "predicted_loss_low",
	    "predicted_loss_high", "loss", "outcome", "predicted_slowdown", "remark" },
	  NULL },
};

static void add_chosen(const struct table *from, size_t row, const char *column, struct table *table)
{
	const struct cell *cell = table_cell(from, row, column);
	switch (table_column(from, column)->type) {
	case COLUMN_INTEGER:
		table_add_text(table, "%lld", (long long)cell->integer);
		break;
	case COLUMN_REAL:
		if (isnan(cell->real))
			table_add_text(table, "%s", "");
		else
			table_add_text(table, "%.4g", cell->real);
		break;
	default:
		table_add_text(table, "%s", cell->text);
	}
}

/* Rows about label tokens that say what the row about all tokens says; those without a set are of forget and retain. */
static bool is_repeated(const struct study *study, const struct table *from, size_t row)
{
	const struct column *set = table_column(from, "set");
	const char *const both[] = { "forget", "retain" };
	bool repeated = true;
	if (!table_column(from, "tokens") || strcmp(table_cell(from, row, "tokens")->text, "label") != 0)
		return false;
	for (int i = 0; i < (set ? 1 : 2); i++) {
		size_t label = study_find_measure(study, set ? table_cell(from, row, "set")->text : both[i], true);
		repeated = repeated && label != STUDY_NONE && study->measures[label].repeated;
	}
	return repeated;
}

static void show_choice(const struct study *study, const struct table *from, const struct choice *choice,
                        enum show_form form, struct buffer *buffer)
{
	enum { MOST_ROWS = 120 };
	struct column columns[MOST_COLUMNS];
	size_t count = 0;
	for (; count < MOST_COLUMNS && choice->columns[count]; count++) {
		enum column_type type = table_column(from, choice->columns[count])->type;
		columns[count] = (struct column){ .name = choice->columns[count],
			                          .type = type == COLUMN_TEXT ? COLUMN_TEXT : COLUMN_FIGURE };
	}
	struct table table;
	table_create(&table, "shown", choice->title, columns, count);
	for (size_t row = 0; row < table_rows(from); row++) {
		if ((choice->empty && isnan(table_cell(from, row, choice->empty)->real)) ||
		    is_repeated(study, from, row))
			continue;
		if (table_rows(&table) == MOST_ROWS) {
			buffer_add(buffer,
			           form == SHOW_HTML ? "<p>%s: the first %d of %zu rows, see %s.csv</p>\n"
			                             : "%s: the first %d of %zu rows, see %s.csv\n\n",
			           choice->title, MOST_ROWS, table_rows(from), from->name);
			break;
		}
		for (size_t c = 0; c < count; c++)
			add_chosen(from, row, choice->columns[c], &table);
	}
	if (table_rows(&table) > 0)
		show_write(&table, form, buffer);
	else
		table_clear(&table);
}

void show_tables(const struct show *show, enum show_form form, struct buffer *buffer)
{
	const struct comparison *comparison = show->comparison;
	const struct study *study = comparison->study;
	show_runs(study, form, buffer);
	show_filtered(study, form, buffer);
	for (size_t k = 0; k < study->measure_count; k++)
		if (!study->measures[k].repeated)
			show_measure(comparison, k, form, buffer);
	show_laws(comparison, form, buffer);
	for (size_t c = 0; c < sizeof(choices) / sizeof(choices[0]); c++)
		for (size_t t = 0; t < show->table_count; t++)
			if (strcmp(show->tables[t].name, choices[c].table) == 0)
				show_choice(study, &show->tables[t], &choices[c], form, buffer);
	show_classifier(show->classifier, form, buffer);
}
