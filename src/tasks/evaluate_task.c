/* task = evaluate: the finished models of a pretrain run on other held-out text (another set, more documents, another
 * corpus with the same tokenizer). The output folder has the layout of a pretrain run, with these evaluations, so
 * capshape-report reads it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/checksum.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "results/sweep_file.h"
#include "storage/hdf5_file.h"
#include "tasks/evaluate_parts.h"
#include "tasks/guard.h"
#include "tasks/question_settings.h"

static enum status open_assessment(struct assessment *assessment, struct job *job)
{
	const struct parameters *parameters = sweep_point(job->sweep, 0);
	*assessment = (struct assessment){ .job = job,
		                           .parameters = parameters,
		                           .run = parameters_text(parameters, "evaluate/run"),
		                           .output = parameters_text(parameters, "run/output") };
	struct stat source, target;
	if (stat(assessment->run, &source) == 0 && stat(assessment->output, &target) == 0 &&
	    source.st_dev == target.st_dev && source.st_ino == target.st_ino)
		return error_raise(STATUS_USAGE,
		                   "run/output and evaluate/run are the same folder: the evaluations of the pretrain "
		                   "run would be lost; choose another run/output");
	char *path = text_join_path(assessment->run, "sweep.h5");
	struct sweep_table table = { 0 };
	enum status status = path == NULL ? STATUS_ENVIRONMENT : sweep_file_read(path, &table);
	if (status == STATUS_OK)
		status = sweep_parse(path, table.input, 0, NULL, &assessment->trained);
	sweep_table_clear(&table);
	free(path);
	STATUS_TRY(status);
	STATUS_TRY(question_settings_rules(parameters, &assessment->rules));
	if (question_settings_given(parameters) && job->world->rank == 0)
		STATUS_TRY(question_settings_hash(parameters, assessment->question_hash));
	assessment->missing = memory_allocate(sweep_point_count(assessment->trained), sizeof *assessment->missing);
	return assessment->missing == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
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
	if (assessment->trained != NULL)
		sweep_destroy(assessment->trained);
	free(assessment->missing);
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
		if (!keys_decides(&keys[i], "evaluate"))
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
	char *path =
		text_format("%s/points/%s/run.h5", assessment->output, sweep_point_name(assessment->trained, number));
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

static enum status write_point(const struct assessment *assessment, size_t number, const struct run_results *results,
                               const char *name)
{
	char *folder = text_format("%s/points/%s", assessment->output, sweep_point_name(assessment->trained, number));
	char *path = folder == NULL ? NULL : text_join_path(folder, "run.h5");
	struct provenance provenance = { .command_line = assessment->job->command_line,
		                         .evaluation = name,
		                         .device = assessment->kernels->device_describe(assessment->device),
		                         .ranks = assessment->job->world->size };
	enum status status = path == NULL ? STATUS_ENVIRONMENT : text_make_directories(folder);
	if (status == STATUS_OK)
		status = run_file_write(path, results, sweep_point(assessment->trained, number), &provenance, true);
	free(folder);
	free(path);
	return status;
}

static enum status evaluate_point(struct assessment *assessment, size_t number)
{
	struct world *world = assessment->job->world;
	const char *name = sweep_point_name(assessment->trained, number);
	char *folder = text_format("%s/points/%s", assessment->run, name);
	char *path = folder == NULL ? NULL : text_join_path(folder, "run.h5");
	struct run_results results = { 0 };
	char evaluation[CONTENT_HASH_SIZE] = "";
	bool evaluated = false;
	enum status status = path == NULL ? STATUS_ENVIRONMENT : run_file_read(path, &results);
	if (status == STATUS_OK)
		status = open_text(assessment, sweep_point(assessment->trained, number));
	if (status == STATUS_OK)
		status = name_evaluation(assessment, &results, evaluation);
	if (status == STATUS_OK && world->rank == 0)
		evaluated = is_evaluated(assessment, number, evaluation);
	status = world_agree(world, status);
	if (status == STATUS_OK)
		status = world_broadcast(world, &evaluated, sizeof evaluated, 0);
	/* Another job may finish it between the moments at which two ranks read it. */
	if (status == STATUS_OK)
		status = world_broadcast(world, &results.finished, sizeof results.finished, 0);
	if (status == STATUS_OK && !results.finished) {
		log_info("%s is unfinished: left out", path);
		assessment->missing[number] = true;
	} else if (status == STATUS_OK && evaluated) {
		log_info("[%zu/%zu] %s: finished, nothing to do", number + 1, sweep_point_count(assessment->trained),
		         name);
	} else if (status == STATUS_OK) {
		status = evaluate_write_questions(assessment);
		if (status == STATUS_OK)
			status = open_device(assessment);
		if (status == STATUS_OK)
			log_info("[%zu/%zu] %s", number + 1, sweep_point_count(assessment->trained), name);
		if (status == STATUS_OK)
			status = evaluate_model(assessment, number, folder, &results);
		if (status == STATUS_OK)
			status = world_agree(world, world->rank == 0
			                                    ? write_point(assessment, number, &results, evaluation)
			                                    : STATUS_OK);
		if (status == STATUS_OK)
			stop_note_saved();
	}
	run_results_clear(&results);
	free(path);
	free(folder);
	return status;
}

