/* task = label: labels of tokens from a sparse autoencoder of a trained model, for text whose documents have domains (paper, section
 * 5.1). The output folder is one of tokens like that of task = tokenize, with autoencoder.h5, latents.h5 and latents.jsonl beside them.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "results/checkpoint.h"
#include "storage/atomic_file.h"
#include "storage/hdf5_file.h"
#include "tasks/finished.h"
#include "tasks/guard.h"
#include "tasks/label_clean.h"
#include "tasks/label_parts.h"
#include "tasks/settings.h"

/* Rows of text that go through the model at once, as in the classifier. */
enum { ROWS_PER_BATCH = 8 };

/* ---- what is asked for ---- */

static bool is_same_folder(const char *a, const char *b)
{
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Two points must not write to one folder: several models were chosen, most likely. */
static enum status check_outputs(const struct sweep *sweep)
{
	size_t points = sweep_point_count(sweep);
	for (size_t i = 0; i < points; i++)
		for (size_t j = i + 1; j < points; j++) {
			const struct parameters *a = sweep_point(sweep, i), *b = sweep_point(sweep, j);
			if (strcmp(parameters_text(a, "run/output"), parameters_text(b, "run/output")) != 0)
				continue;
			return error_raise(
				STATUS_USAGE,
				"%zu points would write to %s, among them %s and %s: choose one model with "
				"start/points (start/points=%s), or write what tells them apart into run/output, "
				"such as {start/point}",
				points, parameters_text(a, "run/output"), sweep_point_name(sweep, i),
				sweep_point_name(sweep, j), parameters_text(b, "start/point"));
		}
	return STATUS_OK;
}

static enum status open_sets(struct labelling *work)
{
	for (int split = 0; split < LABEL_SETS; split++) {
		STATUS_TRY(shard_set_open(work->data, label_set_name(split), &work->sets[split]));
		const char *hash = shard_set_facts(work->sets[split])->tokenizer_hash;
		if (strcmp(hash, shard_set_facts(work->sets[LABEL_TRAIN])->tokenizer_hash) != 0)
			return error_raise(STATUS_DATA, "%s: the sets were made with different tokenizers", work->data);
	}
	work->end_of_text = shard_set_facts(work->sets[LABEL_TRAIN])->end_of_text;
	return STATUS_OK;
}

static enum status open_start(struct labelling *work)
{
	const struct parameters *parameters = work->parameters;
	const char *run = parameters_text(parameters, "start/run");
	STATUS_TRY(start_read(run, parameters_text(parameters, "start/point"), &work->start));
	STATUS_TRY(start_check_text(&work->start, shard_set_facts(work->sets[LABEL_TRAIN]), work->data));
	if (strcmp(work->start.method, "none") != 0)
		log_warning(
			"the model %s of %s was filtered or unlearned (%s): it has seen little of what is to be found",
			work->start.name, run, work->start.method);
	return STATUS_OK;
}

static enum status read_shape(struct labelling *work)
{
	const struct parameters *parameters = work->parameters;
	const char *given = parameters_text(parameters, "label/autoencoder");
	const struct model_config *config = &work->start.config;
	int64_t layer = parameters_integer(parameters, "label/layer");
	int64_t latents = parameters_integer(parameters, "label/latents");
	int64_t active = parameters_integer(parameters, "label/active");
	struct label_autoencoder_facts facts;
	if (given[0] != '\0') {
		char *path = text_join_path(given, "autoencoder.h5");
		enum status status =
			path == NULL ? STATUS_ENVIRONMENT : label_read_autoencoder_facts(path, &work->start, &facts);
		free(path);
		if (status != STATUS_OK)
			return error_context(status, "label/autoencoder");
		work->shape = facts.shape;
		work->layer = (int)facts.layer;
		memcpy(work->identity, facts.identity, sizeof work->identity);
		return STATUS_OK;
	}
	work->layer = layer < 0 ? (2 * config->layers + 2) / 3 : (int)layer;
	if (work->layer > config->layers)
		return error_raise(STATUS_USAGE, "%s: label/layer = %lld: the model %s has %d blocks",
		                   parameters_origin(parameters, "label/layer"), (long long)layer, work->start.name,
		                   (int)config->layers);
	if (active < 0) /* auto */
		active = config->width < 64 ? 8 : config->width > 256 ? 32 : config->width / 8;
	work->shape = (struct autoencoder_shape){ .width = config->width,
		                                  .latents = latents < 0 ? 16 * (int64_t)config->width : latents,
		                                  .active = active,
		                                  .batch = parameters_integer(parameters, "label/batch") };
	if (work->shape.active > work->shape.latents)
		return error_raise(STATUS_USAGE, "label/active = %lld is more than the %lld latents that there are",
		                   (long long)work->shape.active, (long long)work->shape.latents);
	return STATUS_OK;
}

static enum status open_work(struct labelling *work, struct job *job, size_t point)
{
	const struct parameters *parameters = sweep_point(job->sweep, point);
	*work = (struct labelling){ .job = job,
		                    .world = job->world,
		                    .parameters = parameters,
		                    .output = parameters_text(parameters, "run/output"),
		                    .data = parameters_text(parameters, "data/folder"),
		                    .seed = (uint64_t)parameters_integer(parameters, "run/seed") };
	if (is_same_folder(work->output, work->data))
		return error_raise(STATUS_USAGE,
		                   "run/output and data/folder are the same folder: choose another run/output");
	STATUS_TRY(open_sets(work));
	STATUS_TRY(settings_check_text(parameters));
	STATUS_TRY(open_start(work));
	STATUS_TRY(read_shape(work));
	return label_read_hand(work);
}

static void close_work(struct labelling *work)
{
	autoencoder_destroy(work->autoencoder);
	features_destroy(work->features);
	devices_close(&work->devices);
	for (int split = 0; split < LABEL_SETS; split++)
		if (work->sets[split] != NULL)
			shard_set_close(work->sets[split]);
	for (int i = 0; i < 2; i++)
		free(work->hand[i]);
	block_clear(&work->block);
	latent_tally_clear(&work->tally);
	unfinished_clear(&work->unfinished);
	free(work->values);
	free(work->begin);
	free(work->active);
	free(work->index);
	free(work->chosen);
	free(work->thresholds);
}

/* ---- finished? ---- */

/* A corpus.h5 that this task has made of the same things. */
static enum status check_corpus(const struct labelling *work, const char *path)
{
	struct hdf5_reader *reader = NULL;
	char *made_with = NULL;
	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = hdf5_read_text_attribute(reader, "labels", "made_with", &made_with);
	hdf5_close(reader);
	if (status != STATUS_OK) {
		error_clear();
		return error_raise(STATUS_USAGE,
		                   "%s holds tokens that task = label has not made: choose another run/output",
		                   work->output);
	}
	bool same = strcmp(made_with, work->made_with) == 0;
	free(made_with);
	if (same)
		return STATUS_OK;
	STATUS_TRY(finished_check_parameters(path, work->parameters));
	return error_raise(
		STATUS_DATA,
		"%s was made with other text, another model, autoencoder or lists of latents than the input file "
		"now names: choose another run/output, or remove that folder",
		path);
}

/* No shard of another task is to be written over. */
static enum status check_folder(const struct labelling *work)
{
	char *shard = shard_path(work->output, "train", 0), *kept = text_join_path(work->output, "unfinished");
	enum status status = shard == NULL || kept == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && access(shard, F_OK) == 0 && access(kept, F_OK) != 0)
		status = error_raise(STATUS_USAGE,
		                     "%s holds tokens that task = label has not made: choose another run/output",
		                     work->output);
	free(shard);
	free(kept);
	return status;
}

