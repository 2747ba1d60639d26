/* The runs arranged as the study they are: methods x model sizes, and the measures (a loss on one evaluation set) that
 * they are compared by.
 *
 * The label of a method is filter/method and the value of every other axis of the sweep, except run/seed and axes of
 * [model] and [train] that are the same for all runs of one size ("mask", "mask, token_threshold=0.3"). Runs of a method
 * and size that differ in run/seed are one group: its mean and spread over seeds is the finding. The baseline of a method
 * is the method of the baseline filter on the same text with the same value of most of those axes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_STUDY_H
#define CAPSHAPE_REPORT_STUDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "report/load.h"

#define STUDY_NONE ((size_t)-1)
#define STUDY_SEED "run/seed"

struct method {
	char *label;
	const char *filter; /* value of filter/method, owned by a run */
	bool is_baseline;
	size_t baseline;  /* index of its baseline, STUDY_NONE when there is none */
	size_t first_run; /* index of one of its runs, for the values of its axes */
};

/* The runs of one method and size, one a seed, by seed. */
struct group {
	size_t method, size;
	size_t *runs;
	size_t count, capacity;
};

struct model_size {
	int64_t parameters;
	char *label; /* model name, else the number of parameters */
};

/* A loss: over all tokens of a set, or over the tokens whose own label is the set's domain. */
struct measure {
	char *set;
	bool label;
	bool repeated; /* label tokens that are all tokens in every run: the same numbers, shown once */
};

struct study {
	const struct run_list *list;
	struct method *methods; /* baselines first */
	size_t method_count;
	struct model_size *sizes; /* by number of parameters */
	size_t size_count;
	const char **axes; /* axes that tell methods apart besides filter/method; texts of the list */
	size_t axis_count;
	struct group *groups; /* by method, then size */
	size_t group_count;
	size_t merged; /* unfiltered runs that differ from another only in keys of [filter]: left out without a word each */
	size_t *cells;            /* [method][size] index of the group, STUDY_NONE when there is none */
	struct measure *measures; /* of each set: all tokens, label tokens (left out when no run has any) */
	size_t measure_count;
};

struct study_options {
	const char *baseline;       /* value of filter/method */
	const char *const *exclude; /* shell patterns of point names, method labels or size labels */
	size_t exclude_count;
};

/* Runs that are excluded, or that repeat method, size and seed of an earlier one, go to list->left. STATUS_DATA when no
 * run is left. The list must outlive the study. */
enum status study_create(struct run_list *list, const struct study_options *options, struct study *study_out);
void study_clear(struct study *study);
/* Index of the group of a method and size, STUDY_NONE when there is none. */
size_t study_cell(const struct study *study, size_t method, size_t size);
/* The run of the first seed of a method and size, NULL when there is none. */
const struct run *study_run(const struct study *study, size_t method, size_t size);
/* The run of the first seed of a group. */
const struct run *study_first(const struct study *study, size_t group);
/* Number of sizes of a method. */
size_t study_method_sizes(const struct study *study, size_t method);
/* Most seeds that any group has. */
size_t study_most_seeds(const struct study *study);
/* The value of an axis for a method. */
const char *study_value(const struct study *study, size_t method, const char *axis);
/* Whether two methods learned and were evaluated on the same text: losses on different texts are not compared. */
bool study_same_text(const struct study *study, size_t a, size_t b);
/* STUDY_NONE when there is no such measure. */
size_t study_find_measure(const struct study *study, const char *set, bool label);
/* The measure that says most about a set: its label tokens, unless they are all tokens or there are none; STUDY_NONE when
 * the set is not known. */
size_t study_sharpest(const struct study *study, const char *set);
/* "forget, label tokens"; owned by the caller, from malloc. */
char *study_measure_title(const struct measure *measure);

/* ---- between the files of the study ---- */
enum status study_find_measures(struct study *study);
/* ---- labels (study_label.c) ---- */
/* The axes that tell methods apart, besides filter/method; texts of the list. */
enum status study_find_axes(const struct run_list *list, const char ***axes_out, size_t *count_out);
/* filter/method of a run, "none" when it has none. */
const char *study_filter(const struct run *run);
/* Keys of [filter] say nothing about a run without a filter. */
bool study_axis_matters(const struct run *run, const char *axis);
/* From malloc. `without`: [axis_count] axes to leave out, NULL: none. */
char *study_method_label(const struct run *run, const char *const *axes, size_t axis_count, const bool *without);
char *study_size_label(const struct run *run);
/* The part of an axis after the section. */
const char *study_axis_key(const char *axis);

#endif
