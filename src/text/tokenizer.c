/* A tokenizer: vocabulary, piece pattern and special tokens; what can be asked of it, and decoding.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "text/encoder.h"
#include "text/tokenizer_parts.h"
#include "text/turns.h"

static const char END_OF_TEXT[] = "<|endoftext|>", HIDDEN[] = "<|hidden|>";

struct tokenizer {
	struct vocabulary *vocabulary;
	struct encoder_pool *encoders;
	enum pattern pattern;
	struct special_tokens specials;
	int32_t size, end_of_text, hidden, markers;
	char *name, *description;
	char hash[CONTENT_HASH_SIZE];
};

void special_tokens_standard(int32_t ranks, struct special_tokens *specials)
{
	enum { CL100K_RANKS = 100256 };
	if (ranks == CL100K_RANKS) {
		*specials = (struct special_tokens){
			7,
			{ { "<|endoftext|>", 100257 },
			  { "<|fim_prefix|>", 100258 },
			  { "<|fim_middle|>", 100259 },
			  { "<|fim_suffix|>", 100260 },
			  { "<|endofprompt|>", 100276 },
			  { "<|hidden|>", 100277 },
			  { "<|refusal|>", 100278 } },
		};
		return;
	}
	*specials = (struct special_tokens){ 2, { { "<|endoftext|>", ranks }, { "<|hidden|>", ranks + 1 } } };
}

static const struct special_token *find_special(const struct special_tokens *specials, const char *name)
{
	for (size_t i = 0; i < specials->count; i++) {
		if (strcmp(specials->tokens[i].name, name) == 0)
			return &specials->tokens[i];
	}
	return NULL;
}

/* Names everything that decides about ids. */
static enum status find_hash(struct tokenizer *tokenizer)
{
	struct content_hash *hash = content_hash_create();
	if (hash == NULL)
		return STATUS_ENVIRONMENT;
	content_hash_add(hash, pattern_name(tokenizer->pattern), strlen(pattern_name(tokenizer->pattern)));
	int32_t count = vocabulary_count(tokenizer->vocabulary);
	content_hash_add(hash, &count, sizeof count);
	for (int32_t id = 0; id < count; id++) {
		size_t size;
		const char *token = vocabulary_token(tokenizer->vocabulary, id, &size);
		uint64_t length = size;
		content_hash_add(hash, &length, sizeof length);
		content_hash_add(hash, token, size);
	}
	for (size_t i = 0; i < tokenizer->specials.count; i++) {
		const struct special_token *special = &tokenizer->specials.tokens[i];
		content_hash_add(hash, special->name, strlen(special->name) + 1);
		content_hash_add(hash, &special->id, sizeof special->id);
	}
	content_hash_finish(hash, tokenizer->hash);
	return STATUS_OK;
}

static enum status find_specials(struct tokenizer *tokenizer)
{
	const struct special_token *end = find_special(&tokenizer->specials, END_OF_TEXT);
	const struct special_token *hidden = find_special(&tokenizer->specials, HIDDEN);
	if (end == NULL || hidden == NULL)
		return error_raise(STATUS_DATA, "the tokenizer has no special token %s",
		                   end == NULL ? END_OF_TEXT : HIDDEN);
	tokenizer->end_of_text = end->id;
	tokenizer->hidden = hidden->id;
	tokenizer->size = vocabulary_count(tokenizer->vocabulary);
	for (size_t i = 0; i < tokenizer->specials.count; i++) {
		int32_t id = tokenizer->specials.tokens[i].id;
		if (id < vocabulary_count(tokenizer->vocabulary) || id > INT32_MAX - 64)
			return error_raise(STATUS_DATA,
			                   "the id %d of the special token %s is that of an ordinary token", id,
			                   tokenizer->specials.tokens[i].name);
		if (id >= tokenizer->size)
			tokenizer->size = id + 1;
	}
	return STATUS_OK;
}

