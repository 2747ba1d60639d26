/* Probes of tokens in one layer.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/stop.h"
#include "classifier/layer.h"
#include "classifier/scoring.h"
#include "filter/score.h"

/* ---- training ---- */

/* The documents of a block that hold picks, side by side. */
struct gathering {
	struct block block;
	int32_t *ids;
	int64_t *begin;
	int32_t *row; /* of values that a token belongs to, -1: none */
	int64_t documents, tokens, width;
	float *values;
	size_t id_capacity, begin_capacity, row_capacity;
};

static void take(void *state, int half, int64_t rows, const int32_t *source, const float *values)
{
	struct gathering *gathering = state;
	int64_t width = gathering->width;
	(void)half;
	for (int64_t i = 0; i < rows; i++)
		if (source[i] >= 0 && gathering->row[source[i]] >= 0)
			memcpy(gathering->values + gathering->row[source[i]] * width, values + i * width,
			       (size_t)width * sizeof *values);
}

static enum status reserve(struct gathering *gathering)
{
	size_t tokens = (size_t)gathering->block.token_count, documents = (size_t)gathering->block.document_count;
	STATUS_TRY(memory_grow((void **)&gathering->ids, &gathering->id_capacity, tokens, sizeof *gathering->ids));
	STATUS_TRY(memory_grow((void **)&gathering->row, &gathering->row_capacity, tokens, sizeof *gathering->row));
	return memory_grow((void **)&gathering->begin, &gathering->begin_capacity, documents + 1,
	                   sizeof *gathering->begin);
}

/* Whole documents, as each token's value depends on what is before it. */
static void list_documents(struct gathering *gathering, int32_t end_of_text, const struct pick *picks, int64_t count)
{
	const struct block *block = &gathering->block;
	gathering->documents = gathering->tokens = gathering->begin[0] = 0;
	for (int64_t i = 0, document = 0; i < count; document++) {
		int64_t begin = block->document_begin[document], end = block->document_begin[document + 1];
		int64_t first = gathering->tokens, length = sample_document_tokens(block, document, end_of_text);
		if (picks[i].index >= end)
			continue;
		memcpy(gathering->ids + first, block->ids + begin, (size_t)length * sizeof *gathering->ids);
		for (int64_t token = 0; token < length; token++)
			gathering->row[first + token] = -1;
		for (; i < count && picks[i].index < end; i++)
			gathering->row[first + picks[i].index - begin] = (int32_t)i;
		gathering->tokens += length;
		gathering->begin[++gathering->documents] = gathering->tokens;
	}
}

enum status layer_token_values(struct features *features, struct shard_set *train, int32_t end_of_text, int layer,
                               const struct picks *picks, float *values)
{
	struct gathering gathering = { .width = features_width(features) };
	enum status status = STATUS_OK;
	for (int64_t i = 0, next; i < picks->count && status == STATUS_OK; i = next) {
		for (next = i; next < picks->count && picks->items[next].order == picks->items[i].order;)
			next++;
		gathering.values = values + i * gathering.width;
		status = stop_check("computing what the model makes of training text");
		if (status == STATUS_OK)
			status = shard_set_read_block(train, picks->items[i].block, &gathering.block);
		if (status == STATUS_OK)
			status = reserve(&gathering);
		if (status != STATUS_OK)
			break;
		list_documents(&gathering, end_of_text, picks->items + i, next - i);
		status = features_run(features, layer, DIRECTIONS_LEFT, gathering.ids, gathering.begin,
		                      gathering.documents, take, &gathering);
	}
	block_clear(&gathering.block);
	free(gathering.ids);
	free(gathering.begin);
	free(gathering.row);
	return status;
}

enum status layer_token_fit(struct features *features, struct shard_set *train, int32_t end_of_text, int layer,
                            const struct picks *picks, double l2, struct probe *probe_out)
{
	int64_t width = features_width(features);
	float *values = memory_allocate((size_t)(picks->count * width), sizeof *values);
	uint8_t *labels = memory_allocate((size_t)picks->count, sizeof *labels);
	enum status status = values == NULL || labels == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int64_t i = 0; i < picks->count && status == STATUS_OK; i++)
		labels[i] = (uint8_t)picks->items[i].forget;
	if (status == STATUS_OK)
		status = layer_token_values(features, train, end_of_text, layer, picks, values);
	if (status == STATUS_OK)
		status = probe_fit_within(values, labels, picks->count, width, l2, LAYER_ITERATIONS, probe_out);
	if (status == STATUS_OK)
		probe_out->bias += picks->natural_logit;
	free(values);
	free(labels);
	return status;
}

/* ---- scores ---- */

void token_scores_clear(struct token_scores *scores)
{
	free(scores->number);
	free(scores->group);
	free(scores->begin);
	free(scores->scores);
	free(scores->golds);
	*scores = (struct token_scores){ 0 };
}

static enum status reserve_scores(struct token_scores *scores, const struct block *block)
{
	size_t documents = (size_t)(scores->documents + block->document_count);
	size_t tokens = (size_t)(scores->tokens + block->token_count);
	STATUS_TRY(
		memory_grow((void **)&scores->number, &scores->document_capacity, documents, sizeof *scores->number));
	STATUS_TRY(memory_grow((void **)&scores->group, &scores->group_capacity, documents, sizeof *scores->group));
	STATUS_TRY(memory_grow((void **)&scores->begin, &scores->begin_capacity, documents + 1, sizeof *scores->begin));
	STATUS_TRY(memory_grow((void **)&scores->scores, &scores->score_capacity, tokens, sizeof *scores->scores));
	return memory_grow((void **)&scores->golds, &scores->gold_capacity, tokens, sizeof *scores->golds);
}

