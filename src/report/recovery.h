/* The report of a finetuning (task = finetune): how many tokens of forget text bring the loss of each model on the forget set
 * back to that of the unfiltered model of its size (paper, Figure 7).
 *
 * Tokens to the target: the first evaluation at the target or below and the one before it, with a line between them. Of several
 * settings of [train] (learning rate, weight decay, ..) for one start, the one that needs the fewest tokens counts; where none reaches
 * the target, the one that came nearest. Seeds, targets, texts and other axes are not chosen among. Intervals are over the documents of the forget set, those of one id together: in each
 * resample the model and the unfiltered one see the same documents.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_RECOVERY_H
#define CAPSHAPE_REPORT_RECOVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/bootstrap.h"
#include "report/report.h"
#include "report/show.h"
#include "report/table.h"

/* Losses against tokens of finetuning. */
struct recovery_curve {
	size_t count;
	double *tokens, *loss; /* [count] */
};

/* What is known about the documents of the forget set, a row a group of documents that belong together. */
struct recovery_documents {
	size_t documents, groups; /* 0: nothing is known of documents */
	double *tokens;           /* [groups] */
	double *nll;              /* [evaluation][groups] nats */
	double *target_nll;       /* [groups] of the unfiltered model; NULL: the target was given as a number */
};

struct recovery_run {
	char *point;
	char *start;                        /* point of the run that it began from */
	char *size, *method;                /* of that */
	char *label;                        /* what tells it from other starts of its size: recovery_label() */
	char *setting;                      /* values of the axes of [train], "" when there are none */
	char *apart;                        /* those of other axes but the start, such as run/seed */
	double parameters, pretraining;     /* pretraining: tokens */
	double learning_rate, weight_decay; /* NaN: not known */
	double target;
	struct recovery_curve forget, retain;
	struct recovery_documents known;
	/* found: */
	struct interval tokens; /* to the target; NaN: not reached. high may be INFINITY: more than were trained on */
	double resolution;      /* tokens between the two evaluations that it lies between */
	double retain_cost; /* change of the retain loss until then (not reached: until the end); NaN: not evaluated */
	bool chosen;        /* the best setting of its start */
	size_t tried, reached; /* settings of its start */
};

struct recovery {
	struct recovery_run *runs;
	size_t count, capacity;
	char **left_out; /* lines */
	size_t left_count, left_capacity;
	char **sizes; /* of runs, by parameters; borrowed */
	size_t size_count;
	char **labels; /* in the order of the runs; borrowed */
	size_t label_count;
};

/* First crossing of `target` from above, NaN when there is none; *bracket (or NULL): the distance of the two evaluations around it,
 * 0 at the first. Losses that are NaN do not cross. */
double recovery_crossing(size_t count, const double *tokens, const double *loss, double target, double *bracket);
/* The curve's value at `tokens`, by a line between neighbours, held at both ends; NaN without any. */
double recovery_value(const struct recovery_curve *curve, double tokens);
/* Finds tokens.value, resolution and retain_cost of every run and the chosen run of each start. */
void recovery_choose(struct recovery *recovery);
/* Intervals of the chosen runs. */
enum status recovery_intervals(struct recovery *recovery, size_t resamples, double confidence, uint64_t seed);
/* Labels, sizes, and their order: "mask", or the parts of the start's name in which starts of one size differ; "route" and
 * "route, whole" in any case. */
enum status recovery_label(struct recovery *recovery);
/* The chosen run, NULL when there is none. */
const struct recovery_run *recovery_find(const struct recovery *recovery, const char *label, const char *size);
/* Whether the models of a label are unfiltered ones, which are at the target before the first step. */
bool recovery_is_baseline(const struct recovery *recovery, const char *label);
/* Documents and groups of the run with the fewest groups among those with an interval; NULL when there is none. */
const struct recovery_documents *recovery_fewest(const struct recovery *recovery);
/* Whether the evaluations lie so far apart that the answer is mostly interpolation. */
bool recovery_is_coarse(const struct recovery_run *run);

/* Whether the folder holds a finetuning (false as well when it cannot be read). recovery_read.c */
bool recovery_is_folder(const char *folder);
/* Finished runs; `resamples_out`: evaluate/resamples, -1 not known. Runs that `options` excludes are left out, as are unfinished
 * and damaged ones, which are named. */
enum status recovery_read(const struct report_options *options, struct recovery *recovery, long *resamples_out);
void recovery_clear(struct recovery *recovery);

#define RECOVERY_PLOT        "finetune-tokens"
#define RECOVERY_CURVES_PLOT "finetune-curves"
/* The figures; `drawn`: whether there was something to show. recovery_plot.c */
enum status recovery_plot_tokens(const char *folder, const struct recovery *recovery, bool *drawn);
enum status recovery_plot_curves(const char *folder, const struct recovery *recovery, bool *drawn);

/* Tables for programs: the best setting of each start, every setting, the losses. recovery_tables.c */
enum { RECOVERY_TOKENS, RECOVERY_RUNS, RECOVERY_LOSSES, RECOVERY_TABLES };
enum status recovery_tables(const struct recovery *recovery, struct table tables[RECOVERY_TABLES]);
/* The table for people; `intervals`: whether there are some. */
void recovery_show(const struct recovery *recovery, bool intervals, enum show_form form, struct buffer *buffer);
/* The findings in sentences, an item each. recovery_words.c */
void recovery_words(const struct recovery *recovery, enum show_form form, struct buffer *buffer);
/* All of it: as report_make(), of such a folder. recovery_report.c */
enum status recovery_make(const struct report_options *options, const char *folder, FILE *out);

#endif
