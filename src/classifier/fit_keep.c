/* Files of an unfinished fit: NAME.probe and NAME.counts, written whole, a checksum first; NAME.journal with rows of features.
 * SPDX-License-Identifier: Apache-2.0 */
#include "classifier/fit_keep.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/timer.h"
#include "storage/atomic_file.h"
#include "storage/journal.h"

static const char journal_kind[] = "features";

/* Bytes of values in a record of features. */
enum { RECORD_BYTES = 1 << 26 };

struct fit_keep {
	char *folder, *identity;
	double interval, room, saved_at;
	/* the rows at hand */
	struct journal *journal;
	char *journal_path; /* NULL: no sample is at hand */
	int64_t width, saved_rows;
};

enum status fit_keep_open(const char *folder, const char *identity, double interval, double room,
                          struct fit_keep **keep_out)
{
	*keep_out = NULL;
	if (folder == NULL)
		return STATUS_OK;
	struct fit_keep *keep = memory_allocate(1, sizeof *keep);
	if (keep == NULL)
		return STATUS_ENVIRONMENT;
	*keep = (struct fit_keep){ .folder = memory_copy_text(folder),
		                   .identity = memory_copy_text(identity),
		                   .interval = interval,
		                   .room = room,
		                   .saved_at = timer_seconds() };
	if (keep->folder == NULL || keep->identity == NULL) {
		fit_keep_close(keep);
		return STATUS_ENVIRONMENT;
	}
	*keep_out = keep;
	return STATUS_OK;
}

void fit_keep_close(struct fit_keep *keep)
{
	if (keep == NULL)
		return;
	journal_close(keep->journal); /* all of it was made durable when it was saved */
	free(keep->journal_path);
	free(keep->folder);
	free(keep->identity);
	free(keep);
}

bool fit_keep_is_due(const struct fit_keep *keep)
{
	return keep != NULL && timer_seconds() - keep->saved_at >= keep->interval;
}

static void note_saved(struct fit_keep *keep)
{
	keep->saved_at = timer_seconds();
	stop_note_saved();
}

static char *file_path(const struct fit_keep *keep, const char *name, const char *ending)
{
	return text_format("%s/%s.%s", keep->folder, name, ending);
}

/* ---- whole files: numbers of 8 bytes, the first of them the checksum of the others ---- */

static enum status write_numbers(struct fit_keep *keep, const char *name, const char *ending, int64_t *numbers,
                                 size_t count)
{
	char *path = file_path(keep, name, ending);
	if (path == NULL)
		return STATUS_ENVIRONMENT;
	numbers[0] = (int64_t)checksum_crc32c(0, numbers + 1, (count - 1) * sizeof *numbers);
	enum status status = atomic_file_write(path, numbers, count * sizeof *numbers);
	free(path);
	STATUS_TRY(status);
	note_saved(keep);
	return STATUS_OK;
}

/* *numbers NULL: there is no such file, or a damaged one. */
static enum status read_numbers(const struct fit_keep *keep, const char *name, const char *ending, int64_t **numbers,
                                size_t *count)
{
	char *path = file_path(keep, name, ending), *bytes = NULL;
	size_t size = 0;
	*numbers = NULL;
	enum status status = path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && access(path, F_OK) == 0)
		status = file_read(path, &bytes, &size);
	*count = size / sizeof **numbers;
	if (status == STATUS_OK && bytes != NULL) {
		int64_t *read = (int64_t *)(void *)bytes;
		if (size % sizeof *read == 0 && *count >= 2 &&
		    read[0] == (int64_t)checksum_crc32c(0, read + 1, size - sizeof *read)) {
			*numbers = read;
			bytes = NULL;
		} else {
			log_warning("%s is damaged: what it held is computed again", path);
		}
	}
	free(bytes);
	free(path);
	return status;
}

/* ---- probes: checksum, bias, norm of the gradient, whether it converged, weights ---- */

enum { PROBE_HEAD = 4 };

enum status fit_keep_find_probe(struct fit_keep *keep, const char *name, int64_t width, struct probe *probe,
                                bool *found)
{
	int64_t *numbers;
	size_t count;
	*found = false;
	if (keep == NULL)
		return STATUS_OK;
	STATUS_TRY(read_numbers(keep, name, "probe", &numbers, &count));
	if (numbers == NULL || (int64_t)count != width + PROBE_HEAD) {
		free(numbers);
		return STATUS_OK;
	}
	double *weights = malloc((size_t)width * sizeof *weights), bias, norm;
	if (weights == NULL) {
		free(numbers);
		return error_raise(STATUS_ENVIRONMENT, "out of memory for a probe of %lld weights", (long long)width);
	}
	memcpy(&bias, numbers + 1, sizeof bias);
	memcpy(&norm, numbers + 2, sizeof norm);
	bool converged = numbers[3] != 0;
	memcpy(weights, numbers + PROBE_HEAD, (size_t)width * sizeof *weights);
	free(numbers);
	probe_clear(probe);
	*probe = (struct probe){
		.width = width, .weights = weights, .bias = bias, .gradient_norm = norm, .converged = converged
	};
	*found = true;
	return STATUS_OK;
}

