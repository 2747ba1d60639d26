/* Reading vocabularies of others: tiktoken rank files, and encoder.json with vocab.bpe of GPT-2.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "text/source.h"
#include "text/tokenizer.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"

/* ---- lists of tokens ---- */

enum status token_list_add(struct token_list *list, const char *bytes, size_t size)
{
	STATUS_TRY(memory_grow((void **)&list->bytes, &list->capacity, list->size + size + 1, 1));
	STATUS_TRY(memory_grow((void **)&list->offset, &list->offset_capacity, (size_t)list->count + 2,
	                       sizeof *list->offset));
	memcpy(list->bytes + list->size, bytes, size);
	list->size += size;
	list->offset[0] = 0;
	list->offset[++list->count] = list->size;
	return STATUS_OK;
}

enum status token_list_finish(struct token_list *list, struct vocabulary **vocabulary_out)
{
	struct token_list taken = *list;
	*list = (struct token_list){ 0 };
	return vocabulary_create(taken.bytes, taken.offset, taken.count, vocabulary_out);
}

void token_list_clear(struct token_list *list)
{
	free(list->bytes);
	free(list->offset);
	*list = (struct token_list){ 0 };
}

/* ---- *.tiktoken: "base64 rank" on each line ---- */

/* Decoded size, or -1 when the text is not base 64. `out` has room for 3/4 of the text. */
static long base64_decode(const char *text, size_t size, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	long count = 0;
	uint32_t bits = 0;
	int held = 0;
	size_t padding = 0;
	if (size == 0 || size % 4 != 0)
		return -1;
	while (padding < 2 && text[size - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < size - padding; i++) {
		const char *digit = text[i] == '\0' ? NULL : strchr(digits, text[i]);
		if (digit == NULL)
			return -1;
		bits = bits << 6 | (uint32_t)(digit - digits);
		held += 6;
		if (held >= 8) {
			held -= 8;
			out[count++] = (char)(bits >> held & 0xff);
		}
	}
	return count;
}

/* What is made of a line of a file that adds a token to `list`. */
struct line_reading {
	struct source *source;
	struct token_list *list;
	const json_t *encoder; /* GPT-2's */
	enum status (*take)(const struct line_reading *reading, const char *line, size_t size);
};

/* Empty lines are passed over. */
static enum status read_lines(const struct line_reading *reading)
{
	struct source *source = reading->source;
	for (;;) {
		const char *line;
		size_t size;
		bool found;
		STATUS_TRY(source_read_line(source, &line, &size, &found));
		if (!found)
			return STATUS_OK;
		enum status status = size == 0 ? STATUS_OK : reading->take(reading, line, size);
		if (status != STATUS_OK)
			return error_context(status, "%s:%" PRIu64, source_path(source), source_line_number(source));
	}
}

static enum status read_rank_line(const struct line_reading *reading, const char *line, size_t size)
{
	struct token_list *list = reading->list;
	enum { TOKEN_MAX = 1 << 16 };
	const char *blank = memchr(line, ' ', size);
	if (blank == NULL || size > TOKEN_MAX)
		return error_raise(STATUS_DATA, "expected a token in base 64, a blank and its rank");
	int64_t rank = 0;
	const char *digit = blank + 1, *end = line + size;
	while (digit < end && *digit >= '0' && *digit <= '9' && rank < INT32_MAX)
		rank = 10 * rank + (*digit++ - '0');
	if (digit != end || digit == blank + 1)
		return error_raise(STATUS_DATA, "the rank \"%.*s\" is not a number", (int)(end - blank - 1), blank + 1);
	if (rank != list->count)
		return error_raise(STATUS_DATA, "rank %" PRId64 " follows rank %d; ranks must be 0, 1, 2 ... in order",
		                   rank, list->count - 1);
	char bytes[TOKEN_MAX];
	long length = base64_decode(line, (size_t)(blank - line), bytes);
	if (length <= 0)
		return error_raise(STATUS_DATA, "\"%.*s\" is not base 64", (int)(blank - line), line);
	return token_list_add(list, bytes, (size_t)length);
}

static enum status finish_list(const char *path, struct token_list *list, enum pattern pattern, const char *name,
                               struct tokenizer **tokenizer_out)
{
	if (list->count == 0)
		return error_raise(STATUS_DATA, "%s has no tokens", path);
	struct special_tokens specials;
	special_tokens_standard(list->count, &specials);
	struct vocabulary *vocabulary;
	enum status status = token_list_finish(list, &vocabulary);
	if (status == STATUS_OK)
		status = tokenizer_create(vocabulary, pattern, &specials, name, tokenizer_out);
	return status == STATUS_OK ? status : error_context(status, "%s", path);
}

static enum status read_tiktoken(const char *path, struct tokenizer **tokenizer_out)
{
	enum { CL100K_RANKS = 100256, R50K_RANKS = 50256 };
	struct source *source;
	struct token_list list = { 0 };
	STATUS_TRY(source_open(path, &source));
	enum status status =
		read_lines(&(struct line_reading){ .source = source, .list = &list, .take = read_rank_line });
	source_close(source);
	if (status == STATUS_OK) {
		bool r50k = list.count == R50K_RANKS;
		const char *name = r50k ? "r50k_base" : list.count == CL100K_RANKS ? "cl100k_base" : "tiktoken ranks";
		status = finish_list(path, &list, r50k ? PATTERN_GPT2 : PATTERN_CL100K, name, tokenizer_out);
	}
	token_list_clear(&list);
	return status;
}

/* ---- encoder.json and vocab.bpe ---- */

/* GPT-2 writes a byte as a printable character: itself when it is one, else U+0100 and up in order. */
static void byte_characters(int32_t character_of_byte[256])
{
	int32_t next = 256;
	for (int32_t byte = 0; byte < 256; byte++) {
		bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
		character_of_byte[byte] = printable ? byte : next++;
	}
}

/* Bytes behind the characters of a token; false when a character stands for no byte. `out` has room for `size`. */
static bool read_characters(const char *text, size_t size, char *out, size_t *count)
{
	int32_t character_of_byte[256];
	byte_characters(character_of_byte);
	*count = 0;
	for (size_t i = 0; i < size;) {
		size_t length = utf8_length(text + i, size - i);
		unsigned char first = (unsigned char)text[i];
		int32_t character = length == 1 ? first : length == 2 ? (first & 0x1f) << 6 | (text[i + 1] & 0x3f) : -1;
		int byte = 0;
		while (byte < 256 && character_of_byte[byte] != character)
			byte++;
		if (byte == 256)
			return false;
		out[(*count)++] = (char)byte;
		i += length;
	}
	return *count > 0;
}

/* The id that encoder.json gives to the characters, which must be `expected`. */
static enum status check_id(const json_t *encoder, const char *characters, size_t size, int32_t expected)
{
	const json_t *id = json_object_getn(encoder, characters, size);
	if (!json_is_integer(id))
		return error_raise(STATUS_DATA, "the token \"%.*s\" is missing in encoder.json", (int)size, characters);
	if (json_integer_value(id) != expected)
		return error_raise(STATUS_DATA,
		                   "the token \"%.*s\" has the id %" JSON_INTEGER_FORMAT
		                   " in encoder.json, but the order of the merges gives %d",
		                   (int)size, characters, json_integer_value(id), expected);
	return STATUS_OK;
}

/* The first 256 tokens: printable bytes first, then the others, each in order. */
static enum status add_bytes(const json_t *encoder, struct token_list *list)
{
	int32_t character_of_byte[256];
	byte_characters(character_of_byte);
	for (int pass = 0; pass < 2; pass++) {
		for (int byte = 0; byte < 256; byte++) {
			int32_t character = character_of_byte[byte];
			if ((pass == 0) != (character < 256))
				continue;
			char text[2] = { (char)(0xC0 | character >> 6), (char)(0x80 | (character & 0x3f)) };
			if (character < 0x80)
				text[0] = (char)character;
			STATUS_TRY(check_id(encoder, text, character < 0x80 ? 1 : 2, list->count));
			char single = (char)byte;
			STATUS_TRY(token_list_add(list, &single, 1));
		}
	}
	return STATUS_OK;
}

static enum status add_merge(const struct line_reading *reading, const char *line, size_t size)
{
	struct token_list *list = reading->list;
	if (source_line_number(reading->source) == 1 && size >= 9 && memcmp(line, "#version:", 9) == 0)
		return STATUS_OK;
	enum { MERGE_MAX = 4096 };
	char characters[MERGE_MAX], bytes[MERGE_MAX];
	const char *blank = memchr(line, ' ', size);
	if (blank == NULL || size > MERGE_MAX)
		return error_raise(STATUS_DATA, "expected two tokens with a blank between them");
	size_t left = (size_t)(blank - line), count;
	memcpy(characters, line, left);
	memcpy(characters + left, blank + 1, size - left - 1);
	if (!read_characters(characters, size - 1, bytes, &count))
		return error_raise(STATUS_DATA, "\"%.*s\" has a character that stands for no byte", (int)size, line);
	STATUS_TRY(check_id(reading->encoder, characters, size - 1, list->count));
	return token_list_add(list, bytes, count);
}

/* "x_encoder.json" has "x_vocab.bpe" beside it. From malloc. */
static char *merges_path(const char *path)
{
	static const char ending[] = "encoder.json";
	size_t size = strlen(path), tail = strlen(ending);
	if (size < tail || strcmp(path + size - tail, ending) != 0) {
		error_raise(STATUS_DATA, "%s: the vocabulary of GPT-2 is named encoder.json, with vocab.bpe beside it",
		            path);
		return NULL;
	}
	return text_format("%.*svocab.bpe", (int)(size - tail), path);
}

static enum status read_gpt2_with(const char *path, const json_t *encoder, const char *merges,
                                  struct tokenizer **tokenizer_out)
{
	struct source *source;
	struct token_list list = { 0 };
	STATUS_TRY(source_open(merges, &source));
	enum status status = add_bytes(encoder, &list);
	if (status == STATUS_OK)
		status = read_lines(&(struct line_reading){
			.source = source, .list = &list, .encoder = encoder, .take = add_merge });
	source_close(source);
	if (status == STATUS_OK)
		status = finish_list(path, &list, PATTERN_GPT2, "GPT-2", tokenizer_out);
	token_list_clear(&list);
	return status;
}

static enum status read_gpt2(const char *path, struct tokenizer **tokenizer_out)
{
	char *merges = merges_path(path);
	if (merges == NULL)
		return STATUS_DATA;
	json_error_t error;
	json_t *encoder = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	enum status status;
	if (encoder == NULL)
		status = error_raise(STATUS_DATA, "%s:%d: %s", path, error.line, error.text);
	else
		status = read_gpt2_with(path, encoder, merges, tokenizer_out);
	json_decref(encoder);
	free(merges);
	return status;
}

static bool ends_with(const char *text, const char *ending)
{
	size_t size = strlen(text), tail = strlen(ending);
	return size >= tail && strcmp(text + size - tail, ending) == 0;
}

enum status tokenizer_read(const char *path, struct tokenizer **tokenizer_out)
{
	if (ends_with(path, ".tiktoken"))
		return read_tiktoken(path, tokenizer_out);
	if (ends_with(path, ".json"))
		return read_gpt2(path, tokenizer_out);
	if (ends_with(path, ".h5"))
		return tokenizer_read_store(path, tokenizer_out);
	return error_raise(STATUS_DATA, "%s: a tokenizer is named *.tiktoken, encoder.json or *.h5", path);
}
