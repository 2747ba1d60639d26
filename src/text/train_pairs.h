/* Counts of pairs of neighbouring tokens while a vocabulary is trained, and the tokens by their bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_TRAIN_PAIRS_H
#define CAPSHAPE_TEXT_TRAIN_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "text/tokenizer_parts.h"

struct pair_counts;

/* `tokens` gives the bytes for ties; it may grow and must outlive the counts. */
enum status pair_counts_create(const struct token_list *tokens, struct pair_counts **counts_out);
void pair_counts_destroy(struct pair_counts *counts);
/* Changes the count of a pair by `change`; where it grows, remembers that piece `place` holds it. */
enum status pair_counts_add(struct pair_counts *counts, int32_t left, int32_t right, int64_t change, uint32_t place);
/* After a batch of changes, before the next question. */
enum status pair_counts_settle(struct pair_counts *counts);
/* The pair with the highest count; among equals the one whose (left bytes, right bytes) is smaller. False when no pair
 * is left. */
bool pair_counts_best(struct pair_counts *counts, int32_t *left, int32_t *right);
/* Pieces that hold the pair, or did: sorted, each once. From malloc. */
enum status pair_counts_take_places(struct pair_counts *counts, int32_t left, int32_t right, uint32_t **places,
                                    size_t *count);
/* The pair is nowhere any more. */
void pair_counts_erase(struct pair_counts *counts, int32_t left, int32_t right);

struct token_index;
enum status token_index_create(struct token_index **index_out);
void token_index_destroy(struct token_index *index);
enum status token_index_add(struct token_index *index, const struct token_list *tokens, int32_t id);
/* The id of the bytes, or -1. */
int32_t token_index_find(const struct token_index *index, const struct token_list *tokens, const char *bytes,
                         size_t size);

#endif
