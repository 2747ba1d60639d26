/* Training a vocabulary: the most frequent pair of neighbours becomes the next token, until there are enough.
 *
 * Pieces are counted first, so that the merging works on distinct pieces. A heap holds the pairs by count; a count
 * that has changed since an entry was pushed makes the entry stale, and it is pushed again with its present count
 * when it comes up (counts of a pair that does not lead only fall; when one rises, it is pushed at once).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/memory.h"
#include "base/stop.h"
#include "base/timer.h"
#include "text/tokenizer.h"
#include "text/tokenizer_parts.h"
#include "text/train_pairs.h"
#include "text/train_state.h"
#include "text/utf8.h"

void tokenizer_trainer_destroy(struct tokenizer_trainer *trainer)
{
	if (trainer == NULL)
		return;
	piece_matcher_destroy(trainer->matcher);
	piece_pattern_destroy(trainer->pattern);
	free(trainer->bytes);
	free(trainer->pieces);
	free(trainer->table);
	free(trainer->repaired);
	free(trainer->kept_path);
	free(trainer->ids);
	token_list_clear(&trainer->tokens);
	free(trainer);
}

enum status tokenizer_trainer_create(const char *pattern, struct tokenizer_trainer **trainer_out)
{
	struct tokenizer_trainer *trainer = memory_allocate(1, sizeof *trainer);
	if (trainer == NULL)
		return STATUS_ENVIRONMENT;
	trainer->table_size = 1 << 12;
	trainer->table = memory_allocate(trainer->table_size, sizeof *trainer->table);
	enum status status = trainer->table == NULL ? STATUS_ENVIRONMENT : pattern_from_name(pattern, &trainer->kind);
	if (status == STATUS_OK)
		status = piece_pattern_create(trainer->kind, &trainer->pattern);
	if (status == STATUS_OK)
		status = piece_matcher_create(trainer->pattern, &trainer->matcher);
	if (status != STATUS_OK) {
		tokenizer_trainer_destroy(trainer);
		return status;
	}
	*trainer_out = trainer;
	return STATUS_OK;
}

/* ---- counting pieces ---- */

static size_t piece_slot(const struct tokenizer_trainer *trainer, const char *bytes, size_t size)
{
	size_t slot = XXH3_64bits(bytes, size) & (trainer->table_size - 1);
	for (; trainer->table[slot] != 0; slot = (slot + 1) & (trainer->table_size - 1)) {
		const struct piece *piece = &trainer->pieces[trainer->table[slot] - 1];
		if (piece->size == size && memcmp(trainer->bytes + piece->begin, bytes, size) == 0)
			break;
	}
	return slot;
}

static enum status table_grow(struct tokenizer_trainer *trainer)
{
	uint32_t *larger = memory_allocate(2 * trainer->table_size, sizeof *larger);
	if (larger == NULL)
		return STATUS_ENVIRONMENT;
	free(trainer->table);
	trainer->table = larger;
	trainer->table_size *= 2;
	for (size_t i = 0; i < trainer->piece_count; i++) {
		const struct piece *piece = &trainer->pieces[i];
		trainer->table[piece_slot(trainer, trainer->bytes + piece->begin, piece->size)] = (uint32_t)i + 1;
	}
	return STATUS_OK;
}

enum status train_count_piece(struct tokenizer_trainer *trainer, const char *bytes, size_t size, uint64_t count)
{
	size_t slot = piece_slot(trainer, bytes, size);
	if (trainer->table[slot] != 0) {
		trainer->pieces[trainer->table[slot] - 1].count += count;
		return STATUS_OK;
	}
	if (trainer->piece_count >= UINT32_MAX / 2)
		return error_raise(STATUS_DATA, "the training text has more than two thousand million distinct pieces");
	STATUS_TRY(memory_grow((void **)&trainer->bytes, &trainer->byte_capacity, trainer->byte_count + size, 1));
	STATUS_TRY(memory_grow((void **)&trainer->pieces, &trainer->piece_capacity, trainer->piece_count + 1,
	                       sizeof *trainer->pieces));
	memcpy(trainer->bytes + trainer->byte_count, bytes, size);
	trainer->pieces[trainer->piece_count++] = (struct piece){ trainer->byte_count, (uint32_t)size, count };
	trainer->byte_count += size;
	trainer->table[slot] = (uint32_t)trainer->piece_count;
	return 2 * trainer->piece_count > trainer->table_size ? table_grow(trainer) : STATUS_OK;
}

/* A copy with U+FFFD for what is not UTF-8; text that is stays where it is. */
static enum status repair(struct tokenizer_trainer *trainer, const char **text, size_t *size)
{
	size_t valid = utf8_valid_prefix(*text, *size);
	if (valid == *size)
		return STATUS_OK;
	STATUS_TRY(memory_grow((void **)&trainer->repaired, &trainer->repaired_capacity, 3 * *size, 1));
	*size = utf8_replace(*text, *size, trainer->repaired);
	*text = trainer->repaired;
	return STATUS_OK;
}

