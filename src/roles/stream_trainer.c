/* Windows in, digests out.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/stream_trainer.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/stop.h"
#include "base/timer.h"

/* Of each lane. */
struct watched {
	struct lane *lane;
	struct content_hash *blocks, *windows;
	int64_t block_count;
	int64_t wrong; /* number of a block that came out of turn, -1: none */
};

struct stream_trainer {
	struct stream_job job;
	struct watched *lanes;
	int32_t *inputs, *targets, *starts; /* [length] */
	float *weights;
	struct lane_statistics statistics;
	struct stream_facts facts;
};

static void see_block(void *state, int64_t number, const struct block *block)
{
	struct stream_trainer *trainer = state;
	struct watched *lane = &trainer->lanes[number - trainer->job.first_lane];
	if (block->number != lane_block_number(&trainer->job.plan, number, lane->block_count) && lane->wrong < 0)
		lane->wrong = block->number;
	lane->block_count++;
	stream_hash_block(lane->blocks, block);
}

static enum status create_lanes(struct stream_trainer *trainer)
{
	for (int64_t i = 0; i < trainer->job.lane_count; i++) {
		struct watched *lane = &trainer->lanes[i];
		lane->wrong = -1;
		lane->blocks = content_hash_create();
		lane->windows = content_hash_create();
		if (lane->blocks == NULL || lane->windows == NULL)
			return STATUS_ENVIRONMENT;
		STATUS_TRY(lane_create(&trainer->job.plan, trainer->job.first_lane + i, NULL, &lane->lane));
	}
	return STATUS_OK;
}

enum status stream_trainer_create(const struct stream_job *job, struct stream_trainer **trainer_out)
{
	struct stream_trainer *trainer = memory_allocate(1, sizeof *trainer);
	if (trainer == NULL)
		return STATUS_ENVIRONMENT;
	size_t length = (size_t)job->length;
	trainer->job = *job;
	trainer->job.plan.seen = see_block;
	trainer->job.plan.seen_state = trainer;
	trainer->lanes = memory_allocate((size_t)job->lane_count, sizeof *trainer->lanes);
	trainer->inputs = memory_allocate(length, sizeof *trainer->inputs);
	trainer->targets = memory_allocate(length, sizeof *trainer->targets);
	trainer->starts = memory_allocate(length, sizeof *trainer->starts);
	trainer->weights = memory_allocate(length, sizeof *trainer->weights);
	enum status status = STATUS_ENVIRONMENT;
	if (trainer->lanes != NULL && trainer->inputs != NULL && trainer->targets != NULL && trainer->starts != NULL &&
	    trainer->weights != NULL)
		status = create_lanes(trainer);
	if (status != STATUS_OK) {
		stream_trainer_destroy(trainer);
		return status;
	}
	*trainer_out = trainer;
	return STATUS_OK;
}

void stream_trainer_destroy(struct stream_trainer *trainer)
{
	if (trainer == NULL)
		return;
	char unused[CONTENT_HASH_SIZE];
	for (int64_t i = 0; trainer->lanes != NULL && i < trainer->job.lane_count; i++) {
		lane_destroy(trainer->lanes[i].lane);
		if (trainer->lanes[i].blocks != NULL)
			content_hash_finish(trainer->lanes[i].blocks, unused);
		if (trainer->lanes[i].windows != NULL)
			content_hash_finish(trainer->lanes[i].windows, unused);
	}
	free(trainer->lanes);
	free(trainer->inputs);
	free(trainer->targets);
	free(trainer->starts);
	free(trainer->weights);
	free(trainer);
}

static enum status take_window(struct stream_trainer *trainer, struct watched *lane, int64_t number)
{
	const struct stream_job *job = &trainer->job;
	bool active = trainer->facts.steps >= job->plan.filter.begin_step;
	STATUS_TRY(lane_next(lane->lane, job->provider, active, job->length, trainer->inputs, trainer->targets,
	                     trainer->weights, trainer->starts, NULL, &trainer->statistics));
	if (lane->wrong >= 0)
		return error_raise(STATUS_INTERNAL, "lane %lld was given block %lld out of turn", (long long)number,
		                   (long long)lane->wrong);
	stream_hash_window(lane->windows, job->length, trainer->inputs, trainer->targets, trainer->weights);
	for (int64_t t = 0; t < job->length; t++)
		trainer->facts.kept += trainer->weights[t] != 0;
	return STATUS_OK;
}

enum status stream_trainer_run(struct stream_trainer *trainer, struct stream_facts *facts_out)
{
	const struct stream_job *job = &trainer->job;
	struct stream_facts *facts = &trainer->facts;
	double begin = timer_seconds();
	for (int ahead = 1; ahead <= job->plan.depth; ahead++)
		for (int64_t i = 0; i < job->lane_count; i++)
			STATUS_TRY(lane_request(trainer->lanes[i].lane, job->provider, ahead));
	while (facts->steps < job->steps && !stop_asked(0)) {
		for (int64_t i = 0; i < job->lane_count; i++)
			STATUS_TRY(take_window(trainer, &trainer->lanes[i], job->first_lane + i));
		if (facts->steps++ == 0)
			facts->first_seconds = timer_seconds() - begin;
	}
	facts->seconds = timer_seconds() - begin;
	facts->tokens = facts->steps * job->lane_count * job->length;
	job->timers->trained_tokens += facts->tokens;
	for (int64_t i = 0; i < job->lane_count; i++) {
		facts->blocks += trainer->lanes[i].block_count;
		facts->lane_memory += (double)lane_memory(trainer->lanes[i].lane);
	}
	*facts_out = *facts;
	return STATUS_OK;
}

static enum status check_lane(struct stream_trainer *trainer, struct watched *lane, int64_t number,
                              struct shard_set *set, enum stream_scores scores)
{
	struct stream_digest found = { .block_count = lane->block_count }, expected;
	content_hash_finish(lane->blocks, found.blocks);
	content_hash_finish(lane->windows, found.windows);
	lane->blocks = lane->windows = NULL;
	STATUS_TRY(stream_replay(set, &trainer->job.plan, scores, number, trainer->facts.steps, trainer->job.length,
	                         &expected));
	if (found.block_count != expected.block_count)
		return error_raise(STATUS_INTERNAL, "lane %lld took %lld blocks where %lld are right",
		                   (long long)number, (long long)found.block_count, (long long)expected.block_count);
	if (strcmp(found.blocks, expected.blocks) != 0)
		return error_raise(
			STATUS_INTERNAL,
			"lane %lld: tokens or scores of its %lld blocks are not those of the shards (checksum %s, "
			"not %s)",
			(long long)number, (long long)found.block_count, found.blocks, expected.blocks);
	if (strcmp(found.windows, expected.windows) != 0)
		return error_raise(STATUS_INTERNAL,
		                   "lane %lld: its %lld windows are not those of its blocks (checksum %s, not %s)",
		                   (long long)number, (long long)trainer->facts.steps, found.windows, expected.windows);
	return STATUS_OK;
}

enum status stream_trainer_check(struct stream_trainer *trainer, struct shard_set *set, enum stream_scores scores)
{
	for (int64_t i = 0; i < trainer->job.lane_count; i++)
		STATUS_TRY(check_lane(trainer, &trainer->lanes[i], trainer->job.first_lane + i, set, scores));
	return STATUS_OK;
}
