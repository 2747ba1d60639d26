/* One point of a pretrain input file: settings, classifier, identity, whether it is finished.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/pretrain_point.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "classifier/content.h"
#include "filter/score.h"
#include "tasks/evaluation_counts.h"
#include "tasks/finished.h"
#include "tasks/guard.h"
#include "tasks/plan_ahead.h"
#include "tasks/shares.h"
#include "tasks/trunk.h"

/* ---- where decisions come from ---- */

enum status classifier_facts_read(const char *path, const struct shard_facts *shards,
                                  struct classifier_facts *facts_out)
{
	struct content content;
	STATUS_TRY(content_read(path, &content));
	enum status status = STATUS_OK;
	if (strcmp(content.tokenizer_hash, shards->tokenizer_hash) != 0)
		status = error_raise(
			STATUS_DATA,
			"%s was fitted with the tokenizer %s (%s), but the data was made with %s (%s): fit a "
			"classifier on this data, or tokenize with that vocabulary",
			path, content.tokenizer_hash, content.tokenizer, shards->tokenizer_hash, shards->tokenizer);
	struct model_config body = content.config;
	memcpy(facts_out->hash, content.hash, sizeof facts_out->hash);
	facts_out->token_threshold = content.token_threshold;
	facts_out->document_threshold = content.document_threshold;
	facts_out->token_threshold_balanced = content.token_threshold_balanced;
	facts_out->document_threshold_balanced = content.document_threshold_balanced;
	facts_out->parameters = 2 * model_config_parameters(&content.config);
	body.layers = content.layer; /* later blocks are not computed */
	facts_out->flops = 2 * model_config_forward_flops(&body, content.context, false);
	facts_out->body = body;
	facts_out->context = content.context;
	facts_out->rows = content.rows_per_batch;
	content_clear(&content);
	return status;
}

enum status score_file_open(const char *path, const char *content_hash, struct hdf5_reader **reader_out)
{
	struct hdf5_reader *reader = NULL;
	char *identity = NULL;
	STATUS_TRY(hdf5_open(path, &reader));
	enum status status = hdf5_read_text_attribute(reader, "/", "identity", &identity);
	/* "<classifier hash> <content hash of the text>" */
	if (status == STATUS_OK && strstr(identity, content_hash) == NULL)
		status = error_raise(STATUS_DATA, "%s: these scores belong to other text than data/folder holds", path);
	free(identity);
	if (status != STATUS_OK) {
		hdf5_close(reader);
		return status;
	}
	*reader_out = reader;
	return STATUS_OK;
}

/* Where the threshold that a point asks for by auto or balanced is kept. */
static uint16_t *best_threshold(struct point *point, bool documents)
{
	const char *key = documents ? "filter/document_threshold" : "filter/token_threshold";
	struct classifier_facts *facts = &point->classifier;
	if (strcmp(parameters_value(point->parameters, key), "balanced") == 0)
		return documents ? &facts->document_threshold_balanced : &facts->token_threshold_balanced;
	return documents ? &facts->document_threshold : &facts->token_threshold;
}

/* The thresholds that the pass's classifier had found best; 0: the file does not say. */
static void read_thresholds(struct hdf5_reader *reader, struct classifier_facts *facts)
{
	const struct {
		const char *name;
		uint16_t *target;
	} thresholds[] = { { "token_threshold", &facts->token_threshold },
		           { "document_threshold", &facts->document_threshold },
		           { "token_threshold_balanced", &facts->token_threshold_balanced },
		           { "document_threshold_balanced", &facts->document_threshold_balanced } };
	for (size_t i = 0; i < sizeof thresholds / sizeof *thresholds; i++) {
		int64_t value = 0;
		if (hdf5_read_integer_attribute(reader, "/", thresholds[i].name, &value) != STATUS_OK)
			error_clear();
		*thresholds[i].target = value > 0 && value <= UINT16_MAX ? (uint16_t)value : 0;
	}
}

