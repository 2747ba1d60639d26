/* Encoding a text: repair it where it is not UTF-8, cut it, look pieces up or merge them.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/encoder.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/memory.h"
#include "text/utf8.h"

enum { CACHE_SLOTS = 1 << 15, CACHE_PIECE_MAX = 30, CACHE_IDS_MAX = 8 };

/* One cache line. count == 0: free. */
struct cached_piece {
	uint8_t size, count;
	char bytes[CACHE_PIECE_MAX];
	int32_t ids[CACHE_IDS_MAX];
};

/* Where a broken sequence was replaced: both positions are those behind it. */
struct repair {
	uint32_t repaired, original;
	uint32_t original_size;
};

struct encoder {
	const struct vocabulary *vocabulary;
	struct piece_matcher *matcher;
	struct cached_piece *cache;
	struct merge_scratch scratch;
	char *repaired;
	size_t repaired_capacity;
	struct repair *repairs;
	size_t repair_capacity;
	struct encoder *next;
};

struct encoder_pool {
	const struct vocabulary *vocabulary;
	struct piece_pattern *pattern;
	struct encoder *idle;
	pthread_mutex_t lock;
};

/* ---- pool ---- */

static void encoder_destroy(struct encoder *encoder)
{
	if (encoder == NULL)
		return;
	piece_matcher_destroy(encoder->matcher);
	merge_scratch_clear(&encoder->scratch);
	free(encoder->cache);
	free(encoder->repaired);
	free(encoder->repairs);
	free(encoder);
}

static enum status encoder_create(const struct encoder_pool *pool, struct encoder **encoder_out)
{
	struct encoder *encoder = memory_allocate(1, sizeof *encoder);
	if (encoder == NULL)
		return STATUS_ENVIRONMENT;
	encoder->vocabulary = pool->vocabulary;
	encoder->cache = memory_allocate(CACHE_SLOTS, sizeof *encoder->cache);
	enum status status =
		encoder->cache == NULL ? STATUS_ENVIRONMENT : piece_matcher_create(pool->pattern, &encoder->matcher);
	if (status != STATUS_OK) {
		encoder_destroy(encoder);
		return status;
	}
	*encoder_out = encoder;
	return STATUS_OK;
}

enum status encoder_pool_create(const struct vocabulary *vocabulary, enum pattern pattern,
                                struct encoder_pool **pool_out)
{
	struct encoder_pool *pool = memory_allocate(1, sizeof *pool);
	if (pool == NULL)
		return STATUS_ENVIRONMENT;
	pool->vocabulary = vocabulary;
	pthread_mutex_init(&pool->lock, NULL);
	enum status status = piece_pattern_create(pattern, &pool->pattern);
	if (status != STATUS_OK) {
		encoder_pool_destroy(pool);
		return status;
	}
	*pool_out = pool;
	return STATUS_OK;
}

