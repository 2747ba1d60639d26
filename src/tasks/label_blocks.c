/* Features and active latents of blocks, shared by all ranks. What a block gives depends on the block alone.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/stop.h"
#include "classifier/fit_sample.h"
#include "tasks/label_parts.h"

int64_t label_block_rows(const struct shard_set *set, int64_t number)
{
	int64_t token[2], document[2];
	shard_set_block_begin(set, number, &token[0], &document[0]);
	shard_set_block_begin(set, number + 1, &token[1], &document[1]);
	return token[1] - token[0] - (document[1] - document[0]); /* each document ends with end-of-text */
}

int64_t label_count_blocks(const struct labelling *work, const struct shard_set *set, int64_t tokens)
{
	int64_t count = 0, blocks = shard_set_blocks(set);
	for (int64_t sum = 0; count < blocks && sum < tokens; count++)
		sum += label_block_rows(set, sample_block_number(set, work->seed, count));
	return count;
}

/* Where the features of each token of the block belong. */
struct taking {
	struct labelling *work;
	const int64_t *row; /* [tokens of the block] -1: end-of-text */
};

static void take_values(void *state, int half, int64_t rows, const int32_t *source, const float *values)
{
	const struct taking *taking = state;
	int64_t width = taking->work->shape.width;
	(void)half;
	for (int64_t i = 0; i < rows; i++)
		if (source[i] >= 0 && taking->row[source[i]] >= 0)
			memcpy(taking->work->values + taking->row[source[i]] * width, values + i * width,
			       (size_t)width * sizeof *values);
}

/* row[tokens], begin and rows. */
static enum status place_rows(struct labelling *work, int64_t *row)
{
	const struct block *block = &work->block;
	STATUS_TRY(memory_grow((void **)&work->begin, &work->begin_capacity, (size_t)block->document_count + 1,
	                       sizeof *work->begin));
	work->rows = 0;
	for (int64_t i = 0; i < block->token_count; i++)
		row[i] = -1;
	for (int64_t document = 0; document < block->document_count; document++) {
		int64_t tokens = sample_document_tokens(block, document, work->end_of_text);
		work->begin[document] = work->rows;
		for (int64_t i = 0; i < tokens; i++)
			row[block->document_begin[document] + i] = work->rows++;
	}
	work->begin[block->document_count] = work->rows;
	return memory_grow((void **)&work->values, &work->value_capacity, (size_t)(work->rows * work->shape.width),
	                   sizeof *work->values);
}

enum status label_read_features(struct labelling *work, struct shard_set *set, int64_t number)
{
	STATUS_TRY(shard_set_read_block(set, number, &work->block));
	int64_t *row = memory_allocate((size_t)work->block.token_count, sizeof *row);
	if (row == NULL)
		return STATUS_ENVIRONMENT;
	struct taking taking = { work, row };
	enum status status = place_rows(work, row);
	if (status == STATUS_OK)
		status = features_run(work->features, work->layer, DIRECTIONS_LEFT, work->block.ids,
		                      work->block.document_begin, work->block.document_count, take_values, &taking);
	free(row);
	return status;
}

enum status label_read_active(struct labelling *work, struct shard_set *set, int64_t number)
{
	STATUS_TRY(label_read_features(work, set, number));
	size_t count = (size_t)(work->rows * work->shape.active);
	STATUS_TRY(memory_grow((void **)&work->active, &work->active_capacity, count, sizeof *work->active));
	STATUS_TRY(memory_grow((void **)&work->index, &work->index_capacity, count, sizeof *work->index));
	return autoencoder_encode(work->autoencoder, work->values, work->rows, work->active, work->index);
}

enum status label_visit_blocks(struct labelling *work, struct shard_set *set, int64_t count, label_visit visit,
                               void *state)
{
	struct world *world = work->world;
	for (int64_t first = 0; first < count; first += world->size) {
		enum status status = stop_check("reading text for the latents");
		int64_t mine = first + world->rank;
		if (status == STATUS_OK && mine < count) {
			int64_t number = sample_block_number(set, work->seed, mine);
			status = label_read_active(work, set, number);
			if (status == STATUS_OK)
				status = visit(work, number, state);
		}
		STATUS_TRY(world_agree(world, status));
	}
	return STATUS_OK;
}

/* ---- to the first rank ---- */

enum { TAG = 1, LARGEST_PIECE = 1 << 22 };

enum status label_send(const struct world *world, const void *values, int64_t count, MPI_Datatype type)
{
	int size;
	MPI_Type_size(type, &size);
	for (int64_t first = 0; first < count; first += LARGEST_PIECE) {
		int64_t part = count - first < LARGEST_PIECE ? count - first : LARGEST_PIECE;
		MPI_Request request;
		STATUS_TRY(world_check_call(
			MPI_Isend((const char *)values + first * size, (int)part, type, 0, TAG, world->comm, &request),
			"MPI_Isend"));
		STATUS_TRY(world_wait(world, &request, "the first rank, which takes features and labels"));
	}
	return STATUS_OK;
}

enum status label_receive(const struct world *world, int from, void *values, int64_t count, MPI_Datatype type)
{
	int size;
	MPI_Type_size(type, &size);
	for (int64_t first = 0; first < count; first += LARGEST_PIECE) {
		int64_t part = count - first < LARGEST_PIECE ? count - first : LARGEST_PIECE;
		MPI_Request request;
		STATUS_TRY(world_check_call(
			MPI_Irecv((char *)values + first * size, (int)part, type, from, TAG, world->comm, &request),
			"MPI_Irecv"));
		STATUS_TRY(world_wait(world, &request, "features and labels of another rank"));
	}
	return STATUS_OK;
}
