/* Recall: which of the answers that a question offers does the model find most probable? Same results for any number of
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

/* The questions of one set with every candidate as a text of its own: the prompt and one answer, packed into rows. */
struct recall_set {
	struct question_set questions;
	int64_t tokens;
	int64_t *begin;  /* [count * candidates + 1] of the texts */
	uint8_t *wanted; /* [tokens] 1: of an answer */
	struct rows rows;
	float *token_nll; /* [tokens] of the last run */
	/* of the last run: */
	uint8_t *correct; /* [count] the right answer was the most probable; no when another was equally probable */
	float *margin;    /* [count] log p(right answer | prompt) - log p(best wrong one | prompt) */
	double accuracy, chance;
};

enum { RECALL_SETS = QUESTION_SETS };

/* Reads questions.h5 beside the shards of `folder` where there is one: *count sets, else 0. STATUS_DATA when it is of
 * another vocabulary, or a question is longer than `context` - 1 tokens. Clears nothing on success: recall_set_clear(). */
enum status recall_open(const char *folder, const struct shard_facts *facts, int64_t context,
                        struct recall_set sets[RECALL_SETS], int *count);
void recall_set_clear(struct recall_set *set);

/* Collective over `trainers`, as evaluation_run(). An answer's log-probability is the sum over its tokens, each given the
 * prompt and the tokens of the answer before it, after an end-of-text token. */
enum status recall_run(const struct world *trainers, struct model *model, int64_t rows_per_batch,
                       struct recall_set *set);

/* Into the results of a run. */
enum status recall_record(const struct recall_set *set, struct run_results *results);

#endif
