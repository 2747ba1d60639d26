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
#include "results/checkpoint.h"
#include "results/run_file.h"
#include "results/sweep_file.h"
#include "roles/evaluation.h"
#include "roles/recall.h"
#include "storage/hdf5_file.h"
#include "tasks/devices.h"
#include "tasks/guard.h"
#include "tasks/settings.h"
#include "tasks/task.h"
#include "text/shard.h"

enum { ROWS_PER_BATCH = 8 };

struct assessment {
	struct job *job;
	const struct parameters *parameters; /* of the evaluate file */
	const char *run, *output;
	const char *folder; /* of the text that the model at hand is evaluated on */
	struct shard_set *shards;
	struct sweep *trained; /* the pretrain run's input */
	struct devices devices;
	const struct kernels *kernels; /* of devices; NULL: not open yet */
	struct device *device;
	bool *missing;     /* [points] those that could not be evaluated */
	char reason[1024]; /* why the first of them, on the rank that knows */
};

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
	assessment->missing = memory_allocate(sweep_point_count(assessment->trained), sizeof *assessment->missing);
	return assessment->missing == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

/* Before the first point that is to be evaluated. Collective: every rank computes. */
static enum status open_device(struct assessment *assessment)
{
	struct job *job = assessment->job;
	if (assessment->kernels != NULL)
		return STATUS_OK;
	STATUS_TRY(devices_open_all(job->world, assessment->parameters, job->ranks_here, "evaluator",
	                            &assessment->devices));
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

/* The final weights of a point in a new model. */
static enum status load_model(const struct assessment *assessment, const struct model_config *config,
                              const char *folder, const struct run_results *results, struct model **model_out)
{
	struct model *model = NULL;
	int64_t count = model_config_arena_size(config), step = -1;
	float *weights = memory_allocate((size_t)count, sizeof *weights);
	char *checkpoints = text_join_path(folder, "checkpoints");
	enum status status = weights == NULL || checkpoints == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = checkpoint_find(checkpoints, results->identity, count, &step);
	if (status == STATUS_OK && step < 0)
		status = error_raise(STATUS_DATA, "%s: no usable checkpoint of the finished run", checkpoints);
	if (status == STATUS_OK)
		status = checkpoint_load(checkpoints, step, 0, count, weights, NULL, NULL);
	if (status == STATUS_OK)
		status = model_create(assessment->kernels, assessment->device, config, ROWS_PER_BATCH * config->context,
		                      false, &model);
	if (status == STATUS_OK)
		status = assessment->kernels->upload(assessment->device, model_parameters(model, NULL), weights,
		                                     (size_t)count * sizeof *weights);
	if (status == STATUS_OK)
		status = model_refresh_weights(model);
	free(weights);
	free(checkpoints);
	if (status != STATUS_OK) {
		model_destroy(model);
		return status;
	}
	*model_out = model;
	return STATUS_OK;
}

static enum status evaluate_domain(struct assessment *assessment, struct model *model, int64_t context,
                                   const char *name, struct run_results *results)
{
	enum domain domain;
	struct evaluation_set set;
	STATUS_TRY(domain_from_name(name, &domain));
	enum status status =
		evaluation_set_create(assessment->shards, domain,
	                              parameters_integer(assessment->parameters, "evaluate/documents"), context, &set);
	int64_t *tokens = status == STATUS_OK ? memory_allocate((size_t)set.documents, sizeof *tokens) : NULL;
	if (status == STATUS_OK && tokens == NULL)
		status = STATUS_ENVIRONMENT;
	/* Before the collective part: a rank that failed must not be waited for. */
	status = world_agree(assessment->job->world, status);
	if (status == STATUS_OK && set.documents > 0)
		status = evaluation_run(assessment->job->world, model, ROWS_PER_BATCH, &set);
	for (int64_t i = 0; status == STATUS_OK && i < set.documents; i++)
		tokens[i] = set.begin[i + 1] - set.begin[i];
	if (status == STATUS_OK && set.documents > 0) {
		int64_t last = results->step_count > 0 ? results->steps[results->step_count - 1].step : 0;
		struct run_evaluation_row row = { last, set.loss, set.label_loss };
		status = run_results_add_evaluation(results, name, &row);
		if (status == STATUS_OK)
			status = run_results_set_documents(results, name, set.documents, set.number, set.group, tokens,
			                                   set.label_tokens, set.nll, set.label_nll);
		log_info("  %-10s %lld documents, loss %.4f, on its own tokens %.4f", name, (long long)set.documents,
		         set.loss, set.label_loss);
	}
	free(tokens);
	evaluation_set_clear(&set);
	return status;
}

/* The questions beside the text, where there are some. */
static enum status ask_questions(struct assessment *assessment, struct model *model, int64_t context,
                                 struct run_results *results)
{
	struct recall_set sets[RECALL_SETS];
	struct world *world = assessment->job->world;
	int count = 0;
	enum status status = world_agree(
		world, recall_open(assessment->folder, shard_set_facts(assessment->shards), context, sets, &count));
	for (int i = 0; i < count && status == STATUS_OK; i++) {
		status = recall_run(world, model, ROWS_PER_BATCH, &sets[i]);
		if (status == STATUS_OK)
			status = recall_record(&sets[i], results);
		if (status == STATUS_OK)
			log_info("  %-10s %lld questions, %.1f %% right, by chance %.1f %%",
			         domain_name(sets[i].questions.domain), (long long)sets[i].questions.count,
			         100 * sets[i].accuracy, 100 * sets[i].chance);
	}
	for (int i = 0; i < count; i++)
		recall_set_clear(&sets[i]);
	return status;
}

static void drop_evaluations(struct run_results *results)
{
	struct run_results kept = *results;
	struct run_results old = { .evaluations = results->evaluations,
		                   .evaluation_count = results->evaluation_count,
		                   .questions = results->questions,
		                   .question_count = results->question_count };
	kept.evaluations = NULL;
	kept.evaluation_count = kept.evaluation_capacity = 0;
	kept.questions = NULL;
	kept.question_count = kept.question_capacity = 0;
	run_results_clear(&old);
	*results = kept;
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
	for (size_t i = 0; i < count; i++) {
		const char *value = parameters_value(assessment->parameters, keys[i].name);
		if ((keys[i].flags & KEY_CHANGES_ON_RESUME) || !keys_is_read(&keys[i], "evaluate"))
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

/* The text the models were trained on may be gone; where it is there, both must be of one tokenizer. */
static enum status check_tokenizer(const struct assessment *assessment, const struct parameters *trained)
{
	struct shard_set *set = NULL;
	const char *folder = parameters_text(trained, "data/folder");
	if (shard_set_open(folder, "train", &set) != STATUS_OK) {
		error_clear();
		return STATUS_OK;
	}
	const char *before = shard_set_facts(set)->tokenizer_hash;
	const char *now = shard_set_facts(assessment->shards)->tokenizer_hash;
	enum status status = STATUS_OK;
	if (strcmp(before, now) != 0)
		status =
			error_raise(STATUS_DATA,
		                    "the models were trained on text of the tokenizer %s (%s), the data in %s was made "
		                    "with %s",
		                    before, folder, assessment->folder, now);
	shard_set_close(set);
	return status;
}

static enum status evaluate_model(struct assessment *assessment, size_t number, const char *folder,
                                  struct run_results *results)
{
	const struct shard_facts *facts = shard_set_facts(assessment->shards);
	const struct parameters *trained = sweep_point(assessment->trained, number);
	struct model_config config;
	struct model *model = NULL;
	struct world *world = assessment->job->world;
	STATUS_TRY(world_agree(world, settings_model(trained, facts->vocabulary, &config)));
	STATUS_TRY(world_agree(world, check_tokenizer(assessment, trained)));
	if (config.vocabulary != results->model.vocabulary)
		return world_agree(
			world,
			error_raise(
				STATUS_DATA,
				"%s: the models have a vocabulary of %lld rows, the data in %s needs %d: it was made "
				"with another tokenizer",
				folder, (long long)results->model.vocabulary, assessment->folder, config.vocabulary));
	STATUS_TRY(world_agree(assessment->job->world, load_model(assessment, &config, folder, results, &model)));
	drop_evaluations(results);
	enum status status = STATUS_OK;
	size_t domains = parameters_list_count(assessment->parameters, "evaluate/domains");
	for (size_t i = 0; i < domains && status == STATUS_OK; i++) {
		status = world_agree(world, stop_check("evaluating"));
		if (status == STATUS_OK)
			status = evaluate_domain(assessment, model, config.context,
			                         parameters_list_item(assessment->parameters, "evaluate/domains", i),
			                         results);
	}
	if (status == STATUS_OK)
		status = ask_questions(assessment, model, config.context, results);
	model_destroy(model);
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
	if (status != STATUS_DATA || !assessment->job->world->failure_agreed)
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
