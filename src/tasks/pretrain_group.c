/* One point, played by the trainers of a group: evaluation sets, the provider of its blocks, the trainer itself.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "roles/trainer.h"
#include "tasks/pretrain.h"
#include "tasks/question_settings.h"
#include "tasks/shares.h"
#include "tasks/trunk.h"

/* What a trainer holds open during a point. */
struct scene {
	struct shard_set *evaluation_shards;
	struct hdf5_reader *score_file;
	struct provider *provider;
	int64_t *blocks;        /* those that are read, where only some are: for finetune/domains and unlearn/forget */
	int64_t *retain_blocks; /* the same for unlearn/retain */
	bool wrapped;           /* the provider is a layer over the stage's, for this point only */
	struct lane_plan plan, retain_plan;
	struct evaluation_set *sets;
	int set_count;
	struct recall_set *questions;
	int question_sets;
};

/* Finetuning is towards a loss on documents of the forget domain. */
static enum status check_forget(const struct point *point, const struct scene *scene)
{
	for (int i = 0; i < scene->set_count; i++)
		if (scene->sets[i].domain == DOMAIN_FORGET)
			return STATUS_OK;
	if (point->training.finetune.interval == 0)
		return STATUS_OK;
	return error_raise(STATUS_DATA,
	                   "finetuning is measured on the forget set, but there is none: evaluate/domains must name "
	                   "forget, and the %s set of %s hold such documents",
	                   parameters_text(point->parameters, "evaluate/set"),
	                   parameters_text(point->parameters, "data/folder"));
}

static enum status open_evaluation(const struct point *point, struct scene *scene)
{
	const struct parameters *parameters = point->parameters;
	size_t count = parameters_list_count(parameters, "evaluate/domains");
	scene->sets = memory_allocate(count, sizeof *scene->sets);
	if (scene->sets == NULL)
		return STATUS_ENVIRONMENT;
	STATUS_TRY(shard_set_open(parameters_text(parameters, "data/folder"),
	                          parameters_text(parameters, "evaluate/set"), &scene->evaluation_shards));
	for (size_t i = 0; i < count; i++) {
		enum domain domain;
		STATUS_TRY(domain_from_name(parameters_list_item(parameters, "evaluate/domains", i), &domain));
		struct evaluation_set *set = &scene->sets[scene->set_count];
		STATUS_TRY(evaluation_set_create(scene->evaluation_shards, domain,
		                                 parameters_integer(parameters, "evaluate/documents"),
		                                 point->training.length, set));
		if (set->documents > 0)
			scene->set_count++;
		else
			evaluation_set_clear(set);
	}
	STATUS_TRY(check_forget(point, scene));
	STATUS_TRY(question_settings_open(parameters, parameters_text(parameters, "data/folder"),
	                                  shard_set_facts(scene->evaluation_shards), point->training.length,
	                                  &scene->questions, &scene->question_sets));
	recall_say_left_out(scene->questions, scene->question_sets, point->training.length);
	return STATUS_OK;
}

static enum status open_provider(const struct point *point, const struct stage *stage, struct scene *scene)
{
	scene->provider = point->classified ? stage->scored : stage->plain;
	if (point->classified || point->filter.method == FILTER_NONE)
		return STATUS_OK;
	struct provider *layer = NULL;
	if (point->from_file) {
		STATUS_TRY(score_file_open(parameters_text(point->parameters, "filter/classifier"),
		                           shard_set_content_hash(stage->shards), &scene->score_file));
		STATUS_TRY(provider_create_file(stage->plain, stage->shards, scene->score_file, &layer));
	} else {
		STATUS_TRY(provider_create_labels(stage->plain, &layer));
	}
	scene->provider = layer;
	scene->wrapped = true;
	return STATUS_OK;
}

/* The order of the blocks; of a point that trains on some domains only, of those that hold such documents. */
static enum status open_plan(const struct point *point, const struct stage *stage, struct scene *scene)
{
	scene->plan = (struct lane_plan){ .seed = point->training.seed,
		                          .blocks = shard_set_blocks(stage->shards),
		                          .lanes = point->training.sequences,
		                          .depth = (int)parameters_integer(point->parameters, "roles/depth"),
		                          .domains = point->training.domains,
		                          .filter = point->filter };
	if (point->training.domains == 0)
		return STATUS_OK;
	STATUS_TRY(shares_blocks(stage->shards, point->training.domains, &scene->blocks, &scene->plan.blocks, NULL));
	scene->plan.chosen = scene->blocks;
	scene->retain_plan = scene->plan;
	scene->retain_plan.domains = point->training.steering.retain_domains;
	if (scene->retain_plan.domains == 0)
		return STATUS_OK;
	STATUS_TRY(shares_blocks(stage->shards, scene->retain_plan.domains, &scene->retain_blocks,
	                         &scene->retain_plan.blocks, NULL));
	scene->retain_plan.chosen = scene->retain_blocks;
	return STATUS_OK;
}

static void close_scene(struct scene *scene)
{
	if (scene->wrapped)
		provider_release(scene->provider);
	if (scene->score_file != NULL)
		hdf5_close(scene->score_file);
	if (scene->evaluation_shards != NULL)
		shard_set_close(scene->evaluation_shards);
	free(scene->blocks);
	free(scene->retain_blocks);
	recall_close(scene->questions, scene->question_sets);
	for (int i = 0; i < scene->set_count; i++)
		evaluation_set_clear(&scene->sets[i]);
	free(scene->sets);
}

