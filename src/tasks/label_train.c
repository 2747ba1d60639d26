/* Training the autoencoder on features that stream from the model.
 *
 * Text comes in rounds of whole blocks, in random order, again from the beginning when all were read; the rows of a round are
 * shuffled. The first rank trains; with several ranks the others compute the features of a round while it trains on the one before,
 * block i of the round by rank 1 + i mod (ranks - 1). Rounds, shuffling and steps follow from the text and the keys alone, so the
 * autoencoder has the same bits for any number of ranks, and after a stop: what is kept is the state after a whole round.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/timer.h"
#include "classifier/fit_sample.h"
#include "tasks/label_parts.h"

/* A round has so many rows and blocks at least. */
enum { ROUND_ROWS = 1 << 15, ROUND_BLOCKS = 4 };
/* Streams of RANDOM_AUTOENCODER beyond those of the latents. */
#define STREAM_ORDER (UINT64_C(1) << 32)

struct training {
	struct labelling *work;
	int64_t wanted;   /* rows to train on, in whole batches */
	int64_t patience; /* rows after which an idle latent is dead */
	double learning_rate;
	int64_t visit, round;  /* blocks before this round; its number */
	int64_t blocks, rows;  /* of this round */
	int64_t planned;       /* rows of the rounds up to here that will be trained on */
	float *next, *current; /* first rank: rows of this round and of the one before */
	size_t next_capacity, current_capacity;
	int64_t current_rows;
	struct autoencoder_loss sum; /* since the last line */
	int64_t sum_rows;
	double said, saved, began;
};

static int64_t block_of(const struct training *training, int64_t visit)
{
	const struct shard_set *set = training->work->sets[LABEL_TRAIN];
	int64_t blocks = shard_set_blocks(set);
	return sample_block_number(set, training->work->seed + (uint64_t)(visit / blocks), visit % blocks);
}

/* The next round: blocks and rows. */
static void plan_round(struct training *training)
{
	const struct shard_set *set = training->work->sets[LABEL_TRAIN];
	int64_t batch = training->work->shape.batch;
	training->blocks = training->rows = 0;
	while (training->blocks < ROUND_BLOCKS || training->rows < ROUND_ROWS || training->rows < batch) {
		training->rows += label_block_rows(set, block_of(training, training->visit + training->blocks));
		training->blocks++;
	}
}

static void pass_round(struct training *training)
{
	int64_t batch = training->work->shape.batch;
	training->planned += training->rows / batch * batch;
	training->visit += training->blocks;
	training->round++;
}

/* ---- the first rank ---- */

/* 1, and down to 0 over the last fifth. */
static double schedule(const struct training *training)
{
	double left = 1.0 - (double)autoencoder_progress(training->work->autoencoder)->rows / (double)training->wanted;
	return fmin(1.0, 5.0 * left);
}

static void say(struct training *training)
{
	const struct labelling *work = training->work;
	const struct autoencoder_progress *progress = autoencoder_progress(work->autoencoder);
	double rows = (double)training->sum_rows;
	char left[32];
	double seconds = timer_seconds() - training->began, done = (double)progress->rows;
	if (training->sum_rows == 0)
		return;
	log_info("autoencoder: %.1f %% of its tokens, explained %.3f, %.1f latents active, %lld of %lld dead, left %s",
	         100 * done / (double)training->wanted, 1.0 - training->sum.error / rows / progress->variance,
	         (double)training->sum.active / rows, (long long)training->sum.dead, (long long)work->shape.latents,
	         text_duration(seconds * ((double)training->wanted / done - 1.0), left, sizeof left));
	training->sum = (struct autoencoder_loss){ 0 };
	training->sum_rows = 0;
	training->said = timer_seconds();
}

static enum status train_batch(struct training *training, float *batch, int64_t first)
{
	struct labelling *work = training->work;
	int64_t width = work->shape.width, rows = work->shape.batch;
	struct autoencoder_loss loss;
	for (int64_t i = 0; i < rows; i++) {
		uint64_t from = random_permute(work->seed, RANDOM_AUTOENCODER, STREAM_ORDER + (uint64_t)training->round,
		                               (uint64_t)training->current_rows, (uint64_t)(first + i));
		memcpy(batch + i * width, training->current + (int64_t)from * width, (size_t)width * sizeof *batch);
	}
	STATUS_TRY(autoencoder_train(work->autoencoder, batch, rows, training->patience,
	                             training->learning_rate * schedule(training), &loss));
	training->sum.error += loss.error;
	training->sum.active += loss.active;
	training->sum.dead = loss.dead;
	training->sum_rows += rows;
	world_sign_life(work->world);
	return STATUS_OK;
}

