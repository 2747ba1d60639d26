/* What a rank keeps over the phases of a job: device, prices, the split, its role and its part of the ranks.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/timer.h"
#include "classifier/classifier.h"
#include "tasks/plan_memory.h"
#include "tasks/pretrain.h"
#include "tasks/rates.h"
#include "tasks/tune.h"

/* Where nothing depends on the speed but the order of points. */
#define PLAIN_FLOPS 1e10

bool cast_is_open(const struct sweep *sweep, int ranks)
{
	static const char *const keys[] = { "roles/trainers", "roles/groups", "roles/classifiers", "roles/readers" };
	bool open = false;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		open |= parameters_integer(sweep_point(sweep, 0), keys[i]) < 0;
	return open && ranks > 1;
}

static int smaller(int a, int b)
{
	return a < b ? a : b;
}

/* What the points cost, and what they take of a GPU, on rank 0. */
static enum status price_points(const struct job *job, const struct cast *cast, struct points *points)
{
	struct rates rates = { 0 };
	struct plan_memory memory = { .kernels = cast->kernels, .device = cast->device, .gpu = cast->devices.gpus };
	char identity[PEERS_IDENTITY], reason[192];
	if (memory.gpu) /* before a probe leaves its scratch there */
		plan_memory_look(&memory);
	plan_memory_score(&memory, points);
	STATUS_TRY(cast_is_open(job->sweep, job->world->size)
	                   ? rates_measure(points, cast->kernels, cast->device, rates_worth(points, job->world->size),
	                                   &rates)
	                   : rates_given(points, PLAIN_FLOPS, "not measured", &rates));
	if (memory.gpu)
		rates_link(&rates, smaller(job->ranks_here, cast->devices.seen[cast->devices.node[0]]),
		           gradient_sum_direct_here(cast->kernels, cast->device, identity, reason, sizeof reason));
	enum status status = rates_price(&rates, points);
	if (memory.gpu)
		points->memory = plan_memory_split(&memory, points);
	snprintf(points->rates_text, sizeof points->rates_text, "%s", rates.source);
	rates_clear(&rates);
	return status;
}

/* GPUs that ranks can have: of a node no more than it has ranks. One without any is to be found out, not to be avoided: devices_open(). */
static int count_gpus(const struct devices *devices)
{
	int gpus = 0;
	for (int node = 0; node < devices->nodes && devices->gpus; node++) {
		int ranks = 0;
		for (int rank = 0; rank < devices->world->size; rank++)
			ranks += devices->node[rank] == node;
		gpus += devices->seen[node] > 0 ? smaller(ranks, devices->seen[node]) : ranks;
	}
	return gpus;
}

/* Every rank must come to the same split and timetable: the prices of rank 0. Collective. */
static enum status share_prices(struct job *job, const struct cast *cast, struct points *points)
{
	STATUS_TRY(world_agree(job->world, job->world->rank == 0 ? price_points(job, cast, points) : STATUS_OK));
	double totals[4] = { points->scoring, points->reading, points->scored_tokens, points->first_blocks };
	STATUS_TRY(world_broadcast(job->world, totals, sizeof totals, 0));
	points->scoring = totals[0];
	points->reading = totals[1];
	points->scored_tokens = totals[2];
	points->first_blocks = totals[3];
	points->gpus = count_gpus(&cast->devices);
	STATUS_TRY(world_broadcast(job->world, &points->memory, sizeof points->memory, 0));
	for (int64_t i = 0; i < points->count; i++) {
		struct point *point = &points->points[i];
		double costs[3] = { point->seconds, point->exchange, point->fixed };
		STATUS_TRY(world_broadcast(job->world, costs, sizeof costs, 0));
		STATUS_TRY(world_broadcast(job->world, &point->direct, sizeof point->direct, 0));
		point->seconds = costs[0];
		point->exchange = costs[1];
		point->fixed = costs[2];
	}
	return STATUS_OK;
}

