/* Probes of one layer of a trained model, which say what it knows of a text's domains (paper, Figures 8 and 21): of tokens, forget or
 * not by their gold labels, and of documents, one class of them or another. The features are those of the classifier's left model: the
 * residual stream after some blocks, divided by its own root mean square.
 *
 * What is drawn and measured is a function of the text and the seed alone, so that all models and layers see the same tokens.
 * Not collective.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_LAYER_H
#define CAPSHAPE_CLASSIFIER_LAYER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "classifier/features.h"
#include "classifier/fit_sample.h"
#include "classifier/metrics.h"
#include "classifier/probe.h"
#include "text/shard.h"

enum layer_set { LAYER_TRAIN, LAYER_VALIDATION, LAYER_TEST, LAYER_SETS };
/* Both classes weigh the same, or as they occur. */
enum layer_prevalence { LAYER_BALANCED, LAYER_NATURAL, LAYER_PREVALENCES };

/* Iterations of a fit at most (paper: 1,000; the classifier's own probes have more). */
enum { LAYER_ITERATIONS = 1000 };

/* ---- tokens ---- */

/* The values of each picked token of the training set, in the order of the picks: values[picks->count, D]. */
enum status layer_token_values(struct features *features, struct shard_set *train, int32_t end_of_text, int layer,
                               const struct picks *picks, float *values);
/* A probe of the layer, fitted to the picks; its odds are those of what they were drawn from. */
enum status layer_token_fit(struct features *features, struct shard_set *train, int32_t end_of_text, int layer,
                            const struct picks *picks, double l2, struct probe *probe_out);

/* The tokens of a held-out set that have a gold label, document by document. Zero-initialise; token_scores_clear() frees. */
struct token_scores {
	int64_t documents, tokens;
	uint64_t *number; /* [documents] in the corpus */
	uint64_t *group;  /* [documents] equal where they belong together; their number where the set does not say */
	int64_t *begin;   /* [documents + 1] into the next two */
	uint16_t *scores; /* [tokens] as the classifier's (filter/score.h) */
	int8_t *golds;    /* [tokens] */
	size_t document_capacity, group_capacity, begin_capacity, score_capacity, gold_capacity;
};
/* Adds those of the blocks that are visited first, documents without any gold label left out. `window`: scoring_smooth(). */
enum status layer_token_scores(struct features *features, struct shard_set *set, uint64_t seed, int64_t blocks,
                               int32_t end_of_text, int layer, int64_t window, const struct probe *probe,
                               struct token_scores *scores);
void token_scores_clear(struct token_scores *scores);

/* How well a probe does. */
struct token_figures {
	struct metrics validation[LAYER_PREVALENCES], test[LAYER_PREVALENCES];
	uint32_t threshold[LAYER_PREVALENCES];       /* scores; 65536: nothing is forget */
	double validation_precision, test_precision; /* average precision, at natural prevalence */
};
/* Thresholds of best F1 on the validation set, or on the test set itself as the released code chooses them; figures of both sets at these.
 * STATUS_DATA where a set lacks a class. */
enum status layer_token_judge(const struct token_scores *validation, const struct token_scores *test,
                              bool threshold_on_test, struct token_figures *figures_out);
/* Of each document: tokens at `threshold` or above that are forget, and that are not; either may be NULL. */
void layer_token_count(const struct token_scores *scores, uint32_t threshold, int32_t *true_forget,
                       int32_t *false_forget);

/* ---- documents ---- */

/* Mean of the values of the first `most` tokens (0: of all) of each document of the list: values[count, D]. */
enum status layer_document_values(struct features *features, struct shard_set *set, int layer, int64_t most,
                                  const int64_t *documents, int64_t count, float *values);

/* Documents of two classes, as rows of the values of a set. */
struct document_pair {
	int64_t count;
	int64_t *rows;  /* [count] */
	uint8_t *sides; /* [count] 0 the first class, 1 the second */
};
/* Fitted to the documents of one set; as many of each class, or the odds are not even. */
enum status layer_pair_fit(const float *values, int64_t width, const struct document_pair *pair, double l2,
                           struct probe *probe_out);
/* correct[count]; the mean over the two classes of the share that is called right. */
double layer_pair_judge(const float *values, int64_t width, const struct document_pair *pair, const struct probe *probe,
                        uint8_t *correct);

#endif
