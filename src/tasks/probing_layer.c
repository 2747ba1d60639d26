/* Which layers are probed, and the probes of one.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tasks/probing_parts.h"

/* ---- which ---- */

/* "3" or "0-5". */
static bool read_word(const char *word, long *first, long *last)
{
	char *end = NULL;
	if (word[0] < '0' || word[0] > '9')
		return false;
	*first = *last = strtol(word, &end, 10);
	if (*end == '-' && end[1] >= '0' && end[1] <= '9')
		*last = strtol(end + 1, &end, 10);
	return *end == '\0' && *first <= *last;
}

enum status probing_layers_find(const struct probing *probing, const char *point, int blocks,
                                struct probing_layers *layers)
{
	size_t words = parameters_list_count(probing->parameters, "probe/layers");
	bool *wanted = memory_allocate((size_t)blocks + 1, sizeof *wanted);
	int *numbers = memory_allocate((size_t)blocks + 1, sizeof *numbers);
	enum status status = wanted == NULL || numbers == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (size_t i = 0; i < words && status == STATUS_OK; i++) {
		const char *word = parameters_list_item(probing->parameters, "probe/layers", i);
		long first = 0, last = 0;
		if (!read_word(word, &first, &last) || last > blocks)
			status = error_raise(
				STATUS_USAGE,
				"%s: probe/layers: %s: a layer of %s is 0 (the embedding) to %d (after its "
				"last block), or a range such as 0-%d",
				parameters_origin(probing->parameters, "probe/layers"), word, point, blocks, blocks);
		for (long layer = first; layer <= last && status == STATUS_OK; layer++)
			wanted[layer] = true;
	}
	int count = 0;
	for (int layer = 0; layer <= blocks && status == STATUS_OK; layer++)
		if (words == 0 || wanted[layer])
			numbers[count++] = layer;
	free(wanted);
	if (status != STATUS_OK) {
		free(numbers);
		return status;
	}
	*layers = (struct probing_layers){ numbers, count };
	return STATUS_OK;
}

/* ---- tokens ---- */

void probing_tokens_clear(struct probing_tokens *tokens)
{
	free(tokens->number);
	free(tokens->group);
	for (int i = 0; i < 2; i++) {
		free(tokens->golds[i]);
		free(tokens->true_forget[i]);
		free(tokens->false_forget[i]);
	}
	*tokens = (struct probing_tokens){ 0 };
}

static void set_figures(const struct metrics metrics[LAYER_PREVALENCES], double precision,
                        double figures[PROBING_FIGURES])
{
	figures[PROBING_F1] = metrics[LAYER_BALANCED].f1;
	figures[PROBING_F1_NATURAL] = metrics[LAYER_NATURAL].f1;
	figures[PROBING_AUROC] = metrics[LAYER_NATURAL].auroc;
	figures[PROBING_AVERAGE_PRECISION] = precision;
	figures[PROBING_ACCURACY] = metrics[LAYER_BALANCED].accuracy;
}

static enum status keep_documents(const struct token_scores *scores, struct probing_tokens *tokens)
{
	size_t documents = (size_t)scores->documents;
	bool whole = true;
	tokens->documents = scores->documents;
	tokens->number = memory_allocate(documents, sizeof *tokens->number);
	tokens->group = memory_allocate(documents, sizeof *tokens->group);
	for (int i = 0; i < 2; i++) {
		tokens->golds[i] = memory_allocate(documents, sizeof *tokens->golds[i]);
		tokens->true_forget[i] = memory_allocate(documents, sizeof *tokens->true_forget[i]);
		tokens->false_forget[i] = memory_allocate(documents, sizeof *tokens->false_forget[i]);
		whole = whole && tokens->golds[i] != NULL && tokens->true_forget[i] != NULL &&
		        tokens->false_forget[i] != NULL;
	}
	if (tokens->number == NULL || tokens->group == NULL || !whole)
		return STATUS_ENVIRONMENT;
	memcpy(tokens->number, scores->number, documents * sizeof *tokens->number);
	memcpy(tokens->group, scores->group, documents * sizeof *tokens->group);
	layer_token_count(scores, 0, tokens->golds[GOLD_FORGET], tokens->golds[GOLD_RETAIN]);
	for (int i = 0; i < LAYER_PREVALENCES; i++)
		layer_token_count(scores, (uint32_t)tokens->threshold[i], tokens->true_forget[i],
		                  tokens->false_forget[i]);
	return STATUS_OK;
}

