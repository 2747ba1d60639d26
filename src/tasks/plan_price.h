/* What a plan reckons with: nodes, GPUs, speeds; and what of it is assumed.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef CAPSHAPE_TASKS_PLAN_PRICE_H
#define CAPSHAPE_TASKS_PLAN_PRICE_H

#include "tasks/company.h"
#include "tasks/plan_memory.h"

struct plan_basis {
	const struct plan_request *request;
	struct plan_memory memory;
	struct kernels absent;   /* stands for the GPU that is not here: the CPU's table with a GPU's sizes */
	bool elsewhere;          /* models will run on GPUs, and there is none here */
	int threads;             /* of a rank */
	int gpus_a_node;         /* where models run on GPUs */
	bool peers;              /* GPUs can exchange gradients directly */
	char reason[192];        /* why they cannot */
	struct company *company; /* keeps the machine busy during the probe; NULL: nothing is measured */
	double flops;            /* of a rank a second, once the points are priced */
	double launch;           /* seconds of a job before its roles begin, its own probe included */
};

/* The processor or GPU of this machine, or nothing but the sizes of a GPU that is not here; and, where something is measured, as many
 * processes as ranks will share the cores of this machine. plan_basis_close() in any case. */
enum status plan_basis_open(const struct points *points, const struct sweep *sweep, const struct plan_request *request,
                            double process, struct plan_basis *basis_out);
void plan_basis_close(struct plan_basis *basis);

/* Measures or assumes, prints how (the lines of assumptions begin with "ASSUMED: "), and prices the points. */
enum status plan_price(struct points *points, struct plan_basis *basis);

/* GPUs that so many ranks have, and nodes that a split of them takes. */
int plan_gpus_of(const struct plan_basis *basis, int ranks);
int plan_nodes_of(const struct plan_basis *basis, int ranks, const struct split *split);
/* "74.5 GiB of an H100 (ASSUMED)": of the memory of a GPU. */
const char *plan_room_text(const struct plan_basis *basis, char *buffer, size_t size);

/* Refuses, as the run would, run/exchange = device where the trainers of this split cannot; prints which way gradients go. */
enum status plan_check_exchange(const struct points *points, const struct plan_basis *basis, const struct split *split);

#endif
