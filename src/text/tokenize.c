/* Sorting the documents of a corpus into splits and shards, and writing the shards.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenize.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/stop.h"
#include "text/shard.h"

/* Streams of RANDOM_DOCUMENT_ORDER. */
enum { STREAM_SHARD, STREAM_PLACE };

struct held_document {
	uint64_t place; /* random: the order in the shard */
	uint64_t number;
	size_t begin, count; /* in ids and labels */
	uint8_t domain;
};

/* The documents of one shard until it is written. */
struct held_shard {
	enum split split;
	int64_t number; /* within the split */
	struct held_document *documents;
	size_t document_count, document_capacity;
	int32_t *ids;
	uint8_t *labels;
	size_t token_count, id_capacity, label_capacity;
};

struct work {
	const struct tokenize_plan *plan;
	int64_t first, step, total;
	struct held_shard *shards;
	size_t shard_count;
	bool has_token_labels; /* of the whole corpus, so the same on every rank */
	struct token_span *tokens;
	size_t token_capacity;
	struct tokenize_statistics *statistics;
};

const char *split_name(enum split split)
{
	static const char *const names[SPLIT_COUNT] = { "train", "validation", "test" };
	return names[split];
}

enum split tokenize_split(const struct tokenize_plan *plan, const char *key)
{
	double draw = random_uniform(plan->seed, RANDOM_SPLIT, XXH3_64bits(key, strlen(key)), 0);
	if (draw < plan->test_share)
		return SPLIT_TEST;
	return draw < plan->test_share + plan->validation_share ? SPLIT_VALIDATION : SPLIT_TRAIN;
}

int64_t tokenize_shard_total(const struct tokenize_plan *plan)
{
	int64_t total = 0;
	for (int split = 0; split < SPLIT_COUNT; split++)
		total += plan->shard_counts[split];
	return total;
}

/* ---- labels ---- */

static int strength(enum domain domain)
{
	static const int strengths[DOMAIN_COUNT] = {
		[DOMAIN_FORGET] = 5, [DOMAIN_HARD] = 4, [DOMAIN_RETAIN] = 3, [DOMAIN_MIXED] = 2, [DOMAIN_OTHER] = 1
	};
	return strengths[domain];
}

void tokenize_labels(const struct document *document, const struct token_span *tokens, size_t count, uint8_t *labels)
{
	enum domain outside = document->labels == LABELS_DOCUMENT ? document->domain : DOMAIN_UNMARKED;
	size_t span = 0;
	for (size_t i = 0; i < count; i++) {
		/* Tokens are in order, and neighbours may share a byte where the text was not UTF-8. */
		while (span < document->span_count && document->spans[span].end <= tokens[i].begin)
			span++;
		enum domain label = outside;
		for (size_t k = span; k < document->span_count && document->spans[k].begin < tokens[i].end; k++) {
			if (strength(document->spans[k].domain) > strength(label))
				label = document->spans[k].domain;
		}
		labels[i] = (uint8_t)label;
	}
}

/* ---- collecting ---- */

/* Where the document belongs: number of the shard over all splits, or -1 when its split has none. */
static int64_t shard_of(const struct tokenize_plan *plan, const struct document *document)
{
	enum split split = tokenize_split(plan, document->key);
	int64_t shard = 0;
	for (int before = 0; before < (int)split; before++)
		shard += plan->shard_counts[before];
	if (plan->shard_counts[split] == 0)
		return -1;
	uint64_t draw = random_bits(plan->seed, RANDOM_DOCUMENT_ORDER, STREAM_SHARD, document->number);
	return shard + (int64_t)(draw % (uint64_t)plan->shard_counts[split]);
}

static void count_document(struct tokenize_statistics *statistics, enum split split, const struct document *document,
                           const uint8_t *labels, size_t count)
{
	statistics->documents[split][document->domain]++;
	statistics->tokens[split][document->domain] += (int64_t)count + 1;
	statistics->bytes[split] += (int64_t)document->size;
	statistics->labelled[split][DOMAIN_UNMARKED]++; /* the end-of-text token */
	for (size_t i = 0; i < count; i++)
		statistics->labelled[split][labels[i]]++;
}

static enum status hold_document(struct work *work, struct held_shard *shard, const struct document *document)
{
	size_t count = 0;
	STATUS_TRY(tokenizer_encode(work->plan->tokenizer, document->text, document->size, &work->tokens,
	                            &work->token_capacity, &count));
	STATUS_TRY(memory_grow((void **)&shard->documents, &shard->document_capacity, shard->document_count + 1,
	                       sizeof *shard->documents));
	STATUS_TRY(
		memory_grow((void **)&shard->ids, &shard->id_capacity, shard->token_count + count, sizeof *shard->ids));
	STATUS_TRY(memory_grow((void **)&shard->labels, &shard->label_capacity, shard->token_count + count, 1));
	for (size_t i = 0; i < count; i++)
		shard->ids[shard->token_count + i] = work->tokens[i].id;
	tokenize_labels(document, work->tokens, count, shard->labels + shard->token_count);
	count_document(work->statistics, shard->split, document, shard->labels + shard->token_count, count);
	shard->documents[shard->document_count++] = (struct held_document){
		.place = random_bits(work->plan->seed, RANDOM_DOCUMENT_ORDER, STREAM_PLACE, document->number),
		.number = document->number,
		.begin = shard->token_count,
		.count = count,
		.domain = (uint8_t)document->domain,
	};
	shard->token_count += count;
	return STATUS_OK;
}

