/* The kinds of providers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/provider.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/timer.h"
#include "filter/score.h"
#include "roles/message.h"
#include "text/corpus.h"

struct provider {
	enum { PROVIDER_LOCAL, PROVIDER_REMOTE, PROVIDER_SCORER, PROVIDER_FILE, PROVIDER_LABELS } kind;
	struct timers *timers;
	struct shard_set *set;         /* local, file */
	struct hdf5_reader *scores;    /* file */
	struct provider *source;       /* scorer, file, labels */
	struct classifier *classifier; /* scorer */
	struct score_store *store;
	/* remote */
	const struct world *world;
	int first, count, credits;
	const char *role_text;
	int64_t *asked; /* [credits] block of each slot, -1: free */
	char *bytes;
	size_t byte_capacity;
};

static struct provider *create(int kind, struct timers *timers)
{
	struct provider *provider = memory_allocate(1, sizeof *provider);
	if (provider != NULL) {
		provider->kind = (typeof(provider->kind))kind;
		provider->timers = timers;
	}
	return provider;
}

enum status provider_create_local(struct shard_set *set, struct timers *timers, struct provider **provider_out)
{
	struct provider *provider = create(PROVIDER_LOCAL, timers);
	if (provider == NULL)
		return STATUS_ENVIRONMENT;
	provider->set = set;
	*provider_out = provider;
	return STATUS_OK;
}

enum status provider_create_remote(const struct world *world, int first, int count, const char *role_text, int credits,
                                   struct timers *timers, struct provider **provider_out)
{
	struct provider *provider = create(PROVIDER_REMOTE, timers);
	if (provider == NULL)
		return STATUS_ENVIRONMENT;
	provider->world = world;
	provider->first = first;
	provider->count = count;
	provider->role_text = role_text;
	provider->credits = credits;
	provider->asked = memory_allocate((size_t)credits, sizeof *provider->asked);
	if (provider->asked == NULL) {
		free(provider);
		return STATUS_ENVIRONMENT;
	}
	for (int slot = 0; slot < credits; slot++)
		provider->asked[slot] = -1;
	*provider_out = provider;
	return STATUS_OK;
}

enum status provider_create_scorer(struct provider *source, struct classifier *classifier, struct score_store *store,
                                   struct timers *timers, struct provider **provider_out)
{
	struct provider *provider = create(PROVIDER_SCORER, timers);
	if (provider == NULL)
		return STATUS_ENVIRONMENT;
	provider->source = source;
	provider->classifier = classifier;
	provider->store = store;
	*provider_out = provider;
	return STATUS_OK;
}

enum status provider_create_file(struct provider *source, struct shard_set *set, struct hdf5_reader *scores,
                                 struct provider **provider_out)
{
	struct provider *provider = create(PROVIDER_FILE, NULL);
	if (provider == NULL)
		return STATUS_ENVIRONMENT;
	provider->source = source;
	provider->set = set;
	provider->scores = scores;
	*provider_out = provider;
	return STATUS_OK;
}

enum status provider_create_labels(struct provider *source, struct provider **provider_out)
{
	struct provider *provider = create(PROVIDER_LABELS, NULL);
	if (provider == NULL)
		return STATUS_ENVIRONMENT;
	provider->source = source;
	*provider_out = provider;
	return STATUS_OK;
}

void provider_destroy(struct provider *provider)
{
	if (provider == NULL)
		return;
	provider_destroy(provider->source);
	free(provider->asked);
	free(provider->bytes);
	free(provider);
}

static int server_of(const struct provider *provider, int64_t block)
{
	return provider->first + (int)(block % provider->count);
}

static enum status remote_send(struct provider *provider, int rank, struct request request)
{
	MPI_Request pending;
	MPI_Isend(&request, 3, MPI_INT64_T, rank, TAG_REQUEST, provider->world->comm, &pending);
	char what[128];
	snprintf(what, sizeof what, "%s rank %d to take a request", provider->role_text, rank);
	return world_wait(provider->world, &pending, what);
}

static enum status remote_request(struct provider *provider, int64_t block)
{
	for (int slot = 0; slot < provider->credits; slot++) {
		if (provider->asked[slot] >= 0)
			continue;
		provider->asked[slot] = block;
		return remote_send(provider, server_of(provider, block),
		                   (struct request){ REQUEST_BLOCK, block, slot });
	}
	return error_raise(STATUS_INTERNAL, "block %lld was asked for beyond %d credits", (long long)block,
	                   provider->credits);
}

