/* Asking all ranks, opening one device, and saying so.
 * SPDX-License-Identifier: Apache-2.0 */
#include "tasks/devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "roles/gpu_text.h"
#include "tasks/settings.h"

enum { NOT_OPEN = -1 };

/* What a rank tells the others. */
struct sight {
	char node[LAUNCH_NODE_SIZE];
	int count;
	struct cuda_identity gpus[MOST_GPUS_SEEN];
};

/* ---- looking */

static enum status look_around(const struct parameters *parameters, struct sight *sight)
{
	char name[CUDA_NAME_SIZE];
	memset(sight, 0, sizeof *sight);
	launch_node_name(sight->node);
	int count = settings_may_take_gpu(parameters) ? kernels_cuda_devices() : 0;
	sight->count = count < MOST_GPUS_SEEN ? count : MOST_GPUS_SEEN;
	for (int i = 0; i < sight->count; i++)
		STATUS_TRY(kernels_cuda_identify(i, &sight->gpus[i], name));
	return STATUS_OK;
}

/* Nodes are numbered in the order of their first ranks. */
static int node_number(struct devices *devices, const char *name)
{
	/* Ranks of a node mostly follow each other. */
	for (int node = devices->nodes - 1; node >= 0; node--)
		if (strcmp(devices->names[node], name) == 0)
			return node;
	memcpy(devices->names[devices->nodes], name, LAUNCH_NODE_SIZE);
	return devices->nodes++;
}

static void keep_sights(struct devices *devices, const struct sight *sights)
{
	for (int rank = 0; rank < devices->world->size; rank++) {
		struct gpu_view *view = &devices->views[rank];
		*view = (struct gpu_view){ .node = node_number(devices, sights[rank].node),
			                   .role = ROLE_IDLE,
			                   .count = sights[rank].count };
		memcpy(view->gpus, sights[rank].gpus, sizeof view->gpus);
		devices->node[rank] = view->node;
		devices->gpus |= view->count > 0;
	}
}

static enum status gather_sights(struct devices *devices)
{
	struct sight own, *sights = memory_allocate((size_t)devices->world->size, sizeof *sights);
	enum status status = sights == NULL ? STATUS_ENVIRONMENT : look_around(devices->parameters, &own);
	status = world_agree(devices->world, status);
	if (status == STATUS_OK)
		status = world_all_gather(devices->world, &own, (int)sizeof own, MPI_BYTE, sights);
	if (status == STATUS_OK)
		keep_sights(devices, sights);
	free(sights);
	return status;
}

static enum status count_seen(struct devices *devices)
{
	STATUS_TRY(gpu_map_create(devices->views, devices->world->size, &devices->map));
	for (int node = 0; node < devices->nodes; node++)
		devices->seen[node] = devices->map.first[node + 1] - devices->map.first[node];
	return STATUS_OK;
}

enum status devices_look(struct world *world, const struct parameters *parameters, double cores,
                         struct devices *devices_out)
{
	size_t ranks = (size_t)world->size;
	*devices_out = (struct devices){ .world = world,
		                         .parameters = parameters,
		                         .cores = cores,
		                         .views = memory_allocate(ranks, sizeof *devices_out->views),
		                         .names = memory_allocate(ranks, sizeof *devices_out->names),
		                         .node = memory_allocate(ranks, sizeof *devices_out->node),
		                         .seen = memory_allocate(ranks, sizeof *devices_out->seen),
		                         .opened = NOT_OPEN };
	bool short_of_memory = devices_out->views == NULL || devices_out->names == NULL || devices_out->node == NULL ||
	                       devices_out->seen == NULL;
	STATUS_TRY(world_agree(world, short_of_memory ? STATUS_ENVIRONMENT : STATUS_OK));
	STATUS_TRY(gather_sights(devices_out));
	return world_agree(world, count_seen(devices_out));
}

/* ---- opening */

/* What this rank is to have open. */
static int wanted(const struct devices *devices)
{
	return devices->gpus ? devices->map.uses[devices->world->rank].device : 0;
}

static bool anybody_sees(const struct devices *devices)
{
	return devices->map.first[devices->nodes] > 0;
}

enum status devices_map(struct devices *devices, const enum role *roles, bool *moves_out)
{
	if (devices->kernels == NULL)
		STATUS_TRY(settings_kernels(devices->parameters, devices->gpus, &devices->kernels));
	devices->gpus = devices->kernels == kernels_cuda();
	for (int rank = 0; rank < devices->world->size; rank++) {
		devices->views[rank].role = roles[rank];
		devices->views[rank].name = roles[rank] == ROLE_CLASSIFIER ? devices->classifiers : NULL;
	}
	gpu_map_clear(&devices->map);
	STATUS_TRY(gpu_map_create(devices->views, devices->world->size, &devices->map));
	*moves_out = devices->opened != NOT_OPEN && devices->opened != wanted(devices);
	return STATUS_OK;
}

static void close_device(struct devices *devices)
{
	if (devices->device != NULL)
		devices->kernels->device_destroy(devices->device);
	devices->device = NULL;
	devices->opened = NOT_OPEN;
}

