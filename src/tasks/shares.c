/* Counting scores of whole texts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/shares.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "classifier/content.h"
#include "filter/score.h"
#include "filter/share.h"
#include "text/corpus.h"

/* Blocks that an expectation is counted on: of training text, which may be large. */
enum { BLOCKS_LOOKED_AT = 16 };

/* ---- a score file ---- */

struct counting {
	struct shard_set *shards;
	struct hdf5_reader *reader;
	bool documents;
	int64_t stride; /* every so many blocks are counted */
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
	for (int64_t block = 0; block < blocks && status == STATUS_OK; block += counting->stride)
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

static enum status count_labels(struct shard_set *shards, bool documents, int64_t stride, struct share_counts *counts)
{
	struct block block = { 0 };
	enum status status = STATUS_OK;
	for (int64_t number = 0; number < shard_set_blocks(shards) && status == STATUS_OK; number += stride) {
		status = shard_set_read_block(shards, number, &block);
		if (status == STATUS_OK)
			count_labels_of_block(&block, documents, shard_set_facts(shards)->end_of_text, counts);
	}
	block_clear(&block);
	return status;
}

/* ---- any source ---- */

/* `stride`: every so many blocks of training text. */
static enum status count_scores(const struct point *point, struct shard_set *shards, bool documents, int64_t stride,
                                struct share_counts *counts)
{
	if (point->classified)
		return content_read_shares(point->classifier_path, documents, counts);
	if (!point->from_file)
		return count_labels(shards, documents, stride, counts);
	struct counting counting = { .shards = shards, .documents = documents, .stride = stride, .counts = counts };
	return count_file(point, &counting);
}

enum status shares_resolve(struct point *point, struct shard_set *shards)
{
	struct filter *filter = &point->filter;
	double share = parameters_real(point->parameters, "filter/share");
	bool documents = filter_by_documents(filter);
	const char *key = documents ? "filter/document_threshold" : "filter/token_threshold";
	if (share < 0 || filter->method == FILTER_NONE || filter->method == FILTER_WEIGHT)
		return STATUS_OK;
	if (strcmp(parameters_value(point->parameters, key), "auto") != 0)
		return error_raise(STATUS_USAGE,
		                   "%s: filter/share chooses the threshold, but %s is given too (%s): give one of them",
		                   parameters_origin(point->parameters, "filter/share"), key,
		                   parameters_origin(point->parameters, key));
	struct share_counts *counts = memory_allocate(1, sizeof *counts);
	enum status status = counts == NULL ? STATUS_ENVIRONMENT : count_scores(point, shards, documents, 1, counts);
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

/* ---- what to expect ---- */

static enum status expect_counted(const struct point *point, struct shard_set *shards, bool documents,
                                  double *share_out)
{
	const struct filter *filter = &point->filter;
	int64_t blocks = shard_set_blocks(shards);
	struct share_counts *counts = memory_allocate(1, sizeof *counts);
	if (counts == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = count_scores(point, shards, documents,
	                                  blocks > BLOCKS_LOOKED_AT ? blocks / BLOCKS_LOOKED_AT : 1, counts);
	if (status == STATUS_OK)
		*share_out = documents ? share_filtered(counts, filter->document_threshold, filter->document_spared)
		                       : share_filtered(counts, filter->token_threshold, filter->token_spared);
	free(counts);
	if (status != STATUS_DATA)
		return status;
	error_clear(); /* a classifier file without counts */
	return STATUS_OK;
}

static enum status expect_filtered(struct point *point, struct shard_set *shards)
{
	const struct filter *filter = &point->filter;
	double share = parameters_real(point->parameters, "filter/share");
	bool documents = filter_by_documents(filter), fitted = !point->classified || point->classifier.hash[0] != '\0';
	point->dropped = point->masked = 0;
	if (filter->method == FILTER_NONE || filter->method == FILTER_WEIGHT)
		return STATUS_OK;
	share = fmax(share, 0);
	if (shards != NULL && fitted)
		STATUS_TRY(expect_counted(point, shards, documents, &share));
	double active = 1 - (double)filter->begin_step / (double)point->training.steps;
	if (filter->method == FILTER_ROUTE)
		return STATUS_OK; /* everything is trained on */
	if (documents)
		point->dropped = share;
	else
		point->masked = active * (share * (1 - filter->noise) + (1 - share) * filter->noise);
	return STATUS_OK;
}

/* Tokens of the documents of a block that are of the domains. */
static int64_t wanted_tokens(const struct shard_set *shards, uint32_t domains, int64_t block, int64_t *all)
{
	int64_t token, document, next_token, next_document, wanted = 0;
	shard_set_block_begin(shards, block, &token, &document);
	shard_set_block_begin(shards, block + 1, &next_token, &next_document);
	for (; document < next_document; document++)
		if ((domains >> shard_set_document_domain(shards, document) & 1) != 0)
			wanted += shard_set_document_tokens(shards, document);
	*all = next_token - token;
	return domains == 0 ? *all : wanted;
}

enum status shares_blocks(const struct shard_set *shards, uint32_t domains, int64_t **blocks_out, int64_t *count_out,
                          double *share_out)
{
	int64_t all = shard_set_blocks(shards), count = 0;
	int64_t *blocks = memory_allocate((size_t)all, sizeof *blocks);
	double wanted = 0, read = 0;
	if (blocks == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t block = 0; block < all; block++) {
		int64_t tokens, inside = wanted_tokens(shards, domains, block, &tokens);
		if (inside == 0)
			continue;
		blocks[count++] = block;
		wanted += (double)inside;
		read += (double)tokens;
	}
	if (share_out != NULL)
		*share_out = read > 0 ? wanted / read : 0;
	*blocks_out = blocks;
	*count_out = count;
	return STATUS_OK;
}

/* Of the text that is read for the domains that `key` names, what is of these. STATUS_DATA when nothing is. */
static enum status share_of_domains(const struct point *point, const struct shard_set *shards, const char *key,
                                    uint32_t domains, double *share_out)
{
	int64_t *blocks = NULL, count;
	STATUS_TRY(shares_blocks(shards, domains, &blocks, &count, share_out));
	free(blocks);
	if (count > 0)
		return STATUS_OK;
	return error_raise(STATUS_DATA, "%s: %s: the training set of %s holds no document of %s",
	                   parameters_origin(point->parameters, key), key,
	                   parameters_text(point->parameters, "data/folder"), parameters_value(point->parameters, key));
}

/* Of the text that is read, what enters lanes; where half of them read one text and half another, on average. */
static enum status share_entering(const struct point *point, const struct shard_set *shards, double *share_out)
{
	const struct training_settings *training = &point->training;
	double retain;
	*share_out = 1;
	if (training->domains == 0 || shards == NULL)
		return STATUS_OK;
	if (training->steering.layer == 0)
		return share_of_domains(point, shards, "finetune/domains", training->domains, share_out);
	STATUS_TRY(share_of_domains(point, shards, "unlearn/forget", training->domains, share_out));
	STATUS_TRY(share_of_domains(point, shards, "unlearn/retain", training->steering.retain_domains, &retain));
	*share_out = 2 / (1 / *share_out + 1 / retain);
	return STATUS_OK;
}

enum status shares_expect(struct point *point, struct shard_set *shards)
{
	double entering;
	STATUS_TRY(share_entering(point, shards, &entering));
	STATUS_TRY(expect_filtered(point, shards));
	point->dropped = 1 - entering * (1 - point->dropped);
	return STATUS_OK;
}

double shares_steps(const struct point *point)
{
	double steps = (double)point->training.steps;
	return point->training.budget_kept && point->masked < 1 ? ceil(steps / (1 - point->masked)) : steps;
}

double shares_text(const struct point *point)
{
	const struct training_settings *training = &point->training;
	double window = (double)(training->sequences * training->length), before = (double)point->filter.begin_step;
	double steps = shares_steps(point) - before;
	/* A filter that drops everything ends with an error after one pass. */
	return window * before +
	       fmin(window * steps / fmax(1 - point->dropped, 1e-9), window * steps + fmax(point->set_tokens, window));
}
