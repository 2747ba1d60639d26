/* Beginning a run from the checkpoint of another one, its trunk, that took the same steps until then: a long run at a
 * constant learning rate carries many short ones that only cool down (paper's runs are cosine; warm-up, stable, decay).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "roles/trainer_state.h"

static double planned_factor(const struct training_settings *training, int64_t step)
{
	return schedule_factor(training->schedule, step, training->steps, training->warmup_steps,
	                       training->final_factor, training->decay_share);
}

/* Steps after which the learning rate has not begun to fall. */
static int64_t steps_before_decay(const struct training_settings *training)
{
	int64_t steps = training->steps;
	while (steps > 0 && planned_factor(training, steps - 1) < 1)
		steps--;
	return steps;
}

/* The trunk has taken each of its steps as this run would have. */
static enum status check_learning_rates(const struct trainer *trainer)
{
	const struct training_settings *training = trainer->job->training;
	const struct run_results *results = &trainer->results;
	for (size_t i = 0; i < results->step_count; i++) {
		const struct run_step *row = &results->steps[i];
		double own = training->optimiser.learning_rate * planned_factor(training, row->step - 1);
		if (own != row->learning_rate)
			return error_raise(
				STATUS_DATA,
				"train/trunk: the learning rate of step %lld was %g in %s, but would be %g here: give "
				"both runs the same train/warmup_tokens, and a schedule that is constant before it falls",
				(long long)row->step, row->learning_rate, trainer->job->trunk_folder, own);
	}
	return STATUS_OK;
}

static enum status fork_from(struct trainer *trainer, const char *folder)
{
	const struct trainer_job *job = trainer->job;
	int64_t step, most = steps_before_decay(job->training);
	STATUS_TRY(trainer_find_checkpoint(trainer, folder, job->trunk_identity, most, &step));
	if (step < 0)
		return world_agree(
			job->trainers,
			error_raise(STATUS_DATA,
		                    "%s holds no checkpoint of step %lld or before, where the learning rate of "
		                    "%s begins to fall: give the trunk's run/checkpoint_shares that share of its "
		                    "length",
		                    folder, (long long)most, job->label));
	STATUS_TRY(trainer_restore_from(trainer, folder, step));
	STATUS_TRY(world_agree(job->trainers, check_learning_rates(trainer)));
	/* Evaluations are made at shares of a run, and the shares of the trunk are not those of this one. */
	run_results_drop_evaluations(&trainer->results);
	trainer->forked_step = step;
	char *of = text_format(" of %s", job->trunk_folder);
	enum status status = world_agree(job->trainers, of == NULL ? STATUS_ENVIRONMENT : STATUS_OK);
	if (status == STATUS_OK)
		status = trainer_say_restored(trainer, folder, step, "begins from", of);
	free(of);
	return status;
}

enum status trainer_fork(struct trainer *trainer)
{
	char *folder = text_join_path(trainer->job->trunk_folder, "checkpoints");
	enum status status = world_agree(trainer->job->trainers, folder == NULL ? STATUS_ENVIRONMENT : STATUS_OK);
	if (status == STATUS_OK)
		status = fork_from(trainer, folder);
	free(folder);
	return status;
}
