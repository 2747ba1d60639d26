/* What tokenizing keeps for its next start.
 *
 * A record of a journal: a head, then for each document its facts, then the ids, then the labels of all of them. It holds the
 * documents of the shard from where the record before it ended, so that a record lost in the middle is noticed: what comes
 * after it is of no use, as which documents are missing is not known.
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/timer.h"
#include "storage/atomic_file.h"
#include "text/shard_note.h"
#include "text/tokenize_state.h"

/* "tokens" had no groups: such a journal is made again. */
static const char journal_kind[] = "tokens-2";

/* Tokens that are written in any case: what is not saved, and the record, stay small. */
enum { MOST_UNSAVED = 1 << 25 };

enum { STATISTICS = sizeof(struct tokenize_statistics) / sizeof(int64_t) };

enum { HAS_TOKEN_LABELS = 1, HAS_CONVERSATIONS = 2 };

struct record_head {
	uint64_t from, through; /* numbers of documents */
	int64_t has;            /* HAS_TOKEN_LABELS, HAS_CONVERSATIONS: of the corpus so far */
	int64_t documents, tokens;
};

struct record_document {
	uint64_t number, group;
	int64_t count, bytes, domain;
};

static struct shard_place place_of(const struct tokenize_work *work, const struct held_shard *shard)
{
	return (struct shard_place){ .folder = work->plan.folder,
		                     .name = split_name(shard->split),
		                     .number = shard->number,
		                     .kept_folder = work->plan.kept_folder };
}

static char *journal_path(const struct tokenize_work *work, const struct held_shard *shard)
{
	struct shard_place place = place_of(work, shard);
	return shard_kept_path(&place, "journal");
}

/* ---- journals ---- */

static size_t record_size(const struct record_head *head)
{
	return sizeof *head + (size_t)head->documents * sizeof(struct record_document) +
	       (size_t)head->tokens * (sizeof(int32_t) + 1);
}

static bool decode_head(const void *payload, size_t size, struct record_head *head)
{
	if (size < sizeof *head)
		return false;
	memcpy(head, payload, sizeof *head);
	return head->documents >= 0 && head->tokens >= 0 && head->documents <= INT32_MAX && head->tokens <= INT32_MAX &&
	       record_size(head) == size;
}

struct reading {
	struct tokenize_work *work;
	struct held_shard *shard;
	bool broken; /* the rest is of no use */
};

static enum status take_record(struct reading *reading, const struct record_head *head, const void *payload)
{
	struct held_shard *shard = reading->shard;
	const char *at = (const char *)payload + sizeof *head;
	const char *ids = at + (size_t)head->documents * sizeof(struct record_document);
	size_t begin = shard->token_count;
	STATUS_TRY(held_shard_reserve(shard, (size_t)head->documents, (size_t)head->tokens));
	for (int64_t i = 0; i < head->documents; i++, at += sizeof(struct record_document)) {
		struct record_document document;
		memcpy(&document, at, sizeof document);
		shard->documents[shard->document_count++] = (struct held_document){
			.place = random_bits(reading->work->plan.seed, RANDOM_DOCUMENT_ORDER, STREAM_PLACE,
			                     document.number),
			.number = document.number,
			.group = document.group,
			.begin = begin,
			.count = (size_t)document.count,
			.bytes = document.bytes,
			.domain = (uint8_t)document.domain,
		};
		begin += (size_t)document.count;
	}
	if (head->tokens > 0) {
		memcpy(shard->ids + shard->token_count, ids, (size_t)head->tokens * sizeof *shard->ids);
		memcpy(shard->labels + shard->token_count, ids + (size_t)head->tokens * sizeof *shard->ids,
		       (size_t)head->tokens);
	}
	shard->token_count += (size_t)head->tokens;
	shard->through = head->through;
	reading->work->has_token_labels |= (head->has & HAS_TOKEN_LABELS) != 0;
	reading->work->has_conversations |= (head->has & HAS_CONVERSATIONS) != 0;
	return STATUS_OK;
}

static enum status visit_record(void *context, uint64_t number, const void *payload, size_t size, int64_t offset)
{
	struct reading *reading = context;
	struct record_head head;
	(void)number;
	(void)offset;
	reading->broken = reading->broken || !decode_head(payload, size, &head) || head.from != reading->shard->through;
	return reading->broken ? STATUS_OK : take_record(reading, &head, payload);
}

static enum status open_journal(struct reading *reading, const char *path)
{
	return journal_open(path, journal_kind, reading->work->plan.identity, visit_record, reading,
	                    &reading->shard->journal);
}

static enum status read_journal(struct tokenize_work *work, struct held_shard *shard, const char *path)
{
	struct reading reading = { .work = work, .shard = shard };
	enum status status = open_journal(&reading, path);
	if (status != STATUS_OK && status != STATUS_DATA)
		return status;
	if (status == STATUS_DATA || reading.broken) {
		error_clear();
		log_warning("%s is damaged: the text of this file is tokenized again", path);
		if (status == STATUS_OK)
			STATUS_TRY(journal_close(shard->journal));
		shard->journal = NULL;
		held_shard_release(shard);
		shard->through = 0;
		if (unlink(path) != 0)
			return file_raise(errno, path, "cannot be removed");
		return STATUS_OK;
	}
	shard->kept_documents = shard->document_count;
	shard->kept_tokens = shard->token_count;
	work->saved = true;
	return STATUS_OK;
}

