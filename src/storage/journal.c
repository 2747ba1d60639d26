/* Owns journal files: the lock, the scan that finds the sound records, appending and its undoing.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1 /* F_OFD_SETLK */
#endif

#include "storage/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/log.h"
#include "base/memory.h"
#include "storage/atomic_file.h"
#include "storage/journal_format.h"

struct journal {
	char *path;
	int file;
	bool writable;
	int broken; /* errno of a write that could not be undone, or of a failed sync: nothing more is promised */
	int64_t begin, end; /* of the records */
	uint64_t next_number;
	void *buffer;
	size_t buffer_capacity;
};

static void journal_free(struct journal *journal)
{
	if (journal->file >= 0)
		close(journal->file);
	free(journal->buffer);
	free(journal->path);
	free(journal);
}

static enum status journal_allocate(const char *path, int flags, struct journal **journal_out)
{
	struct journal *journal = memory_allocate(1, sizeof *journal);
	if (journal == NULL)
		return STATUS_ENVIRONMENT;
	journal->path = memory_copy_text(path);
	journal->file = -1;
	if (journal->path == NULL) {
		journal_free(journal);
		return STATUS_ENVIRONMENT;
	}
	journal->file = open(path, flags | O_CLOEXEC, 0666);
	if (journal->file < 0) {
		int error = errno;
		journal_free(journal);
		return error == ENOENT && (flags & O_CREAT) == 0
		               ? error_raise(STATUS_DATA, "%s: there is no such journal", path)
		               : file_raise(error, path, "cannot be opened");
	}
	journal->writable = (flags & O_CREAT) != 0;
	*journal_out = journal;
	return STATUS_OK;
}

/* A lock of the open file, not of the process: it is not lost when somebody here closes another handle of the file. */
static enum status take_lock(struct journal *journal)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	if (fcntl(journal->file, F_OFD_SETLK, &whole) == 0)
		return STATUS_OK;
	if (errno == EAGAIN || errno == EACCES)
		return error_raise(
			STATUS_IO,
			"%s: another process is writing this file; wait for it to end, or use another run/output",
			journal->path);
	log_warning("%s: cannot be locked (%s): see to it that only one job uses this folder", journal->path,
	            file_reason(errno));
	return STATUS_OK;
}

