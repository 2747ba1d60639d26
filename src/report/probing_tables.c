/* The tables of a report of probes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "report/compare.h"
#include "report/probing.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- tables for programs ---- */

#define WHO                                                                                                            \
	{ "method", COLUMN_TEXT, "", "how the model's text was filtered" }, { "size", COLUMN_TEXT, "", "model size" }, \
	{                                                                                                              \
		"seed", COLUMN_TEXT, "", "run/seed of the model"                                                       \
	}

static const struct column token_columns[] = {
	WHO,
	{ "parameters", COLUMN_REAL, "1", "parameters of the model" },
	{ "best_layer", COLUMN_INTEGER, "1", "layer of best F1 on validation tokens; 0: the embedding" },
	{ "f1", COLUMN_REAL, "1", "F1 on test tokens in that layer, both classes weighing the same" },
	{ "f1_low", COLUMN_REAL, "1", "interval over documents, low end" },
	{ "f1_high", COLUMN_REAL, "1", "interval over documents, high end" },
	{ "difference", COLUMN_REAL, "1", "f1 less that of the unfiltered model" },
	{ "difference_low", COLUMN_REAL, "1", "paired interval over documents, low end" },
	{ "difference_high", COLUMN_REAL, "1", "paired interval over documents, high end" },
	{ "f1_natural", COLUMN_REAL, "1", "F1 on test tokens as they occur" },
	{ "f1_natural_low", COLUMN_REAL, "1", "interval over documents, low end" },
	{ "f1_natural_high", COLUMN_REAL, "1", "interval over documents, high end" },
	{ "accuracy", COLUMN_REAL, "1", "balanced accuracy" },
	{ "accuracy_low", COLUMN_REAL, "1", "interval over documents, low end" },
	{ "accuracy_high", COLUMN_REAL, "1", "interval over documents, high end" },
	{ "auroc", COLUMN_REAL, "1", "area under the receiver operating characteristic" },
	{ "average_precision", COLUMN_REAL, "1", "average precision on test tokens as they occur" },
	{ "prevalence", COLUMN_REAL, "1", "share of forget among the test tokens" },
	{ "train_tokens", COLUMN_INTEGER, "1", "tokens that the probe was fitted to" },
	{ "test_tokens", COLUMN_INTEGER, "1", "labelled tokens that it was measured on" },
	{ "documents", COLUMN_INTEGER, "1", "documents that they are in" },
	{ "groups", COLUMN_INTEGER, "1", "groups that these are in (of one id)" },
	{ "classifier_f1", COLUMN_REAL, "1", "of the run's own classifier on this text; empty: none" },
};

static const struct column layer_columns[] = {
	WHO,
	{ "layer", COLUMN_INTEGER, "1", "0: the embedding, n: after block n" },
	{ "f1", COLUMN_REAL, "1", "F1 on test tokens, both classes weighing the same" },
	{ "f1_natural", COLUMN_REAL, "1", "F1 on test tokens as they occur" },
	{ "auroc", COLUMN_REAL, "1", "area under the receiver operating characteristic" },
	{ "average_precision", COLUMN_REAL, "1", "average precision as they occur" },
	{ "accuracy", COLUMN_REAL, "1", "balanced accuracy" },
	{ "validation_f1", COLUMN_REAL, "1", "F1 on validation tokens, both classes weighing the same" },
};

static const struct column pair_columns[] = {
	WHO,
	{ "pair", COLUMN_TEXT, "", "the two classes of documents" },
	{ "accuracy", COLUMN_REAL, "1", "balanced accuracy on test documents, mean over layers" },
	{ "accuracy_low", COLUMN_REAL, "1", "interval over documents, low end" },
	{ "accuracy_high", COLUMN_REAL, "1", "interval over documents, high end" },
	{ "difference", COLUMN_REAL, "1", "accuracy less that of the unfiltered model" },
	{ "difference_low", COLUMN_REAL, "1", "paired interval over documents, low end" },
	{ "difference_high", COLUMN_REAL, "1", "paired interval over documents, high end" },
	{ "best_layer", COLUMN_INTEGER, "1", "layer of best accuracy on validation documents" },
	{ "best_accuracy", COLUMN_REAL, "1", "accuracy on test documents in that layer" },
	{ "train_documents", COLUMN_INTEGER, "1", "documents that a probe was fitted to" },
	{ "documents", COLUMN_INTEGER, "1", "test documents" },
	{ "groups", COLUMN_INTEGER, "1", "groups that they are in (of one id)" },
};

static const struct column pair_layer_columns[] = {
	WHO,
	{ "pair", COLUMN_TEXT, "", "the two classes of documents" },
	{ "layer", COLUMN_INTEGER, "1", "0: the embedding, n: after block n" },
	{ "accuracy", COLUMN_REAL, "1", "balanced accuracy on test documents" },
	{ "validation_accuracy", COLUMN_REAL, "1", "balanced accuracy on validation documents" },
};

