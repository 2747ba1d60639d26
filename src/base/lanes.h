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
/* Divides the values by the root of their mean square; zeros stay what they are. */
void lanes_normalise(float *values, int64_t count);

#endif
