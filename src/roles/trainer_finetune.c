/* Finetuning until a model knows what was filtered from its text: the target, and when to stop (paper, section 4.3).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "roles/trainer_state.h"

bool trainer_finetunes(const struct trainer *trainer)
{
	return trainer->job->training->finetune.interval > 0;
}

bool trainer_is_forget(const struct evaluation_set *set)
{
	return set->domain == DOMAIN_FORGET;
}

static struct evaluation_set *forget_set(const struct trainer *trainer)
{
	for (int i = 0; i < trainer->job->set_count; i++)
		if (trainer_is_forget(&trainer->job->sets[i]))
			return &trainer->job->sets[i];
	return NULL;
}

bool trainer_finetune_due(const struct trainer *trainer)
{
	return trainer_finetunes(trainer) && trainer->step % trainer->job->training->finetune.interval == 0;
}

/* Evaluations in a row, up to the last, at the target or below. */
static int64_t evaluations_at_target(const struct run_results *results)
{
	int64_t count = 0;
	for (size_t i = 0; i < results->evaluation_count; i++) {
		const struct run_evaluation *evaluation = &results->evaluations[i];
		if (strcmp(evaluation->set, domain_name(DOMAIN_FORGET)) != 0)
			continue;
		for (size_t row = evaluation->row_count; row-- > 0; count++)
			if (!(evaluation->rows[row].loss <= results->recovery.target))
				break;
	}
	return count;
}

bool trainer_has_recovered(const struct trainer *trainer)
{
	int64_t patience = trainer->job->training->finetune.patience;
	return trainer_finetunes(trainer) && patience > 0 && evaluations_at_target(&trainer->results) >= patience;
}

enum status trainer_finetune_begin(struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	struct evaluation_set *set = forget_set(trainer);
	double target = job->training->finetune.target;
	if (set == NULL) /* the task has checked it */
		return world_agree(job->trainers, error_raise(STATUS_INTERNAL, "%s: no forget set", job->label));
	if (job->baseline.folder == NULL)
		return world_agree(job->trainers,
		                   run_results_set_target(&trainer->results, target, set->documents, NULL));
	STATUS_TRY(trainer_take_weights(trainer, &job->baseline));
	STATUS_TRY(evaluation_run(job->trainers, trainer->model, trainer->rows / job->training->length, set));
	log_info("%s  target: forget loss %.4f, of %s", job->label, set->loss, job->baseline.folder);
	return world_agree(job->trainers,
	                   run_results_set_target(&trainer->results, set->loss, set->documents, set->nll));
}

void trainer_finetune_say(const struct trainer *trainer)
{
	const struct evaluation_set *set = trainer_finetunes(trainer) ? forget_set(trainer) : NULL;
	if (set != NULL)
		log_info("%s  step %lld  forget loss %.4f, target %.4f", trainer->job->label, (long long)trainer->step,
		         set->loss, trainer->results.recovery.target);
}

enum status trainer_finetune_record(struct trainer *trainer, const struct evaluation_set *set)
{
	if (!trainer_finetunes(trainer) || !trainer_is_forget(set))
		return STATUS_OK;
	return run_results_add_recovery(&trainer->results, trainer->step, set->nll);
}
