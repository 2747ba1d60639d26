/* The two language models of a classifier: runs of the trainer with folders of their own, left/ and right/.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/text.h"
#include "results/checkpoint.h"
#include "roles/trainer.h"
#include "tasks/classifier_parts.h"
#include "tasks/finished.h"

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
		if (!keys_decides(&keys[i], "classifier") || strncmp(name, "classifier/", 11) == 0 ||
		    strcmp(name, "compat/left_left") == 0)
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

enum status classifier_obtain_model(struct fitting *fitting, bool reversed, float **parameters_out)
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
		status = world_agree(fitting->job->world,
		                     checkpoint_load_finished(folder, identity,
		                                              model_config_arena_size(&fitting->config),
		                                              parameters_out));
	free(folder);
	return status;
}