static enum status check_score_file(struct point *point, const char *content_hash)
{
	struct hdf5_reader *reader = NULL;
	bool documents = filter_by_documents(&point->filter);
	const char *key = documents ? "filter/document_threshold" : "filter/token_threshold";
	const char *path = parameters_text(point->parameters, "filter/classifier");
	point->from_file = true;
	STATUS_TRY(score_file_open(path, content_hash, &reader));
	read_thresholds(reader, &point->classifier);
	hdf5_close(reader);
	bool known = *best_threshold(point, documents) > 0;
	if (!known && point->filter.method != FILTER_WEIGHT && parameters_real(point->parameters, key) < 0 &&
	    parameters_real(point->parameters, "filter/share") < 0)
		return error_raise(STATUS_USAGE,
		                   "filter/source = file needs a number for %s, or filter/share: %s does not say which "
		                   "threshold is best (%s)",
		                   key, path, parameters_value(point->parameters, key));
	for (int i = 0; i < 2; i++)
		if (*best_threshold(point, i > 0) == 0)
			*best_threshold(point, i > 0) = SCORE_EVEN; /* of what the method does not decide by */
	return STATUS_OK;
}

static bool same_classifier(const struct point *a, const struct point *b)
{
	return strcmp(a->classifier_path, b->classifier_path) == 0 &&
	       strcmp(parameters_text(a->parameters, "data/folder"), parameters_text(b->parameters, "data/folder")) ==
	               0;
}

static enum status read_classifier(struct point *point, const struct shard_set *shards, const struct point *before,
                                   bool planning)
{
	const struct shard_facts *facts = shard_set_facts(shards);
	const char *source = parameters_text(point->parameters, "filter/source");
	if (point->filter.method == FILTER_NONE)
		return STATUS_OK;
	if (strcmp(source, "labels") == 0)
		return facts->has_token_labels
		               ? STATUS_OK
		               : error_raise(
					 STATUS_DATA,
					 "%s: filter/source = labels, but no document of the data in %s has \"labels\" of its tokens: give its "
					 "documents some (one stretch may be all of a document; docs/corpus.md), or use a classifier",
					 parameters_origin(point->parameters, "filter/source"),
					 parameters_text(point->parameters, "data/folder"));
	if (strcmp(source, "file") == 0)
		return check_score_file(point, shard_set_content_hash(shards));
	point->classified = true;
	point->classifier_path = settings_classifier_path(point->parameters);
	if (point->classifier_path == NULL)
		return STATUS_ENVIRONMENT;
	if (point->classifier_path[0] == '\0')
		return error_raise(STATUS_USAGE,
		                   "filter/method = %s needs filter/classifier (a classifier file, or the output "
		                   "folder of a classifier run) or filter/source = labels",
		                   filter_method_name(point->filter.method));
	if (before != NULL && same_classifier(before, point)) {
		point->classifier = before->classifier;
		return STATUS_OK;
	}
	/* A plan may be asked for before the classifier of run/after is fitted: its cost is that of its input file. */
	if (planning && access(point->classifier_path, F_OK) != 0)
		return plan_ahead_classifier(point->parameters, facts->vocabulary, &point->classifier);
	return classifier_facts_read(point->classifier_path, facts, &point->classifier);
}

/* ---- the whole point ---- */

/* What a checkpoint must have been made with: the parameters that decide results, the text, the classifier, and where a run
 * begins from another one, the weights of that one and of the baseline. */
static void name_identity(struct point *point, const char *content_hash)
{
	char hash[CONTENT_HASH_SIZE], origin[2 * sizeof point->start.identity], origin_hash[CONTENT_HASH_SIZE + 1] = "";
	parameters_hash(point->parameters, hash);
	if (point->start.name[0] != '\0') {
		int used = snprintf(origin, sizeof origin, "%s %s", point->start.identity, point->baseline.identity);
		origin_hash[0] = '-';
		checksum_content_hash(origin, (size_t)used, origin_hash + 1);
	}
	snprintf(point->identity, sizeof point->identity, "%s-%s-%s%s", hash, content_hash,
	         point->classified ? point->classifier.hash : "none", origin_hash);
}

/* ---- where the weights come from ---- */

static bool same_key(const struct point *a, const struct point *b, const char *key)
{
	return strcmp(parameters_value(a->parameters, key), parameters_value(b->parameters, key)) == 0;
}

/* What a finished point remembers of its start, or of its baseline, where that run is gone; else `otherwise`. */
static enum status read_back(const struct point *point, bool baseline, enum status otherwise, struct start *out)
{
	struct start start = { 0 }, target = { 0 };
	STATUS_TRY(start_read_back(point->folder, &start, &target));
	if (strcmp(start.name, parameters_text(point->parameters, "start/point")) != 0 ||
	    (baseline && target.name[0] == '\0'))
		return otherwise;
	*out = baseline ? target : start;
	error_clear();
	return STATUS_OK;
}

