/* run/device = null: a pretrain input file is played with its readers, classifiers and trainers, its blocks, messages and
 * credits, but nothing is computed: what does this split and this cluster move, in how much memory?
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "filter/score.h"
#include "roles/message.h"
#include "roles/server.h"
#include "roles/stream_trainer.h"
#include "tasks/pretrain.h"
#include "tasks/rates.h"
#include "tasks/stream_report.h"

/* One rank in one point. */
struct stream {
	struct job *job;
	const struct point *point;
	struct split split;
	struct seating seating;
	enum role role;
	struct shard_set *shards;
	struct provider *provider;
	struct stream_trainer *trainer;
	struct timers timers;
	int64_t credits; /* of a trainer; an int counts those of all: points_split() */
	double columns[STREAM_COLUMNS];
};

bool task_only_streams(const struct sweep *sweep)
{
	return strcmp(sweep_task(sweep), "pretrain") == 0 &&
	       strcmp(parameters_text(sweep_point(sweep, 0), "run/device"), "null") == 0;
}

static bool by_classifiers(const struct stream *stream)
{
	return stream->point->classified && stream->split.classifiers > 0;
}

/* The same chain of providers as in training, with scores that cost nothing. */
static enum status open_chain(struct stream *stream)
{
	struct world *world = stream->seating.world;
	const struct split *split = &stream->split;
	bool trainer = stream->role == ROLE_TRAINER;
	int first, count;
	placement_readers(&stream->seating.placement, split, world->rank, &first, &count);
	if (trainer && by_classifiers(stream))
		return provider_create_remote(world, split_first(split, ROLE_CLASSIFIER), split->classifiers,
		                              role_name(ROLE_CLASSIFIER), (int)stream->credits, &stream->timers,
		                              &stream->provider);
	if (count > 0 && stream->role != ROLE_READER)
		STATUS_TRY(provider_create_remote(world, first, count, role_name(ROLE_READER),
		                                  (int)(trainer ? stream->credits : stream->credits * split->trainers),
		                                  &stream->timers, &stream->provider));
	else
		STATUS_TRY(provider_create_local(stream->shards, &stream->timers, &stream->provider));
	if (stream->point->classified && stream->role != ROLE_READER)
		return provider_create_null(stream->provider, &stream->timers, &stream->provider);
	if (trainer && stream->point->filter.method != FILTER_NONE)
		return provider_create_labels(stream->provider, &stream->provider);
	return STATUS_OK;
}

static int64_t steps_of(const struct point *point)
{
	int64_t steps = point->training.steps, most = point->training.stop_after;
	return most > 0 && most < steps ? most : steps;
}

static enum status open_trainer(struct stream *stream)
{
	const struct training_settings *training = &stream->point->training;
	struct stream_job job = {
		.plan = { .seed = training->seed,
		          .blocks = shard_set_blocks(stream->shards),
		          .lanes = training->sequences,
		          .depth = (int)parameters_integer(stream->point->parameters, "roles/depth"),
		          .filter = stream->point->filter },
		.lane_count = training->sequences / stream->split.trainers,
		.length = training->length,
		.steps = steps_of(stream->point),
		.provider = stream->provider,
		.timers = &stream->timers,
	};
	job.first_lane = stream->seating.world->rank * job.lane_count;
	if (job.plan.blocks < 1)
		return error_raise(STATUS_DATA, "%s: the training set is empty",
		                   parameters_text(stream->point->parameters, "data/folder"));
	return stream_trainer_create(&job, &stream->trainer);
}

static enum status open_stream(struct stream *stream)
{
	const struct parameters *parameters = stream->point->parameters;
	stream->columns[STREAM_RESIDENT] = memory_resident();
	stream->credits = point_credits(stream->point, &stream->split);
	if (stream->role == ROLE_IDLE)
		return STATUS_OK;
	STATUS_TRY(shard_set_open(parameters_text(parameters, "data/folder"), "train", &stream->shards));
	STATUS_TRY(open_chain(stream));
	return stream->role == ROLE_TRAINER ? open_trainer(stream) : STATUS_OK;
}

static void close_stream(struct stream *stream)
{
	stream_trainer_destroy(stream->trainer);
	provider_destroy(stream->provider);
	shard_set_close(stream->shards);
}

