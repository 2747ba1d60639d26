/* Saving a trainer while it trains on: its state is copied, and a thread of its own (base/background.h) writes the copy.
 *
 *   copy      all stop for as long as it takes to copy the own pieces to host memory, and on the first trainer the state
 *   written   every trainer's thread writes its shard, the first one's the state file as well
 *   finished  when all have said that their part is written, the first trainer's thread writes the manifest, gives the
 *             checkpoint its name, and writes run.h5
 *
 * How far the others are is said by a flag in numbers that every step gathers anyway (trainer_step.c), so that `phase` is
 * the same on all trainers at every step. The threads make no MPI calls and do not touch the device.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/background.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/timer.h"
#include "model/config_file.h"
#include "results/checkpoint.h"
#include "roles/record.h"
#include "roles/trainer_state.h"

enum phase { PHASE_IDLE, PHASE_WRITING, PHASE_FINISHING };

struct saver {
	const struct trainer_job *job;
	struct background *background;
	enum phase phase;
	char *folder;   /* of all checkpoints */
	char *run_file; /* path of run.h5 */
	int64_t arena;
	/* own shard */
	int writer;
	struct arena_piece *pieces; /* a copy: the thread may outlive the sum of gradients, which ends first */
	int piece_count;
	int64_t count; /* elements of them */
	float *host;   /* [3][count] parameters and moments, as they were; kept from one checkpoint to the next */
	/* The checkpoint that is being written. */
	int64_t step;
	double begun; /* clock */
	/* For the report. */
	int64_t written;                      /* checkpoints */
	double paused, longest_pause, waited; /* seconds that training stood still: for the copy, for the writing */
	double last_seconds;
	int64_t *own_lanes; /* positions of the own lanes */
	/* Its state, on the first trainer. */
	int64_t *lanes, statistics[STATISTIC_VALUES];
	double progress[3];
	int64_t forked_step;
	struct run_results results;
};

/* ---- what the thread does ---- */

static enum status write_state_tables(const struct saver *saver, struct hdf5_writer *writer)
{
	int64_t sizes[2] = { saver->job->training->sequences, LANE_VALUES };
	STATUS_TRY(hdf5_write(writer, "lanes", HDF5_INT64, 2, sizes, saver->lanes, NULL,
	                      "block index, token, counted blocks, first filtered block of each lane"));
	STATUS_TRY(hdf5_write_vector(writer, "statistics", HDF5_INT64, STATISTIC_VALUES, saver->statistics, NULL,
	                             "token counts of all lanes"));
	STATUS_TRY(hdf5_write_vector(writer, "progress", HDF5_FLOAT64, 3, saver->progress, NULL,
	                             "kept tokens, floating-point operations, seconds"));
	STATUS_TRY(hdf5_write_integer_attribute(writer, "/", "forked_step", saver->forked_step));
	return run_results_write_state(writer, &saver->results);
}

static enum status write_state(const struct saver *saver)
{
	struct hdf5_writer *writer = NULL;
	STATUS_TRY(checkpoint_create_state(saver->folder, saver->step, &writer));
	enum status status = write_state_tables(saver, writer);
	if (status != STATUS_OK) {
		hdf5_abandon(writer);
		return status;
	}
	return hdf5_commit(writer);
}

static enum status finish(void *context)
{
	const struct saver *saver = context;
	const struct trainer_job *job = saver->job;
	const struct checkpoint_kept kept = { job->training->checkpoint_keep, job->training->kept_step_count,
		                              job->training->kept_steps };
	const struct hdf5_note note = { config_file_write, job->config };
	STATUS_TRY(checkpoint_finish(saver->folder, saver->step, job->trainers->size, saver->arena, job->identity,
	                             &kept, &note));
	return run_file_write(saver->run_file, &saver->results, job->parameters, job->provenance,
	                      saver->results.finished);
}

static enum status write_part(void *context)
{
	struct saver *saver = context;
	const struct world *trainers = saver->job->trainers;
	STATUS_TRY(checkpoint_write_shard(saver->folder, saver->step, saver->writer, saver->pieces, saver->piece_count,
	                                  saver->host, saver->host + saver->count, saver->host + 2 * saver->count));
	if (trainers->rank == 0)
		STATUS_TRY(write_state(saver));
	/* Who is alone need not hear from others first. */
	return trainers->size == 1 ? finish(saver) : STATUS_OK;
}

/* ---- the copy ---- */

