/* Short runs of candidate splits, and the stamped file of the best.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/tune.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/timer.h"
#include "results/provenance.h"
#include "storage/atomic_file.h"

/* A candidate may look this much slower than the best one and still be worth a try. */
#define WORTH_A_TRY   1.6
#define SECONDS_A_TRY 3.0
enum { MOST_CANDIDATES = 4 };

/* ---- the file ---- */

/* One line a stamp. From malloc. */
static char *stamps(const struct job *job, const struct cast *cast, const struct points *points)
{
	struct content_hash *hash = content_hash_create();
	char points_hash[CONTENT_HASH_SIZE];
	struct utsname machine;
	if (hash == NULL || uname(&machine) != 0)
		return NULL;
	for (int64_t i = 0; i < points->count; i++)
		content_hash_add(hash, points->points[i].identity, strlen(points->points[i].identity) + 1);
	content_hash_finish(hash, points_hash);
	char *version = provenance_version_text();
	if (version == NULL)
		return NULL;
	version[strcspn(version, "\n")] = '\0';
	char *text = text_format("points %s\nranks %d, %d on a node\nmachine %s, %.6g cores a rank, %s\nprogram %s\n",
	                         points_hash, job->world->size, job->ranks_here, machine.machine, job->cores,
	                         cast->kernels->device_describe(cast->device), version);
	free(version);
	return text;
}

static char *file_path(const struct cast *cast)
{
	return text_join_path(cast->output, "roles.tuned");
}

static enum status read_file(const struct job *job, const struct cast *cast, const struct points *points,
                             struct split *split_out)
{
	char *path = file_path(cast), *expected = stamps(job, cast, points), *text = NULL;
	size_t size;
	enum status status = path == NULL || expected == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	struct split split = { .trainers = 0 };
	if (status == STATUS_OK && access(path, F_OK) == 0) {
		status = file_read(path, &text, &size);
		size_t stamped = strlen(expected);
		if (status == STATUS_OK && (size < stamped || memcmp(text, expected, stamped) != 0))
			log_info("%s is of another job, machine or program: not used", path);
		else if (status == STATUS_OK &&
		         sscanf(text + stamped, "trainers %d groups %d classifiers %d readers %d", &split.trainers,
		                &split.groups, &split.classifiers, &split.readers) == 4 &&
		         split.trainers > 0 && split.groups > 0)
			snprintf(split.reason, sizeof split.reason, "found best by --tune-roles, %s", path);
		else
			split.trainers = 0;
	}
	*split_out = split;
	free(text);
	free(expected);
	free(path);
	return status;
}

enum status tune_read(struct job *job, const struct cast *cast, const struct points *points, struct split *split_out)
{
	static const char *const keys[] = { "roles/trainers", "roles/groups", "roles/classifiers", "roles/readers" };
	const struct parameters *first = sweep_point(job->sweep, 0);
	bool open =
		strcmp(parameters_text(first, "roles/mode"), "auto") == 0 && !job->tune_roles && job->world->size > 1;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		open = open && parameters_integer(first, keys[i]) < 0;
	*split_out = (struct split){ .trainers = 0 };
	if (!open)
		return STATUS_OK;
	STATUS_TRY(
		world_agree(job->world, job->world->rank == 0 ? read_file(job, cast, points, split_out) : STATUS_OK));
	return world_broadcast(job->world, split_out, sizeof *split_out, 0);
}

static enum status write_file(const struct job *job, const struct cast *cast, const struct points *points,
                              const struct split *split)
{
	char *path = file_path(cast), *stamp = stamps(job, cast, points);
	char *text = stamp == NULL ? NULL
	                           : text_format("%strainers %d groups %d classifiers %d readers %d\n", stamp,
	                                         split->trainers, split->groups, split->classifiers, split->readers);
	enum status status = path == NULL || text == NULL ? STATUS_ENVIRONMENT : STATUS_OK;
	if (status == STATUS_OK)
		status = text_make_directories(cast->output);
	if (status == STATUS_OK)
		status = atomic_file_write(path, text, strlen(text));
	free(text);
	free(stamp);
	free(path);
	return status;
}

/* ---- trying ---- */

/* What a short run showed. */
struct trial {
	double speed;         /* predicted seconds of work (on one trainer) done in a second, all trainers together */
	double scored_tokens; /* and in how many seconds of a trainer, those of waiting included */
	double seconds;
};

/* The points as they are tried: in the scratch folder, and for some seconds. */
static enum status copy_points(const struct points *points, const struct split *split, const char *scratch,
                               struct points *copy)
{
	*copy = *points;
	copy->timetable = (struct timetable){ 0 };
	copy->points = memory_allocate((size_t)points->count, sizeof *copy->points);
	if (copy->points == NULL)
		return STATUS_ENVIRONMENT;
	for (int64_t i = 0; i < points->count; i++) {
		struct point *point = &copy->points[i];
		*point = points->points[i];
		double step = point->seconds / (double)point->training.steps / split_group_size(split);
		point->folder = text_format("%s/points/%lld", scratch, (long long)i);
		point->training.stop_after = (int64_t)fmax(2, SECONDS_A_TRY / (step > 0 ? step : 1));
		point->training.checkpoint_interval = INT64_MAX;
		point->training.log_interval = INFINITY;
		if (point->folder == NULL)
			return STATUS_ENVIRONMENT;
	}
	return STATUS_OK;
}

static void clear_copy(struct points *copy)
{
	for (int64_t i = 0; copy->points != NULL && i < copy->count; i++)
		free(copy->points[i].folder);
	free(copy->points);
	timetable_clear(&copy->timetable);
}

static enum status remove_scratch(struct cast *cast, const char *folder)
{
	return world_agree(cast->world, cast->world->rank == 0 ? folder_remove(folder) : STATUS_OK);
}

