/* The points of a pretrain input file: settings, identity, what is finished, what they cost.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "classifier/content.h"
#include "classifier/rows.h"
#include "filter/score.h"
#include "tasks/evaluation_counts.h"
#include "tasks/finished.h"
#include "tasks/guard.h"
#include "tasks/plan_ahead.h"
#include "tasks/pretrain.h"
#include "tasks/shares.h"
#include "tasks/trunk.h"
#include "text/corpus.h"

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

/* ---- one point ---- */

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
	bool documents = point->filter.method == FILTER_DOCUMENT;
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
		               : error_raise(STATUS_DATA,
		                             "%s: filter/source = labels, but the data in %s has no token labels",
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

/* What a checkpoint must have been made with: the parameters that decide results, the text, the classifier. */
static void name_identity(struct point *point, const char *content_hash)
{
	char hash[CONTENT_HASH_SIZE];
	parameters_hash(point->parameters, hash);
	snprintf(point->identity, sizeof point->identity, "%s-%s-%s", hash, content_hash,
	         point->classified ? point->classifier.hash : "none");
}

static enum status resolve(struct point *point, struct shard_set *shards, const struct point *before, bool planning)
{
	const struct shard_facts *facts = shard_set_facts(shards);
	STATUS_TRY(settings_model(point->parameters, facts->vocabulary, &point->config));
	STATUS_TRY(settings_training(point->parameters, &point->config, &point->training));
	STATUS_TRY(filter_method_from_name(parameters_text(point->parameters, "filter/method"), &point->filter.method));
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
static enum status resolve_ahead(struct point *point)
{
	struct shard_facts facts;
	STATUS_TRY(plan_ahead_text(point->parameters, &facts));
	STATUS_TRY(settings_model(point->parameters, facts.vocabulary, &point->config));
	STATUS_TRY(settings_training(point->parameters, &point->config, &point->training));
	STATUS_TRY(filter_method_from_name(parameters_text(point->parameters, "filter/method"), &point->filter.method));
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
static enum status claim(struct point *point, struct lock_memory *memory)
{
	char *owner = NULL;
	STATUS_TRY(check_finished(point));
	if (point->finished)
		return STATUS_OK;
	STATUS_TRY(guard_take(point->folder, memory, &point->lock, &owner));
	if (point->lock != NULL)
		return check_finished(point);
	log_info("%s is being worked on by %s: left to it", point->name, owner);
	free(owner);
	point->busy = point->finished = true;
	return STATUS_OK;
}

static enum status create_point(const struct sweep *sweep, int64_t number, bool look_at_runs, struct shard_set **shards,
                                char **shards_folder, const struct point *before, const struct point *previous,
                                struct lock_memory *memory, struct point *point)
{
	point->number = number;
	point->name = sweep_point_name(sweep, (size_t)number);
	point->parameters = sweep_point(sweep, (size_t)number);
	const char *folder = parameters_text(point->parameters, "data/folder");
	if (!look_at_runs && !text_is_there(point))
		return resolve_ahead(point);
	if (*shards == NULL || strcmp(folder, *shards_folder) != 0) {
		if (*shards != NULL)
			shard_set_close(*shards);
		*shards = NULL;
		free(*shards_folder);
		*shards_folder = memory_copy_text(folder);
		if (*shards_folder == NULL)
			return STATUS_ENVIRONMENT;
		STATUS_TRY(shard_set_open(folder, "train", shards));
	}
	STATUS_TRY(settings_check_text(point->parameters));
	STATUS_TRY(resolve(point, *shards, before, !look_at_runs));
	point->set_tokens = (double)shard_set_tokens(*shards);
	point->block_tokens =
		point->set_tokens / (double)(shard_set_blocks(*shards) + (shard_set_blocks(*shards) == 0));
	STATUS_TRY(evaluation_count(point, previous));
	char *points_folder = text_join_path(parameters_text(point->parameters, "run/output"), "points");
	if (points_folder == NULL)
		return STATUS_ENVIRONMENT;
	point->folder = text_join_path(points_folder, point->name);
	free(points_folder);
	if (point->folder == NULL)
		return STATUS_ENVIRONMENT;
	if (!look_at_runs)
		return STATUS_OK;
	STATUS_TRY(claim(point, memory));
	return point->finished ? STATUS_OK : trunk_find(point);
}

/* ---- all points ---- */

/* Unfinished points that read through the same classifier make a phase; those without one join a phase of their text. */
static int find_phase(const struct points *points, const struct point **first, const struct point *point)
{
	const char *folder = parameters_text(point->parameters, "data/folder");
	for (int phase = 0; phase < points->phases; phase++) {
		const struct point *other = first[phase];
		if (strcmp(parameters_text(other->parameters, "data/folder"), folder) != 0)
			continue;
		if (!point->classified ||
		    (other->classified && strcmp(other->classifier_path, point->classifier_path) == 0))
			return phase;
	}
	return points->phases;
}

static enum status find_phases(struct points *points)
{
	const struct point **first = memory_allocate((size_t)points->count, sizeof *first);
	if (first == NULL)
		return STATUS_ENVIRONMENT;
	for (int classified = 1; classified >= 0; classified--)
		for (int64_t i = 0; i < points->count; i++) {
			struct point *point = &points->points[i];
			if (point->finished || point->classified != classified)
				continue;
			point->phase = find_phase(points, first, point);
			if (point->phase == points->phases)
				first[points->phases++] = point;
		}
	free(first);
	return STATUS_OK;
}

static enum status sum_up(struct points *points)
{
	points->slots = INT64_MAX;
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		points->busy += point->busy;
		if (point->finished)
			continue;
		points->unfinished++;
		points->slots = point->training.slots < points->slots ? point->training.slots : points->slots;
		points->classified |= point->classified;
	}
	return find_phases(points);
}

enum status points_create(const struct sweep *sweep, int64_t first, int64_t count, bool look_at_runs,
                          struct points *points_out)
{
	struct points points = { .count = count };
	struct shard_set *shards = NULL;
	char *shards_folder = NULL;
	points.points = memory_allocate((size_t)count, sizeof *points.points);
	enum status status = points.points == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	const struct point *before = NULL; /* the last one with a classifier */
	struct lock_memory memory = { 0 };
	for (int64_t i = 0; i < count && status == STATUS_OK; i++) {
		status = create_point(sweep, first + i, look_at_runs, &shards, &shards_folder, before,
		                      i > 0 ? &points.points[i - 1] : NULL, &memory, &points.points[i]);
		if (points.points[i].classified)
			before = &points.points[i];
	}
	if (shards != NULL)
		shard_set_close(shards);
	free(shards_folder);
	if (status == STATUS_OK)
		status = sum_up(&points);
	if (status != STATUS_OK) {
		points_clear(&points);
		return status;
	}
	*points_out = points;
	return STATUS_OK;
}

void points_clear(struct points *points)
{
	for (int64_t i = 0; points->points != NULL && i < points->count; i++) {
		lock_release(points->points[i].lock);
		free(points->points[i].classifier_path);
		free(points->points[i].folder);
	}
	free(points->points);
	timetable_clear(&points->timetable);
	*points = (struct points){ 0 };
}

/* The part of a point that only reading files tells. */
struct found {
	struct classifier_facts classifier;
	struct model_config config;
	struct training_settings training;
	struct filter filter;
	char identity[160];
	char trunk_name[SWEEP_NAME_LIMIT + 1], trunk_identity[160];
	double flops, dropped, masked;
	bool classified, from_file, finished, busy;
};

static enum status share_point(const struct world *world, const struct sweep *sweep, struct point *point)
{
	struct found found = { 0 };
	if (world->rank == 0)
		found = (struct found){ .classifier = point->classifier,
			                .config = point->config,
			                .training = point->training,
			                .filter = point->filter,
			                .flops = point->flops,
			                .classified = point->classified,
			                .from_file = point->from_file,
			                .finished = point->finished,
			                .busy = point->busy,
			                .dropped = point->dropped,
			                .masked = point->masked };
	if (world->rank == 0) {
		memcpy(found.identity, point->identity, sizeof found.identity);
		memcpy(found.trunk_name, point->trunk_name, sizeof found.trunk_name);
		memcpy(found.trunk_identity, point->trunk_identity, sizeof found.trunk_identity);
	}
	int64_t number = point->number;
	STATUS_TRY(world_broadcast(world, &found, sizeof found, 0));
	STATUS_TRY(world_broadcast(world, &number, sizeof number, 0));
	if (world->rank == 0)
		return STATUS_OK;
	*point = (struct point){ .number = number,
		                 .name = sweep_point_name(sweep, (size_t)number),
		                 .parameters = sweep_point(sweep, (size_t)number),
		                 .config = found.config,
		                 .training = found.training,
		                 .filter = found.filter,
		                 .classified = found.classified,
		                 .from_file = found.from_file,
		                 .classifier = found.classifier,
		                 .finished = found.finished,
		                 .busy = found.busy,
		                 .dropped = found.dropped,
		                 .masked = found.masked,
		                 .flops = found.flops };
	memcpy(point->identity, found.identity, sizeof point->identity);
	memcpy(point->trunk_name, found.trunk_name, sizeof point->trunk_name);
	memcpy(point->trunk_identity, found.trunk_identity, sizeof point->trunk_identity);
	char *folder = text_join_path(parameters_text(point->parameters, "run/output"), "points");
	point->folder = folder == NULL ? NULL : text_join_path(folder, point->name);
	free(folder);
	point->classifier_path = settings_classifier_path(point->parameters);
	return point->folder == NULL || point->classifier_path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

enum status points_create_shared(struct world *world, const struct sweep *sweep, int64_t first, int64_t count,
                                 bool look_at_runs, struct points *points_out)
{
	struct points points = { .count = count };
	enum status status = STATUS_OK;
	if (world->rank == 0)
		status = points_create(sweep, first, count, look_at_runs, &points);
	else if ((points.points = memory_allocate((size_t)count, sizeof *points.points)) == NULL)
		status = STATUS_ENVIRONMENT;
	status = world_agree(world, status);
	for (int64_t i = 0; i < count && status == STATUS_OK; i++)
		status = share_point(world, sweep, &points.points[i]);
	if (status != STATUS_OK) {
		points_clear(&points);
		return status;
	}
	if (world->rank != 0)
		status = sum_up(&points);
	if (status != STATUS_OK) {
		points_clear(&points);
		return status;
	}
	*points_out = points;
	return STATUS_OK;
}
