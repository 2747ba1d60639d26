/* Byte-level BPE: reading, training and writing vocabularies, exact encoding and decoding.
 *
 * Text is cut into pieces by a regular expression (PCRE2, UTF mode; invalid UTF-8 is first replaced as Python's
 * errors="replace" does, as tiktoken sees it), each piece is merged by rank. Same ids as tiktoken.
 * A tokenizer is read-only after creation and may be shared by threads.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TEXT_TOKENIZER_H
#define CAPSHAPE_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/checksum.h"
#include "base/status.h"

struct tokenizer;

/* One token and the bytes of the input that it stands for. */
struct token_span {
	int32_t id;
	uint32_t begin, end; /* byte offsets into the encoded text */
};

/* Reads `path` by its kind: "*.tiktoken" (cl100k_base, r50k_base by the number of ranks; else pattern cl100k),
 * "*.json" of GPT-2 (encoder.json; vocab.bpe expected beside it), "*.h5" (our own). STATUS_DATA naming file and
 * line. */
enum status tokenizer_read(const char *path, struct tokenizer **tokenizer_out);
/* Our own HDF5 form (ranks, pattern, special tokens), written atomically. */
enum status tokenizer_write(const struct tokenizer *tokenizer, const char *path);
void tokenizer_destroy(struct tokenizer *tokenizer);

/* Training. Feed texts in any number of calls, then finish. Counts pieces; ties go to the pair that is smaller as a
 * pair of byte strings, so the result does not depend on anything but the multiset of pieces. */
struct tokenizer_trainer;
/* pattern: "cl100k" or "gpt2". */
enum status tokenizer_trainer_create(const char *pattern, struct tokenizer_trainer **trainer_out);
enum status tokenizer_trainer_add(struct tokenizer_trainer *trainer, const char *text, size_t size);
/* `ranks`: number of ordinary tokens (>= 256). The special tokens <|endoftext|> and <|hidden|> follow them. */
enum status tokenizer_trainer_finish(struct tokenizer_trainer *trainer, int32_t ranks,
                                     struct tokenizer **tokenizer_out);
void tokenizer_trainer_destroy(struct tokenizer_trainer *trainer);

/* How far training has come. The first three are the caller's account of the text that was added. */
struct training_place {
	uint64_t documents; /* of a corpus that were looked at */
	int64_t bytes;      /* of text that were added */
	bool counted;       /* all of the text was */
	int32_t tokens;     /* of the vocabulary are there; 0: joining pairs has not begun */
};
/* From now on the state of training is kept in the file `path`, so that it can go on from there: the vocabulary will be the same.
 * Reads the file when there is one: then *place says what need not be added again; else it is zero. For a trainer that
 * nothing was added to; `interval`: seconds between two savings. STATUS_DATA naming the file when it is damaged. */
enum status tokenizer_trainer_keep(struct tokenizer_trainer *trainer, const char *path, double interval,
                                   struct training_place *place);
/* Notes the place, and writes the file when it is time to, or `now`. tokenizer_trainer_finish() does so by itself. */
enum status tokenizer_trainer_save(struct tokenizer_trainer *trainer, const struct training_place *place, bool now);

/* Ids of ordinary text: special token strings are NOT recognised. *spans grows as needed (memory_grow). */
enum status tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t size,
                             struct token_span **spans, size_t *capacity, size_t *count);
/* Bytes of the tokens; special tokens and markers of conversations as their names. From malloc, NUL-terminated, *size bytes. */
enum status tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids, size_t count, char **text,
                             size_t *size);

/* Highest id + 1, special tokens included. */
int32_t tokenizer_size(const struct tokenizer *tokenizer);
int32_t tokenizer_end_of_text(const struct tokenizer *tokenizer);
/* The id that stands for a removed token; cl100k: 100277, r50k and GPT-2: 50257, own: last id. */
int32_t tokenizer_hidden(const struct tokenizer *tokenizer);
/* The first of the four markers of conversations (text/turns.h): the lowest four ids in a row that stand for nothing, below the next
 * multiple of TOKENIZER_ROWS, to which models round a vocabulary up. Where there are none, four in a row of the tokens of a
 * single byte that UTF-8 never has (C0, C1, F5 to FF): no text becomes these. So neither the tokenizer nor the shape of
 * a model is another one with markers. 0: there is no room. */
enum { TOKENIZER_ROWS = 64 };
int32_t tokenizer_turn_markers(const struct tokenizer *tokenizer);
/* Whether the id is a special token. */
int tokenizer_is_special(const struct tokenizer *tokenizer, int32_t id);
/* Names the vocabulary, pattern and special tokens. */
const char *tokenizer_hash(const struct tokenizer *tokenizer);
const char *tokenizer_describe(const struct tokenizer *tokenizer);

#endif