/* The model is that of the run begun from. `previous`: points of one start follow each other. `planning`: the run may not be
 * there yet. */
static enum status resolve_start(struct point *point, const struct shard_facts *facts, const struct point *previous,
                                 bool planning)
{
	const struct parameters *parameters = point->parameters;
	const char *run = parameters_text(parameters, "start/run"), *name = parameters_text(parameters, "start/point");
	const char *folder = parameters_text(parameters, "data/folder");
	if (previous != NULL && !previous->start.recorded && same_key(previous, point, "start/point") &&
	    same_key(previous, point, "data/folder")) {
		point->start = previous->start;
	} else {
		enum status status = start_read(run, name, &point->start);
		if (status == STATUS_DATA)
			status = read_back(point, false, status, &point->start);
		if (status == STATUS_DATA && planning) {
			error_clear();
			status = start_read_ahead(parameters, facts->vocabulary, &point->start);
		}
		STATUS_TRY(status);
		STATUS_TRY(start_check_text(&point->start, facts, folder));
		start_choose_version(parameters, &point->start);
	}
	point->config = point->start.config;
	/* The weights of either version are those of an ordinary model. */
	point->config.route_neurons = point->config.route_heads = 0;
	return STATUS_OK;
}

/* The unfiltered model whose loss is the target of finetuning; a plan can do without. */
static enum status resolve_baseline(struct point *point, const struct point *previous, bool planning)
{
	const struct parameters *parameters = point->parameters;
	if (strcmp(parameters_text(parameters, "run/task"), "finetune") != 0 ||
	    parameters_real(parameters, "finetune/target") >= 0 ||
	    parameters_real(parameters, "finetune/target") == SETTINGS_NO_TARGET)
		return STATUS_OK;
	if (previous != NULL && !previous->baseline.recorded && same_key(previous, point, "start/point") &&
	    same_key(previous, point, "finetune/target")) {
		point->baseline = previous->baseline;
		return STATUS_OK;
	}
	enum status status =
		start_find_baseline(start_baseline_run(parameters), parameters_text(parameters, "start/run"),
	                            &point->start, &point->baseline);
	if (status == STATUS_DATA)
		status = read_back(point, true, status, &point->baseline);
	if (status != STATUS_DATA || !planning)
		return status;
	error_clear();
	return STATUS_OK;
}

/* The model, and the target of finetuning. */
static enum status resolve_model(struct point *point, const struct shard_facts *facts, const struct point *previous,
                                 bool planning)
{
	if (!start_is_wanted(point->parameters))
		return settings_model(point->parameters, facts->vocabulary, &point->config);
	STATUS_TRY(resolve_start(point, facts, previous, planning));
	return resolve_baseline(point, previous, planning);
}

static enum status resolve(struct point *point, struct shard_set *shards, const struct point_reading *reading)
{
	const struct shard_facts *facts = shard_set_facts(shards);
	const struct point *before = reading->before;
	bool planning = reading->look == LOOK_NOT;
	STATUS_TRY(resolve_model(point, facts, reading->previous, planning));
	STATUS_TRY(settings_training(point->parameters, &point->config, &point->training));
	STATUS_TRY(settings_method(point->parameters, &point->filter));
	STATUS_TRY(read_classifier(point, shards, before, planning));
	bool labels = !point->classified && !point->from_file; /* 0 or 1: any threshold between tells them apart */
	STATUS_TRY(settings_filter(point->parameters, facts, labels ? SCORE_EVEN : *best_threshold(point, false),
	                           labels ? SCORE_EVEN : *best_threshold(point, true), point->training.steps,
	                           &point->filter));
	/* a plan may be asked for before the classifier is fitted */
	if (!planning || !point->classified || point->classifier.hash[0] != '\0')
		STATUS_TRY(shares_resolve(point, shards));
	STATUS_TRY(shares_expect(point, shards));
	point->flops = settings_training_flops(&point->config, &point->training);
	name_identity(point, shard_set_content_hash(shards));
	return STATUS_OK;
}

