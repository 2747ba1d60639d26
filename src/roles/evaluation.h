/* Losses on held-out documents: the same documents, rows and micro-batches for every model and any number of trainers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_ROLES_EVALUATION_H
#define CAPSHAPE_ROLES_EVALUATION_H

#include "classifier/rows.h"
#include "comm/world.h"
#include "model/model.h"
#include "text/corpus.h"
#include "text/shard.h"

/* One evaluation set: the first `documents` documents of a domain in stored (shuffled) order, packed into rows. Of a conversation
 * only what is learned of one counts (text/turns.h). */
struct evaluation_set {
	enum domain domain;
	int64_t documents, tokens; /* tokens without end-of-text */
	int64_t *begin;            /* [documents + 1] into the token arrays */
	uint64_t *number;          /* [documents] in the corpus */
	uint64_t *group;           /* [documents] equal where they belong together; NULL: the shards do not say */
	uint8_t *labels;           /* [tokens] */
	uint8_t *learned;          /* [tokens] 1: counts */
	int64_t *counted;          /* [documents] tokens that count */
	struct rows rows;
	/* of the last evaluation: */
	float *token_nll;        /* [tokens] */
	double *nll, *label_nll; /* [documents] summed, nats */
	int64_t *label_tokens;   /* [documents] those that count, with domain_has_label() */
	double loss, label_loss; /* a token that counts; NaN when there are none */
};

/* `limit`: documents, 0 = all. A domain without documents gives an empty set (documents = 0). */
enum status evaluation_set_create(struct shard_set *set, enum domain domain, int64_t limit, int64_t context,
                                  struct evaluation_set *out);
void evaluation_set_clear(struct evaluation_set *set);

/* Collective over `trainers`: token_nll[i] = -log p of token i for every target_source of the rows, 0 for other tokens (and
 * where wanted[i] is 0; wanted NULL: all are). Micro-batches of `rows_per_batch` rows (constant shape) are shared among the
 * trainers; the results are the same on all, and for any number of them. */
enum status evaluation_score(const struct world *trainers, struct model *model, int64_t rows_per_batch,
                             const struct rows *rows, const uint8_t *wanted, int64_t tokens, float *token_nll);

/* Collective over `trainers`: micro-batches of `rows_per_batch` rows (constant shape) are shared among them; the results
 * are the same on all, and for any number of them. */
enum status evaluation_run(const struct world *trainers, struct model *model, int64_t rows_per_batch,
                           struct evaluation_set *set);

#endif
