/* Fitting: sample, choose the layer, fit the probes, measure, write.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "classifier/fit_labels.h"
#include "classifier/fit_state.h"
#include "classifier/sentence.h"
#include "input/number.h"

static const char *const set_names[SET_COUNT] = { "train", "validation", "test" };

/* ---- opening ---- */

static enum status check_set(const struct fit *fit, enum fit_set set)
{
	const struct shard_facts *facts = shard_set_facts(fit->sets[set]),
				 *first = shard_set_facts(fit->sets[SET_TRAIN]);
	const char *folder = fit->options->data_folder;

	if (strcmp(facts->tokenizer_hash, first->tokenizer_hash) != 0)
		return error_raise(STATUS_DATA,
		                   "the %s shards of %s were made with tokenizer %s, the train shards with %s",
		                   set_names[set], folder, facts->tokenizer_hash, first->tokenizer_hash);
	if (facts->vocabulary > fit->options->config->vocabulary)
		return error_raise(STATUS_DATA, "the %s shards of %s have %d ids, the language models only %d",
		                   set_names[set], folder, facts->vocabulary, fit->options->config->vocabulary);
	if (shard_set_blocks(fit->sets[set]) == 0)
		return error_raise(STATUS_DATA, "the %s shards of %s hold no text", set_names[set], folder);
	return STATUS_OK;
}

static enum status check_options(const struct fit_options *options)
{
	if (options->layer < -1 || options->layer > options->config->layers)
		return error_raise(STATUS_USAGE, "classifier/layer = %d: the language models have %d layers",
		                   options->layer, options->config->layers);
	if (options->labels == SAMPLE_SENTENCES && options->tokenizer == NULL)
		return error_raise(STATUS_USAGE, "classifier/labels = sentence needs the tokenizer, to find sentences");
	return STATUS_OK;
}

static enum status check_tokenizer(const struct fit *fit)
{
	const char *hash = shard_set_facts(fit->sets[SET_TRAIN])->tokenizer_hash;
	const struct tokenizer *tokenizer = fit->options->tokenizer;

	if (tokenizer != NULL && strcmp(tokenizer_hash(tokenizer), hash) != 0)
		return error_raise(
			STATUS_DATA, "the shards of %s were made with tokenizer %s, not with the given one, %s (%s)",
			fit->options->data_folder, hash, tokenizer_hash(tokenizer), tokenizer_describe(tokenizer));
	return STATUS_OK;
}

static enum status open_all(struct fit *fit, const struct kernels *kernels, struct device *device)
{
	const struct fit_options *options = fit->options;

	STATUS_TRY(check_options(options));
	for (enum fit_set set = 0; set < SET_COUNT; set++) {
		STATUS_TRY(shard_set_open(options->data_folder, set_names[set], &fit->sets[set]));
		STATUS_TRY(check_set(fit, set));
		for (int who = 0; set != SET_TRAIN && who < WHO_COUNT; who++) {
			fit->counts[set][who] = memory_allocate(1, sizeof *fit->counts[set][who]);
			if (fit->counts[set][who] == NULL)
				return STATUS_ENVIRONMENT;
		}
	}
	STATUS_TRY(check_tokenizer(fit));
	fit->token_shares = memory_allocate(1, sizeof *fit->token_shares);
	fit->document_shares = memory_allocate(1, sizeof *fit->document_shares);
	if (fit->token_shares == NULL || fit->document_shares == NULL)
		return STATUS_ENVIRONMENT;
	fit->width = options->config->width;
	fit->end_of_text = shard_set_facts(fit->sets[SET_TRAIN])->end_of_text;
	const struct features_options feature_options = {
		.kernels = kernels,
		.device = device,
		.config = options->config,
		.left_parameters = options->left_parameters,
		.right_parameters = options->right_parameters,
		.layers = options->config->layers,
		.context = options->context,
		.rows_per_batch = options->rows_per_batch,
		.end_of_text = fit->end_of_text,
		.left_left = options->compat_left_left,
	};
	return features_create(&feature_options, &fit->features);
}

