/* Multiple choice questions: accuracy and margin of every method and size, with intervals over questions; for each set, and of own
 * questions also for each group and each way of scoring.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_QUESTIONS_H
#define CAPSHAPE_REPORT_QUESTIONS_H

#include "report/compare.h"
#include "report/table.h"

/* Whether the interval of accuracy minus chance, paired over questions, holds 0; CHANCE_FEW: it is of too few clusters to say so
 * (COMPARE_FEW_GROUPS). */
enum chance_verdict { CHANCE_UNKNOWN, CHANCE_ABOVE, CHANCE_BELOW, CHANCE_SAME, CHANCE_FEW };

struct question_result {
	size_t questions;                     /* asked; 0: the group has no answers for the measure */
	size_t left_out;                      /* not asked by some seed, being too long */
	struct interval accuracy, difference; /* to the baseline of the same size, paired over questions */
	struct interval normalised; /* (accuracy - chance) / (that of the baseline); NaN unless that is above chance */
	double margin;              /* mean, nats (by bytes: nats a byte) */
	double chance;
	enum chance_verdict verdict;
};

/* What is measured: a set, or a group of its questions, by a way of scoring. */
struct question_measure {
	const char *set, *domain; /* domain: of own questions, "" when not said; NULL: about facts */
	const char *rule;
	bool primary;       /* the way that figures show */
	const char *group;  /* NULL: all questions of the set */
	size_t group_index; /* in the sets of runs */
};

struct question_results {
	const struct comparison *comparison;
	char **sets;   /* "forget", "retain", .. */
	char **titles; /* the same with the domain of own questions */
	size_t set_count;
	struct question_measure *measures; /* the first set_count: all questions of each set, by the primary way */
	size_t measure_count;
	struct question_result *results; /* [measure][group of runs] */
};

/* A group of runs counts when all its seeds answered the same questions; accuracies are means over seeds. Questions of one cluster are
 * drawn together. Differences are over the questions that both were asked. */
enum status questions_create(const struct comparison *comparison, struct question_results *results_out);
void questions_clear(struct question_results *results);
const struct question_result *questions_at(const struct question_results *results, size_t measure, size_t group);
/* "above chance", "below chance", "not distinguishable from chance", "too few questions to tell", "". */
const char *questions_verdict_name(enum chance_verdict verdict);
/* A row for each set, and for each group and way of scoring of own questions. */
void questions_table(const struct question_results *results, struct table *table);
void questions_group_table(const struct question_results *results, struct table *table);
/* One line each: sets of own questions that no model answers better than by guessing, and questions that were not asked. */
void questions_add_notes(const struct question_results *results, struct buffer *notes);

#endif
