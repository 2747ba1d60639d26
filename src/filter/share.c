/* Thresholds of shares.
 * SPDX-License-Identifier: Apache-2.0 */
#include "filter/share.h"

void share_threshold(const struct share_counts *counts, double share, uint16_t *threshold_out, double *spared_out)
{
	double wanted = share * (double)counts->total, above = 0;

	*threshold_out = SHARE_SCORES - 1;
	*spared_out = 1;
	if (!(wanted > 0))
		return;
	for (int score = SHARE_SCORES - 1; score >= 0; score--) {
		double here = (double)counts->tokens[score];
		if (here > 0 && above + here >= wanted) {
			*threshold_out = (uint16_t)score;
			*spared_out = 1 - (wanted - above) / here;
			return;
		}
		above += here;
	}
	*threshold_out = 0;
	*spared_out = 0;
}

double share_filtered(const struct share_counts *counts, uint16_t threshold, double spared)
{
	double filtered = (1 - spared) * (double)counts->tokens[threshold];
	for (int score = threshold + 1; score < SHARE_SCORES; score++)
		filtered += (double)counts->tokens[score];
	return counts->total > 0 ? filtered / (double)counts->total : 0;
}
