/* task = classifier: two language models, left to right and right to left, then the probes on both.
 * Paper section 5. Everything is one folder: left/, right/ (runs with checkpoints) and classifier.h5.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "classifier/fit.h"
#include "comm/cores.h"
#include "results/checkpoint.h"
#include "roles/seating.h"
#include "roles/trainer.h"
#include "storage/hdf5_file.h"
#include "tasks/devices.h"
#include "tasks/finished.h"
#include "tasks/guard.h"
#include "tasks/settings.h"
#include "tasks/task.h"
#include "tasks/unfinished.h"
#include "text/corpus.h"
#include "text/tokenizer.h"

/* Bytes of features that are kept for another ridge until the task is finished. */
#define KEPT_FEATURES 16e9

struct fitting {
	struct job *job;
	const struct parameters *parameters;
	const char *output, *data;
	struct shard_set *shards;
	struct model_config config;
	struct training_settings training;
	struct filter filter;
	struct devices devices;
	const struct kernels *kernels; /* of devices */
	struct device *device;
	struct seating seating;
	struct world part; /* the ranks that train, in the order of their seats */
	bool trains;
	struct split split;
	struct timers timers;
	char *input_text;
	struct unfinished unfinished;
};

/* The largest number of trainers that fits, of `useful` ranks, and on GPUs one of these each; the other ranks join for the
 * features. */
static int trainer_count(const struct fitting *fitting, int useful)
{
	int gpus = devices_single(&fitting->devices), count = 1;
	if (gpus > 0 && gpus < useful)
		useful = gpus;
	while (2 * count <= useful && 2 * count <= fitting->training.slots)
		count *= 2;
	return count;
}

/* Before language models are trained for nothing. */
static enum status check_labels(const struct fitting *fitting)
{
	if (shard_set_facts(fitting->shards)->has_token_labels)
		return STATUS_OK;
	bool forget = false;
	for (int64_t i = 0; i < shard_set_documents(fitting->shards); i++)
		forget |= shard_set_document_domain(fitting->shards, i) == DOMAIN_FORGET;
	if (!forget)
		return error_raise(STATUS_DATA, "%s: the data has no labels to fit a classifier on", fitting->data);
	/* Each token has the label of its document. */
	if (strcmp(parameters_text(fitting->parameters, "classifier/labels"), "document") != 0)
		return error_raise(
			STATUS_DATA,
			"%s: only whole documents are labelled in the data: set classifier/labels = document",
			fitting->data);
	return STATUS_OK;
}

static enum status open_fitting(struct fitting *fitting, struct job *job, size_t point)
{
	const struct parameters *parameters = sweep_point(job->sweep, point);
	*fitting = (struct fitting){ .job = job,
		                     .parameters = parameters,
		                     .output = parameters_text(parameters, "run/output"),
		                     .data = parameters_text(parameters, "data/folder"),
		                     .part = { .comm = MPI_COMM_NULL } };
	fitting->timers.begin = timer_seconds();
	fitting->input_text = sweep_used_text(job->sweep);
	if (fitting->input_text == NULL)
		return STATUS_ENVIRONMENT;
	STATUS_TRY(shard_set_open(fitting->data, "train", &fitting->shards));
	STATUS_TRY(settings_check_text(parameters));
	const struct shard_facts *facts = shard_set_facts(fitting->shards);
	STATUS_TRY(check_labels(fitting));
	STATUS_TRY(settings_model(parameters, facts->vocabulary, &fitting->config));
	STATUS_TRY(settings_training(parameters, &fitting->config, &fitting->training));
	fitting->training.document_attention = true; /* a score is to depend on its own document only */
	fitting->filter =
		(struct filter){ .method = FILTER_NONE, .end_of_text = facts->end_of_text, .hidden = facts->hidden };
	if (job->world->rank == 0)
		STATUS_TRY(text_make_directories(fitting->output));
	return STATUS_OK;
}

static enum status map_devices(struct fitting *fitting)
{
	bool moves;
	int size = fitting->job->world->size;
	enum role *roles = memory_allocate((size_t)size, sizeof *roles);
	if (roles == NULL)
		return STATUS_ENVIRONMENT;
	for (int rank = 0; rank < size; rank++)
		roles[rank] = fitting->seating.placement.seat[rank] < fitting->split.trainers ? ROLE_TRAINER
		                                                                              : ROLE_CLASSIFIER;
	enum status status = devices_map(&fitting->devices, roles, &moves);
	free(roles);
	return status;
}

/* Who trains, placed as the trainers of a pretraining run are: the others, which compute only when these have done, must not
 * keep a GPU from them. Collective. */
