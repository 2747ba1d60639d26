/* Owns the journal of a rank and the index over all journals of the folder: which block is said to lie where.
 * SPDX-License-Identifier: Apache-2.0 */
#include "results/score_store.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "results/score_claims.h"
#include "results/score_journals.h"
#include "results/score_record.h"
#include "storage/journal.h"
#include "storage/lock.h"

/* A second record of a block that has one: for when the first turns out to be damaged. */
struct spare {
	int64_t block;
	struct score_place place;
};

struct score_store {
	char *folder;
	struct score_journals *journals; /* of others, and of all when only reading */
	struct journal *own;             /* appended to; NULL when only reading */
	int own_number;                  /* -1: none */
	struct score_claims *claims;     /* where there is a journal to append to */
	struct score_place *places;      /* by block number: where its scores are said to be */
	size_t place_count, place_capacity;
	struct spare *spares;
	size_t spare_count, spare_capacity;
	int64_t blocks;         /* that have a place */
	int64_t repeated;       /* records of blocks that had one */
	int64_t unsound;        /* places where no sound record was */
	struct score_head held; /* the block whose record was read last and found sound; block -1: none */
	const void *held_record;
	void *record; /* to be appended */
	size_t record_capacity;
};

/* ---- where the scores are said to be */

static const struct score_place *find_place(const struct score_store *store, int64_t block)
{
	if (block < 0 || (size_t)block >= store->place_count || store->places[block].journal < 0)
		return NULL;
	return &store->places[block];
}

static enum status note_spare(struct score_store *store, int64_t block, const struct score_place *place)
{
	void *array = store->spares;
	STATUS_TRY(memory_grow(&array, &store->spare_capacity, store->spare_count + 1, sizeof *store->spares));
	store->spares = array;
	store->spares[store->spare_count++] = (struct spare){ block, *place };
	store->repeated++;
	return STATUS_OK;
}

static enum status note_block(struct score_store *store, int64_t block, const struct score_place *place)
{
	void *array = store->places;
	/* A block that two ranks scored has the same scores in both journals. */
	if (find_place(store, block) != NULL)
		return note_spare(store, block, place);
	STATUS_TRY(memory_grow(&array, &store->place_capacity, (size_t)block + 1, sizeof *store->places));
	store->places = array;
	for (; store->place_count <= (size_t)block; store->place_count++)
		store->places[store->place_count] = (struct score_place){ .journal = -1 };
	store->places[block] = *place;
	store->blocks++;
	return STATUS_OK;
}

/* Another place of the block, where one is known. */
static void drop_place(struct score_store *store, int64_t block)
{
	size_t at = 0;
	while (at < store->spare_count && store->spares[at].block != block)
		at++;
	if (at < store->spare_count) {
		store->places[block] = store->spares[at].place;
		store->spares[at].block = -1;
		return;
	}
	store->places[block].journal = -1;
	store->blocks--;
}

/* ---- opening */

static enum status visit_own(void *context, uint64_t number, const void *payload, size_t size, int64_t offset)
{
	struct score_store *store = context;
	struct score_head head;
	if (!score_head_decode(payload, size, &head)) {
		log_warning("%s: record %llu of a score journal is no block of scores and left out", store->folder,
		            (unsigned long long)number);
		return STATUS_OK;
	}
	return note_block(store, head.block, &(struct score_place){ store->own_number, offset });
}

static enum status visit_claim(void *context, int64_t block, int journal, int64_t offset)
{
	struct score_store *store = context;
	/* What the own journal has was looked at just now. */
	if (journal == store->own_number || block > SCORE_LARGEST_BLOCK || find_place(store, block) != NULL)
		return STATUS_OK;
	return note_block(store, block, &(struct score_place){ journal, offset });
}

static enum status visit_listed(void *context, int64_t block, const struct score_place *place)
{
	return note_block(context, block, place);
}

