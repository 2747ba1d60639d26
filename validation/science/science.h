/* The paper's claims as measurements on finished runs: effect, interval, verdict (docs/sweeps.md).
 *
 * Reads run files (docs/run-file.md). The losses are those of the label tokens of a set where it has labels. Intervals
 * come from a bootstrap over evaluation documents in which all runs on the same text see the same draws, so differences
 * are paired; runs that differ in run/seed alone are one configuration, whose seeds are drawn as well.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_VALIDATION_SCIENCE_H
#define CAPSHAPE_VALIDATION_SCIENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

enum science_set { SCIENCE_FORGET, SCIENCE_RETAIN, SCIENCE_SETS };

/* One finished run. */
struct trial {
	char *point;
	char **values; /* of every key of the table, NULL where the run file is older than the key */
	int64_t parameters;
	double flops;        /* nominal, 6 N D */
	double auroc;        /* of its classifier's token scores on test data; 1: gold labels; NaN: not known */
	double entanglement; /* of generated text; NaN: not known */
	int64_t documents[SCIENCE_SETS]; /* or groups of documents of one id, each as one document */
	uint64_t *number[SCIENCE_SETS];
	double *nll[SCIENCE_SETS], *tokens[SCIENCE_SETS]; /* [documents] */
};

/* Runs that differ in their seed alone. losses[set][k]: of all documents (k = 0), of draw k - 1. */
struct configuration {
	const struct trial *first;
	size_t seeds;
	double *losses[SCIENCE_SETS];
};

struct science {
	struct trial *trials;
	size_t trial_count, trial_capacity;
	struct configuration *configurations;
	size_t configuration_count;
	size_t draws; /* of each array: one more for the measured value */
	double confidence;
	FILE *notes; /* runs left out, with the reason */
};

enum verdict { CONFIRMED, REFUTED, UNDECIDED };

/* What is measured of one claim in one place. */
struct finding {
	const char *claim, *effect; /* short names, static */
	char place[256];            /* method, size, what is held fixed */
	double value, low, high;    /* of the effect; NaN: could not be measured */
	enum verdict verdict;
	const char *why; /* of UNDECIDED; static, NULL: the interval holds 0 */
};

struct findings {
	struct finding *items;
	size_t count, capacity;
};

/* Adds the finished runs of a run folder. STATUS_DATA when there is no points folder; runs that cannot be read are noted. */
enum status science_load(struct science *science, const char *folder);
/* After loading: groups seeds and computes all losses. */
enum status science_resample(struct science *science, size_t resamples, uint64_t seed);
/* All claims in all places that the runs allow; a claim without any place gets one finding that says what it needs. */
enum status science_judge(const struct science *science, struct findings *findings);
/* Interval of values[1 ..] around values[0] and the verdict by its side of 0. `values` is sorted from 1 on. */
void science_verdict(double *values, size_t draws, double confidence, struct finding *finding);
const char *science_verdict_name(enum verdict verdict);
void science_clear(struct science *science);

/* ---- for points.c and the claims: comparing configurations ---- */
/* Text of a parameter, "" when the run has none. */
const char *trial_value(const struct trial *trial, const char *key);
/* A parameter as a number; NaN for `auto`. */
double trial_number(const struct trial *trial, const char *key);
/* Whether all parameters that decide results are the same but those named and those that begin with a named section
 * ("filter/"); NULL ends the list. run/seed is never compared. */
bool trial_same(const struct trial *a, const struct trial *b, const char *const *except);

#endif
