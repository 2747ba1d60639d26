/* Recall questions: accuracy and margin of every method and size, with intervals over questions.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_QUESTIONS_H
#define CAPSHAPE_REPORT_QUESTIONS_H

#include "report/compare.h"
#include "report/table.h"

struct question_result {
	size_t questions;                     /* 0: the group has no answers for the set */
	struct interval accuracy, difference; /* to the baseline of the same size, paired over questions */
	double margin;                        /* mean, nats */
	double chance;
};

struct question_results {
	const struct comparison *comparison;
	char **sets; /* "forget", "retain", .. */
	size_t set_count;
	struct question_result *results; /* [set][group] */
};

/* A group counts when all its seeds answered equally many questions; accuracies are means over seeds. */
enum status questions_create(const struct comparison *comparison, struct question_results *results_out);
void questions_clear(struct question_results *results);
const struct question_result *questions_at(const struct question_results *results, size_t set, size_t group);
void questions_table(const struct question_results *results, struct table *table);

#endif
