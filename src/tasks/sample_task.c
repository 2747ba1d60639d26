/* task = sample: text from the finished models of a pretrain run.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "tasks/guard.h"
#include "tasks/sample_parts.h"

/* What only a chat has. */
static enum status check_chat_keys(const struct sampling_work *work)
{
	size_t talk = prompt_set_conversation(&work->prompts);
	if (parameters_boolean(work->parameters, "sample/chat"))
		return STATUS_OK;
	if (parameters_text(work->parameters, "sample/system")[0] != '\0')
		return error_raise(STATUS_USAGE, "%s: sample/system is for sample/chat = on",
		                   parameters_origin(work->parameters, "sample/system"));
	if (talk < work->prompts.count)
		return error_raise(STATUS_USAGE,
		                   "sample/prompts: line %llu has \"messages\", which are for sample/chat = on",
		                   (unsigned long long)work->prompts.prompts[talk].line);
	return STATUS_OK;
}

/* Prompts and expressions; every rank reads them. */
static enum status open_work(struct sampling_work *work, struct job *job)
{
	const struct parameters *parameters = sweep_point(job->sweep, 0);
	const char *path = parameters_text(parameters, "sample/prompts");
	const char *prompt = parameters_text(parameters, "sample/prompt");
	const char *phrases = parameters_text(parameters, "sample/phrases");
	work->job = job;
	work->parameters = parameters;
	work->output = parameters_text(parameters, "run/output");
	if ((path[0] == '\0') == (prompt[0] == '\0'))
		return error_raise(STATUS_USAGE,
		                   "%s: either sample/prompts, a file of JSON lines, or sample/prompt, one text, "
		                   "says what the models go on from%s",
		                   job->input_name, path[0] == '\0' ? "" : ", not both");
	STATUS_TRY(trained_open(job->world, "sample/run", parameters_text(parameters, "sample/run"), work->output,
	                        &work->trained));
	STATUS_TRY(trained_choose(&work->trained, parameters, "sample/points"));
	work->trained.whole = strcmp(parameters_text(parameters, "run/routed"), "whole") == 0;
	enum status status = path[0] == '\0' ? prompt_set_single(prompt, &work->prompts)
	                                     : prompt_set_read(path, parameters_text(parameters, "sample/prompt_key"),
	                                                       &work->prompts);
	if (status != STATUS_OK)
		return error_context(status, path[0] == '\0' ? "sample/prompt" : "sample/prompts");
	STATUS_TRY(check_chat_keys(work));
	status = phrases[0] == '\0' ? STATUS_OK : phrases_read(phrases, &work->phrases);
	return status == STATUS_OK ? STATUS_OK : error_context(status, "sample/phrases");
}

static void close_work(struct sampling_work *work)
{
	if (work->opened)
		devices_close(&work->devices);
	trained_close(&work->trained);
	prompt_set_clear(&work->prompts);
	phrases_destroy(work->phrases);
	tokenizer_destroy(work->tokenizer);
	free(work->folder);
	free(work->excluded);
	free(work->ids);
	free(work->begin);
}

enum status task_sample(struct job *job)
{
	struct sampling_work work = { 0 };
	enum status status = world_agree(job->world, open_work(&work, job));
	log_open(job->world->rank, "sampler", job->world->rank == 0);
	struct lock *lock = NULL;
	if (status == STATUS_OK)
		status = guard_wait(job->world, work.output, &lock);
	for (size_t i = 0; status == STATUS_OK && i < sweep_point_count(work.trained.sweep); i++)
		if (work.trained.chosen[i])
			status = trained_leave_out(&work.trained, i, sample_point(&work, i));
	lock_release(lock);
	if (status == STATUS_OK && job->world->rank == 0)
		sample_print_table(&work);
	if (status == STATUS_OK)
		log_info("answers are in %s/points/*/samples.jsonl", work.output);
	if (status == STATUS_OK)
		status = trained_report(&work.trained, "sampled");
	close_work(&work);
	return status;
}
