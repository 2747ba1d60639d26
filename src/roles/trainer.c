/* The life of a trainer: set-up, the loop over steps, evaluations, checkpoints, progress.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/timer.h"
#include "roles/record.h"
#include "roles/steering.h"
#include "roles/trainer_state.h"

static enum status create_lanes(struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	int64_t count = trainer->slots_here * trainer->slot_lanes;
	trainer->lanes = memory_allocate((size_t)count, sizeof *trainer->lanes);
	size_t cells = (size_t)(trainer->slots_here * trainer->rows);
	trainer->inputs = memory_allocate(cells, sizeof *trainer->inputs);
	trainer->targets = memory_allocate(cells, sizeof *trainer->targets);
	trainer->starts = memory_allocate(cells, sizeof *trainer->starts);
	trainer->weights = memory_allocate(cells, sizeof *trainer->weights);
	if (model_config_is_routed(job->config) &&
	    (trainer->routes = memory_allocate(cells, sizeof *trainer->routes)) == NULL)
		return STATUS_ENVIRONMENT;
	trainer->own_sums = memory_allocate((size_t)trainer->slots_here, 4 * sizeof *trainer->own_sums);
	trainer->slot_sums = memory_allocate((size_t)job->training->slots, 4 * sizeof *trainer->slot_sums);
	return trainer->lanes != NULL && trainer->inputs != NULL && trainer->targets != NULL &&
	                       trainer->starts != NULL && trainer->weights != NULL && trainer->own_sums != NULL &&
	                       trainer->slot_sums != NULL
	               ? STATUS_OK
	               : STATUS_ENVIRONMENT;
}

static enum status create_sum(struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	struct gradient_sum_setup setup = { .trainers = job->trainers,
		                            .kernels = job->kernels,
		                            .device = job->device,
		                            .gradients = model_gradients(trainer->model, NULL),
		                            .weights = model_weights(trainer->model),
		                            .count = trainer->arena,
		                            .borders = trainer->borders,
		                            .border_count = job->config->layers,
		                            .least_bucket = job->training->bucket,
		                            .exchange = job->training->exchange,
		                            .deterministic = job->training->deterministic };
	model_borders(trainer->model, trainer->borders);
	return gradient_sum_create(&setup, &trainer->sum);
}

static enum status create_model(struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	if (job->kernels->device_allow_any_order != NULL)
		job->kernels->device_allow_any_order(job->device, !job->training->deterministic);
	STATUS_TRY(model_create(job->kernels, job->device, job->config, trainer->rows, true, &trainer->model));
	STATUS_TRY(model_initialise(trainer->model, job->training->seed));
	model_parameters(trainer->model, &trainer->arena);
	return STATUS_OK;
}

static enum status create_optimiser(struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	if (job->trainers->size > 1 && job->kernels->peers != NULL)
		log_info("%s  gradients go %s", job->label, gradient_sum_describe(trainer->sum));
	trainer->pieces = gradient_sum_pieces(trainer->sum, &trainer->piece_count);
	for (int i = 0; i < trainer->piece_count; i++)
		trainer->piece_elements += arena_piece_count(trainer->pieces[i]);
	STATUS_TRY(optimiser_create(job->kernels, job->device, trainer->model, &job->training->optimiser,
	                            trainer->pieces, trainer->piece_count, &trainer->optimiser));
	for (int level = 0; (int64_t)1 << level < trainer->slots_here; level++) {
		trainer->partial[level] = job->kernels->allocate(job->device, (size_t)trainer->arena * sizeof(float));
		if (trainer->partial[level] == NULL)
			return STATUS_ENVIRONMENT;
	}
	return STATUS_OK;
}

/* What needs nobody else. */
static enum status create_own(struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	const struct training_settings *training = job->training;
	trainer->slots_here = training->slots / job->trainers->size;
	trainer->slot_lanes = training->sequences / training->slots;
	trainer->rows = trainer->slot_lanes * training->length;
	trainer->borders = memory_allocate((size_t)job->config->layers, sizeof *trainer->borders);
	if (trainer->borders == NULL)
		return STATUS_ENVIRONMENT;
	STATUS_TRY(create_lanes(trainer));
	return create_model(trainer);
}

