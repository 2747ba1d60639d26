/* One training step over the slots of this trainer.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/stop.h"
#include "base/timer.h"
#include "roles/steering.h"
#include "roles/trainer_state.h"

/* Per slot: what every trainer must know of every slot. */
enum { SUM_LOSS, SUM_WEIGHT, SUM_ROWS, SUM_FLAGS, SUM_COUNT };
enum { FLAG_STOP = 1, FLAG_SAVE = 2, FLAG_WRITTEN = 4, FLAG_FAILED = 8 };
enum { MOST_BARREN_STEPS = 1000 };

static enum status read_windows(struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	int64_t length = job->training->length;
	bool active = trainer->step >= job->plan->filter.begin_step;
	for (int64_t lane = 0; lane < trainer->slots_here * trainer->slot_lanes; lane++) {
		int64_t at = lane * length;
		STATUS_TRY(lane_next(trainer->lanes[lane], job->provider, active, length, trainer->inputs + at,
		                     trainer->targets + at, trainer->weights + at, trainer->starts + at,
		                     trainer->routes != NULL ? trainer->routes + at : NULL, &trainer->statistics));
	}
	/* Another trainer, group or job may want the block that is next here. */
	return provider_pause(job->provider);
}

/* checkpoint_interval auto: the first trainer's clock decides. A checkpoint is due half a minute after the last one, or
 * later where saving is slow: it is to stop training for less than 2 % of the time, and the disk, which others use as well,
 * is to be busy with it for a third of the time at most. */
static bool checkpoint_due(const struct trainer *trainer)
{
	enum { SHORTEST = 30, SHARE = 50, WRITTEN_SHARE = 2 };
	double interval = fmax(SHORTEST, fmax(SHARE * trainer->save_seconds, WRITTEN_SHARE * trainer->written_seconds));
	return trainer->job->trainers->rank == 0 && trainer->job->training->checkpoint_interval == 0 &&
	       !trainer_saving(trainer) && timer_seconds() - trainer->saved_at > interval;
}

/* From asking until all is saved, carefully: this step, with what may follow it, the rest of a checkpoint that is being
 * written, and another one. */
static double seconds_to_stop(const struct trainer *trainer)
{
	return 2 * trainer->longest_round + 3 * trainer_written_seconds(trainer);
}

/* Sums of the weights of each slot, of all trainers: known before any gradient, as the loss is divided by their total. */
static enum status gather_weights(struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	bool others_ended = job->leaders != NULL && leaders_stop_heard(job->leaders);
	int flags = (others_ended || stop_asked(seconds_to_stop(trainer)) ? FLAG_STOP : 0) |
	            (stop_checkpoint_asked() || checkpoint_due(trainer) ? FLAG_SAVE : 0) |
	            (trainer_part_done(trainer) ? FLAG_WRITTEN : 0) | (trainer_part_failed(trainer) ? FLAG_FAILED : 0);
	for (int64_t slot = 0; slot < trainer->slots_here; slot++) {
		double sum = 0, rows = 0;
		for (int64_t row = slot * trainer->rows; row < (slot + 1) * trainer->rows; row++) {
			sum += (double)trainer->weights[row];
			rows += trainer->weights[row] != 0;
		}
		double *own = trainer->own_sums + slot * SUM_COUNT;
		own[SUM_LOSS] = 0;
		own[SUM_WEIGHT] = sum;
		own[SUM_ROWS] = rows;
		own[SUM_FLAGS] = flags;
	}
	return world_all_gather(job->trainers, trainer->own_sums, (int)(trainer->slots_here * SUM_COUNT), MPI_DOUBLE,
	                        trainer->slot_sums);
}

/* Adds the finished slot (in the model's gradient arena) into the tree, as a binary counter adds one: a subtree whose
 * neighbour is there is added to it. For all slots but the last. */
static enum status add_slot(struct trainer *trainer, int64_t slot)
{
	const struct kernels *kernels = trainer->job->kernels;
	struct device *device = trainer->job->device;
	float *gradients = model_gradients(trainer->model, NULL);
	size_t bytes = (size_t)trainer->arena * sizeof *gradients;
	int level = 0;
	for (; slot >> level & 1; level++)
		STATUS_TRY(kernels->add(device, gradients, trainer->partial[level], (size_t)trainer->arena));
	STATUS_TRY(kernels->clear(device, trainer->partial[level], bytes));
	STATUS_TRY(kernels->add(device, trainer->partial[level], gradients, (size_t)trainer->arena));
	return model_clear_gradients(trainer->model);
}

/* In the last slot all subtrees find their neighbour: its gradients from `begin` on, now complete, become the sum of all own
 * slots, and are on their way to the other trainers while the backward pass goes on. */
