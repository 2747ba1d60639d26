/* A classifier's verdict on a token or a document as 16 bits: the log-odds of p(forget), in steps of 1/2048 from -16 to
 * +16. This IS the score: everything (thresholds, weights, files, messages) uses the 16-bit value, so a stored pass, a
 * live pass and any number of thresholds agree exactly.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_FILTER_SCORE_H
#define CAPSHAPE_FILTER_SCORE_H

#include <stdint.h>

enum { SCORE_LOWEST = 0, SCORE_HIGHEST = 65535, SCORE_EVEN = 32768 };

/* Log-odds to score: round to nearest even, clamped. */
uint16_t score_from_logit(double logit);
/* p in [0, 1] to score. */
uint16_t score_from_probability(double p);
double score_probability(uint16_t score);

#endif
