/* Finished models of a run.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/trained.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/config_file.h"
#include "results/checkpoint.h"
#include "results/sweep_file.h"
#include "tasks/choice.h"
#include "tasks/settings.h"
#include "tasks/start.h"
#include "text/shard.h"

static bool is_same_folder(const char *a, const char *b)
{
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

enum status trained_open(struct world *world, const char *key, const char *folder, const char *output,
                         struct trained_run *run)
{
	*run = (struct trained_run){ .world = world, .folder = folder };
	if (is_same_folder(folder, output))
		return error_raise(STATUS_USAGE, "run/output and %s are the same folder: choose another run/output",
		                   key);
	char *path = text_join_path(folder, "sweep.h5");
	struct sweep_table table = { 0 };
	enum status status = path == NULL ? STATUS_ENVIRONMENT : sweep_file_read(path, &table);
	if (status == STATUS_OK)
		status = sweep_parse(path, table.input, 0, NULL, &run->sweep);
	sweep_table_clear(&table);
	free(path);
	STATUS_TRY(status);
	size_t points = sweep_point_count(run->sweep);
	run->chosen = memory_allocate(points, sizeof *run->chosen);
	run->missing = memory_allocate(points, sizeof *run->missing);
	if (run->chosen == NULL || run->missing == NULL)
		return STATUS_ENVIRONMENT;
	for (size_t i = 0; i < points; i++)
		run->chosen[i] = true;
	return STATUS_OK;
}

void trained_close(struct trained_run *run)
{
	if (run->sweep != NULL)
		sweep_destroy(run->sweep);
	free(run->chosen);
	free(run->missing);
	*run = (struct trained_run){ 0 };
}

enum status trained_choose(struct trained_run *run, const struct parameters *parameters, const char *key)
{
	return choice_make(parameters, key, run->folder, run->sweep, run->chosen);
}

char *trained_point_folder(const struct trained_run *run, size_t number)
{
	return text_format("%s/points/%s", run->folder, sweep_point_name(run->sweep, number));
}

enum status trained_read(struct trained_run *run, size_t number, struct run_results *results, bool *ready)
{
	char *folder = trained_point_folder(run, number);
	char *path = folder == NULL ? NULL : text_join_path(folder, "run.h5");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : run_file_read(path, results);
	status = world_agree(run->world, status);
	/* Another job may finish it between the moments at which two ranks read it. */
	if (status == STATUS_OK)
		status = world_broadcast(run->world, &results->finished, sizeof results->finished, 0);
	*ready = status == STATUS_OK && results->finished;
	if (status == STATUS_OK && !results->finished) {
		log_info("%s is unfinished: left out", path);
		run->missing[number] = true;
	}
	free(path);
	free(folder);
	return status;
}

static enum status read_config(const struct trained_run *run, size_t number, int32_t vocabulary,
                               struct model_config *config)
{
	const struct parameters *parameters = sweep_point(run->sweep, number);
	struct hdf5_reader *reader = NULL;
	if (!start_is_wanted(parameters))
		return settings_model(parameters, vocabulary, config);
	char *folder = trained_point_folder(run, number);
	char *path = folder == NULL ? NULL : text_join_path(folder, "run.h5");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : hdf5_open(path, &reader);
	free(path);
	free(folder);
	STATUS_TRY(status);
	status = config_file_read(reader, config);
	hdf5_close(reader);
	if (status == STATUS_OK)
		config->vocabulary = model_config_padded_vocabulary(vocabulary);
	return status;
}

enum status trained_config(const struct trained_run *run, size_t number, const struct run_results *results,
                           int32_t vocabulary, const char *what, struct model_config *config_out)
{
	STATUS_TRY(read_config(run, number, vocabulary, config_out));
	if (config_out->vocabulary != results->model.vocabulary)
		return error_raise(
			STATUS_DATA,
			"%s/points/%s: the model has a vocabulary of %lld rows, %s needs %d: it was made with "
			"another tokenizer",
			run->folder, sweep_point_name(run->sweep, number), (long long)results->model.vocabulary, what,
			config_out->vocabulary);
	return STATUS_OK;
}

