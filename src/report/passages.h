/* Questions asked with their passage and without (questions/passages = both): what a model answers when the facts are in its prompt.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_REPORT_PASSAGES_H
#define CAPSHAPE_REPORT_PASSAGES_H

#include "report/questions.h"

/* A row for each method, size, set that has a set NAME.open beside it, and way of scoring: accuracy without and with the passage, over the
 * questions that were asked both ways by all seeds, and the difference, with intervals over questions paired in each resample; those of
 * one cluster are drawn together. */
enum status passages_table(const struct question_results *results, struct table *table);

#endif
