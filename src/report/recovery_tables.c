/* The tables of a finetuning's report.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "base/text.h"
#include "report/compare.h"
#include "report/recovery.h"

/* ---- tables for programs ---- */

static const struct column run_columns[] = {
	{ "method", COLUMN_TEXT, "", "what tells the start from others of its size" },
	{ "size", COLUMN_TEXT, "", "model size" },
	{ "parameters", COLUMN_REAL, "1", "parameters of the model" },
	{ "start", COLUMN_TEXT, "", "point of the run that it began from" },
	{ "setting", COLUMN_TEXT, "", "values of the axes of [train]; others are in method" },
	{ "learning_rate", COLUMN_REAL, "1", "learning rate" },
	{ "weight_decay", COLUMN_REAL, "1", "weight decay" },
	{ "tried", COLUMN_INTEGER, "1", "settings of this start" },
	{ "reached", COLUMN_INTEGER, "1", "of them, those that reach the target" },
	{ "target", COLUMN_REAL, "nats/token", "loss on the forget set that is to be reached" },
	{ "first_loss", COLUMN_REAL, "nats/token", "loss on the forget set before the first step" },
	{ "last_loss", COLUMN_REAL, "nats/token", "loss on the forget set at the end" },
	{ "tokens", COLUMN_REAL, "tokens", "to the target; empty: not reached" },
	{ "tokens_low", COLUMN_REAL, "tokens", "interval over documents, low end" },
	{ "tokens_high", COLUMN_REAL, "tokens", "interval over documents, high end; inf: more than trained_tokens" },
	{ "percent", COLUMN_REAL, "%", "tokens as a share of the pretraining" },
	{ "trained_tokens", COLUMN_REAL, "tokens", "tokens of the finetuning until it ended" },
	{ "pretraining_tokens", COLUMN_REAL, "tokens", "tokens of the pretraining of the start" },
	{ "resolution", COLUMN_REAL, "tokens", "between the two evaluations around the answer" },
	{ "retain_cost", COLUMN_REAL, "nats/token", "change of the retain loss until the target, or the end" },
	{ "documents", COLUMN_INTEGER, "1", "documents of the forget set that intervals are over" },
	{ "groups", COLUMN_INTEGER, "1", "groups that they are in (of one id)" },
};

static void add_run(const struct recovery_run *run, struct table *table)
{
	size_t count = run->forget.count;
	table_add_text(table, "%s", run->label);
	table_add_text(table, "%s", run->size);
	table_add_real(table, run->parameters);
	table_add_text(table, "%s", run->start);
	table_add_text(table, "%s", run->setting);
	table_add_real(table, run->learning_rate);
	table_add_real(table, run->weight_decay);
	table_add_integer(table, (int64_t)run->tried);
	table_add_integer(table, (int64_t)run->reached);
	table_add_real(table, run->target);
	table_add_real(table, count > 0 ? run->forget.loss[0] : NAN);
	table_add_real(table, count > 0 ? run->forget.loss[count - 1] : NAN);
	table_add_real(table, run->tokens.value);
	table_add_real(table, run->tokens.low);
	table_add_real(table, run->tokens.high);
	table_add_real(table, 100.0 * run->tokens.value / run->pretraining);
	table_add_real(table, count > 0 ? run->forget.tokens[count - 1] : NAN);
	table_add_real(table, run->pretraining);
	table_add_real(table, run->resolution);
	table_add_real(table, run->retain_cost);
	table_add_integer(table, (int64_t)run->known.documents);
	table_add_integer(table, (int64_t)run->known.groups);
}

static const struct column curve_columns[] = {
	{ "method", COLUMN_TEXT, "", "what tells the start from others of its size" },
	{ "size", COLUMN_TEXT, "", "model size" },
	{ "setting", COLUMN_TEXT, "", "values of the axes of the finetuning" },
	{ "set", COLUMN_TEXT, "", "evaluation set" },
	{ "tokens", COLUMN_REAL, "tokens", "tokens of finetuning" },
	{ "loss", COLUMN_REAL, "nats/token", "loss over the whole text" },
};

