/* A checkpoint read by all trainers together: each proves its share of the files sound and loads its own pieces, and what a trainer
 * does not own comes from the others as after a step. So a checkpoint is read about once, whatever the number of trainers.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "results/checkpoint.h"
#include "roles/trainer_state.h"

enum { REASON_SIZE = 512 };

/* ---- finding ---- */

/* The first trainer's list is everybody's: a folder may look different on another node for a moment. */
static enum status list_steps(const struct trainer *trainer, const char *folder, int64_t most, int64_t **steps,
                              int64_t *count)
{
	struct world *trainers = trainer->job->trainers;
	size_t found = 0;
	enum status status = STATUS_OK;
	if (trainers->rank == 0)
		status = checkpoint_candidates(folder, most, steps, &found);
	STATUS_TRY(world_agree(trainers, status));
	*count = (int64_t)found;
	STATUS_TRY(world_broadcast(trainers, count, sizeof *count, 0));
	if (trainers->rank > 0)
		*steps = memory_allocate((size_t)*count, sizeof **steps);
	STATUS_TRY(world_agree(trainers, *steps == NULL && *count > 0 ? STATUS_ENVIRONMENT : STATUS_OK));
	return world_broadcast(trainers, *steps, *count * (int64_t)sizeof **steps, 0);
}

/* The first trainer says what the first one that found damage has found. */
static enum status hear_damage(const struct trainer *trainer, int64_t step, bool damaged, char reason[REASON_SIZE],
                               bool *sound)
{
	struct world *trainers = trainer->job->trainers;
	int own = damaged, first = 0, *all = memory_allocate((size_t)trainers->size, sizeof *all);
	enum status status = world_agree(trainers, all == NULL ? STATUS_ENVIRONMENT : STATUS_OK);
	if (status == STATUS_OK)
		status = world_all_gather(trainers, &own, 1, MPI_INT, all);
	while (status == STATUS_OK && first < trainers->size && all[first] == 0)
		first++;
	free(all);
	*sound = first == trainers->size;
	if (status != STATUS_OK || *sound)
		return status;
	STATUS_TRY(world_broadcast(trainers, reason, REASON_SIZE, first));
	if (trainers->rank == 0)
		log_warning("the checkpoint of step %lld is damaged and passed over: %s", (long long)step, reason);
	return STATUS_OK;
}

static enum status check_step(struct trainer *trainer, const char *folder, const char *identity, int64_t step,
                              bool *sound)
{
	struct world *trainers = trainer->job->trainers;
	char reason[REASON_SIZE] = "";
	bool other, damaged;
	enum status status =
		checkpoint_verify_part(folder, step, identity, trainer->arena, trainers->rank, trainers->size, &other);
	damaged = !other && (status == STATUS_DATA || status == STATUS_IO);
	if (damaged) {
		snprintf(reason, sizeof reason, "%s", error_message());
		error_clear();
		status = STATUS_OK;
	}
	/* However long the others read. */
	STATUS_TRY(world_agree(trainers, status));
	return hear_damage(trainer, step, damaged, reason, sound);
}

enum status trainer_find_checkpoint(struct trainer *trainer, const char *folder, const char *identity, int64_t most,
                                    int64_t *step)
{
	int64_t *steps = NULL, count = 0;
	bool sound = false;
	*step = -1;
	enum status status = list_steps(trainer, folder, most, &steps, &count);
	for (int64_t i = 0; status == STATUS_OK && !sound && i < count; i++) {
		status = check_step(trainer, folder, identity, steps[i], &sound);
		if (status == STATUS_OK && sound)
			*step = steps[i];
	}
	free(steps);
	return status;
}

/* ---- loading ---- */

static enum status upload_pieces(const struct trainer *trainer, const float *packed)
{
	const struct trainer_job *job = trainer->job;
	float *parameters = model_parameters(trainer->model, NULL);
	for (int i = 0; i < trainer->piece_count; i++) {
		int64_t count = arena_piece_count(trainer->pieces[i]);
		STATUS_TRY(job->kernels->upload(job->device, parameters + trainer->pieces[i].begin, packed,
		                                (size_t)count * sizeof *packed));
		packed += count;
	}
	return STATUS_OK;
}

