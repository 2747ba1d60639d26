/* Inside of a tokenizer, for the files that make one: tokenizer_read.c, tokenizer_store.c and tokenizer_train.c.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_TOKENIZER_PARTS_H
#define CAPSHAPE_TEXT_TOKENIZER_PARTS_H

#include "text/pieces.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

enum { SPECIAL_MAX = 16, SPECIAL_NAME_SIZE = 32 };

struct special_token {
	char name[SPECIAL_NAME_SIZE];
	int32_t id;
};

struct special_tokens {
	size_t count;
	struct special_token tokens[SPECIAL_MAX];
};

/* Ids of the special tokens of a vocabulary of `ranks` ordinary tokens: those of cl100k_base and r50k_base for their
 * sizes, else end of text and hidden behind the ordinary ones. */
void special_tokens_standard(int32_t ranks, struct special_tokens *specials);

/* Takes over `vocabulary` whatever the status. `specials` must hold "<|endoftext|>" and "<|hidden|>". `name` goes into
 * the description. */
enum status tokenizer_create(struct vocabulary *vocabulary, enum pattern pattern, const struct special_tokens *specials,
                             const char *name, struct tokenizer **tokenizer_out);

const struct vocabulary *tokenizer_vocabulary(const struct tokenizer *tokenizer);
enum pattern tokenizer_pattern(const struct tokenizer *tokenizer);
const struct special_tokens *tokenizer_specials(const struct tokenizer *tokenizer);
const char *tokenizer_name(const struct tokenizer *tokenizer);

/* A growing list of token byte strings, in the order of their ids. Zero-initialise. */
struct token_list {
	char *bytes;
	size_t size, capacity;
	uint64_t *offset; /* [count + 1] once there is a token */
	int32_t count;
	size_t offset_capacity;
};
enum status token_list_add(struct token_list *list, const char *bytes, size_t size);
/* Makes a vocabulary of the list, which is empty afterwards whatever the status. */
enum status token_list_finish(struct token_list *list, struct vocabulary **vocabulary_out);
void token_list_clear(struct token_list *list);

/* Our own HDF5 form; see tokenizer_store.c. */
enum status tokenizer_read_store(const char *path, struct tokenizer **tokenizer_out);

#endif
