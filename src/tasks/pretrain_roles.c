/* A phase of the sweep, played by all ranks: readers and classifiers serve blocks, groups of trainers train their points.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/timer.h"
#include "roles/lane.h"
#include "roles/server.h"
#include "tasks/pretrain.h"
#include "tasks/shares.h"

enum { MOST_JOBS = 1000, RANKS_OF_A_JOB = 100000 };

/* What the points of a phase have in common. */
struct phase {
	const struct point *first;
	const struct point *classified; /* the first that is; NULL: none */
	bool unclassified;              /* some point is */
	bool from_file;                 /* some point has its scores from a file */
	bool chooses;                   /* some point reads only blocks with documents of some domains */
	int64_t credits; /* most blocks that a trainer has asked for and not taken yet; where there are readers or
	                                   classifiers, an int counts those of all trainers: points_split() */
};

static struct phase phase_look(const struct cast *cast, const struct points *points, int number)
{
	struct phase phase = { .credits = 0 };
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		if (point->finished || point->phase != number)
			continue;
		phase.first = phase.first == NULL ? point : phase.first;
		if (point->classified && phase.classified == NULL)
			phase.classified = point;
		phase.unclassified |= !point->classified;
		phase.from_file |= point->from_file;
		phase.chooses |= point->training.domains != 0;
		int64_t credits = point_credits(point, &cast->split);
		phase.credits = credits > phase.credits ? credits : phase.credits;
	}
	return phase;
}

/* ---- the provider chains of this rank ---- */

