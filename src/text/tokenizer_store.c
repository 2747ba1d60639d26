/* A tokenizer as an HDF5 file:
 *   /tokens/bytes   uint8  [B]    byte strings of the ordinary tokens, one after the other
 *   /tokens/offset  uint64 [N+1]  where each begins
 *   /special/name, /special/id    special tokens
 *   attributes of /: format "capshape-tokenizer", format_version 1, pattern, name, hash
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "storage/hdf5_file.h"
#include "text/tokenizer.h"
#include "text/tokenizer_parts.h"

static const char FORMAT[] = "capshape-tokenizer";
enum { FORMAT_VERSION = 1 };

/* ---- writing ---- */

static enum status write_tokens(struct hdf5_writer *writer, const struct vocabulary *vocabulary)
{
	int32_t count = vocabulary_count(vocabulary);
	uint64_t *offset = memory_allocate((size_t)count + 1, sizeof *offset);
	if (offset == NULL)
		return STATUS_ENVIRONMENT;
	for (int32_t id = 0; id < count; id++) {
		size_t size;
		vocabulary_token(vocabulary, id, &size);
		offset[id + 1] = offset[id] + size;
	}
	size_t size;
	const char *bytes = vocabulary_token(vocabulary, 0, &size);
	enum status status = hdf5_write_vector(writer, "tokens/bytes", HDF5_UINT8, (int64_t)offset[count], bytes, NULL,
	                                       "bytes of the ordinary tokens");
	if (status == STATUS_OK)
		status = hdf5_write_vector(writer, "tokens/offset", HDF5_UINT64, count + 1, offset, "bytes",
		                           "begin of each token in tokens/bytes");
	free(offset);
	return status;
}

static enum status write_specials(struct hdf5_writer *writer, const struct special_tokens *specials)
{
	const char *names[SPECIAL_MAX];
	int32_t ids[SPECIAL_MAX];
	for (size_t i = 0; i < specials->count; i++) {
		names[i] = specials->tokens[i].name;
		ids[i] = specials->tokens[i].id;
	}
	STATUS_TRY(hdf5_write_texts(writer, "special/name", specials->count, names, "names of the special tokens"));
	return hdf5_write_vector(writer, "special/id", HDF5_INT32, (int64_t)specials->count, ids, NULL,
	                         "ids of the special tokens");
}

static enum status write_all(struct hdf5_writer *writer, const struct tokenizer *tokenizer)
{
	STATUS_TRY(write_tokens(writer, tokenizer_vocabulary(tokenizer)));
	STATUS_TRY(write_specials(writer, tokenizer_specials(tokenizer)));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "format", FORMAT));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "format_version", FORMAT_VERSION));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "pattern", pattern_name(tokenizer_pattern(tokenizer))));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "name", tokenizer_name(tokenizer)));
	return hdf5_write_text_attribute(writer, "/", "hash", tokenizer_hash(tokenizer));
}

enum status tokenizer_write(const struct tokenizer *tokenizer, const char *path)
{
	struct hdf5_writer *writer;
	STATUS_TRY(hdf5_create(path, &writer));
	enum status status = write_all(writer, tokenizer);
	if (status == STATUS_OK)
		return hdf5_commit(writer);
	hdf5_abandon(writer);
	return status;
}

/* ---- reading ---- */

struct stored {
	char *bytes;
	uint64_t *offset;
	int64_t byte_count, offset_count;
	struct special_tokens specials;
	char *format, *pattern, *name, *hash;
};

static enum status read_specials(struct hdf5_reader *reader, struct special_tokens *specials)
{
	char **names = NULL;
	size_t count = 0;
	STATUS_TRY(hdf5_read_texts(reader, "special/name", &names, &count));
	int32_t ids[SPECIAL_MAX];
	enum status status = count > SPECIAL_MAX ? error_raise(STATUS_DATA, "it has %zu special tokens", count)
	                                         : hdf5_read(reader, "special/id", HDF5_INT32, (int64_t)count, ids);
	for (size_t i = 0; i < count && status == STATUS_OK; i++) {
		size_t size = strlen(names[i]);
		if (size >= SPECIAL_NAME_SIZE) {
			status = error_raise(STATUS_DATA, "the name of the special token %s is too long", names[i]);
			break;
		}
		memcpy(specials->tokens[i].name, names[i], size + 1);
		specials->tokens[i].id = ids[i];
		specials->count = i + 1;
	}
	hdf5_free_names(names, count);
	return status;
}

static enum status read_stored(struct hdf5_reader *reader, struct stored *stored)
{
	int64_t version;
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "format", &stored->format));
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "format_version", &version));
	if (strcmp(stored->format, FORMAT) != 0)
		return error_raise(STATUS_DATA, "its format is \"%s\", not \"%s\"", stored->format, FORMAT);
	if (version != FORMAT_VERSION)
		return error_raise(STATUS_DATA, "its format version is %lld; this program reads %d", (long long)version,
		                   FORMAT_VERSION);
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "pattern", &stored->pattern));
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "name", &stored->name));
	STATUS_TRY(hdf5_read_text_attribute(reader, "/", "hash", &stored->hash));
	STATUS_TRY(hdf5_read_all(reader, "tokens/bytes", HDF5_UINT8, (void **)&stored->bytes, &stored->byte_count));
	STATUS_TRY(
		hdf5_read_all(reader, "tokens/offset", HDF5_UINT64, (void **)&stored->offset, &stored->offset_count));
	return read_specials(reader, &stored->specials);
}

static enum status check_offsets(const struct stored *stored)
{
	if (stored->offset_count < 2 || stored->offset_count > INT32_MAX)
		return error_raise(STATUS_DATA, "it has no tokens");
	bool good = stored->offset[0] == 0 && stored->offset[stored->offset_count - 1] == (uint64_t)stored->byte_count;
	for (int64_t i = 1; i < stored->offset_count; i++)
		good = good && stored->offset[i] >= stored->offset[i - 1];
	return good ? STATUS_OK : error_raise(STATUS_DATA, "the table tokens/offset does not fit tokens/bytes");
}

static enum status build(struct stored *stored, struct tokenizer **tokenizer_out)
{
	enum pattern pattern;
	struct vocabulary *vocabulary;
	STATUS_TRY(pattern_from_name(stored->pattern, &pattern));
	STATUS_TRY(check_offsets(stored));
	enum status status =
		vocabulary_create(stored->bytes, stored->offset, (int32_t)(stored->offset_count - 1), &vocabulary);
	stored->bytes = NULL;
	stored->offset = NULL;
	if (status == STATUS_OK)
		status = tokenizer_create(vocabulary, pattern, &stored->specials, stored->name, tokenizer_out);
	if (status == STATUS_OK && strcmp(tokenizer_hash(*tokenizer_out), stored->hash) != 0) {
		tokenizer_destroy(*tokenizer_out);
		*tokenizer_out = NULL;
		return error_raise(STATUS_DATA, "its content does not have the hash %s that it names", stored->hash);
	}
	return status;
}

enum status tokenizer_read_store(const char *path, struct tokenizer **tokenizer_out)
{
	struct hdf5_reader *reader;
	struct stored stored = { 0 };
	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = read_stored(reader, &stored);
	hdf5_close(reader);
	if (status == STATUS_OK)
		status = build(&stored, tokenizer_out);
	free(stored.bytes);
	free(stored.offset);
	free(stored.format);
	free(stored.pattern);
	free(stored.name);
	free(stored.hash);
	/* Messages of the storage module name the file already. */
	return status == STATUS_OK || strstr(error_message(), path) != NULL ? status
	                                                                    : error_context(status, "%s", path);
}
