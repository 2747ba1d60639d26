/* The state of training a vocabulary in a file of its own, until the vocabulary is there:
 *   /pieces/size uint32, /pieces/count uint64 [P]   of each distinct piece, and how often it occurs
 *   /pieces/bytes uint8                             their bytes one after the other, while text is counted
 *   /pieces/ids int32                               their tokens one after the other, while pairs are merged; size counts these
 *   /tokens/bytes uint8, /tokens/offset uint64      the tokens made so far, while pairs are merged
 *   attributes of /: documents, bytes, counted, tokens (struct training_place)
 * Which pair is merged next depends on nothing else.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/stop.h"
#include "base/timer.h"
#include "storage/hdf5_file.h"
#include "text/train_state.h"

bool train_store_is_due(const struct tokenizer_trainer *trainer)
{
	return trainer->kept_path != NULL && timer_seconds() - trainer->saved_at >= trainer->save_interval;
}

/* ---- writing ---- */

/* Sizes, counts and, side by side, the bytes or ids of the pieces. */
struct columns {
	uint32_t *sizes;
	uint64_t *counts;
	char *contents;
	int64_t content_count;
};

static enum status fill_columns(const struct tokenizer_trainer *trainer, const struct piece *pieces,
                                const void *contents, size_t size, struct columns *columns)
{
	size_t total = 0;
	for (size_t i = 0; i < trainer->piece_count; i++)
		total += pieces[i].size;
	columns->sizes = memory_allocate(trainer->piece_count, sizeof *columns->sizes);
	columns->counts = memory_allocate(trainer->piece_count, sizeof *columns->counts);
	columns->contents = memory_allocate(total, size);
	columns->content_count = (int64_t)total;
	if (columns->sizes == NULL || columns->counts == NULL || columns->contents == NULL)
		return STATUS_ENVIRONMENT;
	char *at = columns->contents;
	for (size_t i = 0; i < trainer->piece_count; i++) {
		columns->sizes[i] = pieces[i].size;
		columns->counts[i] = pieces[i].count;
		memcpy(at, (const char *)contents + pieces[i].begin * size, pieces[i].size * size);
		at += pieces[i].size * size;
	}
	return STATUS_OK;
}

static enum status write_columns(const struct tokenizer_trainer *trainer, struct hdf5_writer *writer,
                                 const struct columns *columns, bool merging, const struct token_list *tokens)
{
	int64_t count = (int64_t)trainer->piece_count;
	STATUS_TRY(hdf5_write_vector(writer, "pieces/size", HDF5_UINT32, count, columns->sizes, NULL,
	                             "size of each piece"));
	STATUS_TRY(hdf5_write_vector(writer, "pieces/count", HDF5_UINT64, count, columns->counts, NULL,
	                             "occurrences of each piece"));
	if (!merging)
		return hdf5_write_vector(writer, "pieces/bytes", HDF5_UINT8, columns->content_count, columns->contents,
		                         NULL, "bytes of the pieces");
	STATUS_TRY(hdf5_write_vector(writer, "pieces/ids", HDF5_INT32, columns->content_count, columns->contents, NULL,
	                             "tokens of the pieces"));
	STATUS_TRY(hdf5_write_vector(writer, "tokens/bytes", HDF5_UINT8, (int64_t)tokens->offset[tokens->count],
	                             tokens->bytes, NULL, "bytes of the tokens"));
	return hdf5_write_vector(writer, "tokens/offset", HDF5_UINT64, tokens->count + 1, tokens->offset, "bytes",
	                         "begin of each token in tokens/bytes");
}

static enum status write_place(struct hdf5_writer *writer, const struct training_place *place)
{
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "documents", (int64_t)place->documents));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "bytes", place->bytes));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "counted", place->counted));
	return hdf5_write_integer_attribute(writer, "/", "tokens", place->tokens);
}

enum status train_store_write(struct tokenizer_trainer *trainer, const struct piece *pieces, const int32_t *ids,
                              const struct token_list *tokens)
{
	struct columns columns = { 0 };
	struct hdf5_writer *writer = NULL;
	trainer->place.tokens = ids == NULL ? 0 : tokens->count;
	enum status status = ids == NULL ? fill_columns(trainer, pieces, trainer->bytes, 1, &columns)
	                                 : fill_columns(trainer, pieces, ids, sizeof *ids, &columns);
	if (status == STATUS_OK)
		status = hdf5_create(trainer->kept_path, &writer);
	if (status == STATUS_OK)
		status = write_columns(trainer, writer, &columns, ids != NULL, tokens);
	if (status == STATUS_OK)
		status = write_place(writer, &trainer->place);
	if (status == STATUS_OK)
		status = hdf5_commit(writer);
	else
		hdf5_abandon(writer);
	free(columns.sizes);
	free(columns.counts);
	free(columns.contents);
	STATUS_TRY(status);
	stop_note_saved();
	trainer->saved_documents = trainer->place.documents;
	trainer->saved_at = timer_seconds();
	return STATUS_OK;
}

/* ---- reading ---- */

