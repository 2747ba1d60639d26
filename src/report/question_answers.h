/* Answers to questions of a group of runs: what was asked, and the mean over seeds (inside of report/questions.h).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_QUESTION_ANSWERS_H
#define CAPSHAPE_REPORT_QUESTION_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>

#include "report/questions.h"

/* Fills sets, titles and measures: whole sets before groups, the primary way of scoring before others. */
enum status question_measures_find(struct question_results *results);

/* Whether two runs were asked the same. Of facts only the number is known. */
bool question_answers_same(const struct question_set *a, const struct question_set *b);
/* The set as the first seed answered it; NULL when some seed did not, or was asked others. */
const struct question_set *question_answers_set(const struct study *study, size_t group, const char *name);

/* Of one group of runs and measure: for each question the mean over seeds, and whether all were asked it. */
struct question_average {
	double *correct, *asked; /* [questions] asked: 1 or 0, 0 also outside of the measure's group */
	double margin;
	size_t count, left_out; /* of the measure's questions: asked, not asked */
};

/* Fills it, whose arrays are there; false when some seed has no answers by the rule, or was asked none of these questions. */
bool question_average_find(const struct study *study, size_t group, const struct question_measure *measure,
                           size_t questions, struct question_average *average);

#endif