static enum status open_device(struct fitting *fitting)
{
	struct job *job = fitting->job;
	struct devices *devices = &fitting->devices;
	STATUS_TRY(devices_look(job->world, fitting->parameters, job->cores, devices));
	devices->classifiers = "feature rank";
	int useful; /* trainers without a core each would wait for one another in every step */
	STATUS_TRY(cores_busy_ranks(job->world, job->cores, &useful));
	fitting->split = (struct split){ .trainers = trainer_count(fitting, useful), .groups = 1 };
	fitting->split.idle = job->world->size - fitting->split.trainers;
	STATUS_TRY(seating_open(job->world, devices->node, devices->gpus ? devices->seen : NULL, &fitting->split,
	                        &fitting->seating));
	fitting->trains = fitting->seating.world->rank < fitting->split.trainers;
	STATUS_TRY(world_agree(job->world, map_devices(fitting)));
	STATUS_TRY(devices_open(devices));
	fitting->kernels = devices->kernels;
	fitting->device = devices->device;
	return STATUS_OK;
}

static void close_fitting(struct fitting *fitting)
{
	devices_close(&fitting->devices);
	if (fitting->shards != NULL)
		shard_set_close(fitting->shards);
	world_part_close(&fitting->part);
	seating_close(&fitting->seating);
	free(fitting->input_text);
	unfinished_clear(&fitting->unfinished);
}

/* What a language model was made with: not the keys of the probes, which may change without training it again. */
static enum status name_identity(const struct fitting *fitting, bool reversed, char *identity, size_t size)
{
	size_t count;
	char digits[CONTENT_HASH_SIZE];
	const struct key *keys = keys_table(&count);
	struct content_hash *hash = content_hash_create();
	if (hash == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < count; i++) {
		const char *name = keys[i].name, *value = parameters_value(fitting->parameters, name);
		if ((keys[i].flags & KEY_CHANGES_ON_RESUME) || strncmp(name, "classifier/", 11) == 0 ||
		    strcmp(name, "compat/left_left") == 0 || !keys_is_read(&keys[i], "classifier"))
			continue;
		content_hash_add(hash, name, strlen(name) + 1);
		content_hash_add(hash, value, strlen(value) + 1);
	}
	content_hash_finish(hash, digits);
	snprintf(identity, size, "%s-%s-%s", digits, shard_set_content_hash(fitting->shards),
	         reversed ? "right" : "left");
	return STATUS_OK;
}

static enum status train_on_part(struct fitting *fitting, bool reversed, const char *folder, const char *identity)
{
	struct lane_plan plan = { .seed = fitting->training.seed,
		                  .blocks = shard_set_blocks(fitting->shards),
		                  .lanes = fitting->training.sequences,
		                  .depth = 1,
		                  .reversed = reversed,
		                  .filter = fitting->filter };
	struct provenance provenance = { .command_line = fitting->job->command_line,
		                         .input_text = fitting->input_text,
		                         .device = fitting->kernels->device_describe(fitting->device),
		                         .ranks = fitting->job->world->size };
	struct provider *provider = NULL;
	STATUS_TRY(provider_create_local(fitting->shards, &fitting->timers, &provider));
	struct trainer_job job = { .trainers = &fitting->part,
		                   .kernels = fitting->kernels,
		                   .device = fitting->device,
		                   .config = &fitting->config,
		                   .size_name = parameters_text(fitting->parameters, "model/size"),
		                   .training = &fitting->training,
		                   .plan = &plan,
		                   .provider = provider,
		                   .folder = folder,
		                   .identity = identity,
		                   .label = reversed ? "[right-to-left model]" : "[left-to-right model]",
		                   .point_name = reversed ? "right" : "left",
		                   .parameters = fitting->parameters,
		                   .provenance = &provenance,
		                   .timers = &fitting->timers };
	enum status status = trainer_run(&job);
	provider_destroy(provider);
	return status;
}

/* Trains the model of one direction unless it is finished. Collective over all ranks. */
static enum status train_direction(struct fitting *fitting, bool reversed, const char *folder, const char *identity)
{
	struct world *world = fitting->job->world;
	bool finished = false;
	enum status status = STATUS_OK;
	if (world->rank == 0) {
		char *path = text_join_path(folder, "run.h5");
		status = path == NULL ? STATUS_ENVIRONMENT
		                      : finished_check_run(path, identity, fitting->parameters, &finished);
		free(path);
		if (status == STATUS_OK && !finished)
			status = text_make_directories(folder);
	}
	STATUS_TRY(world_agree(world, status));
	STATUS_TRY(world_broadcast(world, &finished, sizeof finished, 0));
	if (finished)
		return STATUS_OK;
	fitting->part.failure_agreed = false;
	status = fitting->trains ? train_on_part(fitting, reversed, folder, identity) : STATUS_OK;
	if (status != STATUS_OK && !fitting->part.failure_agreed)
		return status;
	return world_agree(world, status);
}

