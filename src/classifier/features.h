/* Features of tokens: documents are packed into rows, both language models read them in micro-batches of rows_per_batch
 * rows (the last one in as many eighths of that as are needed) up to the probe's layer. The caller is either shown the
 * features of every micro-batch, which come to the host for that, or has linear probes of them computed on the device, which
 * is much less to bring, and need not wait for one micro-batch before the next is begun. All shapes follow from the documents
 * and the kind of device, so equal documents give equal bits.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_FEATURES_H
#define CAPSHAPE_CLASSIFIER_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "classifier/classifier.h"
#include "classifier/rows.h"
#include "kernels/kernels.h"
#include "model/config.h"

struct features_options {
	const struct kernels *kernels;
	struct device *device;
	const struct model_config *config;
	const float *left_parameters, *right_parameters; /* host arenas; right may be NULL with left_left */
	int layers;                      /* most that will be asked for: later blocks are not on the device */
	int64_t context, rows_per_batch; /* the device may take more rows at once: features_batch_rows() */
	int32_t end_of_text;
	bool left_left; /* both halves of a feature come from the left model */
};

struct features;
/* Rows of a micro-batch on a device of these kernels: on a GPU at least kernels->forward_rows tokens, so that it is filled. */
int64_t features_batch_rows(const struct kernels *kernels, int64_t context, int64_t rows_per_batch);
/* The device must outlive the features; nothing else of the options is kept. STATUS_USAGE when the context is longer
 * than the models', STATUS_DATA when an arena is missing. */
enum status features_create(const struct features_options *options, struct features **features_out);
void features_destroy(struct features *features);
int64_t features_width(const struct features *features); /* D; a feature of both directions has 2 D */
int64_t features_context(const struct features *features);

/* `progress` is called after every micro-batch (NULL: nothing), begun or ended: what must go on while a block
 * is being read. */
void features_set_progress(struct features *features, void (*progress)(void *state), void *state);

/* `half`: 0 left, 1 right. values[rows, D]; source[row]: index of its token, -1 where the row answers for none. */
typedef void (*features_visit)(void *state, int half, int64_t rows, const int32_t *source, const float *values);

/* Shows every token of the documents once for each half asked for, all of the left half first, in packing order. */
enum status features_run(struct features *features, int layer, enum directions directions, const int32_t *ids,
                         const int64_t *document_begin, int64_t documents, features_visit visit, void *state);

/* ---- probes ---- */

bool features_asynchronous(const struct features *features); /* the device's kernels are */
bool features_left_left(const struct features *features);
/* The documents as a half reads them: rows_pack(). */
enum status features_pack(const struct features *features, int half, const int32_t *ids, const int64_t *document_begin,
                          int64_t documents, struct rows *rows);
int64_t features_batches(const struct features *features, const struct rows *rows);
/* Where in the rows micro-batch `number` lies, in positions: [first, first + present), of `size` that are computed. */
struct features_batch {
	int64_t first, size, present;
};
struct features_batch features_batch(const struct features *features, const struct rows *rows, int64_t number);
/* Probes of one half's model (half 1: not with left_left): host weights[count, D]. */
enum status features_set_probes(struct features *features, int half, const double *weights, int64_t count);
/* logits[count, size] of a micro-batch of the rows; see model_probe_begin(). */
enum status features_probe_begin(struct features *features, int half, int layer, const struct rows *rows,
                                 int64_t number, double *logits, int64_t *begun_out);
enum status features_probe_end(struct features *features, int half, int64_t begun);
/* Waits for all that was begun, so that its memory may go. */
enum status features_wait(struct features *features);

#endif
