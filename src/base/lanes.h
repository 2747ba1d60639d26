/* Sums of products in double, in LANES independent parts, so that compilers can use vector registers without being allowed to
 * reorder anything: the same bits everywhere, with any compiler flags that leave floating-point arithmetic as it is.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_BASE_LANES_H
#define CAPSHAPE_BASE_LANES_H

#include <stdint.h>

/* sum_j weights[j] values[j]. */
double lanes_dot(const double *weights, const float *values, int64_t count);
/* sum_j values[j]^2. */
double lanes_squares(const float *values, int64_t count);
/* The largest value, of at least one; NaN are passed over, unless the first is one. */
float lanes_largest(const float *values, int64_t count);
/* powers[i] = exp((values[i] - largest) * factor), to a relative 3e-7 times the size of the exponent, 0 below 2^-126; returns their
 * sum. Exponents above 0 are those of the definition up to 80. NaN stay NaN. */
double lanes_exponentials(float *powers, const float *values, int64_t count, float largest, float factor);
/* sum_j values[j]. */
double lanes_sum_of(const float *values, int64_t count);
/* Divides the values by the root of their mean square; zeros stay what they are. */
void lanes_normalise(float *values, int64_t count);

#endif
