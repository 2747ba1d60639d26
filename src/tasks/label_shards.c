/* The shards with their new labels, a file at a time: ranks take its blocks in turn and send marks of tokens to the first rank, which
 * keeps them in a journal until the file is written. A finished file has a note (text/shard_note.h) with its counts.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/timer.h"
#include "storage/atomic_file.h"
#include "storage/journal.h"
#include "tasks/label_parts.h"
#include "text/shard_note.h"

static const char journal_kind[] = "label-marks";
enum { COUNTS = sizeof(struct label_counts) / sizeof(int64_t) };

/* A file of a set. */
struct marking {
	struct labelling *work;
	struct shard_set *set;
	int split;
	int64_t file, first, end; /* its blocks */
	int64_t first_document, end_document, first_token;
	struct shard_place place;
	/* on the first rank */
	uint8_t *marks; /* [tokens of the file] end-of-text: 0 */
	int64_t done;   /* blocks whose marks are there, up to this one */
	bool broken;
	struct journal *journal;
	double saved;
};

static int64_t token_of(const struct marking *marking, int64_t block)
{
	int64_t token, document;
	shard_set_block_begin(marking->set, block, &token, &document);
	return token - marking->first_token;
}

/* ---- the journal ---- */

static enum status visit_record(void *context, uint64_t number, const void *payload, size_t size, int64_t offset)
{
	struct marking *marking = context;
	int64_t block, begin, end;
	(void)number;
	(void)offset;
	if (marking->broken || size < sizeof block || marking->done >= marking->end) {
		marking->broken = true;
		return STATUS_OK;
	}
	memcpy(&block, payload, sizeof block);
	begin = token_of(marking, marking->done);
	end = token_of(marking, marking->done + 1);
	marking->broken = block != marking->done || size != sizeof block + (size_t)(end - begin);
	if (marking->broken)
		return STATUS_OK;
	memcpy(marking->marks + begin, (const char *)payload + sizeof block, (size_t)(end - begin));
	marking->done++;
	return STATUS_OK;
}

static enum status open_journal(struct marking *marking)
{
	char *path = shard_kept_path(&marking->place, "journal");
	if (path == NULL)
		return STATUS_ENVIRONMENT;
	const char *identity = marking->work->made_with;
	enum status status = journal_open(path, journal_kind, identity, visit_record, marking, &marking->journal);
	if (status == STATUS_DATA || (status == STATUS_OK && marking->broken)) {
		log_warning("%s is damaged: this file is labelled from the beginning", path);
		error_clear();
		status = STATUS_OK;
		if (marking->journal != NULL)
			status = journal_close(marking->journal);
		marking->journal = NULL;
		marking->done = marking->first;
		marking->broken = false;
		if (status == STATUS_OK && unlink(path) != 0)
			status = file_raise(errno, path, "cannot be removed");
		if (status == STATUS_OK)
			status = journal_open(path, journal_kind, identity, NULL, NULL, &marking->journal);
	}
	free(path);
	return status;
}

static enum status keep_block(struct marking *marking, int64_t block)
{
	int64_t begin = token_of(marking, block), offset;
	size_t size = (size_t)(token_of(marking, block + 1) - begin);
	char *record = memory_allocate(sizeof block + size, 1);
	if (record == NULL)
		return STATUS_ENVIRONMENT;
	memcpy(record, &block, sizeof block);
	memcpy(record + sizeof block, marking->marks + begin, size);
	enum status status = journal_append(marking->journal, record, sizeof block + size, &offset);
	free(record);
	return status;
}

static enum status save(struct marking *marking, bool now)
{
	double interval = parameters_real(marking->work->parameters, "run/save_interval");
	if (marking->journal == NULL || (!now && timer_seconds() - marking->saved < interval))
		return STATUS_OK;
	marking->saved = timer_seconds();
	STATUS_TRY(journal_sync(marking->journal));
	stop_note_saved();
	return STATUS_OK;
}

/* ---- marks ---- */

/* Of the block at hand, end-of-text included. */
static enum status mark_block(struct labelling *work, uint8_t *marks)
{
	const struct block *block = &work->block;
	const struct latent_rule rule = { .chosen = work->chosen,
		                          .thresholds = work->thresholds,
		                          .votes = parameters_integer(work->parameters, "label/votes"),
		                          .spread = parameters_integer(work->parameters, "label/spread") };
	int64_t active = work->shape.active;
	memset(marks, 0, (size_t)block->token_count);
	for (int64_t i = 0; i < block->document_count; i++) {
		int64_t first = work->begin[i];
		STATUS_TRY(latents_mark(&rule, work->begin[i + 1] - first, active, work->index + first * active,
		                        work->active + first * active, marks + block->document_begin[i]));
	}
	return STATUS_OK;
}

