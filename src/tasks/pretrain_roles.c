/* One point, played by all ranks: readers and classifiers serve blocks, trainers train.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "roles/server.h"
#include "roles/trainer.h"
#include "tasks/pretrain.h"
#include "tasks/trunk.h"

enum { MOST_JOBS = 1000, RANKS_OF_A_JOB = 100000 };

/* What one rank holds open during a point. */
struct scene {
	struct shard_set *shards, *evaluation_shards;
	struct score_store *store;
	struct hdf5_reader *score_file;
	struct provider *provider;
	struct lane_plan plan;
	struct evaluation_set *sets;
	int set_count;
};

static bool scores_here(const struct cast *cast, const struct point *point)
{
	return point->classified && (cast->role == ROLE_CLASSIFIER || (cast->role == ROLE_TRAINER &&
	                                                                cast->split.classifiers == 0));
}

/* Blocks that a trainer has asked for and not taken yet. */
static int trainer_credits(const struct cast *cast, const struct point *point)
{
	return (int)(point->training.sequences / cast->split.trainers * parameters_integer(point->parameters, "roles/depth"));
}

/* ---- the provider chain of this rank ---- */

static enum status open_source(struct cast *cast, const struct point *point, int credits, struct scene *scene)
{
	const char *folder = parameters_text(point->parameters, "data/folder");
	STATUS_TRY(shard_set_open(folder, "train", &scene->shards));
	if (cast->split.readers > 0 && cast->role != ROLE_READER)
		return provider_create_remote(cast->world, split_first(&cast->split, ROLE_READER), cast->split.readers,
		                              "reader", credits, &cast->timers, &scene->provider);
	return provider_create_local(scene->shards, &cast->timers, &scene->provider);
}

static enum status load_classifier(struct cast *cast, const struct point *point)
{
	if (cast->classifier != NULL && strcmp(cast->classifier_path, point->classifier_path) == 0)
		return STATUS_OK;
	classifier_destroy(cast->classifier);
	cast->classifier = NULL;
	free(cast->classifier_path);
	cast->classifier_path = memory_copy_text(point->classifier_path);
	if (cast->classifier_path == NULL)
		return STATUS_ENVIRONMENT;
	return classifier_read(point->classifier_path, cast->kernels, cast->device, NULL, &cast->classifier);
}

static enum status add_scorer(struct cast *cast, const struct point *point, struct scene *scene)
{
	STATUS_TRY(load_classifier(cast, point));
	char *folder = text_format("%s/scores/%s", cast->output, point->classifier.hash);
	char *identity = text_format("%s %s", point->classifier.hash, shard_set_content_hash(scene->shards));
	enum status status = folder == NULL || identity == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	/* Other jobs of an array may score the same text now: the next free journal is taken. */
	for (int job = 0; status == STATUS_OK && scene->store == NULL && job < MOST_JOBS; job++) {
		status = score_store_open(folder, identity, cast->world->rank + job * RANKS_OF_A_JOB, &scene->store);
		if (status == STATUS_IO && job + 1 < MOST_JOBS && strstr(error_message(), "another process") != NULL)
			status = STATUS_OK;
	}
	free(folder);
	free(identity);
	STATUS_TRY(status);
	return provider_create_scorer(scene->provider, cast->classifier, scene->store, &cast->timers, &scene->provider);
}

static enum status open_chain(struct cast *cast, const struct point *point, struct scene *scene)
{
	int credits = trainer_credits(cast, point);
	bool trainer = cast->role == ROLE_TRAINER;
	if (trainer && point->classified && cast->split.classifiers > 0) {
		STATUS_TRY(shard_set_open(parameters_text(point->parameters, "data/folder"), "train", &scene->shards));
		return provider_create_remote(cast->world, split_first(&cast->split, ROLE_CLASSIFIER), cast->split.classifiers,
		                              "classifier", credits, &cast->timers, &scene->provider);
	}
	/* A classifier passes all requests of all trainers on. */
	STATUS_TRY(open_source(cast, point, trainer ? credits : credits * cast->split.trainers, scene));
	if (scores_here(cast, point))
		return add_scorer(cast, point, scene);
	if (trainer && point->from_file) {
		STATUS_TRY(score_file_open(parameters_text(point->parameters, "filter/classifier"),
		                           shard_set_content_hash(scene->shards), &scene->score_file));
		return provider_create_file(scene->provider, scene->shards, scene->score_file, &scene->provider);
	}
	if (trainer && !point->classified && point->filter.method != FILTER_NONE)
		return provider_create_labels(scene->provider, &scene->provider);
	return STATUS_OK;
}

static enum status close_scene(struct scene *scene)
{
	provider_destroy(scene->provider);
	enum status status = score_store_close(scene->store);
	if (scene->score_file != NULL)
		hdf5_close(scene->score_file);
	if (scene->shards != NULL)
		shard_set_close(scene->shards);
	if (scene->evaluation_shards != NULL)
		shard_set_close(scene->evaluation_shards);
	for (int i = 0; i < scene->set_count; i++)
		evaluation_set_clear(&scene->sets[i]);
	free(scene->sets);
	return status;
}

/* ---- readers and classifiers ---- */

