/* From active latents to labels of tokens: votes, and their spreading (paper, section 5.1).
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/latents.h"

#include <stdlib.h>

#include "base/memory.h"

void latents_thresholds(const struct latent_tally *tally, double deviations, float *thresholds)
{
	for (int64_t i = 0; i < tally->latents; i++) {
		struct latent latent;
		latent_describe(tally, i, &latent);
		thresholds[i] = (float)(latent.mean + deviations * latent.deviation);
	}
}

/* Votes of a token, and whether a chosen latent is active at all. */
static int64_t count_votes(const struct latent_rule *rule, int64_t active, const int32_t *index, const float *values,
                           bool *any)
{
	int64_t votes = 0;
	*any = false;
	for (int64_t k = 0; k < active && index[k] >= 0; k++) {
		if (!rule->chosen[index[k]])
			continue;
		*any = true;
		votes += values[k] > rule->thresholds[index[k]];
	}
	return votes;
}

/* In one direction: from tokens with enough votes over the tokens next to them, one after the other, in which a chosen latent is
 * active. A token that has enough votes itself begins anew. */
static void spread(const struct latent_rule *rule, int64_t tokens, bool backwards, const uint8_t *any, uint8_t *marks)
{
	int64_t left = 0; /* tokens that it may still reach; -1: any number */
	for (int64_t i = 0; i < tokens; i++) {
		int64_t at = backwards ? tokens - 1 - i : i;
		if ((marks[at] & LATENT_VOTES) >= rule->votes) {
			left = rule->spread;
			continue;
		}
		if (left == 0 || !any[at]) {
			left = 0;
			continue;
		}
		marks[at] |= LATENT_FORGET;
		left -= left > 0;
	}
}

enum status latents_mark(const struct latent_rule *rule, int64_t tokens, int64_t active, const int32_t *index,
                         const float *values, uint8_t *marks)
{
	uint8_t *any = memory_allocate((size_t)tokens, sizeof *any);
	if (any == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t i = 0; i < tokens; i++) {
		bool some;
		int64_t votes = count_votes(rule, active, index + i * active, values + i * active, &some);
		any[i] = some;
		marks[i] = (uint8_t)(votes > LATENT_VOTES ? LATENT_VOTES : votes);
		if (votes >= rule->votes)
			marks[i] |= LATENT_FORGET;
	}
	spread(rule, tokens, false, any, marks);
	spread(rule, tokens, true, any, marks);
	free(any);
	return STATUS_OK;
}