static enum status mark_own(struct marking *marking, int64_t block, uint8_t *marks)
{
	STATUS_TRY(label_read_active(marking->work, marking->set, block));
	return mark_block(marking->work, marks);
}

/* One block for each rank, to the first rank. */
static enum status mark_round(struct marking *marking, int64_t first, uint8_t *own)
{
	struct world *world = marking->work->world;
	int64_t mine = first + world->rank;
	uint8_t *marks = world->rank == 0 ? marking->marks + token_of(marking, first) : own;
	enum status status = stop_check("labelling tokens");
	if (status == STATUS_OK && mine < marking->end)
		status = mark_own(marking, mine, marks);
	status = world_agree(world, status);
	if (world->rank == 0 && (status == STATUS_OK || status == STATUS_STOPPED)) {
		enum status saved = save(marking, status == STATUS_STOPPED);
		status = saved != STATUS_OK ? saved : status;
	}
	STATUS_TRY(world_agree(world, status));
	enum status kept = STATUS_OK; /* a failure of which must not keep the others from sending */
	for (int64_t block = first; block < first + world->size && block < marking->end; block++) {
		int from = (int)(block - first);
		int64_t begin = token_of(marking, block), count = token_of(marking, block + 1) - begin;
		if (world->rank == 0 && from > 0)
			STATUS_TRY(label_receive(world, from, marking->marks + begin, count, MPI_BYTE));
		else if (from > 0 && from == world->rank)
			STATUS_TRY(label_send(world, own, count, MPI_BYTE));
		if (kept == STATUS_OK && world->rank == 0)
			kept = keep_block(marking, block);
	}
	return kept;
}

static enum status mark_file(struct marking *marking)
{
	struct world *world = marking->work->world;
	uint8_t *own = NULL;
	enum status status = STATUS_OK;
	marking->done = marking->first;
	marking->saved = timer_seconds();
	if (world->rank == 0) {
		marking->marks = memory_allocate((size_t)token_of(marking, marking->end), 1);
		status = marking->marks == NULL ? STATUS_ENVIRONMENT : open_journal(marking);
	} else {
		own = memory_allocate((size_t)shard_set_largest_block(marking->set, NULL), 1);
		status = own == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	}
	status = world_agree(world, status);
	if (status == STATUS_OK)
		status = world_broadcast(world, &marking->done, sizeof marking->done, 0);
	if (status == STATUS_OK && marking->done > marking->first)
		log_info("%s-%05lld: %lld of %lld blocks are labelled already", label_set_name(marking->split),
		         (long long)marking->file, (long long)(marking->done - marking->first),
		         (long long)(marking->end - marking->first));
	for (int64_t block = marking->done; block < marking->end && status == STATUS_OK; block += world->size)
		status = world_agree(world, mark_round(marking, block, own));
	free(own);
	return status;
}

/* ---- the file ---- */

struct document_room {
	int32_t *ids;
	uint8_t *gold, *labels;
	size_t id_capacity, gold_capacity, label_capacity;
};

static void clear_room(struct document_room *room)
{
	free(room->ids);
	free(room->gold);
	free(room->labels);
}

static enum status reserve_room(struct document_room *room, int64_t tokens)
{
	STATUS_TRY(memory_grow((void **)&room->ids, &room->id_capacity, (size_t)tokens, sizeof *room->ids));
	STATUS_TRY(memory_grow((void **)&room->gold, &room->gold_capacity, (size_t)tokens, 1));
	return memory_grow((void **)&room->labels, &room->label_capacity, (size_t)tokens, 1);
}

static uint64_t group_of(const struct marking *marking, int64_t document)
{
	/* Where nothing is known of groups each document is one. */
	return shard_set_has_groups(marking->set) ? shard_set_document_group(marking->set, document)
	                                          : shard_set_document_number(marking->set, document);
}

static enum status write_document(const struct marking *marking, int64_t document, int64_t *token,
                                  struct document_room *room, struct shard_writer *writer, struct label_counts *counts)
{
	const struct labelling *work = marking->work;
	int64_t stored = shard_set_document_tokens(marking->set, document), tokens = stored - 1; /* end-of-text */
	uint8_t domain = shard_set_document_domain(marking->set, document);
	const uint8_t *labels;
	counts->before[domain]++;
	STATUS_TRY(reserve_room(room, stored));
	STATUS_TRY(shard_set_read_document(marking->set, document, room->ids, room->gold));
	labels = room->gold;
	if (marking->marks != NULL) {
		label_document(work, marking->marks + *token, room->ids, room->gold, tokens, &domain, room->labels,
		               counts);
		labels = room->labels;
	}
	*token += stored;
	counts->documents[domain]++;
	counts->labelled[DOMAIN_UNMARKED]++; /* end-of-text */
	for (int64_t i = 0; i < tokens; i++)
		counts->labelled[labels[i]]++;
	return shard_writer_add(writer, room->ids, labels, (size_t)tokens, domain,
	                        shard_set_document_number(marking->set, document), group_of(marking, document));
}

