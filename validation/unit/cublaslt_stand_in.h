/* What the stand-in for cuBLASLt tells of itself: a variable of the library, found by its name.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_CUBLASLT_STAND_IN_H
#define CAPSHAPE_VALIDATION_CUBLASLT_STAND_IN_H

#include <stdint.h>

enum { CUBLASLT_STAND_IN_ALGORITHM = 4711 };

struct cublaslt_stand_in_counts {
	int alive;      /* handles and descriptors */
	int heuristics; /* times that an algorithm was asked for */
	/* The last preferences. */
	uint64_t workspace;
	uint32_t schemes;
	uint32_t alignment[4]; /* of a, b, c, d */
	int refuse;            /* set by the test: there is no algorithm */
};

extern struct cublaslt_stand_in_counts cublaslt_stand_in_counts;

#endif