/* ---- memory that the credits allow ---- */

static double message_bytes(const struct stream *stream, bool scored)
{
	struct block largest = { .scored = scored };
	largest.token_count = shard_set_largest_block(stream->shards, &largest.document_count);
	return (double)message_block_size(&largest);
}

static double bound(const struct stream *stream)
{
	const struct training_settings *training = &stream->point->training;
	double all = (double)stream->credits * stream->split.trainers;
	if (stream->role == ROLE_TRAINER) {
		bool remote = by_classifiers(stream) || stream->split.readers > 0;
		int64_t lanes = training->sequences / stream->split.trainers;
		return (remote ? (double)stream->credits * message_bytes(stream, by_classifiers(stream)) : 0) +
		       (double)(lanes *
		                lane_largest_memory(shard_set_largest_block(stream->shards, NULL), training->length));
	}
	if (stream->role == ROLE_CLASSIFIER)
		return all *
		       (message_bytes(stream, true) + (stream->split.readers > 0 ? message_bytes(stream, false) : 0));
	return stream->role == ROLE_READER ? all * message_bytes(stream, false) : 0;
}

/* ---- playing ---- */

static enum status serve(struct stream *stream)
{
	int trainers = stream->split.trainers, askers = trainers;
	enum role asker = ROLE_TRAINER;
	if (stream->role == ROLE_IDLE || (stream->role == ROLE_CLASSIFIER && !by_classifiers(stream)))
		return STATUS_OK;
	if (stream->role == ROLE_READER) {
		asker = by_classifiers(stream) ? ROLE_CLASSIFIER : ROLE_TRAINER;
		askers = placement_askers(&stream->seating.placement, &stream->split, stream->seating.world->rank,
		                          asker);
		if (askers == 0)
			return STATUS_OK;
	}
	return server_run(stream->seating.world, stream->provider, role_name(asker), askers,
	                  (int)(stream->credits * trainers), &stream->timers);
}

static enum status play(struct stream *stream)
{
	double *columns = stream->columns, begin = timer_seconds();
	int64_t held = 0, received = 0, blocks = 0;
	struct stream_facts facts = { .seconds = 0 };
	if (stream->role == ROLE_TRAINER) {
		STATUS_TRY(stream_trainer_run(stream->trainer, &facts));
		STATUS_TRY(provider_finish(stream->provider));
	} else {
		STATUS_TRY(serve(stream));
	}
	if (stream->provider != NULL)
		provider_measure(stream->provider, &held, &received, &blocks);
	bool trainer = stream->role == ROLE_TRAINER, reader = stream->role == ROLE_READER;
	columns[STREAM_TOKENS] = (double)(trainer  ? facts.tokens
	                                  : reader ? stream->timers.read_tokens
	                                           : stream->timers.scored_tokens);
	columns[STREAM_SECONDS] = trainer ? facts.seconds : timer_seconds() - begin;
	columns[STREAM_FIRST_SECONDS] = facts.first_seconds;
	columns[STREAM_WAIT] = stream->timers.seconds[ACTIVITY_WAIT_BLOCK];
	columns[STREAM_IDLE] = stream->timers.seconds[ACTIVITY_IDLE];
	columns[STREAM_SENT] = (double)stream->timers.sent_bytes;
	columns[STREAM_RECEIVED] = (double)received;
	columns[STREAM_BLOCKS] = (double)(trainer ? facts.blocks : blocks);
	columns[STREAM_BUFFERS] = (double)(held + stream->timers.send_memory) + facts.lane_memory;
	columns[STREAM_BOUND] = stream->shards != NULL ? bound(stream) : 0;
	columns[STREAM_PEAK] = memory_peak();
	if (columns[STREAM_BUFFERS] > columns[STREAM_BOUND])
		return error_raise(STATUS_INTERNAL, "%.0f bytes are held for blocks, but the credits allow only %.0f",
		                   columns[STREAM_BUFFERS], columns[STREAM_BOUND]);
	return STATUS_OK;
}

