/* Counting and screening latents.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/latents.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "text/corpus.h"

enum latent_side latents_side(uint8_t domain)
{
	switch (domain) {
	case DOMAIN_FORGET:
		return SIDE_FORGET;
	case DOMAIN_RETAIN:
	case DOMAIN_OTHER:
	case DOMAIN_HARD:
	case DOMAIN_UNMARKED:
		return SIDE_OTHER;
	default:
		return SIDE_NONE;
	}
}

enum status latent_tally_create(int64_t latents, struct latent_tally *tally)
{
	enum { ARRAYS = 7 };
	*tally = (struct latent_tally){ .latents = latents, .number_count = ARRAYS * latents + LATENT_TOTALS };
	tally->numbers = memory_allocate((size_t)tally->number_count, sizeof *tally->numbers);
	tally->places = memory_allocate((size_t)latents * LATENT_PLACES, sizeof *tally->places);
	tally->best = memory_allocate((size_t)latents, sizeof *tally->best);
	tally->best_token = memory_allocate((size_t)latents, sizeof *tally->best_token);
	tally->touched = memory_allocate((size_t)latents, sizeof *tally->touched);
	if (tally->numbers == NULL || tally->places == NULL || tally->best == NULL || tally->best_token == NULL ||
	    tally->touched == NULL) {
		latent_tally_clear(tally);
		return STATUS_ENVIRONMENT;
	}
	int64_t **arrays[ARRAYS] = { &tally->tokens[0], &tally->tokens[1], &tally->documents[0], &tally->documents[1],
		                     &tally->all,       &tally->sums,      &tally->squares };
	for (int i = 0; i < ARRAYS; i++)
		*arrays[i] = tally->numbers + i * latents;
	tally->totals = tally->numbers + ARRAYS * latents;
	for (int64_t i = 0; i < latents * LATENT_PLACES; i++)
		tally->places[i].document = -1;
	return STATUS_OK;
}

void latent_tally_clear(struct latent_tally *tally)
{
	free(tally->numbers);
	free(tally->places);
	free(tally->best);
	free(tally->best_token);
	free(tally->touched);
	*tally = (struct latent_tally){ 0 };
}

static bool is_stronger(const struct latent_place *a, const struct latent_place *b)
{
	if (b->document < 0 || a->value != b->value)
		return b->document < 0 || a->value > b->value;
	return a->document < b->document;
}

void latent_place_add(struct latent_place *places, const struct latent_place *place)
{
	int at = LATENT_PLACES;
	while (at > 0 && is_stronger(place, &places[at - 1]))
		at--;
	for (int i = LATENT_PLACES - 1; i > at; i--)
		places[i] = places[i - 1];
	if (at < LATENT_PLACES)
		places[at] = *place;
}

/* One active latent of a token. Returns the number of latents touched in the document so far. */
static int64_t count_value(struct latent_tally *tally, enum latent_side side, int64_t token, int32_t latent,
                           float value, int64_t touched)
{
	tally->all[latent]++;
	tally->sums[latent] += llround((double)value * LATENT_UNIT);
	tally->squares[latent] += llround((double)value * (double)value * LATENT_SQUARE_UNIT);
	tally->totals[TOTAL_ACTIVE]++;
	if (side == SIDE_NONE)
		return touched;
	tally->tokens[side][latent]++;
	if (tally->best[latent] == 0.0F)
		tally->touched[touched++] = latent;
	if (value > tally->best[latent]) {
		tally->best[latent] = value;
		tally->best_token[latent] = (int32_t)token;
	}
	return touched;
}

void latent_tally_add(struct latent_tally *tally, int64_t document, enum latent_side side, int64_t tokens,
                      int64_t active, const int32_t *index, const float *values)
{
	int64_t touched = 0;
	for (int64_t i = 0; i < tokens * active; i++)
		if (index[i] >= 0)
			touched = count_value(tally, side, i / active, index[i], values[i], touched);
	tally->totals[TOTAL_TOKENS] += tokens;
	if (side == SIDE_NONE)
		return;
	tally->totals[side == SIDE_FORGET ? TOTAL_FORGET_TOKENS : TOTAL_OTHER_TOKENS] += tokens;
	tally->totals[side == SIDE_FORGET ? TOTAL_FORGET_DOCUMENTS : TOTAL_OTHER_DOCUMENTS]++;
	for (int64_t i = 0; i < touched; i++) {
		int32_t latent = tally->touched[i];
		struct latent_place place = { document, tally->best_token[latent], tally->best[latent] };
		tally->documents[side][latent]++;
		latent_place_add(tally->places + (int64_t)latent * LATENT_PLACES, &place);
		tally->best[latent] = 0.0F;
	}
}

static double share(int64_t part, int64_t whole)
{
	return whole > 0 ? (double)part / (double)whole : 0.0;
}

void latent_describe(const struct latent_tally *tally, int64_t number, struct latent *out)
{
	int64_t others = tally->tokens[SIDE_OTHER][number];
	double tokens = (double)tally->totals[TOTAL_TOKENS];
	out->rate[SIDE_FORGET] = share(tally->tokens[SIDE_FORGET][number], tally->totals[TOTAL_FORGET_TOKENS]);
	out->rate[SIDE_OTHER] = share(others, tally->totals[TOTAL_OTHER_TOKENS]);
	double least = share(others > 0 ? others : 1, tally->totals[TOTAL_OTHER_TOKENS]);
	out->ratio = least > 0.0 ? out->rate[SIDE_FORGET] / least : 0.0;
	out->mean = tokens > 0.0 ? (double)tally->sums[number] / LATENT_UNIT / tokens : 0.0;
	double square = tokens > 0.0 ? (double)tally->squares[number] / LATENT_SQUARE_UNIT / tokens : 0.0;
	out->deviation = sqrt(fmax(square - out->mean * out->mean, 0.0));
}

int64_t latents_screen(const struct latent_tally *tally, const struct latent_screen *screen, uint8_t *chosen)
{
	int64_t count = 0;
	for (int64_t i = 0; i < tally->latents; i++) {
		struct latent latent;
		latent_describe(tally, i, &latent);
		chosen[i] = latent.ratio >= screen->ratio && tally->documents[SIDE_FORGET][i] > 0 &&
		            tally->documents[SIDE_FORGET][i] >= screen->minimum;
		count += chosen[i];
	}
	return count;
}
