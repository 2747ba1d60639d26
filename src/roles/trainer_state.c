/* Restoring a trainer: lanes and progress from the state file of a checkpoint; trainer_load.c reads parameters and moments.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "results/checkpoint.h"
#include "roles/record.h"
#include "roles/steering.h"
#include "roles/trainer_state.h"

char *trainer_checkpoint_folder(const struct trainer *trainer)
{
	return text_join_path(trainer->job->folder, "checkpoints");
}

enum status trainer_write_results(struct trainer *trainer, bool finished)
{
	const struct trainer_job *job = trainer->job;
	STATUS_TRY(record_totals(trainer));
	enum status status = STATUS_OK;
	if (job->trainers->rank == 0) {
		char *path = text_join_path(job->folder, "run.h5");
		status = path == NULL
		                 ? STATUS_ENVIRONMENT
		                 : run_file_write(path, &trainer->results, job->parameters, job->provenance, finished);
		free(path);
	}
	return world_agree(job->trainers, status);
}

static enum status read_state(struct trainer *trainer, struct hdf5_reader *reader, struct lane_position *positions)
{
	const struct trainer_job *job = trainer->job;
	int64_t statistics[STATISTIC_VALUES];
	double progress[3];
	STATUS_TRY(hdf5_read(reader, "lanes", HDF5_INT64, job->training->sequences * LANE_VALUES, positions));
	STATUS_TRY(hdf5_read(reader, "statistics", HDF5_INT64, STATISTIC_VALUES, statistics));
	STATUS_TRY(hdf5_read(reader, "progress", HDF5_FLOAT64, 3, progress));
	if (hdf5_read_integer_attribute(reader, "/", "forked_step", &trainer->forked_step) != STATUS_OK) {
		trainer->forked_step = 0; /* a checkpoint from before there were forks */
		error_clear();
	}
	STATUS_TRY(run_results_read_state(reader, &trainer->results));
	/* The counts are sums over trainers: one of them goes on with what was counted. */
	if (job->trainers->rank == 0)
		memcpy(&trainer->statistics, statistics, sizeof trainer->statistics);
	trainer->kept = progress[0];
	trainer->flops = progress[1];
	trainer->seconds = progress[2];
	return STATUS_OK;
}

static enum status create_lanes(struct trainer *trainer, const struct lane_position *positions)
{
	const struct trainer_job *job = trainer->job;
	int64_t here = trainer->slots_here * trainer->slot_lanes, first = job->trainers->rank * here;
	for (int64_t i = 0; i < here; i++)
		STATUS_TRY(
			lane_create(job->training->steering.layer > 0 ? steering_lane_plan(job, first + i) : job->plan,
		                    first + i, positions == NULL ? NULL : &positions[first + i], &trainer->lanes[i]));
	return STATUS_OK;
}

/* What this trainer reads itself. */
static enum status restore_own(struct trainer *trainer, const char *folder, int64_t step, int64_t *bytes_read)
{
	struct lane_position *positions = memory_allocate((size_t)trainer->job->training->sequences, sizeof *positions);
	if (positions == NULL)
		return STATUS_ENVIRONMENT;
	struct hdf5_reader *reader = NULL;
	enum status status = trainer_load_pieces(trainer, folder, step, bytes_read);
	if (status == STATUS_OK)
		status = checkpoint_open_state(folder, step, &reader);
	if (status == STATUS_OK) {
		status = read_state(trainer, reader, positions);
		hdf5_close(reader);
	}
	if (status == STATUS_OK)
		status = create_lanes(trainer, positions);
	trainer->step = step;
	free(positions);
	return status;
}

enum status trainer_restore_from(struct trainer *trainer, const char *folder, int64_t step)
{
	int64_t bytes_read = 0;
	double begin = timer_seconds();
	if (step < 0)
		return world_agree(trainer->job->trainers, create_lanes(trainer, NULL));
	STATUS_TRY(world_agree(trainer->job->trainers, restore_own(trainer, folder, step, &bytes_read)));
	return trainer_spread_pieces(trainer, bytes_read, begin);
}

static enum status say_restored(const struct trainer *trainer, const char *folder, int64_t step, const char *verb,
                                const char *of)
{
	char *version = NULL;
	STATUS_TRY(checkpoint_other_version(folder, step, &version));
	log_info("%s  %s step %lld of %lld%s%s", trainer->job->label, verb, (long long)step,
	         (long long)trainer->job->training->steps, of, version);
	free(version);
	return STATUS_OK;
}

enum status trainer_say_restored(const struct trainer *trainer, const char *folder, int64_t step, const char *verb,
                                 const char *of)
{
	struct world *trainers = trainer->job->trainers;
	return world_agree(trainers, trainers->rank == 0 ? say_restored(trainer, folder, step, verb, of) : STATUS_OK);
}

/* Nothing of its own yet: weights of another run, all else initial. */
static enum status begin_from_start(struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	if (trainer_finetunes(trainer))
		STATUS_TRY(trainer_finetune_begin(trainer));
	if (trainer->steering == NULL) /* else they are there */
		STATUS_TRY(trainer_take_weights(trainer, &job->start));
	log_info("%s  begins from the weights of %s", job->label, job->start.folder);
	return trainer_restore_from(trainer, NULL, -1);
}

/* The original, which the model is held to all the time. */
static enum status take_original(struct trainer *trainer)
{
	if (trainer->job->training->steering.layer == 0)
		return STATUS_OK;
	STATUS_TRY(trainer_take_weights(trainer, &trainer->job->start));
	return steering_create(trainer);
}

enum status trainer_restore(struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	int64_t step = -1;
	char *folder = trainer_checkpoint_folder(trainer);
	enum status status = world_agree(job->trainers, folder == NULL ? STATUS_ENVIRONMENT : STATUS_OK);
	if (status == STATUS_OK)
		status = take_original(trainer);
	if (status == STATUS_OK)
		status = trainer_find_checkpoint(trainer, folder, job->identity, INT64_MAX, &step);
	if (status == STATUS_OK && step < 0 && job->trunk_folder != NULL)
		status = trainer_fork(trainer);
	else if (status == STATUS_OK && step < 0 && job->start.folder != NULL)
		status = begin_from_start(trainer);
	else if (status == STATUS_OK)
		status = trainer_restore_from(trainer, folder, step);
	if (status == STATUS_OK && step >= 0)
		status = trainer_say_restored(trainer, folder, step, "continues after", "");
	free(folder);
	return status;
}
