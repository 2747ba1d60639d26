/* One finished run as the report sees it: what was varied, how large the model is, what it cost, how well it does on
 * every evaluation document, what was filtered. Read from run.h5 (docs/run-file.md); curves are not read.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_RUN_H
#define CAPSHAPE_REPORT_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* "section/key" and its value as text. */
struct setting {
	char *name, *value;
};

/* The last evaluation on one set. documents == 0: the file has no table of documents, so losses have no interval. */
struct evaluation {
	char *set;
	double loss, label_loss; /* nats a token; NaN when there is none */
	int64_t documents;
	uint64_t *number;               /* [documents] */
	uint64_t *group;                /* [documents] equal where documents belong together; NULL: not known */
	int64_t *tokens, *label_tokens; /* [documents] */
	double *nll, *label_nll;        /* [documents] nats */
};

struct domain_count {
	char *name;
	int64_t tokens, filtered;
};

/* Answers by another way of scoring. */
struct question_answers {
	char *rule;
	double *correct, *margin; /* as below */
};

/* Answers to the multiple choice questions of one set: about facts, or own ones. */
struct question_set {
	char *set;
	int64_t count;
	double *correct; /* [count] 0 or 1 */
	double *margin; /* [count] the right answer less the best wrong one, nats (by bytes: nats a byte); NaN: not asked */
	double chance; /* accuracy of guessing, NaN when not known */
	char *rule;    /* "cloze", ... */
	/* of own questions, else NULL: */
	char *domain;     /* "" when not said */
	double *guessing; /* [count] 1 / choices */
	double *one_letter; /* [count] 1 where the letter is right that is right most often, else 0: guessing by letters */
	uint64_t *cluster; /* [count] equal where questions belong together */
	int32_t *group;    /* [count] index into groups */
	char **groups;
	size_t group_count;
	struct question_answers *others;
	size_t other_count;
};

struct run {
	char *point;
	struct setting *settings;
	size_t setting_count;
	char *model_name;                        /* "" when the model has none */
	char *start_method;                      /* of a finetuned model: what its start was filtered by; else NULL */
	char *start_filter;                      /* the same of an unlearned model; else NULL */
	int64_t parameters, vocabulary, context; /* the last two 0 when not known */
	double nominal_flops, training_flops, seconds;
	bool has_other;    /* there are evaluations of the other version, too */
	bool probed_whole; /* it was probed, with its forget part where it has one (run/routed) */
	bool reevaluated;  /* its evaluations are of task = evaluate, on text that its parameters do not name */
	struct evaluation *evaluations;
	size_t evaluation_count;
	struct domain_count *domains;
	size_t domain_count;
	struct question_set *questions;
	size_t question_count;
};

/* The two versions of a model with a forget part (docs/run-file.md): evaluations of one or the other. */
enum run_version { RUN_AS_MEANT, RUN_WHOLE };

/* Reads run.h5 at `path`, the evaluations of a version. Of /parameters only `names` (those that exist) when name_count > 0, else all.
 * STATUS_DATA with the reason when the file is missing, damaged, of another format, or not finished. */
enum status run_read(const char *path, const char *point, const char *const *names, size_t name_count,
                     enum run_version version, struct run *run_out);
void run_clear(struct run *run);
/* The value of a parameter, "" when the run has none of that name. */
const char *run_setting(const struct run *run, const char *name);
/* NULL when the run has no answers to questions of the set. */
const struct question_set *run_questions(const struct run *run, const char *set);
/* NULL when the run was not evaluated on the set. */
const struct evaluation *run_evaluation(const struct run *run, const char *set);

#endif
