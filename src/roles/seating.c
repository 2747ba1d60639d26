/* A communicator in the order of a placement.
 * SPDX-License-Identifier: Apache-2.0 */
#include "roles/seating.h"

enum status seating_open(struct world *job, const int *node, const int *gpus, const struct split *split,
                         struct seating *seating_out)
{
	*seating_out = (struct seating){ .job = job, .world = job, .ordered = { .comm = MPI_COMM_NULL } };
	struct placement *placement = &seating_out->placement;
	STATUS_TRY(world_agree(job, placement_create(node, gpus, job->size, split, placement)));
	if (placement_is_plain(placement))
		return STATUS_OK;
	STATUS_TRY(world_reorder(job, placement->seat[job->rank], &seating_out->ordered));
	seating_out->world = &seating_out->ordered;
	return STATUS_OK;
}

void seating_pass_failure(const struct seating *seating)
{
	if (seating->world != NULL && seating->world != seating->job)
		seating->job->failure_agreed |= seating->world->failure_agreed;
}

void seating_close(struct seating *seating)
{
	seating_pass_failure(seating);
	if (seating->world != NULL && seating->world != seating->job && seating->ordered.comm != MPI_COMM_NULL)
		world_part_close(&seating->ordered);
	placement_clear(&seating->placement);
	*seating = (struct seating){ .job = seating->job, .world = seating->job, .ordered = { .comm = MPI_COMM_NULL } };
}