static const char *size_name(const struct point *point, char *buffer, size_t size)
{
	const char *name =
		point->start.name[0] != '\0' ? point->start.size : parameters_text(point->parameters, "model/size");
	if (name[0] != '\0')
		return name;
	snprintf(buffer, size, "L%d-D%d-H%d", point->config.layers, point->config.width, point->config.heads);
	return buffer;
}

static void name_progress(const struct cast *cast, const struct point *point, char *label, size_t size)
{
	int used = cast->split.groups > 1 ? snprintf(label, size, "group %d ", cast->group + 1) : 0;
	snprintf(label + used, size - (size_t)used, "[%lld/%lld] %s", (long long)point->number + 1,
	         (long long)cast->sweep_points, point->name);
}

/* While a point reads through one of the stage's chains, the ranks behind the other must not take this one for stuck, nor must
 * the other trainers of its group while it waits for a block. */
struct going {
	struct provider *used, *unused;
	const struct world *trainers;
};

static void keep_going(void *state)
{
	const struct going *going = state;
	provider_progress(going->used);
	if (going->unused != NULL)
		provider_sign_life(going->unused);
	world_sign_life(going->trainers);
}

/* The folders of the models that a point begins from and measures itself by, and what its file says of them. */
struct origin {
	char *start, *baseline; /* from malloc; NULL: none */
	struct start_record record;
};

static void close_origin(struct origin *origin)
{
	free(origin->start);
	free(origin->baseline);
}

static enum status open_origin(const struct point *point, struct origin *origin)
{
	const char *run = parameters_text(point->parameters, "start/run");
	const char *baseline_run = start_baseline_run(point->parameters);
	*origin = (struct origin){ .record = { run, baseline_run, &point->start, &point->baseline } };
	if (point->start.name[0] != '\0' && (origin->start = start_folder(run, &point->start)) == NULL)
		return STATUS_ENVIRONMENT;
	if (point->baseline.name[0] != '\0' &&
	    (origin->baseline = start_folder(baseline_run, &point->baseline)) == NULL) {
		close_origin(origin);
		return STATUS_ENVIRONMENT;
	}
	return STATUS_OK;
}

static enum status train(struct cast *cast, const struct point *point, const struct stage *stage, struct scene *scene)
{
	struct going going = { scene->provider, point->classified ? stage->plain : stage->scored, &cast->trainers };
	char label[256], name[64];
	enum status status;
	char *trunk = trunk_folder(point, &status);
	STATUS_TRY(status);
	name_progress(cast, point, label, sizeof label);
	struct origin origin;
	char *libraries = provenance_libraries();
	status = libraries == NULL ? STATUS_ENVIRONMENT : open_origin(point, &origin);
	if (status != STATUS_OK) {
		free(libraries);
		free(trunk);
		return status;
	}
	struct provenance provenance = { .command_line = cast->command_line,
		                         .input_text = cast->input_text,
		                         .device = cast->kernels->device_describe(cast->device),
		                         .libraries = libraries,
		                         .ranks = cast->world->size,
		                         .roles = cast->roles_text };
	struct trainer_job job = {
		.trainers = &cast->trainers,
		.kernels = cast->kernels,
		.device = cast->device,
		.config = &point->config,
		.size_name = size_name(point, name, sizeof name),
		.training = &point->training,
		.plan = &scene->plan,
		.retain_plan = &scene->retain_plan,
		.provider = scene->provider,
		.sets = scene->sets,
		.set_count = scene->set_count,
		.questions = scene->questions,
		.question_sets = scene->question_sets,
		.evaluation_interval = parameters_real(point->parameters, "evaluate/interval"),
		.folder = point->folder,
		.identity = point->identity,
		.trunk_folder = trunk,
		.trunk_identity = point->trunk_identity,
		.start = { origin.start, point->start.identity, point->start.step, point->start.tokens,
		           point->start.flops, point->start.ablated ? &point->start.config : NULL },
		.baseline = { origin.baseline, point->baseline.identity, point->baseline.step, 0, 0, NULL },
		.tokenizer = shard_set_facts(stage->shards)->tokenizer_hash,
		.label = label,
		.point = point->number,
		.point_name = point->name,
		.parameters = point->parameters,
		.provenance = &provenance,
		.timers = &cast->timers,
		.progress = keep_going,
		.progress_state = &going,
		.leaders = stage->leaders
	};
	if (origin.start != NULL)
		job.origin = (struct hdf5_note){ start_write, &origin.record };
	status = trainer_run(&job);
	close_origin(&origin);
	free(libraries);
	free(trunk);
	return status;
}

enum status group_play(struct cast *cast, const struct point *point, const struct stage *stage)
{
	struct scene scene = { 0 };
	enum status status = cast->trainers.rank == 0 ? text_make_directories(point->folder) : STATUS_OK;
	cast->trainers.failure_agreed = false;
	if (status == STATUS_OK)
		status = open_evaluation(point, &scene);
	if (status == STATUS_OK)
		status = open_provider(point, stage, &scene);
	if (status == STATUS_OK)
		status = open_plan(point, stage, &scene);
	status = world_agree(&cast->trainers, status);
	if (status == STATUS_OK)
		status = train(cast, point, stage, &scene);
	close_scene(&scene);
	return status;
}
