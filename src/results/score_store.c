/* Owns the folder of score journals and the index over them: which block lies where.
 * SPDX-License-Identifier: Apache-2.0 */
#include "results/score_store.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "results/score_claims.h"
#include "results/score_record.h"
#include "storage/atomic_file.h"
#include "storage/journal.h"
#include "storage/lock.h"

static const char journal_kind[] = "scores";

/* Where the scores of a block are; journal -1: nowhere. */
struct place {
	int journal;
	int64_t offset;
	int64_t tokens, documents;
};

struct score_store {
	char *folder, *identity;
	struct journal **journals;
	size_t journal_count, journal_capacity;
	int *numbers;                /* [journal_capacity] in their names; -1: another name */
	struct score_claims *claims; /* where there is a journal to append to */
	int own;                     /* the journal appended to, -1 when only reading */
	struct place *places;        /* by block number */
	size_t place_count, place_capacity;
	int64_t blocks;  /* there */
	int64_t records; /* in all journals: more where a block was scored twice */
	void *record;
	size_t record_capacity;
};

static enum status note_block(struct score_store *store, const struct score_head *head, int journal, int64_t offset)
{
	void *array = store->places;
	STATUS_TRY(memory_grow(&array, &store->place_capacity, (size_t)head->block + 1, sizeof *store->places));
	store->places = array;
	for (; store->place_count <= (size_t)head->block; store->place_count++)
		store->places[store->place_count] = (struct place){ .journal = -1 };
	struct place *place = &store->places[head->block];
	store->records++;
	/* A block that two ranks scored has the same scores in both journals. */
	if (place->journal >= 0)
		return STATUS_OK;
	*place = (struct place){ journal, offset, head->tokens, head->documents };
	store->blocks++;
	return STATUS_OK;
}

/* The journal being opened takes the number after those that are open. */
static enum status visit_record(void *context, uint64_t number, const void *payload, size_t size, int64_t offset)
{
	struct score_store *store = context;
	struct score_head head;
	if (!score_head_decode(payload, size, &head)) {
		log_warning("%s: record %llu of a score journal is no block of scores and left out", store->folder,
		            (unsigned long long)number);
		return STATUS_OK;
	}
	return note_block(store, &head, (int)store->journal_count, offset);
}

static enum status add_journal(struct score_store *store, const char *name, bool own)
{
	void *array = store->journals;
	size_t capacity = store->journal_capacity;
	STATUS_TRY(memory_grow(&array, &store->journal_capacity, store->journal_count + 1, sizeof *store->journals));
	store->journals = array;
	array = store->numbers;
	STATUS_TRY(memory_grow(&array, &capacity, store->journal_capacity, sizeof *store->numbers));
	store->numbers = array;
	if (sscanf(name, "scores-%d.journal", &store->numbers[store->journal_count]) != 1)
		store->numbers[store->journal_count] = -1;
	char *path = text_join_path(store->folder, name);
	if (path == NULL)
		return STATUS_ENVIRONMENT;
	struct journal **journal = &store->journals[store->journal_count];
	enum status status =
		own ? journal_open(path, journal_kind, store->identity, visit_record, store, journal)
		    : journal_open_reader(path, journal_kind, store->identity, visit_record, store, journal);
	free(path);
	if (status != STATUS_OK)
		return status;
	if (own)
		store->own = (int)store->journal_count;
	store->journal_count++;
	return STATUS_OK;
}

static int is_journal(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);
	return strncmp(entry->d_name, "scores-", 7) == 0 && length > 15 &&
	       strcmp(entry->d_name + length - 8, ".journal") == 0;
}

