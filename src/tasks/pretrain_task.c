/* task = pretrain: every point of a sweep, one after the other, over all ranks.
 * Paper sections 3 and 4: models of several sizes on data filtered in several ways.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "results/score_merge.h"
#include "results/sweep_file.h"
#include "storage/atomic_file.h"
#include "storage/hdf5_file.h"
#include "tasks/guard.h"
#include "tasks/pretrain.h"

static void print_roles(const struct cast *cast, const struct points *points)
{
	if (cast->world->rank > 0)
		return;
	log_info("roles: %s (%s; %s)", cast->roles_text, cast->split.reason, points->rates_text);
	if (cast->split.idle > 0)
		log_info(
			"roles: %d rank%s idle: trainers are a power of two; another number of ranks would use them all",
			cast->split.idle, cast->split.idle == 1 ? " is" : "s are");
	log_info("device: %s", cast->kernels->device_describe(cast->device));
	devices_print(&cast->devices);
	log_info("%lld point%s to run, %lld finished", (long long)points->unfinished,
	         points->unfinished == 1 ? "" : "s", (long long)(points->count - points->unfinished - points->busy));
}

/* sweep.h5 and input.in. */
static enum status write_sweep_files(const struct job *job)
{
	const char *output = parameters_text(sweep_point(job->sweep, 0), "run/output");
	struct sweep_table table;
	STATUS_TRY(text_make_directories(output));
	STATUS_TRY(sweep_table_create(job->sweep, &table));
	char *path = text_join_path(output, "sweep.h5"), *input_path = text_join_path(output, "input.in");
	enum status status = path == NULL || input_path == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	for (size_t i = 0; i < table.point_count && status == STATUS_OK; i++) {
		/* points of other jobs of the array: by their run files */
		char *run = text_format("%s/points/%s/run.h5", output, table.point_names[i]);
		struct hdf5_reader *reader = NULL;
		int64_t finished = 0;
		if (run != NULL && hdf5_is_complete(run) && hdf5_open(run, &reader) == STATUS_OK) {
			(void)hdf5_read_integer_attribute(reader, "/", "finished", &finished);
			hdf5_close(reader);
		}
		table.finished[i] = finished != 0;
		free(run);
	}
	if (status == STATUS_OK)
		status = sweep_file_write(path, &table);
	if (status == STATUS_OK && table.input != NULL)
		status = atomic_file_write(input_path, table.input, strlen(table.input));
	free(path);
	free(input_path);
	sweep_table_clear(&table);
	return status;
}

/* Jobs of an array take turns: otherwise one that looked earlier could write later. */
static enum status write_sweep(const struct job *job)
{
	struct lock *lock = NULL;
	STATUS_TRY(guard_wait_alone(parameters_text(sweep_point(job->sweep, 0), "run/output"), &lock));
	enum status status = write_sweep_files(job);
	lock_release(lock);
	return status;
}

static enum status run_points(struct points *points, struct cast *cast)
{
	enum status status = STATUS_OK;
	for (int phase = 0; phase < points->phases && status == STATUS_OK; phase++)
		status = cast_play_phase(cast, points, phase);
	seating_pass_failure(&cast->seating);
	return status == STATUS_OK ? timers_print(&cast->timers, cast->world, &cast->split) : status;
}

/* scores/<classifier>/scores.h5: the finished pass as one file for people and for filter/source = file. */
static enum status merge_scores(const char *output, const struct point *point)
{
	struct shard_set *set = NULL;
	STATUS_TRY(shard_set_open(parameters_text(point->parameters, "data/folder"), "train", &set));
	int64_t blocks = shard_set_blocks(set), missing = 0, repeated = 0;
	int64_t *tokens = memory_allocate((size_t)blocks + 1, sizeof *tokens);
	int64_t *documents = memory_allocate((size_t)blocks + 1, sizeof *documents);
	char *folder = text_format("%s/scores/%s", output, point->classifier.hash);
	char *path = folder == NULL ? NULL : text_join_path(folder, "scores.h5");
	char *identity = text_format("%s %s", point->classifier.hash, shard_set_content_hash(set));
	enum status status = tokens == NULL || documents == NULL || path == NULL || identity == NULL
	                             ? STATUS_ENVIRONMENT
	                             : STATUS_OK;
	if (status == STATUS_OK) {
		for (int64_t block = 0; block <= blocks; block++)
			shard_set_block_begin(set, block, &tokens[block], &documents[block]);
		struct score_layout layout = { blocks,
			                       tokens,
			                       documents,
			                       point->classifier.token_threshold,
			                       point->classifier.document_threshold,
			                       point->classifier.token_threshold_balanced,
			                       point->classifier.document_threshold_balanced };
		status = score_merge(folder, identity, &layout, SCORE_MERGE_PIECE, path, &missing, &repeated);
		if (status == STATUS_OK)
			log_info("scores of %lld of %lld blocks are in %s", (long long)(blocks - missing),
			         (long long)blocks, path);
		if (status == STATUS_OK && repeated > 0)
			log_info("%lld blocks were scored more than once: the folder's file system has no working "
			         "locks, or a job was suspended",
			         (long long)repeated);
	}
	free(tokens);
	free(documents);
	free(folder);
	free(path);
	free(identity);
	shard_set_close(set);
	return status;
}

static enum status merge_all_scores(const char *output, const struct points *points)
{
	const char *done = "";
	for (int64_t i = 0; i < points->count; i++) {
		const struct point *point = &points->points[i];
		if (!point->classified || strcmp(point->classifier.hash, done) == 0)
			continue;
		STATUS_TRY(merge_scores(output, point));
		done = point->classifier.hash;
	}
	return STATUS_OK;
}

