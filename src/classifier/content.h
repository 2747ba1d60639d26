/* The classifier file: what is in it, its hash, reading and writing it (layout: fit.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_CONTENT_H
#define CAPSHAPE_CLASSIFIER_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/checksum.h"
#include "classifier/probe.h"
#include "filter/share.h"
#include "model/config.h"
#include "storage/hdf5_file.h"

struct content {
	struct model_config config;
	float *left, *right;          /* arenas of content_arena_size() elements */
	struct probe token, document; /* width 2 D */
	int layer;
	int64_t context, rows_per_batch;
	int64_t document_tokens; /* scoring_document(): `judged` */
	int64_t smoothing;       /* window of scoring_smooth() on token scores */
	bool left_left;
	int32_t end_of_text;
	/* of best F1 on validation data: at its prevalence; with both classes weighing the same */
	uint16_t token_threshold, document_threshold;
	uint16_t token_threshold_balanced, document_threshold_balanced;
	const char *tokenizer_hash, *tokenizer; /* the latter as tokenizer_describe() says it */
	char hash[CONTENT_HASH_SIZE];
	/* what content_clear() frees: set by content_read(), not by those who fill a content to write it */
	void *owned[4];
};

int64_t content_arena_size(const struct model_config *config);
/* Hash over everything that decides scores: models, probes, layer, shapes, tokenizer. Thresholds do not. */
enum status content_hash_compute(const struct content *content, char hash[CONTENT_HASH_SIZE]);
enum status content_write(struct hdf5_writer *writer, const struct content *content);
/* STATUS_DATA naming the file when it is missing, damaged, of another kind, or its hash does not hold. */
enum status content_read(const char *path, struct content *content_out);
/* The validation text by score, of tokens or of documents. STATUS_DATA when the file is older than these counts. */
enum status content_read_shares(const char *path, bool documents, struct share_counts *counts_out);
void content_clear(struct content *content);

#endif
