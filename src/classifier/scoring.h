/* From features to log-odds: a probe is linear, so the two halves of a feature and the tokens of a document are added up
 * as log-odds and no feature has to be kept.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_SCORING_H
#define CAPSHAPE_CLASSIFIER_SCORING_H

#include <stdint.h>

#include "classifier/features.h"
#include "classifier/probe.h"

enum { SCORING_MOST_HEADS = 4 };

struct scoring_head {
	const struct probe *probe; /* width 2 D, or D with DIRECTIONS_LEFT */
	enum directions directions;
	double *logits; /* out: [document_begin[documents]]; bias alone where a token was not scored */
};

/* A block on its way through the models. While one is, another may be begun: the device then goes on to it while the host
 * makes scores of the first. The features must outlive it; destroying waits for what was begun. */
struct scoring;
enum status scoring_create(struct features *features, struct scoring **scoring_out);
void scoring_destroy(struct scoring *scoring);
/* Log-odds of every token under every head, in one run of the models. Nothing of ids, document_begin and heads need stay, but
 * probes and logits must. */
enum status scoring_begin(struct scoring *scoring, int layer, const int32_t *ids, const int64_t *document_begin,
                          int64_t documents, const struct scoring_head *heads, int head_count);
/* Waits, and fills the logits: bias + left half + right half, in this order. */
enum status scoring_end(struct scoring *scoring);
/* Both at once. */
enum status scoring_run(struct features *features, int layer, const int32_t *ids, const int64_t *document_begin,
                        int64_t documents, const struct scoring_head *heads, int head_count);

/* smooth[i] = mean of the log-odds of the tokens at most `window` away in the same document (window 0: a copy). Subjects
 * come in stretches: a token between forget tokens most likely is one. End-of-text keeps its own value. */
void scoring_smooth(const double *logits, const int32_t *ids, const int64_t *document_begin, int64_t documents,
                    int32_t end_of_text, int64_t window, double *smooth);

/* Log-odds of a document from those of its `tokens` tokens (end-of-text not among them) under the document head: of the mean
 * feature of its first `judged` tokens (0: of all). */
double scoring_document(const double *logits, int64_t tokens, int64_t judged);

#endif