static enum status collect(struct work *work, struct corpus *corpus)
{
	for (;;) {
		struct document document;
		int found;
		STATUS_TRY(stop_check("tokenizing"));
		STATUS_TRY(corpus_next(corpus, &document, &found));
		if (!found)
			return STATUS_OK;
		work->has_token_labels = work->has_token_labels || document.labels == LABELS_TOKEN;
		int64_t shard = shard_of(work->plan, &document);
		if (shard < work->first || (shard - work->first) % work->step != 0)
			continue;
		STATUS_TRY(hold_document(work, &work->shards[(shard - work->first) / work->step], &document));
	}
}

/* ---- writing ---- */

static int compare_places(const void *a, const void *b)
{
	const struct held_document *x = a, *y = b;
	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

static void shard_release(struct held_shard *shard)
{
	free(shard->documents);
	free(shard->ids);
	free(shard->labels);
	shard->documents = NULL;
	shard->ids = NULL;
	shard->labels = NULL;
}

static enum status add_documents(const struct held_shard *shard, struct shard_writer *writer)
{
	for (size_t i = 0; i < shard->document_count; i++) {
		const struct held_document *document = &shard->documents[i];
		STATUS_TRY(shard_writer_add(writer, shard->ids + document->begin, shard->labels + document->begin,
		                            document->count, document->domain, document->number));
	}
	return STATUS_OK;
}

static enum status write_shard(const struct work *work, struct held_shard *shard)
{
	const struct tokenizer *tokenizer = work->plan->tokenizer;
	const struct shard_facts facts = {
		.tokenizer_hash = tokenizer_hash(tokenizer),
		.tokenizer = tokenizer_describe(tokenizer),
		.vocabulary = tokenizer_size(tokenizer),
		.end_of_text = tokenizer_end_of_text(tokenizer),
		.hidden = tokenizer_hidden(tokenizer),
		.block_tokens = work->plan->block_tokens,
		.has_token_labels = work->has_token_labels,
		.shard_count = work->plan->shard_counts[shard->split],
	};
	if (shard->document_count > 1)
		qsort(shard->documents, shard->document_count, sizeof *shard->documents, compare_places);
	char *path = shard_path(work->plan->folder, split_name(shard->split), shard->number);
	struct shard_writer *writer = NULL;
	enum status status = path == NULL ? STATUS_ENVIRONMENT : shard_writer_create(path, &facts, &writer);
	free(path);
	if (status == STATUS_OK)
		status = add_documents(shard, writer);
	/* The writer has its own copy. */
	shard_release(shard);
	if (status == STATUS_OK)
		return shard_writer_finish(writer);
	shard_writer_abandon(writer);
	return status;
}

/* ---- the whole ---- */

static enum status make_shards(struct work *work)
{
	work->total = tokenize_shard_total(work->plan);
	if (work->first < work->total)
		work->shard_count = (size_t)((work->total - work->first + work->step - 1) / work->step);
	work->shards = memory_allocate(work->shard_count, sizeof *work->shards);
	if (work->shards == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < work->shard_count; i++) {
		int64_t number = work->first + (int64_t)i * work->step;
		int split = 0;
		while (number >= work->plan->shard_counts[split])
			number -= work->plan->shard_counts[split++];
		work->shards[i].split = (enum split)split;
		work->shards[i].number = number;
	}
	return STATUS_OK;
}

enum status tokenize_shards(const struct tokenize_plan *plan, struct corpus *corpus, int64_t first, int64_t step,
                            struct tokenize_statistics *statistics)
{
	if (first < 0 || step < 1)
		return error_raise(STATUS_INTERNAL, "shards %" PRId64 " and every %" PRId64 " after it", first, step);
	struct tokenize_statistics counted = { 0 };
	struct work work = { .plan = plan, .first = first, .step = step, .statistics = &counted };
	enum status status = make_shards(&work);
	if (status == STATUS_OK && work.shard_count > 0)
		status = collect(&work, corpus);
	for (size_t i = 0; i < work.shard_count && status == STATUS_OK; i++) {
		status = stop_check("writing token shards");
		if (status == STATUS_OK)
			status = write_shard(&work, &work.shards[i]);
	}
	for (size_t i = 0; work.shards != NULL && i < work.shard_count; i++)
		shard_release(&work.shards[i]);
	free(work.shards);
	free(work.tokens);
	if (status == STATUS_OK)
		*statistics = counted;
	return status;
}