/* Lane positions and statistics of all trainers, complete on every one. */
static enum status gather_state(struct trainer *trainer, struct saver *saver)
{
	const struct trainer_job *job = trainer->job;
	int64_t here = trainer->slots_here * trainer->slot_lanes;
	int64_t *own = saver->own_lanes;
	for (int64_t i = 0; i < here; i++) {
		struct lane_position position = lane_get_position(trainer->lanes[i]);
		memcpy(own + i * LANE_VALUES, &position, sizeof position);
	}
	enum status status = world_all_gather(job->trainers, own, (int)(here * LANE_VALUES), MPI_INT64_T, saver->lanes);
	memcpy(saver->statistics, &trainer->statistics, sizeof trainer->statistics);
	return status == STATUS_OK ? world_sum_integers(job->trainers, saver->statistics, STATISTIC_VALUES) : status;
}

static enum status copy_arenas(const struct trainer *trainer, struct saver *saver)
{
	const struct kernels *kernels = trainer->job->kernels;
	struct device *device = trainer->job->device;
	const float *parameters = model_parameters(trainer->model, NULL);
	float *packed = saver->host;
	size_t bytes = (size_t)saver->count * sizeof *packed;
	for (int i = 0; i < saver->piece_count; i++) {
		int64_t count = arena_piece_count(saver->pieces[i]);
		STATUS_TRY(kernels->download(device, packed, parameters + saver->pieces[i].begin,
		                             (size_t)count * sizeof *packed));
		packed += count;
	}
	if (saver->count == 0)
		return STATUS_OK;
	STATUS_TRY(kernels->download(device, packed, optimiser_moment1(trainer->optimiser), bytes));
	return kernels->download(device, packed + saver->count, optimiser_moment2(trainer->optimiser), bytes);
}

static enum status copy_state(const struct trainer *trainer, struct saver *saver, bool finished)
{
	saver->progress[0] = trainer->kept;
	saver->progress[1] = trainer->flops;
	saver->progress[2] = trainer->seconds + timer_seconds() - trainer->part_begin;
	saver->forked_step = trainer->forked_step;
	run_results_clear(&saver->results);
	STATUS_TRY(run_results_copy(&trainer->results, &saver->results));
	saver->results.finished = finished;
	return STATUS_OK;
}

/* All of it, and the folder it goes to. */
static enum status copy(struct trainer *trainer, struct saver *saver, bool finished)
{
	struct world *trainers = trainer->job->trainers;
	STATUS_TRY(gather_state(trainer, saver));
	STATUS_TRY(record_totals(trainer));
	saver->step = trainer->step;
	enum status status = copy_arenas(trainer, saver);
	if (status == STATUS_OK && trainers->rank == 0)
		status = copy_state(trainer, saver, finished);
	if (status == STATUS_OK && trainers->rank == 0)
		status = checkpoint_begin(saver->folder, saver->step);
	return world_agree(trainers, status);
}

/* ---- from phase to phase ---- */

static void completed(struct trainer *trainer, struct saver *saver)
{
	saver->phase = PHASE_IDLE;
	trainer->saved_at = timer_seconds();
	trainer->written_seconds = saver->last_seconds = trainer->saved_at - saver->begun;
	saver->written++;
	stop_note_saved();
}

static void begin_finishing(struct saver *saver)
{
	saver->phase = PHASE_FINISHING;
	if (saver->job->trainers->rank == 0)
		background_start(saver->background, finish, saver);
}

enum status trainer_save(struct trainer *trainer, bool finished)
{
	struct saver *saver = trainer->saver;
	STATUS_TRY(trainer_save_wait(trainer));
	saver->begun = timer_seconds();
	STATUS_TRY(copy(trainer, saver, finished));
	saver->phase = trainer->job->trainers->size == 1 ? PHASE_FINISHING : PHASE_WRITING;
	background_start(saver->background, write_part, saver);
	double pause = timer_seconds() - saver->begun;
	saver->paused += pause;
	saver->longest_pause = fmax(saver->longest_pause, pause);
	return STATUS_OK;
}

enum status trainer_save_advance(struct trainer *trainer, const struct step_facts *facts)
{
	struct saver *saver = trainer->saver;
	if (saver->phase == PHASE_IDLE)
		return STATUS_OK;
	if (facts->save_failed)
		return world_agree(trainer->job->trainers, background_failed(saver->background)
		                                                   ? background_end(saver->background)
		                                                   : STATUS_OK);
	if (!facts->save_done)
		return STATUS_OK;
	STATUS_TRY(background_end(saver->background));
	if (saver->phase == PHASE_WRITING)
		begin_finishing(saver);
	else
		completed(trainer, saver);
	return STATUS_OK;
}

