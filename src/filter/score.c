/* The 16-bit score: conversions.
 * SPDX-License-Identifier: Apache-2.0 */
#include "filter/score.h"

#include <math.h>

static const double steps_per_unit = 2048;

uint16_t score_from_logit(double logit)
{
	double steps = nearbyint(logit * steps_per_unit) + SCORE_EVEN;
	/* Written so that NaN becomes the lowest score instead of an undefined conversion. */
	if (!(steps > SCORE_LOWEST))
		return SCORE_LOWEST;
	return steps < SCORE_HIGHEST ? (uint16_t)steps : SCORE_HIGHEST;
}

uint16_t score_from_probability(double p)
{
	if (!(p > 0))
		return SCORE_LOWEST;
	return p < 1 ? score_from_logit(log(p) - log1p(-p)) : SCORE_HIGHEST;
}

double score_probability(uint16_t score)
{
	return 1 / (1 + exp((SCORE_EVEN - (double)score) / steps_per_unit));
}