static void close_all(struct fit *fit)
{
	for (enum fit_set set = 0; set < SET_COUNT; set++) {
		if (fit->sets[set] != NULL)
			shard_set_close(fit->sets[set]);
		for (int who = 0; who < WHO_COUNT; who++)
			free(fit->counts[set][who]);
	}
	for (int who = 0; who < WHO_COUNT; who++)
		probe_clear(&fit->probes[who]);
	features_destroy(fit->features);
	word_list_destroy(fit->words);
	block_clear(&fit->block);
	picks_clear(&fit->tokens);
	picks_clear(&fit->documents);
	free(fit->token_shares);
	free(fit->document_shares);
	free(fit->trials);
	free(fit->trials_of_windows);
	fit_keep_close(fit->keep);
}

/* ---- keeping ---- */

enum status fit_ask(struct fit *fit, bool *stop, bool *save)
{
	double answers[2] = { stop_asked(0), fit_keep_is_due(fit->keep) };

	STATUS_TRY(world_max_reals(fit->world, answers, 2));
	*stop = answers[0] > 0;
	*save = answers[1] > 0;
	return STATUS_OK;
}

char *fit_kept_name(const struct fit *fit, const char *name)
{
	char ridge[32];
	number_write(fit->options->l2, ridge, sizeof ridge);
	return text_format("%02d-l2=%s-%s", fit->stage, ridge, name);
}

/* What was done is said where it was not all done at once. */
static void print_progress(const struct fit *fit, enum status status)
{
	const struct fit_progress *progress = &fit->progress;
	int64_t kept = progress->kept_extracted + progress->kept_probes + progress->kept_measured;
	int64_t done = progress->extracted + progress->probes + progress->measured;

	if (fit->keep == NULL || (kept == 0 && !(status == STATUS_STOPPED && done > 0)))
		return;
	log_info("probes: features of %lld blocks computed now, %lld before; %lld fitted now, %lld before; %lld blocks "
	         "measured "
	         "now, %lld before",
	         (long long)progress->extracted, (long long)progress->kept_extracted, (long long)progress->probes,
	         (long long)progress->kept_probes, (long long)progress->measured, (long long)progress->kept_measured);
}

/* ---- samples ---- */

static enum status draw_samples(struct fit *fit)
{
	const struct fit_options *options = fit->options;
	uint8_t *marks = NULL;
	struct sample_options sample = {
		.seed = options->seed,
		.labels = options->labels,
		.tokens = options->probe_tokens,
		.documents = options->probe_documents,
		.forget_share = options->forget_share,
		.end_of_text = fit->end_of_text,
	};

	if (options->tokenizer != NULL)
		STATUS_TRY(word_list_create(options->tokenizer, &fit->words));
	if (options->labels == SAMPLE_SENTENCES)
		STATUS_TRY(sentence_marks_create(options->tokenizer, &marks));
	sample.sentence_marks = marks;
	enum status status = sample_draw(fit->sets[SET_TRAIN], &sample, fit->words, &fit->tokens, &fit->documents);
	free(marks);
	STATUS_TRY(status);
	for (enum fit_set set = SET_VALIDATION; set < SET_COUNT; set++)
		fit->evaluation_blocks[set] =
			sample_count_blocks(fit->sets[set], options->seed, options->evaluation_tokens);
	fit_labels_print(fit->sets);
	log_info(
		"probes: %lld training tokens, %lld training documents, half of each forget (natural share %.4f, %.4f)",
		(long long)fit->tokens.count, (long long)fit->documents.count,
		1 / (1 + exp(-fit->tokens.natural_logit)), 1 / (1 + exp(-fit->documents.natural_logit)));
	return STATUS_OK;
}

static enum status broadcast_picks(const struct fit *fit, struct picks *picks)
{
	STATUS_TRY(world_broadcast(fit->world, &picks->count, sizeof picks->count, 0));
	STATUS_TRY(world_broadcast(fit->world, &picks->natural_logit, sizeof picks->natural_logit, 0));
	enum status status = STATUS_OK;
	if (fit->world->rank != 0) {
		picks->items = memory_allocate((size_t)picks->count, sizeof *picks->items);
		status = picks->items == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	}
	STATUS_TRY(world_agree(fit->world, status));
	return world_broadcast(fit->world, picks->items, picks->count * (int64_t)sizeof *picks->items, 0);
}

