/* Two places for blocks: the one that is taken, and the one that is begun ahead of its turn.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/scorer.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/timer.h"

struct place {
	enum { PLACE_FREE, PLACE_READ, PLACE_BEGUN, PLACE_SCORED } state; /* READ: from the source, no more */
	struct block block;
};

struct scorer {
	struct provider *source;
	struct classifier *classifier;
	struct score_store *store;
	struct timers *timers;
	void (*progress)(void *state);
	void *progress_state;
	struct place places[CLASSIFIER_BLOCKS]; /* between two calls at most one is begun */
	int64_t *asked;                         /* blocks that will be taken, in the order of the requests */
	size_t asked_count, asked_capacity;
};

/* Called while a block is being scored, and while another scores it. */
static void go_on(void *state)
{
	struct scorer *scorer = state;
	score_store_beat(scorer->store);
	if (scorer->progress != NULL)
		scorer->progress(scorer->progress_state);
}

enum status scorer_create(struct provider *source, struct classifier *classifier, struct score_store *store,
                          struct timers *timers, struct scorer **scorer_out)
{
	struct scorer *scorer = memory_allocate(1, sizeof *scorer);
	if (scorer == NULL)
		return STATUS_ENVIRONMENT;
	*scorer = (struct scorer){ .source = source, .classifier = classifier, .store = store, .timers = timers };
	*scorer_out = scorer;
	return STATUS_OK;
}

void scorer_destroy(struct scorer *scorer)
{
	if (scorer == NULL)
		return;
	for (int i = 0; i < CLASSIFIER_BLOCKS; i++)
		if (scorer->places[i].state == PLACE_BEGUN)
			(void)classifier_score_end(scorer->classifier);
	for (int i = 0; i < CLASSIFIER_BLOCKS; i++)
		block_clear(&scorer->places[i].block);
	free(scorer->asked);
	free(scorer);
}

void scorer_set_progress(struct scorer *scorer, void (*progress)(void *state), void *state)
{
	scorer->progress = progress;
	scorer->progress_state = state;
}

/* ---- the order of the requests ---- */

enum status scorer_request(struct scorer *scorer, int64_t block)
{
	void *asked = scorer->asked;
	STATUS_TRY(memory_grow(&asked, &scorer->asked_capacity, scorer->asked_count + 1, sizeof *scorer->asked));
	scorer->asked = asked;
	scorer->asked[scorer->asked_count++] = block;
	return STATUS_OK;
}

static void forget_request(struct scorer *scorer, int64_t block)
{
	size_t at = 0;
	while (at < scorer->asked_count && scorer->asked[at] != block)
		at++;
	if (at == scorer->asked_count)
		return;
	scorer->asked_count--;
	memmove(scorer->asked + at, scorer->asked + at + 1, (scorer->asked_count - at) * sizeof *scorer->asked);
}

/* ---- one block ---- */

static enum status begin(struct scorer *scorer, struct place *place)
{
	classifier_set_progress(scorer->classifier, go_on, scorer);
	enum status status = classifier_score_begin(scorer->classifier, &place->block);
	classifier_set_progress(scorer->classifier, NULL, NULL);
	if (status == STATUS_OK)
		place->state = PLACE_BEGUN;
	return status;
}

/* The place that was begun first. */
static enum status finish(struct scorer *scorer, struct place *place)
{
	classifier_set_progress(scorer->classifier, go_on, scorer);
	enum status status = classifier_score_end(scorer->classifier);
	classifier_set_progress(scorer->classifier, NULL, NULL);
	place->state = PLACE_SCORED;
	STATUS_TRY(status);
	STATUS_TRY(score_store_append(scorer->store, &place->block));
	scorer->timers->scored_tokens += place->block.token_count;
	scorer->timers->scored_blocks++;
	return STATUS_OK;
}

