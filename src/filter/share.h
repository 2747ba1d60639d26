/* From a share of the text to the threshold that filters it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_FILTER_SHARE_H
#define CAPSHAPE_FILTER_SHARE_H

#include <stdint.h>

enum { SHARE_SCORES = 65536 };

/* How many tokens have each score: of tokens their own, or of documents the tokens of the documents of that score. */
struct share_counts {
	int64_t tokens[SHARE_SCORES]; /* those that can be filtered */
	int64_t total;                /* of all tokens, the end-of-text tokens included: what a share is a share of */
};

/* The threshold and the share spared at it (filter.h), such that `share` of the counted text is filtered: everything
 * above the threshold, and of what lies at it as much as is missing. Equal to the rank-th largest score, with the ties
 * at that rank broken at random. A share above what can be filtered: all of it. */
void share_threshold(const struct share_counts *counts, double share, uint16_t *threshold_out, double *spared_out);
/* The share of the counted text that a threshold filters; 0 of no text. */
double share_filtered(const struct share_counts *counts, uint16_t threshold, double spared);

#endif
