/* task = classifier: two language models, left to right and right to left, then the probes on both.
 * Paper section 5. Everything is one folder: left/, right/ (runs with checkpoints) and classifier.h5.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "classifier/fit_labels.h"
#include "comm/cores.h"
#include "tasks/classifier_parts.h"
#include "tasks/finished.h"
#include "tasks/guard.h"

/* The largest number of trainers that fits, of `useful` ranks, and on GPUs one of these each; the other ranks join for the
 * features. */
static int trainer_count(const struct fitting *fitting, int useful)
{
	int gpus = devices_single(&fitting->devices), count = 1;
	if (gpus > 0 && gpus < useful)
		useful = gpus;
	while (2 * count <= useful && 2 * count <= fitting->training.slots)
		count *= 2;
	return count;
}

static enum status open_fitting(struct fitting *fitting, struct job *job, size_t point)
{
	const struct parameters *parameters = sweep_point(job->sweep, point);
	*fitting = (struct fitting){ .job = job,
		                     .parameters = parameters,
		                     .output = parameters_text(parameters, "run/output"),
		                     .data = parameters_text(parameters, "data/folder"),
		                     .part = { .comm = MPI_COMM_NULL } };
	fitting->timers.begin = timer_seconds();
	fitting->input_text = sweep_used_text(job->sweep);
	if (fitting->input_text == NULL)
		return STATUS_ENVIRONMENT;
	STATUS_TRY(shard_set_open(fitting->data, "train", &fitting->shards));
	STATUS_TRY(settings_check_text(parameters));
	const struct shard_facts *facts = shard_set_facts(fitting->shards);
	STATUS_TRY(fit_labels_check(fitting->data,
	                            strcmp(parameters_text(parameters, "classifier/labels"), "document") == 0));
	STATUS_TRY(settings_model(parameters, facts->vocabulary, &fitting->config));
	STATUS_TRY(settings_training(parameters, &fitting->config, &fitting->training));
	fitting->training.document_attention = true; /* a score is to depend on its own document only */
	fitting->filter =
		(struct filter){ .method = FILTER_NONE, .end_of_text = facts->end_of_text, .hidden = facts->hidden };
	if (job->world->rank == 0)
		STATUS_TRY(text_make_directories(fitting->output));
	return STATUS_OK;
}

static enum status map_devices(struct fitting *fitting)
{
	bool moves;
	int size = fitting->job->world->size;
	enum role *roles = memory_allocate((size_t)size, sizeof *roles);
	if (roles == NULL)
		return STATUS_ENVIRONMENT;
	for (int rank = 0; rank < size; rank++)
		roles[rank] = fitting->seating.placement.seat[rank] < fitting->split.trainers ? ROLE_TRAINER
		                                                                              : ROLE_CLASSIFIER;
	enum status status = devices_map(&fitting->devices, roles, &moves);
	free(roles);
	return status;
}

/* Who trains, placed as the trainers of a pretraining run are: the others, which compute only when these have done, must not
 * keep a GPU from them. Collective. */
static enum status open_device(struct fitting *fitting)
{
	struct job *job = fitting->job;
	struct devices *devices = &fitting->devices;
	STATUS_TRY(devices_look(job->world, fitting->parameters, job->cores, devices));
	devices->classifiers = "feature rank";
	int useful; /* trainers without a core each would wait for one another in every step */
	STATUS_TRY(cores_busy_ranks(job->world, job->cores, &useful));
	fitting->split = (struct split){ .trainers = trainer_count(fitting, useful), .groups = 1 };
	fitting->split.idle = job->world->size - fitting->split.trainers;
	STATUS_TRY(seating_open(job->world, devices->node, devices->gpus ? devices->seen : NULL, &fitting->split,
	                        &fitting->seating));
	fitting->trains = fitting->seating.world->rank < fitting->split.trainers;
	STATUS_TRY(world_agree(job->world, map_devices(fitting)));
	STATUS_TRY(devices_open(devices));
	fitting->kernels = devices->kernels;
	fitting->device = devices->device;
	return STATUS_OK;
}

static void close_fitting(struct fitting *fitting)
{
	devices_close(&fitting->devices);
	if (fitting->shards != NULL)
		shard_set_close(fitting->shards);
	world_part_close(&fitting->part);
	seating_close(&fitting->seating);
	free(fitting->input_text);
	unfinished_clear(&fitting->unfinished);
}

static enum status run(struct fitting *fitting, const char *path)
{
	struct world *world = fitting->job->world;
	bool left_left = parameters_boolean(fitting->parameters, "compat/left_left");
	float *left = NULL, *right = NULL;
	enum status status = open_device(fitting);
	if (status == STATUS_OK) {
		devices_print(&fitting->devices);
		log_open(world->rank, fitting->trains ? "trainer" : "features", world->rank == 0);
		status = world_part_open(fitting->seating.world, fitting->trains, &fitting->part);
	}
	if (status == STATUS_OK)
		status = classifier_obtain_model(fitting, false, &left);
	if (status == STATUS_OK && !left_left)
		status = classifier_obtain_model(fitting, true, &right);
	if (status == STATUS_OK)
		status = classifier_fit_probes(fitting, left, right, path);
	free(left);
	free(right);
	if (status == STATUS_OK)
		status = timers_print(&fitting->timers, fitting->seating.world, &fitting->split);
	return status;
}

/* Collective. Under the lock, as another job may have finished it while this one waited. */
static enum status make_all(struct fitting *fitting, const char *path)
{
	struct world *world = fitting->job->world;
	bool finished = false;
	STATUS_TRY(finished_find(world, path, fitting->parameters, &finished));
	if (finished)
		log_info("%s: another job has finished %s", fitting->job->input_name, path);
	else
		STATUS_TRY(run(fitting, path));
	return world_agree(world, world->rank == 0 ? unfinished_remove(fitting->output) : STATUS_OK);
}

static enum status make_locked(struct fitting *fitting, const char *path)
{
	struct lock *lock = NULL;
	STATUS_TRY(guard_wait(fitting->job->world, fitting->output, &lock));
	enum status status = make_all(fitting, path);
	lock_release(lock);
	return status;
}

static enum status fit_point(struct job *job, size_t point)
{
	struct fitting fitting;
	bool finished = false;
	log_open(job->world->rank, "", job->world->rank == 0); /* until the ranks have roles */
	enum status status = world_agree(job->world, open_fitting(&fitting, job, point));
	char *path = status == STATUS_OK ? text_join_path(fitting.output, "classifier.h5") : NULL;
	if (status == STATUS_OK)
		status = world_agree(job->world, path == NULL ? STATUS_ENVIRONMENT : STATUS_OK);
	if (status == STATUS_OK)
		status = finished_find(job->world, path, fitting.parameters, &finished);
	if (status == STATUS_OK && finished) {
		log_info("%s: %s is finished: nothing to do", job->input_name, path);
		status = unfinished_tidy(job->world, fitting.output);
	} else if (status == STATUS_OK) {
		status = make_locked(&fitting, path);
	}
	free(path);
	close_fitting(&fitting);
	return status;
}

enum status task_classifier(struct job *job)
{
	for (int64_t i = 0; i < job->point_count; i++)
		STATUS_TRY(fit_point(job, (size_t)(job->first_point + i)));
	return STATUS_OK;
}