/* Collective. A trainer without memory for its model must not leave the others in calls that it never makes. */
static enum status create(struct trainer *trainer, const struct trainer_job *job)
{
	*trainer = (struct trainer){ .job = job };
	STATUS_TRY(world_agree(job->trainers, create_own(trainer)));
	STATUS_TRY(create_sum(trainer));
	STATUS_TRY(create_optimiser(trainer));
	return record_begin(trainer);
}

static void destroy(struct trainer *trainer, bool orderly)
{
	const struct trainer_job *job = trainer->job;
	/* First: a device that waits for another one is let go, or memory of it could not be released. */
	gradient_sum_destroy(trainer->sum, orderly);
	saver_destroy(trainer->saver);
	for (int64_t i = 0; trainer->lanes != NULL && i < trainer->slots_here * trainer->slot_lanes; i++)
		lane_destroy(trainer->lanes[i]);
	for (int level = 0; level < DEEPEST_TREE; level++)
		if (trainer->partial[level] != NULL)
			job->kernels->release(job->device, trainer->partial[level]);
	optimiser_destroy(trainer->optimiser);
	steering_destroy(trainer->steering);
	model_destroy(trainer->model);
	run_results_clear(&trainer->results);
	free(trainer->borders);
	free(trainer->lanes);
	free(trainer->inputs);
	free(trainer->targets);
	free(trainer->starts);
	free(trainer->weights);
	free(trainer->routes);
	free(trainer->own_sums);
	free(trainer->slot_sums);
}

/* Blocks for every lane are asked for before the first is needed: the first of all lanes, then the second ones. */
static enum status request_ahead(struct trainer *trainer)
{
	for (int ahead = 1; ahead <= trainer->job->plan->depth; ahead++)
		for (int64_t i = 0; i < trainer->slots_here * trainer->slot_lanes; i++)
			STATUS_TRY(lane_request(trainer->lanes[i], trainer->job->provider, ahead));
	return STATUS_OK;
}

static void say_recall(const struct trainer_job *job, const struct recall_set *set)
{
	const struct recall_answers *answers = &set->answers[0];
	const char *name = question_set_name(&set->questions);
	char listed[160];
	if (set->questions.name == NULL)
		log_info("%s  recall of %s facts %.1f %%, by chance %.1f %%", job->label, name, 100 * answers->accuracy,
		         100 * answers->chance);
	else
		log_info("%s  %s: %lld questions, %.1f %% right by %s, by chance %.1f %%%s", job->label, name,
		         (long long)answers->asked, 100 * answers->accuracy, recall_rule_name(answers->rule),
		         100 * answers->chance, recall_say_listed(answers, listed, sizeof listed));
}

/* Finetuning looks at the forget set more often than at the rest. */
enum part { PART_FORGET = 1, PART_REST = 2, PART_ALL = PART_FORGET | PART_REST };

static enum status ask_questions(struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	for (int i = 0; i < job->question_sets; i++) {
		struct recall_set *set = &job->questions[i];
		STATUS_TRY(recall_run(job->trainers, trainer->model, trainer->rows / job->training->length, set));
		say_recall(job, set);
	}
	return record_answers(trainer);
}

static enum status evaluate_sets(struct trainer *trainer, enum part part, const char *version)
{
	const struct trainer_job *job = trainer->job;
	int64_t rows = trainer->rows / job->training->length; /* as many sequences as a slot has */
	for (int i = 0; i < job->set_count; i++) {
		struct evaluation_set *set = &job->sets[i];
		if ((part & (trainer_is_forget(set) ? PART_FORGET : PART_REST)) == 0)
			continue;
		STATUS_TRY(evaluation_run(job->trainers, trainer->model, rows, set));
		STATUS_TRY(record_evaluation(trainer, set, version));
	}
	return STATUS_OK;
}

