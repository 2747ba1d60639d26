/* Drawing training tokens and documents.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/fit_sample.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/stop.h"
#include "classifier/sentence.h"
#include "text/corpus.h"

/* Blocks are visited until this many times the tokens (documents) asked for were met, so that a sample does not consist
 * of everything that a few documents hold. */
enum { OVERSAMPLING = 2 };

/* Streams of RANDOM_SUBSAMPLE. */
enum { STREAM_TOKENS = 1, STREAM_DOCUMENTS, STREAM_BLOCKS };

/* Keeps the `keep` picks of smallest key. */
struct sampler {
	struct pick *items;
	size_t capacity, count, keep;
	uint64_t bound; /* keys above it cannot be among the kept ones */
	int64_t seen;
};

/* One kind of thing to draw: both classes. */
struct drawing {
	struct sampler classes[2]; /* by enum gold */
	int64_t wanted;            /* of each class */
};

enum gold sample_token_gold(const struct block *block, int64_t index, int32_t end_of_text)
{
	uint8_t label = block->labels[index];
	if (block->ids[index] == end_of_text || label == DOMAIN_MIXED || label == DOMAIN_UNLABELLED)
		return GOLD_NONE;
	return label == DOMAIN_FORGET ? GOLD_FORGET : GOLD_RETAIN;
}

int64_t sample_document_tokens(const struct block *block, int64_t document, int32_t end_of_text)
{
	int64_t begin = block->document_begin[document], end = block->document_begin[document + 1];
	return end > begin && block->ids[end - 1] == end_of_text ? end - 1 - begin : end - begin;
}

enum gold sample_document_gold(const struct block *block, int64_t document, int32_t end_of_text, double forget_share)
{
	int64_t begin = block->document_begin[document], counts[2] = { 0 };

	for (int64_t i = begin; i < begin + sample_document_tokens(block, document, end_of_text); i++) {
		enum gold gold = sample_token_gold(block, i, end_of_text);
		if (gold != GOLD_NONE)
			counts[gold]++;
	}
	if (counts[GOLD_FORGET] + counts[GOLD_RETAIN] == 0)
		return GOLD_NONE;
	double share = (double)counts[GOLD_FORGET] / (double)(counts[GOLD_FORGET] + counts[GOLD_RETAIN]);
	return share >= forget_share && counts[GOLD_FORGET] > 0 ? GOLD_FORGET : GOLD_RETAIN;
}

int64_t sample_block_number(const struct shard_set *set, uint64_t seed, int64_t order)
{
	return (int64_t)random_permute(seed, RANDOM_SUBSAMPLE, STREAM_BLOCKS, (uint64_t)shard_set_blocks(set),
	                               (uint64_t)order);
}

