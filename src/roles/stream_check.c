/* A lane's text once more, read block by block from the shards.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/stream_check.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "filter/score.h"
#include "roles/question_rows.h"
#include "text/turns.h"

struct replay {
	struct shard_set *set;
	const struct lane_plan *plan;
	enum stream_scores scores;
	int64_t lane;
	struct block block;
	struct content_hash *blocks, *windows;
	int64_t count; /* blocks so far */
	bool filtering;
	/* tokens [begin, end) wait for a window */
	int64_t begin, end;
	int32_t *ids;
	uint16_t *values;
	uint64_t *positions;
	uint8_t *learned;
	size_t ids_capacity, values_capacity, positions_capacity, learned_capacity;
	struct question_row row; /* of questions */
	/* one window */
	int32_t *inputs, *targets;
	float *weights;
};

void stream_hash_block(struct content_hash *hash, const struct block *block)
{
	int64_t head[4] = { block->number, block->token_count, block->document_count, block->scored };
	size_t tokens = (size_t)block->token_count, documents = (size_t)block->document_count;
	content_hash_add(hash, head, sizeof head);
	content_hash_add(hash, block->ids, tokens * sizeof *block->ids);
	content_hash_add(hash, block->labels, tokens);
	content_hash_add(hash, block->document_begin, (documents + 1) * sizeof *block->document_begin);
	content_hash_add(hash, block->document_domain, documents);
	if (!block->scored)
		return;
	content_hash_add(hash, block->scores, tokens * sizeof *block->scores);
	content_hash_add(hash, block->document_scores, documents * sizeof *block->document_scores);
}

void stream_hash_window(struct content_hash *hash, int64_t length, const int32_t *inputs, const int32_t *targets,
                        const float *weights)
{
	content_hash_add(hash, inputs, (size_t)length * sizeof *inputs);
	content_hash_add(hash, targets, (size_t)length * sizeof *targets);
	content_hash_add(hash, weights, (size_t)length * sizeof *weights);
}

static void score(struct block *block, enum stream_scores scores)
{
	bool labels = scores == STREAM_SCORES_LABELS;
	for (int64_t i = 0; i < block->token_count; i++)
		block->scores[i] = !labels                             ? provider_null_score(block->number, i)
		                   : block->labels[i] == DOMAIN_FORGET ? SCORE_HIGHEST
		                                                       : SCORE_LOWEST;
	for (int64_t i = 0; i < block->document_count; i++)
		block->document_scores[i] = !labels ? provider_null_score(block->number, i)
		                            : block->document_domain[i] == DOMAIN_FORGET ? SCORE_HIGHEST
		                                                                         : SCORE_LOWEST;
	block->scored = true;
}

static enum status grow(struct replay *replay, int64_t tokens)
{
	size_t kept = (size_t)(replay->end - replay->begin), needed = kept + (size_t)tokens;
	STATUS_TRY(memory_grow((void **)&replay->ids, &replay->ids_capacity, needed, sizeof *replay->ids));
	STATUS_TRY(memory_grow((void **)&replay->values, &replay->values_capacity, needed, sizeof *replay->values));
	STATUS_TRY(memory_grow((void **)&replay->positions, &replay->positions_capacity, needed,
	                       sizeof *replay->positions));
	STATUS_TRY(memory_grow((void **)&replay->learned, &replay->learned_capacity, needed, sizeof *replay->learned));
	memmove(replay->learned, replay->learned + replay->begin, kept * sizeof *replay->learned);
	memmove(replay->ids, replay->ids + replay->begin, kept * sizeof *replay->ids);
	memmove(replay->values, replay->values + replay->begin, kept * sizeof *replay->values);
	memmove(replay->positions, replay->positions + replay->begin, kept * sizeof *replay->positions);
	replay->begin = 0;
	replay->end = (int64_t)kept;
	return STATUS_OK;
}