enum status trainer_load_pieces(struct trainer *trainer, const char *folder, int64_t step, int64_t *bytes_read)
{
	const struct trainer_job *job = trainer->job;
	size_t count = (size_t)trainer->piece_elements, bytes = count * sizeof(float);
	float *values = memory_allocate(count, 3 * sizeof *values);
	enum status status = values == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = checkpoint_load_pieces(folder, step, trainer->pieces, trainer->piece_count, values,
		                                values + count, values + 2 * count, bytes_read);
	if (status == STATUS_OK)
		status = upload_pieces(trainer, values);
	if (status == STATUS_OK)
		status =
			job->kernels->upload(job->device, optimiser_moment1(trainer->optimiser), values + count, bytes);
	if (status == STATUS_OK)
		status = job->kernels->upload(job->device, optimiser_moment2(trainer->optimiser), values + 2 * count,
		                              bytes);
	free(values);
	return status == STATUS_OK ? model_refresh_weights(trainer->model) : status;
}

enum status trainer_spread_pieces(struct trainer *trainer, int64_t bytes_read, double begin)
{
	const struct world *trainers = trainer->job->trainers;
	char time[32], size[32];
	STATUS_TRY(gradient_sum_share(trainer->sum));
	STATUS_TRY(gradient_sum_settle(trainer->sum));
	double facts[2] = { (double)bytes_read, timer_seconds() - begin },
	       all = 3 * sizeof(float) * (double)trainer->arena;
	STATUS_TRY(world_max_reals(trainers, facts, 2));
	log_info("%s  restored in %s: of %s of parameters and moments no trainer read more than %.1f %%",
	         trainer->job->label, text_duration(facts[1], time, sizeof time), text_bytes(all, size, sizeof size),
	         100 * facts[0] / all);
	return STATUS_OK;
}

/* ---- weights of another run ---- */

static enum status ablate_pieces(const struct trainer *trainer, const struct model_config *config, float *packed)
{
	for (int i = 0; i < trainer->piece_count; i++) {
		int64_t count = arena_piece_count(trainer->pieces[i]);
		STATUS_TRY(model_config_ablate(config, packed, trainer->pieces[i].begin, count));
		packed += count;
	}
	return STATUS_OK;
}

static enum status load_weights(struct trainer *trainer, const char *folder, int64_t step,
                                const struct model_config *ablated, int64_t *bytes_read)
{
	float *values = memory_allocate((size_t)trainer->piece_elements, sizeof *values);
	enum status status = values == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = checkpoint_load_pieces(folder, step, trainer->pieces, trainer->piece_count, values, NULL, NULL,
		                                bytes_read);
	if (status == STATUS_OK && ablated != NULL)
		status = ablate_pieces(trainer, ablated, values);
	if (status == STATUS_OK)
		status = upload_pieces(trainer, values);
	free(values);
	return status == STATUS_OK ? model_refresh_weights(trainer->model) : status;
}

static enum status take_weights(struct trainer *trainer, const struct trainer_start *start, const char *folder)
{
	struct world *trainers = trainer->job->trainers;
	int64_t bytes_read = 0, step;
	STATUS_TRY(trainer_find_checkpoint(trainer, folder, start->identity, start->step, &step));
	/* An earlier one, when the last is damaged, holds other weights. */
	if (step != start->step)
		return world_agree(trainers,
		                   error_raise(STATUS_DATA,
		                               "%s: there is no usable checkpoint of step %lld, the last of "
		                               "the finished run: remove %s, and its own input file trains it again",
		                               folder, (long long)start->step, start->folder));
	STATUS_TRY(world_agree(trainers, load_weights(trainer, folder, step, start->ablated, &bytes_read)));
	STATUS_TRY(gradient_sum_share(trainer->sum));
	return gradient_sum_settle(trainer->sum);
}

enum status trainer_take_weights(struct trainer *trainer, const struct trainer_start *start)
{
	char *folder = text_join_path(start->folder, "checkpoints");
	enum status status = world_agree(trainer->job->trainers, folder == NULL ? STATUS_ENVIRONMENT : STATUS_OK);
	if (status == STATUS_OK)
		status = take_weights(trainer, start, folder);
	free(folder);
	return status;
}