enum status tokenizer_trainer_add(struct tokenizer_trainer *trainer, const char *text, size_t size)
{
	if (size > UINT32_MAX / 3)
		return error_raise(STATUS_DATA, "a text of %zu bytes is too long to train on in one part", size);
	STATUS_TRY(repair(trainer, &text, &size));
	for (size_t begin = 0; begin < size;) {
		size_t end;
		STATUS_TRY(piece_next(trainer->matcher, text, size, begin, &end));
		STATUS_TRY(train_count_piece(trainer, text + begin, end - begin, 1));
		begin = end;
	}
	return STATUS_OK;
}

/* ---- keeping ---- */

enum status tokenizer_trainer_keep(struct tokenizer_trainer *trainer, const char *path, double interval,
                                   struct training_place *place)
{
	trainer->kept_path = memory_copy_text(path);
	if (trainer->kept_path == NULL)
		return STATUS_ENVIRONMENT;
	trainer->save_interval = interval;
	trainer->saved_at = timer_seconds();
	if (access(path, F_OK) == 0)
		STATUS_TRY(train_store_read(trainer));
	*place = trainer->place;
	return STATUS_OK;
}

enum status tokenizer_trainer_save(struct tokenizer_trainer *trainer, const struct training_place *place, bool now)
{
	bool more = place->documents > trainer->saved_documents || (place->counted && !trainer->place.counted);
	trainer->place = *place;
	if (trainer->kept_path == NULL || !more || !(now || train_store_is_due(trainer)))
		return STATUS_OK;
	return train_store_write(trainer, trainer->pieces, NULL, NULL);
}

/* ---- merging ---- */

struct merging {
	struct tokenizer_trainer *trainer;
	struct piece *pieces; /* a copy: sizes shrink */
	int32_t *ids;
	struct pair_counts *pairs;
	struct token_list tokens;
	struct token_index *index;
};

/* The bytes are the first tokens, and each piece a row of them. */
static enum status begin_with_bytes(struct merging *merging)
{
	const struct tokenizer_trainer *trainer = merging->trainer;
	for (int32_t byte = 0; byte < 256; byte++) {
		char single = (char)byte;
		STATUS_TRY(token_list_add(&merging->tokens, &single, 1));
	}
	merging->ids = memory_allocate(trainer->byte_count, sizeof *merging->ids);
	if (merging->ids == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < trainer->byte_count; i++)
		merging->ids[i] = (unsigned char)trainer->bytes[i];
	return STATUS_OK;
}

static void begin_with_kept(struct merging *merging)
{
	struct tokenizer_trainer *trainer = merging->trainer;
	merging->ids = trainer->ids;
	merging->tokens = trainer->tokens;
	trainer->ids = NULL;
	trainer->tokens = (struct token_list){ 0 };
}

static enum status count_pairs(struct merging *merging)
{
	STATUS_TRY(pair_counts_create(&merging->tokens, &merging->pairs));
	for (size_t i = 0; i < merging->trainer->piece_count; i++) {
		const struct piece *piece = &merging->pieces[i];
		const int32_t *ids = merging->ids + piece->begin;
		for (uint32_t k = 0; k + 1 < piece->size; k++)
			STATUS_TRY(pair_counts_add(merging->pairs, ids[k], ids[k + 1], (int64_t)piece->count,
			                           (uint32_t)i));
	}
	return pair_counts_settle(merging->pairs);
}

static enum status merging_begin(struct merging *merging)
{
	const struct tokenizer_trainer *trainer = merging->trainer;
	STATUS_TRY(token_index_create(&merging->index));
	if (trainer->ids != NULL)
		begin_with_kept(merging);
	else
		STATUS_TRY(begin_with_bytes(merging));
	for (int32_t id = 0; id < merging->tokens.count; id++)
		STATUS_TRY(token_index_add(merging->index, &merging->tokens, id));
	merging->pieces = memory_allocate(trainer->piece_count, sizeof *merging->pieces);
	if (merging->pieces == NULL)
		return STATUS_ENVIRONMENT;
	if (trainer->piece_count > 0)
		memcpy(merging->pieces, trainer->pieces, trainer->piece_count * sizeof *merging->pieces);
	return count_pairs(merging);
}