/* The final parameters of a direction on every rank. From malloc. */
static enum status load_direction(struct fitting *fitting, const char *folder, const char *identity, float **out)
{
	int64_t arena = model_config_arena_size(&fitting->config), step = -1;
	char *checkpoints = text_join_path(folder, "checkpoints");
	*out = memory_allocate((size_t)arena, sizeof **out);
	enum status status = checkpoints == NULL || *out == NULL ? STATUS_ENVIRONMENT
	                                                         : checkpoint_find(checkpoints, identity, arena, &step);
	if (status == STATUS_OK && step < 0)
		status = error_raise(STATUS_DATA,
		                     "%s: there is no usable checkpoint of a finished run; remove %s to train it "
		                     "again",
		                     checkpoints, folder);
	if (status == STATUS_OK)
		status = checkpoint_load(checkpoints, step, 0, arena, *out, NULL, NULL);
	free(checkpoints);
	return status;
}

static enum status obtain_direction(struct fitting *fitting, bool reversed, float **parameters_out)
{
	char identity[160];
	STATUS_TRY(name_identity(fitting, reversed, identity, sizeof identity));
	const char *models = parameters_text(fitting->parameters, "classifier/models");
	bool own = models[0] == '\0';
	char *folder = text_join_path(own ? fitting->output : models, reversed ? "right" : "left");
	if (folder == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = own ? train_direction(fitting, reversed, folder, identity) : STATUS_OK;
	if (status == STATUS_OK)
		status = world_agree(fitting->job->world, load_direction(fitting, folder, identity, parameters_out));
	free(folder);
	return status;
}

static enum status describe_data(const struct fitting *fitting, char **text)
{
	static const char *const names[] = { "train", "validation", "test" };
	for (int i = 0; i < 3; i++) {
		struct shard_set *set = NULL;
		STATUS_TRY(shard_set_open(fitting->data, names[i], &set));
		*text = unfinished_add_line(*text, "%s/%s = %s", fitting->data, names[i], shard_set_content_hash(set));
		shard_set_close(set);
	}
	return STATUS_OK;
}

/* Everything that decides what is computed, down to the kind of device; what depends on the ridge has it in its name. */
static enum status describe(const struct fitting *fitting, const float *left, const float *right, char **text)
{
	const float *models[] = { left, right }; /* right NULL: the left one twice */
	static const char *const names[] = { "left-to-right", "right-to-left" };
	size_t bytes = (size_t)model_config_arena_size(&fitting->config) * sizeof *left;
	*text = unfinished_keys(fitting->parameters, "classifier/l2");
	STATUS_TRY(describe_data(fitting, text));
	for (int i = 0; i < 2 && models[i] != NULL; i++) {
		char hash[CONTENT_HASH_SIZE];
		checksum_content_hash(models[i], bytes, hash);
		*text = unfinished_add_line(*text, "%s model = %s", names[i], hash);
	}
	*text = unfinished_add_line(*text, "device = %s", fitting->kernels->name);
	return STATUS_OK;
}

static enum status open_unfinished(struct fitting *fitting, const float *left, const float *right)
{
	struct world *world = fitting->job->world;
	char *text = NULL;
	enum status status = world_agree(world, world->rank == 0 ? describe(fitting, left, right, &text) : STATUS_OK);
	if (status == STATUS_OK)
		status = unfinished_open(world, fitting->output, text, NULL, &fitting->unfinished);
	free(text);
	return status;
}

static enum sample_labels read_labels(const char *name)
{
	if (strcmp(name, "sentence") == 0)
		return SAMPLE_SENTENCES;
	return strcmp(name, "document") == 0 ? SAMPLE_DOCUMENTS : SAMPLE_TOKENS;
}

static enum status fit(struct fitting *fitting, const float *left, const float *right, const char *path)
{
	const struct parameters *parameters = fitting->parameters;
	struct tokenizer *tokenizer = NULL;
	char *tokenizer_path = text_join_path(fitting->data, "tokenizer.h5");
	enum status status = tokenizer_path == NULL ? STATUS_ENVIRONMENT : tokenizer_read(tokenizer_path, &tokenizer);
	free(tokenizer_path);
	STATUS_TRY(world_agree(fitting->job->world, status));
	struct fit_options options = {
		.data_folder = fitting->data,
		.tokenizer = tokenizer,
		.layer = (int)parameters_integer(parameters, "classifier/layer"),
		.context = fitting->config.context,
		.probe_tokens = parameters_integer(parameters, "classifier/probe_tokens"),
		.probe_documents = parameters_integer(parameters, "classifier/probe_documents"),
		.evaluation_tokens = parameters_integer(parameters, "classifier/evaluation_tokens"),
		.l2 = parameters_real(parameters, "classifier/l2"),
		.labels = read_labels(parameters_text(parameters, "classifier/labels")),
		.forget_share = parameters_real(parameters, "classifier/forget_share"),
		.smoothing = parameters_integer(parameters, "classifier/smoothing"),
		.rows_per_batch = parameters_integer(parameters, "classifier/rows_per_batch"),
		.compat_left_left = parameters_boolean(parameters, "compat/left_left"),
		.seed = fitting->training.seed,
		.config = &fitting->config,
		.left_parameters = left,
		.right_parameters = right,
		.output_path = path,
		.kept_folder = fitting->unfinished.folder,
		.identity = fitting->unfinished.identity,
		.save_interval = parameters_real(parameters, "run/save_interval"),
		.kept_room = KEPT_FEATURES,
	};
	struct provenance provenance = { .command_line = fitting->job->command_line,
		                         .input_text = fitting->input_text,
		                         .device = fitting->kernels->device_describe(fitting->device),
		                         .ranks = fitting->job->world->size };
	status = classifier_fit(fitting->job->world, fitting->kernels, fitting->device, &options, parameters,
	                        &provenance);
	tokenizer_destroy(tokenizer);
	return world_agree(fitting->job->world, status);
}

static enum status run(struct fitting *fitting, const char *path)
{
	struct world *world = fitting->job->world;
	bool left_left = parameters_boolean(fitting->parameters, "compat/left_left");
	float *left = NULL, *right = NULL;
	enum status status = open_device(fitting);
	if (status == STATUS_OK) {
		devices_print(&fitting->devices);
		log_open(world->rank, fitting->trains ? "trainer" : "features", world->rank == 0);
		status = world_part_open(fitting->seating.world, fitting->trains, &fitting->part);
	}
	if (status == STATUS_OK)
		status = obtain_direction(fitting, false, &left);
	if (status == STATUS_OK && !left_left)
		status = obtain_direction(fitting, true, &right);
	if (status == STATUS_OK)
		status = open_unfinished(fitting, left, right);
	if (status == STATUS_OK)
		status = fit(fitting, left, left_left ? left : right, path);
	free(left);
	free(right);
	if (status == STATUS_OK)
		status = timers_print(&fitting->timers, fitting->seating.world, &fitting->split);
	return status;
}

/* Collective: whether the classifier is there, and agrees with the input file. */
static enum status find_finished(const struct fitting *fitting, const char *path, bool *finished)
{
	struct world *world = fitting->job->world;
	enum status status = STATUS_OK;
	*finished = false;
	if (world->rank == 0 && hdf5_is_complete(path)) {
		*finished = true;
		status = finished_check_parameters(path, fitting->parameters);
	}
	STATUS_TRY(world_agree(world, status));
	return world_broadcast(world, finished, sizeof *finished, 0);
}

/* Collective. Under the lock, as another job may have finished it while this one waited. */
static enum status make_all(struct fitting *fitting, const char *path)
{
	struct world *world = fitting->job->world;
	bool finished = false;
	STATUS_TRY(find_finished(fitting, path, &finished));
	if (finished)
		log_info("%s: another job has finished %s", fitting->job->input_name, path);
	else
		STATUS_TRY(run(fitting, path));
	return world_agree(world, world->rank == 0 ? unfinished_remove(fitting->output) : STATUS_OK);
}

static enum status make_locked(struct fitting *fitting, const char *path)
{
	struct lock *lock = NULL;
	STATUS_TRY(guard_wait(fitting->job->world, fitting->output, &lock));
	enum status status = make_all(fitting, path);
	lock_release(lock);
	return status;
}

static enum status fit_point(struct job *job, size_t point)
{
	struct fitting fitting;
	bool finished = false;
	log_open(job->world->rank, "", job->world->rank == 0); /* until the ranks have roles */
	enum status status = world_agree(job->world, open_fitting(&fitting, job, point));
	char *path = status == STATUS_OK ? text_join_path(fitting.output, "classifier.h5") : NULL;
	if (status == STATUS_OK)
		status = world_agree(job->world, path == NULL ? STATUS_ENVIRONMENT : STATUS_OK);
	if (status == STATUS_OK)
		status = find_finished(&fitting, path, &finished);
	if (status == STATUS_OK && finished) {
		log_info("%s: %s is finished: nothing to do", job->input_name, path);
		status = unfinished_tidy(job->world, fitting.output);
	} else if (status == STATUS_OK) {
		status = make_locked(&fitting, path);
	}
	free(path);
	close_fitting(&fitting);
	return status;
}

enum status task_classifier(struct job *job)
{
	for (int64_t i = 0; i < job->point_count; i++)
		STATUS_TRY(fit_point(job, (size_t)(job->first_point + i)));
	return STATUS_OK;
}
