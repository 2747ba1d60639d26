/* Several seeds of one method and size: mean, spread, resampling.
 *
 * A plain bootstrap over few seeds is too narrow by sqrt((n - 1) / n), half of the variance at two seeds; the deviations
 * of the drawn seeds are therefore stretched by sqrt(n / (n - 1)) (Rao and Wu 1988).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "base/random.h"
#include "report/compare.h"

double seeds_mean(const double *losses, size_t count, double *spread)
{
	double sum = 0.0, squares = 0.0;
	for (size_t i = 0; i < count; i++)
		sum += losses[i];
	double mean = sum / (double)count;
	for (size_t i = 0; i < count; i++)
		squares += (losses[i] - mean) * (losses[i] - mean);
	*spread = count > 1 ? sqrt(squares / (double)(count - 1)) : NAN;
	return mean;
}

void seeds_resample(const struct comparison *comparison, size_t group, const double *const *runs, double *out)
{
	const struct study *study = comparison->study;
	const struct group *who = &study->groups[group];
	size_t count = who->count;
	double stretch = count > 1 ? sqrt((double)count / (double)(count - 1)) : 0.0;
	uint64_t stream = bootstrap_stream("seeds") ^ (uint64_t)study->sizes[who->size].parameters;
	for (size_t k = 0; k < comparison->options.resamples; k++) {
		double mean = 0.0, drawn = 0.0;
		for (size_t i = 0; i < count; i++) {
			mean += runs[i][k] / (double)count;
			if (count == 1)
				continue;
			double u = random_uniform(comparison->options.seed, RANDOM_BOOTSTRAP, stream, k * count + i);
			drawn += runs[(size_t)(u * (double)count)][k] / (double)count;
		}
		out[k] = count > 1 ? mean + stretch * (drawn - mean) : mean;
	}
}