/* A run that stops or fails in order still says which points are finished; what it has to report stays. */
static void note_finished(const struct job *job, enum status status)
{
	char *reason = memory_copy_text(error_message());
	if (reason == NULL)
		return;
	(void)write_sweep(job);
	if (reason[0] != '\0')
		(void)error_raise(status, "%s", reason);
	else
		error_clear();
	free(reason);
}

/* The table that the folder has, zeroed where there is none that can be read. */
static enum status read_sweep_there(const struct job *job, struct sweep_table *table)
{
	char *path = text_join_path(parameters_text(sweep_point(job->sweep, 0), "run/output"), "sweep.h5");
	enum status status = path == NULL ? STATUS_ENVIRONMENT : sweep_file_read(path, table);
	free(path);
	if (status == STATUS_DATA || status == STATUS_IO) {
		error_clear();
		return STATUS_OK;
	}
	return status;
}

/* Points of another task would take the place of those that are there in sweep.h5, and so in the report. */
static enum status check_task(const struct job *job)
{
	struct sweep_table table = { 0 };
	struct sweep *sweep = NULL;
	enum status status = read_sweep_there(job, &table);
	if (status == STATUS_OK && table.input != NULL &&
	    sweep_parse("sweep.h5", table.input, 0, NULL, &sweep) != STATUS_OK)
		error_clear(); /* of a version with other keys */
	if (sweep != NULL && strcmp(sweep_task(sweep), sweep_task(job->sweep)) != 0)
		status = error_raise(
			STATUS_DATA,
			"%s holds a run of task = %s, but the input says task = %s: choose another run/output, "
			"or remove that folder",
			parameters_text(sweep_point(job->sweep, 0), "run/output"), sweep_task(sweep),
			sweep_task(job->sweep));
	sweep_destroy(sweep);
	sweep_table_clear(&table);
	return status;
}

/* All points are finished, but another input file may have listed others of this folder since. */
static enum status list_points_again(const struct job *job)
{
	struct sweep_table table = { 0 };
	enum status status = read_sweep_there(job, &table);
	bool same = table.point_count == sweep_point_count(job->sweep);
	for (size_t i = 0; same && i < table.point_count; i++)
		same = strcmp(table.point_names[i], sweep_point_name(job->sweep, i)) == 0;
	sweep_table_clear(&table);
	return status != STATUS_OK || same ? status : write_sweep(job);
}

/* Runs what is unfinished and not in other hands. */
static enum status play(struct job *job, struct points *points)
{
	struct cast cast = { .trainers = { .comm = MPI_COMM_NULL } };
	enum status status = cast_open(&cast, job, points);
	if (status == STATUS_OK) {
		print_roles(&cast, points);
		status = world_agree(job->world, job->world->rank == 0 ? write_sweep(job) : STATUS_OK);
	}
	if (status == STATUS_OK)
		status = run_points(points, &cast);
	if (status != STATUS_OK && job->world->failure_agreed && job->world->rank == 0)
		note_finished(job, status);
	if (status == STATUS_OK)
		status = world_agree(job->world, job->world->rank == 0 ? write_sweep(job) : STATUS_OK);
	if (status == STATUS_OK)
		status = world_agree(job->world,
		                     job->world->rank == 0 ? merge_all_scores(cast.output, points) : STATUS_OK);
	cast_close(&cast, status);
	return status;
}

/* Collective. Before another look at points that other jobs work on. */
static enum status pause_for_others(struct job *job)
{
	struct timespec pause = { .tv_sec = 5 };
	enum status status = STATUS_OK;
	if (job->world->rank == 0) {
		stop_note_saved(); /* by the others */
		nanosleep(&pause, NULL);
		status = stop_check("waiting for points that other jobs work on");
	}
	return world_agree(job->world, status);
}

/* One look at all points, and what is to be done then. *busy_out: points that are left to other jobs. */
static enum status run_once(struct job *job, struct guard_telling *telling, int64_t *busy_out)
{
	enum points_look look = guard_tells(telling) ? LOOK_AT_RUNS : LOOK_QUIETLY;
	const char *output = parameters_text(sweep_point(job->sweep, 0), "run/output");
	struct points points = { 0 };
	STATUS_TRY(points_create_shared(job->world, job->sweep, job->first_point, job->point_count, look, &points));
	enum status status = STATUS_OK;
	if (points.unfinished > 0)
		status = play(job, &points);
	else if (points.busy == 0)
		status = world_agree(job->world, job->world->rank == 0 ? list_points_again(job) : STATUS_OK);
	*busy_out = points.busy;
	if (status == STATUS_OK && points.unfinished == 0 && points.busy == 0)
		log_info("%s: all %lld points are finished in %s: nothing to do", job->input_name,
		         (long long)points.count, output);
	else if (status == STATUS_OK && job->world->rank == 0 && points.busy == 0)
		log_info("%lld points finished in %s; capshape-report %s shows them", (long long)points.count, output,
		         output);
	points_clear(&points);
	return status;
}

enum status task_pretrain(struct job *job)
{
	int64_t busy;
	struct guard_telling telling = { 0 };
	if (task_only_streams(job->sweep))
		return task_stream(job);
	STATUS_TRY(world_agree(job->world, job->world->rank == 0 ? check_task(job) : STATUS_OK));
	STATUS_TRY(run_once(job, &telling, &busy));
	while (busy > 0 && job->prerequisite) {
		STATUS_TRY(pause_for_others(job));
		STATUS_TRY(run_once(job, &telling, &busy));
	}
	if (busy == 0)
		return STATUS_OK;
	error_raise(
		STATUS_ENVIRONMENT,
		"%lld of the points that were asked for are being worked on by other jobs (above) and were left to them; "
		"all others are finished; run the same line again when they have ended",
		(long long)busy);
	return world_agree(job->world, STATUS_ENVIRONMENT);
}