static bool stands_for_nothing(const struct tokenizer *tokenizer, int32_t id)
{
	for (size_t i = 0; i < tokenizer->specials.count; i++)
		if (tokenizer->specials.tokens[i].id == id)
			return false;
	return id >= vocabulary_count(tokenizer->vocabulary);
}

/* A token of one byte that no UTF-8 has: text is encoded as UTF-8, so it never becomes this token. */
static bool is_never_text(const struct tokenizer *tokenizer, int32_t id)
{
	size_t size;
	if (id >= vocabulary_count(tokenizer->vocabulary))
		return false;
	const char *token = vocabulary_token(tokenizer->vocabulary, id, &size);
	unsigned char byte = (unsigned char)token[0];
	return size == 1 && (byte == 0xC0 || byte == 0xC1 || byte >= 0xF5);
}

/* The first of as many ids in a row as there are markers, all of them such; 0: there are none. */
static int32_t find_row(const struct tokenizer *tokenizer, int32_t begin, int32_t end,
                        bool (*fits)(const struct tokenizer *tokenizer, int32_t id))
{
	int32_t count = 0;
	for (int32_t id = begin; id < end; id++) {
		count = fits(tokenizer, id) ? count + 1 : 0;
		if (count == TURN_MARKERS)
			return id + 1 - TURN_MARKERS;
	}
	return 0;
}

static int32_t find_markers(const struct tokenizer *tokenizer)
{
	int32_t rows = (tokenizer->size + TOKENIZER_ROWS - 1) / TOKENIZER_ROWS * TOKENIZER_ROWS;
	int32_t ordinary = vocabulary_count(tokenizer->vocabulary);
	int32_t markers = find_row(tokenizer, ordinary, rows, stands_for_nothing);
	return markers > 0 ? markers : find_row(tokenizer, 1, ordinary, is_never_text);
}

enum status tokenizer_create(struct vocabulary *vocabulary, enum pattern pattern, const struct special_tokens *specials,
                             const char *name, struct tokenizer **tokenizer_out)
{
	struct tokenizer *tokenizer = memory_allocate(1, sizeof *tokenizer);
	if (tokenizer == NULL) {
		vocabulary_destroy(vocabulary);
		return STATUS_ENVIRONMENT;
	}
	tokenizer->vocabulary = vocabulary;
	tokenizer->pattern = pattern;
	tokenizer->specials = *specials;
	enum status status = find_specials(tokenizer);
	tokenizer->markers = status == STATUS_OK ? find_markers(tokenizer) : 0;
	if (status == STATUS_OK)
		status = find_hash(tokenizer);
	if (status == STATUS_OK)
		status = encoder_pool_create(vocabulary, pattern, &tokenizer->encoders);
	tokenizer->name = status == STATUS_OK ? memory_copy_text(name) : NULL;
	tokenizer->description =
		status == STATUS_OK ? text_format("%s: %d tokens and %zu special ones, pattern %s", name,
	                                          vocabulary_count(vocabulary), specials->count, pattern_name(pattern))
				    : NULL;
	if (status == STATUS_OK && (tokenizer->name == NULL || tokenizer->description == NULL))
		status = STATUS_ENVIRONMENT;
	if (status != STATUS_OK) {
		tokenizer_destroy(tokenizer);
		return status;
	}
	*tokenizer_out = tokenizer;
	return STATUS_OK;
}

void tokenizer_destroy(struct tokenizer *tokenizer)
{
	if (tokenizer == NULL)
		return;
	encoder_pool_destroy(tokenizer->encoders);
	vocabulary_destroy(tokenizer->vocabulary);
	free(tokenizer->name);
	free(tokenizer->description);
	free(tokenizer);
}