/* What a plan needs of a point whose text is not there yet. */
static enum status resolve_ahead(struct point *point, const struct point *previous)
{
	struct shard_facts facts;
	STATUS_TRY(plan_ahead_text(point->parameters, &facts));
	STATUS_TRY(resolve_model(point, &facts, previous, true));
	STATUS_TRY(settings_training(point->parameters, &point->config, &point->training));
	STATUS_TRY(settings_method(point->parameters, &point->filter));
	point->classified = point->filter.method != FILTER_NONE &&
	                    strcmp(parameters_text(point->parameters, "filter/source"), "classifier") == 0;
	point->classifier_path = settings_classifier_path(point->parameters);
	point->block_tokens = (double)facts.block_tokens;
	point->ahead = true;
	STATUS_TRY(shares_expect(point, NULL));
	point->flops = settings_training_flops(&point->config, &point->training);
	if (point->classifier_path == NULL)
		return STATUS_ENVIRONMENT;
	return point->classified ? plan_ahead_classifier(point->parameters, facts.vocabulary, &point->classifier)
	                         : STATUS_OK;
}

static bool text_is_there(const struct point *point)
{
	char *path = shard_path(parameters_text(point->parameters, "data/folder"), "train", 0);
	bool there = path == NULL || access(path, F_OK) == 0;
	free(path);
	return there;
}

static enum status check_finished(struct point *point)
{
	char *path = text_join_path(point->folder, "run.h5");
	if (path == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = finished_check_run(path, point->identity, point->parameters, &point->finished);
	free(path);
	return status;
}

/* One job at a time works on a point. What is finished is asked again under the lock. */
static enum status claim(struct point *point, struct point_reading *reading)
{
	char *owner = NULL;
	STATUS_TRY(check_finished(point));
	if (point->finished)
		return STATUS_OK;
	STATUS_TRY(guard_take(point->folder, &reading->memory, &point->lock, &owner));
	if (point->lock != NULL)
		return check_finished(point);
	if (reading->look != LOOK_QUIETLY)
		log_info("%s is being worked on by %s: left to it", point->name, owner);
	free(owner);
	point->busy = point->finished = true;
	return STATUS_OK;
}

/* The text of the point, where that of the point before is another. */
static enum status open_text(struct point_reading *reading, const char *folder)
{
	if (reading->shards != NULL && strcmp(folder, reading->shards_folder) == 0)
		return STATUS_OK;
	point_reading_close(reading);
	reading->shards_folder = memory_copy_text(folder);
	return reading->shards_folder == NULL ? STATUS_ENVIRONMENT : shard_set_open(folder, "train", &reading->shards);
}

static enum status name_folder(struct point *point)
{
	char *points_folder = text_join_path(parameters_text(point->parameters, "run/output"), "points");
	if (points_folder == NULL)
		return STATUS_ENVIRONMENT;
	point->folder = text_join_path(points_folder, point->name);
	free(points_folder);
	return point->folder == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

static enum status resolve_all(struct point_reading *reading, struct point *point)
{
	STATUS_TRY(name_folder(point));
	if (reading->look == LOOK_NOT && !text_is_there(point))
		return resolve_ahead(point, reading->previous);
	STATUS_TRY(open_text(reading, parameters_text(point->parameters, "data/folder")));
	const struct shard_set *shards = reading->shards;
	STATUS_TRY(settings_check_text(point->parameters));
	STATUS_TRY(resolve(point, reading->shards, reading));
	point->set_tokens = (double)shard_set_tokens(shards);
	point->set_documents = (double)shard_set_documents(shards);
	point->block_tokens = point->set_tokens / (double)(shard_set_blocks(shards) + (shard_set_blocks(shards) == 0));
	STATUS_TRY(evaluation_count(point, reading->previous));
	if (reading->look == LOOK_NOT)
		return STATUS_OK;
	STATUS_TRY(claim(point, reading));
	return point->finished ? STATUS_OK : trunk_find(point);
}

enum status point_create(struct point_reading *reading, int64_t number, struct point *point)
{
	point->number = number;
	point->name = sweep_point_name(reading->sweep, (size_t)number);
	point->parameters = sweep_point(reading->sweep, (size_t)number);
	enum status status = resolve_all(reading, point);
	if (point->classified)
		reading->before = point;
	reading->previous = point;
	return status;
}

void point_reading_close(struct point_reading *reading)
{
	if (reading->shards != NULL)
		shard_set_close(reading->shards);
	reading->shards = NULL;
	free(reading->shards_folder);
	reading->shards_folder = NULL;
}