static void add_who(const struct probings *probings, const struct probed *model, struct table *table)
{
	table_add_text(table, "%s", probings_method(probings, model));
	table_add_text(table, "%s", probings_size(probings, model));
	table_add_text(table, "%s", model->seed);
}

static void add_interval(const struct interval *interval, struct table *table)
{
	table_add_real(table, interval->value);
	table_add_real(table, interval->low);
	table_add_real(table, interval->high);
}

static void add_tokens(const struct probings *probings, const struct probed *model, struct table *table)
{
	add_who(probings, model, table);
	table_add_real(table, (double)probings->study->list->runs[model->run].parameters);
	table_add_integer(table, model->layer[model->best]);
	add_interval(&model->f1, table);
	add_interval(&model->difference, table);
	add_interval(&model->f1_natural, table);
	add_interval(&model->accuracy, table);
	table_add_real(table, model->figures[PROBED_AUROC][model->best]);
	table_add_real(table, model->figures[PROBED_AVERAGE_PRECISION][model->best]);
	table_add_real(table, model->prevalence);
	table_add_integer(table, model->train);
	table_add_integer(table, model->test);
	table_add_integer(table, (int64_t)model->documents.count);
	table_add_integer(table, (int64_t)model->documents.groups);
	table_add_real(table, model->classifier_f1);
}

static void add_layers(const struct probings *probings, const struct probed *model, struct table *table)
{
	for (size_t i = 0; i < model->layers; i++) {
		add_who(probings, model, table);
		table_add_integer(table, model->layer[i]);
		for (int figure = 0; figure < PROBED_FIGURES; figure++)
			table_add_real(table, model->figures[figure][i]);
		table_add_real(table, model->validation[PROBED_F1][i]);
	}
}

static void add_pair(const struct probings *probings, const struct probed *model, const struct probed_pair *pair,
                     struct table *table)
{
	add_who(probings, model, table);
	table_add_text(table, "%s", pair->name);
	add_interval(&pair->mean, table);
	add_interval(&pair->difference, table);
	table_add_integer(table, pair->best_layer);
	table_add_real(table, pair->best);
	table_add_integer(table, pair->train);
	table_add_integer(table, (int64_t)pair->documents.count);
	table_add_integer(table, (int64_t)pair->documents.groups);
}

static void add_pair_layers(const struct probings *probings, const struct probed *model, const struct probed_pair *pair,
                            struct table *table)
{
	for (size_t i = 0; i < model->layers; i++) {
		add_who(probings, model, table);
		table_add_text(table, "%s", pair->name);
		table_add_integer(table, model->layer[i]);
		table_add_real(table, pair->accuracy[i]);
		table_add_real(table, pair->validation[i]);
	}
}

enum status probings_tables(const struct probings *probings, struct table tables[PROBING_TABLES])
{
	table_create(&tables[PROBING_TOKENS], "probe-tokens", "Forget tokens, best layer", token_columns,
	             COUNT(token_columns));
	table_create(&tables[PROBING_LAYERS], "probe-layers", "Forget tokens, all layers", layer_columns,
	             COUNT(layer_columns));
	table_create(&tables[PROBING_DOCUMENTS], "probe-documents", "Documents", pair_columns, COUNT(pair_columns));
	table_create(&tables[PROBING_DOCUMENT_LAYERS], "probe-document-layers", "Documents, all layers",
	             pair_layer_columns, COUNT(pair_layer_columns));
	for (size_t i = 0; i < probings->count; i++) {
		const struct probed *model = &probings->models[i];
		if (model->has_tokens) {
			add_tokens(probings, model, &tables[PROBING_TOKENS]);
			add_layers(probings, model, &tables[PROBING_LAYERS]);
		}
		for (size_t k = 0; k < model->pair_count; k++) {
			add_pair(probings, model, &model->pairs[k], &tables[PROBING_DOCUMENTS]);
			add_pair_layers(probings, model, &model->pairs[k], &tables[PROBING_DOCUMENT_LAYERS]);
		}
	}
	for (int i = 0; i < PROBING_TABLES; i++)
		STATUS_TRY(tables[i].status);
	return STATUS_OK;
}

/* ---- tables for people ---- */

static const struct column shown_token_columns[] = {
	{ "method", COLUMN_TEXT, NULL, NULL },
	{ "size", COLUMN_TEXT, NULL, NULL },
	{ "best layer", COLUMN_FIGURE, NULL, NULL },
	{ "F1", COLUMN_FIGURE, NULL, NULL },
	{ "to unfiltered", COLUMN_FIGURE, NULL, NULL },
	{ "accuracy", COLUMN_FIGURE, NULL, NULL },
	{ "AUROC", COLUMN_FIGURE, NULL, NULL },
	{ "natural F1", COLUMN_FIGURE, NULL, NULL },
	{ "average precision", COLUMN_FIGURE, NULL, NULL },
};

