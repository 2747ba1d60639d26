/* Where the time of a step goes: a kernel table that counts calls and seconds of another one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_BENCH_KERNEL_TIMES_H
#define CAPSHAPE_VALIDATION_BENCH_KERNEL_TIMES_H

#include "kernels/kernels.h"

/* The wrapped table; one at a time in a program. Every timed call waits for the device. `vocabulary` tells the head's
 * products from the others. */
const struct kernels *kernel_times_wrap(const struct kernels *kernels, int64_t vocabulary);
/* Forgets what was counted. */
void kernel_times_reset(void);
/* A line for each kind of call: milliseconds a step, share of `seconds` (one step), GFLOP/s of products. */
void kernel_times_print(double seconds, int64_t steps);
/* The same as lines of JSON of "kind": "profile", of a model of this size, to a file; path NULL: nothing. */
void kernel_times_append(const char *path, const char *size, int64_t steps);

#endif
