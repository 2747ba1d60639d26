/* From the trainer's numbers to rows of the run file.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/timer.h"
#include "filter/score.h"
#include "model/config_file.h"

static struct run_filter describe_filter(const struct filter *filter)
{
	bool documents = filter_by_documents(filter);
	uint16_t threshold = documents ? filter->document_threshold : filter->token_threshold;
	return (struct run_filter){ .has_threshold = filter->method != FILTER_NONE && filter->method != FILTER_WEIGHT,
		                    .threshold_score = threshold,
		                    .threshold = score_probability(threshold),
		                    .spared = documents ? filter->document_spared : filter->token_spared };
}

enum status record_begin(struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	const struct model_config *config = job->config;
	struct run_results *results = &trainer->results;
	STATUS_TRY(run_results_set_point(results, job->point, job->point_name));
	results->model = (struct run_model){ .layers = config->layers,
		                             .width = config->width,
		                             .heads = config->heads,
		                             .context = config->context,
		                             .vocabulary = config->vocabulary,
		                             .parameters = model_config_parameters(config),
		                             .embedding_parameters = model_config_embedding_parameters(config),
		                             .details = { config_file_write_details, config } };
	snprintf(results->model.name, sizeof results->model.name, "%s", job->size_name);
	snprintf(results->model.tokenizer, sizeof results->model.tokenizer, "%s",
	         job->tokenizer != NULL ? job->tokenizer : "");
	results->origin = job->origin;
	results->filter = describe_filter(&job->plan->filter);
	snprintf(results->identity, sizeof results->identity, "%s", job->identity);
	return STATUS_OK;
}

enum status record_step(struct trainer *trainer, const struct step_facts *facts)
{
	const struct training_settings *training = trainer->job->training;
	struct run_step row = { .step = trainer->step,
		                .loss = facts->loss,
		                .learning_rate = facts->learning_rate,
		                .gradient_norm = facts->gradient_norm,
		                .forget_distance = facts->forget_distance,
		                .retain_distance = facts->retain_distance,
		                .tokens = trainer->step * training->sequences * training->length,
		                .kept_tokens = trainer->kept,
		                .flops = trainer->flops };
	return run_results_add_step(&trainer->results, &row);
}

enum status record_evaluation(struct trainer *trainer, const struct evaluation_set *set, const char *version)
{
	char name[64];
	snprintf(name, sizeof name, "%s%s", version, domain_name(set->domain));
	struct run_evaluation_row row = { trainer->step, set->loss, set->label_loss };
	STATUS_TRY(run_results_add_evaluation(&trainer->results, name, &row));
	enum status status = run_results_set_documents(&trainer->results, name, set->documents, set->number, set->group,
	                                               set->counted, set->label_tokens, set->nll, set->label_nll);
	return status == STATUS_OK ? trainer_finetune_record(trainer, set) : status;
}

enum status record_answers(struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	for (int i = 0; i < job->question_sets; i++)
		STATUS_TRY(recall_record(&job->questions[i], &trainer->results));
	return STATUS_OK;
}

enum status record_totals(struct trainer *trainer)
{
	const struct trainer_job *job = trainer->job;
	struct run_results *results = &trainer->results;
	struct lane_statistics total = trainer->statistics;
	STATUS_TRY(world_sum_integers(job->trainers, (int64_t *)&total, sizeof total / sizeof(int64_t)));
	for (int domain = 0; domain < DOMAIN_COUNT; domain++)
		if (total.tokens[domain] > 0)
			STATUS_TRY(run_results_set_domain(results, domain_name((enum domain)domain),
			                                  total.tokens[domain], total.filtered[domain]));
	results->has_histogram = total.scored > 0;
	memcpy(results->histogram, total.histogram, sizeof total.histogram);
	double seconds = trainer->seconds + timer_seconds() - trainer->part_begin;
	double tokens = (double)(trainer->step * job->training->sequences * job->training->length);
	results->compute = (struct run_compute){ .nominal_flops = 6 * (double)results->model.parameters * tokens,
		                                 .training_flops = trainer->flops,
		                                 .seconds = seconds,
		                                 .tokens_per_second = seconds > 0 ? tokens / seconds : 0 };
	bool begun = job->start.folder != NULL && !trainer_finetunes(trainer);
	if (begun) { /* what the model cost: it is compared by its pretraining */
		results->compute.nominal_flops = 6 * (double)results->model.parameters * job->start.tokens;
		results->compute.training_flops += job->start.flops;
	}
	results->fork.step = trainer->forked_step;
	if (trainer->forked_step > 0 && (size_t)trainer->forked_step <= results->step_count)
		results->fork.flops = results->steps[trainer->forked_step - 1].flops;
	return STATUS_OK;
}
