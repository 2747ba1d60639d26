/* Converting the flat files of the reference implementation.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/raw.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/open_files.h"
#include "base/stop.h"
#include "base/text.h"
#include "text/corpus.h"
#include "text/shard_note.h"

enum { RUN_TOKENS = 2048 };

float raw_half_to_float(uint16_t half)
{
	int exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;
	float value;
	if (exponent == 0x1f)
		value = fraction != 0 ? NAN : INFINITY;
	else if (exponent == 0)
		value = ldexpf((float)fraction, -24);
	else
		value = ldexpf((float)(fraction | 0x400), exponent - 25);
	return half >> 15 != 0 ? -value : value;
}

/* ---- files ---- */

struct raw_file {
	char *path;
	FILE *file; /* NULL when an optional file is not there */
	int64_t count;
};

static enum status raw_open(const char *stem, const char *ending, size_t size, bool needed, struct raw_file *raw)
{
	raw->path = text_format("%s%s", stem, ending);
	if (raw->path == NULL)
		return STATUS_ENVIRONMENT;
	raw->file = fopen(raw->path, "rb");
	if (raw->file == NULL && (needed || errno != ENOENT))
		return error_raise(open_files_status(errno, STATUS_DATA), "cannot open %s: %s%s", raw->path,
		                   strerror(errno), open_files_advice(errno));
	if (raw->file == NULL)
		return STATUS_OK;
	if (fseeko(raw->file, 0, SEEK_END) != 0)
		return error_raise(STATUS_IO, "cannot find the size of %s: %s", raw->path, strerror(errno));
	int64_t bytes = ftello(raw->file);
	rewind(raw->file);
	if (bytes % (int64_t)size != 0)
		return error_raise(STATUS_DATA, "%s has %" PRId64 " bytes, which is not a multiple of %zu", raw->path,
		                   bytes, size);
	raw->count = bytes / (int64_t)size;
	return STATUS_OK;
}

static void raw_close(struct raw_file *raw)
{
	if (raw->file != NULL)
		fclose(raw->file);
	free(raw->path);
}

static enum status raw_read(struct raw_file *raw, void *values, size_t size, int64_t count)
{
	if (fread(values, size, (size_t)count, raw->file) != (size_t)count)
		return error_raise(STATUS_IO, "cannot read %s: %s", raw->path,
		                   ferror(raw->file) ? strerror(errno) : "it became shorter");
	return STATUS_OK;
}

/* ---- conversion ---- */

struct conversion {
	struct raw_file tokens, lens, labels, filter;
	struct shard_facts facts;
	const char *folder, *name, *kept_folder;
	int64_t shard_tokens;
	uint32_t *lengths; /* tokens of each document in the raw file */
	int64_t document_count;
	/* the document being converted */
	int32_t *ids;
	uint8_t *token_labels;
	uint16_t *halves;
	size_t id_capacity, label_capacity, half_capacity;
	float *scores; /* of all shard tokens */
	size_t score_count, score_capacity;
	int64_t written; /* tokens in all shards */
	int64_t kept;    /* shards that were finished before */
};

static enum status check_sizes(const struct conversion *conversion)
{
	const struct raw_file *others[] = { &conversion->labels, &conversion->filter };
	for (size_t i = 0; i < 2; i++) {
		if (others[i]->file != NULL && others[i]->count != conversion->tokens.count)
			return error_raise(STATUS_DATA, "%s has %" PRId64 " tokens, but %s has %" PRId64,
			                   conversion->tokens.path, conversion->tokens.count, others[i]->path,
			                   others[i]->count);
	}
	return STATUS_OK;
}

static enum status read_lengths(struct conversion *conversion)
{
	int64_t tokens = conversion->tokens.count, sum = 0;
	bool given = conversion->lens.file != NULL;
	conversion->document_count = given ? conversion->lens.count : (tokens + RUN_TOKENS - 1) / RUN_TOKENS;
	conversion->lengths = memory_allocate((size_t)conversion->document_count, sizeof *conversion->lengths);
	if (conversion->lengths == NULL)
		return STATUS_ENVIRONMENT;
	if (given)
		STATUS_TRY(raw_read(&conversion->lens, conversion->lengths, sizeof *conversion->lengths,
		                    conversion->document_count));
	for (int64_t i = 0; i < conversion->document_count; i++) {
		if (!given)
			conversion->lengths[i] =
				(uint32_t)(tokens - i * RUN_TOKENS < RUN_TOKENS ? tokens - i * RUN_TOKENS : RUN_TOKENS);
		sum += conversion->lengths[i];
	}
	if (sum != tokens)
		return error_raise(STATUS_DATA,
		                   "the documents of %s have %" PRId64 " tokens together, but %s has %" PRId64,
		                   conversion->lens.path, sum, conversion->tokens.path, tokens);
	return STATUS_OK;
}