static enum status open_own(struct score_store *store, const char *identity, int number)
{
	char *path = score_journals_path(store->folder, number);
	if (path == NULL)
		return STATUS_ENVIRONMENT;
	store->own_number = number;
	enum status status = journal_open(path, SCORE_JOURNAL_KIND, identity, visit_own, store, &store->own);
	free(path);
	return status;
}

static enum status fill_store(struct score_store *store, const char *identity, int rank)
{
	STATUS_TRY(text_make_directories(store->folder));
	STATUS_TRY(score_journals_create(store->folder, identity, &store->journals));
	if (rank < 0)
		return score_journals_list(store->folder, identity, 0, 1, visit_listed, store);
	STATUS_TRY(open_own(store, identity, rank));
	STATUS_TRY(score_claims_list(store->folder, visit_claim, store));
	return score_claims_open(store->folder, LOCK_STALE_SECONDS, &store->claims);
}

enum status score_store_open(const char *folder, const char *identity, int rank, struct score_store **store_out)
{
	struct score_store *store = memory_allocate(1, sizeof *store);
	if (store == NULL)
		return STATUS_ENVIRONMENT;
	store->own_number = -1;
	store->held.block = -1;
	store->folder = memory_copy_text(folder);
	enum status status = store->folder == NULL ? STATUS_ENVIRONMENT : fill_store(store, identity, rank);
	if (status != STATUS_OK)
		score_store_close(store);
	else
		*store_out = store;
	return status;
}

/* ---- the index for all who will open the store */

struct index {
	struct score_claims *claims;
	uint8_t *said; /* [count] blocks whose place the claims have */
	size_t count, capacity;
};

static enum status say(struct index *index, int64_t block)
{
	void *array = index->said;
	STATUS_TRY(memory_grow(&array, &index->capacity, (size_t)block + 1, 1));
	index->said = array;
	for (; index->count <= (size_t)block; index->count++)
		index->said[index->count] = 0;
	index->said[block] = 1;
	return STATUS_OK;
}

static enum status index_claim(void *context, int64_t block, int journal, int64_t offset)
{
	(void)journal;
	(void)offset;
	return block > SCORE_LARGEST_BLOCK ? STATUS_OK : say(context, block);
}

static enum status index_listed(void *context, int64_t block, const struct score_place *place)
{
	struct index *index = context;
	if ((size_t)block < index->count && index->said[block])
		return STATUS_OK;
	STATUS_TRY(say(index, block));
	return score_claims_publish(index->claims, block, place->journal, place->offset);
}

enum status score_store_index(const char *folder, const char *identity, int share, int shares)
{
	struct index index = { .count = 0 };
	STATUS_TRY(text_make_directories(folder));
	STATUS_TRY(score_claims_open(folder, LOCK_STALE_SECONDS, &index.claims));
	enum status status = score_claims_list(folder, index_claim, &index);
	if (status == STATUS_OK)
		status = score_journals_list(folder, identity, share, shares, index_listed, &index);
	score_claims_close(index.claims);
	free(index.said);
	return status;
}

/* ---- what the store has */

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
	return store->repeated;
}

/* Reads the record of a block at a place and holds it; *there: it is one. */
static enum status hold(struct score_store *store, int64_t block, const struct score_place *place, bool *there)
{
	struct score_head head;
	const void *record = NULL;
	size_t size;
	store->held.block = -1;
	enum status status = STATUS_OK;
	if (place->journal == store->own_number) {
		status = journal_read(store->own, place->offset, &record, &size);
		if (status == STATUS_DATA ||
		    (status == STATUS_OK && (!score_head_decode(record, size, &head) || head.block != block))) {
			error_clear();
			record = NULL;
			status = STATUS_OK;
		}
	} else {
		status = score_journals_read(store->journals, block, place, &head, &record);
	}
	*there = status == STATUS_OK && record != NULL;
	if (*there) {
		store->held = head;
		store->held_record = record;
	}
	return status;
}