/* Rank 0 draws, all ranks know. */
static enum status share_samples(struct fit *fit)
{
	enum status status = fit->world->rank == 0 ? draw_samples(fit) : STATUS_OK;
	status = world_agree(&fit->patient, status);
	fit->world->failure_agreed = fit->patient.failure_agreed;
	STATUS_TRY(status);
	STATUS_TRY(broadcast_picks(fit, &fit->tokens));
	STATUS_TRY(broadcast_picks(fit, &fit->documents));
	return world_broadcast(fit->world, fit->evaluation_blocks, sizeof fit->evaluation_blocks, 0);
}

/* ---- the layer ---- */

static void count_kinds(const struct score_counts *counts, int64_t *forget, int64_t *others)
{
	*forget = *others = 0;
	for (int score = 0; score < 65536; score++) {
		*forget += counts->positive[score];
		*others += counts->negative[score];
	}
}

/* Without tokens of both kinds one layer is as good as another. Known to all ranks: they have the same counts. */
static enum status check_both_kinds(const struct score_counts *counts)
{
	int64_t forget, others;
	count_kinds(counts, &forget, &others);
	if (forget > 0 && others > 0)
		return STATUS_OK;
	return error_raise(
		STATUS_DATA,
		"no layer can be chosen: the validation text that is measured has %lld forget tokens and %lld "
		"others; tokenize more documents, raise tokenize/validation_share or classifier/evaluation_tokens, "
		"or give classifier/layer",
		(long long)forget, (long long)others);
}

/* The token probe of one layer, measured on class-balanced validation data. */
static enum status try_layer(struct fit *fit, int layer, float *values)
{
	static const enum fit_who who = WHO_CLASSIFIER;
	struct score_counts *counts = fit->counts[SET_VALIDATION][WHO_CLASSIFIER];
	struct metrics metrics;

	STATUS_TRY(fit_token_probes(fit, layer, false, values));
	*counts = (struct score_counts){ 0 };
	STATUS_TRY(fit_measure(fit, SET_VALIDATION, layer, &who, 1));
	STATUS_TRY(check_both_kinds(counts));
	metrics_compute(counts, metrics_best_threshold(counts, 1), 1, &metrics);
	*counts = (struct score_counts){ 0 };
	fit->trials[fit->trial_count++] =
		(struct layer_trial){ .layer = layer, .f1 = metrics.f1, .auroc = metrics.auroc };
	log_info("probe after layer %d: F1 %.4f, AUROC %.4f on class-balanced validation tokens", layer, metrics.f1,
	         metrics.auroc);
	return STATUS_OK;
}

static enum status choose_layer(struct fit *fit, float *values)
{
	int layers = fit->options->config->layers;
	double best = -1;

	fit->layer = fit->options->layer;
	if (fit->layer >= 0)
		return STATUS_OK;
	fit->trials = memory_allocate((size_t)layers, sizeof *fit->trials);
	STATUS_TRY(world_agree(fit->world, fit->trials == NULL ? STATUS_ENVIRONMENT : STATUS_OK));
	for (int layer = 1; layer <= layers; layer++) {
		STATUS_TRY(try_layer(fit, layer, values));
		if (fit->trials[layer - 1].f1 > best) {
			best = fit->trials[layer - 1].f1;
			fit->layer = layer;
		}
	}
	return STATUS_OK;
}

/* ---- all of it ---- */

static enum status check_classes(const struct fit *fit)
{
	for (enum fit_who who = 0; who < WHO_COUNT; who++) {
		int64_t forget, others;
		count_kinds(fit->counts[SET_VALIDATION][who], &forget, &others);
		if (who == WHO_WORD_LIST || (forget > 0 && others > 0))
			continue;
		return error_raise(
			STATUS_DATA,
			"the validation shards of %s hold no %s %s among those measured, so no threshold can be "
			"chosen: add labelled text or raise classifier/evaluation_tokens",
			fit->options->data_folder, forget > 0 ? "labelled other" : "forget",
			who == WHO_DOCUMENT ? "documents" : "tokens");
	}
	return STATUS_OK;
}

/* The window of each token scorer by the same rule as its threshold: best F1 at natural prevalence. */
static void choose_windows(struct fit *fit)
{
	for (enum fit_who who = 0; who < WHO_DOCUMENT; who++) {
		double best = -1;
		for (int i = 0; i < FIT_WINDOWS; i++) {
			const struct score_counts *counts = &fit->trials_of_windows[who * FIT_WINDOWS + i];
			struct metrics metrics;
			metrics_compute(counts, metrics_best_threshold(counts, 0), 0, &metrics);
			if (!(metrics.f1 > best))
				continue;
			best = metrics.f1;
			fit->windows[who] = fit_windows[i];
		}
	}
}