/* One run of the first phase: all groups stop when the first has done its steps. */
static enum status run_once(struct cast *cast, struct points *points, struct trial *trial)
{
	cast->timers = (struct timers){ .begin = timer_seconds() };
	enum status status = cast_play_phase(cast, points, 0);
	if (status == STATUS_STOPPED && cast->world->failure_agreed && !stop_asked(0)) {
		cast->world->failure_agreed = false;
		error_clear();
		status = STATUS_OK;
	}
	STATUS_TRY(status);
	const struct point *mine = NULL;
	for (int64_t i = 0; i < points->timetable.count && mine == NULL; i++)
		if (points->timetable.places[i].phase == 0 && points->timetable.places[i].group == cast->group)
			mine = &points->points[points->timetable.places[i].point];
	const double *seconds = cast->timers.seconds;
	double busy = seconds[ACTIVITY_TRAIN] + seconds[ACTIVITY_WAIT_BLOCK] + seconds[ACTIVITY_REDUCE] +
	              seconds[ACTIVITY_SCORE] + seconds[ACTIVITY_READ];
	double tokens =
		mine == NULL ? 0 : (double)(mine->training.steps * mine->training.sequences * mine->training.length);
	double done = cast->role == ROLE_TRAINER && mine != NULL
	                      ? (double)cast->timers.trained_tokens / tokens * mine->seconds
	                      : 0;
	bool trainer = cast->role == ROLE_TRAINER && done > 0;
	int64_t sums[4] = { trainer ? llround(1e9 * done / busy) : 0, cast->timers.scored_tokens,
		            trainer ? llround(1e9 * busy) : 0, trainer };
	STATUS_TRY(world_sum_integers(cast->world, sums, 4));
	*trial = (struct trial){ 1e-9 * (double)sums[0], (double)sums[1],
		                 1e-9 * (double)sums[2] / (double)(sums[3] + (sums[3] == 0)) };
	return STATUS_OK;
}

/* Predicted seconds of the whole job with this split: its points at the speed that it trains with when scores are there,
 * and what scoring costs on top. */
static enum status try_split(struct cast *cast, struct job *job, const struct points *points, const char *scratch,
                             const struct split *split, double *seconds_out)
{
	struct points copy;
	struct trial first, second;
	char *runs = text_join_path(scratch, "points");
	enum status status = copy_points(points, split, scratch, &copy);
	if (runs == NULL)
		status = STATUS_ENVIRONMENT;
	if (status == STATUS_OK)
		status = points_split(&copy, job->sweep, job->world->size, split, &cast->split);
	status = world_agree(cast->world, status);
	if (status == STATUS_OK)
		status = cast_enter(cast);
	if (status == STATUS_OK)
		status = run_once(cast, &copy, &first);
	if (status == STATUS_OK)
		status = remove_scratch(cast, runs);
	if (status == STATUS_OK)
		status = run_once(cast, &copy, &second);
	cast_leave(cast, status);
	if (status == STATUS_OK) {
		double work = 0, scoring = fmax(0, first.seconds * (1 - first.speed / second.speed));
		for (int64_t i = 0; i < points->count; i++)
			work += points->points[i].finished ? 0 : points->points[i].seconds;
		/* The timetable leaves groups without work at the end. */
		double idle = copy.timetable.end * split->groups * split_group_size(split) / work;
		*seconds_out = work / second.speed * fmax(1, idle);
		if (first.scored_tokens > 0)
			*seconds_out += scoring * points->scored_tokens / first.scored_tokens;
	}
	clear_copy(&copy);
	free(runs);
	return status;
}

static enum status try_all(struct job *job, struct cast *cast, const struct points *points, const char *scratch,
                           struct split *split_out)
{
	struct split candidates[MOST_CANDIDATES];
	const char *output = cast->output;
	double best = INFINITY;
	int count;
	enum status status = points_candidates(points, job->sweep, job->world->size, WORTH_A_TRY, MOST_CANDIDATES,
	                                       candidates, &count);
	STATUS_TRY(world_agree(job->world, status));
	cast->output = scratch; /* scores too are made anew */
	for (int i = 0; i < count && status == STATUS_OK; i++) {
		double seconds = 0;
		char *roles = split_describe(&candidates[i]), texts[2][32];
		status = remove_scratch(cast, scratch);
		if (status == STATUS_OK)
			status = try_split(cast, job, points, scratch, &candidates[i], &seconds);
		if (status == STATUS_OK && roles != NULL && job->world->rank == 0)
			log_info("tried %s: the job in %s (cost model: %s)", roles,
			         text_duration(seconds, texts[0], 32), text_duration(candidates[i].cost, texts[1], 32));
		free(roles);
		if (status == STATUS_OK && seconds < best) {
			best = seconds;
			*split_out = candidates[i];
			snprintf(split_out->reason, sizeof split_out->reason, "found best by --tune-roles now");
		}
	}
	cast->output = output;
	return status;
}

enum status tune_roles(struct job *job, struct cast *cast, struct points *points, struct split *split_out)
{
	if (job->world->size == 1) {
		log_info("--tune-roles: one rank plays all roles, there is nothing to choose");
		return STATUS_OK;
	}
	char *scratch = text_join_path(cast->output, "tuning");
	if (scratch == NULL)
		return STATUS_ENVIRONMENT;
	enum status status = try_all(job, cast, points, scratch, split_out);
	if (status == STATUS_OK)
		status = remove_scratch(cast, scratch);
	if (status == STATUS_OK)
		status = world_agree(job->world,
		                     job->world->rank == 0 ? write_file(job, cast, points, split_out) : STATUS_OK);
	free(scratch);
	return status;
}