/* In the order of names, so that it is the same journal that answers for a block at every start. */
static enum status add_others(struct score_store *store, const char *own_name)
{
	struct dirent **entries;
	int count = scandir(store->folder, &entries, is_journal, alphasort);
	if (count < 0)
		return file_raise(errno, store->folder, "the folder cannot be read");
	enum status status = STATUS_OK;
	for (int i = 0; i < count; i++) {
		if (status == STATUS_OK && (own_name == NULL || strcmp(entries[i]->d_name, own_name) != 0))
			status = add_journal(store, entries[i]->d_name, false);
		free(entries[i]);
	}
	free(entries);
	return status;
}

static enum status fill_store(struct score_store *store, int rank)
{
	STATUS_TRY(text_make_directories(store->folder));
	char *own_name = rank < 0 ? NULL : text_format("scores-%05d.journal", rank);
	enum status status = rank >= 0 && own_name == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && rank >= 0)
		status = add_journal(store, own_name, true);
	if (status == STATUS_OK)
		status = add_others(store, own_name);
	if (status == STATUS_OK && rank >= 0)
		status = score_claims_open(store->folder, LOCK_STALE_SECONDS, &store->claims);
	free(own_name);
	return status;
}

enum status score_store_open(const char *folder, const char *identity, int rank, struct score_store **store_out)
{
	struct score_store *store = memory_allocate(1, sizeof *store);
	if (store == NULL)
		return STATUS_ENVIRONMENT;
	store->own = -1;
	store->folder = memory_copy_text(folder);
	store->identity = memory_copy_text(identity);
	enum status status =
		store->folder == NULL || store->identity == NULL ? STATUS_ENVIRONMENT : fill_store(store, rank);
	if (status != STATUS_OK)
		score_store_close(store);
	else
		*store_out = store;
	return status;
}

static const struct place *find_place(const struct score_store *store, int64_t block)
{
	if (block < 0 || (size_t)block >= store->place_count || store->places[block].journal < 0)
		return NULL;
	return &store->places[block];
}

bool score_store_find(const struct score_store *store, int64_t block)
{
	return find_place(store, block) != NULL;
}

int64_t score_store_count(const struct score_store *store)
{
	return store->blocks;
}

int64_t score_store_repeated(const struct score_store *store)
{
	return store->records - store->blocks;
}

static enum status reserve_record(struct score_store *store, size_t size)
{
	return memory_grow(&store->record, &store->record_capacity, size, 1);
}

static enum status read_scores(struct score_store *store, const struct place *place, uint16_t *scores,
                               uint16_t *document_scores)
{
	size_t size = score_record_size(place->tokens, place->documents);
	STATUS_TRY(reserve_record(store, size));
	STATUS_TRY(journal_read(store->journals[place->journal], place->offset, store->record, size));
	score_record_decode(store->record, place->tokens, place->documents, scores, document_scores);
	return STATUS_OK;
}

enum status score_store_load(struct score_store *store, struct block *block)
{
	const struct place *place = find_place(store, block->number);
	if (place == NULL)
		return error_raise(STATUS_DATA, "%s: there are no scores of block %lld", store->folder,
		                   (long long)block->number);
	if (place->tokens != block->token_count || place->documents != block->document_count)
		return error_raise(
			STATUS_DATA,
			"%s: block %lld was scored with %lld tokens and %lld documents and now has %lld and %lld; "
			"remove the folder, so that it is scored anew",
			store->folder, (long long)block->number, (long long)place->tokens, (long long)place->documents,
			(long long)block->token_count, (long long)block->document_count);
	STATUS_TRY(read_scores(store, place, block->scores, block->document_scores));
	block->scored = true;
	return STATUS_OK;
}

/* Learns of a block that another has scored since this store was opened; *there as it turns out: a place that does not
 * hold the block (a journal was removed, or the machine went down before it was on the disk) is none. */