/* The next block of the lane: place index * lanes + lane of an endless sequence of permuted epochs. */
static enum status enter(struct replay *replay)
{
	const struct lane_plan *plan = replay->plan;
	struct block *block = &replay->block;
	uint64_t place = (uint64_t)(replay->count++ * plan->lanes + replay->lane), blocks = (uint64_t)plan->blocks;
	STATUS_TRY(shard_set_read_block(
		replay->set,
		(int64_t)random_permute(plan->seed, RANDOM_BLOCK_ORDER, place / blocks, blocks, place % blocks),
		block));
	if (replay->scores != STREAM_SCORES_NONE)
		score(block, replay->scores);
	stream_hash_block(replay->blocks, block);
	STATUS_TRY(grow(replay, block->token_count));
	for (int64_t document = 0; document < block->document_count; document++) {
		int64_t first = block->document_begin[document], last = block->document_begin[document + 1];
		uint64_t position = (uint64_t)block->number << 32 | (uint64_t)first;
		if (replay->filtering && plan->filter.method == FILTER_DOCUMENT &&
		    !filter_keeps_document(&plan->filter, block->document_scores[document], position))
			continue;
		turns_find_learned(&plan->filter.learned, plan->filter.end_of_text, block->ids + first, last - first,
		                   replay->learned + replay->end);
		for (int64_t i = first; i < last; i++) {
			replay->ids[replay->end] = block->ids[i];
			replay->values[replay->end] = block->scored ? block->scores[i] : 0;
			replay->positions[replay->end++] = (uint64_t)block->number << 32 | (uint64_t)i;
		}
	}
	return STATUS_OK;
}

static enum status replay_steps(struct replay *replay, int64_t steps, int64_t length)
{
	const struct filter *filter = &replay->plan->filter;
	bool questions = filter->learned.blank > 0;
	int64_t needed = questions ? question_row_needs(length) : length + 1;
	if (questions)
		STATUS_TRY(question_row_reserve(&replay->row, length));
	for (int64_t step = 0; step < steps; step++) {
		bool active = step >= filter->begin_step;
		while (replay->end - replay->begin < needed) {
			replay->filtering |= active;
			STATUS_TRY(enter(replay));
		}
		struct token_arrays window = { replay->ids + replay->begin, replay->values + replay->begin,
			                       replay->positions + replay->begin, replay->learned + replay->begin };
		int64_t passed = length;
		if (questions) {
			passed = question_row_lay(&replay->row, &window, replay->end - replay->begin,
			                          filter->end_of_text);
			window = replay->row.tokens;
		}
		filter_apply(filter, active, length, window.ids, window.scores, window.positions, replay->inputs,
		             replay->targets, replay->weights);
		for (int64_t t = 0; t < length; t++)
			if (!window.marks[t + 1])
				replay->weights[t] = 0;
		stream_hash_window(replay->windows, length, replay->inputs, replay->targets, replay->weights);
		replay->begin += passed;
	}
	return STATUS_OK;
}

enum status stream_replay(struct shard_set *set, const struct lane_plan *plan, enum stream_scores scores, int64_t lane,
                          int64_t steps, int64_t length, struct stream_digest *digest_out)
{
	struct replay replay = { .set = set, .plan = plan, .scores = scores, .lane = lane };
	enum status status = STATUS_ENVIRONMENT;
	*digest_out = (struct stream_digest){ .block_count = 0 };
	replay.blocks = content_hash_create();
	replay.windows = content_hash_create();
	replay.inputs = memory_allocate((size_t)length, sizeof *replay.inputs);
	replay.targets = memory_allocate((size_t)length, sizeof *replay.targets);
	replay.weights = memory_allocate((size_t)length, sizeof *replay.weights);
	if (replay.blocks != NULL && replay.windows != NULL && replay.inputs != NULL && replay.targets != NULL &&
	    replay.weights != NULL)
		status = replay_steps(&replay, steps, length);
	if (replay.blocks != NULL)
		content_hash_finish(replay.blocks, digest_out->blocks);
	if (replay.windows != NULL)
		content_hash_finish(replay.windows, digest_out->windows);
	digest_out->block_count = replay.count;
	free(replay.inputs);
	free(replay.targets);
	free(replay.weights);
	free(replay.ids);
	free(replay.values);
	free(replay.positions);
	free(replay.learned);
	question_row_clear(&replay.row);
	block_clear(&replay.block);
	return status;
}
