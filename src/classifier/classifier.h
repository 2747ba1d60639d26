/* The trained classifier: two language models (left to right, right to left), the token probe, the document probe, their
 * thresholds; read from one HDF5 file and applied to blocks.
 *
 * A document's tokens t1..tn are read by the left model as <eot> t1 .. tn and by the right model as <eot> tn .. t1;
 * documents are packed into rows of `context` positions, separated by `starts` (kernels.h), so a token's score is a
 * function of its own document only. Documents longer than context - 1 are cut into windows that overlap by half; a
 * token is scored in the window in which it is farthest from a cut. Rows are scored in micro-batches whose shapes
 * follow from the block (features.h), so the score does not depend on what else a rank scores: equal blocks give equal
 * bits on any rank.
 * (Where in a row a document lies may change the rounding of a device's matrix products, never more than that.)
 * Features of a token: the residual stream after `layer` blocks of both models at that token, normalised to unit root
 * mean square, concatenated [2 D]. The end-of-text token is not scored: SCORE_LOWEST.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_CLASSIFIER_H
#define CAPSHAPE_CLASSIFIER_CLASSIFIER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/kernels.h"
#include "model/config.h"
#include "text/shard.h"

struct classifier;

/* Which models a feature uses: controls use one direction only. */
enum directions { DIRECTIONS_BOTH, DIRECTIONS_LEFT };

/* STATUS_DATA when the file is missing, damaged, or was made with another tokenizer than `tokenizer_hash` (both named;
 * NULL: not checked). The device must outlive the classifier. */
enum status classifier_read(const char *path, const struct kernels *kernels, struct device *device,
                            const char *tokenizer_hash, struct classifier **classifier_out);
void classifier_destroy(struct classifier *classifier);
/* Names everything that decides scores (weights, probes, layer, context): score files carry it. */
const char *classifier_hash(const struct classifier *classifier);
/* Thresholds that maximise F1 on validation data at natural prevalence, as 16-bit scores. */
uint16_t classifier_token_threshold(const struct classifier *classifier);
uint16_t classifier_document_threshold(const struct classifier *classifier);
/* One line for the banner. */
const char *classifier_describe(const struct classifier *classifier);
/* Floating-point operations to score one token (each token read once; the overlap of the windows of a document longer than
 * a row is not counted). */
double classifier_flops(const struct classifier *classifier);

/* `progress` is called after every micro-batch of a block (NULL: nothing). */
void classifier_set_progress(struct classifier *classifier, void (*progress)(void *state), void *state);

/* Fills scores and document_scores of the block and sets scored. */
enum status classifier_score_block(struct classifier *classifier, struct block *block);
/* The same in two parts, so that the device goes on to the next block while the host is busy with the last one: up to
 * CLASSIFIER_BLOCKS may be on their way, and classifier_score_end() waits for the one that was begun first. The block stays
 * the caller's, but is to be left alone until then. What a block's scores are does not depend on it. After an error nothing
 * more can be scored. */
enum { CLASSIFIER_BLOCKS = 2 };
/* Whether that is of use: classifier_score_begin() does not compute the block itself. */
bool classifier_is_asynchronous(const struct classifier *classifier);
enum status classifier_score_begin(struct classifier *classifier, struct block *block);
enum status classifier_score_end(struct classifier *classifier);

#endif
