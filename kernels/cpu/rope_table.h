/* Cosines and sines of all positions seen so far, for one base and head size.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_KERNELS_CPU_ROPE_TABLE_H
#define CAPSHAPE_KERNELS_CPU_ROPE_TABLE_H

#include "kernels/cpu/cpu.h"

struct rope_table {
	double base;
	int head_size;
	int64_t positions; /* 0 .. positions - 1 are filled */
	float *values;     /* [positions, 2, head_size / 2]: cosines, then sines */
};

/* Makes *table (NULL at first) hold `position` for this base and head size. */
enum status cpu_rope_table_reserve(struct rope_table **table, double base, int head_size, int64_t position);

#endif