/* The text may be gone. */
enum status trained_check_tokenizer(const struct trained_run *run, size_t number, const char *hash, const char *folder)
{
	struct shard_set *set = NULL;
	const char *own = parameters_text(sweep_point(run->sweep, number), "data/folder");
	if (shard_set_open_counts(own, "train", &set) != STATUS_OK) {
		error_clear();
		return STATUS_OK;
	}
	const char *before = shard_set_facts(set)->tokenizer_hash;
	enum status status = STATUS_OK;
	if (strcmp(before, hash) != 0)
		status = error_raise(
			STATUS_DATA,
			"the model was trained on text of the tokenizer %s (%s), the text in %s was made with "
			"%s: data/folder must be of the same tokenizer",
			before, own, folder, hash);
	shard_set_close(set);
	return status;
}

enum status trained_weights(const struct trained_run *run, size_t number, const struct run_results *results,
                            const struct model_config *config, float **weights_out)
{
	char *folder = trained_point_folder(run, number);
	enum status status = folder == NULL ? STATUS_ENVIRONMENT
	                                    : checkpoint_load_finished(folder, results->identity,
	                                                               model_config_arena_size(config), weights_out);
	free(folder);
	if (status == STATUS_OK && !run->whole)
		status = model_config_ablate(config, *weights_out, 0, model_config_arena_size(config));
	return status;
}

enum status trained_load(const struct trained_run *run, size_t number, const struct run_results *results,
                         const struct model_config *config, const struct kernels *kernels, struct device *device,
                         int64_t max_rows, struct model **model_out)
{
	struct model *model = NULL;
	float *weights = NULL;
	struct model_config plain = *config;
	plain.route_neurons = plain.route_heads = 0; /* either version is an ordinary model */
	enum status status = trained_weights(run, number, results, config, &weights);
	if (status == STATUS_OK)
		status = model_create(kernels, device, &plain, max_rows, false, &model);
	if (status == STATUS_OK)
		status = model_load_parameters(model, weights);
	free(weights);
	if (status != STATUS_OK) {
		model_destroy(model);
		return status;
	}
	*model_out = model;
	return STATUS_OK;
}

enum status trained_leave_out(struct trained_run *run, size_t number, enum status status)
{
	if (status != STATUS_DATA || !run->world->failure_agreed)
		return status;
	if (error_message()[0] != '\0') {
		log_warning("%s: left out: %s", sweep_point_name(run->sweep, number), error_message());
		if (run->reason[0] == '\0')
			snprintf(run->reason, sizeof run->reason, "; the first: %s", error_message());
	}
	error_clear();
	run->world->failure_agreed = false;
	run->missing[number] = true;
	return STATUS_OK;
}

size_t trained_done(const struct trained_run *run)
{
	size_t done = 0;
	for (size_t i = 0; i < sweep_point_count(run->sweep); i++)
		done += run->chosen[i] && !run->missing[i];
	return done;
}

enum status trained_report(const struct trained_run *run, const char *done)
{
	char names[4096] = "";
	size_t used = 0, missing = 0;
	bool full = false;
	for (size_t i = 0; i < sweep_point_count(run->sweep); i++) {
		if (!run->missing[i])
			continue;
		const char *name = sweep_point_name(run->sweep, i), *comma = missing++ == 0 ? "" : ", ";
		if (full)
			continue;
		full = used + strlen(name) + 8 >= sizeof names;
		used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", comma, full ? "..." : name);
	}
	if (missing == 0)
		return STATUS_OK;
	return world_agree(
		run->world,
		error_raise(
			STATUS_DATA,
			"%zu of %zu points of %s were not %s: %s%s; finish them with the run's own input file (those "
			"that are damaged begin anew once they are removed), then run this line again",
			missing, missing + trained_done(run), run->folder, done, names, run->reason));
}