static void add_curve(const struct recovery_run *run, const char *set, const struct recovery_curve *curve,
                      struct table *table)
{
	for (size_t i = 0; i < curve->count; i++) {
		table_add_text(table, "%s", run->label);
		table_add_text(table, "%s", run->size);
		table_add_text(table, "%s", run->setting);
		table_add_text(table, "%s", set);
		table_add_real(table, curve->tokens[i]);
		table_add_real(table, curve->loss[i]);
	}
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum status recovery_tables(const struct recovery *recovery, struct table tables[RECOVERY_TABLES])
{
	table_create(&tables[RECOVERY_TOKENS], "finetune", "Tokens to the target, best setting of each start",
	             run_columns, COUNT(run_columns));
	table_create(&tables[RECOVERY_RUNS], "finetune-runs", "All settings", run_columns, COUNT(run_columns));
	table_create(&tables[RECOVERY_LOSSES], "finetune-curves", "Losses", curve_columns, COUNT(curve_columns));
	for (size_t l = 0; l < recovery->label_count; l++)
		for (size_t s = 0; s < recovery->size_count; s++) {
			const struct recovery_run *run =
				recovery_find(recovery, recovery->labels[l], recovery->sizes[s]);
			if (run)
				add_run(run, &tables[RECOVERY_TOKENS]);
		}
	for (size_t i = 0; i < recovery->count; i++) {
		add_run(&recovery->runs[i], &tables[RECOVERY_RUNS]);
		add_curve(&recovery->runs[i], "forget", &recovery->runs[i].forget, &tables[RECOVERY_LOSSES]);
		add_curve(&recovery->runs[i], "retain", &recovery->runs[i].retain, &tables[RECOVERY_LOSSES]);
	}
	for (int i = 0; i < RECOVERY_TABLES; i++)
		STATUS_TRY(tables[i].status);
	return STATUS_OK;
}

/* ---- the table for people ---- */

static const struct column shown_columns[] = {
	{ "method", COLUMN_TEXT, NULL, NULL },
	{ "size", COLUMN_TEXT, NULL, NULL },
	{ "tokens to target", COLUMN_FIGURE, NULL, NULL },
	{ "% of pretraining", COLUMN_FIGURE, NULL, NULL },
	{ "forget loss", COLUMN_FIGURE, NULL, NULL },
	{ "target", COLUMN_FIGURE, NULL, NULL },
	{ "retain loss", COLUMN_FIGURE, NULL, NULL },
	{ "setting", COLUMN_TEXT, NULL, NULL },
	{ "tried", COLUMN_FIGURE, NULL, NULL },
};

static double trained(const struct recovery_run *run)
{
	return run->forget.count > 0 ? run->forget.tokens[run->forget.count - 1] : 0;
}

/* "12.3k [11k, 14k]", "not reached (> 100k)"; in %, where of > 0. */
static void show_answer(const struct recovery_run *run, double of, char *buffer, size_t size)
{
	const double values[4] = { run->tokens.value, run->tokens.low, run->tokens.high, trained(run) };
	char texts[4][24];
	for (int i = 0; i < 4; i++) {
		if (of > 0)
			snprintf(texts[i], sizeof(texts[i]), "%.3g", 100.0 * values[i] / of);
		else
			text_count(isfinite(values[i]) ? round(values[i]) : 0, texts[i], sizeof(texts[i]));
	}
	if (isnan(run->tokens.value))
		snprintf(buffer, size, of > 0 ? "> %s" : "not reached (> %s)", texts[3]);
	else if (isnan(run->tokens.low))
		snprintf(buffer, size, "%s", texts[0]);
	else if (isinf(run->tokens.high))
		snprintf(buffer, size, "%s [%s, > %s]", texts[0], texts[1], texts[3]);
	else
		snprintf(buffer, size, "%s [%s, %s]", texts[0], texts[1], texts[2]);
}

static void show_run(const struct recovery_run *run, struct table *table)
{
	char text[SHOW_NUMBER];
	table_add_text(table, "%s", run->label);
	table_add_text(table, "%s", run->size);
	show_answer(run, 0, text, sizeof(text));
	table_add_text(table, "%s%s", text, recovery_is_coarse(run) ? "*" : "");
	show_answer(run, run->pretraining, text, sizeof(text));
	table_add_text(table, "%s", text);
	table_add_text(table, "%.4f", run->forget.count > 0 ? run->forget.loss[0] : NAN);
	table_add_text(table, "%.4f", run->target);
	if (isnan(run->retain_cost))
		table_add_text(table, "-");
	else
		table_add_text(table, "%+.4f", run->retain_cost);
	table_add_text(table, "%s", run->setting[0] ? run->setting : "-");
	table_add_text(table, "%zu", run->tried);
}

void recovery_show(const struct recovery *recovery, bool intervals, enum show_form form, struct buffer *buffer)
{
	struct table table;
	char title[192], over[96] = "";
	const struct recovery_documents *fewest = recovery_fewest(recovery);
	if (intervals && fewest)
		snprintf(over, sizeof(over), ", with intervals over %zu documents in %zu groups (of one id)%s",
		         fewest->documents, fewest->groups,
		         fewest->groups < COMPARE_FEW_GROUPS ? ": FEW GROUPS, too narrow" : "");
	snprintf(title, sizeof(title), "Tokens of forget text to the unfiltered model's loss%s", over);
	table_create(&table, "finetune", title, shown_columns, COUNT(shown_columns));
	for (size_t l = 0; l < recovery->label_count; l++)
		for (size_t s = 0; s < recovery->size_count; s++) {
			const struct recovery_run *run =
				recovery_find(recovery, recovery->labels[l], recovery->sizes[s]);
			if (run)
				show_run(run, &table);
		}
	show_write(&table, form, buffer);
}
