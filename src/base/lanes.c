/* Sums in independent parts.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/lanes.h"

#include <math.h>
#include <string.h>

enum { LANES = 8 };

/* Registers that every processor has. */
typedef float quad __attribute__((vector_size(16)));
typedef int32_t quad_int __attribute__((vector_size(16)));
typedef double quad_double __attribute__((vector_size(32)));
enum { QUAD = 4 };

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

static inline __attribute__((always_inline)) quad quad_load(const float *memory)
{
	quad value;
	memcpy(&value, memory, sizeof value);
	return value;
}

/* a where the lane of mask is -1, b where it is 0. */
static inline __attribute__((always_inline)) quad quad_select(quad_int mask, quad a, quad b)
{
	return (quad)(((quad_int)a & mask) | ((quad_int)b & ~mask));
}

float lanes_largest(const float *values, int64_t count)
{
	quad most = { values[0], values[0], values[0], values[0] };
	int64_t at = 0;

	for (; at + QUAD <= count; at += QUAD) {
		quad value = quad_load(values + at);
		most = quad_select(value > most, value, most);
	}
	float largest = most[0];
	for (int lane = 1; lane < QUAD; lane++)
		largest = most[lane] > largest ? most[lane] : largest;
	for (; at < count; at++)
		largest = values[at] > largest ? values[at] : largest;
	return largest;
}

/* 2^x, no more than 2^127: the polynomial of kernels/cpu/vector.h, on what is left of x beside a whole number. */
static inline __attribute__((always_inline)) quad quad_power_of_two(quad x)
{
	const float shift = 0x1.8p23f; /* added, it leaves no bits for a fraction */
	quad_int there = x >= -126.0f, number = x == x;
	quad most = quad_select(x < 127.0f, x, (quad){ 127.0f, 127.0f, 127.0f, 127.0f });
	quad exponent = quad_select(there, most, (quad){ 0 }), whole = (exponent + shift) - shift,
	     rest = exponent - whole;
	quad power = rest * 0x1.41fbbcp-13f + 0x1.5f3e52p-10f;
	power = power * rest + 0x1.3b2d4cp-7f;
	power = power * rest + 0x1.c6aee8p-5f;
	power = power * rest + 0x1.ebfbdcp-3f;
	power = power * rest + 0x1.62e430p-1f;
	power = power * rest + 1.0f;
	power *= (quad)((__builtin_convertvector(whole, quad_int) + 127) << 23);
	return quad_select(number, quad_select(there, power, (quad){ 0 }), x);
}

double lanes_exponentials(float *powers, const float *values, int64_t count, float largest, float factor)
{
	const float scale = factor * 1.44269504f;
	quad_double sums = { 0 };
	int64_t at = 0;

	for (; at + QUAD <= count; at += QUAD) {
		quad power = quad_power_of_two((quad_load(values + at) - largest) * scale);
		memcpy(powers + at, &power, sizeof power);
		sums += __builtin_convertvector(power, quad_double);
	}
	for (; at < count; at++) {
		quad alone = { values[at], largest, largest, largest };
		powers[at] = quad_power_of_two((alone - largest) * scale)[0];
		sums[0] += (double)powers[at];
	}
	return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

double lanes_sum_of(const float *values, int64_t count)
{
	quad_double sums = { 0 };
	int64_t at = 0;

	for (; at + QUAD <= count; at += QUAD)
		sums += __builtin_convertvector(quad_load(values + at), quad_double);
	for (; at < count; at++)
		sums[0] += (double)values[at];
	return (sums[0] + sums[2]) + (sums[1] + sums[3]);
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
