/* Applying the trained classifier to blocks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/classifier.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "classifier/content.h"
#include "classifier/features.h"
#include "classifier/scoring.h"
#include "filter/score.h"

/* A block on its way. */
struct passage {
	struct scoring *scoring;
	struct block *block;
	double *token_logits, *document_logits; /* one value a token, under either probe */
	size_t token_capacity, document_capacity;
};

struct classifier {
	struct content content; /* without the arenas, which are on the device */
	struct features *features;
	char *description;
	struct passage passages[CLASSIFIER_BLOCKS]; /* block number n of all that were begun at n % CLASSIFIER_BLOCKS */
	int64_t begun, ended;
	double *smooth_logits;
	size_t smooth_capacity;
};

static enum status check_tokenizer(const struct content *content, const char *path, const char *tokenizer_hash)
{
	if (tokenizer_hash == NULL || strcmp(tokenizer_hash, content->tokenizer_hash) == 0)
		return STATUS_OK;
	return error_raise(STATUS_DATA,
	                   "the classifier %s was made with tokenizer %s (%s), the tokens to be scored with "
	                   "tokenizer %s: fit the classifier on shards of the same tokenizer",
	                   path, content->tokenizer_hash, content->tokenizer, tokenizer_hash);
}

static char *describe(const struct content *content)
{
	char count[32];
	const struct model_config *config = &content->config;
	text_count((double)model_config_parameters(config), count, sizeof count);
	return text_format("%s x %s parameters (%d layers of width %d), probe after layer %d, context %lld, thresholds "
	                   "p %.3f token, p %.3f document, %.8s",
	                   content->left_left ? "left + left" : "left + right", count, config->layers, config->width,
	                   content->layer, (long long)content->context, score_probability(content->token_threshold),
	                   score_probability(content->document_threshold), content->hash);
}

static enum status load_models(struct classifier *classifier, const struct kernels *kernels, struct device *device)
{
	struct content *content = &classifier->content;
	const struct features_options options = {
		.kernels = kernels,
		.device = device,
		.config = &content->config,
		.left_parameters = content->left,
		.right_parameters = content->right,
		.layers = content->layer,
		.context = content->context,
		.rows_per_batch = content->rows_per_batch,
		.end_of_text = content->end_of_text,
		.left_left = content->left_left,
	};

	STATUS_TRY(features_create(&options, &classifier->features));
	for (int half = 0; half < 2; half++) {
		free(content->owned[half]);
		content->owned[half] = NULL;
	}
	content->left = content->right = NULL;
	for (int i = 0; i < CLASSIFIER_BLOCKS; i++)
		STATUS_TRY(scoring_create(classifier->features, &classifier->passages[i].scoring));
	classifier->description = describe(content);
	return classifier->description != NULL ? STATUS_OK : STATUS_ENVIRONMENT;
}

