/* Opening and checking one shard file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "text/shard_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "text/shard_layout.h"
#include "text/turns.h"

static enum status read_integer(struct hdf5_reader *reader, const char *name, int64_t low, int64_t high, int64_t *value)
{
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", name, value));
	if (*value < low || *value > high)
		return error_raise(STATUS_DATA, "its attribute %s is %" PRId64, name, *value);
	return STATUS_OK;
}

static enum status read_format(struct hdf5_reader *reader, int64_t *version)
{
	char *format = NULL;
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "format", &format));
	enum status status =
		strcmp(format, SHARD_FORMAT) == 0
			? STATUS_OK
			: error_raise(STATUS_DATA, "its format is \"%s\", not \"%s\"", format, SHARD_FORMAT);
	free(format);
	if (status != STATUS_OK)
		return status;
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "format_version", version));
	if (*version != SHARD_VERSION && *version != SHARD_VERSION_TURNS && *version != SHARD_VERSION_QUESTIONS)
		return error_raise(STATUS_DATA,
		                   "it was made by an older or newer program (format version %" PRId64
		                   ", this one reads %d to %d), whose labels do not mean the same: remove its folder "
		                   "and tokenize the corpus again",
		                   *version, SHARD_VERSION, SHARD_VERSION_QUESTIONS);
	return STATUS_OK;
}

static enum status read_facts(struct shard_file *file)
{
	struct hdf5_reader *reader = file->reader;
	char *text = NULL;
	int64_t vocabulary, end_of_text, hidden, labels, version, markers = 0, blank = -1;
	STATUS_TRY(read_format(reader, &version));
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "tokenizer_hash", &text));
	file->facts.tokenizer_hash = text;
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "tokenizer", &text));
	file->facts.tokenizer = text;
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "content_hash", &file->content_hash));
	STATUS_TRY(read_integer(reader, "vocabulary", 1, INT32_MAX, &vocabulary));
	STATUS_TRY(read_integer(reader, "end_of_text", 0, vocabulary - 1, &end_of_text));
	STATUS_TRY(read_integer(reader, "hidden", 0, vocabulary - 1, &hidden));
	STATUS_TRY(read_integer(reader, "block_tokens", 1, INT64_MAX, &file->facts.block_tokens));
	STATUS_TRY(read_integer(reader, "has_token_labels", 0, 1, &labels));
	STATUS_TRY(read_integer(reader, "shard_count", 0, INT32_MAX, &file->facts.shard_count));
	if (version == SHARD_VERSION_TURNS)
		STATUS_TRY(read_integer(reader, TURN_MARKERS_ATTRIBUTE, 1, vocabulary - TURN_MARKERS, &markers));
	if (version == SHARD_VERSION_QUESTIONS)
		STATUS_TRY(read_integer(reader, LETTER_BLANK_ATTRIBUTE, 0, vocabulary - 1, &blank));
	file->facts.vocabulary = (int32_t)vocabulary;
	file->facts.learned = (struct learned_rule){ .markers = (int32_t)markers, .blank = (int32_t)blank + 1 };
	file->facts.end_of_text = (int32_t)end_of_text;
	file->facts.hidden = (int32_t)hidden;
	file->facts.has_token_labels = labels != 0;
	return STATUS_OK;
}

/* A table that counts up from 0 to `end`. */
static enum status check_rising(const char *name, const int64_t *values, int64_t count, int64_t end)
{
	bool good = count >= 1 && values[0] == 0 && values[count - 1] == end;
	for (int64_t i = 1; i < count && good; i++)
		good = values[i] > values[i - 1];
	return good ? STATUS_OK : error_raise(STATUS_DATA, "its table %s is damaged", name);
}

static enum status table_size(struct hdf5_reader *reader, const char *name, int64_t *size)
{
	int rank;
	int64_t sizes[4];
	STATUS_TRY(hdf5_sizes(reader, name, &rank, sizes));
	if (rank != 1)
		return error_raise(STATUS_DATA, "its data set %s has %d dimensions", name, rank);
	*size = sizes[0];
	return STATUS_OK;
}

static enum status expect_size(const char *name, int64_t size, int64_t expected)
{
	if (size != expected)
		return error_raise(STATUS_DATA, "its data set %s has %" PRId64 " elements; %" PRId64 " are expected",
		                   name, size, expected);
	return STATUS_OK;
}

static enum status read_groups(struct shard_file *file)
{
	int64_t groups = 0;
	if (!hdf5_exists(file->reader, DOCUMENT_GROUP))
		return STATUS_OK;
	STATUS_TRY(hdf5_read_all(file->reader, DOCUMENT_GROUP, HDF5_UINT64, (void **)&file->groups, &groups));
	return expect_size(DOCUMENT_GROUP, groups, file->document_count);
}

