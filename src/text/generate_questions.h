/* Recall questions about generated text: the held-out sentence of a fact, to be completed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_GENERATE_QUESTIONS_H
#define CAPSHAPE_TEXT_GENERATE_QUESTIONS_H

#include "text/generate_facts.h"
#include "text/questions.h"

/* Also the same questions as lines of a file (text/question_line.h), in *lines, from malloc: in the sets facts-forget and facts-retain,
 * with a full stop behind each choice, and as "context" a sentence that states the fact. */
/* Up to options->questions of each domain, drawn at random among the facts that the training documents state at least
 * once, in the order of their frequency. Goes through all documents. question_set_clear() each. */
enum status generate_questions(const struct generate_options *options, const struct tokenizer *tokenizer,
                               struct question_set sets[QUESTION_SETS], char **lines);

#endif