/* A model with a forget part is two: the one without it, which is meant wherever no version is named, and the whole. */
static enum status evaluate_versions(struct trainer *trainer, enum part part)
{
	if (!model_config_is_routed(trainer->job->config))
		return evaluate_sets(trainer, part, "");
	STATUS_TRY(evaluate_sets(trainer, part, RUN_WHOLE_VERSION));
	STATUS_TRY(model_set_ablated(trainer->model, true));
	return evaluate_sets(trainer, part, "");
}

static enum status evaluate(struct trainer *trainer, enum part part)
{
	const struct trainer_job *job = trainer->job;
	double since = timer_seconds();
	STATUS_TRY(gradient_sum_settle(trainer->sum));
	STATUS_TRY(evaluate_versions(trainer, part));
	if ((part & PART_REST) != 0) {
		trainer_finetune_say(trainer);
		STATUS_TRY(ask_questions(trainer));
	}
	if (model_config_is_routed(job->config))
		STATUS_TRY(model_set_ablated(trainer->model, false));
	timers_add(job->timers, ACTIVITY_EVALUATE, &since);
	return STATUS_OK;
}

static bool finished(const struct trainer *trainer)
{
	const struct training_settings *training = trainer->job->training;
	if (trainer_has_recovered(trainer))
		return true;
	if (training->budget_kept)
		return trainer->kept >= (double)training->tokens;
	return trainer->step >= training->steps;
}

static void print_progress(const struct trainer *trainer, const struct step_facts *facts)
{
	const struct trainer_job *job = trainer->job;
	const struct training_settings *training = job->training;
	double elapsed = timer_seconds() - trainer->part_begin;
	int64_t per_step = training->sequences * training->length;
	double rate = (double)((trainer->step - trainer->first_step) * per_step) / elapsed;
	double done = training->budget_kept ? trainer->kept / (double)training->tokens
	                                    : (double)trainer->step / (double)training->steps;
	double seen = (double)(trainer->step * per_step);
	double left = done > 0 ? (1 / done - 1) * seen / rate : NAN;
	char rate_text[32], left_text[32], parts[80] = "";
	if (trainer->steering != NULL)
		snprintf(parts, sizeof parts, "forget %.4g  retain %.4g", facts->forget_distance,
		         facts->retain_distance);
	else
		snprintf(parts, sizeof parts, "kept %.1f %%", 100 * trainer->kept / seen);
	log_info("%s  step %lld/%lld  loss %.4f  norm %.2f  %s  %s tokens/s  left %s", job->label,
	         (long long)trainer->step, (long long)training->steps, facts->loss, facts->gradient_norm, parts,
	         text_count(round(rate), rate_text, sizeof rate_text),
	         text_duration(left, left_text, sizeof left_text));
}

static bool evaluation_due(const struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	int64_t interval = (int64_t)(job->evaluation_interval * (double)job->training->steps);
	return interval > 0 && trainer->step % interval == 0;
}

static bool checkpoint_is_due(const struct trainer *trainer)
{
	const struct training_settings *training = trainer->job->training;
	for (int i = 0; i < training->kept_step_count; i++)
		if (training->kept_steps[i] == trainer->step)
			return true;
	return training->checkpoint_interval > 0 && trainer->step % training->checkpoint_interval == 0;
}