static enum status last_gradients_ready(void *state, int64_t begin)
{
	struct trainer *trainer = state;
	const struct kernels *kernels = trainer->job->kernels;
	float *gradients = model_gradients(trainer->model, NULL);
	size_t count = (size_t)(trainer->unready - begin);
	for (int level = 0; (int64_t)1 << level < trainer->slots_here && count > 0; level++)
		STATUS_TRY(
			kernels->add(trainer->job->device, gradients + begin, trainer->partial[level] + begin, count));
	trainer->unready = begin;
	return gradient_sum_ready(trainer->sum, begin);
}

static enum status weights_needed(void *state, int64_t end)
{
	const struct trainer *trainer = state;
	return gradient_sum_need(trainer->sum, end);
}

/* One slot's gradients, added to those of the others. */
static enum status slot_gradient(struct trainer *trainer, int64_t slot, const struct model_batch *batch, double divisor,
                                 double *loss)
{
	bool last = slot == trainer->slots_here - 1;
	const struct model_hooks hooks = { .gradients_ready = last ? last_gradients_ready : NULL,
		                           .weights_needed = weights_needed,
		                           .state = trainer };
	trainer->unready = trainer->arena;
	model_set_hooks(trainer->model, &hooks);
	if (trainer->steering != NULL)
		STATUS_TRY(steering_gradient(trainer, trainer->job->trainers->rank * trainer->slots_here + slot, batch,
		                             loss));
	else if (divisor > 0)
		STATUS_TRY(model_loss_gradient_begin(trainer->model, batch, 1 / divisor, loss));
	/* A slot without a kept row has no backward pass. */
	return last ? last_gradients_ready(trainer, 0) : add_slot(trainer, slot);
}

struct model_batch trainer_slot_batch(const struct trainer *trainer, int64_t slot)
{
	const struct training_settings *training = trainer->job->training;
	/* Questions are asked one by one, so a letter is learned from its own alone. */
	bool inside = training->document_attention || trainer->job->plan->filter.learned.blank > 0;
	int64_t at = slot * trainer->rows;
	return (struct model_batch){ .sequences = trainer->slot_lanes,
		                     .length = training->length,
		                     .inputs = trainer->inputs + at,
		                     .targets = trainer->targets + at,
		                     .weights = trainer->weights + at,
		                     .starts = inside ? trainer->starts + at : NULL,
		                     .routes = trainer->routes != NULL ? trainer->routes + at : NULL };
}

static enum status slot_gradients(struct trainer *trainer, double total_weight)
{
	const struct training_settings *training = trainer->job->training;
	STATUS_TRY(model_clear_gradients(trainer->model));
	for (int64_t slot = 0; slot < trainer->slots_here; slot++) {
		double *own = trainer->own_sums + slot * SUM_COUNT;
		const struct model_batch batch = trainer_slot_batch(trainer, slot);
		/* compat: the mean over slots of each slot's own mean (method.md 3.2) */
		double divisor = training->micro_batch_mean ? own[SUM_WEIGHT] * (double)training->slots : total_weight;
		STATUS_TRY(slot_gradient(trainer, slot, &batch, divisor, &own[SUM_LOSS]));
		world_progress(trainer->job->trainers); /* blocks come in meanwhile */
	}
	return STATUS_OK;
}

/* Waits for what the device of this trainer has to do. */
static enum status await_gradients(struct trainer *trainer)
{
	STATUS_TRY(gradient_sum_await(trainer->sum));
	return model_loss_gradient_end(trainer->model);
}

/* Sums over trainers, then the norm of the whole gradient. */
static enum status reduce(struct trainer *trainer, double *norm_out)
{
	double squares;
	STATUS_TRY(gradient_sum_finish(trainer->sum));
	STATUS_TRY(gradient_sum_squares(trainer->sum, &squares));
	*norm_out = sqrt(squares);
	return STATUS_OK;
}

static enum status update(struct trainer *trainer, double norm, double factor)
{
	const struct trainer_job *job = trainer->job;
	double clip = job->training->optimiser.clip_norm;
	double scale = clip > 0 && norm > clip ? clip / norm : 1;
	STATUS_TRY(optimiser_step(trainer->optimiser, model_gradients(trainer->model, NULL), trainer->step + 1, factor,
	                          scale));
	return gradient_sum_share(trainer->sum);
}