static enum status add_block(const struct shard_set *set, const struct block *block, int32_t end_of_text,
                             const double *logits, struct token_scores *scores)
{
	int64_t first_token, first_document;
	shard_set_block_begin(set, block->number, &first_token, &first_document);
	STATUS_TRY(reserve_scores(scores, block));
	scores->begin[scores->documents] = scores->tokens;
	for (int64_t d = 0; d < block->document_count; d++) {
		int64_t before = scores->tokens, document = first_document + d;
		for (int64_t i = block->document_begin[d]; i < block->document_begin[d + 1]; i++) {
			enum gold gold = sample_token_gold(block, i, end_of_text);
			if (gold == GOLD_NONE)
				continue;
			scores->scores[scores->tokens] = score_from_logit(logits[i]);
			scores->golds[scores->tokens++] = (int8_t)gold;
		}
		if (scores->tokens == before)
			continue;
		scores->number[scores->documents] = shard_set_document_number(set, document);
		scores->group[scores->documents] = shard_set_has_groups(set) ? shard_set_document_group(set, document)
		                                                             : scores->number[scores->documents];
		scores->begin[++scores->documents] = scores->tokens;
	}
	return STATUS_OK;
}

enum status layer_token_scores(struct features *features, struct shard_set *set, uint64_t seed, int64_t blocks,
                               int32_t end_of_text, int layer, int64_t window, const struct probe *probe,
                               struct token_scores *scores)
{
	struct block block = { 0 };
	int64_t documents, largest = shard_set_largest_block(set, &documents);
	double *logits = memory_allocate(2 * (size_t)largest, sizeof *logits);
	const struct scoring_head head = { probe, DIRECTIONS_LEFT, logits };
	enum status status = logits == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int64_t i = 0; i < blocks && status == STATUS_OK; i++) {
		status = stop_check("measuring a probe");
		if (status == STATUS_OK)
			status = shard_set_read_block(set, sample_block_number(set, seed, i), &block);
		if (status == STATUS_OK)
			status = scoring_run(features, layer, block.ids, block.document_begin, block.document_count,
			                     &head, 1);
		if (status == STATUS_OK)
			scoring_smooth(logits, block.ids, block.document_begin, block.document_count, end_of_text,
			               window, logits + largest);
		if (status == STATUS_OK)
			status = add_block(set, &block, end_of_text, logits + largest, scores);
	}
	block_clear(&block);
	free(logits);
	return status;
}

/* ---- figures ---- */

static void fill_histogram(const struct token_scores *scores, struct score_counts *counts)
{
	memset(counts, 0, sizeof *counts);
	for (int64_t i = 0; i < scores->tokens; i++)
		(scores->golds[i] == GOLD_FORGET ? counts->positive : counts->negative)[scores->scores[i]]++;
}

static enum status check_classes(const struct token_scores *scores, const char *name)
{
	int64_t forget = 0;
	for (int64_t i = 0; i < scores->tokens; i++)
		forget += scores->golds[i] == GOLD_FORGET;
	if (forget > 0 && forget < scores->tokens)
		return STATUS_OK;
	return error_raise(
		STATUS_DATA,
		"of the %lld labelled tokens of the %s set that are looked at %lld are forget: a probe is "
		"measured on both classes; label more text (docs/corpus.md) or raise probe/evaluation_tokens",
		(long long)scores->tokens, name, (long long)forget);
}

enum status layer_token_judge(const struct token_scores *validation, const struct token_scores *test,
                              bool threshold_on_test, struct token_figures *figures)
{
	STATUS_TRY(check_classes(validation, "validation"));
	STATUS_TRY(check_classes(test, "test"));
	struct score_counts *counts = memory_allocate(2, sizeof *counts);
	if (counts == NULL)
		return STATUS_ENVIRONMENT;
	fill_histogram(validation, &counts[0]);
	fill_histogram(test, &counts[1]);
	for (int i = 0; i < LAYER_PREVALENCES; i++) {
		int balanced = i == LAYER_BALANCED;
		figures->threshold[i] = metrics_best_threshold(&counts[threshold_on_test], balanced);
		metrics_compute(&counts[0], figures->threshold[i], balanced, &figures->validation[i]);
		metrics_compute(&counts[1], figures->threshold[i], balanced, &figures->test[i]);
	}
	figures->validation_precision = metrics_average_precision(&counts[0]);
	figures->test_precision = metrics_average_precision(&counts[1]);
	free(counts);
	return STATUS_OK;
}

void layer_token_count(const struct token_scores *scores, uint32_t threshold, int32_t *true_forget,
                       int32_t *false_forget)
{
	for (int64_t d = 0; d < scores->documents; d++) {
		int32_t counts[2] = { 0 };
		for (int64_t i = scores->begin[d]; i < scores->begin[d + 1]; i++)
			counts[scores->golds[i] == GOLD_FORGET] += scores->scores[i] >= threshold;
		if (true_forget != NULL)
			true_forget[d] = counts[1];
		if (false_forget != NULL)
			false_forget[d] = counts[0];
	}
}
