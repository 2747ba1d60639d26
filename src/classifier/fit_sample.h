/* What the probes are fitted and measured on: gold labels, the order in which blocks are visited, and the balanced random
 * samples of training tokens and documents. Everything is a function of the shards, the seed and the sizes asked for.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_CLASSIFIER_FIT_SAMPLE_H
#define CAPSHAPE_CLASSIFIER_FIT_SAMPLE_H

#include <stdint.h>

#include "base/status.h"
#include "classifier/word_list.h"
#include "text/shard.h"

enum gold { GOLD_NONE = -1, GOLD_RETAIN = 0, GOLD_FORGET = 1 };

/* Gold label of token `index`: forget or not. End-of-text, what is labelled mixed and what has no label have none. */
enum gold sample_token_gold(const struct block *block, int64_t index, int32_t end_of_text);
/* Forget when at least `forget_share` of the tokens that have a gold label are; none when no token has one. */
enum gold sample_document_gold(const struct block *block, int64_t document, int32_t end_of_text, double forget_share);
/* Tokens of a document without the end-of-text token at its end. */
int64_t sample_document_tokens(const struct block *block, int64_t document, int32_t end_of_text);
/* Number of the block that is visited as the `order`-th. */
int64_t sample_block_number(const struct shard_set *set, uint64_t seed, int64_t order);

/* One chosen token (index: in the block) or document (index: of the block's documents). */
struct pick {
	uint64_t key;  /* random rank among those of its class */
	int64_t block; /* number */
	int32_t order; /* of the block's visit: picks are sorted by (order, index) */
	int32_t index;
	int32_t forget;
	int32_t unused;
};

struct picks {
	struct pick *items;
	int64_t count;
	double natural_logit; /* log-odds of forget where they were drawn: what a balanced sample is corrected by */
};
void picks_clear(struct picks *picks);

/* What a training label is given to: a token, or every token of a sentence or a document that has enough forget tokens. */
enum sample_labels { SAMPLE_TOKENS, SAMPLE_SENTENCES, SAMPLE_DOCUMENTS };

struct sample_options {
	uint64_t seed;
	enum sample_labels labels;
	const uint8_t *sentence_marks; /* sentence.h; with SAMPLE_SENTENCES */
	int64_t tokens, documents;     /* how many to draw, half of each class */
	double forget_share;
	int32_t end_of_text;
};

/* Training labels of the `count` tokens of a document: golds[i] of tokens becomes that of their sentence or document, by
 * options->forget_share; GOLD_NONE stays. */
void sample_coarsen(const struct sample_options *options, const int32_t *ids, int64_t count, int8_t *golds);
/* Draws both samples from the training set; words (may be NULL) counts all of the set; the samples come
 * from as many blocks as hold twice what is wanted. As many of
 * each class as the scarcer one has; documents NULL: tokens alone. STATUS_DATA when a class is missing. */
enum status sample_draw(struct shard_set *set, const struct sample_options *options, struct word_list *words,
                        struct picks *tokens, struct picks *documents);
/* Tokens of those documents of a block that are not DOMAIN_UNLABELLED, end-of-text among them. */
int64_t sample_block_labelled(const struct shard_set *set, int64_t block);
/* How many blocks, in visiting order, hold at most `tokens` labelled tokens; at least as many as it takes to meet one. */
int64_t sample_count_blocks(const struct shard_set *set, uint64_t seed, int64_t tokens);

#endif
