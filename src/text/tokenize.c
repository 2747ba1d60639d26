/* Sorting the documents of a corpus into splits and shards, and writing the shards.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenize.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/stop.h"
#include "base/timer.h"
#include "text/shard.h"
#include "text/tokenize_state.h"

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

static void count_document(struct tokenize_statistics *statistics, enum split split,
                           const struct held_document *document, const uint8_t *labels)
{
	statistics->documents[split][document->domain]++;
	statistics->tokens[split][document->domain] += (int64_t)document->count + 1;
	statistics->bytes[split] += document->bytes;
	statistics->labelled[split][DOMAIN_UNMARKED]++; /* the end-of-text token */
	for (size_t i = 0; i < document->count; i++)
		statistics->labelled[split][labels[document->begin + i]]++;
}

enum status held_shard_reserve(struct held_shard *shard, size_t documents, size_t tokens)
{
	STATUS_TRY(memory_grow((void **)&shard->documents, &shard->document_capacity, shard->document_count + documents,
	                       sizeof *shard->documents));
	STATUS_TRY(memory_grow((void **)&shard->ids, &shard->id_capacity, shard->token_count + tokens,
	                       sizeof *shard->ids));
	return memory_grow((void **)&shard->labels, &shard->label_capacity, shard->token_count + tokens, 1);
}

/* The shard of this rank that still lacks the document; NULL: none. */
static struct held_shard *find_shard(struct tokenize_work *work, const struct document *document)
{
	int64_t number = shard_of(&work->plan, document);
	if (number < work->first || (number - work->first) % work->step != 0)
		return NULL;
	struct held_shard *shard = &work->shards[(number - work->first) / work->step];
	return shard->finished || document->number < shard->through ? NULL : shard;
}

/* *next: number of the first document that was not looked at. */
static enum status read_corpus(struct tokenize_work *work, struct corpus *corpus, uint64_t *next)
{
	for (;;) {
		struct document document;
		int found;
		STATUS_TRY(stop_check("tokenizing"));
		STATUS_TRY(corpus_next(corpus, &document, &found));
		if (!found)
			return STATUS_OK;
		work->has_token_labels = work->has_token_labels || document.labels == LABELS_TOKEN;
		work->has_conversations = work->has_conversations || document.turn_count > 0;
		struct held_shard *shard = find_shard(work, &document);
		if (shard != NULL)
			STATUS_TRY(hold_document(work, shard, &document));
		*next = document.number + 1;
		if (keep_is_due(work))
			STATUS_TRY(keep_save(work, *next));
	}
}

static enum status collect(struct tokenize_work *work, struct corpus *corpus)
{
	bool complete = true;
	uint64_t next = 0;
	for (size_t i = 0; i < work->shard_count; i++)
		complete = complete && (work->shards[i].finished || work->shards[i].through == END_OF_CORPUS);
	if (complete)
		return STATUS_OK;
	enum status status = read_corpus(work, corpus, &next);
	if (status == STATUS_STOPPED) {
		STATUS_TRY(keep_save(work, next));
		return stop_check("tokenizing");
	}
	STATUS_TRY(status);
	/* Where it took less than the time between two savings the files themselves are as quickly written. */
	return work->saved ? keep_save(work, END_OF_CORPUS) : STATUS_OK;
}

/* ---- writing ---- */

