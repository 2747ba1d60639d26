/* Inside of training a vocabulary: its state, and the file that it is kept in.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_TRAIN_STATE_H
#define CAPSHAPE_TEXT_TRAIN_STATE_H

#include "text/tokenizer.h"
#include "text/tokenizer_parts.h"

/* A distinct piece. Its bytes, later its token ids, lie in one array each. */
struct piece {
	uint64_t begin; /* in bytes, and in ids */
	uint32_t size;  /* bytes; number of ids while merging */
	uint64_t count;
};

struct tokenizer_trainer {
	struct piece_pattern *pattern;
	struct piece_matcher *matcher;
	enum pattern kind;
	char *bytes;
	size_t byte_count, byte_capacity;
	struct piece *pieces;
	size_t piece_count, piece_capacity;
	uint32_t *table; /* piece number + 1 by hash */
	size_t table_size;
	char *repaired;
	size_t repaired_capacity;
	/* keeping */
	char *kept_path; /* NULL: nothing is kept */
	double save_interval, saved_at;
	struct training_place place;
	uint64_t saved_documents; /* that the file has */
	/* found in the file: merging goes on from these; NULL and empty when it has not begun */
	int32_t *ids;
	struct token_list tokens;
};

/* Adds `count` times a piece. */
enum status train_count_piece(struct tokenizer_trainer *trainer, const char *bytes, size_t size, uint64_t count);

/* ---- train_store.c ---- */

/* Reads the file of an earlier start into a trainer that is empty. */
enum status train_store_read(struct tokenizer_trainer *trainer);
/* While pieces are counted: ids NULL. While they are merged: the ids that the pieces have now, and the tokens so far. */
enum status train_store_write(struct tokenizer_trainer *trainer, const struct piece *pieces, const int32_t *ids,
                              const struct token_list *tokens);
/* Whether it is time to. */
bool train_store_is_due(const struct tokenizer_trainer *trainer);

#endif