/* The round before. */
static enum status train_round(struct training *training)
{
	struct labelling *work = training->work;
	int64_t rows = work->shape.batch;
	const struct autoencoder_progress *progress = autoencoder_progress(work->autoencoder);
	if (progress->rows == 0)
		STATUS_TRY(autoencoder_initialise(work->autoencoder, work->seed, training->current,
		                                  training->current_rows));
	float *batch = memory_allocate((size_t)(rows * work->shape.width), sizeof *batch);
	enum status status = batch == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (int64_t first = 0;
	     first + rows <= training->current_rows && progress->rows < training->wanted && status == STATUS_OK;
	     first += rows)
		status = train_batch(training, batch, first);
	free(batch);
	if (status == STATUS_OK && timer_seconds() - training->said > 5)
		say(training);
	return status;
}

/* All rounds before this one are trained on. */
static enum status save(struct training *training, bool now)
{
	double interval = parameters_real(training->work->parameters, "run/save_interval");
	if (training->round == 0 || (!now && timer_seconds() - training->saved < interval))
		return STATUS_OK;
	STATUS_TRY(label_save_training(training->work, training->round));
	training->saved = timer_seconds();
	stop_note_saved();
	return STATUS_OK;
}

/* ---- all ranks ---- */

/* Who computes the features of a block of the round. */
static int owner_of(const struct training *training, int64_t index)
{
	int size = training->work->world->size;
	return size == 1 ? 0 : 1 + (int)(index % (size - 1));
}

/* This rank's blocks of the round, into *values one after the other. */
static enum status compute_blocks(struct training *training, float **values, size_t *capacity)
{
	struct labelling *work = training->work;
	int64_t rows = 0, width = work->shape.width;
	for (int64_t i = 0; i < training->blocks; i++) {
		if (owner_of(training, i) != work->world->rank)
			continue;
		STATUS_TRY(label_read_features(work, work->sets[LABEL_TRAIN], block_of(training, training->visit + i)));
		STATUS_TRY(
			memory_grow((void **)values, capacity, (size_t)((rows + work->rows) * width), sizeof **values));
		memcpy(*values + rows * width, work->values, (size_t)(work->rows * width) * sizeof **values);
		rows += work->rows;
	}
	return STATUS_OK;
}

/* The rows of the round to the first rank, in the order of its blocks. */
static enum status collect(struct training *training, const float *own)
{
	struct labelling *work = training->work;
	const struct world *world = work->world;
	int64_t width = work->shape.width, at = 0;
	if (world->size == 1)
		return STATUS_OK;
	for (int64_t i = 0; i < training->blocks; i++) {
		int64_t count =
			width * label_block_rows(work->sets[LABEL_TRAIN], block_of(training, training->visit + i));
		if (world->rank == 0)
			STATUS_TRY(label_receive(world, owner_of(training, i), training->next + at, count, MPI_FLOAT));
		else if (owner_of(training, i) == world->rank)
			STATUS_TRY(label_send(world, own + at, count, MPI_FLOAT));
		if (world->rank == 0 || owner_of(training, i) == world->rank)
			at += count;
	}
	return STATUS_OK;
}

/* The features of this round, while the first rank trains on the one before. */
static enum status run_round(struct training *training)
{
	struct world *world = training->work->world;
	size_t floats = (size_t)(training->rows * training->work->shape.width);
	enum status status = STATUS_OK;
	if (world->rank == 0) {
		status = memory_grow((void **)&training->next, &training->next_capacity, floats, sizeof(float));
		if (status == STATUS_OK && training->current_rows > 0) {
			training->round--;
			status = train_round(training);
			training->round++;
			if (status == STATUS_OK)
				status = save(training, false);
		}
		training->current_rows = 0;
	}
	if (status == STATUS_OK)
		status = compute_blocks(training, &training->next, &training->next_capacity);
	if (status == STATUS_OK)
		status = stop_check("training the autoencoder");
	if (status == STATUS_STOPPED && world->rank == 0 && save(training, true) != STATUS_OK)
		status = STATUS_IO;
	enum status agreed = world_agree(world, status);
	if (agreed == STATUS_STOPPED && status == STATUS_OK && world->rank == 0)
		STATUS_TRY(save(training, true));
	STATUS_TRY(agreed);
	return world_agree(world, collect(training, training->next));
}

