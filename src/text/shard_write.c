/* Writing a shard: documents are collected in memory, the file is written at the end.
 * SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/hdf5_file.h"
#include "text/shard.h"
#include "text/shard_layout.h"

struct shard_writer {
	char *path, *tokenizer_hash, *tokenizer;
	struct shard_facts facts;
	uint32_t *tokens;
	uint8_t *labels;
	size_t token_count, token_capacity, label_capacity;
	int64_t *offsets;
	uint8_t *domains;
	uint64_t *numbers, *groups;
	size_t document_count, offset_capacity, domain_capacity, number_capacity, group_capacity;
	int64_t *blocks;
	size_t block_count, block_capacity;
	int64_t block_begin; /* first token of the last block */
};

char *shard_path(const char *folder, const char *name, int64_t number)
{
	return text_format("%s/%s-%05" PRId64 ".h5", folder, name, number);
}

void shard_writer_abandon(struct shard_writer *writer)
{
	if (writer == NULL)
		return;
	free(writer->path);
	free(writer->tokenizer_hash);
	free(writer->tokenizer);
	free(writer->tokens);
	free(writer->labels);
	free(writer->offsets);
	free(writer->domains);
	free(writer->numbers);
	free(writer->groups);
	free(writer->blocks);
	free(writer);
}

enum status shard_writer_create(const char *path, const struct shard_facts *facts, struct shard_writer **writer_out)
{
	if (facts->block_tokens < 1 || facts->end_of_text < 0 || facts->end_of_text >= facts->vocabulary)
		return error_raise(STATUS_INTERNAL, "a shard of %" PRId64 " tokens a block with end of text %d of %d",
		                   facts->block_tokens, facts->end_of_text, facts->vocabulary);
	struct shard_writer *writer = memory_allocate(1, sizeof *writer);
	if (writer == NULL)
		return STATUS_ENVIRONMENT;
	writer->path = memory_copy_text(path);
	writer->tokenizer_hash = memory_copy_text(facts->tokenizer_hash);
	writer->tokenizer = memory_copy_text(facts->tokenizer);
	writer->facts = *facts;
	enum status status =
		memory_grow((void **)&writer->offsets, &writer->offset_capacity, 1, sizeof *writer->offsets);
	if (writer->path == NULL || writer->tokenizer_hash == NULL || writer->tokenizer == NULL ||
	    status != STATUS_OK) {
		shard_writer_abandon(writer);
		return STATUS_ENVIRONMENT;
	}
	writer->facts.tokenizer_hash = writer->tokenizer_hash;
	writer->facts.tokenizer = writer->tokenizer;
	writer->offsets[0] = 0;
	*writer_out = writer;
	return STATUS_OK;
}

static enum status add_tokens(struct shard_writer *writer, const int32_t *ids, const uint8_t *labels, size_t count)
{
	STATUS_TRY(memory_grow((void **)&writer->tokens, &writer->token_capacity, writer->token_count + count + 1,
	                       sizeof *writer->tokens));
	STATUS_TRY(memory_grow((void **)&writer->labels, &writer->label_capacity, writer->token_count + count + 1,
	                       sizeof *writer->labels));
	for (size_t i = 0; i < count; i++) {
		if (ids[i] < 0 || ids[i] >= writer->facts.vocabulary)
			return error_raise(STATUS_DATA, "%s: token %d does not belong to a vocabulary of %d",
			                   writer->path, ids[i], writer->facts.vocabulary);
		writer->tokens[writer->token_count + i] = (uint32_t)ids[i];
	}
	if (count > 0)
		memcpy(writer->labels + writer->token_count, labels, count);
	writer->token_count += count;
	writer->tokens[writer->token_count] = (uint32_t)writer->facts.end_of_text;
	writer->labels[writer->token_count] = DOMAIN_UNMARKED;
	writer->token_count++;
	return STATUS_OK;
}

enum status shard_writer_add(struct shard_writer *writer, const int32_t *ids, const uint8_t *labels, size_t count,
                             uint8_t domain, uint64_t number, uint64_t group)
{
	size_t documents = writer->document_count;
	STATUS_TRY(memory_grow((void **)&writer->offsets, &writer->offset_capacity, documents + 2,
	                       sizeof *writer->offsets));
	STATUS_TRY(memory_grow((void **)&writer->domains, &writer->domain_capacity, documents + 1,
	                       sizeof *writer->domains));
	STATUS_TRY(memory_grow((void **)&writer->numbers, &writer->number_capacity, documents + 1,
	                       sizeof *writer->numbers));
	STATUS_TRY(
		memory_grow((void **)&writer->groups, &writer->group_capacity, documents + 1, sizeof *writer->groups));
	STATUS_TRY(memory_grow((void **)&writer->blocks, &writer->block_capacity, writer->block_count + 2,
	                       sizeof *writer->blocks));
	int64_t begin = (int64_t)writer->token_count;
	STATUS_TRY(add_tokens(writer, ids, labels, count));
	int64_t end = (int64_t)writer->token_count;
	if (writer->block_count == 0 || end - writer->block_begin > writer->facts.block_tokens) {
		writer->blocks[writer->block_count++] = (int64_t)documents;
		writer->block_begin = begin;
	}
	writer->domains[documents] = domain;
	writer->numbers[documents] = number;
	writer->groups[documents] = group;
	writer->offsets[documents + 1] = end;
	writer->document_count++;
	return STATUS_OK;
}

static int64_t version_of(const struct shard_facts *facts)
{
	if (facts->learned.blank > 0)
		return SHARD_VERSION_QUESTIONS;
	return facts->learned.markers > 0 ? SHARD_VERSION_TURNS : SHARD_VERSION;
}