static enum status finish_begun(struct scorer *scorer)
{
	for (int i = 0; i < CLASSIFIER_BLOCKS; i++)
		if (scorer->places[i].state == PLACE_BEGUN)
			STATUS_TRY(finish(scorer, &scorer->places[i]));
	return STATUS_OK;
}

/* The place of the block, else a free one, or NULL. */
static struct place *place_of(struct scorer *scorer, int64_t block)
{
	struct place *found = NULL;
	for (int i = 0; i < CLASSIFIER_BLOCKS; i++) {
		struct place *place = &scorer->places[i];
		if (place->state != PLACE_FREE && place->block.number == block)
			return place;
		if (place->state == PLACE_FREE)
			found = place;
	}
	return found;
}

static enum status read_block(struct scorer *scorer, int64_t block, struct place *place)
{
	STATUS_TRY(provider_take(scorer->source, block, &place->block));
	place->state = PLACE_READ;
	return STATUS_OK;
}

/* Begins the block that comes next, if that makes nobody wait. */
static enum status look_ahead(struct scorer *scorer, int64_t block, double *since)
{
	if (!classifier_is_asynchronous(scorer->classifier) || scorer->asked_count == 0)
		return STATUS_OK;
	int64_t next = scorer->asked[0];
	struct place *place = place_of(scorer, next);
	if (next == block || place == NULL || score_store_find(scorer->store, next))
		return STATUS_OK;
	if (place->state == PLACE_FREE) {
		if (!provider_has(scorer->source, next))
			return STATUS_OK;
		timers_add(scorer->timers, ACTIVITY_SCORE, since);
		STATUS_TRY(read_block(scorer, next, place));
		*since = timer_seconds();
	}
	if (place->state != PLACE_READ)
		return STATUS_OK;
	bool held;
	STATUS_TRY(score_store_try_claim(scorer->store, &place->block, &held));
	return held ? begin(scorer, place) : STATUS_OK;
}

static enum status score(struct scorer *scorer, struct place *place, double *since)
{
	bool there;
	if (place->state == PLACE_READ) {
		STATUS_TRY(score_store_claim(scorer->store, &place->block, go_on, scorer, &there));
		if (there) {
			place->state = PLACE_SCORED;
			return score_store_load(scorer->store, &place->block);
		}
		STATUS_TRY(begin(scorer, place));
	}
	if (place->state != PLACE_BEGUN)
		return STATUS_OK;
	STATUS_TRY(look_ahead(scorer, place->block.number, since));
	return finish(scorer, place);
}

enum status scorer_take(struct scorer *scorer, int64_t block, struct block *out)
{
	forget_request(scorer, block);
	struct place *place = place_of(scorer, block);
	/* Another one than was to come next: what was begun is ended, so that nobody waits for it while this one is waited for. */
	if (place == NULL || place->state != PLACE_BEGUN)
		STATUS_TRY(finish_begun(scorer));
	if (place == NULL)
		return error_raise(STATUS_INTERNAL, "there is no place for block %lld", (long long)block);
	if (place->state == PLACE_FREE)
		STATUS_TRY(read_block(scorer, block, place));
	double since = timer_seconds();
	STATUS_TRY(score(scorer, place, &since));
	timers_add(scorer->timers, ACTIVITY_SCORE, &since);
	struct block taken = place->block;
	place->block = *out;
	place->state = PLACE_FREE;
	*out = taken;
	return STATUS_OK;
}

enum status scorer_pause(struct scorer *scorer)
{
	double since = timer_seconds();
	STATUS_TRY(finish_begun(scorer));
	timers_add(scorer->timers, ACTIVITY_SCORE, &since);
	return STATUS_OK;
}

enum status scorer_drain(struct scorer *scorer)
{
	STATUS_TRY(finish_begun(scorer));
	for (int i = 0; i < CLASSIFIER_BLOCKS; i++)
		scorer->places[i].state = PLACE_FREE;
	scorer->asked_count = 0;
	return STATUS_OK;
}
