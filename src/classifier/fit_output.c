/* The classifier file with its metrics, and the table on the screen.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "classifier/content.h"
#include "classifier/fit_state.h"
#include "filter/score.h"

enum { CURVE_POINTS = 512, SCORES = 65536 };

static const char *const set_names[SET_COUNT] = { "train", "validation", "test" };
static const char *const prevalence_names[2] = { "natural", "balanced" };

const char *fit_who_name(enum fit_who who)
{
	static const char *const names[WHO_COUNT] = { "classifier", "left_only", "word_list", "document" };
	return names[who];
}

static int64_t count_all(const struct score_counts *counts)
{
	int64_t sum = 0;
	for (int score = 0; score < SCORES; score++)
		sum += counts->positive[score] + counts->negative[score];
	return sum;
}

static bool is_measured(const struct fit *fit, enum fit_who who)
{
	return who != WHO_WORD_LIST || fit->words != NULL;
}

/* Chosen on the validation set, whatever set it is applied to. */
static uint32_t threshold_of(const struct fit *fit, enum fit_who who, int balanced)
{
	return metrics_best_threshold(fit->counts[SET_VALIDATION][who], balanced);
}

static enum status write_curve(struct hdf5_writer *writer, const char *group, const struct score_counts *counts)
{
	double precision[CURVE_POINTS], recall[CURVE_POINTS], threshold[CURVE_POINTS];
	int64_t total = count_all(counts), passed = 0, points = 0;
	enum status status = STATUS_OK;
	const struct {
		const char *name, *long_name;
		const double *values;
	} columns[] = { { "threshold", "probability from which on a token is called forget", threshold },
		        { "precision", "share of what is called forget that is", precision },
		        { "recall", "share of what is forget that is called so", recall } };

	/* A point each time another 1/512 of what was measured has passed, at scores that occur. */
	for (uint32_t score = 0; score < SCORES && points < CURVE_POINTS; score++) {
		int64_t here = counts->positive[score] + counts->negative[score];
		if (here > 0 && passed * CURVE_POINTS >= points * total) {
			struct metrics metrics;
			metrics_compute(counts, score, 0, &metrics);
			precision[points] = metrics.precision;
			recall[points] = metrics.recall;
			threshold[points++] = score_probability((uint16_t)score);
		}
		passed += here;
	}
	for (size_t i = 0; status == STATUS_OK && i < sizeof columns / sizeof *columns; i++) {
		char *name = text_format("%s/curve/%s", group, columns[i].name);
		status = name == NULL ? STATUS_ENVIRONMENT
		                      : hdf5_write_vector(writer, name, HDF5_FLOAT64, points, columns[i].values, "1",
		                                          columns[i].long_name);
		free(name);
	}
	return status;
}

static enum status write_attributes(struct hdf5_writer *writer, const char *group, const struct score_counts *counts,
                                    uint32_t threshold, int balanced)
{
	struct metrics metrics;

	metrics_compute(counts, threshold, balanced, &metrics);
	STATUS_TRY(hdf5_write_real_attribute(writer, group, "precision", metrics.precision));
	STATUS_TRY(hdf5_write_real_attribute(writer, group, "recall", metrics.recall));
	STATUS_TRY(hdf5_write_real_attribute(writer, group, "f1", metrics.f1));
	STATUS_TRY(hdf5_write_real_attribute(writer, group, "auroc", metrics.auroc));
	STATUS_TRY(hdf5_write_real_attribute(writer, group, "accuracy", metrics.accuracy));
	STATUS_TRY(hdf5_write_real_attribute(writer, group, "prevalence", metrics.prevalence));
	STATUS_TRY(hdf5_write_real_attribute(writer, group, "threshold", score_probability((uint16_t)threshold)));
	STATUS_TRY(hdf5_write_integer_attribute(writer, group, "threshold_score", threshold));
	return hdf5_write_integer_attribute(writer, group, "tokens", count_all(counts));
}

static enum status write_metrics(struct hdf5_writer *writer, const struct fit *fit, enum fit_who who, enum fit_set set,
                                 int balanced)
{
	const struct score_counts *counts = fit->counts[set][who];
	char *group = text_format("metrics/%s/%s/%s", fit_who_name(who), set_names[set], prevalence_names[balanced]);
	if (group == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = write_attributes(writer, group, counts, threshold_of(fit, who, balanced), balanced);
	if (status == STATUS_OK && set == SET_TEST && !balanced)
		status = write_curve(writer, group, counts);
	free(group);
	return status;
}

static enum status write_layers(struct hdf5_writer *writer, const struct fit *fit)
{
	int64_t count = fit->trial_count;
	if (count == 0)
		return STATUS_OK;
	double *columns = memory_allocate(2 * (size_t)count, sizeof *columns);
	int32_t *layers = memory_allocate((size_t)count, sizeof *layers);
	enum status status = columns == NULL || layers == NULL ? STATUS_ENVIRONMENT : STATUS_OK;

	for (int64_t i = 0; status == STATUS_OK && i < count; i++) {
		layers[i] = fit->trials[i].layer;
		columns[i] = fit->trials[i].f1;
		columns[count + i] = fit->trials[i].auroc;
	}
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "layers/layer", HDF5_INT32, count, layers, "1",
		                           "blocks of the language models before the probe");
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "layers/f1", HDF5_FLOAT64, count, columns, "1",
		                           "F1 of the token probe on class-balanced validation data");
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "layers/auroc", HDF5_FLOAT64, count, columns + count, "1",
		                           "AUROC of the token probe on validation data");
	free(columns);
	free(layers);
	return status;
}