/* Windows tried on the probes of single tokens; then the probes are fitted anew on features averaged over the window. */
static enum status try_windows(struct fit *fit, const enum fit_who *whos, float *values)
{
	fit->trials_of_windows = memory_allocate(WHO_COUNT * FIT_WINDOWS, sizeof *fit->trials_of_windows);
	STATUS_TRY(world_agree(fit->world, fit->trials_of_windows == NULL ? STATUS_ENVIRONMENT : STATUS_OK));
	STATUS_TRY(fit_measure(fit, SET_VALIDATION, fit->layer, whos, WHO_COUNT));
	choose_windows(fit);
	free(fit->trials_of_windows);
	fit->trials_of_windows = NULL;
	fit->windows[WHO_LEFT_ONLY] = fit->windows[WHO_CLASSIFIER];
	return fit_token_probes(fit, fit->layer, true, values);
}

static enum status measure_validation(struct fit *fit, const enum fit_who *whos, float *values)
{
	if (fit->options->smoothing < 0)
		STATUS_TRY(try_windows(fit, whos, values));
	for (int who = 0; who < WHO_COUNT; who++)
		*fit->counts[SET_VALIDATION][who] = (struct score_counts){ 0 };
	fit->counts_shares = true;
	STATUS_TRY(fit_measure(fit, SET_VALIDATION, fit->layer, whos, WHO_COUNT));
	fit->counts_shares = false;
	return STATUS_OK;
}

static enum status measure_all(struct fit *fit, float *values)
{
	static const enum fit_who whos[] = { WHO_CLASSIFIER, WHO_LEFT_ONLY, WHO_WORD_LIST, WHO_DOCUMENT };

	STATUS_TRY(measure_validation(fit, whos, values));
	STATUS_TRY(world_agree(fit->world, check_classes(fit)));
	return fit_measure(fit, SET_TEST, fit->layer, whos, WHO_COUNT);
}

static enum status fit_with_values(struct fit *fit, float *values)
{
	for (int who = 0; who < WHO_COUNT; who++)
		fit->windows[who] = fit->options->smoothing > 0 ? fit->options->smoothing : 0;
	STATUS_TRY(choose_layer(fit, values));
	STATUS_TRY(fit_token_probes(fit, fit->layer, true, values));
	STATUS_TRY(fit_document_probe(fit, fit->layer, values));
	return measure_all(fit, values);
}

static enum status run(struct fit *fit, const struct kernels *kernels, struct device *device)
{
	const struct fit_options *options = fit->options;

	STATUS_TRY(world_agree(fit->world, open_all(fit, kernels, device)));
	enum status opened = STATUS_OK;
	if (fit->world->rank == 0)
		opened = fit_keep_open(options->kept_folder, options->identity, options->save_interval,
		                       options->kept_room, &fit->keep);
	STATUS_TRY(world_agree(fit->world, opened));
	STATUS_TRY(share_samples(fit));
	int64_t rows = fit->tokens.count > fit->documents.count ? fit->tokens.count : fit->documents.count;
	float *values = fit->world->rank == 0 ? memory_allocate((size_t)(rows * 2 * fit->width), sizeof *values) : NULL;
	bool failed = fit->world->rank == 0 && values == NULL;
	enum status status = world_agree(fit->world, failed ? STATUS_ENVIRONMENT : STATUS_OK);
	if (status == STATUS_OK)
		status = fit_with_values(fit, values);
	free(values);
	return status;
}

enum status classifier_fit(struct world *world, const struct kernels *kernels, struct device *device,
                           const struct fit_options *options, const struct parameters *parameters,
                           const struct provenance *provenance)
{
	struct fit fit = { .world = world, .patient = *world, .options = options };

	fit.patient.timeout = INFINITY;
	enum status status = run(&fit, kernels, device);
	print_progress(&fit, status);
	if (status == STATUS_OK) {
		enum status written = STATUS_OK;
		if (world->rank == 0)
			written = fit_write(&fit, parameters, provenance);
		if (world->rank == 0 && written == STATUS_OK)
			fit_print_table(&fit);
		status = world_agree(world, written);
	}
	close_all(&fit);
	return status;
}