static int compare_places(const void *a, const void *b)
{
	const struct held_document *x = a, *y = b;
	if (x->place != y->place)
		return x->place < y->place ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

void held_shard_release(struct held_shard *shard)
{
	free(shard->documents);
	free(shard->ids);
	free(shard->labels);
	shard->documents = NULL;
	shard->ids = NULL;
	shard->labels = NULL;
	shard->document_count = shard->document_capacity = 0;
	shard->token_count = shard->id_capacity = shard->label_capacity = 0;
}

static enum status add_documents(const struct held_shard *shard, struct shard_writer *writer)
{
	for (size_t i = 0; i < shard->document_count; i++) {
		const struct held_document *document = &shard->documents[i];
		STATUS_TRY(shard_writer_add(writer, shard->ids + document->begin, shard->labels + document->begin,
		                            document->count, document->domain, document->number, document->group));
	}
	return STATUS_OK;
}

/* *blank: 1 + the id of one blank, where documents are questions; else 0. */
static enum status find_blank(const struct tokenize_work *work, int32_t *blank)
{
	struct token_span *spans = NULL;
	size_t capacity = 0, count = 0;
	*blank = 0;
	if (!work->plan.questions)
		return STATUS_OK;
	enum status status = tokenizer_encode(work->plan.tokenizer, " ", 1, &spans, &capacity, &count);
	if (status == STATUS_OK && count == 1)
		*blank = 1 + spans[0].id;
	free(spans);
	return status == STATUS_OK && *blank == 0
	               ? error_raise(STATUS_INTERNAL, "a blank is %zu tokens in this vocabulary", count)
	               : status;
}

static enum status write_file(const struct tokenize_work *work, struct held_shard *shard)
{
	const struct tokenizer *tokenizer = work->plan.tokenizer;
	int32_t blank;
	STATUS_TRY(find_blank(work, &blank));
	int32_t size = tokenizer_size(tokenizer), markers = tokenizer_turn_markers(tokenizer);
	markers = work->has_conversations ? markers : 0;
	if (markers > 0 && size < markers + TURN_MARKERS)
		size = markers + TURN_MARKERS;
	const struct shard_facts facts = {
		.tokenizer_hash = tokenizer_hash(tokenizer),
		.tokenizer = tokenizer_describe(tokenizer),
		.vocabulary = size,
		.learned = { .markers = markers, .blank = blank },
		.end_of_text = tokenizer_end_of_text(tokenizer),
		.hidden = tokenizer_hidden(tokenizer),
		.block_tokens = work->plan.block_tokens,
		.has_token_labels = work->has_token_labels,
		.shard_count = work->plan.shard_counts[shard->split],
	};
	if (shard->document_count > 1)
		qsort(shard->documents, shard->document_count, sizeof *shard->documents, compare_places);
	char *path = shard_path(work->plan.folder, split_name(shard->split), shard->number);
	struct shard_writer *writer = NULL;
	enum status status = path == NULL ? STATUS_ENVIRONMENT : shard_writer_create(path, &facts, &writer);
	free(path);
	if (status == STATUS_OK)
		status = add_documents(shard, writer);
	/* The writer has its own copy. */
	held_shard_release(shard);
	if (status == STATUS_OK)
		return shard_writer_finish(writer);
	shard_writer_abandon(writer);
	return status;
}

static void add_statistics(struct tokenize_statistics *sum, const struct tokenize_statistics *own)
{
	int64_t *to = (int64_t *)sum;
	const int64_t *from = (const int64_t *)own;
	for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
		to[i] += from[i];
}

static enum status write_shard(struct tokenize_work *work, struct held_shard *shard)
{
	struct tokenize_statistics own = { 0 };
	for (size_t i = 0; i < shard->document_count; i++)
		count_document(&own, shard->split, &shard->documents[i], shard->labels);
	STATUS_TRY(write_file(work, shard));
	shard->finished = true;
	add_statistics(&work->statistics, &own);
	return keep_finish(work, shard, &own);
}

static enum status write_shards(struct tokenize_work *work)
{
	for (size_t i = 0; i < work->shard_count; i++) {
		if (work->shards[i].finished)
			continue;
		if (stop_asked(0)) {
			STATUS_TRY(keep_save(work, END_OF_CORPUS));
			STATUS_TRY(stop_check("writing token shards"));
		}
		STATUS_TRY(write_shard(work, &work->shards[i]));
	}
	return STATUS_OK;
}

/* ---- the whole ---- */

static enum status make_shards(struct tokenize_work *work)
{
	int64_t total = tokenize_shard_total(&work->plan);
	if (work->first < total)
		work->shard_count = (size_t)((total - work->first + work->step - 1) / work->step);
	work->shards = memory_allocate(work->shard_count, sizeof *work->shards);
	if (work->shards == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < work->shard_count; i++) {
		int64_t number = work->first + (int64_t)i * work->step;
		int split = 0;
		while (number >= work->plan.shard_counts[split])
			number -= work->plan.shard_counts[split++];
		work->shards[i].split = (enum split)split;
		work->shards[i].number = number;
	}
	return STATUS_OK;
}

/* What is kept of a finished shard is counted at once, of the others when they are written. */
static enum status find_kept(struct tokenize_work *work)
{
	work->progress.files = (int64_t)work->shard_count;
	for (size_t i = 0; i < work->shard_count; i++) {
		struct held_shard *shard = &work->shards[i];
		STATUS_TRY(keep_find(work, shard));
		work->progress.kept_documents += (int64_t)shard->document_count;
		if (!shard->finished)
			continue;
		add_statistics(&work->statistics, shard->statistics);
		work->progress.kept_files++;
		for (int domain = 0; domain < DOMAIN_COUNT; domain++)
			work->progress.kept_documents += shard->statistics->documents[shard->split][domain];
	}
	return STATUS_OK;
}

enum status tokenize_open(const struct tokenize_plan *plan, int64_t first, int64_t step,
                          struct tokenize_work **work_out)
{
	if (first < 0 || step < 1)
		return error_raise(STATUS_INTERNAL, "shards %" PRId64 " and every %" PRId64 " after it", first, step);
	struct tokenize_work *work = memory_allocate(1, sizeof *work);
	if (work == NULL)
		return STATUS_ENVIRONMENT;
	*work = (struct tokenize_work){ .plan = *plan, .first = first, .step = step, .saved_at = timer_seconds() };
	enum status status = make_shards(work);
	if (status == STATUS_OK)
		status = find_kept(work);
	if (status != STATUS_OK) {
		tokenize_close(work);
		return status;
	}
	*work_out = work;
	return STATUS_OK;
}

enum status tokenize_run(struct tokenize_work *work, struct corpus *corpus)
{
	STATUS_TRY(collect(work, corpus));
	return write_shards(work);
}

const struct tokenize_progress *tokenize_progress(const struct tokenize_work *work)
{
	return &work->progress;
}

const struct tokenize_statistics *tokenize_statistics(const struct tokenize_work *work)
{
	return &work->statistics;
}

void tokenize_close(struct tokenize_work *work)
{
	if (work == NULL)
		return;
	for (size_t i = 0; work->shards != NULL && i < work->shard_count; i++) {
		held_shard_release(&work->shards[i]);
		free(work->shards[i].statistics);
		journal_close(work->shards[i].journal); /* all of it was made durable when it was saved */
	}
	free(work->shards);
	free(work->tokens);
	free(work);
}