enum status fit_keep_add_probe(struct fit_keep *keep, const char *name, const struct probe *probe)
{
	if (keep == NULL)
		return STATUS_OK;
	int64_t *numbers = memory_allocate((size_t)probe->width + PROBE_HEAD, sizeof *numbers);
	if (numbers == NULL)
		return STATUS_ENVIRONMENT;
	memcpy(numbers + 1, &probe->bias, sizeof probe->bias);
	memcpy(numbers + 2, &probe->gradient_norm, sizeof probe->gradient_norm);
	numbers[3] = probe->converged;
	memcpy(numbers + PROBE_HEAD, probe->weights, (size_t)probe->width * sizeof *probe->weights);
	enum status status = write_numbers(keep, name, "probe", numbers, (size_t)probe->width + PROBE_HEAD);
	free(numbers);
	return status;
}

/* ---- counts: checksum, blocks, then for each array how many are not 0, and place and count of each of these ---- */

void tally_add(struct tally *tally, int64_t *values, int64_t count)
{
	tally->parts[tally->count].values = values;
	tally->parts[tally->count++].count = count;
}

static void clear_tally(const struct tally *tally)
{
	for (int part = 0; part < tally->count; part++)
		memset(tally->parts[part].values, 0, (size_t)tally->parts[part].count * sizeof(int64_t));
}

/* False when the numbers do not fit the tally. */
static bool decode_tally(const int64_t *numbers, size_t count, struct tally *tally)
{
	size_t at = 2;
	for (int part = 0; part < tally->count; part++) {
		if (at >= count || numbers[at] < 0 || (uint64_t)numbers[at] > (count - at - 1) / 2)
			return false;
		for (int64_t left = numbers[at++]; left > 0; left--, at += 2) {
			if (numbers[at] < 0 || numbers[at] >= tally->parts[part].count)
				return false;
			tally->parts[part].values[numbers[at]] = numbers[at + 1];
		}
	}
	return at == count;
}

enum status fit_keep_find_tally(struct fit_keep *keep, const char *name, struct tally *tally, int64_t *done)
{
	int64_t *numbers;
	size_t count;
	*done = 0;
	if (keep == NULL)
		return STATUS_OK;
	STATUS_TRY(read_numbers(keep, name, "counts", &numbers, &count));
	if (numbers == NULL)
		return STATUS_OK;
	clear_tally(tally);
	if (decode_tally(numbers, count, tally))
		*done = numbers[1];
	else
		clear_tally(tally);
	free(numbers);
	return STATUS_OK;
}

enum status fit_keep_save_tally(struct fit_keep *keep, const char *name, const struct tally *tally, int64_t done)
{
	if (keep == NULL)
		return STATUS_OK;
	size_t count = 2 + (size_t)tally->count, at = 2;
	for (int part = 0; part < tally->count; part++)
		for (int64_t i = 0; i < tally->parts[part].count; i++)
			count += tally->parts[part].values[i] != 0 ? 2 : 0;
	int64_t *numbers = memory_allocate(count, sizeof *numbers);
	if (numbers == NULL)
		return STATUS_ENVIRONMENT;
	numbers[1] = done;
	for (int part = 0; part < tally->count; part++) {
		int64_t *filled = &numbers[at++];
		for (int64_t i = 0; i < tally->parts[part].count; i++) {
			if (tally->parts[part].values[i] == 0)
				continue;
			numbers[at++] = i;
			numbers[at++] = tally->parts[part].values[i];
			(*filled)++;
		}
	}
	enum status status = write_numbers(keep, name, "counts", numbers, count);
	free(numbers);
	return status;
}

/* ---- rows ---- */

struct reading {
	struct fit_keep *keep;
	float *values;
	int64_t most;
	bool broken; /* the rest is of no use */
};

