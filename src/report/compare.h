/* The findings of the report: every loss with its interval, its difference to the baseline of the same size, the laws
 * of the baselines and the loss-matched compute slowdown of every filtered run.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_COMPARE_H
#define CAPSHAPE_REPORT_COMPARE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "report/bootstrap.h"
#include "report/fit.h"
#include "report/study.h"

/* A matched compute this little beyond the range of the baseline is not called extrapolated: a run that equals the
 * baseline at the first or last size lands on either side of it by chance. */
#define COMPARE_TOLERANCE 1.05

enum verdict { VERDICT_NONE, VERDICT_WORSE, VERDICT_BETTER, VERDICT_NO_DIFFERENCE };
enum compute_kind { COMPUTE_NOMINAL, COMPUTE_SPENT, COMPUTE_KINDS };
enum law_kind { LAW_POWER, LAW_FLOOR, LAW_KINDS };

struct loss_result {
	struct interval loss;       /* nats a token */
	struct interval difference; /* to the baseline of the same size, paired over documents */
	enum verdict verdict;
};

/* The law of one baseline for one measure. */
struct law_result {
	size_t sizes;           /* baseline models it was fitted to */
	double lowest, highest; /* range of their compute, FLOPs */
	struct law law;
	struct interval exponent, floor;
	const char *why; /* why it is not usable, NULL when it is */
};

struct slowdown {
	struct interval factor; /* C_f / C_b; NaN when undefined */
	double flops;           /* C_f */
	double matched;         /* C_b: compute at which the baseline law reaches the loss */
	double outside;         /* 1: C_b is inside the range of the baseline; else how many times beyond the end */
	bool extrapolated;      /* beyond the end by more than COMPARE_TOLERANCE */
	bool below;             /* beyond which end */
	const char *why;        /* why it is undefined, NULL when it is defined */
};

struct compare_options {
	size_t resamples;
	double confidence;
	uint64_t seed;
};

struct measure_facts {
	size_t documents; /* resampled; 0: no intervals */
	size_t left_out;  /* not shared by all runs */
};

struct comparison {
	const struct study *study;
	struct compare_options options;
	struct measure_facts *facts; /* [measure] */
	struct loss_result *losses;  /* [measure][run] */
	struct law_result *laws;     /* [measure][method][compute][law]; zero unless the method is a baseline */
	struct slowdown *slowdowns;  /* [measure][run][compute][law]; why set for runs of a baseline */
};

enum status compare_create(const struct study *study, const struct compare_options *options,
                           struct comparison *comparison_out);
void compare_clear(struct comparison *comparison);
const struct loss_result *compare_loss(const struct comparison *comparison, size_t measure, size_t run);
const struct law_result *compare_law(const struct comparison *comparison, size_t measure, size_t method,
                                     enum compute_kind compute, enum law_kind law);
const struct slowdown *compare_slowdown(const struct comparison *comparison, size_t measure, size_t run,
                                        enum compute_kind compute, enum law_kind law);
double compare_flops(const struct run *run, enum compute_kind compute);
/* "worse", "better", "no difference seen", "". */
const char *compare_verdict_name(enum verdict verdict);
const char *compare_compute_name(enum compute_kind compute); /* "6ND", "spent" */
const char *compare_law_name(enum law_kind law);             /* "power", "floor" */

/* ---- between compare.c and slowdown.c ---- */
/* Fills laws and slowdowns of one measure. replicates[run][resample]: losses of the resampled documents, NULL for a run
 * without. */
enum status slowdown_compute(struct comparison *comparison, size_t measure, double *const *replicates);

#endif
