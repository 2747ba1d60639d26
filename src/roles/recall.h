/* Multiple choice: which of the answers that a question offers does the model find most probable? Same results for any number of
 * trainers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_RECALL_H
#define CAPSHAPE_ROLES_RECALL_H

#include "classifier/rows.h"
#include "comm/world.h"
#include "model/model.h"
#include "results/run_file.h"
#include "text/questions.h"
#include "text/shard.h"

/* What of a choice is compared; log p is a sum over tokens, each given the prompt and the tokens before it, after an end-of-text
 * token. Questions about facts are always scored by cloze alone.
 *   cloze    log p(text | prompt), nats
 *   bytes    the same over the bytes of the text, nats a byte
 *   pmi      log p(text | prompt) - log p(text | the prompt without a question), nats
 *   letters  log p(letter | the prompt that lists the choices), nats
 * What guessing comes to is a right answer in as many as there are choices; by letters, where always the same letter would do better,
 * as often as the letter is right that is right most often in the set. */
enum recall_rule { RECALL_CLOZE, RECALL_BYTES, RECALL_PMI, RECALL_LETTERS, RECALL_RULES };

const char *recall_rule_name(enum recall_rule rule);

/* Rules without repetition; the first is the one that figures show. */
struct recall_rules {
	int count;
	enum recall_rule rules[RECALL_RULES];
};

/* What the choices are texts behind. */
enum recall_family { RECALL_ASKED, RECALL_BARE, RECALL_LETTERED, RECALL_FAMILIES };

/* The answers by one rule. */
struct recall_answers {
	enum recall_rule rule;
	uint8_t *correct; /* [count] the right choice was the most probable; no when another was equally probable */
	float *margin; /* [count] the right choice less the best wrong one; NaN: not asked, the question is too long */
	int64_t asked;
	double accuracy, chance; /* over those asked; NaN when there are none */
	/* By letters, else NaN: the mean of what the letters that are offered have of the probability together, and the share of questions
	 * of which one letter alone has more than all that is none: there the most probable of all answers is a letter for certain. */
	double listed, valid;
};

/* The questions of one set with every choice as a text of its own: a prompt and one choice, packed into rows. Of a question of which a
 * text is longer than `context` - 1 tokens the passage is cut from the left, by as little as makes all of its texts fit; where that is not
 * enough it is left out. */
struct recall_set {
	struct question_set questions;
	struct recall_rules rules;
	int64_t texts, tokens;
	int64_t family[RECALL_FAMILIES];    /* number of the first text of each; -1: not needed */
	int64_t *begin;                     /* [texts + 1] */
	uint8_t *wanted;                    /* [tokens] 1: of a choice */
	uint8_t *too_long[RECALL_FAMILIES]; /* [count] some text of the question is left out; NULL: not needed */
	int64_t *cut
		[RECALL_FAMILIES]; /* [count] tokens that its passage lacks, from the left, in all of its texts; NULL: not needed */
	struct rows rows;
	float *token_nll;                            /* [tokens] of the last run */
	struct recall_answers answers[RECALL_RULES]; /* of the last run, in the order of the rules */
};

/* Reads questions.h5 in `folder` where there is one: *count sets from malloc, else 0. STATUS_DATA when it is of another
 * vocabulary, or a question about a fact is longer than `context` - 1 tokens. Own questions that are too long are left out. */
enum status recall_open(const char *folder, const struct shard_facts *facts, int64_t context,
                        const struct recall_rules *rules, struct recall_set **sets, int *count);
void recall_close(struct recall_set *sets, int count);
/* One line of the log for each set with questions that are too long for some rule: how many, and the first of them; likewise a warning
 * where passages are cut. */
void recall_say_left_out(const struct recall_set *sets, int count, int64_t context);

/* Collective over `trainers`, as evaluation_run(). */
enum status recall_run(const struct world *trainers, struct model *model, int64_t rows_per_batch,
                       struct recall_set *set);

/* "; the letters have 97.2 % of the probability, ..." of answers by letters, else "". Returns the buffer. */
const char *recall_say_listed(const struct recall_answers *answers, char *buffer, size_t size);

/* Into the results of a run. */
enum status recall_record(const struct recall_set *set, struct run_results *results);

#endif
