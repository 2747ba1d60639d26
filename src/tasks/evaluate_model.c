/* The model of a finished point on held-out text.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "roles/evaluation.h"
#include "roles/recall.h"
#include "tasks/evaluate_parts.h"
#include "tasks/question_settings.h"

enum { ROWS_PER_BATCH = 8 };

static enum status evaluate_domain(struct assessment *assessment, struct model *model,
                                   const struct model_config *config, const char *domain_text,
                                   struct run_results *results)
{
	enum domain domain;
	struct evaluation_set set;
	char name[64];
	int64_t context = config->context;
	bool whole = assessment->trained.whole && model_config_is_routed(config);
	snprintf(name, sizeof name, "%s%s", whole ? RUN_WHOLE_VERSION : "", domain_text);
	STATUS_TRY(domain_from_name(domain_text, &domain));
	enum status status =
		evaluation_set_create(assessment->shards, domain,
	                              parameters_integer(assessment->parameters, "evaluate/documents"), context, &set);
	/* Before the collective part: a rank that failed must not be waited for. */
	status = world_agree(assessment->job->world, status);
	if (status == STATUS_OK && set.documents > 0)
		status = evaluation_run(assessment->job->world, model, ROWS_PER_BATCH, &set);
	if (status == STATUS_OK && set.documents > 0) {
		int64_t last = results->step_count > 0 ? results->steps[results->step_count - 1].step : 0;
		struct run_evaluation_row row = { last, set.loss, set.label_loss };
		status = run_results_add_evaluation(results, name, &row);
		if (status == STATUS_OK)
			status = run_results_set_documents(results, name, set.documents, set.number, set.group,
			                                   set.counted, set.label_tokens, set.nll, set.label_nll);
		log_info("  %-10s %lld documents, loss %.4f, on its own tokens %.4f", name, (long long)set.documents,
		         set.loss, set.label_loss);
	}
	evaluation_set_clear(&set);
	return status;
}

static void say_answers(const struct recall_set *set)
{
	const struct recall_answers *answers = &set->answers[0];
	const char *name = question_set_name(&set->questions);
	char listed[160];
	if (set->questions.name == NULL) {
		log_info("  %-10s %lld questions, %.1f %% right, by chance %.1f %%", name,
		         (long long)set->questions.count, 100 * answers->accuracy, 100 * answers->chance);
		return;
	}
	for (int i = 0; i < set->rules.count; i++, answers++)
		log_info("  %-10s %lld questions, %.1f %% right by %s, by chance %.1f %%%s", name,
		         (long long)answers->asked, 100 * answers->accuracy, recall_rule_name(answers->rule),
		         100 * answers->chance, recall_say_listed(answers, listed, sizeof listed));
}

/* The questions beside the text, or the own ones, where there are some. */
static enum status ask_questions(struct assessment *assessment, struct model *model, int64_t context,
                                 struct run_results *results)
{
	struct recall_set *sets = NULL;
	struct world *world = assessment->job->world;
	int count = 0;
	enum status status =
		world_agree(world, question_settings_open(assessment->parameters, assessment->question_folder,
	                                                  shard_set_facts(assessment->shards), context, &sets, &count));
	recall_say_left_out(sets, count, context);
	for (int i = 0; i < count && status == STATUS_OK; i++) {
		status = world_agree(world, stop_check("asking questions"));
		if (status == STATUS_OK)
			status = recall_run(world, model, ROWS_PER_BATCH, &sets[i]);
		if (status == STATUS_OK)
			status = recall_record(&sets[i], results);
		if (status == STATUS_OK)
			say_answers(&sets[i]);
	}
	recall_close(sets, count);
	return status;
}

/* Its shape and weights, when the text at hand is of its tokenizer. */
static enum status load_model(const struct assessment *assessment, size_t number, const struct run_results *results,
                              struct model_config *config, struct model **model_out)
{
	const struct shard_facts *facts = shard_set_facts(assessment->shards);
	const struct trained_run *trained = &assessment->trained;
	STATUS_TRY(trained_check_tokenizer(trained, number, facts->tokenizer_hash, assessment->folder));
	STATUS_TRY(trained_config(trained, number, results, facts->vocabulary, assessment->folder, config));
	return trained_load(trained, number, results, config, assessment->kernels, assessment->device,
	                    ROWS_PER_BATCH * config->context, model_out);
}

enum status evaluate_model(struct assessment *assessment, size_t number, struct run_results *results)
{
	struct model_config config;
	struct model *model = NULL;
	struct world *world = assessment->job->world;
	STATUS_TRY(world_agree(world, load_model(assessment, number, results, &config, &model)));
	run_results_drop_evaluations(results);
	run_results_drop_questions(results);
	run_results_drop_recovery(results);
	enum status status = STATUS_OK;
	size_t domains = parameters_list_count(assessment->parameters, "evaluate/domains");
	for (size_t i = 0; i < domains && status == STATUS_OK; i++) {
		status = world_agree(world, stop_check("evaluating"));
		if (status == STATUS_OK)
			status = evaluate_domain(assessment, model, &config,
			                         parameters_list_item(assessment->parameters, "evaluate/domains", i),
			                         results);
	}
	if (status == STATUS_OK)
		status = ask_questions(assessment, model, config.context, results);
	model_destroy(model);
	return status;
}
