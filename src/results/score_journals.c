/* Names, a few open handles, and the lists of blocks.
 * SPDX-License-Identifier: Apache-2.0 */
#include "results/score_journals.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/atomic_file.h"

struct handle {
	struct journal *journal; /* NULL: free */
	int number;
	uint64_t used; /* the turn in which it was last used */
};

struct score_journals {
	char *folder, *identity;
	struct handle handles[SCORE_JOURNALS_OPEN];
	uint64_t turn;
};

enum status score_journals_create(const char *folder, const char *identity, struct score_journals **journals_out)
{
	struct score_journals *journals = memory_allocate(1, sizeof *journals);
	if (journals == NULL)
		return STATUS_ENVIRONMENT;
	journals->folder = memory_copy_text(folder);
	journals->identity = memory_copy_text(identity);
	if (journals->folder == NULL || journals->identity == NULL) {
		score_journals_destroy(journals);
		return STATUS_ENVIRONMENT;
	}
	*journals_out = journals;
	return STATUS_OK;
}

/* What was only read may fail to close without a loss. */
static void let_go(struct handle *handle)
{
	if (handle->journal != NULL && journal_close(handle->journal) != STATUS_OK)
		error_clear();
	handle->journal = NULL;
}

void score_journals_destroy(struct score_journals *journals)
{
	if (journals == NULL)
		return;
	for (int i = 0; i < SCORE_JOURNALS_OPEN; i++)
		let_go(&journals->handles[i]);
	free(journals->folder);
	free(journals->identity);
	free(journals);
}

/* ---- names */

enum { LONGEST_NAME = 64 };

static void format_name(int number, char name[LONGEST_NAME])
{
	snprintf(name, LONGEST_NAME, "scores-%05d.journal", number);
}

char *score_journals_path(const char *folder, int number)
{
	char name[LONGEST_NAME];
	format_name(number, name);
	return text_join_path(folder, name);
}

/* -1: it is none of ours. */
static int number_of(const char *name)
{
	char again[LONGEST_NAME];
	int number;
	if (sscanf(name, "scores-%d.journal", &number) != 1 || number < 0)
		return -1;
	format_name(number, again);
	return strcmp(name, again) == 0 ? number : -1;
}

static int is_journal(const struct dirent *entry)
{
	return number_of(entry->d_name) >= 0;
}

/* ---- reading */

/* The handle of a journal: one that is open (*fresh false), else the one not used for the longest time, opened anew. */
static enum status open_handle(struct score_journals *journals, int number, struct handle **handle_out, bool *fresh)
{
	struct handle *oldest = &journals->handles[0];
	for (int i = 0; i < SCORE_JOURNALS_OPEN; i++) {
		struct handle *handle = &journals->handles[i];
		if (handle->journal != NULL && handle->number == number) {
			handle->used = ++journals->turn;
			*handle_out = handle;
			*fresh = false;
			return STATUS_OK;
		}
		if (handle->journal == NULL || (oldest->journal != NULL && handle->used < oldest->used))
			oldest = handle;
	}
	let_go(oldest);
	*fresh = true;
	char *path = score_journals_path(journals->folder, number);
	if (path == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = journal_open_reader(path, SCORE_JOURNAL_KIND, journals->identity, &oldest->journal);
	free(path);
	STATUS_TRY(status);
	oldest->number = number;
	oldest->used = ++journals->turn;
	*handle_out = oldest;
	return STATUS_OK;
}

static enum status read_record(struct journal *journal, int64_t block, int64_t offset, struct score_head *head,
                               const void **record)
{
	const void *payload;
	size_t size;
	STATUS_TRY(journal_read(journal, offset, &payload, &size));
	if (!score_head_decode(payload, size, head) || head->block != block)
		return error_raise(STATUS_DATA, "the record at byte %lld is not block %lld", (long long)offset,
		                   (long long)block);
	*record = payload;
	return STATUS_OK;
}

enum status score_journals_read(struct score_journals *journals, int64_t block, const struct score_place *place,
                                struct score_head *head, const void **record)
{
	struct handle *handle = NULL;
	bool fresh = false;
	enum status status = STATUS_DATA;
	*record = NULL;
	/* A handle that has been open for a while may not see what was appended meanwhile, on a network file system. */
	for (int try = 0; try < 2 && status == STATUS_DATA && !fresh; try++) {
		status = open_handle(journals, place->journal, &handle, &fresh);
		if (status == STATUS_OK)
			status = read_record(handle->journal, block, place->offset, head, record);
		if (status == STATUS_DATA && !fresh && handle != NULL)
			let_go(handle);
	}
	if (status != STATUS_DATA)
		return status;
	error_clear();
	return STATUS_OK;
}

/* ---- lists */

struct listing {
	struct journal *journal;
	int number;
	int64_t bound; /* of block numbers that are believed; it is beyond those of sound records */
	score_journals_visit visit;
	void *context;
};

/* What is made by block number must not become as large as a flipped bit says. */
static bool is_believable(struct listing *listing, int64_t block, int64_t offset)
{
	struct score_head head;
	const void *record;
	if (block < listing->bound)
		return true;
	if (read_record(listing->journal, block, offset, &head, &record) != STATUS_OK) {
		error_clear();
		return false;
	}
	listing->bound = 2 * block + 1;
	return true;
}

static enum status visit_record(void *context, uint64_t number, const void *payload, size_t size, int64_t offset)
{
	struct listing *listing = context;
	struct score_head head;
	if (!score_head_decode(payload, size, &head) || !is_believable(listing, head.block, offset)) {
		log_warning("score journal %d: record %llu is no block of scores, or damaged, and left out",
		            listing->number, (unsigned long long)number);
		return STATUS_OK;
	}
	return listing->visit(listing->context, head.block, &(struct score_place){ listing->number, offset });
}

static enum status list_journal(const char *folder, const char *identity, struct listing *listing)
{
	char *path = score_journals_path(folder, listing->number);
	if (path == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = journal_open_reader(path, SCORE_JOURNAL_KIND, identity, &listing->journal);
	free(path);
	STATUS_TRY(status);
	status = journal_list(listing->journal, SCORE_RECORD_HEAD, visit_record, listing);
	enum status closed = journal_close(listing->journal);
	return status == STATUS_OK ? closed : status;
}

enum status score_journals_list(const char *folder, const char *identity, int share, int shares,
                                score_journals_visit visit, void *context)
{
	struct dirent **entries;
	struct listing listing = { .bound = 4096, .visit = visit, .context = context };
	int count = scandir(folder, &entries, is_journal, alphasort);
	if (count < 0)
		return errno == ENOENT ? STATUS_OK : file_raise(errno, folder, "the folder cannot be read");
	enum status status = STATUS_OK;
	for (int i = 0; i < count; i++) {
		listing.number = number_of(entries[i]->d_name);
		if (status == STATUS_OK && i % shares == share)
			status = list_journal(folder, identity, &listing);
		free(entries[i]);
	}
	free(entries);
	return status;
}
