/* Counting scores of whole texts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/shares.h"

#include <stdlib.h>

#include "base/memory.h"
#include "classifier/content.h"
#include "filter/score.h"
#include "filter/share.h"
#include "text/corpus.h"

/* ---- a score file ---- */

struct counting {
	struct shard_set *shards;
	struct hdf5_reader *reader;
	bool documents;
	struct share_counts *counts;
	uint16_t *scores; /* of one block */
};

/* End-of-text tokens have the lowest score, and are never filtered. */
static enum status count_file_block(const struct counting *counting, int64_t block)
{
	int64_t token, document, next_token, next_document;
	shard_set_block_begin(counting->shards, block, &token, &document);
	shard_set_block_begin(counting->shards, block + 1, &next_token, &next_document);
	int64_t tokens = next_token - token, documents = next_document - document;
	int64_t *filed = counting->counts->tokens;
	counting->counts->total += tokens;
	if (counting->documents) {
		STATUS_TRY(hdf5_read_range(counting->reader, "document_scores", HDF5_UINT16, document, documents,
		                           counting->scores));
		for (int64_t i = 0; i < documents; i++)
			filed[counting->scores[i]] += shard_set_document_tokens(counting->shards, document + i);
		return STATUS_OK;
	}
	STATUS_TRY(hdf5_read_range(counting->reader, "scores", HDF5_UINT16, token, tokens, counting->scores));
	for (int64_t i = 0; i < tokens; i++)
		filed[counting->scores[i]]++;
	filed[SCORE_LOWEST] -= filed[SCORE_LOWEST] < documents ? filed[SCORE_LOWEST] : documents;
	return STATUS_OK;
}

static enum status count_file(const struct point *point, struct counting *counting)
{
	int64_t blocks = shard_set_blocks(counting->shards), documents;
	int64_t tokens = shard_set_largest_block(counting->shards, &documents);
	uint8_t *present = memory_allocate((size_t)blocks, 1);
	counting->scores = memory_allocate((size_t)(tokens > documents ? tokens : documents), sizeof *counting->scores);
	enum status status = present == NULL || counting->scores == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = score_file_open(parameters_text(point->parameters, "filter/classifier"),
		                         shard_set_content_hash(counting->shards), &counting->reader);
	if (status == STATUS_OK)
		status = hdf5_read(counting->reader, "blocks/present", HDF5_UINT8, blocks, present);
	for (int64_t block = 0; block < blocks && status == STATUS_OK; block++)
		if (present[block])
			status = count_file_block(counting, block);
	if (counting->reader != NULL)
		hdf5_close(counting->reader);
	free(counting->scores);
	free(present);
	return status;
}

/* ---- gold labels ---- */

static void count_labels_of_block(const struct block *block, bool documents, int32_t end_of_text,
                                  struct share_counts *counts)
{
	counts->total += block->token_count;
	for (int64_t d = 0; d < block->document_count; d++) {
		int64_t first = block->document_begin[d], last = block->document_begin[d + 1];
		if (documents)
			counts->tokens[block->document_domain[d] == DOMAIN_FORGET ? SCORE_HIGHEST : SCORE_LOWEST] +=
				last - first;
		for (int64_t i = first; !documents && i < last; i++)
			if (block->ids[i] != end_of_text)
				counts->tokens[block->labels[i] == DOMAIN_FORGET ? SCORE_HIGHEST : SCORE_LOWEST]++;
	}
}

static enum status count_labels(struct shard_set *shards, bool documents, struct share_counts *counts)
{
	struct block block = { 0 };
	enum status status = STATUS_OK;
	for (int64_t number = 0; number < shard_set_blocks(shards) && status == STATUS_OK; number++) {
		status = shard_set_read_block(shards, number, &block);
		if (status == STATUS_OK)
			count_labels_of_block(&block, documents, shard_set_facts(shards)->end_of_text, counts);
	}
	block_clear(&block);
	return status;
}

/* ---- any source ---- */

static enum status count_scores(const struct point *point, struct shard_set *shards, bool documents,
                                struct share_counts *counts)
{
	if (point->classified)
		return content_read_shares(point->classifier_path, documents, counts);
	if (!point->from_file)
		return count_labels(shards, documents, counts);
	struct counting counting = { .shards = shards, .documents = documents, .counts = counts };
	return count_file(point, &counting);
}

enum status shares_resolve(struct point *point, struct shard_set *shards)
{
	struct filter *filter = &point->filter;
	double share = parameters_real(point->parameters, "filter/share");
	bool documents = filter->method == FILTER_DOCUMENT;
	const char *key = documents ? "filter/document_threshold" : "filter/token_threshold";
	if (share < 0 || filter->method == FILTER_NONE || filter->method == FILTER_WEIGHT)
		return STATUS_OK;
	if (parameters_real(point->parameters, key) >= 0)
		return error_raise(STATUS_USAGE, "%s: filter/share chooses the threshold, but %s is given too (%s): give one of them",
		                   parameters_origin(point->parameters, "filter/share"), key,
		                   parameters_origin(point->parameters, key));
	struct share_counts *counts = memory_allocate(1, sizeof *counts);
	enum status status = counts == NULL ? STATUS_ENVIRONMENT : count_scores(point, shards, documents, counts);
	if (status == STATUS_OK && counts->total == 0)
		status = error_raise(STATUS_DATA, "%s: there are no scores to choose a threshold for filter/share from",
		                     parameters_text(point->parameters, "filter/classifier"));
	if (status == STATUS_OK && documents)
		share_threshold(counts, share, &filter->document_threshold, &filter->document_spared);
	else if (status == STATUS_OK)
		share_threshold(counts, share, &filter->token_threshold, &filter->token_spared);
	free(counts);
	return status;
}