enum status score_store_look(struct score_store *store, int64_t block, bool *there)
{
	const struct score_place *place;
	*there = block >= 0 && store->held.block == block;
	while (!*there && (place = find_place(store, block)) != NULL) {
		struct score_place tried = *place;
		STATUS_TRY(hold(store, block, &tried, there));
		if (*there)
			break;
		if (store->unsound++ == 0)
			log_warning("%s: scores of block %lld are damaged or missing in journal %d, and perhaps others",
			            store->folder, (long long)block, tried.journal);
		drop_place(store, block);
	}
	return STATUS_OK;
}

static enum status reserve_record(struct score_store *store, size_t size)
{
	return memory_grow(&store->record, &store->record_capacity, size, 1);
}

enum status score_store_load(struct score_store *store, struct block *block)
{
	const struct score_head *head = &store->held;
	bool there;
	STATUS_TRY(score_store_look(store, block->number, &there));
	if (!there)
		return error_raise(STATUS_DATA, "%s: there are no scores of block %lld", store->folder,
		                   (long long)block->number);
	if (head->tokens != block->token_count || head->documents != block->document_count)
		return error_raise(
			STATUS_DATA,
			"%s: block %lld was scored with %lld tokens and %lld documents and now has %lld and %lld; "
			"remove the folder, so that it is scored anew",
			store->folder, (long long)block->number, (long long)head->tokens, (long long)head->documents,
			(long long)block->token_count, (long long)block->document_count);
	score_record_decode(store->held_record, head->tokens, head->documents, block->scores, block->document_scores);
	block->scored = true;
	return STATUS_OK;
}

/* ---- the right to score */

/* Looks where others say that the scores are, too, since this store was opened; a place that does not hold the block (a
 * journal was removed, or the machine went down before it was on the disk) is none. */
static enum status look_again(struct score_store *store, int64_t block, bool *there)
{
	struct score_place place;
	STATUS_TRY(score_store_look(store, block, there));
	if (*there || !score_claims_find(store->claims, block, &place.journal, &place.offset))
		return STATUS_OK;
	STATUS_TRY(hold(store, block, &place, there));
	return *there ? note_block(store, block, &place) : STATUS_OK;
}

/* Whoever holds the lock looks whether the scores have come meanwhile, and else begins. */
static enum status begin_claim(struct score_store *store, const struct block *block, bool *there)
{
	enum status status = look_again(store, block->number, there);
	if (status != STATUS_OK || *there)
		score_claims_drop(store->claims, block->number);
	else
		score_claims_begin(store->claims, block->number);
	return status;
}

enum status score_store_claim(struct score_store *store, const struct block *block, void (*progress)(void *state),
                              void *state, bool *there)
{
	if (store->claims == NULL)
		return score_store_look(store, block->number, there);
	STATUS_TRY(look_again(store, block->number, there)); /* without a lock first: often enough */
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
	if (store->own == NULL || !block->scored || head.block < 0 || head.block > SCORE_LARGEST_BLOCK)
		return error_raise(STATUS_INTERNAL, "%s: block %lld cannot be appended", store->folder,
		                   (long long)block->number);
	if (score_store_find(store, block->number))
		return STATUS_OK;
	STATUS_TRY(reserve_record(store, size));
	score_record_encode(store->record, &head, block->scores, block->document_scores);
	store->held.block = -1; /* its record lies in a journal's memory */
	STATUS_TRY(journal_append(store->own, store->record, size, &offset));
	STATUS_TRY(score_claims_publish(store->claims, head.block, store->own_number, offset));
	score_claims_drop(store->claims, head.block);
	return note_block(store, head.block, &(struct score_place){ store->own_number, offset });
}

enum status score_store_sync(struct score_store *store)
{
	return store->own == NULL ? STATUS_OK : journal_sync(store->own);
}

enum status score_store_close(struct score_store *store)
{
	if (store == NULL)
		return STATUS_OK;
	enum status status = journal_close(store->own);
	score_journals_destroy(store->journals);
	score_claims_close(store->claims);
	free(store->places);
	free(store->spares);
	free(store->record);
	free(store->folder);
	free(store);
	return status;
}