/* Loss, weight and rows of the step in slot order: the same on every trainer. */
static enum status gather_losses(struct trainer *trainer, struct step_facts *facts, double *rows_out)
{
	const struct trainer_job *job = trainer->job;
	STATUS_TRY(world_all_gather(job->trainers, trainer->own_sums, (int)(trainer->slots_here * SUM_COUNT),
	                            MPI_DOUBLE, trainer->slot_sums));
	double loss = 0, weight = 0, rows = 0, means = 0;
	facts->save_done = true;
	for (int64_t slot = 0; slot < job->training->slots; slot++) {
		const double *sums = trainer->slot_sums + slot * SUM_COUNT;
		loss += sums[SUM_LOSS];
		weight += sums[SUM_WEIGHT];
		rows += sums[SUM_ROWS];
		if (sums[SUM_WEIGHT] > 0)
			means += sums[SUM_LOSS] / sums[SUM_WEIGHT] / (double)job->training->slots;
		facts->stop |= ((int)sums[SUM_FLAGS] & FLAG_STOP) != 0;
		facts->save |= ((int)sums[SUM_FLAGS] & FLAG_SAVE) != 0;
		facts->save_done &= ((int)sums[SUM_FLAGS] & FLAG_WRITTEN) != 0;
		facts->save_failed |= ((int)sums[SUM_FLAGS] & FLAG_FAILED) != 0;
	}
	facts->weight = weight;
	facts->loss = job->training->micro_batch_mean ? means : weight > 0 ? loss / weight : NAN;
	facts->forget_distance = facts->retain_distance = NAN;
	if (trainer->steering != NULL)
		steering_losses(trainer, trainer->slot_sums + SUM_LOSS, SUM_COUNT, facts);
	*rows_out = rows;
	return STATUS_OK;
}

enum status trainer_step(struct trainer *trainer, struct step_facts *facts)
{
	const struct trainer_job *job = trainer->job;
	const struct training_settings *training = job->training;
	double *clocks = job->timers->seconds, since = timer_seconds(), before = clocks[ACTIVITY_WAIT_BLOCK];
	double waited = before + clocks[ACTIVITY_READ] + clocks[ACTIVITY_SCORE];
	*facts = (struct step_facts){ .loss = NAN };
	STATUS_TRY(read_windows(trainer));
	/* Providers keep their own clocks. */
	since += clocks[ACTIVITY_WAIT_BLOCK] + clocks[ACTIVITY_READ] + clocks[ACTIVITY_SCORE] - waited;
	if (trainer->step == trainer->first_step) {
		clocks[ACTIVITY_FILL] += clocks[ACTIVITY_WAIT_BLOCK] - before;
		clocks[ACTIVITY_WAIT_BLOCK] = before;
	}
	timers_add(job->timers, ACTIVITY_TRAIN, &since);
	STATUS_TRY(gather_weights(trainer));
	timers_add(job->timers, ACTIVITY_REDUCE, &since);
	double total = 0, rows;
	for (int64_t slot = 0; slot < training->slots; slot++)
		total += trainer->slot_sums[slot * SUM_COUNT + SUM_WEIGHT];
	STATUS_TRY(slot_gradients(trainer, total));
	STATUS_TRY(await_gradients(trainer));
	timers_add(job->timers, ACTIVITY_TRAIN, &since);
	STATUS_TRY(reduce(trainer, &facts->gradient_norm));
	STATUS_TRY(gather_losses(trainer, facts, &rows));
	timers_add(job->timers, ACTIVITY_REDUCE, &since);
	double factor = schedule_factor(training->schedule, trainer->step, training->steps, training->warmup_steps,
	                                training->final_factor, training->decay_share);
	facts->learning_rate = training->optimiser.learning_rate * factor;
	if (total > 0 && !(isfinite(facts->loss) && isfinite(facts->gradient_norm)))
		return error_raise(STATUS_NUMERIC,
		                   "%s: step %lld has loss %g and gradient norm %g: training has diverged; lower "
		                   "train/learning_rate (the last checkpoint is kept)",
		                   job->label, (long long)trainer->step + 1, facts->loss, facts->gradient_norm);
	if (total > 0) /* a step without a single kept token changes nothing */
		STATUS_TRY(update(trainer, facts->gradient_norm, factor));
	timers_add(job->timers, ACTIVITY_TRAIN, &since);
	int64_t tokens = training->sequences * training->length;
	trainer->barren = total > 0 ? 0 : trainer->barren + 1;
	if (training->budget_kept && trainer->barren >= MOST_BARREN_STEPS)
		return error_raise(STATUS_NUMERIC,
		                   "%s: %d steps in a row without a token that the filter keeps: train/budget = "
		                   "kept would never end; raise filter/token_threshold",
		                   job->label, MOST_BARREN_STEPS);
	trainer->step++;
	trainer->kept += facts->weight;
	trainer->flops += (double)tokens *
	                  (trainer->steering != NULL
	                           ? steering_flops(job->config, training)
	                           : model_config_training_flops(job->config, training->length, rows / (double)tokens));
	job->timers->trained_tokens += trainer->slots_here * trainer->rows;
	return STATUS_OK;
}