/* The roles of all ranks: of the split, or before there is one, of the first, which runs the probe. */
static enum status map_devices(struct cast *cast, bool *moves_out)
{
	enum role *roles = memory_allocate((size_t)cast->job_world->size, sizeof *roles);
	for (int rank = 0; roles != NULL && rank < cast->job_world->size; rank++)
		roles[rank] = cast->split.trainers > 0 ? split_role(&cast->split, cast->seating.placement.seat[rank])
		              : rank == 0              ? ROLE_TRAINER
		                                       : ROLE_IDLE;
	enum status status = roles == NULL ? STATUS_ENVIRONMENT : devices_map(&cast->devices, roles, moves_out);
	free(roles);
	return world_agree(cast->job_world, status);
}

static enum status open_device(struct cast *cast)
{
	bool moves;
	STATUS_TRY(map_devices(cast, &moves));
	if (moves) { /* the classifier is on the device that is closed */
		classifier_destroy(cast->classifier);
		cast->classifier = NULL;
	}
	enum status status = devices_open(&cast->devices);
	cast->kernels = cast->devices.kernels;
	cast->device = cast->devices.device;
	return status;
}

enum status cast_open(struct cast *cast, struct job *job, struct points *points)
{
	const struct parameters *first = sweep_point(job->sweep, 0);
	*cast = (struct cast){ .world = job->world,
		               .job_world = job->world,
		               .trainers = { .comm = MPI_COMM_NULL },
		               .output = parameters_text(first, "run/output"),
		               .sweep_points = (int64_t)sweep_point_count(job->sweep),
		               .command_line = job->command_line };
	cast->input_text = sweep_used_text(job->sweep);
	STATUS_TRY(world_agree(job->world, cast->input_text == NULL ? STATUS_ENVIRONMENT : STATUS_OK));
	STATUS_TRY(devices_look(job->world, first, job->cores, &cast->devices));
	STATUS_TRY(open_device(cast));
	struct split measured = { .trainers = 0 };
	STATUS_TRY(tune_read(job, cast, points, &measured));
	STATUS_TRY(share_prices(job, cast, points));
	if (job->tune_roles)
		STATUS_TRY(tune_roles(job, cast, points, &measured));
	enum status status = points_split(points, job->sweep, job->world->size,
	                                  measured.trainers > 0 ? &measured : NULL, &cast->split);
	STATUS_TRY(world_agree(job->world, status));
	return cast_enter(cast);
}

enum status cast_enter(struct cast *cast)
{
	const struct devices *devices = &cast->devices;
	int size = split_group_size(&cast->split);
	STATUS_TRY(seating_open(cast->job_world, devices->node, devices->gpus ? devices->seen : NULL, &cast->split,
	                        &cast->seating));
	cast->world = cast->seating.world;
	int seat = cast->world->rank;
	cast->role = split_role(&cast->split, seat);
	cast->group = cast->role == ROLE_TRAINER ? seat / size : 0;
	log_open(cast->job_world->rank, role_name(cast->role), cast->role == ROLE_TRAINER && seat % size == 0);
	STATUS_TRY(open_device(cast));
	cast->timers = (struct timers){ .begin = timer_seconds() };
	free(cast->roles_text);
	cast->roles_text = split_describe(&cast->split);
	STATUS_TRY(world_agree(cast->world, cast->roles_text == NULL ? STATUS_ENVIRONMENT : STATUS_OK));
	return world_part_open(cast->world,
	                       cast->role == ROLE_TRAINER ? cast->group : cast->split.groups + (int)cast->role,
	                       &cast->trainers);
}

void cast_leave(struct cast *cast, enum status status)
{
	if (status == STATUS_OK) /* else the leader of the group that failed has something to say */
		log_open(cast->job_world->rank, "", cast->job_world->rank == 0);
	if (cast->trainers.comm != MPI_COMM_NULL)
		world_part_close(&cast->trainers);
	cast->trainers.comm = MPI_COMM_NULL;
	seating_close(&cast->seating);
	cast->world = cast->job_world;
}

void cast_close(struct cast *cast, enum status status)
{
	cast_leave(cast, status);
	classifier_destroy(cast->classifier);
	devices_close(&cast->devices);
	free(cast->classifier_path);
	free(cast->input_text);
	free(cast->roles_text);
}