/* Read by content_read_shares(). */
static enum status write_shares(struct hdf5_writer *writer, const struct fit *fit)
{
	STATUS_TRY(hdf5_write_vector(writer, "shares/token", HDF5_INT64, SHARE_SCORES, fit->token_shares->tokens,
	                             "tokens", "validation tokens by their score, without end-of-text"));
	STATUS_TRY(hdf5_write_vector(writer, "shares/document", HDF5_INT64, SHARE_SCORES, fit->document_shares->tokens,
	                             "tokens", "validation tokens by the score of their document"));
	return hdf5_write_integer_attribute(writer, "shares", "total", fit->token_shares->total);
}

static enum status write_all(struct hdf5_writer *writer, const struct fit *fit, const struct content *content,
                             const struct parameters *parameters, const struct provenance *provenance)
{
	STATUS_TRY(content_write(writer, content));
	for (enum fit_who who = 0; who < WHO_COUNT; who++)
		for (enum fit_set set = SET_VALIDATION; set < SET_COUNT; set++)
			for (int balanced = 0; is_measured(fit, who) && balanced < 2; balanced++)
				STATUS_TRY(write_metrics(writer, fit, who, set, balanced));
	STATUS_TRY(write_shares(writer, fit));
	STATUS_TRY(write_layers(writer, fit));
	return provenance != NULL ? provenance_write(writer, provenance, parameters) : STATUS_OK;
}

enum status fit_write(const struct fit *fit, const struct parameters *parameters, const struct provenance *provenance)
{
	const struct fit_options *options = fit->options;
	const struct shard_facts *facts = shard_set_facts(fit->sets[SET_TRAIN]);
	struct content content = {
		.config = *options->config,
		.left = (float *)options->left_parameters,
		.right = (float *)options->right_parameters,
		.token = fit->probes[WHO_CLASSIFIER],
		.document = fit->probes[WHO_DOCUMENT],
		.layer = fit->layer,
		.context = options->context,
		.rows_per_batch = options->rows_per_batch,
		.document_tokens = options->document_tokens,
		.smoothing = fit->windows[WHO_CLASSIFIER],
		.left_left = options->compat_left_left,
		.end_of_text = fit->end_of_text,
		.token_threshold = (uint16_t)threshold_of(fit, WHO_CLASSIFIER, 0),
		.document_threshold = (uint16_t)threshold_of(fit, WHO_DOCUMENT, 0),
		.token_threshold_balanced = (uint16_t)threshold_of(fit, WHO_CLASSIFIER, 1),
		.document_threshold_balanced = (uint16_t)threshold_of(fit, WHO_DOCUMENT, 1),
		.tokenizer_hash = facts->tokenizer_hash,
		.tokenizer = facts->tokenizer,
	};
	struct hdf5_writer *writer = NULL;

	STATUS_TRY(content_hash_compute(&content, content.hash));
	STATUS_TRY(hdf5_create(options->output_path, &writer));
	enum status status = write_all(writer, fit, &content, parameters, provenance);
	if (status != STATUS_OK) {
		hdf5_abandon(writer);
		return status;
	}
	return hdf5_commit(writer);
}

static void print_row(const struct fit *fit, enum fit_who who)
{
	const struct score_counts *counts = fit->counts[SET_TEST][who];
	struct metrics natural, balanced;
	char number[32], window[32] = "";

	if (who != WHO_DOCUMENT)
		snprintf(window, sizeof window, "%lld", (long long)fit->windows[who]);
	metrics_compute(counts, threshold_of(fit, who, 0), 0, &natural);
	metrics_compute(counts, threshold_of(fit, who, 1), 1, &balanced);
	log_info("  %-10s %8s  %6.3f  %6.3f %6.3f %6.3f  %6.3f %6.3f %6.3f  %6.3f  %6s", fit_who_name(who),
	         text_count((double)count_all(counts), number, sizeof number), natural.auroc, balanced.precision,
	         balanced.recall, balanced.f1, natural.precision, natural.recall, natural.f1, natural.prevalence,
	         window);
}

void fit_print_table(const struct fit *fit)
{
	log_info("classifier on test data (thresholds of best F1 on validation data; layer %d of %d):", fit->layer,
	         fit->options->config->layers);
	log_info("  %-10s %8s  %6s  %20s  %20s  %6s  %6s", "", "tokens,", "", "class-balanced", "natural prevalence",
	         "forget", "smooth");
	log_info("  %-10s %8s  %6s  %6s %6s %6s  %6s %6s %6s  %6s  %6s", "who", "docs", "auroc", "prec", "recall", "f1",
	         "prec", "recall", "f1", "share", "window");
	for (enum fit_who who = 0; who < WHO_COUNT; who++)
		if (is_measured(fit, who))
			print_row(fit, who);
}
