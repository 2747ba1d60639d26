/* Sums in independent parts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/lanes.h"

#include <math.h>

enum { LANES = 8 };

static double lanes_sum(const double lanes[LANES], double rest)
{
	return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7])) + rest;
}

double lanes_dot(const double *weights, const float *values, int64_t count)
{
	double lanes[LANES] = { 0 }, rest = 0;
	int64_t at = 0;

	for (; at + LANES <= count; at += LANES)
		for (int lane = 0; lane < LANES; lane++)
			lanes[lane] += weights[at + lane] * (double)values[at + lane];
	for (; at < count; at++)
		rest += weights[at] * (double)values[at];
	return lanes_sum(lanes, rest);
}

double lanes_squares(const float *values, int64_t count)
{
	double lanes[LANES] = { 0 }, rest = 0;
	int64_t at = 0;

	for (; at + LANES <= count; at += LANES)
		for (int lane = 0; lane < LANES; lane++)
			lanes[lane] += (double)values[at + lane] * (double)values[at + lane];
	for (; at < count; at++)
		rest += (double)values[at] * (double)values[at];
	return lanes_sum(lanes, rest);
}

void lanes_normalise(float *values, int64_t count)
{
	double squares = lanes_squares(values, count);

	if (squares == 0.0)
		return;
	double scale = 1.0 / sqrt(squares / (double)count);
	for (int64_t i = 0; i < count; i++)
		values[i] = (float)((double)values[i] * scale);
}
