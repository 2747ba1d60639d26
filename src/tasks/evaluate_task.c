/* task = evaluate: the finished models of a pretrain run on other held-out text (another set, more documents, another
 * corpus with the same tokenizer). The output folder has the layout of a pretrain run, with these evaluations, so
 * capshape-report reads it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "storage/hdf5_file.h"
#include "tasks/evaluate_parts.h"
#include "tasks/guard.h"
#include "tasks/question_settings.h"
#include "tasks/start.h"

static enum status open_assessment(struct assessment *assessment, struct job *job)
{
	const struct parameters *parameters = sweep_point(job->sweep, 0);
	*assessment = (struct assessment){ .job = job,
		                           .parameters = parameters,
		                           .output = parameters_text(parameters, "run/output") };
	STATUS_TRY(trained_open(job->world, "evaluate/run", parameters_text(parameters, "evaluate/run"),
	                        assessment->output, &assessment->trained));
	STATUS_TRY(trained_choose(&assessment->trained, parameters, "evaluate/points"));
	STATUS_TRY(question_settings_check(parameters));
	assessment->trained.whole = strcmp(parameters_text(parameters, "run/routed"), "whole") == 0;
	if (question_settings_given(parameters) && job->world->rank == 0)
		STATUS_TRY(question_settings_hash(parameters, assessment->question_hash));
	return STATUS_OK;
}

/* Before the first point that is to be evaluated. Collective: every rank computes. */
static enum status open_device(struct assessment *assessment)
{
	struct job *job = assessment->job;
	if (assessment->kernels != NULL)
		return STATUS_OK;
	STATUS_TRY(devices_open_all(job->world, assessment->parameters, job->cores, "evaluator", &assessment->devices));
	assessment->kernels = assessment->devices.kernels;
	assessment->device = assessment->devices.device;
	devices_print(&assessment->devices);
	return STATUS_OK;
}

/* The text of data/folder, or without it that of the model's own training. */
static enum status open_text(struct assessment *assessment, const struct parameters *trained)
{
	const char *folder = parameters_text(assessment->parameters, "data/folder");
	if (folder[0] == '\0')
		folder = parameters_text(trained, "data/folder");
	if (assessment->shards != NULL && strcmp(folder, assessment->folder) == 0)
		return STATUS_OK;
	if (assessment->shards != NULL)
		shard_set_close(assessment->shards);
	assessment->shards = NULL;
	assessment->folder = folder;
	return shard_set_open(folder, parameters_text(assessment->parameters, "evaluate/set"), &assessment->shards);
}

static void close_assessment(struct assessment *assessment)
{
	devices_close(&assessment->devices);
	if (assessment->shards != NULL)
		shard_set_close(assessment->shards);
	trained_close(&assessment->trained);
}

/* What the evaluations of a run depend on: the run itself, the text, and every key of this task that decides results. */
static enum status name_evaluation(const struct assessment *assessment, const struct run_results *results,
                                   char name[CONTENT_HASH_SIZE])
{
	size_t count;
	const struct key *keys = keys_table(&count);
	const char *text = shard_set_content_hash(assessment->shards);
	struct content_hash *hash = content_hash_create();
	if (hash == NULL)
		return STATUS_ENVIRONMENT;
	content_hash_add(hash, results->identity, strlen(results->identity) + 1);
	content_hash_add(hash, text, strlen(text) + 1);
	content_hash_add(hash, assessment->question_hash, strlen(assessment->question_hash) + 1);
	for (size_t i = 0; i < count; i++) {
		const char *value = parameters_value(assessment->parameters, keys[i].name);
		if (!keys_tells(&keys[i], "evaluate", value))
			continue;
		content_hash_add(hash, keys[i].name, strlen(keys[i].name) + 1);
		content_hash_add(hash, value, strlen(value) + 1);
	}
	content_hash_finish(hash, name);
	return STATUS_OK;
}