enum status probing_layer_tokens(const struct probing *probing, struct features *features, int layer,
                                 struct probing_tokens *tokens)
{
	const struct probing_text *text = &probing->text;
	const struct parameters *parameters = probing->parameters;
	uint64_t seed = (uint64_t)parameters_integer(parameters, "run/seed");
	struct token_scores scores[LAYER_SETS] = { 0 };
	struct token_figures figures;
	struct probe probe = { 0 };
	enum status status = layer_token_fit(features, text->sets[LAYER_TRAIN], text->end_of_text, layer, &text->tokens,
	                                     parameters_real(parameters, "probe/l2"), &probe);
	for (int i = LAYER_VALIDATION; i < LAYER_SETS && status == STATUS_OK; i++)
		status = layer_token_scores(features, text->sets[i], seed, text->blocks[i], text->end_of_text, layer,
		                            parameters_integer(parameters, "probe/smoothing"), &probe, &scores[i]);
	if (status == STATUS_OK)
		status = layer_token_judge(&scores[LAYER_VALIDATION], &scores[LAYER_TEST],
		                           parameters_boolean(parameters, "compat/probe_test_threshold"), &figures);
	if (status == STATUS_OK) {
		set_figures(figures.validation, figures.validation_precision, tokens->validation);
		set_figures(figures.test, figures.test_precision, tokens->test);
		for (int i = 0; i < LAYER_PREVALENCES; i++)
			tokens->threshold[i] = (int32_t)figures.threshold[i];
		tokens->converged = probe.converged;
		tokens->gradient_norm = probe.gradient_norm;
		status = keep_documents(&scores[LAYER_TEST], tokens);
	}
	probe_clear(&probe);
	token_scores_clear(&scores[LAYER_VALIDATION]);
	token_scores_clear(&scores[LAYER_TEST]);
	return status;
}

/* ---- documents ---- */

void probing_documents_clear(struct probing_documents *documents)
{
	for (int i = 0; i < PROBING_PAIRS; i++)
		free(documents->correct[i]);
	*documents = (struct probing_documents){ 0 };
}

static enum status probe_pair(const struct probing *probing, int number, float *const values[LAYER_SETS], int64_t width,
                              struct probing_documents *documents)
{
	const struct probing_pair *pair = &probing->text.pairs[number];
	const struct document_pair *validation = &pair->sets[LAYER_VALIDATION], *test = &pair->sets[LAYER_TEST];
	struct probe probe = { 0 };
	uint8_t *correct = memory_allocate((size_t)validation->count, sizeof *correct);
	documents->correct[number] = memory_allocate((size_t)test->count, sizeof *documents->correct[number]);
	enum status status = correct == NULL || documents->correct[number] == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = layer_pair_fit(values[LAYER_TRAIN], width, &pair->sets[LAYER_TRAIN],
		                        parameters_real(probing->parameters, "probe/l2"), &probe);
	if (status == STATUS_OK) {
		documents->validation[number] =
			layer_pair_judge(values[LAYER_VALIDATION], width, validation, &probe, correct);
		documents->accuracy[number] =
			layer_pair_judge(values[LAYER_TEST], width, test, &probe, documents->correct[number]);
		documents->converged[number] = probe.converged;
	}
	free(correct);
	probe_clear(&probe);
	return status == STATUS_OK ? STATUS_OK : error_context(status, "pair %s", pair->name);
}

enum status probing_layer_documents(const struct probing *probing, struct features *features, int layer,
                                    struct probing_documents *documents)
{
	const struct probing_text *text = &probing->text;
	int64_t width = features_width(features),
		most = parameters_integer(probing->parameters, "probe/document_tokens");
	float *values[LAYER_SETS] = { NULL };
	enum status status = STATUS_OK;
	for (int i = 0; i < LAYER_SETS && status == STATUS_OK; i++) {
		values[i] = memory_allocate((size_t)(text->document_counts[i] * width), sizeof *values[i]);
		status = values[i] == NULL
		                 ? STATUS_ENVIRONMENT
		                 : layer_document_values(features, text->sets[i], layer, most, text->documents[i],
		                                         text->document_counts[i], values[i]);
	}
	for (int pair = 0; pair < text->pair_count && status == STATUS_OK; pair++)
		status = probe_pair(probing, pair, values, width, documents);
	for (int i = 0; i < LAYER_SETS; i++)
		free(values[i]);
	return status;
}
