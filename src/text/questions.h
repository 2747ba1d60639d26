/* Recall questions: multiple choice about facts, in tokens, in a file beside the token shards.
 *
 * questions.h5, one group a set (forget, retain):
 *   /<set>/prompt/tokens     uint32 [.]        tokens of all prompts
 *   /<set>/prompt/begin      int64  [Q + 1]    first token of each prompt
 *   /<set>/answer/tokens     uint32 [.]        tokens of all candidate answers, K of each question
 *   /<set>/answer/begin      int64  [Q K + 1]  first token of each candidate
 *   /<set>/correct           uint8  [Q]        the right candidate (0 .. K - 1)
 *   /<set>/fact              int64  [Q]        number of the fact, frequent ones first
 *   /<set>/occurrences       int64  [Q]        sentences of the training set that state it
 *   /<set>/text              text   [Q]        the prompts for people
 *   attributes of /<set>: questions, candidates
 *   attributes of /: format "capshape-questions", format_version 1, tokenizer_hash, complete 1
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_QUESTIONS_H
#define CAPSHAPE_TEXT_QUESTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "text/corpus.h"
#include "text/tokenizer.h"

/* The questions of one set. Zero-initialise, question_set_clear() frees. */
struct question_set {
	enum domain domain;
	int64_t count, candidates;
	int32_t *prompts, *answers;
	int64_t *prompt_begin, *answer_begin; /* [count + 1], [count * candidates + 1] */
	uint8_t *correct;
	int64_t *fact, *occurrences;
	char **texts;
	size_t prompt_capacity, answer_capacity, prompt_begin_capacity, answer_begin_capacity, correct_capacity,
		fact_capacity, occurrence_capacity, text_capacity;
};

struct question {
	const char *prompt;         /* text up to the answer */
	const char *const *answers; /* [candidates] texts that follow it */
	int correct;
	int64_t fact, occurrences;
};

/* Adds a question; prompt and answers are encoded apart from each other, so they must meet where pieces do (an answer
 * begins with a blank). Every question of a set has `candidates` of them. */
enum status question_set_add(struct question_set *set, const struct tokenizer *tokenizer,
                             const struct question *question);
void question_set_clear(struct question_set *set);

enum { QUESTION_SETS = 2 };

/* Written atomically. Sets without questions are left out. */
enum status questions_write(const char *path, const struct tokenizer *tokenizer,
                            const struct question_set sets[QUESTION_SETS]);
/* All sets of the file, *count of them, without their texts. STATUS_DATA when damaged, or made with another
 * vocabulary than `tokenizer_hash`. */
enum status questions_read(const char *path, const char *tokenizer_hash, struct question_set sets[QUESTION_SETS],
                           int *count);

#endif