static enum status check(struct stream *stream)
{
	if (stream->role != ROLE_TRAINER)
		return STATUS_OK;
	enum stream_scores scores = stream->point->classified                     ? STREAM_SCORES_NULL
	                            : stream->point->filter.method != FILTER_NONE ? STREAM_SCORES_LABELS
	                                                                          : STREAM_SCORES_NONE;
	return stream_trainer_check(stream->trainer, stream->shards, scores);
}

/* The split that a run of this point alone would have; the prices decide only what is left to `auto`. */
static enum status choose_split(const struct job *job, struct points *points, struct split *split_out)
{
	const double flops = 1e10; /* of a core: it is the same for every role */
	struct rates rates = { 0 };
	STATUS_TRY(rates_given(points, flops, "assumed", &rates));
	enum status status = rates_price(&rates, points);
	rates_clear(&rates);
	STATUS_TRY(status);
	STATUS_TRY(points_split(points, job->sweep, job->world->size, NULL, split_out));
	if (split_out->groups > 1)
		return error_raise(STATUS_USAGE,
		                   "run/device = null plays one point after the other: leave roles/groups to auto");
	return STATUS_OK;
}

/* What this point is to be, and the seats of a run on processors. Collective. */
static enum status take_seat(struct stream *stream, struct points *points)
{
	struct world *world = stream->job->world;
	struct point *point = &points->points[0];
	struct devices devices;
	enum status status = STATUS_OK;
	if (point->classified && point->classifier.parameters == 0) /* not fitted yet: thresholds are not known */
		point->filter.token_threshold = point->filter.document_threshold = SCORE_EVEN;
	if (point->from_file)
		status = error_raise(STATUS_USAGE,
		                     "run/device = null makes scores of its own: set filter/source = classifier or "
		                     "labels instead of file");
	if (status == STATUS_OK)
		status = choose_split(stream->job, points, &stream->split);
	STATUS_TRY(world_agree(world, status));
	status = devices_look(world, point->parameters, stream->job->cores, &devices);
	if (status == STATUS_OK)
		status = seating_open(world, devices.node, NULL, &stream->split, &stream->seating);
	devices_close(&devices);
	STATUS_TRY(status);
	stream->role = split_role(&stream->split, stream->seating.world->rank);
	log_open(world->rank, role_name(stream->role), world->rank == 0);
	log_info("roles: %d trainers, %d classifiers, %d readers, %d idle (%s)", stream->split.trainers,
	         stream->split.classifiers, stream->split.readers, stream->split.idle, stream->split.reason);
	return STATUS_OK;
}

/* Collective over the ranks in their seats. */
static enum status report(const struct stream *stream)
{
	struct world *world = stream->seating.world;
	const struct point *point = stream->point;
	const char *output = parameters_text(point->parameters, "run/output");
	char *folder = text_join_path(output, "stream"), *path = text_format("%s/stream/%s.h5", output, point->name);
	enum status status = folder == NULL || path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK && world->rank == 0)
		status = text_make_directories(folder);
	status = world_agree(world, status);
	if (status == STATUS_OK)
		status = world_agree(world, stream_report(world, &stream->split, stream->columns, path, point->name,
		                                          stream->job->command_line));
	free(folder);
	free(path);
	return status;
}

static enum status play_point(struct job *job, struct points *points)
{
	struct stream stream = { .job = job, .point = &points->points[0] };
	enum status status = take_seat(&stream, points);
	if (status == STATUS_OK)
		status = world_agree(stream.seating.world, open_stream(&stream));
	if (status == STATUS_OK) {
		status = play(&stream);
		if (status != STATUS_OK) /* the others do not know: the job is aborted with this rank's message */
			return status;
		status = world_agree(stream.seating.world, check(&stream));
	}
	close_stream(&stream);
	if (status == STATUS_OK)
		status = report(&stream);
	seating_close(&stream.seating);
	return status;
}

enum status task_stream(struct job *job)
{
	enum status status = STATUS_OK;
	for (int64_t i = 0; i < job->point_count && status == STATUS_OK; i++) {
		struct points points = { 0 };
		status = points_create_shared(job->world, job->sweep, job->first_point + i, 1, LOOK_NOT, &points);
		if (status == STATUS_OK)
			status = play_point(job, &points);
		points_clear(&points);
	}
	return status;
}
