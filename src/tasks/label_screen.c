/* Counting latents on documents with a domain, and choosing.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "tasks/label_parts.h"

/* Latents that are shown to people beside those that were chosen: such as were close to it. */
#define SHOWN_SHARE_OF_RATIO 0.3
enum { LEAST_SHOWN = 50, MOST_SHOWN = 4096 };

static enum status count_block(struct labelling *work, int64_t number, void *state)
{
	int64_t token, document, active = work->shape.active;
	(void)state;
	shard_set_block_begin(work->sets[LABEL_TRAIN], number, &token, &document);
	for (int64_t i = 0; i < work->block.document_count; i++) {
		int64_t first = work->begin[i], tokens = work->begin[i + 1] - first;
		latent_tally_add(&work->tally, document + i, latents_side(work->block.document_domain[i]), tokens,
		                 active, work->index + first * active, work->active + first * active);
	}
	return STATUS_OK;
}

static enum status check_sides(const struct labelling *work)
{
	const int64_t *totals = work->tally.totals;
	if (totals[TOTAL_FORGET_DOCUMENTS] > 0 && totals[TOTAL_OTHER_DOCUMENTS] > 0)
		return STATUS_OK;
	return error_raise(
		STATUS_DATA,
		"of the documents of the training set of %s that were looked at (label/screen_tokens) %lld have "
		"the domain forget and %lld retain, other, hard or unmarked: latents are screened by both",
		work->data, (long long)totals[TOTAL_FORGET_DOCUMENTS], (long long)totals[TOTAL_OTHER_DOCUMENTS]);
}

/* By hand, after the screen. */
static enum status apply_hand(struct labelling *work)
{
	for (int side = 0; side < 2; side++)
		for (int64_t i = 0; i < work->hand_count[side]; i++) {
			int32_t latent = work->hand[side][i];
			if (latent >= work->shape.latents)
				return error_raise(
					STATUS_USAGE, "label/%s: the autoencoder has latents 0 to %lld, not %d",
					side ? "take" : "leave", (long long)work->shape.latents - 1, (int)latent);
			if (side == 0)
				work->chosen[latent] = CHOICE_NONE;
			else if (work->chosen[latent] == CHOICE_NONE)
				work->chosen[latent] = CHOICE_HAND;
		}
	return STATUS_OK;
}

static enum status choose(struct labelling *work)
{
	const struct parameters *parameters = work->parameters;
	struct latent_screen screen = { .ratio = parameters_real(parameters, "label/ratio"),
		                        .minimum = parameters_integer(parameters, "label/minimum") };
	const struct latent_tally *tally = &work->tally;
	int64_t chosen = 0, dead = 0;
	STATUS_TRY(check_sides(work));
	int64_t passed = latents_screen(tally, &screen, work->chosen);
	STATUS_TRY(apply_hand(work));
	for (int64_t i = 0; i < work->shape.latents; i++) {
		chosen += work->chosen[i] != CHOICE_NONE;
		dead += tally->all[i] == 0;
	}
	latents_thresholds(tally, parameters_real(parameters, "label/deviations"), work->thresholds);
	log_info(
		"latents: %lld pass the screen (%g times as often in forget documents, in %lld of them at least), %lld are "
		"taken; %lld were never active in %lld tokens (%lld forget documents, %lld others)",
		(long long)passed, screen.ratio, (long long)screen.minimum, (long long)chosen, (long long)dead,
		(long long)tally->totals[TOTAL_TOKENS], (long long)tally->totals[TOTAL_FORGET_DOCUMENTS],
		(long long)tally->totals[TOTAL_OTHER_DOCUMENTS]);
	return STATUS_OK;
}

/* After all that people need to choose by hand is written. */
static enum status check_choice(const struct labelling *work)
{
	const struct parameters *parameters = work->parameters;
	int64_t chosen = 0, votes = parameters_integer(parameters, "label/votes");
	for (int64_t i = 0; i < work->shape.latents; i++)
		chosen += work->chosen[i] != CHOICE_NONE;
	if (chosen >= votes)
		return STATUS_OK;
	return error_raise(
		STATUS_DATA,
		"%lld latents are taken, but a token needs the votes of %lld (label/votes), so none would be "
		"forget: %s/latents.jsonl shows those that are nearest to the screen; choose a smaller label/ratio "
		"or label/minimum, latents by hand (label/take), or a model that knows more. The autoencoder "
		"is kept for the next start",
		(long long)chosen, (long long)votes, work->output);
}

/* ---- what people see ---- */