/* A record: the number of its first row, then the rows. */
static enum status visit_rows(void *context, uint64_t number, const void *payload, size_t size, int64_t offset)
{
	struct reading *reading = context;
	struct fit_keep *keep = reading->keep;
	size_t row = (size_t)keep->width * sizeof(float);
	int64_t first;
	(void)number;
	(void)offset;
	if (reading->broken || size < sizeof first || (size - sizeof first) % row != 0) {
		reading->broken = true;
		return STATUS_OK;
	}
	memcpy(&first, payload, sizeof first);
	int64_t rows = (int64_t)((size - sizeof first) / row);
	if (first != keep->saved_rows || rows > reading->most - first) {
		reading->broken = true;
		return STATUS_OK;
	}
	memcpy(reading->values + first * keep->width, (const char *)payload + sizeof first, size - sizeof first);
	keep->saved_rows += rows;
	return STATUS_OK;
}

static enum status open_rows(struct fit_keep *keep, struct reading *reading)
{
	return journal_open(keep->journal_path, journal_kind, keep->identity, visit_rows, reading, &keep->journal);
}

enum status fit_keep_begin_rows(struct fit_keep *keep, const char *name, int64_t width, float *values, int64_t most,
                                int64_t *rows)
{
	*rows = 0;
	if (keep == NULL)
		return STATUS_OK;
	keep->width = width;
	keep->saved_rows = 0;
	keep->journal_path = file_path(keep, name, "journal");
	if (keep->journal_path == NULL)
		return STATUS_ENVIRONMENT;
	struct reading reading = { .keep = keep, .values = values, .most = most };
	enum status status = access(keep->journal_path, F_OK) == 0 ? open_rows(keep, &reading) : STATUS_OK;
	if (status != STATUS_OK && status != STATUS_DATA)
		return status;
	if (status == STATUS_DATA || reading.broken) {
		/* What would be appended could not be found behind a gap. */
		error_clear();
		log_warning("%s is damaged: its features are computed again", keep->journal_path);
		if (status == STATUS_OK)
			STATUS_TRY(journal_close(keep->journal));
		keep->journal = NULL;
		keep->saved_rows = 0;
		if (unlink(keep->journal_path) != 0)
			return file_raise(errno, keep->journal_path, "cannot be removed");
	}
	*rows = keep->saved_rows;
	return STATUS_OK;
}

static enum status append_rows(struct fit_keep *keep, const float *values, int64_t count)
{
	size_t row = (size_t)keep->width * sizeof *values, size = sizeof(int64_t) + (size_t)count * row;
	char *record = memory_allocate(size, 1);
	int64_t offset;
	if (record == NULL)
		return STATUS_ENVIRONMENT;
	memcpy(record, &keep->saved_rows, sizeof keep->saved_rows);
	memcpy(record + sizeof(int64_t), values + keep->saved_rows * keep->width, (size_t)count * row);
	enum status status = journal_append(keep->journal, record, size, &offset);
	free(record);
	STATUS_TRY(status);
	keep->saved_rows += count;
	return STATUS_OK;
}

enum status fit_keep_save_rows(struct fit_keep *keep, const float *values, int64_t rows)
{
	if (keep == NULL || keep->journal_path == NULL || rows <= keep->saved_rows)
		return STATUS_OK;
	struct reading none = { .keep = keep, .broken = true };
	if (keep->journal == NULL)
		STATUS_TRY(open_rows(keep, &none));
	int64_t most = RECORD_BYTES / (keep->width * (int64_t)sizeof *values) + 1;
	while (keep->saved_rows < rows) {
		int64_t left = rows - keep->saved_rows;
		STATUS_TRY(append_rows(keep, values, left < most ? left : most));
	}
	STATUS_TRY(journal_sync(keep->journal));
	note_saved(keep);
	return STATUS_OK;
}

enum status fit_keep_complete_rows(struct fit_keep *keep, const float *values, int64_t rows)
{
	return keep != NULL && keep->saved_rows > 0 ? fit_keep_save_rows(keep, values, rows) : STATUS_OK;
}

/* Bytes of all journals in the folder. */
static double journal_bytes(const struct fit_keep *keep)
{
	static const char ending[] = ".journal";
	double bytes = 0;
	DIR *folder = opendir(keep->folder);
	for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
		struct stat facts;
		size_t length = strlen(entry->d_name), end = sizeof ending - 1;
		if (length >= end && strcmp(entry->d_name + length - end, ending) == 0 &&
		    fstatat(dirfd(folder), entry->d_name, &facts, 0) == 0)
			bytes += (double)facts.st_size;
	}
	if (folder != NULL)
		closedir(folder);
	return bytes;
}

enum status fit_keep_end_rows(struct fit_keep *keep)
{
	if (keep == NULL || keep->journal_path == NULL)
		return STATUS_OK;
	enum status status = journal_close(keep->journal);
	keep->journal = NULL;
	if (journal_bytes(keep) > keep->room)
		unlink(keep->journal_path);
	free(keep->journal_path);
	keep->journal_path = NULL;
	return status;
}
