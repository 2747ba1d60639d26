/* Multiple choice questions in tokens, in a file beside the token shards: about the facts of generated text, and the user's own.
 *
 * questions.h5, one group a set; of facts forget and retain:
 *   /<set>/prompt/tokens     uint32 [.]        tokens of all prompts
 *   /<set>/prompt/begin      int64  [Q + 1]    first token of each prompt
 *   /<set>/answer/tokens     uint32 [.]        tokens of all candidate answers
 *   /<set>/answer/begin      int64  [A + 1]    first token of each candidate, those of a question in a row; of facts A = Q K
 *   /<set>/correct           uint8  [Q]        the right candidate (0 ..)
 *   attributes of /<set>: questions, candidates (K; of own questions the most of one)
 * of facts also:
 *   /<set>/fact              int64  [Q]        number of the fact, frequent ones first
 *   /<set>/occurrences       int64  [Q]        sentences of the training set that state it
 *   /<set>/text              text   [Q]        the prompts for people
 * of own questions also:
 *   /<set>/answer/first      int64  [Q + 1]    number of the first candidate of each question
 *   /<set>/answer/bytes      int32  [A]        bytes of each candidate's text, the blank before it left out
 *   /<set>/letter_prompt/    tokens, begin     prompts that list the choices with letters, [Q]
 *   /<set>/letter/           tokens, begin     the letters that answer them, [K]
 *   /<set>/bare/             tokens, begin     the prompt without a question, [1]
 *   /<set>/passage, letter_passage  int64 [2 Q] where the passage begins and ends in each prompt, in tokens of it: what may be cut from its left
 *                                              where a prompt is too long; absent where no question of the set has one
 *   /<set>/group             int32  [Q]        index into
 *   /<set>/groups            text   [.]        names of the groups, alphabetical
 *   /<set>/cluster           uint64 [Q]        equal where questions belong together
 *   /<set>/id                text   [Q]        what the file calls the question, else its file and line
 *   attribute domain ("" when not said)
 *   attributes of /: format "capshape-questions", format_version, tokenizer_hash, complete 1
 * format_version is 1 when all sets are of facts, as ever, and 2 when there are own ones. Both are read.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_QUESTIONS_H
#define CAPSHAPE_TEXT_QUESTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "text/corpus.h"
#include "text/tokenizer.h"

/* Texts in tokens, one after the other. */
struct token_texts {
	int64_t count;
	int32_t *tokens;
	int64_t *begin; /* [count + 1]; NULL while there is none */
	size_t token_capacity, begin_capacity;
};

/* The questions of one set. Zero-initialise, question_set_clear() frees. Either of facts (question_set_add) or own
 * (question_set_add_own). */
struct question_set {
	char *name;         /* of own questions; NULL: of facts, which have the name of their domain */
	enum domain domain; /* own: DOMAIN_COUNT when it is not said */
	int64_t count, candidates;
	int32_t *prompts, *answers;
	int64_t *prompt_begin, *answer_begin; /* [count + 1], [answers + 1] */
	uint8_t *correct;
	/* of facts, else NULL: */
	int64_t *fact, *occurrences;
	char **texts;
	/* of own questions, else NULL: */
	int64_t *first;                                   /* [count + 1] */
	int32_t *answer_bytes;                            /* [answers] */
	struct token_texts letter_prompts, letters, bare; /* [count], [candidates], [1] */
	/* tokens of the prompts that are a passage: 2 numbers each, where it begins and where it ends; NULL: no question has one */
	int64_t *passages, *letter_passages; /* [2 count] */
	int32_t *group;
	char **groups; /* alphabetical once question_set_finish() was called */
	int64_t group_count;
	uint64_t *cluster;
	char **ids;
	size_t prompt_capacity, answer_capacity, prompt_begin_capacity, answer_begin_capacity, correct_capacity,
		fact_capacity, occurrence_capacity, text_capacity, first_capacity, bytes_capacity, group_capacity,
		groups_capacity, cluster_capacity, id_capacity, passage_capacity, letter_passage_capacity;
};

const char *question_set_name(const struct question_set *set);
/* Number of the first candidate of a question, or behind the last one for question == count. */
int64_t question_set_first(const struct question_set *set, int64_t question);

struct question {
	const char *prompt;         /* text up to the answer */
	const char *const *answers; /* [candidates] texts that follow it */
	int correct;
	int64_t fact, occurrences;
};

/* Adds a question about a fact; prompt and answers are encoded apart from each other, so they must meet where pieces do (an
 * answer begins with a blank). Every question of a set has `candidates` of them. */
enum status question_set_add(struct question_set *set, const struct tokenizer *tokenizer,
                             const struct question *question);

enum { QUESTION_MOST_CHOICES = 26 };

/* Bytes of a text. */
struct text_range {
	size_t begin, end;
};

struct own_question {
	const char *prompt, *letter_prompt; /* without white space at their ends */
	struct text_range passage,
		letter_passage;     /* bytes of them that may be cut from the left where they are too long */
	const char *const *choices; /* [count] texts without white space at their ends; a blank is put before each */
	int count, correct;         /* 2 to QUESTION_MOST_CHOICES */
	const char *id, *group;
	uint64_t cluster;
	enum domain domain; /* DOMAIN_COUNT: not said */
};

/* Adds one of the user's own questions to a set that has a name. The set's domain becomes that of its questions where all say the
 * same. */
enum status question_set_add_own(struct question_set *set, const struct tokenizer *tokenizer,
                                 const struct own_question *question);
/* After the last own question: letters, the prompt without a question, groups in alphabetical order. */
enum status question_set_finish(struct question_set *set, const struct tokenizer *tokenizer, const char *bare_prompt);
void question_set_clear(struct question_set *set);

enum { QUESTION_SETS = 2 }; /* of facts */

/* Written atomically. Sets without questions are left out. */
enum status questions_write(const char *path, const struct tokenizer *tokenizer, const struct question_set *sets,
                            size_t count);
/* All sets of the file, alphabetical, *count of them, without the texts of facts; questions_free(). STATUS_DATA when damaged, or
 * made with another vocabulary than `tokenizer_hash`. */
enum status questions_read(const char *path, const char *tokenizer_hash, struct question_set **sets, int *count);
void questions_free(struct question_set *sets, int count);

#endif
