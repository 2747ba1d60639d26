/* The probes of one trained model.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/timer.h"
#include "tasks/probing_parts.h"
#include "tasks/unfinished.h"

enum { ROWS_PER_BATCH = 8 };

/* A point while it is worked on. */
struct work {
	struct probing *probing;
	size_t number;
	const char *name;
	char *folder; /* of its results */
	struct run_results results;
	struct model_config config;
	struct probing_layers layers;
	char *made_with; /* what its probes depend on */
	char hash[CONTENT_HASH_SIZE];
	struct unfinished unfinished;
	int tokens, documents; /* layers of which tokens, documents, are probed */
};

/* ---- what its probes depend on ---- */

static enum status describe(struct work *work)
{
	const struct probing *probing = work->probing;
	const struct probing_text *text = &probing->text;
	char *made_with = unfinished_keys(probing->parameters, "data/folder");
	made_with = unfinished_add_line(made_with, "run = %s", work->results.identity);
	for (int i = 0; i < LAYER_SETS; i++)
		made_with = unfinished_add_line(made_with, "text %d = %s", i, shard_set_content_hash(text->sets[i]));
	made_with = unfinished_add_line(made_with, "groups = %s", probing->groups.hash);
	work->made_with = made_with;
	if (made_with == NULL)
		return STATUS_ENVIRONMENT;
	checksum_content_hash(made_with, strlen(made_with), work->hash);
	return STATUS_OK;
}

static bool is_there(const struct work *work)
{
	char *path = text_join_path(work->folder, "run.h5"), *before = NULL;
	struct hdf5_reader *reader = NULL;
	bool same = false;
	if (path != NULL && hdf5_is_complete(path) && hdf5_open(path, &reader) == STATUS_OK) {
		same = hdf5_exists(reader, "probes") &&
		       hdf5_read_text_attribute(reader, "provenance", "evaluation", &before) == STATUS_OK &&
		       strcmp(before, work->hash) == 0;
		hdf5_close(reader);
	}
	error_clear(); /* a file that cannot be read is written anew */
	free(before);
	free(path);
	return same;
}

static enum status open_text(struct work *work)
{
	struct probing *probing = work->probing;
	const struct trained_run *trained = &probing->trained;
	STATUS_TRY(probing_text_open(probing, sweep_point(trained->sweep, work->number)));
	const struct shard_facts *facts = shard_set_facts(probing->text.sets[LAYER_TEST]);
	STATUS_TRY(trained_check_tokenizer(trained, work->number, facts->tokenizer_hash, probing->text.folder));
	STATUS_TRY(trained_config(trained, work->number, &work->results, facts->vocabulary, probing->text.folder,
	                          &work->config));
	STATUS_TRY(probing_layers_find(probing, work->name, work->config.layers, &work->layers));
	work->tokens = probing->text.tokens.count > 0 ? work->layers.count : 0;
	work->documents = probing->text.pair_count > 0 ? work->layers.count : 0;
	return describe(work);
}

/* ---- units ---- */

/* Tokens first, then documents. */
static char *unit_path(const struct work *work, int unit)
{
	bool tokens = unit < work->tokens;
	int layer = work->layers.numbers[tokens ? unit : unit - work->tokens];
	return text_format("%s/%s-%03d.h5", work->unfinished.folder, tokens ? "tokens" : "documents", layer);
}

/* Whether the file of the unit holds all of it. */
static enum status look(const struct work *work, int unit, const char *path, bool *found)
{
	struct probing_tokens tokens = { 0 };
	struct probing_documents documents = { 0 };
	enum status status =
		unit < work->tokens ? probing_tokens_read(path, work->hash, &tokens, found)
				    : probing_documents_read(path, work->hash, &work->probing->text, &documents, found);
	probing_tokens_clear(&tokens);
	probing_documents_clear(&documents);
	if (status == STATUS_DATA) { /* damaged: made anew */
		error_clear();
		*found = false;
		return STATUS_OK;
	}
	return status;
}

static enum status compute(const struct work *work, struct features *features, int unit, const char *path)
{
	const struct probing *probing = work->probing;
	struct probing_tokens tokens = { 0 };
	struct probing_documents documents = { 0 };
	bool is_tokens = unit < work->tokens;
	int layer = work->layers.numbers[is_tokens ? unit : unit - work->tokens];
	enum status status = is_tokens ? probing_layer_tokens(probing, features, layer, &tokens)
	                               : probing_layer_documents(probing, features, layer, &documents);
	if (status == STATUS_OK)
		status = is_tokens ? probing_tokens_write(path, work->hash, &tokens)
		                   : probing_documents_write(path, work->hash, &probing->text, &documents);
	if (status == STATUS_OK)
		stop_note_saved();
	else if (status != STATUS_STOPPED)
		error_context(status, "layer %d", layer);
	probing_tokens_clear(&tokens);
	probing_documents_clear(&documents);
	return status;
}

static void go_on(void *state)
{
	world_progress(state);
}