static const struct column shown_pair_columns[] = {
	{ "documents", COLUMN_TEXT, NULL, NULL },
	{ "method", COLUMN_TEXT, NULL, NULL },
	{ "size", COLUMN_TEXT, NULL, NULL },
	{ "accuracy (%)", COLUMN_FIGURE, NULL, NULL },
	{ "to unfiltered", COLUMN_FIGURE, NULL, NULL },
	{ "best layer", COLUMN_FIGURE, NULL, NULL },
	{ "accuracy there", COLUMN_FIGURE, NULL, NULL },
};

static void show_method(const struct probings *probings, const struct probed *model, struct table *table)
{
	bool seeds = study_most_seeds(probings->study) > 1;
	table_add_text(table, "%s%s%s", probings_method(probings, model), seeds ? ", seed " : "",
	               seeds ? model->seed : "");
	table_add_text(table, "%s", probings_size(probings, model));
}

static void show_tokens(const struct probings *probings, const struct probed *model, struct table *table)
{
	char text[SHOW_NUMBER];
	show_method(probings, model, table);
	table_add_text(table, "%d", (int)model->layer[model->best]);
	show_interval(&model->f1, false, text, sizeof(text));
	table_add_text(table, "%s", text);
	show_interval(&model->difference, true, text, sizeof(text));
	table_add_text(table, "%s", text);
	table_add_text(table, "%.4f", model->accuracy.value);
	table_add_text(table, "%.4f", model->figures[PROBED_AUROC][model->best]);
	table_add_text(table, "%.4f", model->f1_natural.value);
	table_add_text(table, "%.4f", model->figures[PROBED_AVERAGE_PRECISION][model->best]);
}

static void show_percent(const struct interval *interval, bool sign, struct table *table)
{
	if (isnan(interval->value))
		table_add_text(table, "-");
	else if (isnan(interval->low))
		table_add_text(table, sign ? "%+.1f" : "%.1f", 100.0 * interval->value);
	else
		table_add_text(table, sign ? "%+.1f [%+.1f, %+.1f]" : "%.1f [%.1f, %.1f]", 100.0 * interval->value,
		               100.0 * interval->low, 100.0 * interval->high);
}

/* ": intervals over 3510 documents in 12 groups (of one id)" */
static void over_documents(const struct probed_documents *documents, char *text, size_t size)
{
	snprintf(text, size, ": over %zu documents in %zu groups (of one id)%s", documents->count, documents->groups,
	         documents->groups < COMPARE_FEW_GROUPS ? ", FEW GROUPS: intervals are too narrow" : "");
}

static void show_all_tokens(const struct probings *probings, enum show_form form, struct buffer *buffer)
{
	struct table table;
	char title[192], over[128] = "";
	bool any = false;
	for (size_t i = 0; i < probings->count && !any; i++) {
		any = probings->models[i].has_tokens;
		if (any)
			over_documents(&probings->models[i].documents, over, sizeof(over));
	}
	if (!any)
		return;
	snprintf(title, sizeof(title), "Forget tokens told from others by a probe of the best layer%s", over);
	table_create(&table, "probe-tokens", title, shown_token_columns, COUNT(shown_token_columns));
	for (size_t i = 0; i < probings->count; i++)
		if (probings->models[i].has_tokens)
			show_tokens(probings, &probings->models[i], &table);
	show_write(&table, form, buffer);
}

static void show_pair(const struct probings *probings, const struct probed *model, const struct probed_pair *pair,
                      struct table *table)
{
	table_add_text(table, "%s", pair->name);
	show_method(probings, model, table);
	show_percent(&pair->mean, false, table);
	show_percent(&pair->difference, true, table);
	table_add_text(table, "%d", pair->best_layer);
	table_add_text(table, "%.1f", 100.0 * pair->best);
}

void probings_show(const struct probings *probings, enum show_form form, struct buffer *buffer)
{
	struct table table;
	show_all_tokens(probings, form, buffer);
	if (probings->pair_count == 0)
		return;
	table_create(&table, "probe-documents", "Documents told apart, mean over layers", shown_pair_columns,
	             COUNT(shown_pair_columns));
	for (size_t k = 0; k < probings->pair_count; k++)
		for (size_t i = 0; i < probings->count; i++) {
			const struct probed_pair *pair = probings_pair(&probings->models[i], probings->pairs[k]);
			if (pair)
				show_pair(probings, &probings->models[i], pair, &table);
		}
	show_write(&table, form, buffer);
}