/* The documents from shard->kept_documents on. From malloc. */
static char *encode_record(const struct tokenize_work *work, const struct held_shard *shard, uint64_t through,
                           size_t *size)
{
	size_t tokens = shard->token_count - shard->kept_tokens;
	struct record_head head = {
		.from = shard->through,
		.through = through,
		.has = (work->has_token_labels ? HAS_TOKEN_LABELS : 0) |
		       (work->has_conversations ? HAS_CONVERSATIONS : 0),
		.documents = (int64_t)(shard->document_count - shard->kept_documents),
		.tokens = (int64_t)tokens,
	};
	*size = record_size(&head);
	char *record = memory_allocate(*size, 1), *at = record;
	if (record == NULL)
		return NULL;
	memcpy(at, &head, sizeof head);
	at += sizeof head;
	for (size_t i = shard->kept_documents; i < shard->document_count; i++, at += sizeof(struct record_document)) {
		const struct held_document *held = &shard->documents[i];
		struct record_document document = { held->number, held->group, (int64_t)held->count, held->bytes,
			                            held->domain };
		memcpy(at, &document, sizeof document);
	}
	if (tokens > 0) {
		memcpy(at, shard->ids + shard->kept_tokens, tokens * sizeof *shard->ids);
		memcpy(at + tokens * sizeof *shard->ids, shard->labels + shard->kept_tokens, tokens);
	}
	return record;
}

static enum status save_shard(struct tokenize_work *work, struct held_shard *shard, uint64_t through)
{
	size_t size;
	int64_t offset;
	enum status status = STATUS_OK;
	if (shard->journal == NULL) {
		struct reading fresh = { .work = work, .shard = shard };
		char *path = journal_path(work, shard);
		status = path == NULL ? STATUS_ENVIRONMENT : open_journal(&fresh, path);
		free(path);
		STATUS_TRY(status);
	}
	char *record = encode_record(work, shard, through, &size);
	if (record == NULL)
		return STATUS_ENVIRONMENT;
	status = journal_append(shard->journal, record, size, &offset);
	free(record);
	if (status == STATUS_OK)
		status = journal_sync(shard->journal);
	STATUS_TRY(status);
	shard->through = through;
	shard->kept_documents = shard->document_count;
	shard->kept_tokens = shard->token_count;
	return STATUS_OK;
}

enum status keep_save(struct tokenize_work *work, uint64_t through)
{
	bool new = false;
	if (work->plan.kept_folder == NULL)
		return STATUS_OK;
	for (size_t i = 0; i < work->shard_count; i++) {
		struct held_shard *shard = &work->shards[i];
		bool more = shard->document_count > shard->kept_documents;
		if (shard->finished || shard->through == END_OF_CORPUS || (!more && through != END_OF_CORPUS))
			continue;
		STATUS_TRY(save_shard(work, shard, through));
		new = new || more;
		work->saved = true;
	}
	if (new)
		stop_note_saved();
	work->unsaved = 0;
	work->saved_at = timer_seconds();
	return STATUS_OK;
}

bool keep_is_due(const struct tokenize_work *work)
{
	if (work->plan.kept_folder == NULL || work->unsaved == 0)
		return false;
	return work->unsaved >= MOST_UNSAVED || timer_seconds() - work->saved_at >= work->plan.save_interval;
}

/* ---- finished shards ---- */

static enum status find_finished(const struct tokenize_work *work, struct held_shard *shard)
{
	struct shard_place place = place_of(work, shard);
	shard->statistics = memory_allocate(1, sizeof *shard->statistics);
	if (shard->statistics == NULL)
		return STATUS_ENVIRONMENT;
	return shard_note_find(&place, (int64_t *)shard->statistics, STATISTICS, &shard->finished);
}

enum status keep_find(struct tokenize_work *work, struct held_shard *shard)
{
	if (work->plan.kept_folder == NULL)
		return STATUS_OK;
	char *journal = journal_path(work, shard);
	enum status status = journal == NULL ? STATUS_ENVIRONMENT : find_finished(work, shard);
	if (status == STATUS_OK && !shard->finished && access(journal, F_OK) == 0)
		status = read_journal(work, shard, journal);
	if (status == STATUS_OK && shard->finished)
		unlink(journal); /* left when the program was killed between the two */
	free(journal);
	return status;
}

enum status keep_finish(const struct tokenize_work *work, struct held_shard *shard,
                        const struct tokenize_statistics *statistics)
{
	if (work->plan.kept_folder == NULL)
		return STATUS_OK;
	struct shard_place place = place_of(work, shard);
	STATUS_TRY(shard_note_write(&place, (const int64_t *)statistics, STATISTICS));
	stop_note_saved();
	if (shard->journal == NULL)
		return STATUS_OK;
	char *path = journal_path(work, shard);
	enum status status = journal_close(shard->journal);
	shard->journal = NULL;
	if (path != NULL)
		unlink(path);
	free(path);
	return status;
}

/* ---- leftovers ---- */

static int is_shard(const struct dirent *entry)
{
	for (enum split split = 0; split < SPLIT_COUNT; split++) {
		size_t length = strlen(split_name(split)), digits;
		if (strncmp(entry->d_name, split_name(split), length) != 0 || entry->d_name[length] != '-')
			continue;
		digits = strspn(entry->d_name + length + 1, "0123456789");
		if (digits > 0 && strcmp(entry->d_name + length + 1 + digits, ".h5") == 0)
			return 1;
	}
	return 0;
}

enum status tokenize_remove_shards(const char *folder)
{
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, is_shard, alphasort);
	enum status status = count < 0 ? file_raise(errno, folder, "the folder cannot be read") : STATUS_OK;
	for (int i = 0; i < count; i++) {
		char *path = text_join_path(folder, entries[i]->d_name);
		if (path == NULL)
			status = STATUS_ENVIRONMENT;
		else if (unlink(path) != 0 && status == STATUS_OK)
			status = file_raise(errno, path, "cannot be removed");
		free(path);
		free(entries[i]);
	}
	free(entries);
	return status;
}