static enum status read_place(struct hdf5_reader *reader, struct training_place *place)
{
	int64_t documents, counted, tokens;
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "documents", &documents));
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "bytes", &place->bytes));
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "counted", &counted));
	STATUS_TRY(hdf5_read_integer_attribute(reader, "/", "tokens", &tokens));
	place->documents = (uint64_t)documents;
	place->counted = counted != 0;
	place->tokens = (int32_t)tokens;
	return STATUS_OK;
}

/* Sizes and counts become pieces again, one behind the other. */
static enum status read_pieces(struct hdf5_reader *reader, uint32_t **sizes, uint64_t **counts, int64_t *count,
                               uint64_t *total)
{
	int64_t other = 0;
	STATUS_TRY(hdf5_read_all(reader, "pieces/size", HDF5_UINT32, (void **)sizes, count));
	STATUS_TRY(hdf5_read_all(reader, "pieces/count", HDF5_UINT64, (void **)counts, &other));
	*total = 0;
	for (int64_t i = 0; i < *count; i++)
		*total += (*sizes)[i];
	return other == *count ? STATUS_OK : error_raise(STATUS_DATA, "its pieces and their counts do not agree");
}

static enum status read_counted(struct tokenizer_trainer *trainer, struct hdf5_reader *reader, const uint32_t *sizes,
                                const uint64_t *counts, int64_t count, uint64_t total)
{
	char *bytes = NULL;
	int64_t size = 0;
	enum status status = hdf5_read_all(reader, "pieces/bytes", HDF5_UINT8, (void **)&bytes, &size);
	if (status == STATUS_OK && (uint64_t)size != total)
		status = error_raise(STATUS_DATA, "its pieces and their bytes do not agree");
	const char *at = bytes;
	for (int64_t i = 0; status == STATUS_OK && i < count; at += sizes[i++])
		status = train_count_piece(trainer, at, sizes[i], counts[i]);
	free(bytes);
	return status;
}

static enum status read_tokens(struct hdf5_reader *reader, struct token_list *tokens)
{
	char *bytes = NULL;
	uint64_t *offset = NULL;
	int64_t size = 0, count = 0;
	enum status status = hdf5_read_all(reader, "tokens/bytes", HDF5_UINT8, (void **)&bytes, &size);
	if (status == STATUS_OK)
		status = hdf5_read_all(reader, "tokens/offset", HDF5_UINT64, (void **)&offset, &count);
	for (int64_t i = 0; status == STATUS_OK && i + 1 < count; i++) {
		bool fits = offset[i] <= offset[i + 1] && offset[i + 1] <= (uint64_t)size;
		status = fits ? token_list_add(tokens, bytes + offset[i], offset[i + 1] - offset[i])
		              : error_raise(STATUS_DATA, "the table tokens/offset does not fit tokens/bytes");
	}
	free(bytes);
	free(offset);
	return status;
}

static enum status read_merging(struct tokenizer_trainer *trainer, struct hdf5_reader *reader, const uint32_t *sizes,
                                const uint64_t *counts, int64_t count, uint64_t total)
{
	int64_t size = 0;
	STATUS_TRY(read_tokens(reader, &trainer->tokens));
	STATUS_TRY(hdf5_read_all(reader, "pieces/ids", HDF5_INT32, (void **)&trainer->ids, &size));
	bool fits = (uint64_t)size == total && trainer->tokens.count == trainer->place.tokens;
	for (int64_t i = 0; fits && i < size; i++)
		fits = trainer->ids[i] >= 0 && trainer->ids[i] < trainer->tokens.count;
	if (!fits)
		return error_raise(STATUS_DATA, "its pieces and their tokens do not agree");
	STATUS_TRY(memory_grow((void **)&trainer->pieces, &trainer->piece_capacity, (size_t)count,
	                       sizeof *trainer->pieces));
	uint64_t begin = 0;
	for (int64_t i = 0; i < count; begin += sizes[i++])
		trainer->pieces[i] = (struct piece){ begin, sizes[i], counts[i] };
	trainer->piece_count = (size_t)count;
	return STATUS_OK;
}

enum status train_store_read(struct tokenizer_trainer *trainer)
{
	struct hdf5_reader *reader = NULL;
	uint32_t *sizes = NULL;
	uint64_t *counts = NULL, total = 0;
	int64_t count = 0;
	STATUS_TRY(hdf5_open(trainer->kept_path, &reader));
	enum status status = read_place(reader, &trainer->place);
	if (status == STATUS_OK)
		status = read_pieces(reader, &sizes, &counts, &count, &total);
	if (status == STATUS_OK)
		status = trainer->place.tokens > 0 ? read_merging(trainer, reader, sizes, counts, count, total)
		                                   : read_counted(trainer, reader, sizes, counts, count, total);
	trainer->saved_documents = trainer->place.documents;
	hdf5_close(reader);
	free(sizes);
	free(counts);
	return status == STATUS_OK || strstr(error_message(), trainer->kept_path) != NULL
	               ? status
	               : error_context(status, "%s", trainer->kept_path);
}