static enum status open_features(const struct work *work, struct features **features_out)
{
	struct probing *probing = work->probing;
	const struct devices *devices = &probing->devices;
	float *weights = NULL;
	struct model_config plain = work->config;
	plain.route_neurons = plain.route_heads = 0; /* either version is an ordinary model */
	STATUS_TRY(trained_weights(&probing->trained, work->number, &work->results, &work->config, &weights));
	const struct features_options options = { .kernels = devices->kernels,
		                                  .device = devices->device,
		                                  .config = &plain,
		                                  .left_parameters = weights,
		                                  .layers = work->layers.numbers[work->layers.count - 1],
		                                  .context = work->config.context,
		                                  .rows_per_batch = ROWS_PER_BATCH,
		                                  .end_of_text = probing->text.end_of_text,
		                                  .left_left = true };
	enum status status = features_create(&options, features_out);
	free(weights);
	if (status == STATUS_OK)
		features_set_progress(*features_out, go_on, probing->job->world);
	return status;
}

/* Collective: each rank one unit at a time, so that a failure is known soon. */
static enum status run_units(const struct work *work)
{
	struct probing *probing = work->probing;
	struct world *world = probing->job->world;
	struct features *features = NULL;
	int units = work->tokens + work->documents;
	enum status status = STATUS_OK;
	for (int first = 0; first < units && status == STATUS_OK; first += world->size) {
		int unit = first + world->rank;
		bool found = unit >= units;
		char *path = found ? NULL : unit_path(work, unit);
		if (!found)
			status = path == NULL ? STATUS_ENVIRONMENT : look(work, unit, path, &found);
		if (status == STATUS_OK && !found && features == NULL)
			status = open_features(work, &features);
		if (status == STATUS_OK && !found)
			status = compute(work, features, unit, path);
		free(path);
		status = world_agree(world, status); /* for as long as a layer of a large model takes the others */
		if (status == STATUS_OK)
			status = world_agree(world, stop_check("probing layers"));
	}
	features_destroy(features);
	return status;
}

/* ---- the file ---- */

/* F1 of the run's own classifier, where it was fitted on the text at hand. */
static void find_classifier(const struct work *work, struct probing_results *results)
{
	const char *name =
		parameters_text(sweep_point(work->probing->trained.sweep, work->number), "filter/classifier");
	struct hdf5_reader *reader = NULL;
	struct stat facts, own, other;
	char *folder = NULL;
	if (name[0] == '\0' || stat(name, &facts) != 0)
		return;
	char *path = S_ISDIR(facts.st_mode) ? text_join_path(name, "classifier.h5") : memory_copy_text(name);
	if (path != NULL && hdf5_open(path, &reader) == STATUS_OK) {
		bool same = hdf5_read_text_attribute(reader, "parameters", "data/folder", &folder) == STATUS_OK &&
		            stat(folder, &other) == 0 && stat(work->probing->text.folder, &own) == 0 &&
		            own.st_dev == other.st_dev && own.st_ino == other.st_ino;
		if (same &&
		    hdf5_read_real_attribute(reader, "metrics/classifier/test/balanced", "f1",
		                             &results->classifier_f1) == STATUS_OK &&
		    hdf5_read_real_attribute(reader, "metrics/classifier/test/natural", "f1",
		                             &results->classifier_f1_natural) == STATUS_OK)
			results->classifier = memory_copy_text(name);
		hdf5_close(reader);
	}
	error_clear(); /* without it there is no line of reference */
	free(folder);
	free(path);
}

static enum status read_units(const struct work *work, struct probing_results *results)
{
	bool found = true;
	enum status status = STATUS_OK;
	for (int unit = 0; unit < work->tokens + work->documents && status == STATUS_OK; unit++) {
		char *path = unit_path(work, unit);
		status = path == NULL ? STATUS_ENVIRONMENT
		         : unit < work->tokens
		                 ? probing_tokens_read(path, work->hash, &results->tokens[unit], &found)
		                 : probing_documents_read(path, work->hash, &work->probing->text,
		                                          &results->documents[unit - work->tokens], &found);
		if (status == STATUS_OK && !found)
			status = error_raise(
				STATUS_IO,
				"%s is not to be seen, which another rank has written: the output folder must "
				"be one that all nodes share; run the same line again",
				path);
		free(path);
	}
	return status;
}

static enum status write_file(struct work *work, const struct probing_results *results)
{
	const struct probing *probing = work->probing;
	const struct devices *devices = &probing->devices;
	char *path = text_join_path(work->folder, "run.h5");
	struct provenance provenance = { .command_line = probing->job->command_line,
		                         .evaluation = work->hash,
		                         .device = probing->opened ? devices->kernels->device_describe(devices->device)
		                                                   : NULL,
		                         .ranks = probing->job->world->size };
	run_results_drop_evaluations(&work->results);
	run_results_drop_questions(&work->results);
	run_results_drop_recovery(&work->results);
	work->results.addition = (struct hdf5_note){ probing_results_note, results };
	enum status status =
		path == NULL ? STATUS_ENVIRONMENT
			     : run_file_write(path, &work->results, sweep_point(probing->trained.sweep, work->number),
	                                      &provenance, true);
	free(path);
	return status;
}