static enum status write_documents(const struct marking *marking, struct shard_writer *writer,
                                   struct label_counts *counts)
{
	struct document_room room = { 0 };
	enum status status = STATUS_OK;
	int64_t token = 0;
	for (int64_t i = marking->first_document; i < marking->end_document && status == STATUS_OK; i++) {
		status = write_document(marking, i, &token, &room, writer, counts);
		world_sign_life(marking->work->world);
	}
	clear_room(&room);
	return status;
}

static enum status write_file(struct marking *marking, struct label_counts *counts)
{
	const struct labelling *work = marking->work;
	struct shard_facts facts = *shard_set_facts(marking->set);
	struct shard_writer *writer = NULL;
	char *path = shard_path(work->output, label_set_name(marking->split), marking->file);
	facts.has_token_labels = facts.has_token_labels || marking->marks != NULL;
	facts.shard_count = shard_set_files(marking->set);
	enum status status = path == NULL ? STATUS_ENVIRONMENT : shard_writer_create(path, &facts, &writer);
	free(path);
	STATUS_TRY(status);
	status = write_documents(marking, writer, counts);
	if (status != STATUS_OK) {
		shard_writer_abandon(writer);
		return status;
	}
	STATUS_TRY(shard_writer_finish(writer));
	STATUS_TRY(shard_note_write(&marking->place, (const int64_t *)counts, COUNTS));
	stop_note_saved();
	return STATUS_OK;
}

static void close_marking(struct marking *marking, bool finished)
{
	if (journal_close(marking->journal) != STATUS_OK)
		error_clear(); /* what it held is in the file, or made again */
	char *path = finished ? shard_kept_path(&marking->place, "journal") : NULL;
	if (path != NULL)
		unlink(path);
	free(path);
	free(marking->marks);
}

/* Counts of the file, whenever it was made, on the first rank. */
static enum status make_file(struct marking *marking, struct label_counts *counts)
{
	struct labelling *work = marking->work;
	struct world *world = work->world;
	bool finished = false;
	*counts = (struct label_counts){ .known = shard_set_facts(marking->set)->has_token_labels &&
		                                  label_is_wanted(work, marking->split) };
	STATUS_TRY(world_agree(world, world->rank == 0
	                                      ? shard_note_find(&marking->place, (int64_t *)counts, COUNTS, &finished)
	                                      : STATUS_OK));
	STATUS_TRY(world_broadcast(world, &finished, sizeof finished, 0));
	if (finished)
		return STATUS_OK;
	enum status status = label_is_wanted(work, marking->split) ? mark_file(marking) : STATUS_OK;
	if (status == STATUS_OK)
		status = world_agree(world, world->rank == 0 ? write_file(marking, counts) : STATUS_OK);
	close_marking(marking, status == STATUS_OK && world->rank == 0);
	return status;
}

static void add_counts(struct label_counts *sum, const struct label_counts *counts)
{
	int64_t known = sum->known | counts->known;
	for (int i = 0; i < COUNTS; i++)
		((int64_t *)sum)[i] += ((const int64_t *)counts)[i];
	sum->known = known;
}

static enum status make_set(struct labelling *work, int split, struct label_counts *sum)
{
	struct shard_set *set = work->sets[split];
	for (int64_t file = 0; file < shard_set_files(set); file++) {
		struct label_counts counts;
		struct marking marking = { .work = work, .set = set, .split = split, .file = file };
		int64_t unused;
		marking.place = (struct shard_place){ .folder = work->output,
			                              .name = label_set_name(split),
			                              .number = file,
			                              .kept_folder = work->unfinished.folder };
		shard_set_file_begin(set, file, &marking.first, &marking.first_document);
		shard_set_file_begin(set, file + 1, &marking.end, &marking.end_document);
		shard_set_block_begin(set, marking.first, &marking.first_token, &unused);
		STATUS_TRY(make_file(&marking, &counts));
		add_counts(sum, &counts);
	}
	return STATUS_OK;
}

enum status label_write_sets(struct labelling *work, struct label_counts counts[LABEL_SETS])
{
	for (int split = 0; split < LABEL_SETS; split++)
		STATUS_TRY(make_set(work, split, &counts[split]));
	return STATUS_OK;
}