/* Names the tokens, labels, documents and blocks; the facts are compared one by one. Not the groups: what was made with
 * files of format version 1 goes on with those of the same text that have them. */
static enum status content_hash(const struct shard_writer *writer, char out[CONTENT_HASH_SIZE])
{
	struct content_hash *hash = content_hash_create();
	if (hash == NULL)
		return STATUS_ENVIRONMENT;
	const int64_t version = version_of(&writer->facts); /* equal numbers of another version do not mean the same */
	content_hash_add(hash, &version, sizeof version);
	const struct learned_rule *learned = &writer->facts.learned;
	if (version == SHARD_VERSION_TURNS)
		content_hash_add(hash, &learned->markers, sizeof learned->markers);
	content_hash_add(hash, writer->tokenizer_hash, strlen(writer->tokenizer_hash));
	content_hash_add(hash, writer->tokens, writer->token_count * sizeof *writer->tokens);
	content_hash_add(hash, writer->labels, writer->token_count);
	content_hash_add(hash, writer->offsets, (writer->document_count + 1) * sizeof *writer->offsets);
	content_hash_add(hash, writer->domains, writer->document_count);
	content_hash_add(hash, writer->numbers, writer->document_count * sizeof *writer->numbers);
	content_hash_add(hash, writer->blocks, (writer->block_count + 1) * sizeof *writer->blocks);
	content_hash_finish(hash, out);
	return STATUS_OK;
}

static enum status write_tables(const struct shard_writer *writer, struct hdf5_writer *file)
{
	int64_t tokens = (int64_t)writer->token_count, documents = (int64_t)writer->document_count;
	STATUS_TRY(hdf5_write_vector(file, TOKENS, HDF5_UINT32, tokens, writer->tokens, NULL, "token ids"));
	STATUS_TRY(hdf5_write_vector(file, LABELS, HDF5_UINT8, tokens, writer->labels, NULL,
	                             "domain of each token: 0 unmarked, 1 forget, 2 retain, 3 other, 4 hard, 5 mixed, "
	                             "6 unlabelled"));
	STATUS_TRY(hdf5_write_vector(file, DOCUMENT_OFFSET, HDF5_INT64, documents + 1, writer->offsets, "tokens",
	                             "first token of each document, and the end"));
	STATUS_TRY(hdf5_write_vector(file, DOCUMENT_DOMAIN, HDF5_UINT8, documents, writer->domains, NULL,
	                             "domain of each document"));
	STATUS_TRY(hdf5_write_vector(file, DOCUMENT_NUMBER, HDF5_UINT64, documents, writer->numbers, NULL,
	                             "number of each document in the corpus"));
	STATUS_TRY(hdf5_write_vector(file, DOCUMENT_GROUP, HDF5_UINT64, documents, writer->groups, NULL,
	                             "hash of the id of each document: equal where documents belong together"));
	return hdf5_write_vector(file, BLOCK_DOCUMENT, HDF5_INT64, (int64_t)writer->block_count + 1, writer->blocks,
	                         "documents", "first document of each block, and the end");
}

static enum status write_attributes(const struct shard_writer *writer, struct hdf5_writer *file)
{
	const struct shard_facts *facts = &writer->facts;
	char hash[CONTENT_HASH_SIZE];
	STATUS_TRY(content_hash(writer, hash));
	STATUS_TRY(hdf5_write_text_attribute(file, "/", "format", SHARD_FORMAT));
	STATUS_TRY(hdf5_write_integer_attribute(file, "/", "format_version", version_of(facts)));
	if (version_of(facts) == SHARD_VERSION_TURNS)
		STATUS_TRY(hdf5_write_integer_attribute(file, "/", TURN_MARKERS_ATTRIBUTE, facts->learned.markers));
	if (version_of(facts) == SHARD_VERSION_QUESTIONS)
		STATUS_TRY(hdf5_write_integer_attribute(file, "/", LETTER_BLANK_ATTRIBUTE, facts->learned.blank - 1));
	STATUS_TRY(hdf5_write_text_attribute(file, "/", "tokenizer_hash", facts->tokenizer_hash));
	STATUS_TRY(hdf5_write_text_attribute(file, "/", "tokenizer", facts->tokenizer));
	STATUS_TRY(hdf5_write_integer_attribute(file, "/", "vocabulary", facts->vocabulary));
	STATUS_TRY(hdf5_write_integer_attribute(file, "/", "end_of_text", facts->end_of_text));
	STATUS_TRY(hdf5_write_integer_attribute(file, "/", "hidden", facts->hidden));
	STATUS_TRY(hdf5_write_integer_attribute(file, "/", "block_tokens", facts->block_tokens));
	STATUS_TRY(hdf5_write_integer_attribute(file, "/", "has_token_labels", facts->has_token_labels));
	STATUS_TRY(hdf5_write_integer_attribute(file, "/", "shard_count", facts->shard_count));
	return hdf5_write_text_attribute(file, "/", "content_hash", hash);
}

enum status shard_writer_finish(struct shard_writer *writer)
{
	struct hdf5_writer *file = NULL;
	enum status status = memory_grow((void **)&writer->blocks, &writer->block_capacity, writer->block_count + 1,
	                                 sizeof *writer->blocks);
	if (status == STATUS_OK) {
		writer->blocks[writer->block_count] = (int64_t)writer->document_count;
		status = hdf5_create(writer->path, &file);
	}
	if (status == STATUS_OK)
		status = write_tables(writer, file);
	if (status == STATUS_OK)
		status = write_attributes(writer, file);
	if (status == STATUS_OK)
		status = hdf5_commit(file);
	else
		hdf5_abandon(file);
	shard_writer_abandon(writer);
	return status;
}
