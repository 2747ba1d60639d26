/* Features of tokens: documents are packed into rows, both language models read them in micro-batches of rows_per_batch
 * rows (the last one in as many eighths of that as are needed) up to the probe's layer, and the caller is shown every
 * micro-batch. All shapes follow from the documents, so equal documents give equal bits.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_FEATURES_H
#define CAPSHAPE_CLASSIFIER_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "classifier/classifier.h"
#include "kernels/kernels.h"
#include "model/config.h"

struct features_options {
	const struct kernels *kernels;
	struct device *device;
	const struct model_config *config;
	const float *left_parameters, *right_parameters; /* host arenas; right may be NULL with left_left */
	int64_t context, rows_per_batch;
	int32_t end_of_text;
	bool left_left; /* both halves of a feature come from the left model */
};

struct features;
/* The device must outlive the features; nothing else of the options is kept. STATUS_USAGE when the context is longer
 * than the models', STATUS_DATA when an arena is missing. */
enum status features_create(const struct features_options *options, struct features **features_out);
void features_destroy(struct features *features);
int64_t features_width(const struct features *features); /* D; a feature of both directions has 2 D */
int64_t features_context(const struct features *features);

/* `progress` is called after every micro-batch (NULL: nothing): what must go on while a block is being read. */
void features_set_progress(struct features *features, void (*progress)(void *state), void *state);

/* `half`: 0 left, 1 right. values[rows, D]; source[row]: index of its token, -1 where the row answers for none. */
typedef void (*features_visit)(void *state, int half, int64_t rows, const int32_t *source, const float *values);

/* Shows every token of the documents once for each half asked for, all of the left half first, in packing order. */
enum status features_run(struct features *features, int layer, enum directions directions, const int32_t *ids,
                         const int64_t *document_begin, int64_t documents, features_visit visit, void *state);

#endif
