/* Which latents of a sparse autoencoder are about what is to be forgotten: counted on documents that have a domain, screened by how
 * much more often a latent is active in forget documents than in others. Pure functions over memory; counts are whole numbers, so
 * that ranks can add them up and get the same sums however the text was divided.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_LATENTS_H
#define CAPSHAPE_CLASSIFIER_LATENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* What a document says for the screen: mixed documents and those without a label say nothing, though their tokens count for means and
 * deviations. */
enum latent_side { SIDE_NONE = -1, SIDE_OTHER = 0, SIDE_FORGET = 1 };
/* Of an enum domain: forget; retain, other, hard and unmarked are the other side. */
enum latent_side latents_side(uint8_t domain);

/* A place where a latent was active, for people. */
struct latent_place {
	int64_t document; /* of the set; -1: none */
	int32_t token;    /* of the document */
	float value;
};
enum { LATENT_PLACES = 6 };

/* Values as whole numbers of 2^-20, their squares of 2^-24. */
#define LATENT_UNIT        0x1p20
#define LATENT_SQUARE_UNIT 0x1p24

/* Each array but places is [latents]; all counts lie in one array of int64_t, `numbers`. */
struct latent_tally {
	int64_t latents, number_count;
	int64_t *numbers;
	int64_t *totals;                   /* [LATENT_TOTALS] */
	int64_t *tokens[2], *documents[2]; /* by side: tokens and documents in which it is active */
	int64_t *all, *sums, *squares;     /* of all sides: tokens, values, squares of values */
	struct latent_place *places;       /* [latents, LATENT_PLACES], strongest first, documents of either side */
	float *best;                       /* [latents] of the document at hand */
	int32_t *best_token, *touched;
};
/* Tokens and documents of the two sides; tokens in all; and how well features are rebuilt: sums of squares in LATENT_UNIT. */
enum latent_total {
	TOTAL_OTHER_TOKENS,
	TOTAL_FORGET_TOKENS,
	TOTAL_OTHER_DOCUMENTS,
	TOTAL_FORGET_DOCUMENTS,
	TOTAL_TOKENS,
	TOTAL_ACTIVE,
	LATENT_TOTALS
};
enum status latent_tally_create(int64_t latents, struct latent_tally *tally);
void latent_tally_clear(struct latent_tally *tally);
/* A document of `tokens` tokens: index and values [tokens, active] as autoencoder_encode() gives them. */
void latent_tally_add(struct latent_tally *tally, int64_t document, enum latent_side side, int64_t tokens,
                      int64_t active, const int32_t *index, const float *values);
/* Puts a place among those of a latent, if it belongs there: stronger ones first, of equal ones the earlier document. */
void latent_place_add(struct latent_place *places, const struct latent_place *place);

/* What is known of a latent. */
struct latent {
	double rate[2];         /* by side: share of tokens in which it is active */
	double ratio;           /* of the rates; where no other token has it, as if one had */
	double mean, deviation; /* of its value over all tokens, 0 where it is not active */
};
void latent_describe(const struct latent_tally *tally, int64_t number, struct latent *out);

struct latent_screen {
	double ratio;    /* at least */
	int64_t minimum; /* forget documents in which it must have been active */
};
/* chosen[latents]: 1 where the screen lets it pass. Returns how many there are. */
int64_t latents_screen(const struct latent_tally *tally, const struct latent_screen *screen, uint8_t *chosen);

/* ---- tokens ---- */

struct latent_rule {
	const uint8_t *chosen;   /* [latents] */
	const float *thresholds; /* [latents]: a chosen latent votes for a token when its value is larger */
	int64_t votes;           /* so many make a token forget */
	int64_t spread;          /* tokens, on each side, to which it spreads; 0: none; -1: as far as it goes */
};
/* thresholds[latents] = mean + deviations x deviation. */
void latents_thresholds(const struct latent_tally *tally, double deviations, float *thresholds);
/* Marks of the tokens of one document: the votes, at most LATENT_VOTES, and LATENT_FORGET where the token is forget: it has enough
 * votes, or it stands in a row of tokens, each with at least one chosen latent active (voting or not), that reaches a token which has. */
enum { LATENT_VOTES = 127, LATENT_FORGET = 128 };
enum status latents_mark(const struct latent_rule *rule, int64_t tokens, int64_t active, const int32_t *index,
                         const float *values, uint8_t *marks);

#endif