/* Whether an earlier run of this file has evaluated the point as `name` says. */
static bool is_evaluated(const struct assessment *assessment, size_t number, const char *name)
{
	char *path = text_format("%s/points/%s/run.h5", assessment->output,
	                         sweep_point_name(assessment->trained.sweep, number));
	char *before = NULL;
	struct hdf5_reader *reader = NULL;
	bool same = false;
	if (path != NULL && hdf5_is_complete(path) && hdf5_open(path, &reader) == STATUS_OK) {
		same = hdf5_read_text_attribute(reader, "provenance", "evaluation", &before) == STATUS_OK &&
		       strcmp(before, name) == 0;
		hdf5_close(reader);
	}
	error_clear(); /* a file that cannot be read is written anew */
	free(before);
	free(path);
	return same;
}

static enum status write_point(const struct assessment *assessment, size_t number, struct run_results *results,
                               const char *name)
{
	char *origin = trained_point_folder(&assessment->trained, number);
	char *folder =
		text_format("%s/points/%s", assessment->output, sweep_point_name(assessment->trained.sweep, number));
	char *path = folder == NULL ? NULL : text_join_path(folder, "run.h5");
	struct provenance provenance = { .command_line = assessment->job->command_line,
		                         .evaluation = name,
		                         .device = assessment->kernels->device_describe(assessment->device),
		                         .ranks = assessment->job->world->size };
	enum status status = path == NULL || origin == NULL ? STATUS_ENVIRONMENT : text_make_directories(folder);
	results->origin = (struct hdf5_note){ start_write_again, origin };
	if (status == STATUS_OK)
		status = run_file_write(path, results, sweep_point(assessment->trained.sweep, number), &provenance,
		                        true);
	results->origin = (struct hdf5_note){ 0 };
	free(origin);
	free(folder);
	free(path);
	return status;
}

/* Whose training is finished. Collective. */
static enum status evaluate_finished(struct assessment *assessment, size_t number, struct run_results *results)
{
	struct world *world = assessment->job->world;
	const struct sweep *sweep = assessment->trained.sweep;
	char evaluation[CONTENT_HASH_SIZE] = "";
	bool evaluated = false;
	enum status status = open_text(assessment, sweep_point(sweep, number));
	if (status == STATUS_OK)
		status = name_evaluation(assessment, results, evaluation);
	if (status == STATUS_OK && world->rank == 0)
		evaluated = is_evaluated(assessment, number, evaluation);
	STATUS_TRY(world_agree(world, status));
	STATUS_TRY(world_broadcast(world, &evaluated, sizeof evaluated, 0));
	log_info("[%zu/%zu] %s%s", number + 1, sweep_point_count(sweep), sweep_point_name(sweep, number),
	         evaluated ? ": finished, nothing to do" : "");
	if (evaluated)
		return STATUS_OK;
	STATUS_TRY(evaluate_write_questions(assessment));
	STATUS_TRY(open_device(assessment));
	STATUS_TRY(evaluate_model(assessment, number, results));
	STATUS_TRY(world_agree(world,
	                       world->rank == 0 ? write_point(assessment, number, results, evaluation) : STATUS_OK));
	stop_note_saved();
	return STATUS_OK;
}

static enum status evaluate_point(struct assessment *assessment, size_t number)
{
	struct run_results results = { 0 };
	bool ready = false;
	enum status status = trained_read(&assessment->trained, number, &results, &ready);
	if (status == STATUS_OK && ready)
		status = evaluate_finished(assessment, number, &results);
	run_results_clear(&results);
	if (assessment->bad_questions)
		return status;
	return trained_leave_out(&assessment->trained, number, status);
}

enum status task_evaluate(struct job *job)
{
	struct assessment assessment;
	enum status status = world_agree(job->world, open_assessment(&assessment, job));
	log_open(job->world->rank, "evaluator", job->world->rank == 0);
	struct lock *lock = NULL;
	if (status == STATUS_OK)
		status = guard_wait(job->world, assessment.output, &lock);
	size_t points = status == STATUS_OK ? sweep_point_count(assessment.trained.sweep) : 0;
	for (size_t i = 0; status == STATUS_OK && i < points; i++)
		if (assessment.trained.chosen[i])
			status = evaluate_point(&assessment, i);
	lock_release(lock);
	if (status == STATUS_OK && trained_done(&assessment.trained) > 0)
		log_info("evaluations are in %s; capshape-report %s shows them", assessment.output, assessment.output);
	if (status == STATUS_OK)
		status = trained_report(&assessment.trained, "evaluated");
	close_assessment(&assessment);
	return status;
}