static enum status look_again(struct score_store *store, const struct block *block, bool *there)
{
	int number;
	int64_t offset;
	size_t size = score_record_size(block->token_count, block->document_count), at = 0;
	*there = score_store_find(store, block->number);
	if (*there || !score_claims_find(store->claims, block->number, &number, &offset))
		return STATUS_OK;
	while (at < store->journal_count && store->numbers[at] != number)
		at++;
	if (at == store->journal_count) {
		char name[64];
		snprintf(name, sizeof name, "scores-%05d.journal", number);
		if (add_journal(store, name, false) != STATUS_OK) {
			error_clear();
			return STATUS_OK;
		}
	}
	struct score_head head;
	STATUS_TRY(reserve_record(store, size));
	if (journal_read(store->journals[at], offset, store->record, size) != STATUS_OK ||
	    !score_head_decode(store->record, size, &head) || head.block != block->number) {
		error_clear();
		return STATUS_OK;
	}
	*there = true;
	return note_block(store, &head, (int)at, offset);
}

/* Whoever holds the lock looks whether the scores have come meanwhile, and else begins. */
static enum status begin_claim(struct score_store *store, const struct block *block, bool *there)
{
	enum status status = look_again(store, block, there);
	if (status != STATUS_OK || *there)
		score_claims_drop(store->claims, block->number);
	else
		score_claims_begin(store->claims, block->number);
	return status;
}

enum status score_store_claim(struct score_store *store, const struct block *block, void (*progress)(void *state),
                              void *state, bool *there)
{
	*there = score_store_find(store, block->number);
	if (*there || store->claims == NULL)
		return STATUS_OK;
	STATUS_TRY(look_again(store, block, there)); /* without a lock first: often enough */
	if (*there)
		return STATUS_OK;
	score_claims_take(store->claims, block->number, progress, state);
	return begin_claim(store, block, there);
}

enum status score_store_try_claim(struct score_store *store, const struct block *block, bool *held)
{
	bool there = score_store_find(store, block->number);
	*held = false;
	if (there || store->claims == NULL)
		return STATUS_OK;
	if (!score_claims_try(store->claims, block->number))
		return STATUS_OK;
	STATUS_TRY(begin_claim(store, block, &there));
	*held = !there;
	return STATUS_OK;
}

void score_store_beat(struct score_store *store)
{
	if (store->claims != NULL)
		score_claims_beat(store->claims);
}

void score_store_set_patience(struct score_store *store, double seconds)
{
	if (store->claims != NULL)
		score_claims_set_patience(store->claims, seconds);
}

enum status score_store_append(struct score_store *store, const struct block *block)
{
	struct score_head head = { block->number, block->token_count, block->document_count };
	size_t size = score_record_size(head.tokens, head.documents);
	int64_t offset;
	if (store->own < 0 || !block->scored || head.block < 0 || head.block > SCORE_LARGEST_BLOCK)
		return error_raise(STATUS_INTERNAL, "%s: block %lld cannot be appended", store->folder,
		                   (long long)block->number);
	if (score_store_find(store, block->number))
		return STATUS_OK;
	STATUS_TRY(reserve_record(store, size));
	score_record_encode(store->record, &head, block->scores, block->document_scores);
	STATUS_TRY(journal_append(store->journals[store->own], store->record, size, &offset));
	STATUS_TRY(score_claims_publish(store->claims, head.block, store->numbers[store->own], offset));
	score_claims_drop(store->claims, head.block);
	return note_block(store, &head, store->own, offset);
}

enum status score_store_sync(struct score_store *store)
{
	return store->own < 0 ? STATUS_OK : journal_sync(store->journals[store->own]);
}

enum status score_store_close(struct score_store *store)
{
	enum status status = STATUS_OK;
	if (store == NULL)
		return status;
	for (size_t i = 0; i < store->journal_count; i++) {
		enum status closed = journal_close(store->journals[i]);
		status = status == STATUS_OK ? closed : status;
	}
	score_claims_close(store->claims);
	free(store->journals);
	free(store->numbers);
	free(store->places);
	free(store->record);
	free(store->identity);
	free(store->folder);
	free(store);
	return status;
}
