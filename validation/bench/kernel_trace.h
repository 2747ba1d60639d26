/* A table of operations that computes nothing and writes down what it is asked for: what a program would do on a GPU, call by
 * call, without one.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_BENCH_KERNEL_TRACE_H
#define CAPSHAPE_VALIDATION_BENCH_KERNEL_TRACE_H

#include "kernels/kernels.h"

/* The table of a GPU as far as the model asks: how its head is cut and how many rows it wants. Device memory is addresses
 * without memory behind them, so that models of any size are traced in no time; what is downloaded stays as it was. A device
 * writes to the standard output a line for each call, once kernel_trace_begin() was called: the name in the table, then NAME=NUMBER of each
 * size; `bytes` is that of what is copied or cleared. */
const struct kernels *kernel_trace(void);
void kernel_trace_begin(struct device *device);

#endif