/* What follows a step: evaluation, checkpoint, stopping. */
static enum status after_step(struct trainer *trainer, const struct step_facts *facts)
{
	const struct training_settings *training = trainer->job->training;
	bool all = evaluation_due(trainer);
	bool stop = facts->stop ||
	            (training->stop_after > 0 && trainer->step - trainer->first_step >= training->stop_after);
	STATUS_TRY(record_step(trainer, facts));
	STATUS_TRY(trainer_save_advance(trainer, facts));
	if (trainer_finetune_due(trainer) && !all)
		STATUS_TRY(evaluate(trainer, PART_FORGET));
	bool end = finished(trainer);
	if (all || end)
		STATUS_TRY(evaluate(trainer, PART_ALL));
	end = end || finished(trainer);
	if (end || stop || facts->save || checkpoint_is_due(trainer)) {
		double begin = timer_seconds(), since = begin;
		STATUS_TRY(gradient_sum_settle(trainer->sum));
		STATUS_TRY(trainer_save(trainer, end));
		if (end || stop)
			STATUS_TRY(trainer_save_wait(trainer));
		timers_add(trainer->job->timers, ACTIVITY_CHECKPOINT, &since);
		trainer->save_seconds = since - begin;
		trainer->save_total += trainer->save_seconds;
	}
	if (stop && !end)
		return error_raise(STATUS_STOPPED,
		                   "%s: stopped %s after step %lld with a checkpoint; the same command continues",
		                   trainer->job->label, stop_reason(), (long long)trainer->step);
	return STATUS_OK;
}

/* Finetuning is measured from before its first step, which may be its end. */
static enum status evaluate_start(struct trainer *trainer)
{
	STATUS_TRY(evaluate(trainer, PART_ALL));
	if (!finished(trainer))
		return STATUS_OK;
	STATUS_TRY(trainer_save(trainer, true));
	return trainer_save_wait(trainer);
}

static enum status loop(struct trainer *trainer)
{
	const struct training_settings *training = trainer->job->training;
	double last_line = timer_seconds();
	trainer->part_begin = trainer->saved_at = last_line;
	trainer->first_step = trainer->step;
	if (finished(trainer)) /* killed between the last checkpoint and the run file */
		return trainer_write_results(trainer, true);
	STATUS_TRY(world_agree(trainer->job->trainers, saver_create(trainer)));
	if (trainer->step == 0 && trainer_finetunes(trainer))
		STATUS_TRY(evaluate_start(trainer));
	while (!finished(trainer)) {
		struct step_facts facts;
		double begin = timer_seconds(), saving = trainer->save_total;
		STATUS_TRY(trainer_step(trainer, &facts));
		if (timer_seconds() - last_line >= training->log_interval || finished(trainer)) {
			print_progress(trainer, &facts);
			last_line = timer_seconds();
		}
		STATUS_TRY(after_step(trainer, &facts));
		trainer->longest_round =
			fmax(trainer->longest_round, timer_seconds() - begin - (trainer->save_total - saving));
	}
	return STATUS_OK;
}

enum status trainer_run(const struct trainer_job *job)
{
	struct trainer trainer;
	job->trainers->progress = job->progress;
	job->trainers->progress_state = job->progress_state;
	provider_set_progress(job->provider, job->progress, job->progress_state);
	enum status status = world_agree(job->trainers, create(&trainer, job));
	if (status == STATUS_OK)
		status = trainer_restore(&trainer);
	if (status == STATUS_OK)
		status = request_ahead(&trainer);
	if (status == STATUS_OK)
		status = loop(&trainer);
	/* These are known to every trainer without a word: all saw the same numbers. The checkpoint from before it went wrong,
	 * which may still be being written, is to stay. */
	if (status == STATUS_NUMERIC) {
		enum status written = trainer_save_wait(&trainer);
		status = written == STATUS_OK ? status : written;
	}
	if (status == STATUS_STOPPED || status == STATUS_NUMERIC)
		status = world_agree(job->trainers, status);
	bool orderly = status == STATUS_OK || job->trainers->failure_agreed;
	enum status closing = orderly ? provider_drain(job->provider) : STATUS_OK;
	provider_set_progress(job->provider, NULL, NULL);
	job->trainers->progress = NULL;
	status = status != STATUS_OK ? status : closing;
	/* What the thread that saves is still writing would keep all others waiting, on a slow disk for long. A single process
	 * waits for it below: that checkpoint is sound. */
	if (status != STATUS_OK && !job->trainers->failure_agreed)
		world_abort(job->trainers, status);
	destroy(&trainer, orderly && closing == STATUS_OK);
	return status;
}
