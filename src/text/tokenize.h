/* From a corpus to token shards, without MPI: what one rank does.
 *
 * Every rank reads the whole corpus in order and tokenizes the documents of its own shards. Which split and shard a
 * document belongs to, and its place in the shard, are functions of the seed, its key and its number; so the files are
 * the same bytes for any number of ranks. Documents with equal keys (the homographs of a dictionary) share a split.
 *
 * What is done is kept in a folder, so that a later start, with any number of ranks, goes on from there: finished files as
 * they are, tokens of the others in a journal for each. That all of it was made with the same plan and corpus is for the
 * caller to see to.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_TOKENIZE_H
#define CAPSHAPE_TEXT_TOKENIZE_H

#include <stdbool.h>
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
	bool questions;                    /* all documents are multiple choice questions */
	int64_t shard_counts[SPLIT_COUNT]; /* files of each split; 0: its documents are left out */
	/* where unfinished work is kept (exists); NULL: nothing is kept. What it was made with, and seconds between savings. */
	const char *kept_folder, *identity;
	double save_interval;
};

/* Counts over shards; only int64_t, so that ranks can add them up as one array. */
struct tokenize_statistics {
	int64_t documents[SPLIT_COUNT][DOMAIN_COUNT]; /* by domain of the document */
	int64_t tokens[SPLIT_COUNT][DOMAIN_COUNT];    /* of these documents, end-of-text tokens included */
	int64_t labelled[SPLIT_COUNT][DOMAIN_COUNT];  /* tokens by their own label */
	int64_t bytes[SPLIT_COUNT];                   /* of text */
};

enum split tokenize_split(const struct tokenize_plan *plan, const char *key);

/* Files of all splits together; they are numbered train first, then validation, then test. */
int64_t tokenize_shard_total(const struct tokenize_plan *plan);

/* What was kept and what was done in this start; only int64_t, for the same reason. */
struct tokenize_progress {
	int64_t files, kept_files;         /* shards of this rank; those that were finished before */
	int64_t kept_documents, documents; /* tokenized before; tokenized now */
};

/* The shards `first`, `first` + `step`, ... (rank and number of ranks, say), and what an earlier start kept of them. */
struct tokenize_work;
enum status tokenize_open(const struct tokenize_plan *plan, int64_t first, int64_t step,
                          struct tokenize_work **work_out);
/* Reads the corpus, to its end unless all tokens are there, and writes the shards. Their documents are held in memory: 5 bytes
 * a token. STATUS_STOPPED after all that was done is kept. */
enum status tokenize_run(struct tokenize_work *work, struct corpus *corpus);
const struct tokenize_progress *tokenize_progress(const struct tokenize_work *work);
/* Of the finished shards, kept ones included. */
const struct tokenize_statistics *tokenize_statistics(const struct tokenize_work *work);
/* NULL is fine. */
void tokenize_close(struct tokenize_work *work);

/* Removes shards of these sets that an earlier start with another plan left: none may stand beside new ones. */
enum status tokenize_remove_shards(const char *folder);

/* The domain of each of the tokens: that of the strongest span that touches it (forget, hard, retain, mixed, other, unmarked), or
 * document->outside where none does. */
void tokenize_labels(const struct document *document, const struct token_span *tokens, size_t count, uint8_t *labels);

#endif