static enum status refuse_blind(const struct devices *devices, int rank)
{
	if (rank != devices->world->rank)
		return STATUS_OK;
	return error_raise(STATUS_ENVIRONMENT,
	                   "rank %d, a %s on %s, sees no GPU, though others do: give every node GPUs (srun "
	                   "--gpus-per-node), look at "
	                   "CUDA_VISIBLE_DEVICES there, or use run/device = cpu for all",
	                   rank, gpu_view_name(&devices->views[rank]), devices->names[devices->views[rank].node]);
}

static enum status open_wanted(struct devices *devices)
{
	int number = wanted(devices);
	int blind = devices->gpus && anybody_sees(devices) ? gpu_map_blind(&devices->map, devices->views) : -1;
	if (blind >= 0)
		return refuse_blind(devices, blind);
	if (devices->opened != NOT_OPEN && devices->opened != number)
		close_device(devices);
	/* Where nobody sees a GPU, trying tells why. */
	bool computes = gpu_map_computes(devices->views[devices->world->rank].role);
	if (devices->opened != NOT_OPEN || (devices->gpus && !computes))
		return STATUS_OK;
	number = number < 0 ? 0 : number;
	STATUS_TRY(settings_device(devices->parameters, devices->kernels, devices->cores, number, &devices->device));
	devices->opened = number;
	return STATUS_OK;
}

enum status devices_open(struct devices *devices)
{
	return world_agree(devices->world, open_wanted(devices));
}

int devices_single(const struct devices *devices)
{
	int single = 0;
	for (int node = 0; node < devices->nodes; node++) {
		int ranks = 0;
		for (int rank = 0; rank < devices->world->size; rank++)
			ranks += devices->node[rank] == node;
		single += devices->seen[node] < ranks ? devices->seen[node] : ranks;
	}
	return single;
}

enum status devices_open_all(struct world *world, const struct parameters *parameters, double cores, const char *name,
                             struct devices *devices_out)
{
	bool moves;
	STATUS_TRY(devices_look(world, parameters, cores, devices_out));
	devices_out->classifiers = name;
	enum role *roles = memory_allocate((size_t)world->size, sizeof *roles);
	for (int rank = 0; roles != NULL && rank < world->size; rank++)
		roles[rank] = ROLE_CLASSIFIER;
	enum status status = roles == NULL ? STATUS_ENVIRONMENT : devices_map(devices_out, roles, &moves);
	free(roles);
	STATUS_TRY(world_agree(world, status));
	return devices_open(devices_out);
}

void devices_close(struct devices *devices)
{
	close_device(devices);
	gpu_map_clear(&devices->map);
	free(devices->views);
	free(devices->names);
	free(devices->node);
	free(devices->seen);
	*devices = (struct devices){ .opened = NOT_OPEN };
}

/* ---- saying so */

enum line { LINE_MAP, LINE_IDLE, LINE_SHARED, LINES };

static char *line_text(const struct devices *devices, int node, enum line line, bool *trainers)
{
	*trainers = false;
	if (line == LINE_MAP)
		return gpu_text_node(&devices->map, devices->views, node);
	return line == LINE_IDLE ? gpu_text_idle(&devices->map, node)
	                         : gpu_text_shared(&devices->map, devices->views, node, trainers);
}

static void print_line(const struct devices *devices, int node, int more, enum line line, const char *text,
                       bool trainers)
{
	char nodes[LAUNCH_NODE_SIZE + 32];
	if (more > 0)
		snprintf(nodes, sizeof nodes, "%s and %d more like it", devices->names[node], more);
	else
		snprintf(nodes, sizeof nodes, "%s", devices->names[node]);
	if (text[0] == '\0')
		return;
	if (line == LINE_MAP)
		log_info("%s: %s", nodes, text);
	else if (line == LINE_IDLE)
		log_warning("%s: nobody computes on %s: start a rank a GPU and further ones for reading (srun "
		            "--ntasks-per-node, with "
		            "--gpus-per-node rather than --gpus-per-task), or choose other roles (capshape --plan)",
		            nodes, text);
	else
		log_warning("%s: ranks take turns on %s%s", nodes, text,
		            trainers ? "; gradients of trainers that share a GPU go through the host: fewer ranks a "
		                       "node, or more GPUs"
		                     : "");
}

/* Neighbours of one kind share a line. */
static void print_lines(const struct devices *devices, enum line line)
{
	char *kind = NULL;
	int first = 0;
	bool kind_trainers = false, trainers = false;
	for (int node = 0; node < devices->nodes; node++) {
		char *text = line_text(devices, node, line, &trainers);
		if (kind != NULL && text != NULL && strcmp(kind, text) == 0) {
			free(text);
			continue;
		}
		if (kind != NULL)
			print_line(devices, first, node - first - 1, line, kind, kind_trainers);
		free(kind);
		kind = text;
		kind_trainers = trainers;
		first = node;
	}
	if (kind != NULL)
		print_line(devices, first, devices->nodes - first - 1, line, kind, kind_trainers);
	free(kind);
}

void devices_print(const struct devices *devices)
{
	if (devices->world->rank > 0)
		return;
	if (devices->gpus || devices->nodes > 1)
		print_lines(devices, LINE_MAP);
	for (int line = LINE_IDLE; devices->gpus && line < LINES; line++)
		print_lines(devices, (enum line)line);
}
