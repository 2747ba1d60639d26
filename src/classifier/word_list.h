/* The word-list control: what a ranked list of words alone can tell. Words are rebuilt from tokens (a word ends between two
 * tokens where one has white space at the seam), lower-cased, freed of punctuation at both ends; a word's score is its
 * smoothed log-odds of forget in training, given to each of its tokens. White space and punctuation alone are the empty
 * word, which has a score too.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_WORD_LIST_H
#define CAPSHAPE_CLASSIFIER_WORD_LIST_H

#include <stdint.h>

#include "base/status.h"
#include "text/tokenizer.h"

struct word_list;
/* The tokenizer must outlive the list. */
enum status word_list_create(const struct tokenizer *tokenizer, struct word_list **list_out);
void word_list_destroy(struct word_list *list);

/* Counts the tokens of a document: golds[i] is 1 (forget), 0 (retain) or -1 (does not count). */
enum status word_list_add(struct word_list *list, const int32_t *ids, const int8_t *golds, int64_t count);
/* logits[i]: log-odds of the word that token i belongs to; the base rate for words never seen. */
enum status word_list_score(struct word_list *list, const int32_t *ids, int64_t count, double *logits);
/* Distinct words counted. */
int64_t word_list_size(const struct word_list *list);

#endif