static void say(const struct work *work, const struct probing_results *results)
{
	if (results->tokens != NULL) {
		int best = probing_best_layer(results);
		const struct probing_tokens *tokens = &results->tokens[best];
		log_info("  tokens: F1 %.4f after layer %d, at natural prevalence %.4f; AUROC %.4f",
		         tokens->test[PROBING_F1], work->layers.numbers[best], tokens->test[PROBING_F1_NATURAL],
		         tokens->test[PROBING_AUROC]);
	}
	for (int pair = 0; pair < work->probing->text.pair_count; pair++) {
		int best = probing_best_pair_layer(results, pair);
		double sum = 0;
		for (int i = 0; i < work->layers.count; i++)
			sum += results->documents[i].accuracy[pair];
		log_info("  documents: %s: %.1f %% right after layer %d, %.1f %% on average over layers",
		         work->probing->text.pairs[pair].name, 100 * results->documents[best].accuracy[pair],
		         work->layers.numbers[best], 100 * sum / work->layers.count);
	}
}

static void warn_of_fits(const struct work *work, const struct probing_results *results)
{
	int tokens = 0, documents = 0;
	for (int i = 0; i < work->tokens; i++)
		tokens += !results->tokens[i].converged;
	for (int i = 0; i < work->documents; i++)
		for (int pair = 0; pair < work->probing->text.pair_count; pair++)
			documents += !results->documents[i].converged[pair];
	if (tokens + documents > 0)
		log_info("  %d fits to tokens and %d to documents were ended after %d iterations, before their minimum "
		         "(probe/l2)",
		         tokens, documents, LAYER_ITERATIONS);
}

/* Rank 0. */
static enum status assemble(struct work *work)
{
	struct probing_results results = { .probing = work->probing, .layers = &work->layers };
	enum status status = STATUS_OK;
	if (work->tokens > 0)
		results.tokens = memory_allocate((size_t)work->tokens, sizeof *results.tokens);
	if (work->documents > 0)
		results.documents = memory_allocate((size_t)work->documents, sizeof *results.documents);
	if ((work->tokens > 0 && results.tokens == NULL) || (work->documents > 0 && results.documents == NULL))
		status = STATUS_ENVIRONMENT;
	if (status == STATUS_OK)
		status = read_units(work, &results);
	if (status == STATUS_OK) {
		find_classifier(work, &results);
		status = write_file(work, &results);
	}
	if (status == STATUS_OK) {
		say(work, &results);
		warn_of_fits(work, &results);
		status = unfinished_remove(work->folder);
	}
	for (int i = 0; i < work->tokens && results.tokens != NULL; i++)
		probing_tokens_clear(&results.tokens[i]);
	for (int i = 0; i < work->documents && results.documents != NULL; i++)
		probing_documents_clear(&results.documents[i]);
	free(results.tokens);
	free(results.documents);
	free(results.classifier);
	return status;
}

/* ---- a point ---- */

/* Before the first point that is to be probed. Collective: every rank computes. */
static enum status open_device(struct probing *probing)
{
	if (probing->opened)
		return STATUS_OK;
	probing->opened = true; /* to be closed, whatever comes of it */
	STATUS_TRY(devices_open_all(probing->job->world, probing->parameters, probing->job->cores, "prober",
	                            &probing->devices));
	devices_print(&probing->devices);
	return STATUS_OK;
}

static enum status probe_finished(struct work *work)
{
	struct probing *probing = work->probing;
	struct world *world = probing->job->world;
	bool there = false;
	STATUS_TRY(world_agree(world, open_text(work)));
	if (world->rank == 0)
		there = is_there(work);
	STATUS_TRY(world_broadcast(world, &there, sizeof there, 0));
	log_info("[%zu/%zu] %s%s", work->number + 1, sweep_point_count(probing->trained.sweep), work->name,
	         there ? ": finished, nothing to do" : "");
	if (there)
		return unfinished_tidy(world, work->folder);
	STATUS_TRY(open_device(probing));
	STATUS_TRY(unfinished_open(world, work->folder, work->made_with, NULL, &work->unfinished));
	STATUS_TRY(run_units(work));
	STATUS_TRY(world_agree(world, world->rank == 0 ? assemble(work) : STATUS_OK));
	stop_note_saved();
	return STATUS_OK;
}

enum status probing_point(struct probing *probing, size_t number)
{
	struct work work = { .probing = probing,
		             .number = number,
		             .name = sweep_point_name(probing->trained.sweep, number) };
	bool ready = false;
	enum status status = trained_read(&probing->trained, number, &work.results, &ready);
	if (status == STATUS_OK && ready) {
		work.folder = text_format("%s/points/%s", probing->output, work.name);
		status = world_agree(probing->job->world, work.folder == NULL ? STATUS_ENVIRONMENT : STATUS_OK);
	}
	if (status == STATUS_OK && ready)
		status = probe_finished(&work);
	run_results_clear(&work.results);
	unfinished_clear(&work.unfinished);
	free(work.layers.numbers);
	free(work.made_with);
	free(work.folder);
	return status;
}
