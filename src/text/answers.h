/* Numbers about generated texts: how much they repeat themselves, and shares with an interval.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_ANSWERS_H
#define CAPSHAPE_TEXT_ANSWERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { REPEATED_TOKENS = 4, DISTINCT_TOKENS = 2 };

/* 1 - different runs of 4 tokens / all of them: 0 where no four tokens in a row come twice (Welleck et al. 2020, seq-rep-4). 0 for
 * texts of fewer than 4 tokens. NAN after error_raise() where there is no memory. */
double answers_repeated(const int32_t *tokens, int64_t count);

/* Pairs of neighbouring tokens over all texts: different ones / all (distinct-2, Li et al. 2016). Zero-initialise,
 * answers_pairs_clear() frees. */
struct answers_pairs {
	uint64_t *pairs;
	size_t count, capacity;
};
enum status answers_pairs_add(struct answers_pairs *pairs, const int32_t *tokens, int64_t count);
/* 0 where there is none. Sorts the pairs. */
double answers_pairs_distinct(struct answers_pairs *pairs);
void answers_pairs_clear(struct answers_pairs *pairs);

/* A share with its 95 % interval. */
struct answers_share {
	double share, low, high;
};
/* Wilson's interval of a share of `count` independent answers, which need not be whole. NaN where count is 0. */
struct answers_share answers_wilson(double share, double count);
/* Of answers to `prompts` prompts, `each` to every one; matches[p] of them match. Answers to one prompt are alike, so the interval is
 * that of as many independent answers as would scatter as much: no fewer than prompts, no more than answers. */
struct answers_share answers_matching(const int64_t *matches, int64_t prompts, int64_t each);

#endif