static enum status remote_take(struct provider *provider, int64_t block, struct block *out)
{
	int slot = 0;
	while (slot < provider->credits && provider->asked[slot] != block)
		slot++;
	if (slot == provider->credits)
		return error_raise(STATUS_INTERNAL, "block %lld was not asked for", (long long)block);
	int rank = server_of(provider, block);
	double since = timer_seconds(), begin = since;
	unsigned naps = 0;
	for (;;) {
		int found = 0;
		MPI_Message message;
		MPI_Status facts;
		MPI_Improbe(rank, TAG_BLOCK + slot, provider->world->comm, &found, &message, &facts);
		if (found) {
			int size = 0;
			MPI_Get_count(&facts, MPI_BYTE, &size);
			STATUS_TRY(memory_grow((void **)&provider->bytes, &provider->byte_capacity, (size_t)size, 1));
			MPI_Request pending;
			MPI_Imrecv(provider->bytes, size, MPI_BYTE, &message, &pending);
			STATUS_TRY(world_wait(provider->world, &pending, "the bytes of a block"));
			provider->asked[slot] = -1;
			timers_add(provider->timers, ACTIVITY_WAIT_BLOCK, &since);
			return message_block_unpack(provider->bytes, size, out);
		}
		if (naps > 16 && timer_seconds() - begin > provider->world->timeout)
			return error_raise(STATUS_PEER, "no answer within %.0f s (run/timeout) from %s rank %d about block %lld",
			                   provider->world->timeout, provider->role_text, rank, (long long)block);
		world_nap(&naps);
	}
}

static enum status scorer_take(struct provider *provider, int64_t block, struct block *out)
{
	STATUS_TRY(provider_take(provider->source, block, out));
	double since = timer_seconds();
	if (score_store_find(provider->store, block)) {
		STATUS_TRY(score_store_load(provider->store, out));
	} else {
		STATUS_TRY(classifier_score_block(provider->classifier, out));
		STATUS_TRY(score_store_append(provider->store, out));
		provider->timers->scored_tokens += out->token_count;
	}
	timers_add(provider->timers, ACTIVITY_SCORE, &since);
	return STATUS_OK;
}

static enum status file_take(struct provider *provider, int64_t number, struct block *out)
{
	int64_t token, document;
	uint8_t present;
	STATUS_TRY(provider_take(provider->source, number, out));
	shard_set_block_begin(provider->set, number, &token, &document);
	STATUS_TRY(hdf5_read_range(provider->scores, "blocks/present", HDF5_UINT8, number, 1, &present));
	if (!present)
		return error_raise(STATUS_DATA, "the score file has no scores of block %lld: its pass was not finished",
		                   (long long)number);
	STATUS_TRY(hdf5_read_range(provider->scores, "scores", HDF5_UINT16, token, out->token_count, out->scores));
	STATUS_TRY(hdf5_read_range(provider->scores, "document_scores", HDF5_UINT16, document, out->document_count,
	                           out->document_scores));
	out->scored = true;
	return STATUS_OK;
}

static void score_labels(struct block *block)
{
	for (int64_t i = 0; i < block->token_count; i++)
		block->scores[i] = block->labels[i] == DOMAIN_FORGET ? SCORE_HIGHEST : SCORE_LOWEST;
	for (int64_t i = 0; i < block->document_count; i++)
		block->document_scores[i] = block->document_domain[i] == DOMAIN_FORGET ? SCORE_HIGHEST : SCORE_LOWEST;
	block->scored = true;
}

enum status provider_request(struct provider *provider, int64_t block)
{
	if (provider->kind == PROVIDER_LOCAL)
		return STATUS_OK;
	return provider->kind == PROVIDER_REMOTE ? remote_request(provider, block)
	                                         : provider_request(provider->source, block);
}

enum status provider_take(struct provider *provider, int64_t block, struct block *out)
{
	double since = timer_seconds();
	switch (provider->kind) {
	case PROVIDER_LOCAL:
		STATUS_TRY(shard_set_read_block(provider->set, block, out));
		provider->timers->read_tokens += out->token_count;
		timers_add(provider->timers, ACTIVITY_READ, &since);
		return STATUS_OK;
	case PROVIDER_REMOTE:
		return remote_take(provider, block, out);
	case PROVIDER_SCORER:
		return scorer_take(provider, block, out);
	case PROVIDER_FILE:
		return file_take(provider, block, out);
	case PROVIDER_LABELS:
		STATUS_TRY(provider_take(provider->source, block, out));
		score_labels(out);
		return STATUS_OK;
	}
	return error_raise(STATUS_INTERNAL, "unknown provider");
}

enum status provider_finish(struct provider *provider)
{
	if (provider->source != NULL)
		return provider_finish(provider->source);
	if (provider->kind != PROVIDER_REMOTE)
		return STATUS_OK;
	struct block dropped = { 0 };
	enum status status = STATUS_OK;
	for (int slot = 0; slot < provider->credits && status == STATUS_OK; slot++)
		if (provider->asked[slot] >= 0)
			status = remote_take(provider, provider->asked[slot], &dropped);
	block_clear(&dropped);
	for (int server = 0; server < provider->count && status == STATUS_OK; server++)
		status = remote_send(provider, provider->first + server, (struct request){ REQUEST_FINISH, 0, 0 });
	return status;
}
