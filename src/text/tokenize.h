/* From a corpus to token shards, without MPI: what one rank does.
 *
 * Every rank reads the whole corpus in order and tokenizes the documents of its own shards. Which split and shard a
 * document belongs to, and its place in the shard, are functions of the seed, its key and its number; so the files are
 * the same bytes for any number of ranks. Documents with equal keys (the homographs of a dictionary) share a split.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_TOKENIZE_H
#define CAPSHAPE_TEXT_TOKENIZE_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "text/corpus.h"
#include "text/tokenizer.h"

enum split { SPLIT_TRAIN, SPLIT_VALIDATION, SPLIT_TEST, SPLIT_COUNT };

/* "train", "validation", "test": also the names of the shard sets. */
const char *split_name(enum split split);

struct tokenize_plan {
	const struct tokenizer *tokenizer;
	const char *folder; /* exists */
	uint64_t seed;
	double validation_share, test_share; /* of the documents; the rest is for training */
	int64_t block_tokens;
	int64_t shard_counts[SPLIT_COUNT]; /* files of each split; 0: its documents are left out */
};

/* Counts over the shards that a call wrote; only int64_t, so that ranks can add them up as one array. */
struct tokenize_statistics {
	int64_t documents[SPLIT_COUNT][DOMAIN_COUNT]; /* by domain of the document */
	int64_t tokens[SPLIT_COUNT][DOMAIN_COUNT];    /* of these documents, end-of-text tokens included */
	int64_t labelled[SPLIT_COUNT][DOMAIN_COUNT];  /* tokens by their own label */
	int64_t bytes[SPLIT_COUNT];                   /* of text */
};

enum split tokenize_split(const struct tokenize_plan *plan, const char *key);

/* Files of all splits together; they are numbered train first, then validation, then test. */
int64_t tokenize_shard_total(const struct tokenize_plan *plan);

/* Reads the corpus to its end and writes the shards `first`, `first` + `step`, ... (rank and number of ranks, say). The
 * documents of these shards are held in memory: 5 bytes a token. *statistics is set, not added to. */
enum status tokenize_shards(const struct tokenize_plan *plan, struct corpus *corpus, int64_t first, int64_t step,
                            struct tokenize_statistics *statistics);

/* The domain of each of the tokens: that of the strongest span that touches it (forget, hard, retain, mixed, other), or
 * of the document when it came without spans. */
void tokenize_labels(const struct document *document, const struct token_span *tokens, size_t count, uint8_t *labels);

#endif