/* Number of documents from `first` on that go into one shard. */
static int64_t shard_documents(const struct conversion *conversion, int64_t first)
{
	int64_t tokens = 0, document = first;
	while (document < conversion->document_count) {
		/* An end-of-text token may be added. */
		tokens += (int64_t)conversion->lengths[document] + 1;
		if (tokens > conversion->shard_tokens && document > first)
			break;
		document++;
	}
	return document - first;
}

static enum status read_document(struct conversion *conversion, int64_t document)
{
	size_t length = conversion->lengths[document];
	STATUS_TRY(
		memory_grow((void **)&conversion->ids, &conversion->id_capacity, length + 1, sizeof *conversion->ids));
	STATUS_TRY(memory_grow((void **)&conversion->token_labels, &conversion->label_capacity, length + 1, 1));
	STATUS_TRY(memory_grow((void **)&conversion->halves, &conversion->half_capacity, length + 1, 2));
	STATUS_TRY(raw_read(&conversion->tokens, conversion->ids, sizeof *conversion->ids, (int64_t)length));
	memset(conversion->token_labels, conversion->labels.file != NULL ? DOMAIN_UNMARKED : DOMAIN_UNLABELLED,
	       length + 1);
	if (conversion->labels.file != NULL)
		STATUS_TRY(raw_read(&conversion->labels, conversion->token_labels, 1, (int64_t)length));
	if (conversion->filter.file != NULL)
		STATUS_TRY(raw_read(&conversion->filter, conversion->halves, 2, (int64_t)length));
	for (size_t i = 0; i < length; i++) {
		if (conversion->ids[i] < 0 || conversion->ids[i] >= conversion->facts.vocabulary)
			return error_raise(STATUS_DATA,
			                   "%s: token %zu of document %" PRId64 " is %" PRIu32
			                   ", but the vocabulary has %d",
			                   conversion->tokens.path, i, document, (uint32_t)conversion->ids[i],
			                   conversion->facts.vocabulary);
		if (conversion->labels.file == NULL)
			continue;
		if (conversion->token_labels[i] > 1)
			return error_raise(STATUS_DATA, "%s: label %zu of document %" PRId64 " is %d, not 0 or 1",
			                   conversion->labels.path, i, document, conversion->token_labels[i]);
		conversion->token_labels[i] = conversion->token_labels[i] != 0 ? DOMAIN_FORGET : DOMAIN_UNMARKED;
	}
	return STATUS_OK;
}

static enum status add_scores(struct conversion *conversion, size_t count, bool had_end)
{
	if (conversion->filter.file == NULL)
		return STATUS_OK;
	STATUS_TRY(memory_grow((void **)&conversion->scores, &conversion->score_capacity,
	                       conversion->score_count + count + 1, sizeof *conversion->scores));
	for (size_t i = 0; i < count; i++)
		conversion->scores[conversion->score_count++] = raw_half_to_float(conversion->halves[i]);
	conversion->scores[conversion->score_count++] = had_end ? raw_half_to_float(conversion->halves[count]) : 0.0f;
	return STATUS_OK;
}

/* writer NULL: its shard is there already. */
static enum status convert_document(struct conversion *conversion, struct shard_writer *writer, int64_t document)
{
	STATUS_TRY(read_document(conversion, document));
	size_t count = conversion->lengths[document], forget = 0;
	bool had_end = count > 0 && conversion->ids[count - 1] == conversion->facts.end_of_text;
	count -= had_end;
	for (size_t i = 0; i < count; i++)
		forget += conversion->token_labels[i] == DOMAIN_FORGET;
	enum domain domain = conversion->labels.file == NULL     ? DOMAIN_UNLABELLED
	                     : forget > 0 && 2 * forget >= count ? DOMAIN_FORGET
	                                                         : DOMAIN_UNMARKED;
	STATUS_TRY(add_scores(conversion, count, had_end));
	conversion->written += (int64_t)count + 1;
	if (writer == NULL)
		return STATUS_OK;
	return shard_writer_add(writer, conversion->ids, conversion->token_labels, count, (uint8_t)domain,
	                        (uint64_t)document, (uint64_t)document); /* no ids: each its own group */
}