/* Collective. */
static enum status find_finished(const struct labelling *work, const char *path, bool *finished)
{
	enum status status = STATUS_OK;
	if (work->world->rank == 0) {
		*finished = hdf5_is_complete(path);
		status = *finished ? check_corpus(work, path) : check_folder(work);
	}
	STATUS_TRY(world_agree(work->world, status));
	return world_broadcast(work->world, finished, sizeof *finished, 0);
}

/* ---- the work ---- */

static enum status load_model(struct labelling *work)
{
	const struct model_config *config = &work->start.config;
	float *weights = NULL;
	char *folder = start_folder(parameters_text(work->parameters, "start/run"), &work->start);
	enum status status = folder == NULL ? STATUS_ENVIRONMENT
	                                    : checkpoint_load_finished(folder, work->start.identity,
	                                                               model_config_arena_size(config), &weights);
	const struct features_options options = {
		.kernels = work->devices.kernels,
		.device = work->devices.device,
		.config = config,
		.left_parameters = weights,
		.layers = work->layer,
		.context = config->context,
		.rows_per_batch = ROWS_PER_BATCH,
		.end_of_text = work->end_of_text,
		.left_left = true,
	};
	if (status == STATUS_OK)
		status = features_create(&options, &work->features);
	free(weights);
	free(folder);
	return status;
}

