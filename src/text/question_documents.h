/* Multiple choice questions as text to learn from: each a document of its own, the prompt that lists the choices and the letter of the
 * right one, as scoring by letters has them: the same template, and prompt and letter encoded apart.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_QUESTION_DOCUMENTS_H
#define CAPSHAPE_TEXT_QUESTION_DOCUMENTS_H

#include "text/corpus.h"
#include "text/question_files.h"

struct question_documents;

/* Of the options: line, templates, orders and seed, and whether bad lines are passed over. They must stay. held_out: questions that are
 * not of its training set come in one order only. */
enum status question_documents_create(const struct question_options *options, struct question_documents **out);
/* A line's question, in the first of its orders. Sets text, size, letter, key, domain, outside and labels of `document`, valid until the
 * next call. *found: false when the line is passed over. STATUS_DATA with a sentence that does not name the place yet. */
enum status question_documents_read(struct question_documents *documents, const char *line, size_t size,
                                    struct document *document, bool *found);
/* The question last read in the next of its orders; *found: false when all have been. */
enum status question_documents_again(struct question_documents *documents, struct document *document, bool *found);
void question_documents_destroy(struct question_documents *documents);

#endif