struct ranked {
	double ratio;
	int32_t latent;
	bool chosen;
};

static int compare_ranked(const void *left, const void *right)
{
	const struct ranked *a = left, *b = right;
	if (a->chosen != b->chosen)
		return a->chosen ? -1 : 1;
	if (a->ratio != b->ratio)
		return a->ratio > b->ratio ? -1 : 1;
	return a->latent < b->latent ? -1 : a->latent > b->latent;
}

/* The chosen latents, then those that were close; each by falling ratio. */
static enum status list_shown(const struct labelling *work, int32_t **shown_out, int64_t *count_out)
{
	double least = SHOWN_SHARE_OF_RATIO * parameters_real(work->parameters, "label/ratio");
	struct ranked *ranked = memory_allocate((size_t)work->shape.latents, sizeof *ranked);
	int64_t count = 0;
	if (ranked == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t i = 0; i < work->shape.latents; i++) {
		struct latent latent;
		latent_describe(&work->tally, i, &latent);
		ranked[i] = (struct ranked){ latent.ratio, (int32_t)i, work->chosen[i] != CHOICE_NONE };
	}
	qsort(ranked, (size_t)work->shape.latents, sizeof *ranked, compare_ranked);
	while (count < work->shape.latents && count < MOST_SHOWN &&
	       (count < LEAST_SHOWN || ranked[count].chosen || ranked[count].ratio >= least))
		count++;
	int32_t *shown = memory_allocate((size_t)count, sizeof *shown);
	for (int64_t i = 0; shown != NULL && i < count; i++)
		shown[i] = ranked[i].latent;
	free(ranked);
	*shown_out = shown;
	*count_out = count;
	return shown == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

/* places[count, LATENT_PLACES]: the strongest of all ranks. */
static enum status gather_places(const struct labelling *work, const int32_t *shown, int64_t count,
                                 struct latent_place *places)
{
	int size = work->world->size;
	int64_t each = count * LATENT_PLACES;
	struct latent_place *all = memory_allocate((size_t)(each * size), sizeof *all);
	if (all == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t i = 0; i < count; i++)
		memcpy(places + i * LATENT_PLACES, work->tally.places + (int64_t)shown[i] * LATENT_PLACES,
		       LATENT_PLACES * sizeof *places);
	enum status status =
		world_all_gather(work->world, places, (int)(each * (int64_t)sizeof *places), MPI_BYTE, all);
	for (int64_t i = 0; i < each; i++)
		places[i].document = -1;
	for (int64_t i = 0; i < each * size && status == STATUS_OK; i++)
		if (all[i].document >= 0)
			latent_place_add(places + i % each / LATENT_PLACES * LATENT_PLACES, &all[i]);
	free(all);
	return status;
}

static enum status show(struct labelling *work)
{
	struct world *world = work->world;
	struct latent_place *places = NULL;
	int32_t *shown = NULL;
	int64_t count = 0;
	enum status status = list_shown(work, &shown, &count);
	if (status == STATUS_OK) {
		places = memory_allocate((size_t)count * LATENT_PLACES, sizeof *places);
		status = places == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	}
	status = world_agree(world, status);
	if (status == STATUS_OK)
		status = world_agree(world, gather_places(work, shown, count, places));
	if (status == STATUS_OK)
		status = world_agree(world,
		                     world->rank == 0 ? label_write_latents(work, shown, count, places) : STATUS_OK);
	free(places);
	free(shown);
	return status;
}

enum status label_choose(struct labelling *work)
{
	struct world *world = work->world;
	struct shard_set *set = work->sets[LABEL_TRAIN];
	size_t latents = (size_t)work->shape.latents;
	enum status status = latent_tally_create(work->shape.latents, &work->tally);
	work->chosen = memory_allocate(latents, sizeof *work->chosen);
	work->thresholds = memory_allocate(latents, sizeof *work->thresholds);
	if (work->chosen == NULL || work->thresholds == NULL)
		status = STATUS_ENVIRONMENT;
	STATUS_TRY(world_agree(world, status));
	int64_t blocks = label_count_blocks(work, set, parameters_integer(work->parameters, "label/screen_tokens"));
	STATUS_TRY(label_visit_blocks(work, set, blocks, count_block, NULL));
	STATUS_TRY(world_sum_integers(world, work->tally.numbers, work->tally.number_count));
	STATUS_TRY(world_agree(world, choose(work)));
	STATUS_TRY(show(work));
	return world_agree(world, check_choice(work));
}
