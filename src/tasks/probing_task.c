/* task = probe: what the layers of finished models know of domains, by linear probes (paper, Figures 8 and 21). The output folder has
 * the layout of a pretrain run, with these probes, so capshape-report reads it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/log.h"
#include "tasks/guard.h"
#include "tasks/probing_parts.h"

static enum status open_probing(struct probing *probing, struct job *job)
{
	const struct parameters *parameters = sweep_point(job->sweep, 0);
	const char *groups = parameters_text(parameters, "probe/groups");
	*probing = (struct probing){ .job = job,
		                     .parameters = parameters,
		                     .output = parameters_text(parameters, "run/output") };
	STATUS_TRY(trained_open(job->world, "probe/run", parameters_text(parameters, "probe/run"), probing->output,
	                        &probing->trained));
	STATUS_TRY(trained_choose(&probing->trained, parameters, "probe/points"));
	probing->trained.whole = strcmp(parameters_text(parameters, "run/routed"), "whole") == 0;
	if (groups[0] == '\0')
		return STATUS_OK;
	enum status status =
		document_groups_read(groups, parameters_text(parameters, "probe/group_key"), &probing->groups);
	return status == STATUS_OK ? STATUS_OK : error_context(status, "probe/groups");
}

static void close_probing(struct probing *probing)
{
	if (probing->opened)
		devices_close(&probing->devices);
	probing_text_close(&probing->text);
	document_groups_clear(&probing->groups);
	trained_close(&probing->trained);
}

enum status task_probe(struct job *job)
{
	struct probing probing;
	enum status status = world_agree(job->world, open_probing(&probing, job));
	log_open(job->world->rank, "prober", job->world->rank == 0);
	struct lock *lock = NULL;
	if (status == STATUS_OK)
		status = guard_wait(job->world, probing.output, &lock);
	size_t points = status == STATUS_OK ? sweep_point_count(probing.trained.sweep) : 0;
	for (size_t i = 0; status == STATUS_OK && i < points; i++)
		if (probing.trained.chosen[i])
			status = trained_leave_out(&probing.trained, i, probing_point(&probing, i));
	lock_release(lock);
	if (status == STATUS_OK && trained_done(&probing.trained) > 0)
		log_info("probes are in %s; capshape-report %s shows them", probing.output, probing.output);
	if (status == STATUS_OK)
		status = trained_report(&probing.trained, "probed");
	close_probing(&probing);
	return status;
}