static void progress(void *state)
{
	world_sign_life(state);
}

static enum status copy_file(const struct labelling *work, const char *name)
{
	char *from = text_join_path(work->data, name), *to = text_join_path(work->output, name), *data = NULL;
	size_t size;
	enum status status = from == NULL || to == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && access(from, F_OK) == 0) {
		status = file_read(from, &data, &size);
		if (status == STATUS_OK)
			status = atomic_file_write(to, data, size);
	}
	free(data);
	free(from);
	free(to);
	return status;
}

static enum status copy_files(const struct labelling *work)
{
	STATUS_TRY(copy_file(work, "tokenizer.h5"));
	return copy_file(work, "questions.h5");
}

static enum status make(struct labelling *work, const char *path)
{
	struct world *world = work->world;
	struct label_counts counts[LABEL_SETS] = { 0 };
	STATUS_TRY(world_agree(world, load_model(work)));
	features_set_progress(work->features, progress, world);
	STATUS_TRY(label_obtain_autoencoder(work));
	STATUS_TRY(label_choose(work));
	STATUS_TRY(label_write_sets(work, counts));
	STATUS_TRY(world_agree(world, world->rank == 0 ? copy_files(work) : STATUS_OK));
	if (world->rank == 0)
		label_print_counts(counts);
	return world_agree(world, world->rank == 0 ? label_write_corpus(work, path, counts) : STATUS_OK);
}

/* Collective. Under the lock, as another job may have finished it while this one waited. */
static enum status make_all(struct labelling *work, const char *path, const char *made_with)
{
	struct world *world = work->world;
	bool finished = false;
	STATUS_TRY(find_finished(work, path, &finished));
	if (finished) {
		log_info("%s: another job has finished %s", work->job->input_name, work->output);
	} else {
		STATUS_TRY(unfinished_open(world, work->output, made_with, label_remove_shards, &work->unfinished));
		STATUS_TRY(make(work, path));
		stop_note_saved();
	}
	return world_agree(world, world->rank == 0 ? unfinished_remove(work->output) : STATUS_OK);
}

static enum status make_locked(struct labelling *work, const char *path, const char *made_with)
{
	struct lock *lock = NULL;
	STATUS_TRY(guard_wait(work->world, work->output, &lock));
	enum status status = make_all(work, path, made_with);
	lock_release(lock);
	return status;
}

static enum status run(struct labelling *work, const char *path)
{
	struct world *world = work->world;
	bool finished = false;
	char *made_with = NULL;
	STATUS_TRY(devices_open_all(world, work->parameters, work->job->cores, "labelling rank", &work->devices));
	enum status status = label_name_autoencoder(work, work->devices.kernels->name);
	if (status == STATUS_OK)
		status = label_describe(work, &made_with);
	status = world_agree(world, status);
	if (status == STATUS_OK)
		status = find_finished(work, path, &finished);
	if (status == STATUS_OK && finished) {
		log_info("%s: %s is finished: nothing to do", work->job->input_name, work->output);
		status = unfinished_tidy(world, work->output);
	} else if (status == STATUS_OK) {
		devices_print(&work->devices);
		log_info("model %s of %s: its stream after block %d of %d", work->start.name,
		         parameters_text(work->parameters, "start/run"), work->layer, (int)work->start.config.layers);
		status = make_locked(work, path, made_with);
	}
	free(made_with);
	return status;
}

static enum status label_point(struct job *job, size_t point)
{
	struct labelling work;
	enum status status = world_agree(job->world, open_work(&work, job, point));
	char *path = status == STATUS_OK ? text_join_path(work.output, "corpus.h5") : NULL;
	if (status == STATUS_OK)
		status = world_agree(job->world, path == NULL ? STATUS_ENVIRONMENT : STATUS_OK);
	if (status == STATUS_OK)
		status = run(&work, path);
	free(path);
	close_work(&work);
	return status;
}

enum status task_label(struct job *job)
{
	log_open(job->world->rank, "label", job->world->rank == 0);
	STATUS_TRY(world_agree(job->world, check_outputs(job->sweep)));
	for (int64_t i = 0; i < job->point_count; i++)
		STATUS_TRY(label_point(job, (size_t)(job->first_point + i)));
	return STATUS_OK;
}
