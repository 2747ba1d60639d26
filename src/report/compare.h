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

/* Intervals over fewer groups of documents are too narrow to judge by, which is said. */
enum { COMPARE_FEW_GROUPS = 10 };

enum verdict { VERDICT_NONE, VERDICT_WORSE, VERDICT_BETTER, VERDICT_NO_DIFFERENCE };
enum compute_kind { COMPUTE_NOMINAL, COMPUTE_SPENT, COMPUTE_KINDS };
enum law_kind { LAW_POWER, LAW_FLOOR, LAW_POWER_ROBUST, LAW_FLOOR_ROBUST, LAW_KINDS };

struct loss_result {
	struct interval loss;       /* nats a token; mean over seeds */
	struct interval difference; /* to the baseline of the same size, paired over groups of documents */
	double spread;              /* standard deviation over seeds, NaN with one seed */
	size_t seeds;
	enum verdict verdict;
};

/* The law of one method for one measure. */
struct law_result {
	size_t sizes;           /* models it was fitted to, each the mean of its seeds */
	double lowest, highest; /* range of their compute, FLOPs */
	struct law law;
	struct interval exponent, floor;
	const char *why;        /* why it is not usable, NULL when it is */
	struct law *replicates; /* [resamples] the law refitted to every resample; NULL without intervals */
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
	const char *const *fit_without; /* shell patterns of size labels that no law is fitted to */
	size_t fit_without_count;
	enum compute_kind compute; /* of figures, findings and predictions */
	enum law_kind law;
};

struct measure_facts {
	size_t documents; /* shared by all runs */
	size_t groups;    /* of documents that belong together; these are drawn */
	bool grouped;     /* known from the runs; else every document is a group of its own */
	bool resampled;   /* else no intervals */
	size_t left_out;  /* documents not shared by all runs */
};

struct comparison {
	const struct study *study;
	struct compare_options options;
	struct measure_facts *facts; /* [measure] */
	struct loss_result *losses;  /* [measure][group] */
	struct law_result *laws;     /* [measure][method][compute][law] */
	struct slowdown *slowdowns;  /* [measure][group][compute][law]; why set for groups of a baseline */
	double **replicates;         /* [measure][group] -> [resamples] resampled losses, NULL without */
};

enum status compare_create(const struct study *study, const struct compare_options *options,
                           struct comparison *comparison_out);
void compare_clear(struct comparison *comparison);
const struct loss_result *compare_loss(const struct comparison *comparison, size_t measure, size_t group);
const struct law_result *compare_law(const struct comparison *comparison, size_t measure, size_t method,
                                     enum compute_kind compute, enum law_kind law);
const struct slowdown *compare_slowdown(const struct comparison *comparison, size_t measure, size_t group,
                                        enum compute_kind compute, enum law_kind law);
/* Resampled losses, NULL when the group has none. */
const double *compare_replicates(const struct comparison *comparison, size_t measure, size_t group);
/* Whether laws are fitted to a size (options->fit_without). */
bool compare_is_fitted(const struct comparison *comparison, size_t size);
/* The slowdown of one resample, with the compute and law of the options; NaN where there is none. */
double compare_slowdown_replicate(const struct comparison *comparison, size_t measure, size_t group, size_t resample);
/* With the compute and law of the options. */
const struct slowdown *compare_chosen(const struct comparison *comparison, size_t measure, size_t group);
double compare_flops(const struct run *run, enum compute_kind compute);
/* Mean over the seeds of a group. */
double compare_group_flops(const struct study *study, size_t group, enum compute_kind compute);
/* "worse", "better", "no difference seen", "". */
const char *compare_verdict_name(enum verdict verdict);
const char *compare_compute_name(enum compute_kind compute); /* "6ND", "spent" */
const char *compare_law_name(enum law_kind law);             /* "power", "floor", "power_robust", .. */

/* ---- between compare.c, seeds.c and slowdown.c ---- */
/* Fills laws and slowdowns of one measure from its losses and replicates. */
enum status slowdown_compute(struct comparison *comparison, size_t measure);
/* The resampled mean loss of a group from those of its runs: with several seeds these are drawn again too. Groups of one
 * size and number of seeds see the same draws, so that differences between methods are paired over seeds as well.
 * runs[i]: [resamples] of seed i. */
void seeds_resample(const struct comparison *comparison, size_t group, const double *const *runs, double *out);
/* Mean and standard deviation over seeds; NaN where a loss is. */
double seeds_mean(const double *losses, size_t count, double *spread);

#endif