static enum status read_tables(struct shard_file *file)
{
	struct hdf5_reader *reader = file->reader;
	int64_t labels = 0, offsets = 0, domains = 0, numbers = 0, blocks = 0;
	STATUS_TRY(table_size(reader, TOKENS, &file->token_count));
	STATUS_TRY(table_size(reader, LABELS, &labels));
	STATUS_TRY(hdf5_read_all(reader, DOCUMENT_OFFSET, HDF5_INT64, (void **)&file->offsets, &offsets));
	STATUS_TRY(hdf5_read_all(reader, DOCUMENT_DOMAIN, HDF5_UINT8, (void **)&file->domains, &domains));
	STATUS_TRY(hdf5_read_all(reader, DOCUMENT_NUMBER, HDF5_UINT64, (void **)&file->numbers, &numbers));
	STATUS_TRY(hdf5_read_all(reader, BLOCK_DOCUMENT, HDF5_INT64, (void **)&file->blocks, &blocks));
	file->document_count = offsets - 1;
	file->block_count = blocks - 1;
	STATUS_TRY(expect_size(LABELS, labels, file->token_count));
	STATUS_TRY(expect_size(DOCUMENT_DOMAIN, domains, file->document_count));
	STATUS_TRY(expect_size(DOCUMENT_NUMBER, numbers, file->document_count));
	STATUS_TRY(read_groups(file));
	STATUS_TRY(check_rising(DOCUMENT_OFFSET, file->offsets, offsets, file->token_count));
	STATUS_TRY(check_rising(BLOCK_DOCUMENT, file->blocks, blocks, file->document_count));
	for (int64_t i = 0; i < file->document_count; i++) {
		if (file->domains[i] >= DOMAIN_COUNT)
			return error_raise(STATUS_DATA, "document %" PRId64 " has the unknown domain %d", i,
			                   file->domains[i]);
	}
	return STATUS_OK;
}

enum status shard_file_open(char *path, struct shard_file *file)
{
	*file = (struct shard_file){ .path = path };
	enum status status = path == NULL ? STATUS_ENVIRONMENT : hdf5_open(path, &file->reader);
	if (status == STATUS_OK)
		status = read_facts(file);
	if (status == STATUS_OK)
		status = read_tables(file);
	if (status == STATUS_OK)
		return status;
	/* Messages of the storage module name the file already. */
	if (path != NULL && strstr(error_message(), path) == NULL)
		error_context(status, "%s", path);
	shard_file_close(file);
	return status;
}

void shard_file_rest(struct shard_file *file)
{
	hdf5_close(file->reader);
	file->reader = NULL;
}

/* The tables in memory are of the file that was opened first. */
static enum status check_same(struct shard_file *file)
{
	char *hash = NULL;
	STATUS_TRY(hdf5_read_text_attribute(file->reader, "/", "content_hash", &hash));
	bool same = strcmp(hash, file->content_hash) == 0;
	free(hash);
	return same ? STATUS_OK
	            : error_raise(STATUS_DATA,
	                          "%s was written anew while it was in use: run the same line again, which reads what "
	                          "is there now",
	                          file->path);
}

enum status shard_file_wake(struct shard_file *file)
{
	if (file->reader != NULL)
		return STATUS_OK;
	STATUS_TRY(hdf5_open(file->path, &file->reader));
	enum status status = check_same(file);
	if (status != STATUS_OK)
		shard_file_rest(file);
	return status;
}

void shard_file_drop_tables(struct shard_file *file)
{
	free(file->offsets);
	free(file->domains);
	free(file->numbers);
	free(file->groups);
	free(file->blocks);
	file->offsets = file->blocks = NULL;
	file->domains = NULL;
	file->numbers = file->groups = NULL;
}

void shard_file_close(struct shard_file *file)
{
	shard_file_rest(file);
	shard_file_drop_tables(file);
	free((char *)file->facts.tokenizer_hash);
	free((char *)file->facts.tokenizer);
	free(file->content_hash);
	free(file->path);
	*file = (struct shard_file){ 0 };
}

static enum status differ(const struct shard_file *first, const struct shard_file *file, const char *what)
{
	return error_raise(STATUS_DATA, "%s and %s do not belong to one set: %s differs; tokenize the corpus again",
	                   first->path, file->path, what);
}

enum status shard_file_match(const struct shard_file *first, const struct shard_file *file)
{
	const struct shard_facts *a = &first->facts, *b = &file->facts;
	if (strcmp(a->tokenizer_hash, b->tokenizer_hash) != 0)
		return differ(first, file, "the tokenizer");
	if (a->vocabulary != b->vocabulary)
		return differ(first, file, "the size of the vocabulary");
	if (a->end_of_text != b->end_of_text)
		return differ(first, file, "the end-of-text token");
	if (a->hidden != b->hidden)
		return differ(first, file, "the hidden token");
	if (a->learned.markers != b->learned.markers)
		return differ(first, file, "whether there are conversations");
	if (a->learned.blank != b->learned.blank)
		return differ(first, file, "whether documents are questions");
	if (a->block_tokens != b->block_tokens)
		return differ(first, file, "the number of tokens a block");
	if (a->has_token_labels != b->has_token_labels)
		return differ(first, file, "whether tokens are labelled");
	if (a->shard_count != b->shard_count)
		return differ(first, file, "the number of files of the set");
	return STATUS_OK;
}

enum status shard_file_read(struct shard_file *file, int64_t begin, int64_t count, int32_t *ids, uint8_t *labels)
{
	STATUS_TRY(hdf5_read_range(file->reader, TOKENS, HDF5_INT32, begin, count, ids));
	STATUS_TRY(hdf5_read_range(file->reader, LABELS, HDF5_UINT8, begin, count, labels));
	for (int64_t i = 0; i < count; i++) {
		if (ids[i] < 0 || ids[i] >= file->facts.vocabulary || labels[i] >= DOMAIN_COUNT)
			return error_raise(STATUS_DATA,
			                   "%s: token %" PRId64 " has the id %d and the label %d, which cannot be",
			                   file->path, begin + i, ids[i], labels[i]);
	}
	return STATUS_OK;
}