static enum status write_bytes(struct journal *journal, const void *bytes, size_t size, int64_t offset)
{
	const char *place = bytes;
	while (size > 0) {
		ssize_t done = pwrite(journal->file, place, size, (off_t)offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return file_raise(done < 0 ? errno : ENOSPC, journal->path, "cannot be written");
		place += done;
		offset += done;
		size -= (size_t)done;
	}
	return STATUS_OK;
}

static enum status begin_file(struct journal *journal, const unsigned char *head, size_t size)
{
	if (ftruncate(journal->file, 0) != 0)
		return file_raise(errno, journal->path, "cannot be begun");
	STATUS_TRY(write_bytes(journal, head, size, 0));
	STATUS_TRY(journal_sync(journal));
	return parent_sync(journal->path);
}

enum verdict { RECORD_SOUND, RECORD_DAMAGED, RECORDS_END };

/* The head of the record at `offset` of a file of `size` bytes and up to `lead` bytes of its payload, in one read, into the
 * buffer; *found false: the records end here. */
static enum status read_start(struct journal *journal, int64_t offset, int64_t size, size_t lead,
                              struct journal_record *record, bool *found)
{
	int64_t left = size - offset;
	size_t bytes = JOURNAL_RECORD_HEAD + lead;
	*found = false;
	if (left < JOURNAL_RECORD_HEAD)
		return STATUS_OK;
	if ((int64_t)bytes > left)
		bytes = (size_t)left;
	STATUS_TRY(memory_grow(&journal->buffer, &journal->buffer_capacity, bytes, 1));
	if (!journal_read_bytes(journal->file, journal->buffer, bytes, offset))
		return errno == 0 ? STATUS_OK : file_raise(errno, journal->path, "cannot be read");
	*found = journal_record_decode(journal->buffer, record) && record->number == journal->next_number &&
	         record->size <= left - JOURNAL_RECORD_HEAD;
	return STATUS_OK;
}

/* The record at `offset` of a file of `size` bytes; its payload goes into the buffer. */
static enum status read_record(struct journal *journal, int64_t offset, int64_t size, struct journal_record *record,
                               enum verdict *verdict)
{
	bool found;
	*verdict = RECORDS_END;
	STATUS_TRY(read_start(journal, offset, size, 0, record, &found));
	if (!found)
		return STATUS_OK;
	STATUS_TRY(memory_grow(&journal->buffer, &journal->buffer_capacity, (size_t)record->size + 1, 1));
	if (!journal_read_bytes(journal->file, journal->buffer, record->size, offset + JOURNAL_RECORD_HEAD))
		return errno == 0 ? STATUS_OK : file_raise(errno, journal->path, "cannot be read");
	*verdict =
		checksum_crc32c(0, journal->buffer, record->size) == record->checksum ? RECORD_SOUND : RECORD_DAMAGED;
	return STATUS_OK;
}

/* Visits the sound records and sets end and next_number behind the last of them. */
static enum status scan_records(struct journal *journal, int64_t begin, int64_t size, journal_visit visit,
                                void *context)
{
	int64_t offset = begin;
	uint64_t sound_next = 0, damaged = 0;
	journal->end = begin;
	journal->next_number = 0;
	for (;;) {
		struct journal_record record;
		enum verdict verdict;
		STATUS_TRY(read_record(journal, offset, size, &record, &verdict));
		if (verdict == RECORDS_END)
			break;
		offset += JOURNAL_RECORD_HEAD + (int64_t)record.size;
		journal->next_number++;
		if (verdict == RECORD_DAMAGED) {
			damaged++;
			continue;
		}
		if (damaged > 0)
			log_warning("%s: record %llu is damaged and left out (%llu in a row)", journal->path,
			            (unsigned long long)(record.number - damaged), (unsigned long long)damaged);
		damaged = 0;
		journal->end = offset;
		sound_next = journal->next_number;
		if (visit != NULL)
			STATUS_TRY(visit(context, record.number, journal->buffer, record.size,
			                 offset - (int64_t)record.size));
	}
	journal->next_number = sound_next;
	return STATUS_OK;
}

static enum status drop_tail(struct journal *journal, int64_t size)
{
	if (size == journal->end)
		return STATUS_OK;
	log_warning("%s: %lld bytes of an unfinished or damaged end dropped", journal->path,
	            (long long)(size - journal->end));
	if (ftruncate(journal->file, (off_t)journal->end) != 0)
		return file_raise(errno, journal->path, "its unfinished end cannot be dropped");
	return journal_sync(journal);
}

/* scan: whether the records are gone through now, as they are for whoever writes. */
static enum status begin_or_scan(struct journal *journal, const unsigned char *head, size_t head_size, bool scan,
                                 journal_visit visit, void *context)
{
	struct stat facts;
	bool fresh;
	if (fstat(journal->file, &facts) != 0)
		return file_raise(errno, journal->path, "cannot be read");
	STATUS_TRY(journal_head_check(journal->path, journal->file, facts.st_size, head, head_size, &fresh));
	journal->begin = journal->end = (int64_t)head_size;
	if (fresh)
		return journal->writable ? begin_file(journal, head, head_size) : STATUS_OK;
	if (!scan)
		return STATUS_OK;
	STATUS_TRY(scan_records(journal, (int64_t)head_size, facts.st_size, visit, context));
	return journal->writable ? drop_tail(journal, facts.st_size) : STATUS_OK;
}

static enum status open_with_flags(const char *path, int flags, const char *kind, const char *identity, bool scan,
                                   journal_visit visit, void *context, struct journal **journal_out)
{
	unsigned char *head;
	size_t head_size;
	struct journal *journal = NULL;
	STATUS_TRY(journal_head_make(path, kind, identity, &head, &head_size));
	enum status status = journal_allocate(path, flags, &journal);
	if (status != STATUS_OK) {
		free(head);
		return status;
	}
	if (journal->writable)
		status = take_lock(journal);
	if (status == STATUS_OK)
		status = begin_or_scan(journal, head, head_size, scan, visit, context);
	free(head);
	if (status != STATUS_OK) {
		journal_free(journal);
		return status;
	}
	*journal_out = journal;
	return STATUS_OK;
}

enum status journal_open(const char *path, const char *kind, const char *identity, journal_visit visit, void *context,
                         struct journal **journal_out)
{
	return open_with_flags(path, O_RDWR | O_CREAT, kind, identity, true, visit, context, journal_out);
}

enum status journal_open_reader(const char *path, const char *kind, const char *identity, struct journal **journal_out)
{
	return open_with_flags(path, O_RDONLY, kind, identity, false, NULL, NULL, journal_out);
}

enum status journal_scan(const char *path, const char *kind, const char *identity, journal_visit visit, void *context)
{
	struct journal *journal;
	if (access(path, F_OK) != 0 && errno == ENOENT)
		return STATUS_OK;
	STATUS_TRY(open_with_flags(path, O_RDONLY, kind, identity, true, visit, context, &journal));
	return journal_close(journal);
}

enum status journal_list(struct journal *journal, size_t lead, journal_visit visit, void *context)
{
	struct stat facts;
	if (journal->writable)
		return error_raise(STATUS_INTERNAL, "%s: a journal that is written cannot be listed", journal->path);
	if (fstat(journal->file, &facts) != 0)
		return file_raise(errno, journal->path, "cannot be read");
	int64_t offset = journal->begin;
	for (journal->next_number = 0;; journal->next_number++) {
		struct journal_record record;
		bool found;
		STATUS_TRY(read_start(journal, offset, facts.st_size, lead, &record, &found));
		if (!found)
			return STATUS_OK;
		offset += JOURNAL_RECORD_HEAD;
		STATUS_TRY(visit(context, record.number, (const char *)journal->buffer + JOURNAL_RECORD_HEAD,
		                 record.size, offset));
		offset += record.size;
	}
}

enum status journal_append(struct journal *journal, const void *payload, size_t size, int64_t *offset)
{
	if (!journal->writable || size > JOURNAL_LARGEST_PAYLOAD)
		return error_raise(STATUS_INTERNAL, "%s: a record of %zu bytes cannot be appended", journal->path,
		                   size);
	if (journal->broken != 0)
		return file_raise(journal->broken, journal->path, "cannot be written after an earlier failure");
	STATUS_TRY(memory_grow(&journal->buffer, &journal->buffer_capacity, JOURNAL_RECORD_HEAD + size, 1));
	struct journal_record record = { .size = (uint32_t)size,
		                         .number = journal->next_number,
		                         .checksum = checksum_crc32c(0, payload, size) };
	journal_record_encode(&record, journal->buffer);
	if (size > 0)
		memcpy((char *)journal->buffer + JOURNAL_RECORD_HEAD, payload, size);
	enum status status = write_bytes(journal, journal->buffer, JOURNAL_RECORD_HEAD + size, journal->end);
	if (status != STATUS_OK) {
		/* A later, shorter record must not be followed by the rest of this one. */
		if (ftruncate(journal->file, (off_t)journal->end) != 0)
			journal->broken = errno;
		return status;
	}
	*offset = journal->end + JOURNAL_RECORD_HEAD;
	journal->end += JOURNAL_RECORD_HEAD + (int64_t)size;
	journal->next_number++;
	return STATUS_OK;
}

enum status journal_read(struct journal *journal, int64_t offset, const void **payload, size_t *size)
{
	unsigned char head[JOURNAL_RECORD_HEAD];
	struct journal_record record;
	if (offset < JOURNAL_RECORD_HEAD ||
	    !journal_read_bytes(journal->file, head, sizeof head, offset - JOURNAL_RECORD_HEAD))
		return error_raise(STATUS_DATA, "%s: there is no record at byte %lld", journal->path,
		                   (long long)offset);
	bool sound = journal_record_decode(head, &record);
	if (sound)
		STATUS_TRY(memory_grow(&journal->buffer, &journal->buffer_capacity, (size_t)record.size + 1, 1));
	if (!sound || !journal_read_bytes(journal->file, journal->buffer, record.size, offset) ||
	    checksum_crc32c(0, journal->buffer, record.size) != record.checksum)
		return error_raise(STATUS_DATA, "%s: the record at byte %lld is damaged", journal->path,
		                   (long long)offset);
	*payload = journal->buffer;
	*size = record.size;
	return STATUS_OK;
}

enum status journal_sync(struct journal *journal)
{
	if (journal->broken != 0)
		return file_raise(journal->broken, journal->path, "cannot be made durable after an earlier failure");
	if (journal->writable && fsync(journal->file) != 0) {
		/* The system may have forgotten the pages that it could not write: later success would prove nothing. */
		journal->broken = errno;
		return file_raise(journal->broken, journal->path, "cannot be made durable (fsync)");
	}
	return STATUS_OK;
}

enum status journal_close(struct journal *journal)
{
	if (journal == NULL)
		return STATUS_OK;
	enum status status = journal->writable ? journal_sync(journal) : STATUS_OK;
	int file = journal->file;
	journal->file = -1;
	if (close(file) != 0 && status == STATUS_OK)
		status = file_raise(errno, journal->path, "cannot be closed");
	journal_free(journal);
	return status;
}