/* A point whose files are missing or damaged is left out, and named at the end. All ranks know by agreement; the one with the
 * message says it. */
static enum status leave_out(struct assessment *assessment, size_t number, enum status status)
{
	if (status != STATUS_DATA || !assessment->job->world->failure_agreed || assessment->bad_questions)
		return status;
	if (error_message()[0] != '\0') {
		log_warning("%s: left out: %s", sweep_point_name(assessment->trained, number), error_message());
		if (assessment->reason[0] == '\0')
			snprintf(assessment->reason, sizeof assessment->reason, "; the first: %s", error_message());
	}
	error_clear();
	assessment->job->world->failure_agreed = false;
	assessment->missing[number] = true;
	return STATUS_OK;
}

/* Collective; the same on all ranks. */
static enum status report_missing(const struct assessment *assessment)
{
	char names[4096] = "";
	size_t used = 0, missing = 0, points = sweep_point_count(assessment->trained);
	bool full = false;
	for (size_t i = 0; i < points; i++) {
		if (!assessment->missing[i])
			continue;
		const char *name = sweep_point_name(assessment->trained, i), *comma = missing++ == 0 ? "" : ", ";
		if (full)
			continue;
		full = used + strlen(name) + 8 >= sizeof names;
		used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", comma, full ? "..." : name);
	}
	if (missing < points)
		log_info("evaluations are in %s; capshape-report %s shows them", assessment->output,
		         assessment->output);
	if (missing == 0)
		return STATUS_OK;
	return world_agree(
		assessment->job->world,
		error_raise(STATUS_DATA,
	                    "%zu of %zu points of %s were not evaluated: %s%s; finish them with the run's own input "
	                    "file (those that are damaged begin anew once they are removed), then run this line again",
	                    missing, points, assessment->run, names, assessment->reason));
}

enum status task_evaluate(struct job *job)
{
	struct assessment assessment;
	enum status status = world_agree(job->world, open_assessment(&assessment, job));
	log_open(job->world->rank, "evaluator", job->world->rank == 0);
	struct lock *lock = NULL;
	if (status == STATUS_OK)
		status = guard_wait(job->world, assessment.output, &lock);
	for (size_t i = 0; status == STATUS_OK && i < sweep_point_count(assessment.trained); i++)
		status = leave_out(&assessment, i, evaluate_point(&assessment, i));
	lock_release(lock);
	if (status == STATUS_OK)
		status = report_missing(&assessment);
	close_assessment(&assessment);
	return status;
}