static void take_next(struct training *training)
{
	float *values = training->current;
	size_t capacity = training->current_capacity;
	training->current = training->next;
	training->current_capacity = training->next_capacity;
	training->next = values;
	training->next_capacity = capacity;
	training->current_rows = training->rows;
}

static enum status run_rounds(struct training *training, int64_t done)
{
	struct world *world = training->work->world;
	while (training->planned < training->wanted) {
		plan_round(training);
		if (training->round >= done) {
			STATUS_TRY(run_round(training));
			take_next(training);
		}
		pass_round(training);
	}
	enum status status = STATUS_OK;
	if (world->rank == 0 && training->current_rows > 0) {
		training->round--;
		status = train_round(training);
		say(training);
	}
	return world_agree(world, status);
}

/* Every rank gets the first one's. */
static enum status share(struct labelling *work)
{
	int64_t bytes = autoencoder_arena_size(&work->shape) * (int64_t)sizeof(float);
	STATUS_TRY(world_broadcast(work->world, autoencoder_parameters(work->autoencoder), bytes, 0));
	return world_agree(work->world, autoencoder_refresh(work->autoencoder));
}

static enum status train(struct labelling *work)
{
	struct world *world = work->world;
	int64_t tokens = parameters_integer(work->parameters, "label/tokens"), batch = work->shape.batch, done = 0;
	struct training training = {
		.work = work,
		.wanted = (tokens + batch - 1) / batch * batch,
		.learning_rate = parameters_real(work->parameters, "label/learning_rate"),
		.began = timer_seconds(),
		.said = timer_seconds(),
		.saved = timer_seconds(),
	};
	training.patience = training.wanted / 16;
	STATUS_TRY(world_agree(world, world->rank == 0 ? label_find_training(work, &done) : STATUS_OK));
	STATUS_TRY(world_broadcast(world, &done, sizeof done, 0));
	if (done > 0)
		log_info("autoencoder: goes on after %lld rounds of text", (long long)done);
	enum status status = run_rounds(&training, done);
	free(training.next);
	free(training.current);
	return status;
}

static enum status check_text(const struct labelling *work)
{
	int64_t rows = 0, least = work->shape.batch;
	const struct shard_set *set = work->sets[LABEL_TRAIN];
	for (int64_t i = 0; i < shard_set_blocks(set) && rows < least; i++)
		rows += label_block_rows(set, i);
	if (rows >= least)
		return STATUS_OK;
	return error_raise(STATUS_DATA,
	                   "the training set of %s has %lld tokens, less than label/batch = %lld: take more text, or a "
	                   "smaller batch",
	                   work->data, (long long)rows, (long long)least);
}

/* The file that is there already: another run's, or that of an earlier start; the first rank looks. */
static enum status find_file(const struct labelling *work, const char *path, bool *found)
{
	struct label_autoencoder_facts facts;
	if (parameters_text(work->parameters, "label/autoencoder")[0] != '\0')
		*found = true;
	else if (work->world->rank == 0 && hdf5_is_complete(path))
		*found = label_read_autoencoder_facts(path, &work->start, &facts) == STATUS_OK &&
		         strcmp(facts.identity, work->identity) == 0;
	error_clear(); /* one of other settings is made anew */
	return world_broadcast(work->world, found, sizeof *found, 0);
}

static enum status obtain(struct labelling *work, const char *path)
{
	struct world *world = work->world;
	bool found = false;
	STATUS_TRY(find_file(work, path, &found));
	enum status status = autoencoder_create(work->devices.kernels, work->devices.device, &work->shape,
	                                        !found && world->rank == 0, &work->autoencoder);
	if (status == STATUS_OK && !found)
		status = check_text(work);
	if (status == STATUS_OK && found && world->rank == 0)
		status = label_read_autoencoder(work, path);
	STATUS_TRY(world_agree(world, status));
	if (found)
		log_info("autoencoder: that of %s", path);
	else
		STATUS_TRY(train(work));
	STATUS_TRY(share(work));
	STATUS_TRY(label_measure_autoencoder(work));
	if (found)
		return STATUS_OK;
	return world_agree(world, world->rank == 0 ? label_write_autoencoder(work, path) : STATUS_OK);
}

enum status label_obtain_autoencoder(struct labelling *work)
{
	const char *given = parameters_text(work->parameters, "label/autoencoder");
	char *path = text_join_path(given[0] != '\0' ? given : work->output, "autoencoder.h5");
	enum status status = world_agree(work->world, path == NULL ? STATUS_ENVIRONMENT : STATUS_OK);
	if (status == STATUS_OK)
		status = obtain(work, path);
	free(path);
	return status;
}