static int compare_keys(const void *left, const void *right)
{
	const struct pick *a = left, *b = right;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static int compare_places(const void *left, const void *right)
{
	const struct pick *a = left, *b = right;
	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static void sampler_trim(struct sampler *sampler)
{
	qsort(sampler->items, sampler->count, sizeof *sampler->items, compare_keys);
	if (sampler->count < sampler->keep)
		return;
	sampler->count = sampler->keep;
	sampler->bound = sampler->items[sampler->count - 1].key;
}

static enum status sampler_offer(struct sampler *sampler, const struct pick *pick)
{
	sampler->seen++;
	if (pick->key > sampler->bound)
		return STATUS_OK;
	if (sampler->count == 2 * sampler->keep)
		sampler_trim(sampler);
	STATUS_TRY(memory_grow((void **)&sampler->items, &sampler->capacity, sampler->count + 1, sizeof *pick));
	sampler->items[sampler->count++] = *pick;
	return STATUS_OK;
}

static void drawing_begin(struct drawing *drawing, int64_t wanted)
{
	*drawing = (struct drawing){ .wanted = wanted > 2 ? wanted / 2 : 1 };
	for (int gold = 0; gold < 2; gold++) {
		drawing->classes[gold].keep = (size_t)drawing->wanted;
		drawing->classes[gold].bound = UINT64_MAX;
	}
}

static void drawing_clear(struct drawing *drawing)
{
	free(drawing->classes[GOLD_RETAIN].items);
	free(drawing->classes[GOLD_FORGET].items);
}

static bool drawing_is_full(const struct drawing *drawing)
{
	return drawing->classes[GOLD_RETAIN].seen >= OVERSAMPLING * drawing->wanted &&
	       drawing->classes[GOLD_FORGET].seen >= OVERSAMPLING * drawing->wanted;
}

static enum status drawing_offer(struct drawing *drawing, uint64_t seed, int stream, int64_t block, int64_t order,
                                 int64_t index, enum gold gold)
{
	if (gold == GOLD_NONE)
		return STATUS_OK;
	struct pick pick = { .block = block, .order = (int32_t)order, .index = (int32_t)index, .forget = gold };
	pick.key = random_bits(seed, RANDOM_SUBSAMPLE, (uint64_t)stream, (uint64_t)block << 32 | (uint64_t)index);
	return sampler_offer(&drawing->classes[gold], &pick);
}

/* As many picks of each class as the scarcer class allows, in the order of the corpus visit. */
static enum status drawing_finish(struct drawing *drawing, const char *what, struct picks *picks)
{
	struct sampler *retain = &drawing->classes[GOLD_RETAIN], *forget = &drawing->classes[GOLD_FORGET];

	if (retain->seen == 0 || forget->seen == 0)
		return error_raise(
			STATUS_DATA,
			"the training shards have %lld forget and %lld other %s: a probe needs both; label the "
			"corpus (see also classifier/forget_share for documents)",
			(long long)forget->seen, (long long)retain->seen, what);
	sampler_trim(retain);
	sampler_trim(forget);
	size_t each = retain->count < forget->count ? retain->count : forget->count;
	struct pick *items = memory_allocate(2 * each, sizeof *items);
	if (items == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < each; i++) {
		items[i] = retain->items[i];
		items[each + i] = forget->items[i];
	}
	qsort(items, 2 * each, sizeof *items, compare_places);
	picks->items = items;
	picks->count = (int64_t)(2 * each);
	picks->natural_logit = log((double)forget->seen / (double)retain->seen);
	return STATUS_OK;
}

void picks_clear(struct picks *picks)
{
	free(picks->items);
	*picks = (struct picks){ 0 };
}

static void coarsen_part(int8_t *golds, int64_t count, double forget_share)
{
	int64_t counts[2] = { 0 };

	for (int64_t i = 0; i < count; i++)
		if (golds[i] != GOLD_NONE)
			counts[golds[i]]++;
	int64_t labelled = counts[GOLD_FORGET] + counts[GOLD_RETAIN];
	bool forget = counts[GOLD_FORGET] > 0 && (double)counts[GOLD_FORGET] >= forget_share * (double)labelled;
	for (int64_t i = 0; i < count; i++)
		if (golds[i] != GOLD_NONE)
			golds[i] = forget ? GOLD_FORGET : GOLD_RETAIN;
}

void sample_coarsen(const struct sample_options *options, const int32_t *ids, int64_t count, int8_t *golds)
{
	if (options->labels == SAMPLE_TOKENS)
		return;
	for (int64_t begin = 0, end; begin < count; begin = end) {
		end = count;
		if (options->labels == SAMPLE_SENTENCES)
			end = sentence_end(options->sentence_marks, ids, count, begin);
		coarsen_part(golds + begin, end - begin, options->forget_share);
	}
}

static enum status visit_tokens(struct drawing *drawing, const struct block *block, int64_t order,
                                const struct sample_options *options, struct word_list *words, int8_t *golds)
{
	bool full = drawing_is_full(drawing);

	for (int64_t i = 0; i < block->token_count; i++)
		golds[i] = (int8_t)sample_token_gold(block, i, options->end_of_text);
	for (int64_t d = 0; d < block->document_count; d++)
		sample_coarsen(options, block->ids + block->document_begin[d],
		               sample_document_tokens(block, d, options->end_of_text),
		               golds + block->document_begin[d]);
	for (int64_t i = 0; i < block->token_count && !full; i++)
		STATUS_TRY(drawing_offer(drawing, options->seed, STREAM_TOKENS, block->number, order, i,
		                         (enum gold)golds[i]));
	for (int64_t d = 0; words != NULL && d < block->document_count; d++) {
		int64_t begin = block->document_begin[d];
		STATUS_TRY(word_list_add(words, block->ids + begin, golds + begin,
		                         sample_document_tokens(block, d, options->end_of_text)));
	}
	return STATUS_OK;
}

static enum status visit_documents(struct drawing *drawing, const struct block *block, int64_t order,
                                   const struct sample_options *options)
{
	for (int64_t d = 0; d < block->document_count; d++) {
		enum gold gold = sample_document_gold(block, d, options->end_of_text, options->forget_share);
		STATUS_TRY(drawing_offer(drawing, options->seed, STREAM_DOCUMENTS, block->number, order, d, gold));
	}
	return STATUS_OK;
}

static enum status visit_blocks(struct shard_set *set, const struct sample_options *options, struct word_list *words,
                                struct drawing *tokens, struct drawing *documents, struct block *block, int8_t *golds)
{
	for (int64_t order = 0; order < shard_set_blocks(set); order++) {
		/* The word list learns from all of the text: it costs no language model. */
		bool need_tokens = !drawing_is_full(tokens) || words != NULL,
		     need_documents = documents != NULL && !drawing_is_full(documents);
		if (!need_tokens && !need_documents)
			break;
		int64_t number = sample_block_number(set, options->seed, order);
		STATUS_TRY(stop_check("drawing examples for the probes"));
		if (words == NULL && sample_block_labelled(set, number) == 0)
			continue; /* of much text without labels, nothing is to be drawn */
		STATUS_TRY(shard_set_read_block(set, number, block));
		if (need_tokens)
			STATUS_TRY(visit_tokens(tokens, block, order, options, words, golds));
		if (need_documents)
			STATUS_TRY(visit_documents(documents, block, order, options));
	}
	return STATUS_OK;
}

enum status sample_draw(struct shard_set *set, const struct sample_options *options, struct word_list *words,
                        struct picks *tokens, struct picks *documents)
{
	struct drawing token_drawing, document_drawing;
	struct block block = { 0 };
	int64_t largest_documents = 0, largest = shard_set_largest_block(set, &largest_documents);
	int8_t *golds = memory_allocate((size_t)largest, sizeof *golds);

	drawing_begin(&token_drawing, options->tokens);
	drawing_begin(&document_drawing, options->documents);
	enum status status = golds == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = visit_blocks(set, options, words, &token_drawing, documents == NULL ? NULL : &document_drawing,
		                      &block, golds);
	if (status == STATUS_OK)
		status = drawing_finish(&token_drawing, "tokens", tokens);
	if (status == STATUS_OK && documents != NULL)
		status = drawing_finish(&document_drawing, "documents", documents);
	drawing_clear(&token_drawing);
	drawing_clear(&document_drawing);
	block_clear(&block);
	free(golds);
	return status;
}

int64_t sample_block_labelled(const struct shard_set *set, int64_t block)
{
	int64_t token, document, next_token, next_document, labelled = 0;
	shard_set_block_begin(set, block, &token, &document);
	shard_set_block_begin(set, block + 1, &next_token, &next_document);
	for (; document < next_document; document++)
		if (shard_set_document_domain(set, document) != DOMAIN_UNLABELLED)
			labelled += shard_set_document_tokens(set, document);
	return labelled;
}

int64_t sample_count_blocks(const struct shard_set *set, uint64_t seed, int64_t tokens)
{
	int64_t count = 0, total = 0;
	for (; count < shard_set_blocks(set) && total < tokens; count++) {
		int64_t before = total;
		total += sample_block_labelled(set, sample_block_number(set, seed, count));
		if (total > tokens && before > 0)
			break;
	}
	return count;
}
