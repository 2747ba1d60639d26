/* Owns the merged file: blocks in their order, gathered into pieces that are written one after the other.
 * SPDX-License-Identifier: Apache-2.0 */
#include "results/score_merge.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "results/provenance.h"
#include "results/score_store.h"
#include "storage/hdf5_file.h"

/* Scores of some blocks in a row. */
struct gathered {
	uint16_t *scores, *document_scores;
	size_t token_capacity, document_capacity;
	int64_t tokens, documents;
};

struct merge {
	struct score_store *store;
	const struct score_layout *layout;
	struct hdf5_writer *writer;
	struct hdf5_vector *scores, *document_scores;
	struct gathered gathered;
	uint8_t *present;
	int64_t missing;
};

/* Never of no size: an array of a block without documents is there, too. */
static enum status reserve(uint16_t **array, size_t *capacity, int64_t count)
{
	void *grown = *array;
	STATUS_TRY(memory_grow(&grown, capacity, (size_t)count + 1, sizeof **array));
	*array = grown;
	return STATUS_OK;
}

/* Adds a block, with scores of 0 where it was not scored. */
static enum status gather_block(struct merge *merge, int64_t number)
{
	struct gathered *gathered = &merge->gathered;
	const struct score_layout *layout = merge->layout;
	struct block block = {
		.number = number,
		.token_count = layout->token_begin[number + 1] - layout->token_begin[number],
		.document_count = layout->document_begin[number + 1] - layout->document_begin[number],
	};
	STATUS_TRY(reserve(&gathered->scores, &gathered->token_capacity, gathered->tokens + block.token_count));
	STATUS_TRY(reserve(&gathered->document_scores, &gathered->document_capacity,
	                   gathered->documents + block.document_count));
	block.scores = gathered->scores + gathered->tokens;
	block.document_scores = gathered->document_scores + gathered->documents;
	bool there;
	STATUS_TRY(score_store_look(merge->store, number, &there));
	if (there) {
		STATUS_TRY(score_store_load(merge->store, &block));
		merge->present[number] = 1;
	} else {
		memset(block.scores, 0, (size_t)block.token_count * sizeof *block.scores);
		memset(block.document_scores, 0, (size_t)block.document_count * sizeof *block.document_scores);
		merge->missing++;
	}
	gathered->tokens += block.token_count;
	gathered->documents += block.document_count;
	return STATUS_OK;
}

static enum status write_piece(struct merge *merge)
{
	struct gathered *gathered = &merge->gathered;
	STATUS_TRY(hdf5_extend_vector(merge->scores, gathered->tokens, gathered->scores));
	STATUS_TRY(hdf5_extend_vector(merge->document_scores, gathered->documents, gathered->document_scores));
	gathered->tokens = gathered->documents = 0;
	return STATUS_OK;
}

static enum status write_scores(struct merge *merge, int64_t piece)
{
	const struct score_layout *layout = merge->layout;
	int64_t blocks = layout->blocks;
	STATUS_TRY(hdf5_begin_vector(merge->writer, "scores", HDF5_UINT16, layout->token_begin[blocks],
	                             "1/2048 log-odds", "log-odds of p(forget) of each token, 32768 at 0",
	                             &merge->scores));
	STATUS_TRY(hdf5_begin_vector(merge->writer, "document_scores", HDF5_UINT16, layout->document_begin[blocks],
	                             "1/2048 log-odds", "log-odds of p(forget) of each document, 32768 at 0",
	                             &merge->document_scores));
	for (int64_t block = 0; block < blocks; block++) {
		int64_t tokens = layout->token_begin[block + 1] - layout->token_begin[block];
		if (merge->gathered.tokens > 0 && merge->gathered.tokens + tokens > piece)
			STATUS_TRY(write_piece(merge));
		STATUS_TRY(gather_block(merge, block));
	}
	return write_piece(merge);
}

static enum status write_attributes(struct hdf5_writer *writer, const char *identity, const struct score_layout *layout)
{
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "format", "capshape-scores"));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "format_version", 1));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "version", provenance_version()));
	STATUS_TRY(hdf5_write_text_attribute(writer, "/", "identity", identity));
	const struct {
		const char *name;
		uint16_t value;
	} thresholds[] = { { "token_threshold", layout->token_threshold },
		           { "document_threshold", layout->document_threshold },
		           { "token_threshold_balanced", layout->token_threshold_balanced },
		           { "document_threshold_balanced", layout->document_threshold_balanced } };
	for (size_t i = 0; i < sizeof thresholds / sizeof *thresholds; i++)
		if (thresholds[i].value > 0)
			STATUS_TRY(hdf5_write_integer_attribute(writer, "/", thresholds[i].name, thresholds[i].value));
	return STATUS_OK;
}

static enum status write_blocks(const struct merge *merge)
{
	const struct score_layout *layout = merge->layout;
	int64_t blocks = layout->blocks;
	STATUS_TRY(hdf5_write_vector(merge->writer, "blocks/present", HDF5_UINT8, blocks, merge->present, "1",
	                             "1 where the block was scored; else its scores are 0"));
	STATUS_TRY(hdf5_write_vector(merge->writer, "blocks/token", HDF5_INT64, blocks + 1, layout->token_begin,
	                             "tokens", "first token of each block"));
	return hdf5_write_vector(merge->writer, "blocks/document", HDF5_INT64, blocks + 1, layout->document_begin,
	                         "documents", "first document of each block");
}

static enum status end_vector(struct hdf5_vector **vector)
{
	struct hdf5_vector *ended = *vector;
	*vector = NULL;
	return hdf5_end_vector(ended);
}

static enum status write_parts(struct merge *merge, const char *identity, int64_t piece)
{
	STATUS_TRY(write_attributes(merge->writer, identity, merge->layout));
	STATUS_TRY(write_scores(merge, piece));
	STATUS_TRY(end_vector(&merge->scores));
	STATUS_TRY(end_vector(&merge->document_scores));
	return write_blocks(merge);
}

static enum status write_file(struct merge *merge, const char *identity, int64_t piece, const char *path)
{
	STATUS_TRY(hdf5_create(path, &merge->writer));
	enum status status = write_parts(merge, identity, piece);
	if (status == STATUS_OK)
		return hdf5_commit(merge->writer);
	hdf5_drop_vector(merge->scores);
	hdf5_drop_vector(merge->document_scores);
	hdf5_abandon(merge->writer);
	return status;
}

enum status score_merge(const char *folder, const char *identity, const struct score_layout *layout, int64_t piece,
                        const char *path, int64_t *missing, int64_t *repeated)
{
	struct merge merge = { .layout = layout };
	STATUS_TRY(score_store_open(folder, identity, -1, &merge.store));
	merge.present = memory_allocate((size_t)layout->blocks, 1);
	enum status status = merge.present ? write_file(&merge, identity, piece, path) : STATUS_ENVIRONMENT;
	if (missing != NULL)
		*missing = merge.missing;
	if (repeated != NULL)
		*repeated = score_store_repeated(merge.store);
	free(merge.gathered.scores);
	free(merge.gathered.document_scores);
	free(merge.present);
	enum status closed = score_store_close(merge.store);
	return status == STATUS_OK ? closed : status;
}