/* Replaces the pair by `id` in one piece, from left to right, and counts the neighbours that change by it. */
static enum status merge_piece(struct merging *merging, size_t index, int32_t left, int32_t right, int32_t id)
{
	struct piece *piece = &merging->pieces[index];
	int32_t *ids = merging->ids + piece->begin;
	int64_t count = (int64_t)piece->count;
	uint32_t place = (uint32_t)index, kept = 0;
	for (uint32_t i = 0; i < piece->size; i++) {
		if (i + 1 == piece->size || ids[i] != left || ids[i + 1] != right) {
			ids[kept++] = ids[i];
			continue;
		}
		if (kept > 0) {
			STATUS_TRY(pair_counts_add(merging->pairs, ids[kept - 1], left, -count, place));
			STATUS_TRY(pair_counts_add(merging->pairs, ids[kept - 1], id, count, place));
		}
		if (i + 2 < piece->size) {
			STATUS_TRY(pair_counts_add(merging->pairs, right, ids[i + 2], -count, place));
			STATUS_TRY(pair_counts_add(merging->pairs, id, ids[i + 2], count, place));
		}
		ids[kept++] = id;
		i++;
	}
	piece->size = kept;
	return STATUS_OK;
}

/* The id of the joined bytes; a new token when there is none yet ("a" + "bc" after "ab" + "c"). */
static enum status join_tokens(struct merging *merging, int32_t left, int32_t right, int32_t *id)
{
	struct token_list *tokens = &merging->tokens;
	size_t begin = tokens->offset[left], size = tokens->offset[left + 1] - begin;
	size_t second = tokens->offset[right], second_size = tokens->offset[right + 1] - second;
	char *joined = memory_allocate(size + second_size, 1);
	if (joined == NULL)
		return STATUS_ENVIRONMENT;
	memcpy(joined, tokens->bytes + begin, size);
	memcpy(joined + size, tokens->bytes + second, second_size);
	*id = token_index_find(merging->index, tokens, joined, size + second_size);
	enum status status = STATUS_OK;
	if (*id < 0) {
		*id = tokens->count;
		status = token_list_add(tokens, joined, size + second_size);
		if (status == STATUS_OK)
			status = token_index_add(merging->index, tokens, *id);
	}
	free(joined);
	return status;
}

static enum status merge_step(struct merging *merging, bool *done)
{
	int32_t left, right, id;
	if (!pair_counts_best(merging->pairs, &left, &right)) {
		*done = true;
		return STATUS_OK;
	}
	STATUS_TRY(join_tokens(merging, left, right, &id));
	uint32_t *where;
	size_t count;
	STATUS_TRY(pair_counts_take_places(merging->pairs, left, right, &where, &count));
	enum status status = STATUS_OK;
	for (size_t i = 0; i < count && status == STATUS_OK; i++)
		status = merge_piece(merging, where[i], left, right, id);
	free(where);
	if (status != STATUS_OK)
		return status;
	pair_counts_erase(merging->pairs, left, right);
	return pair_counts_settle(merging->pairs);
}

/* When it is time to, or before a stop; not where it would hold no more than the file has. */
static enum status merging_save(struct merging *merging)
{
	struct tokenizer_trainer *trainer = merging->trainer;
	bool wanted = train_store_is_due(trainer) || (trainer->kept_path != NULL && stop_asked(0));
	if (!wanted || merging->tokens.count <= trainer->place.tokens)
		return STATUS_OK;
	return train_store_write(trainer, merging->pieces, merging->ids, &merging->tokens);
}

static enum status merge_all(struct merging *merging, int32_t ranks, struct tokenizer **tokenizer_out)
{
	bool done = false;
	STATUS_TRY(merging_begin(merging));
	while (merging->tokens.count < ranks && !done) {
		STATUS_TRY(merging_save(merging));
		STATUS_TRY(stop_check("learning a vocabulary"));
		STATUS_TRY(merge_step(merging, &done));
	}
	if (merging->tokens.count < ranks)
		return error_raise(STATUS_DATA,
		                   "the training text gives %d tokens, but %d are asked for; use more text or a "
		                   "smaller vocabulary",
		                   merging->tokens.count, ranks);
	struct special_tokens specials = { 2, { { "<|endoftext|>", ranks }, { "<|hidden|>", ranks + 1 } } };
	struct vocabulary *vocabulary;
	STATUS_TRY(token_list_finish(&merging->tokens, &vocabulary));
	return tokenizer_create(vocabulary, merging->trainer->kind, &specials, "own vocabulary", tokenizer_out);
}

enum status tokenizer_trainer_finish(struct tokenizer_trainer *trainer, int32_t ranks, struct tokenizer **tokenizer_out)
{
	if (ranks < 256)
		return error_raise(STATUS_USAGE, "a vocabulary of %d tokens has no room for the 256 bytes", ranks);
	struct merging merging = { .trainer = trainer };
	enum status status = merge_all(&merging, ranks, tokenizer_out);
	free(merging.pieces);
	free(merging.ids);
	pair_counts_destroy(merging.pairs);
	token_index_destroy(merging.index);
	token_list_clear(&merging.tokens);
	return status;
}