enum status tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t size,
                             struct token_span **spans, size_t *capacity, size_t *count)
{
	struct encoder *encoder;
	if (size > UINT32_MAX)
		return error_raise(STATUS_DATA, "a text of %zu bytes is longer than 4 GiB", size);
	STATUS_TRY(encoder_pool_take(tokenizer->encoders, &encoder));
	enum status status = encoder_run(encoder, text, size, spans, capacity, count);
	encoder_pool_give(tokenizer->encoders, encoder);
	return status;
}

/* ---- decoding ---- */

/* Bytes of one token; ids between the special tokens that stand for nothing get a name from `buffer`. */
static enum status token_text(const struct tokenizer *tokenizer, int32_t id, char buffer[SPECIAL_NAME_SIZE],
                              const char **text, size_t *size)
{
	bool marker = turns_is_marker(tokenizer->markers, id);
	if (id < 0 || (id >= tokenizer->size && !marker))
		return error_raise(STATUS_DATA, "%d is not the id of a token: the vocabulary has %d", id,
		                   tokenizer->size);
	if (id < vocabulary_count(tokenizer->vocabulary) && !marker) {
		*text = vocabulary_token(tokenizer->vocabulary, id, size);
		return STATUS_OK;
	}
	*text = buffer;
	if (marker)
		snprintf(buffer, SPECIAL_NAME_SIZE, "<|%s|>", turn_name((enum turn)(id - tokenizer->markers)));
	else
		snprintf(buffer, SPECIAL_NAME_SIZE, "<|unused_%d|>", id);
	for (size_t i = 0; i < tokenizer->specials.count; i++) {
		if (tokenizer->specials.tokens[i].id == id)
			*text = tokenizer->specials.tokens[i].name;
	}
	*size = strlen(*text);
	return STATUS_OK;
}

enum status tokenizer_decode(const struct tokenizer *tokenizer, const int32_t *ids, size_t count, char **text,
                             size_t *size)
{
	char *bytes = NULL;
	size_t capacity = 0, used = 0;
	enum status status = memory_grow((void **)&bytes, &capacity, 4 * count + 1, 1);
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		char buffer[SPECIAL_NAME_SIZE];
		const char *token = NULL;
		size_t length = 0;
		status = token_text(tokenizer, ids[i], buffer, &token, &length);
		if (status == STATUS_OK)
			status = memory_grow((void **)&bytes, &capacity, used + length + 1, 1);
		if (status == STATUS_OK) {
			memcpy(bytes + used, token, length);
			used += length;
		}
	}
	if (status != STATUS_OK) {
		free(bytes);
		return status;
	}
	bytes[used] = '\0';
	*text = bytes;
	*size = used;
	return STATUS_OK;
}

/* ---- questions ---- */

int32_t tokenizer_size(const struct tokenizer *tokenizer)
{
	return tokenizer->size;
}

int32_t tokenizer_end_of_text(const struct tokenizer *tokenizer)
{
	return tokenizer->end_of_text;
}

int32_t tokenizer_hidden(const struct tokenizer *tokenizer)
{
	return tokenizer->hidden;
}

int32_t tokenizer_turn_markers(const struct tokenizer *tokenizer)
{
	return tokenizer->markers;
}

int tokenizer_is_special(const struct tokenizer *tokenizer, int32_t id)
{
	return id >= vocabulary_count(tokenizer->vocabulary) && id < tokenizer->size;
}

const char *tokenizer_hash(const struct tokenizer *tokenizer)
{
	return tokenizer->hash;
}

const char *tokenizer_describe(const struct tokenizer *tokenizer)
{
	return tokenizer->description;
}

const struct vocabulary *tokenizer_vocabulary(const struct tokenizer *tokenizer)
{
	return tokenizer->vocabulary;
}

enum pattern tokenizer_pattern(const struct tokenizer *tokenizer)
{
	return tokenizer->pattern;
}

const struct special_tokens *tokenizer_specials(const struct tokenizer *tokenizer)
{
	return &tokenizer->specials;
}

const char *tokenizer_name(const struct tokenizer *tokenizer)
{
	return tokenizer->name;
}
