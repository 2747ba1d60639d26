/* A hash table of words with two counts each.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/word_list.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"

/* A word is trusted as much as its counts say beyond this many tokens at the base rate. */
static const double smoothing = 1;

struct word {
	char name[CONTENT_HASH_SIZE]; /* 128-bit hash of the word: "" where the slot is free */
	int64_t forget, retain;
};

struct piece {
	char *text;
	size_t size;
};

struct word_list {
	const struct tokenizer *tokenizer;
	struct piece *pieces; /* by id, decoded when first met */
	int32_t piece_count;
	struct word *slots; /* open addressing, a power of two, at most half full */
	size_t slot_count, used;
	int64_t forget, retain;
	char *buffer; /* the word being put together */
	size_t buffer_capacity;
};

enum status word_list_create(const struct tokenizer *tokenizer, struct word_list **list_out)
{
	struct word_list *list = memory_allocate(1, sizeof *list);
	if (list == NULL)
		return STATUS_ENVIRONMENT;
	list->tokenizer = tokenizer;
	list->piece_count = tokenizer_size(tokenizer);
	list->pieces = memory_allocate((size_t)list->piece_count, sizeof *list->pieces);
	list->slot_count = 1 << 12;
	list->slots = memory_allocate(list->slot_count, sizeof *list->slots);
	if (list->pieces == NULL || list->slots == NULL) {
		word_list_destroy(list);
		return STATUS_ENVIRONMENT;
	}
	*list_out = list;
	return STATUS_OK;
}

void word_list_destroy(struct word_list *list)
{
	if (list == NULL)
		return;
	for (int32_t id = 0; list->pieces != NULL && id < list->piece_count; id++)
		free(list->pieces[id].text);
	free(list->pieces);
	free(list->slots);
	free(list->buffer);
	free(list);
}

int64_t word_list_size(const struct word_list *list)
{
	return (int64_t)list->used;
}

static enum status piece_of(struct word_list *list, int32_t id, const struct piece **piece_out)
{
	if (id < 0 || id >= list->piece_count)
		return error_raise(STATUS_DATA, "token id %d is not one of the %d ids of the tokenizer", id,
		                   list->piece_count);
	struct piece *piece = &list->pieces[id];
	if (piece->text == NULL)
		STATUS_TRY(tokenizer_decode(list->tokenizer, &id, 1, &piece->text, &piece->size));
	*piece_out = piece;
	return STATUS_OK;
}

static bool is_space(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* ASCII letters and digits, and every byte of a character beyond ASCII. */
static bool is_word_byte(char byte)
{
	unsigned char value = (unsigned char)byte;
	return value >= 0x80 || (value >= '0' && value <= '9') || (value >= 'a' && value <= 'z');
}

/* One past the last token of the word that begins at `begin`; its normal form in list->buffer, *word. */
static enum status next_word(struct word_list *list, const int32_t *ids, int64_t begin, int64_t count, int64_t *end,
                             const char **word, size_t *word_size)
{
	size_t size = 0;
	int64_t at = begin;

	for (; at < count; at++) {
		const struct piece *piece = NULL;
		STATUS_TRY(piece_of(list, ids[at], &piece));
		bool seam =
			size > 0 && (is_space(list->buffer[size - 1]) || (piece->size > 0 && is_space(piece->text[0])));
		if (seam)
			break;
		STATUS_TRY(memory_grow((void **)&list->buffer, &list->buffer_capacity, size + piece->size + 1, 1));
		memcpy(list->buffer + size, piece->text, piece->size);
		size += piece->size;
	}
	char *text = list->buffer;
	for (size_t i = 0; i < size; i++)
		if (text[i] >= 'A' && text[i] <= 'Z')
			text[i] = (char)(text[i] - 'A' + 'a');
	for (; size > 0 && !is_word_byte(text[size - 1]); size--)
		continue;
	for (; size > 0 && !is_word_byte(text[0]); size--)
		text++;
	*end = at;
	*word = text;
	*word_size = size;
	return STATUS_OK;
}

static struct word *find_slot(struct word *slots, size_t slot_count, const char name[CONTENT_HASH_SIZE])
{
	uint64_t value = 0;
	for (int i = 0; i < 16; i++)
		value = value * 16 + (uint64_t)(name[i] <= '9' ? name[i] - '0' : (name[i] | 32) - 'a' + 10);
	size_t at = (size_t)value & (slot_count - 1);
	while (slots[at].name[0] != '\0' && memcmp(slots[at].name, name, CONTENT_HASH_SIZE) != 0)
		at = (at + 1) & (slot_count - 1);
	return &slots[at];
}

static enum status grow_slots(struct word_list *list)
{
	if (2 * (list->used + 1) <= list->slot_count)
		return STATUS_OK;
	struct word *slots = memory_allocate(2 * list->slot_count, sizeof *slots);
	if (slots == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < list->slot_count; i++)
		if (list->slots[i].name[0] != '\0')
			*find_slot(slots, 2 * list->slot_count, list->slots[i].name) = list->slots[i];
	free(list->slots);
	list->slots = slots;
	list->slot_count *= 2;
	return STATUS_OK;
}

enum status word_list_add(struct word_list *list, const int32_t *ids, const int8_t *golds, int64_t count)
{
	for (int64_t begin = 0, end = 0; begin < count; begin = end) {
		const char *text = NULL;
		char name[CONTENT_HASH_SIZE];
		size_t size = 0;
		int64_t forget = 0, retain = 0;
		STATUS_TRY(next_word(list, ids, begin, count, &end, &text, &size));
		for (int64_t i = begin; i < end; i++) {
			forget += golds[i] == 1;
			retain += golds[i] == 0;
		}
		if (forget + retain == 0)
			continue;
		STATUS_TRY(grow_slots(list));
		checksum_content_hash(text, size, name);
		struct word *word = find_slot(list->slots, list->slot_count, name);
		if (word->name[0] == '\0') {
			memcpy(word->name, name, sizeof name);
			list->used++;
		}
		word->forget += forget;
		word->retain += retain;
		list->forget += forget;
		list->retain += retain;
	}
	return STATUS_OK;
}

enum status word_list_score(struct word_list *list, const int32_t *ids, int64_t count, double *logits)
{
	/* One token of each class more than was seen keeps the base rate off 0 and 1. */
	double base = ((double)list->forget + 1) / ((double)list->forget + (double)list->retain + 2);

	for (int64_t begin = 0, end = 0; begin < count; begin = end) {
		const char *text = NULL;
		char name[CONTENT_HASH_SIZE];
		size_t size = 0;
		STATUS_TRY(next_word(list, ids, begin, count, &end, &text, &size));
		checksum_content_hash(text, size, name);
		const struct word *word = find_slot(list->slots, list->slot_count, name);
		double logit = log(((double)word->forget + smoothing * base) /
		                   ((double)word->retain + smoothing * (1 - base)));
		for (int64_t i = begin; i < end; i++)
			logits[i] = logit;
	}
	return STATUS_OK;
}