enum status classifier_read(const char *path, const struct kernels *kernels, struct device *device,
                            const char *tokenizer_hash, struct classifier **classifier_out)
{
	struct classifier *classifier = memory_allocate(1, sizeof *classifier);
	if (classifier == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = content_read(path, &classifier->content);
	if (status == STATUS_OK)
		status = check_tokenizer(&classifier->content, path, tokenizer_hash);
	if (status == STATUS_OK)
		status = load_models(classifier, kernels, device);
	if (status != STATUS_OK) {
		classifier_destroy(classifier);
		return status;
	}
	*classifier_out = classifier;
	return STATUS_OK;
}

void classifier_destroy(struct classifier *classifier)
{
	if (classifier == NULL)
		return;
	for (int i = 0; i < CLASSIFIER_BLOCKS; i++) {
		struct passage *passage = &classifier->passages[i];
		scoring_destroy(passage->scoring);
		free(passage->token_logits);
		free(passage->document_logits);
	}
	features_destroy(classifier->features);
	content_clear(&classifier->content);
	free(classifier->description);
	free(classifier->smooth_logits);
	free(classifier);
}

const char *classifier_hash(const struct classifier *classifier)
{
	return classifier->content.hash;
}

uint16_t classifier_token_threshold(const struct classifier *classifier)
{
	return classifier->content.token_threshold;
}

uint16_t classifier_document_threshold(const struct classifier *classifier)
{
	return classifier->content.document_threshold;
}

const char *classifier_describe(const struct classifier *classifier)
{
	return classifier->description;
}

double classifier_flops(const struct classifier *classifier)
{
	const struct content *content = &classifier->content;
	struct model_config config = content->config;
	double passes = content->left_left ? 1 : 2;

	/* Two probes of 2 D weights. */
	double probes = 2.0 * 2 * 2 * config.width;
	if (content->layer == 0)
		return probes;
	config.layers = content->layer;
	return passes * model_config_forward_flops(&config, content->context, false) + probes;
}

static enum status reserve_reals(double **array, size_t *capacity, int64_t count)
{
	void *grown = *array;
	STATUS_TRY(memory_grow(&grown, capacity, (size_t)count, sizeof **array));
	*array = grown;
	return STATUS_OK;
}

static enum status check_ids(const struct classifier *classifier, const struct block *block)
{
	for (int64_t i = 0; i < block->token_count; i++)
		if (block->ids[i] < 0 || block->ids[i] >= classifier->content.config.vocabulary)
			return error_raise(STATUS_DATA,
			                   "token %lld of block %lld has id %d, outside the %d ids that the "
			                   "classifier knows",
			                   (long long)i, (long long)block->number, block->ids[i],
			                   classifier->content.config.vocabulary);
	return STATUS_OK;
}

/* Not STATUS_NUMERIC: that would be a training that diverged, which all trainers see at the same step. */
static enum status refuse_score(const struct classifier *classifier, const char *what, int64_t number, int64_t block)
{
	return error_raise(STATUS_DATA,
	                   "%s %lld of block %lld has a score that is no number: the language models or probes of "
	                   "classifier %.8s are damaged or have diverged; fit it again",
	                   what, (long long)number, (long long)block, classifier->content.hash);
}

static enum status store_scores(const struct classifier *classifier, const struct passage *passage, struct block *block)
{
	int32_t end_of_text = classifier->content.end_of_text;

	for (int64_t i = 0; i < block->token_count; i++) {
		double logit = classifier->smooth_logits[i];
		if (!isfinite(logit))
			return refuse_score(classifier, "token", i, block->number);
		block->scores[i] = block->ids[i] == end_of_text ? SCORE_LOWEST : score_from_logit(logit);
	}
	for (int64_t d = 0; d < block->document_count; d++) {
		int64_t begin = block->document_begin[d], end = block->document_begin[d + 1];
		if (end > begin && block->ids[end - 1] == end_of_text)
			end--;
		double logit = end > begin ? scoring_document(passage->document_logits + begin, end - begin,
		                                              classifier->content.document_tokens)
		                           : 0;
		if (!isfinite(logit))
			return refuse_score(classifier, "document", d, block->number);
		block->document_scores[d] = end > begin ? score_from_logit(logit) : SCORE_LOWEST;
	}
	block->scored = true;
	return STATUS_OK;
}

void classifier_set_progress(struct classifier *classifier, void (*progress)(void *state), void *state)
{
	features_set_progress(classifier->features, progress, state);
}

bool classifier_is_asynchronous(const struct classifier *classifier)
{
	return features_asynchronous(classifier->features);
}

enum status classifier_score_begin(struct classifier *classifier, struct block *block)
{
	const struct content *content = &classifier->content;
	struct passage *passage = &classifier->passages[classifier->begun % CLASSIFIER_BLOCKS];

	if (classifier->begun - classifier->ended == CLASSIFIER_BLOCKS)
		return error_raise(STATUS_INTERNAL, "block %lld: too many blocks are being scored",
		                   (long long)block->number);
	STATUS_TRY(check_ids(classifier, block));
	STATUS_TRY(reserve_reals(&passage->token_logits, &passage->token_capacity, block->token_count));
	STATUS_TRY(reserve_reals(&passage->document_logits, &passage->document_capacity, block->token_count));
	STATUS_TRY(block_reserve(block, block->token_count, block->document_count));
	const struct scoring_head heads[] = {
		{ .probe = &content->token, .directions = DIRECTIONS_BOTH, .logits = passage->token_logits },
		{ .probe = &content->document, .directions = DIRECTIONS_BOTH, .logits = passage->document_logits },
	};
	STATUS_TRY(scoring_begin(passage->scoring, content->layer, block->ids, block->document_begin,
	                         block->document_count, heads, 2));
	passage->block = block;
	classifier->begun++;
	return STATUS_OK;
}

enum status classifier_score_end(struct classifier *classifier)
{
	const struct content *content = &classifier->content;
	const struct passage *passage = &classifier->passages[classifier->ended % CLASSIFIER_BLOCKS];
	struct block *block = passage->block;

	if (classifier->begun == classifier->ended)
		return error_raise(STATUS_INTERNAL, "no block is being scored");
	STATUS_TRY(scoring_end(passage->scoring));
	classifier->ended++;
	STATUS_TRY(reserve_reals(&classifier->smooth_logits, &classifier->smooth_capacity, block->token_count));
	scoring_smooth(passage->token_logits, block->ids, block->document_begin, block->document_count,
	               content->end_of_text, content->smoothing, classifier->smooth_logits);
	return store_scores(classifier, passage, block);
}

enum status classifier_score_block(struct classifier *classifier, struct block *block)
{
	STATUS_TRY(classifier_score_begin(classifier, block));
	return classifier_score_end(classifier);
}