static enum status convert_documents(struct conversion *conversion, struct shard_writer *writer, int64_t first,
                                     int64_t count)
{
	for (int64_t i = 0; i < count; i++) {
		STATUS_TRY(stop_check("converting raw files"));
		STATUS_TRY(convert_document(conversion, writer, first + i));
	}
	return STATUS_OK;
}

static enum status write_shard(struct conversion *conversion, int64_t number, int64_t first, int64_t count)
{
	char *path = shard_path(conversion->folder, conversion->name, number);
	struct shard_writer *writer = NULL;
	enum status status = path == NULL ? STATUS_ENVIRONMENT : shard_writer_create(path, &conversion->facts, &writer);
	free(path);
	if (status == STATUS_OK)
		status = convert_documents(conversion, writer, first, count);
	if (status == STATUS_OK)
		return shard_writer_finish(writer);
	shard_writer_abandon(writer);
	return status;
}

static enum status convert_shard(struct conversion *conversion, int64_t number, int64_t first, int64_t count)
{
	const struct shard_place place = { conversion->folder, conversion->name, number, conversion->kept_folder };
	bool finished = false;
	if (place.kept_folder == NULL)
		return write_shard(conversion, number, first, count);
	STATUS_TRY(shard_note_find(&place, NULL, 0, &finished));
	if (finished) {
		conversion->kept++;
		return convert_documents(conversion, NULL, first, count);
	}
	STATUS_TRY(write_shard(conversion, number, first, count));
	STATUS_TRY(shard_note_write(&place, NULL, 0));
	stop_note_saved();
	return STATUS_OK;
}

static enum status convert(struct conversion *conversion)
{
	STATUS_TRY(check_sizes(conversion));
	STATUS_TRY(read_lengths(conversion));
	conversion->facts.has_token_labels = conversion->labels.file != NULL;
	conversion->facts.shard_count = 0;
	for (int64_t first = 0; first < conversion->document_count; first += shard_documents(conversion, first))
		conversion->facts.shard_count++;
	if (conversion->facts.shard_count == 0)
		return error_raise(STATUS_DATA, "%s has no tokens", conversion->tokens.path);
	STATUS_TRY(text_make_directories(conversion->folder));
	int64_t first = 0;
	for (int64_t number = 0; number < conversion->facts.shard_count; number++) {
		int64_t count = shard_documents(conversion, first);
		STATUS_TRY(convert_shard(conversion, number, first, count));
		first += count;
	}
	return STATUS_OK;
}

enum status raw_convert(const char *stem, const char *folder, const char *name, const struct shard_facts *facts,
                        int64_t shard_tokens, const char *kept_folder, float **scores_out, int64_t *token_count,
                        int64_t *kept_count)
{
	struct conversion conversion = { .facts = *facts,
		                         .folder = folder,
		                         .name = name,
		                         .kept_folder = kept_folder,
		                         .shard_tokens = shard_tokens };
	enum status status = raw_open(stem, ".bin", 4, true, &conversion.tokens);
	if (status == STATUS_OK)
		status = raw_open(stem, "_lens.bin", 4, false, &conversion.lens);
	if (status == STATUS_OK)
		status = raw_open(stem, "_labels.bin", 1, false, &conversion.labels);
	if (status == STATUS_OK)
		status = raw_open(stem, "_filter.bin", 2, false, &conversion.filter);
	if (status == STATUS_OK)
		status = convert(&conversion);
	if (status == STATUS_OK) {
		*scores_out = conversion.scores;
		*token_count = conversion.written;
		*kept_count = conversion.kept;
		conversion.scores = NULL;
	}
	raw_close(&conversion.tokens);
	raw_close(&conversion.lens);
	raw_close(&conversion.labels);
	raw_close(&conversion.filter);
	free(conversion.lengths);
	free(conversion.ids);
	free(conversion.token_labels);
	free(conversion.halves);
	free(conversion.scores);
	return status;
}

enum status raw_file_group(const char *stem, struct file_group *group)
{
	static const char *const endings[FILE_GROUP_MOST] = { ".bin", "_lens.bin", "_labels.bin", "_filter.bin" };
	*group = (struct file_group){ .name = text_format("%s.bin", stem) };
	enum status status = group->name == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (size_t i = 0; i < FILE_GROUP_MOST && status == STATUS_OK; i++) {
		char *path = text_format("%s%s", stem, endings[i]);
		if (path == NULL)
			status = STATUS_ENVIRONMENT;
		else if (i == 0 || access(path, F_OK) == 0)
			group->paths[group->count++] = path;
		else
			free(path);
	}
	if (status != STATUS_OK)
		file_group_clear(group);
	return status;
}