/* Blocks without scores: from a reader, or read here. */
static enum status open_plain(struct cast *cast, int64_t credits, struct stage *stage)
{
	int first, count;
	placement_readers(&cast->seating.placement, &cast->split, cast->world->rank, &first, &count);
	if (count > 0 && cast->role != ROLE_READER)
		return provider_create_remote(cast->world, first, count, "reader", (int)credits, &cast->timers,
		                              &stage->plain);
	return provider_create_local(stage->shards, &cast->timers, &stage->plain);
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

/* Whether this rank scores in the phase. */
static bool is_scoring(const struct cast *cast, const struct phase *phase)
{
	enum role scoring = cast->split.classifiers > 0 ? ROLE_CLASSIFIER : ROLE_TRAINER;
	return phase->classified != NULL && cast->role == scoring;
}

/* Where the scores of the phase are, and whose they are; both from malloc. */
static enum status name_store(const struct cast *cast, const struct point *point, const struct stage *stage,
                              char **folder_out, char **identity_out)
{
	char *folder = text_format("%s/scores/%s", cast->output, point->classifier.hash);
	char *identity = text_format("%s %s", point->classifier.hash, shard_set_content_hash(stage->shards));
	*folder_out = folder;
	*identity_out = identity;
	return folder == NULL || identity == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
}

/* Those who score share out what there is to look through before any of them opens the store. */
static enum status index_scores(const struct cast *cast, const struct point *point, const struct stage *stage)
{
	char *folder, *identity;
	int ranks = cast->role == ROLE_CLASSIFIER ? cast->split.classifiers : cast->split.trainers;
	enum status status = name_store(cast, point, stage, &folder, &identity);
	if (status == STATUS_OK)
		status = score_store_index(folder, identity, cast->world->rank - split_first(&cast->split, cast->role),
		                           ranks);
	free(folder);
	free(identity);
	return status;
}

/* Other jobs of an array may score the same text now: the next free journal is taken. */
static enum status open_store(const struct cast *cast, const struct point *point, struct stage *stage)
{
	char *folder, *identity;
	enum status status = name_store(cast, point, stage, &folder, &identity);
	for (int job = 0; status == STATUS_OK && stage->store == NULL && job < MOST_JOBS; job++) {
		status = score_store_open(folder, identity, cast->world->rank + job * RANKS_OF_A_JOB, &stage->store);
		if (status == STATUS_IO && job + 1 < MOST_JOBS && strstr(error_message(), "another process") != NULL) {
			error_clear();
			status = STATUS_OK;
		}
	}
	free(folder);
	free(identity);
	return status;
}

static enum status open_scorer(struct cast *cast, const struct phase *phase, struct stage *stage)
{
	if (!is_scoring(cast, phase))
		return STATUS_OK;
	STATUS_TRY(open_store(cast, phase->classified, stage));
	stage->scored_here = true;
	return provider_create_scorer(stage->plain, cast->classifier, stage->store, &cast->timers, &stage->scored);
}

static enum status open_trainer(struct cast *cast, const struct phase *phase, struct stage *stage)
{
	bool remote_scores = phase->classified != NULL && cast->split.classifiers > 0;
	stage->asks_plain = phase->unclassified || !remote_scores;
	if (stage->asks_plain)
		STATUS_TRY(open_plain(cast, phase->credits, stage));
	if (remote_scores) {
		return provider_create_remote(cast->world, split_first(&cast->split, ROLE_CLASSIFIER),
		                              cast->split.classifiers, "classifier", (int)phase->credits, &cast->timers,
		                              &stage->scored);
	}
	return STATUS_OK;
}

/* Whether this rank reads blocks from the shards itself, or must know where in the set they are. */
static bool needs_tables(const struct cast *cast, const struct phase *phase)
{
	int first, count;
	placement_readers(&cast->seating.placement, &cast->split, cast->world->rank, &first, &count);
	if (cast->role == ROLE_READER || (cast->role == ROLE_TRAINER && (phase->from_file || phase->chooses)))
		return true;
	bool remote_scores = cast->role == ROLE_TRAINER && phase->classified != NULL && cast->split.classifiers > 0;
	return count == 0 && (phase->unclassified || !remote_scores);
}

static enum status open_stage(struct cast *cast, const struct phase *phase, struct stage *stage)
{
	if (cast->role == ROLE_IDLE)
		return STATUS_OK;
	const char *folder = parameters_text(phase->first->parameters, "data/folder");
	STATUS_TRY(needs_tables(cast, phase) ? shard_set_open(folder, "train", &stage->shards)
	                                     : shard_set_open_counts(folder, "train", &stage->shards));
	if (shard_set_blocks(stage->shards) < 1)
		return error_raise(STATUS_DATA, "%s: the training set is empty", folder);
	if (cast->role == ROLE_TRAINER) {
		if (cast->split.groups > 1 && cast->trainers.rank == 0)
			STATUS_TRY(leaders_create(cast->world, cast->split.groups, split_group_size(&cast->split),
			                          &stage->leaders));
		STATUS_TRY(open_trainer(cast, phase, stage));
	} else {
		/* A classifier passes all requests of all trainers on. */
		STATUS_TRY(open_plain(cast, phase->credits * cast->split.trainers, stage));
	}
	if (!is_scoring(cast, phase))
		return STATUS_OK;
	STATUS_TRY(load_classifier(cast, phase->classified));
	return index_scores(cast, phase->classified, stage);
}

static enum status close_stage(struct stage *stage)
{
	leaders_destroy(stage->leaders);
	if (stage->scored_here)
		provider_release(stage->scored);
	else
		provider_destroy(stage->scored);
	provider_destroy(stage->plain);
	enum status status = score_store_close(stage->store);
	if (stage->shards != NULL)
		shard_set_close(stage->shards);
	return status;
}

/* ---- readers and classifiers ---- */

/* How many ranks ask this one for blocks in this phase. */
static int askers_of(const struct cast *cast, const struct phase *phase)
{
	bool by_classifiers = phase->classified != NULL && cast->split.classifiers > 0;
	if (cast->role == ROLE_CLASSIFIER)
		return by_classifiers ? cast->split.trainers : 0;
	bool by_trainers = phase->unclassified || !by_classifiers;
	const struct placement *placement = &cast->seating.placement;
	int reader = cast->world->rank;
	return (by_classifiers ? placement_askers(placement, &cast->split, reader, ROLE_CLASSIFIER) : 0) +
	       (by_trainers ? placement_askers(placement, &cast->split, reader, ROLE_TRAINER) : 0);
}

static enum status serve(struct cast *cast, const struct phase *phase, const struct stage *stage)
{
	int askers = cast->role == ROLE_IDLE ? 0 : askers_of(cast, phase);
	if (askers == 0)
		return STATUS_OK;
	/* Readers may be asked by both: the name is for messages. */
	bool by_classifiers = cast->role == ROLE_READER && phase->classified != NULL && cast->split.classifiers > 0;
	return server_run(cast->world, cast->role == ROLE_CLASSIFIER ? stage->scored : stage->plain,
	                  !by_classifiers       ? role_name(ROLE_TRAINER)
	                  : phase->unclassified ? "asking"
	                                        : role_name(ROLE_CLASSIFIER),
	                  askers, (int)(phase->credits * cast->split.trainers), &cast->timers);
}

/* ---- trainers ---- */

/* The blocks that this trainer is to score for a point. */
struct share {
	struct lane_plan order;
	int64_t next, count; /* of all trainers: those before are done; how many there are */
};

/* The first blocks in the order of a point, as many as it will read. */
static struct share share_of(const struct cast *cast, const struct point *point, const struct stage *stage)
{
	const struct training_settings *training = &point->training;
	int64_t blocks = shard_set_blocks(stage->shards);
	double ahead = (double)(training->sequences * parameters_integer(point->parameters, "roles/depth"));
	double wanted = shares_text(point) / (double)shard_set_tokens(stage->shards) * (double)blocks + ahead;
	return (struct share){ .order = { .seed = training->seed, .blocks = blocks, .lanes = 1 },
		               .next = cast->world->rank,
		               .count = wanted < (double)blocks ? (int64_t)wanted : blocks };
}

/* Asks for the next block that nobody has scored; *block_out = -1: there is none, or it is time to stop. */
static enum status ask_for_next(const struct cast *cast, const struct stage *stage, struct share *share,
                                int64_t *block_out)
{
	*block_out = -1;
	for (; share->next < share->count && !stop_asked(0); share->next += cast->split.trainers) {
		int64_t number = lane_block_number(&share->order, 0, share->next);
		if (score_store_find(stage->store, number))
			continue;
		*block_out = number;
		share->next += cast->split.trainers;
		return provider_request(stage->scored, number);
	}
	return STATUS_OK;
}

/* The blocks of a point, dealt out among all trainers: those that nobody has scored are scored. One is asked for ahead of its turn,
 * where the credits allow it, so that the device can begin it before the last one is done (roles/scorer.h). */
static enum status score_share(const struct cast *cast, const struct point *point, const struct stage *stage,
                               struct block *block)
{
	struct share share = share_of(cast, point, stage);
	int64_t credits = point_credits(point, &cast->split);
	int64_t now, next = -1;
	STATUS_TRY(ask_for_next(cast, stage, &share, &now));
	for (; now >= 0; now = next) {
		if (credits > 1)
			STATUS_TRY(ask_for_next(cast, stage, &share, &next));
		STATUS_TRY(provider_take(stage->scored, now, block));
		if (credits <= 1)
			STATUS_TRY(ask_for_next(cast, stage, &share, &next));
	}
	return STATUS_OK;
}

/* Where trainers classify and several groups would ask for the same blocks at the same time, one would wait for another:
 * so all score first, each its share. */
static enum status score_ahead(const struct cast *cast, const struct points *points, int phase,
                               const struct stage *stage)
{
	struct block block = { 0 };
	enum status status = STATUS_OK;
	for (int64_t i = 0; i < points->count && status == STATUS_OK; i++) {
		const struct point *point = &points->points[i];
		if (!point->finished && point->phase == phase && point->classified)
			status = score_share(cast, point, stage, &block);
	}
	block_clear(&block);
	return status;
}

/* Tells readers and classifiers that this trainer asks no more. */
static enum status say_farewell(const struct cast *cast, const struct stage *stage)
{
	if (stage->asks_plain)
		STATUS_TRY(provider_finish(stage->plain));
	return stage->scored != NULL && cast->split.classifiers > 0 ? provider_finish(stage->scored) : STATUS_OK;
}

/* A group that stopped because of another one has no failure of its own to report. */
static enum status excuse(struct cast *cast, const struct stage *stage, enum status status, bool *excused)
{
	int heard = stage->leaders != NULL && leaders_stop_heard(stage->leaders);
	if (status != STATUS_STOPPED || cast->split.groups == 1)
		return status;
	STATUS_TRY(world_broadcast(&cast->trainers, &heard, sizeof heard, 0));
	*excused = heard != 0;
	if (heard)
		error_clear();
	return heard ? STATUS_OK : status;
}

/* *orderly: all ranks can learn of the status by agreement. */
static enum status play_points(struct cast *cast, struct points *points, int phase, const struct stage *stage,
                               bool *orderly)
{
	enum status status = STATUS_OK;
	bool excused = false;
	*orderly = false;
	if (stage->scored_here && cast->split.groups > 1)
		STATUS_TRY(score_ahead(cast, points, phase, stage));
	for (int64_t i = 0; i < points->timetable.count && status == STATUS_OK; i++) {
		const struct timetable_place *place = &points->timetable.places[i];
		if (place->phase == phase && place->group == cast->group)
			status = group_play(cast, &points->points[place->point], stage);
	}
	*orderly = status == STATUS_OK || cast->trainers.failure_agreed;
	if (!*orderly)
		return status;
	status = excuse(cast, stage, status, &excused);
	enum status parting = say_farewell(cast, stage);
	if (parting != STATUS_OK) {
		*orderly = false;
		return status != STATUS_OK ? status : parting;
	}
	double since = timer_seconds();
	if (stage->leaders != NULL)
		parting = leaders_end(stage->leaders, excused ? STATUS_STOPPED : status);
	timers_add(&cast->timers, ACTIVITY_IDLE, &since);
	return status != STATUS_OK ? status : parting;
}

enum status cast_play_phase(struct cast *cast, struct points *points, int number)
{
	struct stage stage = { 0 };
	struct phase phase = phase_look(cast, points, number);
	if (phase.first == NULL)
		return STATUS_OK;
	enum status status = world_agree(cast->world, open_stage(cast, &phase, &stage));
	if (status == STATUS_OK && phase.classified != NULL)
		status = world_agree(cast->world, open_scorer(cast, &phase, &stage));
	if (status != STATUS_OK) {
		close_stage(&stage);
		return status;
	}
	bool orderly;
	if (cast->role == ROLE_TRAINER) {
		status = play_points(cast, points, number, &stage, &orderly);
	} else {
		status = serve(cast, &phase, &stage);
		orderly = status == STATUS_OK;
	}
	enum status closing = close_stage(&stage);
	if (!orderly) /* the others do not know: the job is aborted with this rank's message */
		return status;
	double since = timer_seconds();
	status = world_agree(cast->world, status != STATUS_OK ? status : closing);
	timers_add(&cast->timers, ACTIVITY_IDLE, &since);
	return status;
}
