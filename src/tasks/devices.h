/* The device of each rank, by what all ranks see and what they are for.
 *
 * Models run on GPUs when run/device is `cuda`, or `auto` and any rank of the job sees one: never here on a GPU and there on a
 * processor. Which GPU a rank opens: roles/gpu_map.h. On processors every rank has a device, whatever its role.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_DEVICES_H
#define CAPSHAPE_TASKS_DEVICES_H

#include "comm/launch.h"
#include "comm/world.h"
#include "input/parameters.h"
#include "kernels/kernels.h"
#include "roles/gpu_map.h"

struct devices {
	struct world *world;
	const struct parameters *parameters;
	double cores;                  /* this rank's share */
	const struct kernels *kernels; /* from devices_map() on */
	bool gpus;                     /* models run on GPUs; before that, whether some rank sees one */
	const char *classifiers;       /* what the task calls ranks of ROLE_CLASSIFIER; NULL: that */
	struct gpu_view *views;        /* [ranks]; roles are set by devices_map() */
	int nodes;
	char (*names)[LAUNCH_NODE_SIZE]; /* [nodes] */
	int *node;                       /* [ranks] */
	int *seen;                       /* [nodes] GPUs that ranks of the node see */
	struct gpu_map map;
	struct device *device; /* of this rank: NULL where it has none */
	int opened;            /* its number among those that this rank sees */
};

/* What ranks see; `cores`: this rank's share of those of its node, for a device on them. Opens nothing. Collective; devices_close() in any case. */
enum status devices_look(struct world *world, const struct parameters *parameters, double cores,
                         struct devices *devices_out);
/* Maps ranks of these roles [ranks of the job] to GPUs. *moves_out: whether devices_open() will close the device that this
 * rank has open: what was made on it must go before. Not collective; the map is equal everywhere. */
enum status devices_map(struct devices *devices, const enum role *roles, bool *moves_out);
/* Opens what the map says, and closes what it does not. Collective. STATUS_ENVIRONMENT naming rank and node of the first
 * that is to compute on a GPU and sees none. */
enum status devices_open(struct devices *devices);
/* GPUs that can each have a rank of their own; 0: models run on processors. After devices_look(). */
int devices_single(const struct devices *devices);
/* The three calls for a task in which all ranks compute and none trains: each is called `name`. Collective. */
enum status devices_open_all(struct world *world, const struct parameters *parameters, double cores, const char *name,
                             struct devices *devices_out);
/* Rank 0 prints a line for each kind of node (on GPUs, or where there are several nodes), and warnings of GPUs that nobody
 * uses or several ranks share. */
void devices_print(const struct devices *devices);
void devices_close(struct devices *devices);

#endif
