/* The kinds of providers.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/provider.h"

#include <stdlib.h>

#include "base/memory.h"
#include "base/timer.h"
#include "filter/score.h"
#include "roles/remote.h"
#include "roles/scorer.h"
#include "text/corpus.h"

struct provider {
	enum { PROVIDER_LOCAL, PROVIDER_REMOTE, PROVIDER_SCORER, PROVIDER_FILE, PROVIDER_LABELS, PROVIDER_NULL } kind;
	struct timers *timers;
	struct shard_set *set;      /* local, file */
	struct hdf5_reader *scores; /* file */
	struct provider *source;    /* scorer, file, labels, null */
	struct scorer *scorer;
	struct remote *remote;
	struct block block; /* for whoever takes blocks one by one */
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
	enum status status = remote_create(world, first, count, role_text, credits, timers, &provider->remote);
	if (status != STATUS_OK) {
		free(provider);
		return status;
	}
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
	enum status status = scorer_create(source, classifier, store, timers, &provider->scorer);
	if (status != STATUS_OK) {
		free(provider);
		return status;
	}
	provider_set_progress(provider, NULL, NULL);
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

enum status provider_create_null(struct provider *source, struct timers *timers, struct provider **provider_out)
{
	struct provider *provider = create(PROVIDER_NULL, timers);
	if (provider == NULL)
		return STATUS_ENVIRONMENT;
	provider->source = source;
	*provider_out = provider;
	return STATUS_OK;
}

struct block *provider_block(struct provider *provider)
{
	return &provider->block;
}

void provider_destroy(struct provider *provider)
{
	if (provider == NULL)
		return;
	scorer_destroy(provider->scorer);
	provider_destroy(provider->source);
	remote_destroy(provider->remote);
	block_clear(&provider->block);
	free(provider);
}

void provider_release(struct provider *provider)
{
	if (provider != NULL)
		provider->source = NULL;
	provider_destroy(provider);
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

/* Mixing as in random number generators of two rounds: cheap, and every bit of block and index counts. */
static uint16_t mix(uint32_t value)
{
	value = (value ^ value >> 16) * 0x7FEB352Du;
	value = (value ^ value >> 15) * 0x846CA68Bu;
	return (uint16_t)(value >> 16);
}

uint16_t provider_null_score(int64_t block, int64_t index)
{
	return mix((uint32_t)block * 0x9E3779B1u + (uint32_t)index);
}

static void score_null(struct provider *provider, struct block *block)
{
	double since = timer_seconds();
	uint32_t first = (uint32_t)block->number * 0x9E3779B1u;
	for (int64_t i = 0; i < block->token_count; i++)
		block->scores[i] = mix(first + (uint32_t)i);
	for (int64_t i = 0; i < block->document_count; i++)
		block->document_scores[i] = mix(first + (uint32_t)i);
	block->scored = true;
	provider->timers->scored_tokens += block->token_count;
	timers_add(provider->timers, ACTIVITY_SCORE, &since);
}

enum status provider_request(struct provider *provider, int64_t block)
{
	if (provider->kind == PROVIDER_LOCAL)
		return STATUS_OK;
	if (provider->kind == PROVIDER_SCORER)
		STATUS_TRY(scorer_request(provider->scorer, block));
	return provider->kind == PROVIDER_REMOTE ? remote_request(provider->remote, block)
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
		return remote_take(provider->remote, block, out);
	case PROVIDER_SCORER:
		return scorer_take(provider->scorer, block, out);
	case PROVIDER_FILE:
		return file_take(provider, block, out);
	case PROVIDER_LABELS:
		STATUS_TRY(provider_take(provider->source, block, out));
		score_labels(out);
		return STATUS_OK;
	case PROVIDER_NULL:
		STATUS_TRY(provider_take(provider->source, block, out));
		score_null(provider, out);
		return STATUS_OK;
	}
	return error_raise(STATUS_INTERNAL, "unknown provider");
}

enum status provider_pause(struct provider *provider)
{
	for (; provider != NULL; provider = provider->source)
		if (provider->kind == PROVIDER_SCORER)
			STATUS_TRY(scorer_pause(provider->scorer));
	return STATUS_OK;
}

bool provider_has(const struct provider *provider, int64_t block)
{
	while (provider->source != NULL)
		provider = provider->source;
	return provider->kind == PROVIDER_LOCAL || remote_has(provider->remote, block);
}

enum status provider_drain(struct provider *provider)
{
	if (provider->kind == PROVIDER_SCORER)
		STATUS_TRY(scorer_drain(provider->scorer));
	if (provider->source != NULL)
		return provider_drain(provider->source);
	return provider->kind == PROVIDER_REMOTE ? remote_drain(provider->remote) : STATUS_OK;
}

enum status provider_finish(struct provider *provider)
{
	if (provider->kind == PROVIDER_SCORER)
		STATUS_TRY(scorer_drain(provider->scorer));
	if (provider->source != NULL)
		return provider_finish(provider->source);
	return provider->kind == PROVIDER_REMOTE ? remote_finish(provider->remote) : STATUS_OK;
}

void provider_progress(void *state)
{
	struct provider *provider = state;
	while (provider->source != NULL)
		provider = provider->source;
	if (provider->kind == PROVIDER_REMOTE)
		remote_progress(provider->remote);
}

void provider_sign_life(struct provider *provider)
{
	while (provider->source != NULL)
		provider = provider->source;
	if (provider->kind == PROVIDER_REMOTE)
		remote_sign_life(provider->remote);
}

void provider_measure(const struct provider *provider, int64_t *held_out, int64_t *bytes_out, int64_t *blocks_out)
{
	while (provider->source != NULL)
		provider = provider->source;
	*held_out = *bytes_out = *blocks_out = 0;
	if (provider->kind == PROVIDER_REMOTE)
		remote_measure(provider->remote, held_out, bytes_out, blocks_out);
}

void provider_set_progress(struct provider *provider, void (*progress)(void *state), void *state)
{
	for (; provider != NULL; provider = provider->source) {
		if (provider->kind == PROVIDER_SCORER)
			scorer_set_progress(provider->scorer, progress != NULL ? progress : provider_progress,
			                    progress != NULL ? state : provider);
		if (provider->kind == PROVIDER_REMOTE)
			remote_set_progress(provider->remote, progress, state);
	}
}
