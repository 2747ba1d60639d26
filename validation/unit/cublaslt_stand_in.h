/* What the stand-in for cuBLASLt tells of itself: a variable of the library, found by its name.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_CUBLASLT_STAND_IN_H
#define CAPSHAPE_VALIDATION_CUBLASLT_STAND_IN_H

#include <stdint.h>

/* The algorithm that it computes with, and one that it proposes first when told to, and cannot run. */
enum { CUBLASLT_STAND_IN_ALGORITHM = 4711, CUBLASLT_STAND_IN_BAD_ALGORITHM };

enum cublaslt_stand_in_refusal {
	REFUSE_NOTHING,
	REFUSE_ALL,           /* there is no algorithm */
	REFUSE_WORKSPACE,     /* none that may use workspace */
	REFUSE_FIRST_AT_RUN,  /* the first algorithm does not run */
	REFUSE_ALL_AT_RUN,    /* none runs */
	REFUSE_WITH_A_FAILURE /* the library fails when it runs */
};

struct cublaslt_stand_in_counts {
	int alive;      /* handles and descriptors */
	int heuristics; /* times that an algorithm was asked for */
	/* The last preferences. */
	uint64_t workspace;
	uint32_t schemes;
	uint32_t alignment[4];                 /* of a, b, c, d */
	int runs;                              /* products that were asked for */
	enum cublaslt_stand_in_refusal refuse; /* set by the test */
};

extern struct cublaslt_stand_in_counts cublaslt_stand_in_counts;

#endif