/* Whether this rank has anything to do in this point, and for how many askers. */
static int askers_of(const struct cast *cast, const struct point *point)
{
	bool by_classifiers = point->classified && cast->split.classifiers > 0;
	if (cast->role == ROLE_CLASSIFIER)
		return by_classifiers ? cast->split.trainers : 0;
	if (cast->role == ROLE_READER)
		return by_classifiers ? cast->split.classifiers : cast->split.trainers;
	return 0;
}

static enum status serve(struct cast *cast, const struct point *point, struct scene *scene)
{
	int askers = askers_of(cast, point);
	if (askers == 0)
		return STATUS_OK;
	bool by_trainers = cast->role == ROLE_CLASSIFIER || !(point->classified && cast->split.classifiers > 0);
	return server_run(cast->world, scene->provider, role_name(by_trainers ? ROLE_TRAINER : ROLE_CLASSIFIER), askers,
	                  trainer_credits(cast, point) * cast->split.trainers, &cast->timers);
}

/* ---- trainers ---- */

static enum status open_evaluation(const struct point *point, struct scene *scene)
{
	const struct parameters *parameters = point->parameters;
	size_t count = parameters_list_count(parameters, "evaluate/domains");
	scene->sets = memory_allocate(count, sizeof *scene->sets);
	if (scene->sets == NULL)
		return STATUS_ENVIRONMENT;
	STATUS_TRY(shard_set_open(parameters_text(parameters, "data/folder"), parameters_text(parameters, "evaluate/set"),
	                          &scene->evaluation_shards));
	for (size_t i = 0; i < count; i++) {
		enum domain domain;
		STATUS_TRY(domain_from_name(parameters_list_item(parameters, "evaluate/domains", i), &domain));
		struct evaluation_set *set = &scene->sets[scene->set_count];
		STATUS_TRY(evaluation_set_create(scene->evaluation_shards, domain,
		                                 parameters_integer(parameters, "evaluate/documents"), point->training.length,
		                                 set));
		if (set->documents > 0)
			scene->set_count++;
		else
			evaluation_set_clear(set);
	}
	return STATUS_OK;
}

static const char *size_name(const struct point *point, char *buffer, size_t size)
{
	const char *name = parameters_text(point->parameters, "model/size");
	if (name[0] != '\0')
		return name;
	snprintf(buffer, size, "L%d-D%d-H%d", point->config.layers, point->config.width, point->config.heads);
	return buffer;
}

static enum status train(struct cast *cast, const struct point *point, int64_t points, struct scene *scene)
{
	scene->plan = (struct lane_plan){ .seed = point->training.seed,
		                          .blocks = shard_set_blocks(scene->shards),
		                          .lanes = point->training.sequences,
		                          .depth = (int)parameters_integer(point->parameters, "roles/depth"),
		                          .filter = point->filter };
	char label[256], name[64];
	enum status status;
	char *trunk = trunk_folder(point, &status);
	STATUS_TRY(status);
	snprintf(label, sizeof label, "[%lld/%lld] %s", (long long)point->number + 1, (long long)points, point->name);
	struct provenance provenance = { .command_line = cast->command_line,
		                         .input_text = cast->input_text,
		                         .device = cast->kernels->device_describe(cast->device),
		                         .ranks = cast->world->size,
		                         .roles = cast->roles_text };
	struct trainer_job job = { .trainers = &cast->trainers,
		                   .kernels = cast->kernels,
		                   .device = cast->device,
		                   .config = &point->config,
		                   .size_name = size_name(point, name, sizeof name),
		                   .training = &point->training,
		                   .plan = &scene->plan,
		                   .provider = scene->provider,
		                   .sets = scene->sets,
		                   .set_count = scene->set_count,
		                   .evaluation_interval = parameters_real(point->parameters, "evaluate/interval"),
		                   .folder = point->folder,
		                   .identity = point->identity,
		                   .trunk_folder = trunk,
		                   .trunk_identity = point->trunk_identity,
		                   .label = label,
		                   .point = point->number,
		                   .point_name = point->name,
		                   .parameters = point->parameters,
		                   .provenance = &provenance,
		                   .timers = &cast->timers };
	cast->trainers.failure_agreed = false;
	status = trainer_run(&job);
	free(trunk);
	return status;
}

enum status cast_play(struct cast *cast, const struct point *point, int64_t points)
{
	struct scene scene = { 0 };
	enum status status = STATUS_OK;
	if (cast->world->rank == 0)
		status = text_make_directories(point->folder);
	if (status == STATUS_OK && cast->role != ROLE_IDLE)
		status = open_chain(cast, point, &scene);
	if (status == STATUS_OK && cast->role == ROLE_TRAINER)
		status = open_evaluation(point, &scene);
	if (status == STATUS_OK && cast->role == ROLE_TRAINER && shard_set_blocks(scene.shards) < 1)
		status = error_raise(STATUS_DATA, "%s: the training set is empty",
		                     parameters_text(point->parameters, "data/folder"));
	status = world_agree(cast->world, status);
	if (status != STATUS_OK) {
		close_scene(&scene);
		return status;
	}
	bool orderly = true;
	if (cast->role == ROLE_TRAINER) {
		status = train(cast, point, points, &scene);
		orderly = status == STATUS_OK || cast->trainers.failure_agreed;
	} else {
		status = serve(cast, point, &scene);
		orderly = status == STATUS_OK;
	}
	enum status closing = close_scene(&scene);
	if (!orderly) /* the others do not know: the job is aborted with this rank's message */
		return status;
	return world_agree(cast->world, status != STATUS_OK ? status : closing);
}
