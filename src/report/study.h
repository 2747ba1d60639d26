/* The runs arranged as the study they are: methods x model sizes, and the measures (a loss on one evaluation set) that
 * they are compared by.
 *
 * The label of a method is filter/method and the value of every other axis of the sweep, except axes of [model] and
 * [train] that are the same for all runs of one size ("mask", "mask, token_threshold=0.3"). The baseline of a method
 * is the group of the baseline method with the same value of most of those axes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_STUDY_H
#define CAPSHAPE_REPORT_STUDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "report/load.h"

#define STUDY_NONE ((size_t)-1)

struct method {
	char *label;
	const char *filter; /* value of filter/method, owned by a run */
	bool is_baseline;
	size_t baseline; /* index of its baseline, STUDY_NONE when there is none */
	size_t first_run;
};

struct model_size {
	int64_t parameters;
	char *label; /* model name, else the number of parameters */
};

/* A loss: over all tokens of a set, or over the tokens whose own label is the set's domain. */
struct measure {
	char *set;
	bool label;
};

struct study {
	const struct run_list *list;
	struct method *methods; /* baselines first */
	size_t method_count;
	struct model_size *sizes; /* by number of parameters */
	size_t size_count;
	size_t *cells;            /* [method][size] index of the run, STUDY_NONE when there is none */
	struct measure *measures; /* of each set: all tokens, label tokens (left out when no run has any) */
	size_t measure_count;
};

struct study_options {
	const char *baseline;       /* value of filter/method */
	const char *const *exclude; /* shell patterns of point names, method labels or size labels */
	size_t exclude_count;
};

/* Runs that are excluded, or that repeat the method and size of an earlier one, go to list->left. STATUS_DATA when no
 * run is left. The list must outlive the study. */
enum status study_create(struct run_list *list, const struct study_options *options, struct study *study_out);
void study_clear(struct study *study);
/* Index of the run of a method and size, STUDY_NONE when there is none. */
size_t study_cell(const struct study *study, size_t method, size_t size);
const struct run *study_run(const struct study *study, size_t method, size_t size);
/* Number of runs of a method. */
size_t study_method_runs(const struct study *study, size_t method);
/* STUDY_NONE when there is no such measure. */
size_t study_find_measure(const struct study *study, const char *set, bool label);
/* "forget, label tokens"; owned by the caller, from malloc. */
char *study_measure_title(const struct measure *measure);

#endif