void encoder_pool_destroy(struct encoder_pool *pool)
{
	if (pool == NULL)
		return;
	while (pool->idle != NULL) {
		struct encoder *next = pool->idle->next;
		encoder_destroy(pool->idle);
		pool->idle = next;
	}
	piece_pattern_destroy(pool->pattern);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

enum status encoder_pool_take(struct encoder_pool *pool, struct encoder **encoder_out)
{
	pthread_mutex_lock(&pool->lock);
	struct encoder *encoder = pool->idle;
	if (encoder != NULL)
		pool->idle = encoder->next;
	pthread_mutex_unlock(&pool->lock);
	if (encoder == NULL)
		return encoder_create(pool, encoder_out);
	*encoder_out = encoder;
	return STATUS_OK;
}

void encoder_pool_give(struct encoder_pool *pool, struct encoder *encoder)
{
	pthread_mutex_lock(&pool->lock);
	encoder->next = pool->idle;
	pool->idle = encoder;
	pthread_mutex_unlock(&pool->lock);
}

/* ---- pieces ---- */

/* The ids of a piece, valid until the next call. */
static enum status piece_ids(struct encoder *encoder, const char *piece, size_t size, const int32_t **ids,
                             size_t *count)
{
	struct cached_piece *slot = NULL;
	if (size <= CACHE_PIECE_MAX) {
		slot = &encoder->cache[XXH3_64bits(piece, size) % CACHE_SLOTS];
		if (slot->count > 0 && slot->size == size && memcmp(slot->bytes, piece, size) == 0) {
			*ids = slot->ids;
			*count = slot->count;
			return STATUS_OK;
		}
	}
	int32_t whole = vocabulary_find(encoder->vocabulary, piece, size);
	if (whole >= 0) {
		STATUS_TRY(
			memory_grow((void **)&encoder->scratch.ids, &encoder->scratch.ids_capacity, 1, sizeof whole));
		encoder->scratch.ids[0] = whole;
		*count = 1;
	} else {
		STATUS_TRY(vocabulary_merge(encoder->vocabulary, piece, size, &encoder->scratch, count));
	}
	*ids = encoder->scratch.ids;
	if (slot != NULL && *count <= CACHE_IDS_MAX) {
		slot->size = (uint8_t)size;
		slot->count = (uint8_t)*count;
		memcpy(slot->bytes, piece, size);
		memcpy(slot->ids, *ids, *count * sizeof **ids);
	}
	return STATUS_OK;
}

static enum status encode_valid(struct encoder *encoder, const char *text, size_t size, struct token_span **spans,
                                size_t *capacity, size_t *count)
{
	size_t used = 0;
	for (size_t begin = 0; begin < size;) {
		size_t end, pieces;
		const int32_t *ids;
		STATUS_TRY(piece_next(encoder->matcher, text, size, begin, &end));
		STATUS_TRY(piece_ids(encoder, text + begin, end - begin, &ids, &pieces));
		STATUS_TRY(memory_grow((void **)spans, capacity, used + pieces, sizeof **spans));
		uint32_t at = (uint32_t)begin;
		for (size_t i = 0; i < pieces; i++) {
			size_t length;
			vocabulary_token(encoder->vocabulary, ids[i], &length);
			(*spans)[used++] = (struct token_span){ ids[i], at, at + (uint32_t)length };
			at += (uint32_t)length;
		}
		begin = end;
	}
	*count = used;
	return STATUS_OK;
}

/* ---- text that is not UTF-8 ---- */

static const char REPLACEMENT[3] = "\xef\xbf\xbd";

/* Copies the text with U+FFFD for every broken sequence. */
static enum status repair_text(struct encoder *encoder, const char *text, size_t size, size_t *repaired_size,
                               size_t *repair_count)
{
	size_t used = 0, repairs = 0, begin = 0;
	/* At worst every byte becomes three. */
	STATUS_TRY(memory_grow((void **)&encoder->repaired, &encoder->repaired_capacity, 3 * size, 1));
	while (begin < size) {
		size_t valid = utf8_valid_prefix(text + begin, size - begin);
		memcpy(encoder->repaired + used, text + begin, valid);
		used += valid;
		begin += valid;
		if (begin == size)
			break;
		size_t broken = utf8_broken_length(text + begin, size - begin);
		STATUS_TRY(memory_grow((void **)&encoder->repairs, &encoder->repair_capacity, repairs + 1,
		                       sizeof *encoder->repairs));
		memcpy(encoder->repaired + used, REPLACEMENT, sizeof REPLACEMENT);
		used += sizeof REPLACEMENT;
		begin += broken;
		encoder->repairs[repairs++] = (struct repair){ (uint32_t)used, (uint32_t)begin, (uint32_t)broken };
	}
	if (used > UINT32_MAX)
		return error_raise(STATUS_DATA,
		                   "a text of %zu bytes with U+FFFD for what is not UTF-8 is longer than 4 GiB", used);
	*repaired_size = used;
	*repair_count = repairs;
	return STATUS_OK;
}

/* Position in the original text of a position in the repaired one; `before` is the number of repairs that end at or
 * before it. Inside a replacement: the beginning of the broken sequence, or its end when `up`. */
static uint32_t original_position(const struct encoder *encoder, size_t before, size_t repair_count, uint32_t position,
                                  bool up)
{
	uint32_t shifted = position;
	if (before > 0)
		shifted = encoder->repairs[before - 1].original + (position - encoder->repairs[before - 1].repaired);
	if (before == repair_count)
		return shifted;
	const struct repair *next = &encoder->repairs[before];
	if (position <= next->repaired - sizeof REPLACEMENT)
		return shifted;
	return up ? next->original : next->original - next->original_size;
}

static void restore_positions(const struct encoder *encoder, size_t repair_count, struct token_span *spans,
                              size_t count)
{
	size_t before_begin = 0, before_end = 0;
	for (size_t i = 0; i < count; i++) {
		while (before_begin < repair_count && encoder->repairs[before_begin].repaired <= spans[i].begin)
			before_begin++;
		while (before_end < repair_count && encoder->repairs[before_end].repaired <= spans[i].end)
			before_end++;
		spans[i].begin = original_position(encoder, before_begin, repair_count, spans[i].begin, false);
		spans[i].end = original_position(encoder, before_end, repair_count, spans[i].end, true);
	}
}

enum status encoder_run(struct encoder *encoder, const char *text, size_t size, struct token_span **spans,
                        size_t *capacity, size_t *count)
{
	if (utf8_valid_prefix(text, size) == size)
		return encode_valid(encoder, text, size, spans, capacity, count);
	size_t repaired_size = 0, repair_count = 0;
	STATUS_TRY(repair_text(encoder, text, size, &repaired_size, &repair_count));
	STATUS_TRY(encode_valid(encoder, encoder->repaired, repaired_size, spans, capacity, count));
	restore_positions(encoder, repair_count, *spans, *count);
	return STATUS_OK;
}