/* Until the own thread has done its part, and then until all have. */
static enum status wait_for_parts(struct trainer *trainer, struct saver *saver)
{
	struct world *trainers = trainer->job->trainers;
	unsigned naps = 0;
	while (!background_done(saver->background)) {
		world_progress(trainers);
		world_nap(&naps);
	}
	return world_agree(trainers, background_end(saver->background));
}

enum status trainer_save_wait(struct trainer *trainer)
{
	struct saver *saver = trainer->saver;
	double since = timer_seconds();
	if (saver == NULL || saver->phase == PHASE_IDLE)
		return STATUS_OK;
	if (saver->phase == PHASE_WRITING) {
		STATUS_TRY(wait_for_parts(trainer, saver));
		begin_finishing(saver);
	}
	STATUS_TRY(wait_for_parts(trainer, saver));
	completed(trainer, saver);
	saver->waited += trainer->saved_at - since;
	return STATUS_OK;
}

/* ---- what others ask ---- */

bool trainer_saving(const struct trainer *trainer)
{
	return trainer->saver->phase != PHASE_IDLE;
}

bool trainer_part_done(const struct trainer *trainer)
{
	return background_done(trainer->saver->background);
}

bool trainer_part_failed(const struct trainer *trainer)
{
	return background_failed(trainer->saver->background);
}

double trainer_written_seconds(const struct trainer *trainer)
{
	double so_far = trainer_saving(trainer) ? timer_seconds() - trainer->saver->begun : 0;
	return fmax(trainer->written_seconds, so_far);
}

/* ---- life ---- */

enum status saver_create(struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	struct saver *saver = memory_allocate(1, sizeof *saver);
	trainer->saver = saver;
	if (saver == NULL)
		return STATUS_ENVIRONMENT;
	*saver = (struct saver){ .job = job,
		                 .folder = trainer_checkpoint_folder(trainer),
		                 .run_file = text_join_path(job->folder, "run.h5"),
		                 .arena = trainer->arena,
		                 .writer = gradient_sum_place(trainer->sum),
		                 .pieces = memory_allocate((size_t)trainer->piece_count, sizeof *trainer->pieces),
		                 .piece_count = trainer->piece_count,
		                 .count = trainer->piece_elements };
	saver->lanes = memory_allocate((size_t)job->training->sequences, sizeof(struct lane_position));
	saver->own_lanes =
		memory_allocate((size_t)(trainer->slots_here * trainer->slot_lanes), sizeof(struct lane_position));
	if (saver->folder == NULL || saver->run_file == NULL || saver->lanes == NULL || saver->own_lanes == NULL ||
	    saver->pieces == NULL)
		return STATUS_ENVIRONMENT;
	memcpy(saver->pieces, trainer->pieces, (size_t)trainer->piece_count * sizeof *saver->pieces);
	/* Once, as locking pages takes longer than the copy. */
	saver->host = job->kernels->allocate_host(job->device, 3 * (size_t)saver->count * sizeof *saver->host);
	return saver->host == NULL ? STATUS_ENVIRONMENT : background_create(&saver->background);
}

static void report(const struct saver *saver)
{
	double bytes = 12 * (double)saver->arena;
	char size[32], rate[32];
	if (saver->written == 0)
		return;
	log_info("%s  checkpoints %lld, training stopped %.3f s for them (%.3f s at most) and %.3f s for the disk; the "
	         "last: %sB in "
	         "%.2f s, %sB/s",
	         saver->job->label, (long long)saver->written, saver->paused, saver->longest_pause, saver->waited,
	         text_count(bytes, size, sizeof size), saver->last_seconds,
	         text_count(bytes / saver->last_seconds, rate, sizeof rate));
}

void saver_destroy(struct saver *saver)
{
	if (saver == NULL)
		return;
	report(saver);
	background_destroy(saver->background);
	if (saver->host != NULL)
		saver->job->kernels->release_host(saver->job->device, saver->host);
	run_results_clear(&saver->results);
	free(saver->lanes);
	free(saver->own_lanes);
	free(saver->pieces);
	free(saver->folder);
	free(saver->run_file);
	free(saver);
}
